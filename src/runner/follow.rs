//! Following a run's tasks from look to look, until the verdict, the deadline or the end of this invocation.

use super::{
    decide::{
        answer::Answer,
        marks::SUPERSEDES,
        texts,
        wait::{Goal, Step, Wait},
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    finish::{
        Seen, conclude, give_up, give_up_at_once, lost_sight, reason_for_timeout, stop_at_deadline,
        stop_unwatched, timeout_stopped_reason,
    },
    hand_over::{NoNextHop, hand_over},
    park::{Kept, keep},
    stop::stop,
    work::{FRESH_ROLE, Work},
};
use crate::{
    aws::{CallError, CallErrorKind},
    cfn::WaitHandle,
    outcome::{Awaited, Outcome},
    task::{Observation, Task},
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
    /// Another invocation goes on: the next of the chain, one that an event or the watch wakes, or one that
    /// has answered already.
    HandedOver,
}

/// Follows a wait to its end, or until it is parked, or to the end of this invocation.
pub(super) async fn follow(work: &Work<'_>, mut wait: Wait) -> Ending {
    let mut seen = Seen::of(&wait);
    if let Some(timed_out) = &wait.timed_out {
        // The invocation that has said so may have died before it had them stopped.
        let by = work.invocation.soon().min(wait.deadline);
        stop(&work.due(by), &wait.tasks, &timeout_stopped_reason(&timed_out.limit)).await;
    }
    match keep(work, &wait).await {
        Kept::Parked => match look_at_parked(work, &mut wait, &mut seen).await {
            Some(step) => pursue(work, wait, seen, step).await,
            None => Ending::HandedOver,
        },
        Kept::Polled => {
            let step = wait.resume(work.now(), work.invocation.hand_over_at());
            pursue(work, wait, seen, step).await
        }
        Kept::Answered => Ending::HandedOver,
        Kept::Superseded => {
            tracing::warn!("a later request of the resource has taken over: stopping what was started");
            let soon = work.due(work.invocation.soon());
            let stopped = stop(&soon, &wait.tasks, SUPERSEDES).await;
            Ending::Answered(Answer::Failed(texts::not_stopped(texts::superseded(), &stopped.refused)))
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

/// What an observation that came by itself has come to: its ending, or nothing if the tasks are not over by
/// it. Where a fact is missing that decides, it is polled for.
pub(super) async fn judge_observation(
    work: &Work<'_>,
    mut wait: Wait,
    observation: Observation,
) -> Option<Ending> {
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
                let asked_at = work.now();
                let looked = look(work, &mut wait, &mut seen).await;
                let (now, jitter) = (work.now(), fastrand::f64());
                match looked {
                    Ok(Some(Outcome::Pending)) if wait.may_restart && all_ran(&seen.last) => {
                        // From here on it is like any other wait.
                        wait.may_restart = false;
                        wait.definition = seen.definition.as_ref().cloned().map(Box::new);
                        return Box::pin(follow(work, wait)).await;
                    }
                    // An answer that took its time shows what there was when it was asked for, and a fact
                    // that is waited for may have come since then.
                    Ok(Some(outcome @ Outcome::Over { .. })) => {
                        wait.step(&outcome, asked_at, hand_over_at, jitter)
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
                    Err(NoNextHop::Refused(error)) => Ending::Answered(
                        stop_unwatched(work, &wait, texts::no_next_hop(&error, &wait.tasks)).await,
                    ),
                };
            }
            Step::Finish(verdict) => {
                let answer = conclude(work, &wait, &verdict, &seen).await;
                let may_run_again = wait.goal == Goal::Success && wait.timed_out.is_none();
                let never_ran = may_run_again && verdict.never_ran(&seen.last.tasks);
                return if never_ran { Ending::NeverRan(answer) } else { Ending::Answered(answer) };
            }
            Step::GiveUp if wait.goal == Goal::Success && wait.timed_out.is_none() => {
                let refused = stop_at_deadline(work, &mut wait, &seen).await;
                if !refused.is_empty() {
                    let reason =
                        texts::not_stopped(reason_for_timeout(work, &wait, &seen, false).await, &refused);
                    return Ending::Answered(Answer::Failed(reason));
                }
                wait.resume(work.now(), hand_over_at)
            }
            Step::GiveUp => return Ending::Answered(give_up(work, &wait, &seen).await),
        };
    }
}

/// Whether every task has run a container. Of one that ECS does not know yet nothing is known.
fn all_ran(seen: &Observation) -> bool {
    seen.missing.is_empty() && seen.tasks.iter().all(Task::ever_ran)
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
        let (looked, read) = tokio::join!(looking, Definition::read_once(work, &name, started_at));
        (seen.definition, seen.has_asked) = (read, true);
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
    let name = definition_name(seen);
    if wait.over_since.is_none() {
        let reading = work.due(work.invocation.until(work.now() + DEFINITION_PATIENCE));
        (seen.definition, seen.has_asked) = (Definition::read(&reading, &name).await, true);
    } else if !seen.has_asked {
        // What the invocation before this one has read is not handed over.
        (seen.definition, seen.has_asked) = (Definition::read_once(work, &name, wait.started_at).await, true);
    }
    let rules = wait.rules(seen.definition.as_ref());
    // A task that ECS does not know fails the run whatever the definition says.
    let may_turn = seen.last.missing.is_empty() && rules.rest_on_definition(&seen.last.tasks);
    match wait.judge(&seen.last, rules, work.now()) {
        Outcome::Over { verdict, .. } if seen.definition.may_be_read() && may_turn => {
            Outcome::Over { verdict, awaited: Awaited::Definition }
        }
        outcome => outcome,
    }
}

fn definition_name(seen: &Seen) -> String {
    seen.last.tasks.first().map(|task| task.task_definition_arn.clone()).unwrap_or_default()
}
