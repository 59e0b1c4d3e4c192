//! The main loop: looks at a run's tasks until there is a verdict, the deadline comes, or another
//! invocation continues.
//!
//! [`follow`] parks a wait in the ledger if it can, and polls it otherwise. [`settle_if_over`] does
//! the same with an observation that another source made: an event of ECS, or a look of the watch.
//! Both end in [`Wait::assess`] and [`Wait::step`].

use std::time::Duration as StdDuration;

use serde_json::json;
use time::OffsetDateTime;

use super::{
    conclude::{
        Seen, conclude, conclude_at_the_end, lost_sight, reason_for_timeout, stop_and_fail,
        stop_at_deadline, timeout_stopped_reason,
    },
    decide::{
        answer::Answer,
        ledger as rows,
        limit::MAX_HOPS,
        marks::SUPERSEDES,
        texts,
        wait::{Goal, Step, TimedOut, Wait},
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    ledger::{FRESH_ROLE, Ledger, Written, in_half_of},
    tasks::stop,
    work::Work,
};
use crate::{
    call::{CallError, CallErrorKind},
    cfn::WaitHandle,
    outcome::Outcome,
    task::{Observation, Task, TaskArn},
};

/// The longest time that the stop of timed-out tasks may wait for the ledger.
const STOP_WAITS: StdDuration = StdDuration::from_secs(1);

/// The end of a request's part in one invocation.
pub(super) enum Ending {
    /// The request has its answer.
    Answered(Answer),
    /// An earlier delivery has written this answer, which is sent again.
    Repeated(String),
    /// The request has this answer, and its wait continues for the WaitHandle.
    Promised(Answer, Box<Wait>),
    /// The request and its WaitHandle have this answer: there is nothing to run.
    Skipped(Answer, WaitHandle),
    /// The request has the answer that no container ever ran. StartRetries may start the run anew
    /// instead.
    NeverRan(Answer),
    /// Another invocation continues: the next of the chain, one that an event or the watch starts,
    /// or one that has already answered.
    ContinuesElsewhere,
}

/// The course of a wait after the attempt to save it in the ledger.
enum Course {
    /// An event or the watch continues: this invocation may end.
    Parked,
    /// This invocation looks at the tasks.
    Polled,
    /// Another invocation has answered.
    Answered,
    /// A later request of the resource has superseded this one.
    Superseded,
}

/// The reason for which no next invocation continues.
enum NoNextHop {
    /// Lambda would drop the next self-invocation without an error.
    ChainUsedUp,
    Refused(CallError),
}

/// Follows a wait until it has an answer, is parked, or must be handed over.
pub(super) async fn follow(work: &Work<'_>, mut wait: Wait) -> Ending {
    let mut seen = Seen::of(&wait);
    if let Some(timed_out) = &wait.timed_out {
        // The invocation that saved this may have crashed before it stopped the tasks.
        let by = work.stop_deadline().min(wait.deadline);
        stop(
            &work.until(by),
            &wait.tasks,
            &timeout_stopped_reason(&timed_out.limit),
        )
        .await;
    }
    match park_or_poll(work, &wait).await {
        Course::Parked => match look_at_parked(work, &mut wait, &mut seen).await {
            Some(step) => Box::pin(pursue(work, wait, seen, step)).await,
            None => Ending::ContinuesElsewhere,
        },
        Course::Polled => {
            let step = wait.resume(work.now(), work.invocation.hand_over_at());
            Box::pin(pursue(work, wait, seen, step)).await
        }
        Course::Answered => Ending::ContinuesElsewhere,
        Course::Superseded => {
            tracing::warn!(
                "a later request has superseded this one: stopping the tasks of this one"
            );
            let stopping = work.until(work.stop_deadline());
            let stopped = stop(&stopping, &wait.tasks, SUPERSEDES).await;
            Ending::Answered(Answer::Failed(texts::not_stopped(
                texts::superseded(),
                &stopped.refused,
            )))
        }
    }
}

/// Makes one more look at a wait that has just been parked, because its tasks may have ended before
/// its row was saved. `None` if the wait may stay parked.
async fn look_at_parked(work: &Work<'_>, wait: &mut Wait, seen: &mut Seen) -> Option<Step> {
    let work = &work.until(work.invocation.clamp(wait.deadline));
    match look(work, wait, seen).await {
        Ok(Some(Outcome::Pending) | None) => None,
        Ok(Some(outcome)) => {
            let hand_over_at = work.invocation.hand_over_at();
            Some(wait.step(&outcome, work.now(), hand_over_at, fastrand::f64()))
        }
        // The loop handles the error, which the next look most likely meets again.
        Err(_) => Some(Step::Look(work.now())),
    }
}

/// Settles a wait by an observation of another source. `None` if the observation does not show the
/// end of the tasks. If a fact that decides is missing, this invocation polls for it.
pub(super) async fn settle_if_over(
    work: &Work<'_>,
    mut wait: Wait,
    observation: Observation,
) -> Option<Ending> {
    let mut seen = Seen {
        last: observation,
        ..Seen::of(&wait)
    };
    let now = work.now();
    wait.observe(&seen.last, now);
    let work = &work.until(work.invocation.clamp(wait.deadline));
    match assess(work, &wait, &mut seen).await {
        Outcome::Pending if seen.last.missing.is_empty() => None,
        // Only several looks in a row can show that a missing task stays missing.
        Outcome::Pending => Some(Box::pin(pursue(work, wait, seen, Step::Look(now))).await),
        outcome => {
            let step = wait.step(
                &outcome,
                now,
                work.invocation.hand_over_at(),
                fastrand::f64(),
            );
            Some(Box::pin(pursue(work, wait, seen, step)).await)
        }
    }
}

/// Takes a wait from step to step until the request's part in this invocation ends.
async fn pursue(work: &Work<'_>, mut wait: Wait, mut seen: Seen, mut step: Step) -> Ending {
    let invocation = work.invocation;
    let (mut hand_over_at, mut last_look_at) = (invocation.hand_over_at(), None);
    loop {
        let work = &work.until(invocation.clamp(wait.deadline));
        step = match step {
            Step::Look(_) => {
                let could_restart = wait.may_restart;
                match look_until_decided(work, &mut wait, &mut seen, step, hand_over_at).await {
                    // All tasks have run a container, so the run can no longer be started anew, and
                    // the wait may be parked.
                    Ok(Step::Look(_)) if could_restart => {
                        wait.definition = seen.definition.as_ref().cloned().map(Box::new);
                        return Box::pin(follow(work, wait)).await;
                    }
                    Ok(step) => step,
                    Err(error) => {
                        return Ending::Answered(lost_sight(work, &wait, &seen, &error).await);
                    }
                }
            }
            Step::HandOver(at) => {
                invocation.clock().sleep_until(at).await;
                match hand_over(work, wait.clone()).await {
                    Ok(()) => return Ending::ContinuesElsewhere,
                    Err(NoNextHop::Refused(error)) => {
                        let reason = texts::no_next_hop(&error, &wait.tasks);
                        return Ending::Answered(stop_and_fail(work, &wait, reason).await);
                    }
                    Err(NoNextHop::ChainUsedUp) => {
                        // Lambda would drop the next self-invocation, so the tasks must stop within
                        // this one.
                        (hand_over_at, last_look_at) =
                            (invocation.ends_at(), Some(invocation.stop_deadline()));
                        Step::DeadlineReached
                    }
                }
            }
            Step::Finish(verdict) => {
                let answer = conclude(work, &wait, &verdict, &seen).await;
                let may_run_again = wait.goal == Goal::Success && wait.timed_out.is_none();
                let never_ran = may_run_again && verdict.never_ran(&seen.last.tasks);
                return if never_ran {
                    Ending::NeverRan(answer)
                } else {
                    Ending::Answered(answer)
                };
            }
            Step::DeadlineReached if wait.goal == Goal::Success && wait.timed_out.is_none() => {
                let refused = time_out(work, &mut wait, &seen).await;
                if !refused.is_empty() {
                    let reason = reason_for_timeout(work, &wait, &seen, false).await;
                    return Ending::Answered(Answer::Failed(texts::not_stopped(reason, &refused)));
                }
                wait.deadline = last_look_at.map_or(wait.deadline, |last| wait.deadline.min(last));
                wait.resume(work.now(), hand_over_at)
            }
            Step::DeadlineReached => {
                return Ending::Answered(conclude_at_the_end(work, &wait, &seen).await);
            }
        };
    }
}

/// Looks at the tasks, at the times that each step gives, until a step is no look; or, for a run
/// that may be started anew, until all of its tasks have run a container.
async fn look_until_decided(
    work: &Work<'_>,
    wait: &mut Wait,
    seen: &mut Seen,
    mut step: Step,
    hand_over_at: OffsetDateTime,
) -> Result<Step, CallError> {
    while let Step::Look(at) = step {
        work.invocation.clock().sleep_until(at).await;
        let asked_at = work.now();
        let looked = look(work, wait, seen).await?;
        let (now, jitter) = (work.now(), fastrand::f64());
        step = match looked {
            Some(Outcome::Pending) if wait.may_restart && all_ran(&seen.last) => {
                wait.may_restart = false;
                return Ok(Step::Look(now));
            }
            // A slow answer shows the tasks as they were at the time of the call. The missing fact
            // may have come since.
            Some(outcome @ Outcome::Over { .. }) => {
                wait.step(&outcome, asked_at, hand_over_at, jitter)
            }
            Some(outcome) => wait.step(&outcome, now, hand_over_at, jitter),
            None => wait.step_after_misses(seen.misses, now, hand_over_at, jitter),
        };
    }
    Ok(step)
}

/// Waits until no container of these tasks runs, or until the work's deadline. True if none does.
pub(super) async fn wait_until_over(work: &Work<'_>, tasks: &[TaskArn]) -> bool {
    if tasks.is_empty() {
        return true;
    }
    let mut wait = Wait::for_end(
        work.reply_to,
        work.cluster,
        tasks,
        work.deadline,
        work.now(),
    );
    let (mut seen, first) = (Seen::default(), Step::Look(work.now()));
    // The caller has a deadline of its own and nothing to hand over.
    let never = work.invocation.ends_at().max(work.deadline);
    match Box::pin(look_until_decided(work, &mut wait, &mut seen, first, never)).await {
        Ok(Step::Finish(_)) => true,
        Ok(_) => false,
        Err(error) => {
            tracing::warn!("cannot see whether the tasks have stopped: {error}");
            false
        }
    }
}

/// Every task has run a container. A task that ECS does not know yet may not have.
fn all_ran(seen: &Observation) -> bool {
    seen.missing.is_empty() && seen.tasks.iter().all(Task::ever_ran)
}

/// Makes one look. `None` if it failed and the next one may succeed (throttling, 5xx, a time-out);
/// `Err` if no further look will succeed.
pub(super) async fn look(
    work: &Work<'_>,
    wait: &mut Wait,
    seen: &mut Seen,
) -> Result<Option<Outcome>, CallError> {
    let (now, started_at) = (work.now(), wait.started_at);
    let looking = work.within(work.aws.describe_tasks(&wait.cluster, &wait.tasks));
    // The definition is read while the tasks run, because there may be no time for it at their end.
    // Nothing else says which containers count and where their output goes.
    let name = definition_name(seen);
    let looked = if wait.goal == Goal::Success && seen.definition.may_be_read() && !name.is_empty()
    {
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
            // One success between failures does not prove that the throttling is over.
            seen.misses /= 2;
        }
        // A cluster that is gone has no task left to wait for.
        Err(error) if wait.goal != Goal::Success && error.is("ClusterNotFoundException") => {
            seen.last = Observation::default();
        }
        Err(error) => {
            let may_pass = match error.kind {
                CallErrorKind::Transient => true,
                // IAM is eventually consistent: a new permission can work on one host and be denied
                // by another.
                CallErrorKind::Denied => now - started_at < FRESH_ROLE,
                CallErrorKind::Final => false,
            };
            if !may_pass {
                return Err(error);
            }
            tracing::warn!("cannot read the tasks, trying again: {error}");
            seen.trouble = Some(error);
            seen.misses += 1;
            return Ok(None);
        }
    }
    let statuses: Vec<&str> = seen
        .last
        .tasks
        .iter()
        .map(|task| task.last_status.as_str())
        .collect();
    tracing::debug!(
        waited_s = (now - started_at).whole_seconds(),
        statuses = statuses.join(","),
        "checked the tasks"
    );
    wait.observe(&seen.last, work.now());
    Ok(Some(assess(work, wait, seen).await))
}

