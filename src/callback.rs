//! The PUT that answers CloudFormation.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use time::OffsetDateTime;
use tower::{BoxError, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    cfn::{ReplyTo, ResponseUrl},
    function::{cause::innermost, clock::Clock, http::Http},
};

/// Attempts for one answer.
const ATTEMPTS: usize = 5;
/// The shortest time limit of one attempt, however little time is left.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(2);
/// The longest time limit of one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Sends answers to response buckets.
#[derive(Debug)]
pub struct Callback {
    http: BoxCloneSyncService<Request, reqwest::Response, BoxError>,
}

/// The error of an answer that the bucket did not accept. CloudFormation still waits.
///
/// It names neither the address nor the body: both hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// No HTTP answer came.
    #[error("the answer could not be sent to {host}: {cause}")]
    Transport {
        /// The bucket's host.
        host: String,
        /// The transport error, without the address.
        cause: String,
    },
    /// The bucket refused it.
    #[error("{host} refused the answer with HTTP status {status}")]
    Refused {
        /// The bucket's host.
        host: String,
        /// The last status. 4xx is final; 5xx used up all attempts.
        status: StatusCode,
    },
    /// The request gives no address.
    #[error("the request gives no address for an answer")]
    NoAddress,
    /// The invocation ended first.
    #[error("the answer could not be sent before the invocation ended")]
    OutOfTime,
    /// A bug in the function prevented the answer.
    #[error("an internal error kept the function from sending the answer")]
    Panicked,
}

impl Callback {
    /// Sends over the network.
    pub fn new(http: Http) -> Self {
        Self::over(service_fn(move |request| {
            let http = http.clone();
            async move { http.client()?.execute(request).await }
        }))
    }

    /// Sends over any service that answers HTTP requests, for tests and simulations.
    pub fn over<S>(http: S) -> Self
    where
        S: Service<Request, Response = reqwest::Response> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self {
            http: BoxCloneSyncService::new(http.map_err(Into::into)),
        }
    }

    /// PUTs the answer, with an empty Content-Type, as the signature demands. Retries transport
    /// errors and 5xx with backoff, five times or until `until`. A 4xx is final.
    ///
    /// If CloudFormation is about to stop waiting, or the invocation is about to end, each attempt
    /// gets a smaller share of the time, so that there is time for another one.
    pub async fn deliver(
        &self,
        body: &str,
        reply_to: &ReplyTo,
        clock: Clock,
        until: OffsetDateTime,
    ) -> Result<(), Undelivered> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(ATTEMPTS - 1)
            .with_jitter();
        let patience = || {
            let now = clock.now();
            let end = reply_to
                .given_up_at
                .filter(|end| *end > now)
                .map_or(until, |end| end.min(until));
            // A quarter of the time that is left: one connection that hangs must not use up all of
            // it.
            let share = Duration::try_from((end - now) / 4).unwrap_or_default();
            share.clamp(SHORTEST_ATTEMPT, ATTEMPT)
        };
        let Some(address) = reply_to.address() else {
            return Err(Undelivered::NoAddress);
        };
        let put = || self.put(body, address, patience());
        let sending = put
            .retry(backoff)
            .when(Undelivered::may_pass)
            .notify(|error, _| {
                tracing::warn!("{error}; trying again");
            });
        let left = (until - clock.now()).try_into().unwrap_or_default();
        tokio::time::timeout(left, sending)
            .await
            .unwrap_or(Err(Undelivered::OutOfTime))
    }

    async fn put(
        &self,
        body: &str,
        url: &ResponseUrl,
        patience: Duration,
    ) -> Result<(), Undelivered> {
        let transport = |cause: String| Undelivered::Transport {
            host: url.authority().to_owned(),
            cause,
        };
        let address = url
            .expose()
            .parse()
            .map_err(|_| transport("the address cannot be read".to_owned()))?;
        // CloudFormation signs the address for an empty Content-Type. S3 answers 403 to any other.
        let mut request = Request::new(Method::PUT, address);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(""));
        *request.body_mut() = Some(body.to_owned().into());
        match tokio::time::timeout(patience, self.http.clone().oneshot(request)).await {
            Err(_) => Err(transport("no answer in time".to_owned())),
            Ok(Err(error)) => Err(transport(without_address(error))),
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(Undelivered::Refused {
                host: url.authority().to_owned(),
                status: response.status(),
            }),
        }
    }
}

/// The innermost error, without the address, whose query is a secret.
fn without_address(error: BoxError) -> String {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => innermost(&error.without_url()),
        Err(error) => innermost(error.as_ref()),
    }
}

impl Undelivered {
    fn may_pass(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            // A 4xx means that the signature has expired or that S3 does not accept it. The same
            // PUT gets the same status.
            Self::Refused { status, .. } => status.is_server_error(),
            Self::NoAddress | Self::OutOfTime | Self::Panicked => false,
        }
    }
}
