//! The answer to a wait: at the end of its tasks, at its deadline, or when no further look is
//! possible.

use super::{
    decide::{
        answer::{Answer, Evidence, speaker_of},
        limit::Limit,
        texts,
        wait::{Facts, Goal, TimedOut, Wait},
    },
    evidence::{self, Definition, Speaker},
    tasks::stop,
    work::Work,
};
use crate::{
    call::CallError,
    failures::TIMED_OUT,
    log_tail,
    outcome::{Cause, Rules, Verdict},
    reason::{FailureClass, Log, Reason},
    task::{Observation, Task, TaskArn},
};

/// The stoppedReason of tasks that can no longer be described.
const UNWATCHED: &str = "ecs-tasks: the function can no longer wait for this task";
/// The stoppedReason of a task that ECS no longer knows and that may still run.
const UNKNOWN: &str = "ecs-tasks: ECS does not know the task any more";

/// The facts from the looks of one invocation.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) last: Observation,
    pub(super) definition: Definition,
    /// This invocation has tried to read the definition.
    pub(super) has_asked: bool,
    /// The error of the last look, if it failed.
    pub(super) trouble: Option<CallError>,
    /// The number of failed looks in a row. A look that succeeds halves it.
    pub(super) misses: u32,
}

impl Seen {
    /// The facts that a wait carries.
    pub(super) fn of(wait: &Wait) -> Self {
        let definition = wait
            .definition
            .clone()
            .map_or(Definition::Unread, Definition::Read);
        Self {
            definition,
            ..Self::default()
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            seen: &self.last,
            definition: self.definition.as_ref(),
            definition_may_come: self.definition.may_be_read(),
        }
    }

    /// The state of a run at its deadline.
    pub(super) fn timed_out(&self, wait: &Wait) -> TimedOut {
        // The log of a container that failed says more than that of one that goes on.
        let counts = |task: &Task, name: &str| {
            let rules = wait.rules(self.definition.as_ref());
            rules.counting(task).iter().any(|one| one.name == name)
        };
        let ended = self.last.tasks.iter().find_map(|task| {
            let mut ended = task.containers.iter().filter(|one| one.exit_code.is_some());
            let failed = ended.clone().find(|one| one.exit_code != Some(0));
            let ended = failed.or_else(|| ended.find(|one| counts(task, &one.name)))?;
            Some((task, ended.name.as_str(), failed.is_some()))
        });
        let running = wait.running(&self.last.tasks, self.definition.as_ref());
        let failed = ended.filter(|(.., has_failed)| *has_failed);
        let done = failed.or(ended.filter(|_| running.is_none()));
        let running = done.map(|(task, name, _)| (task, name)).or(running);
        TimedOut {
            at: wait.deadline,
            limit: wait.limit,
            running: texts::what_runs(&self.last.tasks),
            container: running.map(|(_, container)| container.to_owned()),
            task: running.map(|(task, _)| task.arn.clone()),
            trouble: self.trouble.as_ref().map(ToString::to_string),
            at_deadline: texts::at_deadline(&self.last.tasks, &wait.watch_containers),
        }
    }

    fn task(&self, arn: &TaskArn) -> Option<&Task> {
        self.last.tasks.iter().find(|task| task.arn == *arn)
    }
}

/// The answer to a wait that is over.
pub(super) async fn conclude(
    work: &Work<'_>,
    wait: &Wait,
    verdict: &Verdict,
    seen: &Seen,
) -> Answer {
    log_ends(work, wait, seen);
    if wait.goal != Goal::Success {
        return Answer::success_without_run(texts::all_stopped());
    }
    work.invocation
        .metrics()
        .record_run(work.reply_to, &seen.last.tasks, work.now());
    let rules = wait.rules(seen.definition.as_ref());
    // Tasks that had ended before the deadline keep their own verdict, although the looks before it
    // failed.
    if wait.timed_out.is_some() && wait.ended_in_time(seen.facts(), work.now()).is_none() {
        return Answer::Failed(reason_for_timeout(work, wait, seen, true).await);
    }
    match verdict {
        Verdict::Succeeded => {
            let answer = Answer::succeeded(&seen.last.tasks, rules);
            match seen.last.tasks.first().filter(|_| wait.return_output) {
                Some(task) => with_output(work, answer, task, seen, rules).await,
                None => answer,
            }
        }
        Verdict::Failed(failures) => {
            let lost = failures
                .iter()
                .filter(|failure| failure.cause == Cause::Missing);
            let lost: Vec<TaskArn> = lost.map(|failure| failure.task.clone()).collect();
            stop(&work.until(work.stop_deadline()), &lost, UNKNOWN).await;
            // A container that never ran has no log.
            let ran = failures
                .first()
                .filter(|first| !matches!(first.cause, Cause::FailedToStart { .. }));
            let container = ran.and_then(|failure| failure.cause.container());
            let task = failures
                .first()
                .and_then(|failure| seen.task(&failure.task));
            let log = log_of(work, wait, seen, task.zip(container)).await;
            let (definition, network) = (rules.definition, wait.network.as_deref());
            Answer::failed(
                failures,
                Evidence {
                    definition,
                    log: log.as_ref(),
                    network,
                },
            )
        }
    }
}

