//! The PUT that answers CloudFormation.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use time::OffsetDateTime;

use crate::{
    cause::innermost,
    cfn::{Response, ResponseUrl},
    clock::Clock,
};

/// How often an answer is sent at most.
const ATTEMPTS: usize = 5;

/// Sends answers to response buckets.
#[derive(Debug, Default)]
pub struct Callback {
    /// Made when the first answer is sent, so that a start does not wait for the machine's certificates.
    client: std::sync::OnceLock<Client>,
}

/// An answer that the bucket did not take: CloudFormation goes on waiting.
///
/// Names neither the address nor the body, which hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// No HTTP answer came.
    #[error("the answer could not be sent to {host}: {cause}")]
    Transport {
        /// Where to.
        host: String,
        /// What went wrong.
        cause: String,
    },
    /// The bucket refused it.
    #[error("{host} refused the answer with HTTP status {status}")]
    Refused {
        /// Where to.
        host: String,
        /// 4xx: for good. 5xx: until the attempts were used up.
        status: StatusCode,
    },
    /// The invocation ends first.
    #[error("the answer could not be sent before the invocation's end")]
    OutOfTime,
}

impl Callback {
    /// PUTs the answer, with an empty Content-Type, as the signature demands. Transport errors and 5xx are tried again
    /// with backoff, five times or until `until`; 4xx is final.
    pub async fn deliver(
        &self,
        response: &Response,
        url: &ResponseUrl,
        clock: Clock,
        until: OffsetDateTime,
    ) -> Result<(), Undelivered> {
        let body = response.body();
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(ATTEMPTS - 1)
            .with_jitter();
        let sending = (|| self.put(&body, url)).retry(backoff).when(Undelivered::may_pass).notify(|error, _| {
            tracing::warn!("{error}; trying again");
        });
        let left = (until - clock.now()).try_into().unwrap_or_default();
        tokio::time::timeout(left, sending).await.unwrap_or(Err(Undelivered::OutOfTime))
    }

    async fn put(&self, body: &str, url: &ResponseUrl) -> Result<(), Undelivered> {
        let host = || url.authority().to_owned();
        let transport =
            |error: reqwest::Error| Undelivered::Transport { host: host(), cause: innermost(&error.without_url()) };
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = client().map_err(transport)?;
                self.client.get_or_init(|| client)
            }
        };
        let sent = client.put(url.expose()).header(CONTENT_TYPE, "").body(body.to_owned()).send().await;
        match sent.map_err(transport)?.status() {
            status if status.is_success() => Ok(()),
            status => Err(Undelivered::Refused { host: host(), status }),
        }
    }
}

impl Undelivered {
    fn may_pass(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::OutOfTime => false,
        }
    }
}

fn client() -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(crate::version::USER_AGENT)
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()
}