/// Assesses the wait by the last look. At the end of a run the task definition is read if it has
/// not been: the verdict or its Reason may need it.
async fn assess(work: &Work<'_>, wait: &Wait, seen: &mut Seen) -> Outcome {
    let outcome = wait.assess(seen.facts(), work.now());
    if outcome == Outcome::Pending || wait.goal != Goal::Success || !seen.definition.may_be_read() {
        return outcome;
    }
    let name = definition_name(seen);
    if wait.over_since.is_none() {
        // The verdict may need the definition more than the deadline, and the answer must come in
        // time all the same.
        let by = (work.now() + DEFINITION_PATIENCE).min(wait.settle_by.max(wait.deadline));
        let reading = work.until(work.invocation.clamp(by));
        (seen.definition, seen.has_asked) = (Definition::read(&reading, &name).await, true);
    } else if !seen.has_asked {
        // The hand-over leaves the definition out, so each invocation reads it once.
        (seen.definition, seen.has_asked) = (
            Definition::read_once(work, &name, wait.started_at).await,
            true,
        );
    }
    wait.assess(seen.facts(), work.now())
}

fn definition_name(seen: &Seen) -> String {
    seen.last
        .tasks
        .first()
        .map(|task| task.task_definition_arn.clone())
        .unwrap_or_default()
}

