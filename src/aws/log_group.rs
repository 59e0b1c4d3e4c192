//! CloudWatch Logs: writes lines to a log group.

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{Client, types::InputLogEvent};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{CallError, fitting};
use crate::epoch::milliseconds;

/// The limits of one PutLogEvents, in bytes and in events. Each event counts 26 bytes more than its
/// text.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const PUT_BYTES: usize = 1_048_576;
const PUT_EVENTS: usize = 10_000;
const EVENT_OVERHEAD: usize = 26;
/// The most bytes of one event's text.
pub const EVENT_BYTES: usize = 256 * 1024 - EVENT_OVERHEAD;

/// A log group. Each process writes to a stream of its own.
#[derive(Debug)]
pub struct LogGroup {
    client: Client,
    name: String,
    /// The stream's name, once it exists.
    stream: Mutex<Option<String>>,
}

impl LogGroup {
    /// The log group of this name.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        Self {
            client: Client::new(config),
            name: name.to_owned(),
            stream: Mutex::new(None),
        }
    }

    /// Writes these messages, in as many calls as they need. Returns how many were written, from
    /// the first on, and the error that stopped the rest.
    pub async fn put(
        &self,
        messages: &[String],
        now: OffsetDateTime,
    ) -> (usize, Option<CallError>) {
        let mut written = 0;
        while written < messages.len() {
            let rest = &messages[written..];
            let next = &rest[..fitting(rest, EVENT_OVERHEAD, PUT_BYTES).min(PUT_EVENTS)];
            if let Err(error) = self.put_at_once(next, now).await {
                return (written, Some(error));
            }
            written += next.len();
        }
        (written, None)
    }

    async fn put_at_once(&self, messages: &[String], now: OffsetDateTime) -> Result<(), CallError> {
        let stream = self.stream(now).await?;
        // One time for all events: PutLogEvents refuses a batch that is not in chronological order.
        let timestamp = milliseconds(now);
        let event = |message: &String| {
            InputLogEvent::builder()
                .timestamp(timestamp)
                .message(message)
                .build()
        };
        let events: Result<Vec<InputLogEvent>, _> = messages.iter().map(event).collect();
        let events = events.map_err(|error| CallError::unbuilt("logs:PutLogEvents", &error))?;
        let call = self
            .client
            .put_log_events()
            .log_group_name(&self.name)
            .log_stream_name(&stream);
        match call.set_log_events(Some(events)).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                // If somebody has deleted the stream, the next call creates a new one.
                *self.stream.lock().await = None;
                Err(CallError::of("logs:PutLogEvents", error))
            }
        }
    }

    /// The stream of this process, created on first use.
    async fn stream(&self, now: OffsetDateTime) -> Result<String, CallError> {
        let mut stream = self.stream.lock().await;
        if let Some(name) = &*stream {
            return Ok(name.clone());
        }
        // Random, because CreateLogStream refuses a name that exists, and two processes can start
        // at once.
        let name = format!(
            "{:04}/{:02}/{:02}/{:016x}",
            now.year(),
            u8::from(now.month()),
            now.day(),
            fastrand::u64(..)
        );
        let call = self
            .client
            .create_log_stream()
            .log_group_name(&self.name)
            .log_stream_name(&name);
        call.send()
            .await
            .map_err(|error| CallError::of("logs:CreateLogStream", error))?;
        *stream = Some(name.clone());
        Ok(name)
    }
}