fn log_ends(work: &Work<'_>, wait: &Wait, seen: &Seen) {
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
}

/// Adds the last line of the container to a success, as Output.
async fn with_output(
    work: &Work<'_>,
    answer: Answer,
    task: &Task,
    seen: &Seen,
    rules: Rules<'_>,
) -> Answer {
    let container = speaker_of(rules);
    let name = container.unwrap_or_default();
    let speaker = Speaker {
        task,
        container: name,
        lines: 1,
        counts: log_tail::is_seen,
    };
    let log = evidence::log(work, speaker, &seen.definition).await;
    if let Some(missing) = &log.missing {
        tracing::warn!(
            container,
            "the attribute Output is empty. {}",
            missing.in_words(&log)
        );
    }
    answer.returning(container, &log)
}

/// Stops the tasks of a run at its deadline. Returns the tasks that AWS refused to stop.
pub(super) async fn stop_at_deadline(work: &Work<'_>, wait: &Wait) -> Vec<(TaskArn, CallError)> {
    let invocation = work.invocation;
    let by = invocation.clamp(wait.settle_by).max(work.stop_deadline());
    stop(
        &work.until(by),
        &wait.tasks,
        &timeout_stopped_reason(&wait.limit),
    )
    .await
    .refused
}

/// The stoppedReason of tasks that were stopped at their deadline.
pub(super) fn timeout_stopped_reason(limit: &Limit) -> String {
    format!("{TIMED_OUT}{limit}")
}

/// The Reason of a run that was stopped at its deadline, with the end of its containers.
pub(super) async fn reason_for_timeout(
    work: &Work<'_>,
    wait: &Wait,
    seen: &Seen,
    has_stopped: bool,
) -> Reason {
    let Some(timed_out) = &wait.timed_out else {
        return Reason::default();
    };
    let task = timed_out.task.as_ref().and_then(|task| seen.task(task));
    let log = log_of(work, wait, seen, task.zip(timed_out.container.as_deref())).await;
    texts::timed_out(
        timed_out,
        &wait.tasks,
        &seen.last.tasks,
        has_stopped,
        log.as_ref(),
    )
}

/// The answer when no time is left to wait for tasks that are being stopped.
pub(super) async fn conclude_at_the_end(work: &Work<'_>, wait: &Wait, seen: &Seen) -> Answer {
    if wait.goal == Goal::Success {
        tracing::warn!(
            "the tasks have not stopped yet, but the function must answer CloudFormation now"
        );
        let still = seen.last.tasks.iter().filter(|task| !task.is_stopped());
        let still: Vec<TaskArn> = still.map(|task| task.arn.clone()).collect();
        let still = if still.is_empty() {
            &wait.tasks
        } else {
            &still
        };
        return Answer::Failed(texts::still_stopping(
            reason_for_timeout(work, wait, seen, false).await,
            still,
        ));
    }
    // A Delete succeeds all the same. The task ends within its stopTimeout by itself, and a stack
    // in DELETE_FAILED needs a person.
    tracing::warn!(
        "the {} is over, but the tasks have not stopped yet",
        wait.limit
    );
    let reason = texts::not_stopped_in_time(&wait.limit, &seen.last.tasks);
    Answer::success_without_run(texts::last_look_failed(reason, seen.trouble.as_ref()))
}

/// The answer when no further look is possible. The tasks are stopped if ECS allows it.
pub(super) async fn lost_sight(
    work: &Work<'_>,
    wait: &Wait,
    seen: &Seen,
    error: &CallError,
) -> Answer {
    if wait.goal != Goal::Success {
        tracing::warn!("told the tasks to stop, but cannot see if they did: {error}");
        return Answer::success_without_run(texts::told_to_stop(error));
    }
    if wait.timed_out.is_some() {
        let reason = reason_for_timeout(work, wait, seen, false).await;
        return Answer::Failed(texts::last_look_failed(reason, Some(error)));
    }
    stop_and_fail(
        work,
        wait,
        texts::lost_sight(error, &wait.cluster, &wait.tasks),
    )
    .await
}

/// Stops the tasks of a wait that cannot continue, and fails its request.
pub(super) async fn stop_and_fail(work: &Work<'_>, wait: &Wait, reason: Reason) -> Answer {
    let stopped = stop(&work.until(work.stop_deadline()), &wait.tasks, UNWATCHED).await;
    let reason = if wait.goal == Goal::Success {
        reason
    } else {
        reason.of_class(FailureClass::NoRun)
    };
    Answer::Failed(texts::not_stopped(reason, &stopped.refused))
}

/// The log of the container that a Reason is about, if it is about one.
async fn log_of(
    work: &Work<'_>,
    wait: &Wait,
    seen: &Seen,
    about: Option<(&Task, &str)>,
) -> Option<Log> {
    let (task, container) = about?;
    let speaker = Speaker {
        task,
        container,
        lines: wait.log_lines,
        counts: log_tail::tells,
    };
    Some(evidence::log(work, speaker, &seen.definition).await)
}
