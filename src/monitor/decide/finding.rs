//! The meaning of an event: nothing yet, a success, a failure, or a failure that nobody needs to
//! know about.
//!
//! Pure. The table in docs/monitor.md says the same, and a test holds it against this file.

use time::Duration;

use super::{
    event::{About, Event, Kind, ServiceEvent, TaskChange},
    pattern::Pattern,
    words,
};
use crate::{
    outcome::{Cause, Failure, Outcome, Rules, Verdict},
    task::{CONTAINER_EXITED, Container, Task, TaskDefinition, was_signalled},
};

/// The meaning of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The task is not STOPPED.
    Moving,
    /// Every container that counts exited with 0.
    Succeeded,
    /// Every container exited with 0, but the service's tasks have ended like this again and again:
    /// a service is meant to run.
    Restarting,
    /// The task failed, but nobody needs to know.
    Excused(TaskFailure, Excuse),
    /// The task failed.
    Failed(TaskFailure),
    /// ECS reports that a service, a hook, a daemon or an instance cannot do its work, or it has
    /// refused a task.
    Impaired,
    /// A deployment hook waits for somebody to act. It is reported if it waits for long.
    Awaiting,
}

/// A task's failure.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFailure {
    /// The cause in a few words, for subjects and groups: `out of memory`.
    pub cause: String,
    /// True if ECS ended it for its health checks, whatever codes its containers exited with.
    pub is_unhealthy: bool,
    /// The containers that failed; `None` if all exited with 0.
    pub failure: Option<Failure>,
}

/// The reason that a failure is excused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// stoppedReason matches this pattern.
    Pattern(String),
    /// The scheduler of a service replaced the task.
    Replaced,
}

/// The runner's default rules, with the definition if it could be read.
fn rules(definition: Option<&TaskDefinition>) -> Rules<'_> {
    Rules {
        watch_containers: &[],
        success_exit_codes: &[0],
        definition,
    }
}

impl Finding {
    /// Judges an event; `None` if it is of a kind that is not judged. `ignored` are the patterns of
    /// `IGNORE_STOPPED_REASONS`.
    pub fn of(event: &Event, ignored: &[Pattern]) -> Option<Self> {
        Self::by_definition(event, ignored, None)
    }

    /// The same, given the definition that the task ran from, which says which containers are
    /// essential.
    pub fn by_definition(
        event: &Event,
        ignored: &[Pattern],
        definition: Option<&TaskDefinition>,
    ) -> Option<Self> {
        match &event.about {
            About::Task(change) => Some(Self::of_task(change, ignored, definition)),
            About::Service(service) if service.is_trouble() => Some(Self::Impaired),
            About::Service(service) if service.awaits_action() => Some(Self::Awaiting),
            About::Service(_) | About::Other => None,
        }
    }

    fn of_task(
        change: &TaskChange,
        ignored: &[Pattern],
        definition: Option<&TaskDefinition>,
    ) -> Self {
        let task = &change.task;
        if task.last_status != "STOPPED" {
            return Self::Moving;
        }
        let rules = rules(definition);
        let Some(failure) = TaskFailure::of(task, rules) else {
            return Self::Succeeded;
        };
        let reason = task.stopped_reason.as_deref().unwrap_or_default();
        if let Some(pattern) = ignored.iter().find(|pattern| pattern.matches(reason)) {
            return Self::Excused(failure, Excuse::Pattern(pattern.to_string()));
        }
        if task.stop_code.as_deref() == Some("ServiceSchedulerInitiated")
            && !failure.is_unhealthy
            && rules.counting(task).into_iter().all(|container| {
                container.reason.is_none() && container.exit_code == Some(0)
                    || container.was_signalled()
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
            Self::Restarting => "restarting",
            Self::Excused(..) => "excused",
            Self::Failed(_) => "failed",
            Self::Impaired => "impaired",
            Self::Awaiting => "awaiting",
        }
    }

    /// The reason that the failure is excused, if it is.
    pub fn excuse(&self) -> Option<&Excuse> {
        match self {
            Self::Excused(_, excuse) => Some(excuse),
            _ => None,
        }
    }

    /// The task's failure, if it failed and somebody needs to know.
    pub fn failure(&self) -> Option<&TaskFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// True if people are alerted about it.
    pub fn is_alarming(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Impaired | Self::Restarting)
    }
}

impl TaskFailure {
    /// A failure of which only the cause in words is known.
    pub fn in_words(cause: &str) -> Self {
        Self {
            cause: cause.to_owned(),
            is_unhealthy: false,
            failure: None,
        }
    }

