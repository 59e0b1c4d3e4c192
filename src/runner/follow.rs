//! Following a run's tasks from look to look, until the verdict, the deadline or the end of this invocation.

use time::Duration;

use super::{
    decide::{
        answer::Answer,
        texts,
        wait::{Goal, Step, Wait},
    },
    evidence::{self, DEFINITION_PATIENCE, Wanted},
    hand_over::{NoNextHop, hand_over},
    stop::{last_words, stop},
    work::{FRESH_ROLE, Work},
};
use crate::{
    aws::{CallError, CallErrorKind},
    outcome::{Outcome, Rules, Verdict},
    reason::Reason,
    task::{Observation, Task, TaskArn, TaskDefinition},
};

/// How long tasks that have been told to stop are listened to.
const LAST_WORDS: Duration = Duration::seconds(10);

/// How a request's part in one invocation ends.
pub(super) enum Ending {
    /// With its answer.
    Answered(Answer),
    /// With the answer that no container ever ran; StartRetries may start the run anew instead.
    NeverRan(Answer),
    /// The next invocation goes on.
    HandedOver,
}

/// What the looks of one invocation have shown.
#[derive(Default)]
struct Seen {
    last: Observation,
    definition: Option<TaskDefinition>,
    /// Why the last look showed nothing.
    trouble: Option<CallError>,
    /// How many looks in a row showed nothing, half of which one that shows something makes good.
    misses: u32,
}

/// Follows a wait to its end, or to the end of this invocation.
pub(super) async fn follow(work: &Work<'_>, mut wait: Wait) -> Ending {
    let work = &work.due(work.invocation.until(wait.deadline));
    let hand_over_at = work.invocation.hand_over_at();
    let mut seen = Seen::default();
    let mut step = wait.resume(hand_over_at);
    loop {
        step = match step {
            Step::Look(at) => {
                work.invocation.clock().sleep_until(at).await;
                let looked = look(work, &wait, &mut seen).await;
                let (now, jitter) = (work.now(), fastrand::f64());
                match looked {
                    Ok(Some(outcome)) => wait.step(&outcome, now, hand_over_at, jitter),
                    Ok(None) => wait.step_after_misses(seen.misses, now, hand_over_at, jitter),
                    Err(error) => return Ending::Answered(lost_sight(work, &wait, &error).await),
                }
            }
            Step::HandOver(at) => {
                work.invocation.clock().sleep_until(at).await;
                return match hand_over(work, wait.clone()).await {
                    Ok(()) => Ending::HandedOver,
                    Err(NoNextHop::ChainUsedUp) => Ending::Answered(give_up(work, &wait, &seen).await),
                    Err(NoNextHop::Refused(error)) => {
                        Ending::Answered(stop_unwatched(work, &wait, texts::no_next_hop(&error)).await)
                    }
                };
            }
            Step::Finish(verdict) => {
                let answer = finish(work, &wait, &verdict, &seen).await;
                let never_ran = wait.goal == Goal::Success && verdict.never_ran(&seen.last.tasks);
                return if never_ran { Ending::NeverRan(answer) } else { Ending::Answered(answer) };
            }
            Step::GiveUp => return Ending::Answered(give_up(work, &wait, &seen).await),
        };
    }
}

