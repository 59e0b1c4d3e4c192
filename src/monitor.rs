//! The monitor's flow: events are judged, kept in the audit trail, and told to whoever needs to know.
//!
//! ```text
//! payload ─► events ─► Finding ─► audit ─┬─► alert ─┬─► mark ─┬─► which failed
//!                                        ├─► log ───┘         │
//!                                        └─► index ───────────┘
//! ```
//!
//! Nothing is lost and a failure is told once: the audit item is written first, on condition that it is new, then the
//! alert goes out, then the item is marked, each event's by itself and without waiting for the index. A crash anywhere
//! costs a second alert at worst. Without a table every delivery alerts.
//!
//! Retry policy: a sink that fails does not stop the others, but its event has failed. From SQS it comes back alone;
//! from EventBridge the invocation fails, and Lambda repeats it. What cannot be read is logged and dropped.

pub mod decide;
pub mod render;

use std::{collections::BTreeMap, time::Duration};

use aws_config::SdkConfig;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::OnceCell;

use self::{
    decide::{
        event::{Event, Payload, Unreadable},
        finding::Finding,
        settings::Settings,
    },
    render::{alert, audit, index, metrics},
};
use crate::aws::{
    CallError,
    dynamodb::{AuditTable, Standing},
    fitting,
    logs::{EVENT_BYTES, LogGroup},
    opensearch::SearchIndex,
    patient,
    sns::Topic,
};

/// How many calls to one service are under way at a time.
const AT_ONCE: usize = 32;
/// How long the table may take for a batch. A table that hangs must not keep people from being told, and the template
/// gives the function a minute.
const AUDIT: Duration = Duration::from_secs(20);
/// How much one `_bulk` may hold; OpenSearch takes 10 MB and more, and likes less.
const BULK_BYTES: usize = 5 * 1024 * 1024;

/// Where lines in the embedded metric format go.
pub type MetricSink = Box<dyn Fn(&str)>;

/// The monitor: its settings, and a client for each sink that is set.
pub struct Monitor {
    settings: Settings,
    metrics: MetricSink,
    table: Option<AuditTable>,
    topic: Option<Topic>,
    log_group: Option<LogGroup>,
    search: Option<SearchIndex>,
}

/// Sinks failed, so that the event must be delivered again.
#[derive(Debug, thiserror::Error)]
#[error("{0} of the event could not be done, and it must be delivered again")]
pub struct Undone(String);

/// An event on its way through the sinks.
struct Passing<'e> {
    event: &'e Event,
    finding: Option<Finding>,
    item: Option<audit::Item>,
    standing: Standing,
    /// What could not be done.
    undone: Vec<&'static str>,
}

impl Monitor {
    /// A monitor with these settings, and clients of this configuration with our own patience.
    pub fn new(settings: Settings, config: SdkConfig, metrics: MetricSink) -> Self {
        let config = patient(config);
        Self {
            metrics,
            table: settings.audit.as_ref().map(|audit| AuditTable::new(&config, &audit.table)),
            topic: settings.alert.as_ref().map(|alert| Topic::new(&config, &alert.topic_arn)),
            log_group: settings.log_group.as_ref().map(|name| LogGroup::new(&config, name)),
            search: settings.index.as_ref().map(|index| SearchIndex::new(&config, &index.endpoint)),
            settings,
        }
    }

    /// Handles one payload. The answer tells SQS which messages have failed; `Err` tells Lambda to repeat the one event
    /// that came straight from EventBridge.
    pub async fn handle(&self, payload: Value, now: OffsetDateTime) -> Result<Value, Undone> {
        match Payload::of(payload) {
            Payload::Event(event) => {
                let events: Vec<Event> = readable(event.map(|event| *event)).into_iter().collect();
                match Box::pin(self.pass(&events, now)).await.into_values().next() {
                    Some(undone) => Err(Undone(undone.join(", "))),
                    None => Ok(Value::Null),
                }
            }
            Payload::Batch(messages) => {
                let (mut events, mut ids, mut known) = (Vec::<Event>::new(), Vec::new(), BTreeMap::new());
                for (message, event) in messages {
                    let Some(event) = readable(event) else { continue };
                    ids.push((message, event.id.clone()));
                    // EventBridge can deliver an event twice, and both can be in one batch.
                    let first = known.entry(event.id.clone()).or_insert(events.len());
                    if events.get(*first).is_none_or(|first| *first != event) {
                        events.push(event);
                    }
                }
                let undone = Box::pin(self.pass(&events, now)).await;
                let failed = ids.into_iter().filter(|(_, event)| undone.contains_key(event.as_str()));
                let failures: Vec<Value> =
                    failed.map(|(message, _)| json!({ "itemIdentifier": message })).collect();
                Ok(json!({ "batchItemFailures": failures }))
            }
        }
    }

