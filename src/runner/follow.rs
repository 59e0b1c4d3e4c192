//! Following a run's tasks from look to look, until the verdict, the deadline or the end of this invocation.

use super::{
    decide::{
        answer::{Answer, Evidence, speaker_of},
        texts,
        wait::{Goal, Step, TimedOut, Wait},
    },
    evidence::{self, DEFINITION_PATIENCE, Definition, Speaker},
    hand_over::{NoNextHop, hand_over},
    park::{Kept, keep, keep_timed_out},
    stop::{last_words, stop},
    work::{FRESH_ROLE, Work},
};
use crate::{
    aws::{CallError, CallErrorKind},
    cfn::WaitHandle,
    log_tail,
    outcome::{Awaited, Cause, Outcome, Rules, Verdict},
    reason::{FailureClass, Log, Reason, TIMED_OUT},
    task::{Observation, Task, TaskArn},
};

/// How a request's part in one invocation ends.
pub(super) enum Ending {
    /// With its answer.
    Answered(Answer),
    /// With this answer, while the wait goes on for the WaitHandle.
    Promised(Answer, Box<Wait>),
    /// With this answer, and the same for the WaitHandle: there is nothing to run.
    Skipped(Answer, WaitHandle),
    /// With the answer that no container ever ran; StartRetries may start the run anew instead.
    NeverRan(Answer),
    /// Another invocation goes on: the next of the chain, one that an event or the watch wakes, or one that has
    /// answered already.
    HandedOver,
}

/// What the looks of one invocation have shown.
#[derive(Default)]
struct Seen {
    last: Observation,
    definition: Definition,
    /// Why the last look showed nothing.
    trouble: Option<CallError>,
    /// How many looks in a row showed nothing, half of which one that shows something makes good.
    misses: u32,
}

/// Follows a wait to its end, or until it is parked, or to the end of this invocation.
pub(super) async fn follow(work: &Work<'_>, mut wait: Wait) -> Ending {
    let mut seen = Seen::of(&wait);
    match keep(work, &wait).await {
        Kept::Parked => match look_at_parked(work, &mut wait, &mut seen).await {
            Some(step) => pursue(work, wait, seen, step).await,
            None => Ending::HandedOver,
        },
        Kept::Polled => {
            let step = wait.resume(work.invocation.hand_over_at());
            pursue(work, wait, seen, step).await
        }
        Kept::Answered => Ending::HandedOver,
        Kept::Superseded => {
            tracing::warn!("a later request of the resource has taken over: stopping what was started");
            let soon = work.due(work.invocation.soon());
            stop(&soon, &wait.tasks, "ecs-tasks: a later request of the same resource takes over").await;
            Ending::Answered(Answer::Failed(texts::taken_over()))
        }
    }
}

/// One more look at a wait that has just been parked, so that an end that came before its row is not missed.
/// None if it is to be left alone.
async fn look_at_parked(work: &Work<'_>, wait: &mut Wait, seen: &mut Seen) -> Option<Step> {
    let work = &work.due(work.invocation.until(wait.deadline));
    match look(work, wait, seen).await {
        Ok(Some(Outcome::Pending) | None) => None,
        Ok(Some(outcome)) => {
            let hand_over_at = work.invocation.hand_over_at();
            Some(wait.step(&outcome, work.now(), hand_over_at, fastrand::f64()))
        }
        // The next look has the same error, and what is to be done about it.
        Err(_) => Some(Step::Look(work.now())),
    }
}

/// What an observation that came by itself has come to: its ending, or nothing if the tasks are not over by it.
/// Where a fact is missing that decides, it is polled for.
pub(super) async fn observed(work: &Work<'_>, mut wait: Wait, observation: Observation) -> Option<Ending> {
    let mut seen = Seen { last: observation, ..Seen::of(&wait) };
    let now = work.now();
    wait.observe(&seen.last, now);
    let work = &work.due(work.invocation.until(wait.deadline));
    match judge(work, &wait, &mut seen).await {
        Outcome::Pending if seen.last.missing.is_empty() => None,
        // ECS does not know a task: whether that lasts only looks in a row can say.
        Outcome::Pending => Some(pursue(work, wait, seen, Step::Look(now)).await),
        outcome => {
            let step = wait.step(&outcome, now, work.invocation.hand_over_at(), fastrand::f64());
            Some(pursue(work, wait, seen, step).await)
        }
    }
}

