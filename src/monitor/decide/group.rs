//! Which failures are reported together: those of one cluster, service and cause.
//!
//! Pure.

use super::{
    event::{About, Event, ServiceEvent, TaskChange},
    finding::{Finding, TaskFailure},
    words,
};

/// An event that people are alerted about.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'e> {
    /// The event.
    pub event: &'e Event,
    /// What has failed.
    pub what: Broken<'e>,
}

/// What has failed.
#[derive(Clone, Copy, Debug)]
pub enum Broken<'e> {
    /// A task.
    Task(&'e TaskChange, &'e TaskFailure),
    /// A service.
    Service(&'e ServiceEvent),
}

/// Failures that are one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The cluster's name.
    pub cluster: String,
    /// The service; of a task without one its family.
    pub who: String,
    /// The cause in words.
    pub words: String,
}

impl<'e> Failing<'e> {
    /// What people are alerted about; nothing where all is well or nobody need know.
    pub fn of(event: &'e Event, finding: Option<&'e Finding>) -> Option<Self> {
        let what = match (&event.about, finding?) {
            (About::Task(change), Finding::Failed(failure)) => Broken::Task(change, failure),
            (About::Service(service), Finding::Impaired) => Broken::Service(service),
            _ => return None,
        };
        Some(Self { event, what })
    }

    /// The group that it belongs to.
    pub fn group(&self) -> Group {
        let (cluster, who, words) = match self.what {
            Broken::Task(change, failure) => {
                (change.cluster(), change.service().unwrap_or(change.family()), failure.words.clone())
            }
            Broken::Service(service) => {
                (service.cluster.as_str(), service.service.as_str(), words::of_event(&service.event_name))
            }
        };
        Group { cluster: cluster.to_owned(), who: who.to_owned(), words }
    }

    /// The ARN of what has failed.
    pub fn arn(&self) -> &'e str {
        match self.what {
            Broken::Task(change, _) => &change.task.arn.0,
            Broken::Service(_) => self.event.resource.as_deref().unwrap_or_default(),
        }
    }
}