    /// Passes events through all sinks; what of which event, by its id, could not be done.
    async fn pass<'e>(
        &self,
        events: &'e [Event],
        now: OffsetDateTime,
    ) -> BTreeMap<&'e str, Vec<&'static str>> {
        let mut passing: Vec<Passing<'e>> = events.iter().map(|event| self.judge(event, now)).collect();
        self.audit(&mut passing).await;
        for line in passing.iter().filter_map(|one| one.measured(now)) {
            (self.metrics)(&line);
        }
        let log = OnceCell::new();
        let (_, told, indexed) = tokio::join!(
            log.get_or_init(|| self.log(&passing, now)),
            self.tell(&passing, &log, now),
            self.index(&passing, now)
        );
        for (at, sink, result) in [told, indexed].into_iter().flatten() {
            passing[at].settle(sink, result);
        }
        passing
            .into_iter()
            .filter(|one| !one.undone.is_empty())
            .map(|one| (one.event.id.as_str(), one.undone))
            .collect()
    }

    fn judge<'e>(&self, event: &'e Event, now: OffsetDateTime) -> Passing<'e> {
        let finding = event.change.as_ref().map(|change| Finding::of(change, &self.settings.ignored));
        if let (Some(finding), Some(change)) = (&finding, &event.change) {
            tracing::info!(
                event_id = event.id,
                cluster = change.cluster(),
                task_arn = change.task.arn.0,
                last_status = change.task.last_status,
                stop_code = change.task.stop_code,
                excuse = finding.excuse().map(ToString::to_string),
                "{}",
                finding.name()
            );
        }
        let audit = self.settings.audit.as_ref();
        let item = audit.map(|audit| audit::render(event, finding.as_ref(), audit.retention_days, now));
        Passing { event, finding, item, standing: Standing::default(), undone: Vec::new() }
    }

    async fn audit(&self, passing: &mut [Passing<'_>]) {
        let Some(table) = &self.table else { return };
        let items = passing.iter().enumerate().filter_map(|(at, one)| Some((at, one.item.as_ref()?)));
        let puts = stream::iter(items).map(async |(at, item)| (at, table.put(item).await));
        let puts = puts.buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(AUDIT));
        let mut results: BTreeMap<_, _> = puts.collect().await;
        for (at, one) in passing.iter_mut().enumerate() {
            match results.remove(&at).unwrap_or_else(|| Err(CallError::no_answer("dynamodb:PutItem"))) {
                Ok(standing) => one.standing = standing,
                // The other sinks go on: a second alert is better than none.
                Err(error) => one.settle("audit", Err(error)),
            }
        }
    }

    /// Alerts about every failed task that nobody has been told of, and marks what has been done.
    async fn tell(&self, passing: &[Passing<'_>], log: &OnceCell<Logged>, now: OffsetDateTime) -> Vec<Sent> {
        let stamp = now.format(&Rfc3339).unwrap_or_default();
        let failed = passing.iter().enumerate().filter(|(_, one)| one.has_failed());
        let told = failed.map(async |(at, one)| {
            let alerted = self.alert(one).await;
            let logged = log.get_or_init(|| self.log(passing, now)).await.get(&at).cloned();
            let mut sent = Vec::new();
            let mut done = Vec::new();
            for (sink, mark, result) in [("alert", audit::ALERTED, alerted), ("log", audit::LOGGED, logged)] {
                if let Some(result) = result {
                    done.extend(result.is_ok().then_some(mark));
                    sent.push((at, sink, result));
                }
            }
            // A mark that fails lets the event come back, and the alert go out again: better twice than never.
            if let (Some(table), Some(item), false) =
                (&self.table, &one.item, done.is_empty() || !one.undone.is_empty())
            {
                sent.push((at, "mark", table.mark(item, &done, &stamp).await));
            }
            sent
        });
        stream::iter(told).buffer_unordered(AT_ONCE).concat().await
    }

    /// Alerts about a failed task, if nobody has been told of it.
    async fn alert(&self, one: &Passing<'_>) -> Option<Result<(), CallError>> {
        let (Some(topic), Some(alert)) = (&self.topic, &self.settings.alert) else { return None };
        match (&one.finding, &one.event.change) {
            (Some(Finding::Failed(failures)), Some(change)) if !one.standing.alerted => {
                Some(topic.publish(&alert::render(one.event, change, failures, alert.format)).await)
            }
            _ => None,
        }
    }

    /// Writes the failed tasks that are not in the log group yet, in as few calls as it takes.
    async fn log(&self, passing: &[Passing<'_>], now: OffsetDateTime) -> Logged {
        let Some(group) = &self.log_group else { return Logged::new() };
        let due = passing.iter().enumerate();
        let due: Vec<usize> =
            due.filter(|(_, one)| one.has_failed() && !one.standing.logged).map(|(at, _)| at).collect();
        let messages: Vec<String> = due.iter().map(|at| passing[*at].event.line(EVENT_BYTES)).collect();
        let (written, error) = group.put(&messages, now).await;
        let result = |number: usize| match &error {
            Some(error) if number >= written => Err(error.clone()),
            _ => Ok(()),
        };
        due.into_iter().enumerate().map(|(number, at)| (at, result(number))).collect()
    }

    async fn index(&self, passing: &[Passing<'_>], now: OffsetDateTime) -> Vec<Sent> {
        let (Some(search), Some(settings)) = (&self.search, &self.settings.index) else { return Vec::new() };
        let mut results = Vec::new();
        let lines: Vec<String> = passing
            .iter()
            .map(|one| index::render(one.event, one.finding.as_ref(), &settings.name))
            .collect();
        let mut from = 0;
        while from < lines.len() {
            let to = from + fitting(&lines[from..], 0, BULK_BYTES);
            let answer = search.bulk(&lines[from..to].concat(), now).await;
            let refused: BTreeMap<String, String> =
                answer.as_ref().map(index::refused).unwrap_or_default().into_iter().collect();
            for (at, one) in passing.iter().enumerate().take(to).skip(from) {
                let result = match (&answer, refused.get(&one.event.id)) {
                    (Err(error), _) => Err(error.clone()),
                    (Ok(_), Some(why)) => Err(CallError::refused("es:ESHttpPost", why)),
                    (Ok(_), None) => Ok(()),
                };
                results.push((at, "index", result));
            }
            from = to;
        }
        results
    }
}

/// What came of a sink for the event at this place.
type Sent = (usize, &'static str, Result<(), CallError>);

/// What came of the log group for the events at these places.
type Logged = BTreeMap<usize, Result<(), CallError>>;

impl Passing<'_> {
    fn has_failed(&self) -> bool {
        matches!(self.finding, Some(Finding::Failed(_)))
    }

    /// The line that measures what has ended, once as far as the audit trail tells.
    fn measured(&self, now: OffsetDateTime) -> Option<String> {
        let again = if self.has_failed() { self.standing.alerted } else { self.standing.known };
        let (Some(finding), Some(change), false) = (&self.finding, &self.event.change, again) else {
            return None;
        };
        metrics::render(change, finding, now)
    }

    fn settle(&mut self, sink: &'static str, result: Result<(), CallError>) {
        if let Err(error) = result {
            tracing::error!(event_id = self.event.id, sink, "an event will come back: {error}");
            self.undone.push(sink);
        }
    }
}

fn readable(event: Result<Event, Unreadable>) -> Option<Event> {
    event.inspect_err(|unreadable| tracing::warn!("dropped: {unreadable}")).ok()
}

#[cfg(test)]
mod tests;
