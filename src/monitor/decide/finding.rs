//! The meaning of an event: nothing yet, a success, a failure, or a failure that is nobody's problem.
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
    task::{Container, Task, TaskDefinition},
};

/// The meaning of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The task is not STOPPED.
    Moving,
    /// Every container that counts exited with 0.
    Succeeded,
    /// Every container exited with 0, and the tasks of the service have ended so again and again: a service is
    /// meant to run.
    Restarting,
    /// The task failed, and nobody need know.
    Excused(TaskFailure, Excuse),
    /// The task failed.
    Failed(TaskFailure),
    /// ECS reports that a service, a hook, a daemon or an instance cannot do its work, or refuses a task.
    Impaired,
    /// A deployment hook awaits somebody's action, which is reported if it goes on for long.
    Awaiting,
}

/// A task's failure.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFailure {
    /// The cause in a few words, for subjects and groups: `out of memory`.
    pub cause: String,
    /// True if ECS ended it for its health checks, whatever its containers exited with.
    pub is_unhealthy: bool,
    /// The containers that failed; nothing where all exited with 0.
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

/// The rules of the runner's defaults, with the definition where it could be read.
fn rules(definition: Option<&TaskDefinition>) -> Rules<'_> {
    Rules {
        watch_containers: &[],
        success_exit_codes: &[0],
        definition,
    }
}

/// SIGKILL and SIGTERM: how a container ends that was told to stop.
const TOLD_TO_STOP: [Option<i64>; 2] = [Some(137), Some(143)];

impl Finding {
    /// Judges an event, if it is of a kind that is judged; `ignored` are the patterns of
    /// `IGNORE_STOPPED_REASONS`.
    pub fn of(event: &Event, ignored: &[Pattern]) -> Option<Self> {
        Self::by_definition(event, ignored, None)
    }

    /// The same, given the definition that the task ran from: its essential containers decide.
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
                container.reason.is_none()
                    && (container.exit_code == Some(0)
                        || TOLD_TO_STOP.contains(&container.exit_code))
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

    /// Why a failure is nobody's problem, if it is none's.
    pub fn excuse(&self) -> Option<&Excuse> {
        match self {
            Self::Excused(_, excuse) => Some(excuse),
            _ => None,
        }
    }

    /// The task's failure, if it failed and somebody should know.
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
    /// A failure of which the words are all that is known.
    pub fn in_words(cause: &str) -> Self {
        Self {
            cause: cause.to_owned(),
            is_unhealthy: false,
            failure: None,
        }
    }

    /// The failure of a task that is STOPPED, if it failed: the runner's verdict, without the containers
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
        // A task whose containers all ended with 0 has failed by what ECS says of it alone.
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
            // Only those in trouble are read.
            Kind::Instance | Kind::RunTask => true,
        }
    }

    /// True if a deployment stands still until somebody acts.
    pub fn awaits_action(&self) -> bool {
        self.kind == Kind::Hook && self.event_name == "HOOK_AWAITING_ACTION"
    }

    /// True if a hook's wait for an action is over, however it ended.
    pub fn ends_wait(&self) -> bool {
        self.kind == Kind::Hook && !self.awaits_action() && self.event_name != "HOOK_IN_PROGRESS"
    }
}

/// The most that a hook waits for an action before that is reported.
pub const HOOK_PATIENCE: Duration = Duration::minutes(15);

/// Number of a service's tasks that end with 0 within a window before that is reported.
pub const RESTARTS: u64 = 3;

/// The service whose task, meant to run, has ended by itself with 0, if the event says so. `ignored` are the
/// patterns of `IGNORE_STOPPED_REASONS`.
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
    let ended_itself = task.stop_code.as_deref() == Some("EssentialContainerExited");
    let service = change.service().filter(|_| ended_itself && !is_excused)?;
    Some((change.cluster(), service))
}

/// The definition that a verdict on the event rests on, if it does: only the definition says which of its
/// containers are essential.
pub fn wanted_definition(event: &Event) -> Option<&str> {
    let task = &event
        .change()
        .filter(|change| change.task.last_status == "STOPPED")?
        .task;
    let rests = rules(None).rest_on_definition(std::slice::from_ref(task));
    Some(task.task_definition_arn.as_str()).filter(|arn| rests && !arn.is_empty())
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

/// The failure without what is no failure of the task's own.
fn of_its_own(failure: Failure, task: &Task, counting: &[&Container]) -> Option<Failure> {
    let ended_by_another = task.stop_code.as_deref() == Some("EssentialContainerExited")
        && counting
            .iter()
            .any(|container| !was_told_to_stop(container.exit_code, &container.reason));
    let is_its_own = |cause: &Cause| match cause {
        // Who stops a task that then exits with 0 knows about it; for a deploy that is a failure, here it is
        // none.
        Cause::StoppedByUser => false,
        Cause::Exited { code, reason, .. } => {
            !(ended_by_another && was_told_to_stop(Some(*code), reason))
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