/// One look. Throttling, 5xx and time-outs are no observation, `None`; `Err` is what no further look will mend.
async fn look(work: &Work<'_>, wait: &Wait, seen: &mut Seen) -> Result<Option<Outcome>, CallError> {
    let now = work.now();
    match work.within(work.aws.describe_tasks(&wait.cluster, &wait.tasks)).await {
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
                CallErrorKind::Denied => now - wait.started_at < FRESH_ROLE,
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
    tracing::debug!(
        waited_s = (now - wait.started_at).whole_seconds(),
        statuses = statuses.join(","),
        "looked"
    );
    let outcome = wait.judge(&seen.last, wait.rules(seen.definition.as_ref()), now);
    if outcome == Outcome::Pending || wait.goal == Goal::Stopped || seen.definition.is_some() {
        return Ok(Some(outcome));
    }
    // Which containers count, and where their output went, stands in the definition alone.
    let reading = work.due(work.invocation.until(now + DEFINITION_PATIENCE));
    seen.definition = evidence::definition_of_task(&reading, seen.last.tasks.first()).await;
    Ok(Some(wait.judge(&seen.last, wait.rules(seen.definition.as_ref()), now)))
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
    let definition = seen.definition.as_ref();
    match (wait.goal, verdict) {
        (Goal::Stopped, _) => Answer::nothing_ran(texts::all_stopped()),
        (Goal::Success, Verdict::Succeeded) => Answer::succeeded(&seen.last.tasks, wait.rules(definition)),
        (Goal::Success, Verdict::Failed(failures)) => {
            let failed =
                failures.first().and_then(|failure| Some((&failure.task, failure.cause.container()?)));
            let log = match failed {
                Some((task, container)) => {
                    let wanted = Wanted { task, container, lines: wait.log_lines };
                    evidence::log(work, wanted, definition).await
                }
                None => None,
            };
            Answer::failed(failures, log.as_ref())
        }
    }
}

/// The deadline has come: the tasks are stopped, and listened to a little longer. Those of a Delete have been told to
/// stop before, and a Delete fails only where AWS refuses that: a stack that is stuck would be worse.
async fn give_up(work: &Work<'_>, wait: &Wait, seen: &Seen) -> Answer {
    tracing::warn!("{} is over", wait.limit);
    let mut reason = match wait.goal {
        Goal::Success => texts::timed_out(&wait.limit, &seen.last.tasks),
        Goal::Stopped => texts::not_stopped_in_time(&wait.limit, &seen.last.tasks),
    };
    if let Some(trouble) = &seen.trouble {
        reason = texts::last_look_failed(reason, trouble);
    }
    if wait.goal == Goal::Stopped {
        return Answer::nothing_ran(reason);
    }
    let why = format!("ecs-tasks: not finished within {}", wait.limit);
    let soon = work.due(work.invocation.soon());
    let stopped = stop(&soon, &wait.tasks, &why).await;
    let reason = texts::not_stopped(reason, &stopped.refused);
    let listening = soon.due(soon.until.min(work.now() + LAST_WORDS));
    let words = last_words(&listening, &wait.tasks).await.unwrap_or_default();
    let first = words.tasks.first().or(seen.last.tasks.first());
    let definition = evidence::definition_of_task(&listening, first).await;
    if let Some(verdict) = wait.ended_in_time(&words, wait.rules(definition.as_ref()), work.now()) {
        let seen = Seen { last: words, definition, ..Seen::default() };
        return finish(work, wait, &verdict, &seen).await;
    }
    let reason = texts::last_words(reason, &words.tasks);
    let log = match running(&seen.last.tasks, wait.rules(definition.as_ref())) {
        Some((task, container)) => {
            let wanted = Wanted { task, container, lines: wait.log_lines };
            evidence::log(work, wanted, definition.as_ref()).await
        }
        None => None,
    };
    Answer::Failed(reason.log(log.as_ref()))
}

/// No further look is possible: the tasks are stopped where that is.
async fn lost_sight(work: &Work<'_>, wait: &Wait, error: &CallError) -> Answer {
    if wait.goal == Goal::Stopped {
        tracing::warn!("the tasks have been told to stop, but cannot be looked at: {error}");
        return Answer::nothing_ran(texts::told_to_stop(error));
    }
    stop_unwatched(work, wait, texts::lost_sight(error, &wait.cluster, &wait.tasks)).await
}

async fn stop_unwatched(work: &Work<'_>, wait: &Wait, reason: Reason) -> Answer {
    let soon = work.due(work.invocation.soon());
    let stopped = stop(&soon, &wait.tasks, "ecs-tasks: it can no longer be waited for").await;
    Answer::Failed(texts::not_stopped(reason, &stopped.refused))
}

/// The container that a time-out is about: the first that counts and still runs.
fn running<'t>(tasks: &'t [Task], rules: Rules<'_>) -> Option<(&'t TaskArn, &'t str)> {
    tasks.iter().find_map(|task| {
        let running =
            rules.counting(task).into_iter().find(|container| container.last_status == "RUNNING")?;
        Some((&task.arn, running.name.as_str()))
    })
}
