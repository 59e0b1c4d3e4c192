//! The clients of AWS: domain values in, SDK calls out, domain values back. No decision is made
//! here.
//!
//! Every client reads AWS's standard variables, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`
//! included, so you can point each one at a stand-in.

pub mod cloudformation;
pub mod dynamodb;
pub mod ecs;
mod error;
pub mod http;
pub mod lambda;
pub mod log_group;
pub mod logs;
pub mod opensearch;
pub mod sns;
mod throttles;

use std::{sync::OnceLock, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig,
};

pub use self::throttles::Throttles;
pub use crate::call::{CallError, CallErrorKind};
use crate::function::http::Http;

/// The SDK's clients. Nearly every request needs ECS. The others are created on first use, because
/// most requests need none of them.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    ecs: aws_sdk_ecs::Client,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: logs::LogReader,
    cloudformation: OnceLock<aws_sdk_cloudformation::Client>,
    throttles: Throttles,
}

/// The configuration from the environment: Region, credentials and endpoints.
pub async fn config_from_env(over: Http) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http::over(over));
    // An AppName must not contain a slash.
    if let Ok(name) = AppName::new(crate::function::version::USER_AGENT.replace('/', "-")) {
        loader = loader.app_name(name);
    }
    loader.load().await
}

/// Sets the time limits of a call and the number of the SDK's own retries.
pub fn patient(config: SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build();
    // The SDK retries short bursts of trouble. Longer ones are the callers' concern: they know
    // their deadline.
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(200));
    config
        .into_builder()
        .timeout_config(timeouts)
        .retry_config(retries)
        .build()
}

/// The configuration for the Region in an ARN: the resource exists in that Region only. A bare name
/// gets the function's own Region.
fn in_region_of(arn: &str, config: &SdkConfig) -> SdkConfig {
    match arn.split(':').nth(3).filter(|region| !region.is_empty()) {
        Some(region) => config
            .to_builder()
            .region(Region::new(region.to_owned()))
            .build(),
        None => config.clone(),
    }
}

/// The number of texts, from the first on, that fit into one call of `bytes` bytes, if each text
/// counts `overhead` bytes more than its length. At least one: the service then refuses a text that
/// is too long, and it cannot block the others for ever.
pub fn fitting(texts: &[String], overhead: usize, bytes: usize) -> usize {
    let mut used = 0;
    let fits = |text: &&String| {
        used += text.len() + overhead;
        used <= bytes
    };
    texts.iter().take_while(fits).count().max(1)
}

impl Aws {
    /// Clients with this configuration and our own time limits and retries.
    pub fn new(config: SdkConfig) -> Self {
        let config = patient(config);
        let throttles = Throttles::default();
        let ecs = aws_sdk_ecs::config::Builder::from(&config)
            .interceptor(throttles.clone())
            .build();
        let ecs = aws_sdk_ecs::Client::from_conf(ecs);
        let logs = logs::LogReader::new(config.clone(), throttles.clone());
        Self {
            config,
            ecs,
            lambda: OnceLock::new(),
            logs,
            cloudformation: OnceLock::new(),
            throttles,
        }
    }

    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| {
            let config = aws_sdk_lambda::config::Builder::from(&self.config);
            aws_sdk_lambda::Client::from_conf(config.interceptor(self.throttles.clone()).build())
        })
    }

    /// The counter of the calls that AWS throttled.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// The reader of CloudWatch Logs.
    pub fn logs(&self) -> &logs::LogReader {
        &self.logs
    }

    fn cloudformation(&self) -> &aws_sdk_cloudformation::Client {
        self.cloudformation.get_or_init(|| {
            let config = aws_sdk_cloudformation::config::Builder::from(&self.config);
            aws_sdk_cloudformation::Client::from_conf(
                config.interceptor(self.throttles.clone()).build(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_texts_go_into_one_call_as_fit_and_at_least_one() {
        let texts = ["ab", "cd", "ef"].map(str::to_owned);
        for (overhead, bytes, expected) in [(0, 6, 3), (0, 5, 2), (1, 6, 2), (0, 1, 1), (26, 84, 3)]
        {
            assert_eq!(
                fitting(&texts, overhead, bytes),
                expected,
                "{overhead} more each, {bytes} bytes"
            );
        }
    }
}
