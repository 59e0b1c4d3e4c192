//! Failures that are reported together: those of one cluster, service and cause.
//!
//! Pure.

use super::{
    event::{About, Event, Kind, ServiceEvent, TaskChange},
    finding::{Finding, TaskFailure},
    words,
};

/// An event that people are alerted about.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'e> {
    /// The event.
    pub event: &'e Event,
    /// The thing that has failed.
    pub what: Subject<'e>,
}

/// The thing that has failed.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'e> {
    /// A task.
    Task(&'e TaskChange, &'e TaskFailure),
    /// A service whose tasks end with 0 again and again, with its latest task.
    Restarting(&'e TaskChange),
    /// A service, or anything else that is not a task.
    Service(&'e ServiceEvent),
}

/// The cause of the groups of [`Subject::Restarting`].
pub const RESTARTING: &str = "its tasks end by themselves";

/// Failures that share one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The cluster's name.
    pub cluster: String,
    /// The service; for a task without one, its family.
    pub service: String,
    /// The cause in words.
    pub cause: String,
}

impl Group {
    /// The group of a deployment hook that waits for somebody to act.
    pub fn of_wait(hook: &ServiceEvent) -> Self {
        let cause = words::of_event("HOOK_AWAITING_ACTION");
        Self {
            cluster: hook.cluster.clone(),
            service: hook.service.clone(),
            cause,
        }
    }
}

impl<'e> Failing<'e> {
    /// The failure that people are alerted about; `None` if all is well or nobody needs to know.
    pub fn of(event: &'e Event, finding: Option<&'e Finding>) -> Option<Self> {
        let what = match (&event.about, finding?) {
            (About::Task(change), Finding::Failed(failure)) => Subject::Task(change, failure),
            (About::Task(change), Finding::Restarting) => Subject::Restarting(change),
            (About::Service(service), Finding::Impaired) => Subject::Service(service),
            // A hook gets here after it has waited for long.
            (About::Service(service), Finding::Awaiting) => Subject::Service(service),
            _ => return None,
        };
        Some(Self { event, what })
    }

    /// The group that it belongs to.
    pub fn group(&self) -> Group {
        let (cluster, service, cause) = match self.what {
            Subject::Task(change, failure) => (
                change.cluster(),
                change.service().unwrap_or(change.family()),
                failure.cause.clone(),
            ),
            Subject::Restarting(change) => (
                change.cluster(),
                change.service().unwrap_or(change.family()),
                RESTARTING.to_owned(),
            ),
            Subject::Service(service) if service.kind == Kind::RunTask => {
                let cause = format!("ECS refused to run it: {}", service.event_name);
                (service.cluster.as_str(), service.service.as_str(), cause)
            }
            Subject::Service(service) => (
                service.cluster.as_str(),
                service.service.as_str(),
                words::of_event(&service.event_name),
            ),
        };
        Group {
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            cause,
        }
    }

    /// The ARN of the thing that has failed.
    pub fn arn(&self) -> &'e str {
        match self.what {
            Subject::Task(change, _) | Subject::Restarting(change) => &change.task.arn.0,
            Subject::Service(_) => self.event.resource.as_deref().unwrap_or_default(),
        }
    }
}
