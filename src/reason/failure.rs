//! A failed task in words: the cause first, the code second, then what else failed.

use super::{FailureClass, Reason};
use crate::outcome::{Cause, Failure};

/// What an exit code means beyond its number, where that is common knowledge to shells and container
/// runtimes.
pub fn exit_code_meaning(code: i64) -> Option<&'static str> {
    match code {
        126 => Some("the command could not be executed: is it a program, and may it be run?"),
        127 => Some("the command was not found in the image"),
        137 => Some("SIGKILL: something killed it, perhaps for lack of memory"),
        139 => Some("SIGSEGV: the program crashed"),
        143 => Some("SIGTERM: it was told to stop"),
        _ => None,
    }
}

/// What the stoppedReason of a task begins with that was stopped because its time was over.
pub const TIMED_OUT: &str = "ecs-tasks: not finished within ";

impl Reason {
    /// A run that failed; `failures` are in the order of the tasks and not empty.
    pub fn failed(failures: &[Failure]) -> Self {
        let next = failures.first().and_then(Failure::next_step);
        Self::with_next_step(failures, next)
    }

    /// A task of a service that failed: where its capacity was lost, the service starts another.
    pub fn failed_in_service(failure: &Failure) -> Self {
        let next = match failure.has_lost_its_host() {
            true => Some("The service starts another task: act only if this goes on"),
            false => failure.next_step(),
        };
        Self::with_next_step(std::slice::from_ref(failure), next)
    }

    fn with_next_step(failures: &[Failure], next: Option<&str>) -> Self {
        let Some((first, more)) = failures.split_first() else { return Self::new("The run failed") };
        let stopped_reason = first.stopped_reason.as_deref().filter(|reason| !is_commonplace(reason));
        let stopped_reason = stopped_reason.filter(|reason| !reason.starts_with(TIMED_OUT));
        let mut reason = Self::new(first.what())
            .of_class(first.class())
            .detail(first.cause.reason())
            .detail(stopped_reason)
            .detail(first.what_else().as_deref())
            .detail(next)
            .place(format!("Task {}", first.task));
        if !more.is_empty() {
            let noun = if more.len() == 1 { "task" } else { "tasks" };
            reason.further.push(format!("And {} more {noun} failed", more.len()));
        }
        let further = more.iter().map(|failure| format!("{} (task {})", failure.what(), failure.task.id()));
        reason.further.extend(further);
        reason
    }
}

impl Failure {
    /// What kind of failure it is.
    fn class(&self) -> FailureClass {
        let timed_out = self.stopped_reason.as_deref().is_some_and(|reason| reason.starts_with(TIMED_OUT));
        match &self.cause {
            Cause::FailedToStart { .. } => FailureClass::Start,
            // Another delivery of the request has stopped it at its deadline.
            _ if timed_out => FailureClass::Timeout,
            _ => FailureClass::Container,
        }
    }

    /// The cause in one sentence.
    pub fn what(&self) -> String {
        if let Some(words) = self.cause_in_words() {
            return words;
        }
        match &self.cause {
            Cause::FailedToStart { container: Some(container), .. } => {
                format!("Container {container} could not be started, so the task failed to start")
            }
            Cause::FailedToStart { container: None, .. } => "The task failed to start".to_owned(),
            Cause::Exited { container, code, .. } => match exit_code_meaning(*code) {
                Some(meaning) => format!("Container {container} exited with code {code} ({meaning})"),
                None => format!("Container {container} exited with code {code}"),
            },
            Cause::NoExitCode { container, .. } => {
                let why = self.stop_code.as_deref().map_or_else(String::new, |code| format!(" ({code})"));
                format!("Container {container} ended without an exit code{why}")
            }
            Cause::StoppedByUser => {
                "The task was stopped by a StopTask call before it was done (UserInitiated)".to_owned()
            }
            Cause::NoContainer => {
                "The task ended, but ECS shows no container of it that could be judged".to_owned()
            }
            Cause::Missing => "ECS does not know the task any more, so how it ended is unknown".to_owned(),
        }
    }

