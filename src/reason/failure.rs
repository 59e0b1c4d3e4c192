//! A failed task in words: what failed, which one, and what is known of why.

use super::Reason;
use crate::outcome::{Cause, Failure};

/// What an exit code means beyond its number, where that is common knowledge to shells and container runtimes.
pub fn exit_code_meaning(code: i64) -> Option<&'static str> {
    match code {
        126 => Some("the command could not be executed: is it a program, and may it be run?"),
        127 => Some("the command was not found in the image"),
        137 => Some("SIGKILL, often out of memory"),
        139 => Some("SIGSEGV, a crash of the program"),
        143 => Some("SIGTERM, it was told to stop"),
        _ => None,
    }
}

impl Reason {
    /// A run that failed; `failures` are in the order of the tasks and not empty.
    pub fn failed(failures: &[Failure]) -> Self {
        let Some((first, more)) = failures.split_first() else { return Self::new("The run failed") };
        let mut reason = Self::new(first.what())
            .detail(first.cause.reason())
            .detail(first.stopped_reason.as_deref().filter(|reason| !is_commonplace(reason)))
            .place(format!("Task {}", first.task));
        if !more.is_empty() {
            let noun = if more.len() == 1 { "task" } else { "tasks" };
            reason.further.push(format!("And {} more {noun} failed", more.len()));
        }
        reason
            .further
            .extend(more.iter().map(|failure| format!("{} (task {})", failure.what(), failure.task.id())));
        reason
    }
}

impl Failure {
    fn what(&self) -> String {
        match &self.cause {
            Cause::FailedToStart { container: Some(container), .. } => {
                format!("The task failed to start, because of container {container}")
            }
            Cause::FailedToStart { container: None, .. } => "The task failed to start".to_owned(),
            Cause::Exited { container, code, .. } => match exit_code_meaning(*code) {
                Some(meaning) => format!("Container {container} exited with code {code} ({meaning})"),
                None => format!("Container {container} exited with code {code}"),
            },
            Cause::NoExitCode { container, .. } => {
                let why = self
                    .stop_code
                    .as_deref()
                    .map_or_else(String::new, |code| format!(" ({})", stop_code(code)));
                format!("Container {container} ended without an exit code{why}")
            }
            Cause::StoppedByUser => {
                "The task was stopped by somebody before it was done (UserInitiated)".to_owned()
            }
            Cause::NoContainer => {
                "The task ended, but ECS shows no container of it that could be judged".to_owned()
            }
            Cause::Missing => {
                "ECS does not know the task any more, so nobody can tell how it ended".to_owned()
            }
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

/// ECS's stop codes in words, where the code alone says too little.
fn stop_code(code: &str) -> String {
    match code {
        "SpotInterruption" => "SpotInterruption: AWS took the Spot capacity back".to_owned(),
        "TerminationNotice" => "TerminationNotice: its host was about to be terminated".to_owned(),
        "InfrastructureHealth" => "InfrastructureHealth: its host was unhealthy".to_owned(),
        other => other.to_owned(),
    }
}

/// What ECS says whenever a container has ended: it tells nothing beside the exit code.
fn is_commonplace(stopped_reason: &str) -> bool {
    stopped_reason == "Essential container in task exited"
}
