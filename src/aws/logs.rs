//! CloudWatch Logs: reads the last lines of a container.

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{Client, config::Region, types::OutputLogEvent};
use time::OffsetDateTime;

use super::{CallError, Throttles};
use crate::epoch::at_milliseconds;

/// A line of a log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The event's timestamp.
    pub at: Option<OffsetDateTime>,
    /// The line's text.
    pub message: String,
}

/// Reads log streams. The client is created on first use.
#[derive(Debug)]
pub struct LogReader {
    config: SdkConfig,
    client: OnceLock<Client>,
    throttles: Throttles,
}

impl LogReader {
    /// A reader with this configuration.
    pub fn new(config: SdkConfig, throttles: Throttles) -> Self {
        Self {
            config,
            client: OnceLock::new(),
            throttles,
        }
    }

    /// The last `limit` lines of a stream, oldest first. `region` is the log group's Region, `None`
    /// for the function's own.
    ///
    /// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html>
    pub async fn tail(
        &self,
        region: Option<&str>,
        group: &str,
        stream: &str,
        limit: u32,
    ) -> Result<Vec<LogLine>, CallError> {
        let mut config = aws_sdk_cloudwatchlogs::Config::builder();
        // One client serves all Regions.
        config.set_region(region.map(|region| Region::new(region.to_owned())));
        let client = self.client.get_or_init(|| {
            let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config);
            Client::from_conf(config.interceptor(self.throttles.clone()).build())
        });
        let call = client
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .start_from_head(false)
            .customize()
            .config_override(config);
        let output = call
            .send()
            .await
            .map_err(|error| CallError::of("logs:GetLogEvents", error))?;
        Ok(output.events().iter().filter_map(line).collect())
    }
}

fn line(event: &OutputLogEvent) -> Option<LogLine> {
    let at = event.timestamp().and_then(at_milliseconds);
    Some(LogLine {
        at,
        message: event.message()?.to_owned(),
    })
}