/// Saves a wait in the ledger, if there is one, and parks it if that saves time and the watch runs.
///
/// A ledger that cannot be written to fails no request: the wait is polled, and the log says why.
async fn park_or_poll(work: &Work<'_>, wait: &Wait) -> Course {
    let Some(ledger) = work.history.ledger else {
        return Course::Polled;
    };
    let now = work.now();
    let parks =
        !wait.may_restart && rows::is_worth_parking(wait, now) && is_watched(work, ledger).await;
    let next_look = match parks {
        true => rows::next_look(wait, now),
        false => rows::takes_over_at(work.invocation.ends_at(), wait),
    };
    // The next look or the hand-over needs the rest of the time.
    match in_half_of(
        work.invocation.remaining(),
        ledger.save_wait(wait, next_look),
    )
    .await
    {
        Ok(Written::Done) if parks => {
            tracing::info!(
                cluster = wait.cluster,
                "parked: an event or the watch will resume"
            );
            work.invocation.metrics().record_parked(work.reply_to);
            Course::Parked
        }
        Ok(Written::Done | Written::NoRow | Written::Taken) => Course::Polled,
        Ok(Written::Answered) => {
            tracing::info!("another invocation has already answered");
            Course::Answered
        }
        Ok(Written::Superseded) => Course::Superseded,
        Err(error) => {
            tracing::warn!("the ledger cannot save the wait, so this invocation polls: {error}");
            Course::Polled
        }
    }
}

