//! How a wait is answered: by its tasks' end, by its deadline, or because nobody can look any further.

use super::{
    decide::{
        answer::{Answer, Evidence, speaker_of},
        limit::Limit,
        texts,
        wait::{Goal, TimedOut, Wait},
    },
    evidence::{self, Definition, Speaker},
    park::keep_timed_out,
    stop::{stop, wait_until_over},
    work::Work,
};
use crate::{
    aws::CallError,
    failures::TIMED_OUT,
    log_tail,
    outcome::{Cause, Rules, Verdict},
    reason::{FailureClass, Log, Reason},
    task::{Observation, Task, TaskArn},
};

/// What the looks of one invocation have shown.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) last: Observation,
    pub(super) definition: Definition,
    /// Whether it has been asked for here.
    pub(super) has_asked: bool,
    /// Why the last look showed nothing.
    pub(super) trouble: Option<CallError>,
    /// How many looks in a row showed nothing; a look that shows something halves it.
    pub(super) misses: u32,
}

impl Seen {
    /// What a wait brings with it.
    pub(super) fn of(wait: &Wait) -> Self {
        let definition = wait.definition.clone().map_or(Definition::Unread, Definition::Read);
        Self { definition, ..Self::default() }
    }

    fn task(&self, arn: &TaskArn) -> Option<&Task> {
        self.last.tasks.iter().find(|task| task.arn == *arn)
    }
}

/// The answer to a wait that is over.
pub(super) async fn conclude(work: &Work<'_>, wait: &Wait, verdict: &Verdict, seen: &Seen) -> Answer {
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
            Answer::Failed(reason_for_timeout(work, wait, seen, true).await)
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
        tracing::warn!(container, "Output is empty. {}", missing.in_words(&log));
    }
    answer.returning(container, &log)
}

/// The deadline has come: the tasks are told to stop, and the wait goes on until they have. Those that AWS
/// refuses to stop, if any.
pub(super) async fn stop_at_deadline(
    work: &Work<'_>,
    wait: &mut Wait,
    seen: &Seen,
) -> Vec<(TaskArn, CallError)> {
    tracing::warn!("{} is over: stopping the tasks", wait.limit);
    let running = wait.running(&seen.last.tasks, seen.definition.as_ref());
    let timed_out = TimedOut {
        at: wait.deadline,
        limit: wait.limit,
        running: texts::what_runs(&seen.last.tasks),
        container: running.map(|(_, container)| container.to_owned()),
        task: running.map(|(task, _)| task.arn.clone()),
        trouble: seen.trouble.as_ref().map(ToString::to_string),
        at_deadline: texts::at_deadline(&seen.last.tasks, &wait.watch_containers),
    };
    let mut kept = wait.clone();
    kept.time_out(timed_out.clone(), work.now());
    keep_timed_out(work, &kept).await;
    let why = timeout_stopped_reason(&wait.limit);
    let by = work.invocation.until(wait.answer_by.unwrap_or(work.now()));
    let stopped = stop(&work.due(by.max(work.invocation.soon())), &wait.tasks, &why).await;
    wait.time_out(timed_out, work.now());
    stopped.refused
}

/// The stoppedReason of tasks whose time is over.
pub(super) fn timeout_stopped_reason(limit: &Limit) -> String {
    format!("{TIMED_OUT}{limit}")
}

/// Why a run that was stopped at its deadline has failed, with how it ended.
pub(super) async fn reason_for_timeout(
    work: &Work<'_>,
    wait: &Wait,
    seen: &Seen,
    has_stopped: bool,
) -> Reason {
    let Some(timed_out) = &wait.timed_out else { return Reason::default() };
    let task = timed_out.task.as_ref().and_then(|task| seen.task(task));
    let log = log_of(work, wait, seen, task.zip(timed_out.container.as_deref())).await;
    texts::timed_out(timed_out, &wait.tasks, &seen.last.tasks, has_stopped, log.as_ref())
}

/// No time is left to wait for tasks that have been told to stop. A Delete fails only where AWS refuses that:
/// a stack that is stuck would be worse.
pub(super) async fn give_up(work: &Work<'_>, wait: &Wait, seen: &Seen) -> Answer {
    if wait.goal == Goal::Stopped {
        tracing::warn!("{} is over, and the tasks have not stopped yet", wait.limit);
        let reason = texts::not_stopped_in_time(&wait.limit, &seen.last.tasks);
        return Answer::nothing_ran(texts::last_look_failed(reason, seen.trouble.as_ref()));
    }
    tracing::warn!("the tasks have not stopped yet, and CloudFormation must be answered");
    Answer::Failed(texts::still_stopping(reason_for_timeout(work, wait, seen, false).await))
}

/// The chain of invocations ends before the wait does: the tasks are stopped and looked at while this
/// invocation lasts.
pub(super) async fn give_up_at_once(work: &Work<'_>, mut wait: Wait, seen: Seen) -> Answer {
    if wait.goal == Goal::Stopped || wait.timed_out.is_some() {
        return give_up(work, &wait, &seen).await;
    }
    let refused = stop_at_deadline(work, &mut wait, &seen).await;
    let listening = work.due(work.invocation.soon());
    let last = wait_until_over(&listening, &wait.tasks).await;
    let seen = Seen { last: last.seen, ..seen };
    let reason = reason_for_timeout(work, &wait, &seen, last.is_over).await;
    let reason = if last.is_over { reason } else { texts::still_stopping(reason) };
    Answer::Failed(texts::not_stopped(reason, &refused))
}

/// No further look is possible: the tasks are stopped where that is.
pub(super) async fn lost_sight(work: &Work<'_>, wait: &Wait, seen: &Seen, error: &CallError) -> Answer {
    if wait.goal == Goal::Stopped {
        tracing::warn!("the tasks have been told to stop, but cannot be looked at: {error}");
        return Answer::nothing_ran(texts::told_to_stop(error));
    }
    if wait.timed_out.is_some() {
        return Answer::Failed(texts::last_look_failed(
            reason_for_timeout(work, wait, seen, false).await,
            Some(error),
        ));
    }
    stop_unwatched(work, wait, texts::lost_sight(error, &wait.cluster, &wait.tasks)).await
}

pub(super) async fn stop_unwatched(work: &Work<'_>, wait: &Wait, reason: Reason) -> Answer {
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