/// Pursues a wait by looks, from a step on.
async fn pursue(work: &Work<'_>, mut wait: Wait, mut seen: Seen, mut step: Step) -> Ending {
    let invocation = work.invocation;
    let hand_over_at = invocation.hand_over_at();
    loop {
        let work = &work.due(invocation.until(wait.deadline));
        step = match step {
            Step::Look(at) => {
                invocation.clock().sleep_until(at).await;
                let looked = look(work, &mut wait, &mut seen).await;
                let (now, jitter) = (work.now(), fastrand::f64());
                match looked {
                    Ok(Some(Outcome::Pending))
                        if wait.may_restart && seen.last.tasks.iter().all(Task::ever_ran) =>
                    {
                        // From here on it is like any other wait.
                        wait.may_restart = false;
                        wait.definition = seen.definition.as_ref().cloned().map(Box::new);
                        return Box::pin(follow(work, wait)).await;
                    }
                    Ok(Some(outcome)) => wait.step(&outcome, now, hand_over_at, jitter),
                    Ok(None) => wait.step_after_misses(seen.misses, now, hand_over_at, jitter),
                    Err(error) => return Ending::Answered(lost_sight(work, &wait, &seen, &error).await),
                }
            }
            Step::HandOver(at) => {
                invocation.clock().sleep_until(at).await;
                return match hand_over(work, wait.clone()).await {
                    Ok(()) => Ending::HandedOver,
                    Err(NoNextHop::ChainUsedUp) => Ending::Answered(give_up_at_once(work, wait, seen).await),
                    Err(NoNextHop::Refused(error)) => {
                        Ending::Answered(stop_unwatched(work, &wait, texts::no_next_hop(&error)).await)
                    }
                };
            }
            Step::Finish(verdict) => {
                let answer = finish(work, &wait, &verdict, &seen).await;
                let may_run_again = wait.goal == Goal::Success && wait.timed_out.is_none();
                let never_ran = may_run_again && verdict.never_ran(&seen.last.tasks);
                return if never_ran { Ending::NeverRan(answer) } else { Ending::Answered(answer) };
            }
            Step::GiveUp if wait.goal == Goal::Success && wait.timed_out.is_none() => {
                let refused = time_out(work, &mut wait, &seen).await;
                if !refused.is_empty() {
                    let reason = texts::not_stopped(timed_out(work, &wait, &seen).await, &refused);
                    return Ending::Answered(Answer::Failed(reason));
                }
                wait.resume(hand_over_at)
            }
            Step::GiveUp => return Ending::Answered(give_up(work, &wait, &seen).await),
        };
    }
}

/// One look. Throttling, 5xx and time-outs are no observation, `None`; `Err` is what no further look will
/// mend.
async fn look(work: &Work<'_>, wait: &mut Wait, seen: &mut Seen) -> Result<Option<Outcome>, CallError> {
    let (now, started_at) = (work.now(), wait.started_at);
    let looking = work.within(work.aws.describe_tasks(&wait.cluster, &wait.tasks));
    // The definition is read while the tasks run: at their end there may be no time for it, and which
    // containers count, and where their output went, stands in it alone.
    let name = definition_name(seen);
    let looked = if wait.goal == Goal::Success && seen.definition.may_be_read() && !name.is_empty() {
        let (looked, read) = tokio::join!(looking, Definition::attempt(work, &name, started_at));
        seen.definition = read;
        looked
    } else {
        looking.await
    };
    match looked {
        Ok(observation) => {
            seen.last = observation;
            seen.trouble = None;
            seen.misses /= 2;
        }
        Err(error) if wait.goal == Goal::Stopped && error.is("ClusterNotFoundException") => {
            seen.last = Observation::default();
        }
        Err(error) => {
            let may_pass = match error.kind {
                CallErrorKind::Transient => true,
                CallErrorKind::Denied => now - started_at < FRESH_ROLE,
                CallErrorKind::Final => false,
            };
            if !may_pass {
                return Err(error);
            }
            tracing::warn!("a look showed nothing: {error}");
            seen.trouble = Some(error);
            seen.misses += 1;
            return Ok(None);
        }
    }
    let statuses: Vec<&str> = seen.last.tasks.iter().map(|task| task.last_status.as_str()).collect();
    tracing::debug!(waited_s = (now - started_at).whole_seconds(), statuses = statuses.join(","), "looked");
    wait.observe(&seen.last, work.now());
    Ok(Some(judge(work, wait, seen).await))
}