    /// What the agent and ECS say of it.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        [self.cause.reason(), self.stopped_reason.as_deref()].into_iter().flatten()
    }

    /// A cause that is worth more than a code: what ECS and its agent say of it, and who ended the task.
    fn cause_in_words(&self) -> Option<String> {
        let said = |words: &str| self.said().any(|said| said.contains(words));
        let of_container = |noun: &str| match self.cause.container() {
            Some(container) => format!("{noun} of container {container}"),
            None => format!("{noun} of the task"),
        };
        let code = match &self.cause {
            Cause::Exited { code, .. } => format!(" (exit code {code})"),
            _ => String::new(),
        };
        if said("OutOfMemory") {
            let what =
                self.cause.container().map_or("The task".to_owned(), |name| format!("Container {name}"));
            return Some(format!("{what} ran out of memory and was killed{code}"));
        }
        if said("CannotPull") {
            return Some(format!("{} could not be pulled", of_container("The image")));
        }
        if said("exec format error") {
            return Some(format!(
                "{} was built for another processor architecture than it ran on{code}",
                of_container("The program")
            ));
        }
        if said("unable to pull secrets") || said("unable to retrieve secret") {
            return Some("A secret of the task could not be read, so the task failed to start".to_owned());
        }
        // Another delivery of the request has stopped it, and says the same.
        if let Some(limit) = self.stopped_reason.as_deref().and_then(|reason| reason.strip_prefix(TIMED_OUT))
        {
            return Some(format!("The task did not finish within {limit} and has been stopped"));
        }
        match self.stop_code.as_deref()? {
            "SpotInterruption" => {
                Some(format!("The task was interrupted: AWS took its Spot capacity back{code}"))
            }
            "TerminationNotice" => Some(format!("The task was ended because its host was terminated{code}")),
            "InfrastructureHealth" => {
                Some(format!("The task was ended because its host is not healthy{code}"))
            }
            "UserInitiated" if self.was_told_to_stop() => {
                let container = self.cause.container()?;
                Some(format!(
                    "The task was stopped by a StopTask call before it was done (UserInitiated), and \
                     container {container} ended{code}"
                ))
            }
            _ => None,
        }
    }

    /// Whether the culprit ended by a signal, so that who sent it is the cause.
    fn was_told_to_stop(&self) -> bool {
        matches!(&self.cause, Cause::Exited { code: 137 | 143, .. } | Cause::NoExitCode { .. })
    }

    /// What else failed in the task, by name and code.
    fn what_else(&self) -> Option<String> {
        let others: Vec<String> = self.others.iter().filter_map(|other| self.other(other)).collect();
        (!others.is_empty()).then(|| others.join("; "))
    }

    fn other(&self, other: &Cause) -> Option<String> {
        let ended_by_ecs = !self.was_told_to_stop() && self.stop_code.as_deref() != Some("UserInitiated");
        match other {
            Cause::Exited { container, code: code @ (137 | 143), reason: None } if ended_by_ecs => {
                let why = self
                    .cause
                    .container()
                    .map_or_else(String::new, |culprit| format!(", because {culprit} had ended"));
                Some(format!("ECS stopped container {container} (exit code {code}){why}"))
            }
            Cause::Exited { container, code, .. } => {
                Some(format!("Container {container} exited with code {code}"))
            }
            Cause::NoExitCode { container, .. } => Some(format!("Container {container} has no exit code")),
            _ => None,
        }
    }

    /// Whether AWS took back what it ran on.
    fn has_lost_its_host(&self) -> bool {
        matches!(
            self.stop_code.as_deref(),
            Some("SpotInterruption" | "TerminationNotice" | "InfrastructureHealth")
        )
    }

    /// What a reader can do next, where that follows from the failure alone.
    fn next_step(&self) -> Option<&'static str> {
        let said = |words: &str| self.said().any(|said| said.contains(words));
        if said("OutOfMemory") {
            return Some("Raise the memory of the container or task, or make it use less");
        }
        if self.stop_code.as_deref() == Some("UserInitiated") && !said("ecs-tasks:") {
            return Some("CloudTrail shows who called ecs:StopTask");
        }
        if said("CannotPull") && ["not found", "NotFound", "manifest unknown"].iter().any(|words| said(words))
        {
            return Some("Check the image's name and tag, and that it has been pushed");
        }
        if said("Capacity is unavailable") {
            return Some(
                "Name subnets in more availability zones, or set StartRetries to start the task anew",
            );
        }
        if said("unable to pull secrets") || said("unable to retrieve secret") {
            return Some(
                "Let the task's execution role read the secret, and check its name in the task definition",
            );
        }
        match self.stop_code.as_deref() {
            Some("SpotInterruption") => Some("Deploy again, or run on capacity that is not Spot"),
            _ => self.has_lost_its_host().then_some("Deploy again"),
        }
    }
}

impl Cause {
    fn reason(&self) -> Option<&str> {
        match self {
            Self::FailedToStart { reason, .. }
            | Self::Exited { reason, .. }
            | Self::NoExitCode { reason, .. } => reason.as_deref(),
            Self::StoppedByUser | Self::NoContainer | Self::Missing => None,
        }
    }
}

/// What ECS says whenever a container has ended: it says nothing beside the exit code.
fn is_commonplace(stopped_reason: &str) -> bool {
    stopped_reason == "Essential container in task exited"
}
