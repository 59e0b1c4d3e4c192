//! What an event means: nothing yet, a success, a failure, or a failure that is nobody's problem.
//!
//! Pure. The table in docs/monitor.md says the same, and a test holds it against this file.

use super::{
    event::{About, Event, ServiceEvent, TaskChange},
    pattern::Pattern,
    words,
};
use crate::{
    outcome::{Cause, Failure, Outcome, Rules, Verdict},
    task::{Container, Task},
};

/// What an event means.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The task is not STOPPED.
    Moving,
    /// Every container that counts exited with 0.
    Succeeded,
    /// The task failed, and nobody need know.
    Excused(TaskFailure, Excuse),
    /// The task failed.
    Failed(TaskFailure),
    /// ECS reports that a service cannot do its work: an event of type ERROR or WARN.
    Impaired,
}

/// How a task failed.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFailure {
    /// The cause in a few words, for subjects and groups: `out of memory`.
    pub words: String,
    /// Whether ECS ended it for its health checks, whatever its containers exited with.
    pub is_unhealthy: bool,
    /// What failed in it; nothing where all containers exited with 0.
    pub failure: Option<Failure>,
}

/// Why a failure is nobody's problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// stoppedReason matches this pattern.
    Pattern(String),
    /// The scheduler of a service has replaced the task.
    Replaced,
}

/// The monitor has no task definition at hand, so all containers but those that AWS injected count.
const RULES: Rules<'static> = Rules { watch_containers: &[], success_exit_codes: &[0], definition: None };

/// SIGKILL and SIGTERM: how a container ends that was told to stop.
const TOLD_TO_STOP: [Option<i64>; 2] = [Some(137), Some(143)];

impl Finding {
    /// Judges an event, if it is of a kind that is judged; `ignored` are the patterns of
    /// `IGNORE_STOPPED_REASONS`.
    pub fn of(event: &Event, ignored: &[Pattern]) -> Option<Self> {
        match &event.about {
            About::Task(change) => Some(Self::of_task(change, ignored)),
            About::Service(service) => service.is_trouble().then_some(Self::Impaired),
            About::Other => None,
        }
    }

    fn of_task(change: &TaskChange, ignored: &[Pattern]) -> Self {
        let task = &change.task;
        if task.last_status != "STOPPED" {
            return Self::Moving;
        }
        let Some(failure) = TaskFailure::of(task) else { return Self::Succeeded };
        let reason = task.stopped_reason.as_deref().unwrap_or_default();
        if let Some(pattern) = ignored.iter().find(|pattern| pattern.matches(reason)) {
            return Self::Excused(failure, Excuse::Pattern(pattern.to_string()));
        }
        if task.stop_code.as_deref() == Some("ServiceSchedulerInitiated")
            && !failure.is_unhealthy
            && counting(task).into_iter().all(|container| {
                container.reason.is_none()
                    && (container.exit_code == Some(0) || TOLD_TO_STOP.contains(&container.exit_code))
            })
        {
            return Self::Excused(failure, Excuse::Replaced);
        }
        Self::Failed(failure)
    }

    /// Its name in the audit trail, the metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Succeeded => "succeeded",
            Self::Excused(..) => "excused",
            Self::Failed(_) => "failed",
            Self::Impaired => "impaired",
        }
    }

    /// Why a failure is nobody's problem, if it is none's.
    pub fn excuse(&self) -> Option<&Excuse> {
        match self {
            Self::Excused(_, excuse) => Some(excuse),
            _ => None,
        }
    }

    /// How the task failed, if it did and somebody should know.
    pub fn failure(&self) -> Option<&TaskFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether people are alerted about it.
    pub fn is_alarming(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Impaired)
    }
}

impl TaskFailure {
    /// A failure of which the words are all that is known.
    pub fn in_words(words: &str) -> Self {
        Self { words: words.to_owned(), is_unhealthy: false, failure: None }
    }

    /// How a task that is STOPPED failed, if it did: the runner's verdict, without the containers that were
    /// only told to stop.
    fn of(task: &Task) -> Option<Self> {
        let is_unhealthy = task.stopped_reason.as_deref().is_some_and(is_of_health_checks);
        let verdict = match Outcome::of(std::slice::from_ref(task), RULES) {
            Outcome::Over { verdict: Verdict::Failed(failures), .. } => failures.into_iter().next(),
            _ => None,
        };
        let failure = verdict.and_then(|failure| of_its_own(failure, task));
        if failure.is_none() && !is_unhealthy {
            return None;
        }
        // A task whose containers all ended with 0 has failed by what ECS says of it alone.
        let judged = failure.clone().unwrap_or_else(|| of_its_end(task));
        let words = words::of_failure(&judged, &judged.recognised(None));
        Some(Self { words, is_unhealthy, failure })
    }
}

impl ServiceEvent {
    fn is_trouble(&self) -> bool {
        matches!(self.event_type.as_str(), "ERROR" | "WARN")
    }
}

/// `Task failed ELB health checks in (target-group …)`, `Task failed container health checks`: the only hint
/// at such a failure is the text, since its stop code and exit codes are those of a deployment.
fn is_of_health_checks(stopped_reason: &str) -> bool {
    Pattern::new("*Task failed *health checks*").matches(stopped_reason)
}

/// A failure of which nothing is known but what ECS says of the task.
pub fn of_its_end(task: &Task) -> Failure {
    Failure {
        task: task.arn.clone(),
        cause: Cause::NoContainer,
        others: Vec::new(),
        stop_code: task.stop_code.clone(),
        stopped_reason: task.stopped_reason.clone(),
        ended_by: None,
        image: None,
        launch_type: task.launch_type.clone(),
    }
}

fn counting(task: &Task) -> Vec<&Container> {
    RULES.counting(task)
}

/// The failure without what is no failure of the task's own.
fn of_its_own(failure: Failure, task: &Task) -> Option<Failure> {
    let ended_by_another = task.stop_code.as_deref() == Some("EssentialContainerExited")
        && counting(task)
            .into_iter()
            .any(|container| !was_told_to_stop(container.exit_code, &container.reason));
    let is_its_own = |cause: &Cause| match cause {
        // Who stops a task that then exits with 0 knows about it; for a deploy that is a failure, here it is
        // none.
        Cause::StoppedByUser => false,
        Cause::Exited { code, reason, .. } => !(ended_by_another && was_told_to_stop(Some(*code), reason)),
        _ => true,
    };
    let Failure { cause, others, .. } = failure;
    let mut causes = [vec![cause], others].concat().into_iter().filter(is_its_own);
    Some(Failure { cause: causes.next()?, others: causes.collect(), ..failure })
}

fn was_told_to_stop(exit_code: Option<i64>, reason: &Option<String>) -> bool {
    TOLD_TO_STOP.contains(&exit_code) && reason.is_none()
}

impl std::fmt::Display for Excuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "stoppedReason matches {pattern}"),
            Self::Replaced => f.write_str("the service's scheduler has replaced the task"),
        }
    }
}

#[cfg(test)]
mod tests;
