//! The monitor's flow: it judges each event, writes it to the audit trail, and reports it to the
//! sinks that are set.
//!
//! ```text
//! payload ─► events ─► Finding ─► claim, audit ─► metrics ─┬─► alert ─┬─► settle ─┬─► which failed
//!                                                          ├─► log ───┘           │
//!                                                          ├─► hooks ────────────┤
//!                                                          └─► index ─────────────┘
//! ```
//!
//! Nothing is lost, and a failure is reported once: the monitor claims the task's row in the table
//! first, then sends the alert or counts it, and then settles the row. A crash anywhere costs a
//! second alert at worst. Without a table every delivery alerts.
//!
//! Retry policy: a sink that fails does not stop the others, but its event has failed. From SQS
//! that event comes back alone; anything else fails the invocation, and Lambda repeats it. A
//! message that cannot be read is logged, counted and dropped.

pub mod decide;
pub mod render;

mod definitions;
mod flush;
mod hooks;
mod in_flight;
mod report;
mod restarts;
mod search;
mod settle;
mod sinks;
mod tail;
mod write_audit;

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
    in_flight::{InFlight, Sink},
    render::metrics,
    sinks::Sinks,
};
use crate::function::http::Http;

/// The destination of lines in the embedded metric format.
pub type MetricSink = Box<dyn Fn(&str)>;

/// The monitor.
pub struct Monitor {
    sinks: Sinks,
    metrics: MetricSink,
}

/// Some sinks failed, so the payload must be delivered again.
#[derive(Debug, thiserror::Error)]
#[error(
    "the function could not complete all its work on the event ({0}), so it must be delivered again"
)]
pub struct Undone(String);

/// The events of a payload, and the messages that they came in.
#[derive(Default)]
struct Arrived {
    events: Vec<Event>,
    /// Each message's id, with the id of its event.
    messages: Vec<(String, usize)>,
    /// The schedule's messages, each with its time.
    ticks: Vec<(String, OffsetDateTime)>,
    dropped: usize,
}

impl Monitor {
    /// A monitor with these settings. The SDK's clients use this configuration with our own time
    /// limits. OpenSearch is called over `http`.
    pub fn new(settings: Settings, config: SdkConfig, http: Http, metrics: MetricSink) -> Self {
        Self {
            sinks: Sinks::new(settings, config, http),
            metrics,
        }
    }

    /// Handles one payload. The answer tells SQS which messages have failed; `Err` makes Lambda
    /// repeat a payload that came without a queue.
    pub async fn handle(&self, payload: Value, now: OffsetDateTime) -> Result<Value, Undone> {
        let payload = Payload::of(payload);
        let is_from_queue = payload.is_from_queue;
        let arrived = Arrived::of(payload);
        if arrived.dropped > 0 {
            (self.metrics)(&metrics::dropped(arrived.dropped, now));
        }
        let passed = Box::pin(self.pass(&arrived.events, now)).await;
        let undone = |id: &usize| !passed[*id].failed_sinks.is_empty();
        let mut failed: Vec<&str> = arrived
            .messages
            .iter()
            .filter(|(_, id)| undone(id))
            .map(|(id, _)| id.as_str())
            .collect();
        let mut sinks: BTreeSet<Sink> = passed
            .iter()
            .flat_map(|one| one.failed_sinks.clone())
            .collect();
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
            let failures: Vec<Value> = failed
                .iter()
                .map(|id| json!({ "itemIdentifier": id }))
                .collect();
            return Ok(json!({ "batchItemFailures": failures }));
        }
        match failed.is_empty() {
            true => Ok(Value::Null),
            false => Err(Undone(
                sinks
                    .into_iter()
                    .map(Sink::name)
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        }
    }

    /// Passes events through all sinks.
    async fn pass<'e>(&self, events: &'e [Event], now: OffsetDateTime) -> Vec<InFlight<'e>> {
        let (rows, settings) = (self.sinks.rows(now), &self.sinks.settings);
        let definitions = self.sinks.definitions(events).await;
        let mut in_flight: Vec<InFlight<'e>> = events
            .iter()
            .map(|event| InFlight::judge(event, settings, &definitions, now))
            .collect();
        if in_flight.is_empty() {
            return in_flight;
        }
        self.sinks.write_audit(&mut in_flight, &rows).await;
        for one in in_flight.iter_mut() {
            if let Some(line) = one.measured(settings.metrics_by_family, now) {
                (self.metrics)(&line);
            }
        }
        let (reported, noted, indexed) = tokio::join!(
            self.sinks.report(&in_flight, &rows),
            self.sinks.note_hooks(&in_flight, &rows),
            self.sinks.index(&in_flight, now)
        );
        for (id, sink, error) in [reported, noted, indexed].concat() {
            in_flight[id].fail(sink, &error);
        }
        for id in 0..in_flight.len() {
            // Events about the same end of a task succeed or fail with the first.
            if let Some(leader) = in_flight[id].led_by {
                let undone = in_flight[leader].failed_sinks.clone();
                in_flight[id].failed_sinks.extend(undone);
            }
        }
        in_flight
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
                    let id = known.unwrap_or(arrived.events.len());
                    if known.is_none() {
                        arrived.events.push(*event);
                    }
                    arrived.messages.push((message.id, id));
                }
            }
        }
        arrived
    }
}

#[cfg(test)]
mod tests;
