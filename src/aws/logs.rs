//! CloudWatch Logs: the last lines of a container.

use aws_sdk_cloudwatchlogs::config::Region;

use super::{Aws, Error};

impl Aws {
    /// The last `limit` lines of a stream, oldest first. `region` is the log group's, where it is not the function's.
    pub async fn log_tail(
        &self,
        region: Option<&str>,
        group: &str,
        stream: &str,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let mut config = aws_sdk_cloudwatchlogs::Config::builder();
        config.set_region(region.map(|region| Region::new(region.to_owned())));
        let call = self
            .logs()
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .start_from_head(false)
            .customize()
            .config_override(config);
        let output = call.send().await.map_err(|error| Error::of("logs:GetLogEvents", error))?;
        Ok(output.events().iter().filter_map(|event| event.message().map(str::to_owned)).collect())
    }
}