/// What the last look has come to. A verdict that the task definition could turn waits for it.
async fn judge(work: &Work<'_>, wait: &Wait, seen: &mut Seen) -> Outcome {
    let outcome = wait.judge(&seen.last, wait.rules(seen.definition.as_ref()), work.now());
    if outcome == Outcome::Pending || wait.goal == Goal::Stopped || !seen.definition.may_be_read() {
        return outcome;
    }
    if wait.over_since.is_none() {
        let reading = work.due(work.invocation.until(work.now() + DEFINITION_PATIENCE));
        seen.definition = Definition::ride_out(&reading, &definition_name(seen)).await;
    }
    let rules = wait.rules(seen.definition.as_ref());
    match wait.judge(&seen.last, rules, work.now()) {
        Outcome::Over { verdict, .. }
            if seen.definition.may_be_read() && verdict.rests_on_definition(rules) =>
        {
            Outcome::Over { verdict, awaited: Awaited::Definition }
        }
        outcome => outcome,
    }
}

fn definition_name(seen: &Seen) -> String {
    seen.last.tasks.first().map(|task| task.task_definition_arn.clone()).unwrap_or_default()
}

async fn finish(work: &Work<'_>, wait: &Wait, verdict: &Verdict, seen: &Seen) -> Answer {
    for task in &seen.last.tasks {
        for container in &task.containers {
            tracing::info!(
                cluster = wait.cluster,
                task_arn = task.arn.0,
                container = container.name,
                exit_code = container.exit_code,
                stop_code = task.stop_code,
                waited_s = (work.now() - wait.started_at).whole_seconds(),
                "ended"
            );
        }
    }
    if wait.goal == Goal::Success {
        work.invocation.meter().over(work.reply_to, &seen.last.tasks, work.now());
    }
    let rules = wait.rules(seen.definition.as_ref());
    let in_time = || wait.ended_in_time(&seen.last, rules, work.now());
    match (wait.goal, verdict) {
        (Goal::Stopped, _) => Answer::nothing_ran(texts::all_stopped()),
        (Goal::Success, _) if wait.timed_out.is_some() && in_time().is_none() => {
            Answer::Failed(timed_out(work, wait, seen).await)
        }
        (Goal::Success, Verdict::Succeeded) => {
            let answer = Answer::succeeded(&seen.last.tasks, rules);
            match seen.last.tasks.first().filter(|_| wait.return_output) {
                Some(task) => returning(work, answer, task, seen, rules).await,
                None => answer,
            }
        }
        (Goal::Success, Verdict::Failed(failures)) => {
            let lost = failures.iter().filter(|failure| failure.cause == Cause::Missing);
            let lost: Vec<TaskArn> = lost.map(|failure| failure.task.clone()).collect();
            // What ECS does not know it may still be running.
            stop(&work.due(work.invocation.soon()), &lost, "ecs-tasks: ECS does not know the task any more")
                .await;
            // What never ran has logged nothing.
            let ran = failures.first().filter(|first| !matches!(first.cause, Cause::FailedToStart { .. }));
            let container = ran.and_then(|failure| failure.cause.container());
            let task = failures.first().and_then(|failure| seen.task(&failure.task));
            let log = log_of(work, wait, seen, task.zip(container)).await;
            let (definition, network) = (rules.definition, wait.network.as_deref());
            Answer::failed(failures, Evidence { definition, log: log.as_ref(), network })
        }
    }
}

/// A success with the last line of its container.
async fn returning(work: &Work<'_>, answer: Answer, task: &Task, seen: &Seen, rules: Rules<'_>) -> Answer {
    let container = speaker_of(rules);
    let name = container.unwrap_or_default();
    let speaker = Speaker { task, container: name, lines: 1, counts: log_tail::is_seen };
    let log = evidence::log(work, speaker, &seen.definition).await;
    if let Some(missing) = &log.missing {
        tracing::warn!(container, "Output is empty. {}", missing.in_words(log.group.as_deref()));
    }
    answer.returning(container, &log)
}

/// The deadline has come: the tasks are told to stop, and the wait goes on until they have. Those that AWS
/// refuses to stop, if any.
async fn time_out(work: &Work<'_>, wait: &mut Wait, seen: &Seen) -> Vec<(TaskArn, CallError)> {
    tracing::warn!("{} is over: stopping the tasks", wait.limit);
    let running = wait.running(&seen.last.tasks, seen.definition.as_ref());
    let timed_out = TimedOut {
        at: wait.deadline,
        limit: wait.limit,
        running: texts::what_runs(&seen.last.tasks),
        container: running.map(|(_, container)| container.to_owned()),
        task: running.map(|(task, _)| task.arn.clone()),
        trouble: seen.trouble.as_ref().map(ToString::to_string),
    };
    let mut kept = wait.clone();
    kept.time_out(timed_out.clone(), work.now());
    keep_timed_out(work, &kept).await;
    let why = format!("{TIMED_OUT}{}", wait.limit);
    let by = work.invocation.until(wait.answer_by.unwrap_or(work.now()));
    let stopped = stop(&work.due(by.max(work.invocation.soon())), &wait.tasks, &why).await;
    wait.time_out(timed_out, work.now());
    stopped.refused
}

