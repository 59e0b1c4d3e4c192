//! The text of a failed task: the cause first, then the steps, then the other failures.

use super::{Log, Reason};
use crate::{
    failures::{self, Particulars, Recognised, TIMED_OUT},
    outcome::{Cause, Failure},
};

/// The entries of failures in which AWS took the task's host away.
const HOST_LOST: [&str; 5] = [
    "spot-interrupted",
    "host-terminated",
    "host-unhealthy",
    "host-draining",
    "maintenance",
];

impl Reason {
    /// The Reason of a failed run. `failures` are in the order of the tasks and not empty, `facts`
    /// are known of the run, `log` is the log of the first failure's culprit.
    pub fn failed(failures: &[Failure], facts: Particulars, log: Option<&Log>) -> Self {
        let Some((first, more)) = failures.split_first() else {
            return Self::new("The run failed");
        };
        let recognised = first.recognised(log);
        let mut reason = first.reason(&recognised, facts, log);
        if !more.is_empty() {
            let noun = if more.len() == 1 { "task" } else { "tasks" };
            if let Some(place) = reason.place.first_mut() {
                *place = format!("First task {}", first.task);
            }
            reason
                .further
                .push(format!("{} more {noun} failed", more.len()));
        }
        reason.further.extend(more.iter().map(|failure| {
            // Without a log: the function reads only that of the first failure's culprit.
            let lead = failure
                .recognised(None)
                .lead(&failure.facts(Particulars::default(), None));
            format!("{lead} (task {})", failure.task.id())
        }));
        reason
    }

    /// The text for a failed task of a service. If it lost its host, the service itself starts
    /// another task.
    pub fn failed_in_service(failure: &Failure, facts: Particulars, log: Option<&Log>) -> Self {
        let recognised = failure.recognised(log);
        let mut reason = failure.reason(&recognised, facts, log);
        if HOST_LOST.contains(&recognised.entry.id) {
            reason.steps = vec![
                "The service starts another task: act only if this keeps happening".to_owned(),
            ];
        }
        reason
    }
}

impl Failure {
    /// The catalogue's entry for the failure.
    pub fn recognised(&self, log: Option<&Log>) -> Recognised {
        failures::of_failure(self, log.map_or(&[], |log| &log.lines))
    }

    fn reason(&self, recognised: &Recognised, facts: Particulars, log: Option<&Log>) -> Reason {
        let facts = self.facts(facts, log);
        // The lead of a time-out already says what this function wrote into the stoppedReason.
        let stopped_reason = self
            .telling_stopped_reason()
            .filter(|reason| !reason.starts_with(TIMED_OUT));
        Reason::of(recognised, &facts)
            .fact(self.what_else(recognised).as_deref())
            .said(self.cause.reason())
            .said(stopped_reason)
            .place(format!("Task {}", self.task))
            .log(log)
    }

    fn facts(&self, facts: Particulars, log: Option<&Log>) -> Particulars {
        let code = match &self.cause {
            Cause::Exited { code, .. } => Some(code.to_string()),
            _ => None,
        };
        let logged = log.and_then(|log| log.invitation(facts.reader()));
        let facts = facts
            .about(self.cause.container())
            .with("What", Some("The task"));
        facts
            .with("code", code.as_deref())
            .with("cluster", self.task.cluster())
            .with("providers", self.capacity_provider.as_deref())
            .with("stopCode", self.stop_code.as_deref())
            .with("image", self.image.as_deref())
            .with("logged", logged.as_deref())
            .with("group", log.and_then(|log| log.group.as_deref()))
            .with("taskId", Some(self.task.id()))
            .with("tail", log.and_then(Log::tail).as_deref())
            .on(self.launch_type.as_deref())
    }

    /// The other failures in the task, by container and exit code, and the container that caused
    /// them.
    fn what_else(&self, recognised: &Recognised) -> Option<String> {
        let others: Vec<String> = self
            .others
            .iter()
            .filter_map(|other| self.other(other, recognised))
            .collect();
        (!others.is_empty()).then(|| others.join("; "))
    }

    fn other(&self, other: &Cause, recognised: &Recognised) -> Option<String> {
        match other {
            Cause::Exited {
                container,
                code: code @ (137 | 143),
                reason: None,
            } => {
                // The lead of killed-by-essential already names the container that ended first.
                let ender = self
                    .ended_by
                    .as_ref()
                    .filter(|ender| ender.container != *container);
                let is_told = recognised.entry.id == "killed-by-essential";
                Some(match ender.filter(|_| !is_told) {
                    Some(ender) => format!(
                        "ECS stopped container {container} (exit code {code}), because {}, which is essential, had \
                         ended: the work of {container} may be half done",
                        ender.container
                    ),
                    None => format!(
                        "Container {container} was stopped (exit code {code}), and its work may be half done"
                    ),
                })
            }
            Cause::Exited {
                container, code, ..
            } => Some(format!("Container {container} exited with code {code}")),
            Cause::NoExitCode { container, .. } => {
                Some(format!("Container {container} has no exit code"))
            }
            Cause::FailedToStart {
                container: Some(container),
                ..
            } => Some(format!("Container {container} was not started")),
            _ => None,
        }
    }
}
