//! An event on its way through the sinks.

use time::OffsetDateTime;

use super::{
    decide::{
        event::{About, Event},
        finding::{Finding, ended_service},
        group::Failing,
        rows::{Claim, Progress, Rows},
        settings::Settings,
    },
    render::{
        audit::{self, Item},
        metrics,
    },
    sinks::Definitions,
};
use crate::aws::{CallError, dynamodb::Attributes};

/// Parts of the work on an event that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sink {
    /// Its item in the audit trail.
    Audit,
    /// The claim of its task's row: the table did not answer, or another invocation is at work.
    Claim,
    /// Its alert.
    Alert,
    /// Its line in the log group.
    Log,
    /// Its document in the index.
    Index,
    /// The record of what was done.
    Mark,
}

/// An event on its way.
pub(super) struct InFlight<'e> {
    pub(super) event: &'e Event,
    pub(super) finding: Option<Finding>,
    pub(super) item: Option<Item>,
    /// Its task's row, if there is a table and something to claim.
    pub(super) key: Option<Attributes>,
    pub(super) claim: Claim,
    /// Cluster and name of the service whose task has ended by itself with 0.
    pub(super) restart_of: Option<(&'e str, &'e str)>,
    /// The id of the event in the same batch that has claimed the same row.
    pub(super) led_by: Option<usize>,
    pub(super) failed_sinks: Vec<Sink>,
}

/// An event by its id, the part of its work that failed, and the error.
pub(super) type Shortfall = (usize, Sink, CallError);

impl Sink {
    /// Its name in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Claim => "claim",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::Index => "index",
            Self::Mark => "mark",
        }
    }
}

impl<'e> InFlight<'e> {
    /// Judges an event, and logs the finding.
    pub(super) fn judge(
        event: &'e Event,
        settings: &Settings,
        definitions: &Definitions,
        now: OffsetDateTime,
    ) -> Self {
        let definition = event
            .change()
            .and_then(|change| definitions.get(&change.task.task_definition_arn));
        let finding =
            Finding::by_definition(event, &settings.ignored, definition.map(|read| &**read));
        if let Some(finding) = &finding {
            log(event, finding);
        }
        let audit = settings.audit.as_ref();
        let item =
            audit.map(|audit| audit::render(event, finding.as_ref(), audit.retention_days, now));
        let restart_of =
            ended_service(event, finding.as_ref(), &settings.ignored).filter(|_| settings.restarts);
        let key = audit.and_then(|_| Rows::key_of(event, finding.as_ref(), restart_of.is_some()));
        let claim = Claim::Unknown;
        Self {
            event,
            finding,
            item,
            key,
            claim,
            restart_of,
            led_by: None,
            failed_sinks: Vec::new(),
        }
    }

    /// Changes the finding: the task's end is one restart of several.
    pub(super) fn find_restarting(&mut self) {
        let finding = self.finding.insert(Finding::Restarting);
        if let Some(item) = &mut self.item {
            item.attributes
                .insert("finding".to_owned(), finding.name().into());
        }
        log(self.event, finding);
    }

    /// True if people are alerted about it.
    pub(super) fn is_alarming(&self) -> bool {
        self.finding.as_ref().is_some_and(Finding::is_alarming)
    }

    /// The failure that people are alerted about, if there is one.
    pub(super) fn failing(&self) -> Option<Failing<'_>> {
        Failing::of(self.event, self.finding.as_ref())
    }

    /// True if this event is the one that reports its task's failure, and `done` does not say that
    /// this has happened.
    pub(super) fn is_due(&self, done: impl Fn(&Progress) -> bool) -> bool {
        let is_mine = match &self.claim {
            Claim::Unknown => true,
            Claim::Mine(progress) => !done(progress),
            Claim::Finished(_) | Claim::Elsewhere => false,
        };
        is_mine && self.led_by.is_none() && self.is_alarming()
    }

    /// Returns the metric line of a task's end. The end is counted once it is claimed: if the table
    /// cannot be reached, the event comes back and is counted then.
    pub(super) fn measured(&mut self, by_family: bool, now: OffsetDateTime) -> Option<String> {
        let (About::Task(change), Some(finding), None) =
            (&self.event.about, &self.finding, self.led_by)
        else {
            return None;
        };
        let line = metrics::render(change, finding, by_family, now)?;
        match &mut self.claim {
            Claim::Unknown if self.key.is_none() => Some(line),
            Claim::Mine(progress) if !progress.counted => {
                progress.counted = true;
                Some(line)
            }
            _ => None,
        }
    }

    /// Notes that a part of its work failed.
    pub(super) fn fail(&mut self, sink: Sink, error: &CallError) {
        tracing::error!(
            event_id = self.event.id,
            sink = sink.name(),
            "this event will be delivered again: {error}"
        );
        self.failed_sinks.push(sink);
    }
}

fn log(event: &Event, finding: &Finding) {
    match &event.about {
        About::Task(change) => {
            let culprit = finding
                .failure()
                .and_then(|failure| failure.failure.as_ref());
            let container = culprit.and_then(|failure| failure.cause.container());
            let mut containers = change.task.containers.iter();
            let exit_code = containers
                .find(|one| Some(one.name.as_str()) == container)
                .and_then(|one| one.exit_code);
            tracing::info!(
                event_id = event.id,
                cluster = change.cluster(),
                family = change.family(),
                task_arn = change.task.arn.0,
                last_status = change.task.last_status,
                stop_code = change.task.stop_code,
                reason = finding.failure().map(|failure| failure.cause.as_str()),
                container,
                exit_code,
                excuse = finding.excuse().map(ToString::to_string),
                "{}",
                finding.name()
            );
        }
        About::Service(service) => tracing::info!(
            event_id = event.id,
            cluster = service.cluster,
            service = service.service,
            event_name = service.event_name,
            reason = service.reason,
            "{}",
            finding.name()
        ),
        About::Other => {}
    }
}