    /// The failure of a STOPPED task, if it failed: the runner's verdict, without the containers
    /// that were only told to stop.
    fn of(task: &Task, rules: Rules<'_>) -> Option<Self> {
        let is_unhealthy = task
            .stopped_reason
            .as_deref()
            .is_some_and(is_of_health_checks);
        let verdict = match Outcome::of(std::slice::from_ref(task), rules) {
            Outcome::Over {
                verdict: Verdict::Failed(failures),
                ..
            } => failures.into_iter().next(),
            _ => None,
        };
        let failure = verdict.and_then(|failure| of_its_own(failure, task, &rules.counting(task)));
        if failure.is_none() && !is_unhealthy {
            return None;
        }
        // If all containers exited with 0, only ECS's words about the task say why it failed.
        let judged = failure.clone().unwrap_or_else(|| of_its_end(task));
        let cause = words::of_failure(&judged, &judged.recognised(None));
        Some(Self {
            cause,
            is_unhealthy,
            failure,
        })
    }
}

impl ServiceEvent {
    fn is_trouble(&self) -> bool {
        let is_alarming = matches!(self.event_type.as_str(), "ERROR" | "WARN" | "WARNING");
        match self.kind {
            Kind::Service | Kind::Daemon => is_alarming,
            Kind::Hook => {
                is_alarming || matches!(self.event_name.as_str(), "HOOK_FAILED" | "HOOK_TIMED_OUT")
            }
            // An event of these kinds is read only if it reports trouble.
            Kind::Instance | Kind::RunTask => true,
        }
    }

    /// True if a deployment waits for somebody to act.
    pub fn awaits_action(&self) -> bool {
        self.kind == Kind::Hook && self.event_name == "HOOK_AWAITING_ACTION"
    }

    /// True if a hook no longer waits for an action, for whatever reason.
    pub fn ends_wait(&self) -> bool {
        self.kind == Kind::Hook && !self.awaits_action() && self.event_name != "HOOK_IN_PROGRESS"
    }
}

/// Time that a hook may wait for an action before that is reported.
pub const HOOK_PATIENCE: Duration = Duration::minutes(15);

/// Number of a service's tasks that must end with 0 within a window before that is reported.
pub const RESTARTS: u64 = 3;

/// Returns cluster and name of the service if one of its tasks, which are meant to run, ended by
/// itself with 0. `ignored` are the patterns of `IGNORE_STOPPED_REASONS`.
pub fn ended_service<'e>(
    event: &'e Event,
    finding: Option<&Finding>,
    ignored: &[Pattern],
) -> Option<(&'e str, &'e str)> {
    let change = event
        .change()
        .filter(|_| finding == Some(&Finding::Succeeded))?;
    let task = &change.task;
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    let is_excused = ignored.iter().any(|pattern| pattern.matches(reason));
    let ended_itself = task.stop_code.as_deref() == Some(CONTAINER_EXITED);
    let service = change.service().filter(|_| ended_itself && !is_excused)?;
    Some((change.cluster(), service))
}

/// Returns the definition that a verdict on the event needs, if it needs one: only the definition
/// says which containers are essential.
pub fn wanted_definition(event: &Event) -> Option<&str> {
    let task = &event
        .change()
        .filter(|change| change.task.last_status == "STOPPED")?
        .task;
    let rests = rules(None).rest_on_definition(std::slice::from_ref(task));
    Some(task.task_definition_arn.as_str()).filter(|arn| rests && !arn.is_empty())
}

/// True for `Task failed ELB health checks in (target-group …)` and `Task failed container health
/// checks`. Only the text shows such a failure: its stop code and exit codes are those of a
/// deployment.
fn is_of_health_checks(stopped_reason: &str) -> bool {
    Pattern::new("*Task failed *health checks*").matches(stopped_reason)
}

/// A failure of which only ECS's words about the task are known.
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
        capacity_provider: task.capacity_provider.clone(),
    }
}

/// Keeps the causes that are the task's own failures; `None` if there are none.
fn of_its_own(failure: Failure, task: &Task, counting: &[&Container]) -> Option<Failure> {
    let ended_by_another = task.stop_code.as_deref() == Some(CONTAINER_EXITED)
        && counting.iter().any(|container| !container.was_signalled());
    let is_its_own = |cause: &Cause| match cause {
        // Whoever stops a task that then exits with 0 knows about it. For a deployment that is a
        // failure; here it is not.
        Cause::StoppedByUser => false,
        Cause::Exited { code, reason, .. } => {
            !(ended_by_another && was_signalled(Some(*code), reason.as_deref()))
        }
        _ => true,
    };
    let Failure { cause, others, .. } = failure;
    let mut causes = [vec![cause], others]
        .concat()
        .into_iter()
        .filter(is_its_own);
    Some(Failure {
        cause: causes.next()?,
        others: causes.collect(),
        ..failure
    })
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
