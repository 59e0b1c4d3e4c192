//! CloudWatch Logs, with the lines of the containers.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    config::now,
    protocol::{AwsError, lock},
};
use ecs_tasks::epoch::milliseconds;

/// Log groups, their streams, and the events in them.
#[derive(Debug, Default)]
pub struct Logs {
    streams: Mutex<BTreeMap<(String, String), Vec<LogEvent>>>,
}

#[derive(Clone, Debug)]
struct LogEvent {
    at: OffsetDateTime,
    message: String,
}

impl Logs {
    /// Adds an event to a stream, and creates the stream if it is missing.
    pub fn put(&self, group: &str, stream: &str, at: OffsetDateTime, message: &str) {
        let event = LogEvent {
            at,
            message: message.to_owned(),
        };
        lock(&self.streams)
            .entry((group.to_owned(), stream.to_owned()))
            .or_default()
            .push(event);
    }

    /// The messages of a stream.
    pub fn messages(&self, group: &str, stream: &str) -> Vec<String> {
        let streams = lock(&self.streams);
        let events = streams.get(&(group.to_owned(), stream.to_owned()));
        events
            .map(|events| events.iter().map(|event| event.message.clone()).collect())
            .unwrap_or_default()
    }

    pub(crate) fn call(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        match operation {
            // PutLogEvents creates a missing stream here.
            "CreateLogStream" => Ok(json!({})),
            "PutLogEvents" => Ok(self.put_log_events(body)),
            "GetLogEvents" => self.get_log_events(body),
            _ => Err(AwsError::unknown_operation(operation)),
        }
    }

    fn put_log_events(&self, body: &Value) -> Value {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        for event in body["logEvents"].as_array().into_iter().flatten() {
            let message = event["message"].as_str().unwrap_or_default();
            self.put(text("logGroupName"), text("logStreamName"), now(), message);
        }
        json!({})
    }

    fn get_log_events(&self, body: &Value) -> Result<Value, AwsError> {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        // GetLogEvents accepts a group's name or, in logGroupIdentifier, its ARN.
        let group = if body["logGroupName"].is_string() {
            text("logGroupName")
        } else {
            text("logGroupIdentifier")
        };
        let streams = lock(&self.streams);
        let Some(events) = streams.get(&(group, text("logStreamName"))) else {
            return Err(AwsError::new(
                "ResourceNotFoundException",
                "The specified log stream does not exist.",
            ));
        };
        // GetLogEvents returns up to 10,000 events unless a limit is given.
        let limit = body["limit"]
            .as_u64()
            .map_or(10_000, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let from_head = body["startFromHead"].as_bool().unwrap_or(false);
        let skipped = if from_head {
            0
        } else {
            events.len().saturating_sub(limit)
        };
        let shown: Vec<Value> = events
            .iter()
            .skip(skipped)
            .take(limit)
            .map(LogEvent::json)
            .collect();
        Ok(json!({ "events": shown, "nextForwardToken": "f/0", "nextBackwardToken": "b/0" }))
    }
}

impl LogEvent {
    fn json(&self) -> Value {
        let at = milliseconds(self.at);
        json!({ "timestamp": at, "ingestionTime": at, "message": self.message })
    }
}
