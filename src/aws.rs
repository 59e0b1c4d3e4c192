//! The edge: domain values in, SDK calls out, domain values back. Nothing is decided here.
//!
//! Every client reads the standard variables of AWS, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`
//! included, so each can be pointed at a stand-in.

pub mod cloudformation;
pub mod dynamodb;
pub mod ecs;
mod error;
pub mod lambda;
pub mod log_group;
pub mod logs;
pub mod opensearch;
pub mod sns;
mod throttles;

use std::{sync::OnceLock, time::Duration};

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

pub use self::throttles::Throttles;
pub use crate::call::{CallError, CallErrorKind};

/// The clients. ECS is needed by nearly every request; the others are made when they are first used, because
/// each reads the machine's certificates.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    ecs: aws_sdk_ecs::Client,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: logs::LogReader,
    cloudformation: OnceLock<aws_sdk_cloudformation::Client>,
    throttles: Throttles,
}

/// Region, credentials and endpoints from the environment.
pub async fn config_from_env() -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Ok(name) = AppName::new(crate::function::version::USER_AGENT.replace('/', "-")) {
        loader = loader.app_name(name);
    }
    loader.load().await
}

/// The time that a call may take, and how often the SDK tries it again.
pub(crate) fn patient(config: SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build();
    // Short bursts of trouble are ridden out here, longer ones by the callers, who know how long they may.
    let retries =
        RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200));
    config.into_builder().timeout_config(timeouts).retry_config(retries).build()
}

/// The configuration for the region that an ARN says, which is the only one that knows what it is the ARN of;
/// for a bare name the function's own.
fn in_region_of(arn: &str, config: &SdkConfig) -> SdkConfig {
    match arn.split(':').nth(3).filter(|region| !region.is_empty()) {
        Some(region) => config.to_builder().region(Region::new(region.to_owned())).build(),
        None => config.clone(),
    }
}

/// How many of these texts, from the first on, go into one call that takes so many bytes, each text counting
/// `overhead` more than it has. At least one, so that a text that is too long is refused and does not stop
/// the others for ever.
pub fn fitting(texts: &[String], overhead: usize, bytes: usize) -> usize {
    let mut used = 0;
    let fits = |text: &&String| {
        used += text.len() + overhead;
        used <= bytes
    };
    texts.iter().take_while(fits).count().max(1)
}

impl Aws {
    /// Clients with this configuration, and with our own patience.
    pub fn new(config: SdkConfig) -> Self {
        let config = patient(config);
        let throttles = Throttles::default();
        let ecs = aws_sdk_ecs::config::Builder::from(&config).interceptor(throttles.clone()).build();
        let ecs = aws_sdk_ecs::Client::from_conf(ecs);
        let logs = logs::LogReader::new(config.clone(), throttles.clone());
        Self { config, ecs, lambda: OnceLock::new(), logs, cloudformation: OnceLock::new(), throttles }
    }

    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| {
            let config = aws_sdk_lambda::config::Builder::from(&self.config);
            aws_sdk_lambda::Client::from_conf(config.interceptor(self.throttles.clone()).build())
        })
    }

    /// What of the calls AWS has throttled.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// CloudWatch Logs, as far as it is read.
    pub fn logs(&self) -> &logs::LogReader {
        &self.logs
    }

    fn cloudformation(&self) -> &aws_sdk_cloudformation::Client {
        self.cloudformation.get_or_init(|| {
            let config = aws_sdk_cloudformation::config::Builder::from(&self.config);
            aws_sdk_cloudformation::Client::from_conf(config.interceptor(self.throttles.clone()).build())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_texts_go_into_one_call_as_fit_and_at_least_one() {
        let texts = ["ab", "cd", "ef"].map(str::to_owned);
        for (overhead, bytes, expected) in [(0, 6, 3), (0, 5, 2), (1, 6, 2), (0, 1, 1), (26, 84, 3)] {
            assert_eq!(fitting(&texts, overhead, bytes), expected, "{overhead} more each, {bytes} bytes");
        }
    }
}