/// Why a run that was stopped at its deadline has failed, with how it ended.
async fn timed_out(work: &Work<'_>, wait: &Wait, seen: &Seen) -> Reason {
    let Some(timed_out) = &wait.timed_out else { return Reason::default() };
    let reason = texts::timed_out(timed_out, &wait.tasks);
    let reason = texts::last_words(reason, &seen.last.tasks);
    let reason = texts::if_it_needs_longer(reason, &timed_out.limit);
    let task = timed_out.task.as_ref().and_then(|task| seen.task(task));
    let log = log_of(work, wait, seen, task.zip(timed_out.container.as_deref())).await;
    reason.log(log.as_ref())
}

/// No time is left to wait for tasks that have been told to stop. A Delete fails only where AWS refuses that:
/// a stack that is stuck would be worse.
async fn give_up(work: &Work<'_>, wait: &Wait, seen: &Seen) -> Answer {
    if wait.goal == Goal::Stopped {
        tracing::warn!("{} is over, and the tasks have not stopped yet", wait.limit);
        let reason = texts::not_stopped_in_time(&wait.limit, &seen.last.tasks);
        return Answer::nothing_ran(texts::last_look_failed(reason, seen.trouble.as_ref()));
    }
    tracing::warn!("the tasks have not stopped yet, and CloudFormation must be answered");
    Answer::Failed(texts::still_stopping(timed_out(work, wait, seen).await))
}

/// The chain of invocations ends before the wait does: the tasks are stopped and looked at while this
/// invocation lasts.
async fn give_up_at_once(work: &Work<'_>, mut wait: Wait, seen: Seen) -> Answer {
    if wait.goal == Goal::Stopped || wait.timed_out.is_some() {
        return give_up(work, &wait, &seen).await;
    }
    let refused = time_out(work, &mut wait, &seen).await;
    let listening = work.due(work.invocation.soon());
    let last = last_words(&listening, &wait.tasks).await.unwrap_or_default();
    let seen = Seen { last, ..seen };
    let reason = timed_out(work, &wait, &seen).await;
    let over = !seen.last.tasks.is_empty() && seen.last.tasks.iter().all(Task::is_over);
    let reason = if over { reason } else { texts::still_stopping(reason) };
    Answer::Failed(texts::not_stopped(reason, &refused))
}

/// No further look is possible: the tasks are stopped where that is.
async fn lost_sight(work: &Work<'_>, wait: &Wait, seen: &Seen, error: &CallError) -> Answer {
    if wait.goal == Goal::Stopped {
        tracing::warn!("the tasks have been told to stop, but cannot be looked at: {error}");
        return Answer::nothing_ran(texts::told_to_stop(error));
    }
    if wait.timed_out.is_some() {
        return Answer::Failed(texts::last_look_failed(timed_out(work, wait, seen).await, Some(error)));
    }
    stop_unwatched(work, wait, texts::lost_sight(error, &wait.cluster, &wait.tasks)).await
}

async fn stop_unwatched(work: &Work<'_>, wait: &Wait, reason: Reason) -> Answer {
    let soon = work.due(work.invocation.soon());
    let stopped = stop(&soon, &wait.tasks, "ecs-tasks: it can no longer be waited for").await;
    let reason = if wait.goal == Goal::Stopped { reason.of_class(FailureClass::NoRun) } else { reason };
    Answer::Failed(texts::not_stopped(reason, &stopped.refused))
}

/// The log of the container that a Reason is about, if it is about one.
async fn log_of(work: &Work<'_>, wait: &Wait, seen: &Seen, about: Option<(&Task, &str)>) -> Option<Log> {
    let (task, container) = about?;
    let speaker = Speaker { task, container, lines: wait.log_lines, counts: log_tail::tells };
    Some(evidence::log(work, speaker, &seen.definition).await)
}

impl Seen {
    /// What a wait brings with it.
    fn of(wait: &Wait) -> Self {
        let definition = wait.definition.clone().map_or(Definition::Unread, Definition::Read);
        Self { definition, ..Self::default() }
    }

    fn task(&self, arn: &TaskArn) -> Option<&Task> {
        self.last.tasks.iter().find(|task| task.arn == *arn)
    }
}