async fn is_watched(work: &Work<'_>, ledger: &Ledger) -> bool {
    match in_half_of(work.invocation.remaining(), ledger.is_watched(work.now())).await {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!(
                "the watch's rule has not invoked the function lately (is it enabled?), so this invocation polls"
            );
            false
        }
        Err(error) => {
            tracing::warn!("cannot read the watch's heartbeat, so this invocation polls: {error}");
            false
        }
    }
}

/// Stops the tasks of a run at its deadline, and turns the wait into one for their end. Returns the
/// tasks that AWS refused to stop.
///
/// The row is saved before the tasks are stopped: an event of the stop may arrive before this
/// invocation's next look, and its invocation answers from the row. The stop does not wait long for
/// the ledger.
pub(super) async fn time_out(
    work: &Work<'_>,
    wait: &mut Wait,
    seen: &Seen,
) -> Vec<(TaskArn, CallError)> {
    tracing::warn!("the {} is over: stopping the tasks", wait.limit);
    let timed_out: TimedOut = seen.timed_out(wait);
    if let Some(ledger) = work.history.ledger {
        let mut saved = wait.clone();
        saved.time_out(timed_out.clone(), work.now());
        let saving = tokio::time::timeout(
            STOP_WAITS,
            ledger.save_wait(&saved, rows::stopped_by(work.now())),
        );
        match saving.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!("cannot save in the ledger that the tasks are stopped: {error}")
            }
            Err(_) => {
                tracing::warn!(
                    "cannot save in the ledger that the tasks are stopped: no answer in time"
                )
            }
        }
    }
    let refused = stop_at_deadline(work, wait).await;
    wait.time_out(timed_out, work.now());
    refused
}

/// Invokes the function to continue the wait, with the wait as its payload and nothing else.
async fn hand_over(work: &Work<'_>, mut wait: Wait) -> Result<(), NoNextHop> {
    let invocation = work.invocation;
    if i64::from(wait.hop) >= MAX_HOPS && !invocation.may_recurse() {
        tracing::warn!(
            "the function has invoked itself {MAX_HOPS} times, its limit: stopping the tasks"
        );
        return Err(NoNextHop::ChainUsedUp);
    }
    wait.hop += 1;
    tracing::info!(
        waited_s = (work.now() - wait.started_at).whole_seconds(),
        "handing over"
    );
    let payload = json!({ "Wait": wait }).to_string().into_bytes();
    // An attempt without an answer must leave time for another, and for the end if none succeeds.
    // If such an attempt took effect all the same, two waits for the same tasks reach the same
    // verdict.
    let left = invocation.answer_reserve_at() - work.now();
    let call = || {
        let invoke = work
            .aws
            .invoke_event(invocation.function_arn(), payload.clone());
        let attempt = work.until(work.now() + left / 2);
        async move { attempt.within(invoke).await }
    };
    work.until(work.now() + left * 3 / 4)
        .ride_out(call)
        .await
        .map_err(NoNextHop::Refused)
}
