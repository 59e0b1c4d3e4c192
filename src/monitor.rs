//! The monitor's flow: events are judged, kept in the audit trail, and reported to whoever needs to know.
//!
//! ```text
//! payload ─► events ─► Finding ─► claim, audit ─► metrics ─┬─► alert ─┬─► settle ─┬─► which failed
//!                                                          ├─► log ───┘           │
//!                                                          └─► index ─────────────┘
//! ```
//!
//! Nothing is lost and a failure is reported once: its task's row in the table is claimed first, then the
//! alert goes out or is counted, then the row is settled. A crash anywhere costs a second alert at worst.
//! Without a table every delivery alerts.
//!
//! Retry policy: a sink that fails does not stop the others, but its event has failed. From SQS it comes back
//! alone; all else fails the invocation, and Lambda repeats it. What cannot be read is logged, counted and
//! dropped.

pub mod decide;
pub mod render;

mod flush;
mod keep;
mod passing;
mod report;
mod search;
mod settle;
mod sinks;
mod tail;

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::{
    decide::{
        envelope::{Content, Payload},
        event::Event,
        settings::Settings,
    },
    passing::{Passing, Sink},
    render::metrics,
    sinks::Sinks,
};

/// Where lines in the embedded metric format go.
pub type MetricSink = Box<dyn Fn(&str)>;

/// The monitor.
pub struct Monitor {
    sinks: Sinks,
    metrics: MetricSink,
}

/// Sinks failed, so that what was delivered must be delivered again.
#[derive(Debug, thiserror::Error)]
#[error("{0} of the event could not be done, and it must be delivered again")]
pub struct Undone(String);

/// The events of a payload, and the messages that they came in.
#[derive(Default)]
struct Arrived {
    events: Vec<Event>,
    /// Each message's id, and the place of its event.
    messages: Vec<(String, usize)>,
    /// The messages of a schedule, and its time.
    ticks: Vec<(String, OffsetDateTime)>,
    dropped: usize,
}

impl Monitor {
    /// A monitor with these settings, and clients of this configuration with our own patience.
    pub fn new(settings: Settings, config: SdkConfig, metrics: MetricSink) -> Self {
        Self { sinks: Sinks::new(settings, config), metrics }
    }

    /// Handles one payload. The answer names to SQS which messages have failed; `Err` makes Lambda repeat
    /// what came without a queue.
    pub async fn handle(&self, payload: Value, now: OffsetDateTime) -> Result<Value, Undone> {
        let payload = Payload::of(payload);
        let is_from_queue = payload.is_from_queue;
        let arrived = Arrived::of(payload);
        if arrived.dropped > 0 {
            (self.metrics)(&metrics::dropped(arrived.dropped, now));
        }
        let passed = Box::pin(self.pass(&arrived.events, now)).await;
        let undone = |place: &usize| !passed[*place].undone.is_empty();
        let mut failed: Vec<&str> =
            arrived.messages.iter().filter(|(_, place)| undone(place)).map(|(id, _)| id.as_str()).collect();
        let mut sinks: BTreeSet<Sink> = passed.iter().flat_map(|one| one.undone.clone()).collect();
        for (id, at) in &arrived.ticks {
            if let Err(error) = Box::pin(self.sinks.flush(*at, now)).await {
                tracing::error!(
                    sink = Sink::Alert.name(),
                    "a count could not be reported, and the next minute tries again: {error}"
                );
                failed.push(id);
                sinks.insert(Sink::Alert);
            }
        }
        if is_from_queue {
            let failures: Vec<Value> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
            return Ok(json!({ "batchItemFailures": failures }));
        }
        match failed.is_empty() {
            true => Ok(Value::Null),
            false => Err(Undone(sinks.into_iter().map(Sink::name).collect::<Vec<_>>().join(", "))),
        }
    }

    /// Passes events through all sinks.
    async fn pass<'e>(&self, events: &'e [Event], now: OffsetDateTime) -> Vec<Passing<'e>> {
        let (rows, settings) = (self.sinks.rows(now), &self.sinks.settings);
        let mut passing: Vec<Passing<'e>> =
            events.iter().map(|event| Passing::judge(event, settings, now)).collect();
        if passing.is_empty() {
            return passing;
        }
        self.sinks.keep(&mut passing, &rows).await;
        for one in passing.iter_mut() {
            if let Some(line) = one.measured(settings.metrics_by_family, now) {
                (self.metrics)(&line);
            }
        }
        let (reported, indexed) =
            tokio::join!(self.sinks.report(&passing, &rows), self.sinks.index(&passing, now));
        for (place, sink, error) in reported.into_iter().chain(indexed) {
            passing[place].fail(sink, &error);
        }
        for place in 0..passing.len() {
            // Events about the same end of a task share the fate of the first.
            if let Some(leader) = passing[place].led_by {
                let undone = passing[leader].undone.clone();
                passing[place].undone.extend(undone);
            }
        }
        passing
    }
}

impl Arrived {
    fn of(payload: Payload) -> Self {
        let mut arrived = Self::default();
        for message in payload.messages {
            match message.content {
                Content::Tick(at) => arrived.ticks.push((message.id, at)),
                Content::Unreadable(unreadable) => {
                    tracing::warn!("dropped: {unreadable}");
                    arrived.dropped += 1;
                }
                Content::Event(event) => {
                    // EventBridge can deliver an event twice, and both can be in one batch.
                    let known = arrived.events.iter().position(|known| *known == *event);
                    let place = known.unwrap_or(arrived.events.len());
                    if known.is_none() {
                        arrived.events.push(*event);
                    }
                    arrived.messages.push((message.id, place));
                }
            }
        }
        arrived
    }
}

#[cfg(test)]
mod tests;
