//! OpenSearch: `_bulk` and the index template, signed with SigV4. The AWS SDK has no client for a
//! domain's own API.
//!
//! <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/request-signing.html>

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use backon::{ExponentialBuilder, Retryable};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::{CallError, CallErrorKind};
use crate::function::{cause::innermost, http::Http};

/// Time limit for one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time limit for the index template: documents wait for it.
const PREPARE: Duration = Duration::from_secs(3);

/// A domain, or a collection of OpenSearch Serverless.
#[derive(Debug)]
pub struct SearchIndex {
    config: SdkConfig,
    endpoint: Url,
    http: Http,
    /// True once this process has put the index template.
    prepared: AtomicBool,
}

/// A request before it is signed.
struct Call<'c> {
    method: Method,
    operation: &'static str,
    path: &'c str,
    content_type: &'static str,
    body: &'c str,
}

impl SearchIndex {
    /// The index behind this endpoint.
    pub fn new(config: &SdkConfig, http: Http, endpoint: &Url) -> Self {
        Self {
            config: config.clone(),
            endpoint: endpoint.clone(),
            http,
            prepared: AtomicBool::new(false),
        }
    }

    /// Puts the index template once in the life of this process. Best effort: without it OpenSearch
    /// guesses the types of the fields.
    pub async fn prepare(&self, name: &str, template: &Value, now: OffsetDateTime) {
        if self.prepared.swap(true, Ordering::Relaxed) {
            return;
        }
        let call = Call {
            method: Method::PUT,
            operation: "es:ESHttpPut",
            path: &format!("/_index_template/{name}"),
            content_type: "application/json",
            body: &template.to_string(),
        };
        let sent = tokio::time::timeout(PREPARE, self.send(&call, now)).await;
        if let Err(error) = sent.unwrap_or_else(|_| Err(CallError::no_answer(call.operation))) {
            tracing::warn!(
                "cannot write the index template, so OpenSearch guesses the types of the fields: {error}"
            );
            // The next batch tries again after an error that can pass.
            self.prepared
                .store(error.kind != CallErrorKind::Transient, Ordering::Relaxed);
        }
    }

    /// Sends a body for `_bulk` and returns its answer. Retries throttling, 5xx and broken
    /// connections twice.
    pub async fn bulk(&self, body: &str, now: OffsetDateTime) -> Result<Value, CallError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_times(2)
            .with_jitter();
        let call = Call {
            method: Method::POST,
            operation: "es:ESHttpPost",
            path: "/_bulk",
            content_type: "application/x-ndjson",
            body,
        };
        (|| self.send(&call, now))
            .retry(backoff)
            .when(|error| error.kind == CallErrorKind::Transient)
            .await
    }

    async fn send(&self, call: &Call<'_>, now: OffsetDateTime) -> Result<Value, CallError> {
        let broken = |error: reqwest::Error| {
            call.failed(
                "HTTP",
                innermost(&error.without_url()),
                CallErrorKind::Transient,
            )
        };
        let client = self.http.client().map_err(broken)?;
        let mut url = self.endpoint.clone();
        url.set_path(call.path);
        let mut request = client
            .request(call.method.clone(), url.clone())
            .timeout(ATTEMPT)
            .header(CONTENT_TYPE, call.content_type)
            .body(call.body.to_owned());
        for (name, value) in self.signature(call, &url, now).await? {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        let answer = response.text().await.map_err(broken)?;
        if status.is_success() {
            return serde_json::from_str(&answer).map_err(|_| {
                call.failed(
                    "Answer",
                    "an answer that is not JSON".to_owned(),
                    CallErrorKind::Transient,
                )
            });
        }
        let kind = match status.as_u16() {
            429 | 500..=599 => CallErrorKind::Transient,
            401 | 403 => CallErrorKind::Denied,
            _ => CallErrorKind::Final,
        };
        Err(call.failed(
            &format!("HTTP {}", status.as_u16()),
            answer.chars().take(300).collect(),
            kind,
        ))
    }

    /// The headers of the signature.
    async fn signature(
        &self,
        call: &Call<'_>,
        url: &Url,
        now: OffsetDateTime,
    ) -> Result<Vec<(String, String)>, CallError> {
        let unsigned = |why: String| call.failed("Signing", why, CallErrorKind::Final);
        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| unsigned("there are no credentials".to_owned()))?;
        let credentials: Credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| call.failed("Signing", innermost(&error), CallErrorKind::Transient))?;
        let identity = credentials.into();
        let host = url.host_str().unwrap_or_default();
        let (service, region) = signed_for(host);
        let region = region
            .or_else(|| self.config.region().map(AsRef::as_ref))
            .unwrap_or_default();
        let mut settings = SigningSettings::default();
        // OpenSearch Serverless requires the header; a domain accepts it.
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(now.into())
            .settings(settings)
            .build()
            .map_err(|error| unsigned(error.to_string()))?
            .into();
        // The client adds the port to the Host header, which the signature covers.
        let host = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = [("content-type", call.content_type), ("host", &host)];
        let request = SignableRequest::new(
            call.method.as_str(),
            url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(call.body.as_bytes()),
        );
        let request = request.map_err(|error| unsigned(error.to_string()))?;
        let (instructions, _) = sign(request, &params)
            .map_err(|error| unsigned(error.to_string()))?
            .into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

impl Call<'_> {
    fn failed(&self, code: &str, message: String, kind: CallErrorKind) -> CallError {
        CallError {
            operation: self.operation,
            code: code.to_owned(),
            message,
            kind,
        }
    }
}

/// The service and the Region to sign for, by the host. `None` stands for the function's own
/// Region: a custom endpoint does not name one, and belongs to a domain.
fn signed_for(host: &str) -> (&'static str, Option<&str>) {
    let labels: Vec<&str> = host.split('.').collect();
    // At any place: the labels before it vary, and China's names have one more after it.
    for name in labels.windows(3) {
        match name {
            [region, "es", "amazonaws"] => return ("es", Some(region)),
            [region, "aoss", "amazonaws"] => return ("aoss", Some(region)),
            _ => {}
        }
    }
    ("es", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_what_a_request_is_signed_for() {
        for (host, expected) in [
            (
                "search-events-x1.eu-west-1.es.amazonaws.com",
                ("es", Some("eu-west-1")),
            ),
            (
                "vpc-events-x1.cn-north-1.es.amazonaws.com.cn",
                ("es", Some("cn-north-1")),
            ),
            (
                "x1y2.us-west-2.aoss.amazonaws.com",
                ("aoss", Some("us-west-2")),
            ),
            ("search.example.com", ("es", None)),
            ("es.amazonaws.com", ("es", None)),
            ("127.0.0.1", ("es", None)),
        ] {
            assert_eq!(signed_for(host), expected, "{host}");
        }
    }
}
