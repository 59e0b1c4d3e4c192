//! OpenSearch: `_bulk`, signed with SigV4, since the AWS SDK has no client for a domain's own API.
//!
//! <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/request-signing.html>

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, header::CONTENT_TYPE};
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::{CallError, CallErrorKind};
use crate::function::{cause::innermost, http::LazyClient};

const OPERATION: &str = "es:ESHttpPost";
const NDJSON: &str = "application/x-ndjson";
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A domain, or a collection of OpenSearch Serverless.
#[derive(Debug)]
pub struct SearchIndex {
    config: SdkConfig,
    bulk: Url,
    client: LazyClient,
}

impl SearchIndex {
    /// The index behind this endpoint.
    pub fn new(config: &SdkConfig, endpoint: &Url) -> Self {
        let mut bulk = endpoint.clone();
        bulk.set_path("/_bulk");
        Self { config: config.clone(), bulk, client: LazyClient::default() }
    }

    /// Sends what `_bulk` takes; its answer. Throttling, 5xx and connections that break are tried again twice.
    pub async fn bulk(&self, body: &str, now: OffsetDateTime) -> Result<Value, CallError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_times(2)
            .with_jitter();
        (|| self.post(body, now)).retry(backoff).when(|error| error.kind == CallErrorKind::Transient).await
    }

    async fn post(&self, body: &str, now: OffsetDateTime) -> Result<Value, CallError> {
        let broken =
            |error: reqwest::Error| failed("HTTP", innermost(&error.without_url()), CallErrorKind::Transient);
        let client = self.client.get(|| Client::builder().timeout(ATTEMPT).build()).map_err(broken)?;
        let mut request = client.post(self.bulk.clone()).header(CONTENT_TYPE, NDJSON).body(body.to_owned());
        for (name, value) in self.signature(body, now).await? {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        let answer = response.text().await.map_err(broken)?;
        if status.is_success() {
            return serde_json::from_str(&answer).map_err(|_| {
                failed("Answer", "an answer that is not JSON".to_owned(), CallErrorKind::Transient)
            });
        }
        let kind = match status.as_u16() {
            429 | 500..=599 => CallErrorKind::Transient,
            401 | 403 => CallErrorKind::Denied,
            _ => CallErrorKind::Final,
        };
        Err(failed(&format!("HTTP {}", status.as_u16()), answer.chars().take(300).collect(), kind))
    }

    /// The headers that say who is asking.
    async fn signature(&self, body: &str, now: OffsetDateTime) -> Result<Vec<(String, String)>, CallError> {
        let unsigned = |why: String| failed("Signing", why, CallErrorKind::Final);
        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| unsigned("there are no credentials".to_owned()))?;
        let credentials: Credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| failed("Signing", innermost(&error), CallErrorKind::Transient))?;
        let identity = credentials.into();
        let host = self.bulk.host_str().unwrap_or_default();
        let (service, region) = signed_for(host);
        let region = region.or_else(|| self.config.region().map(AsRef::as_ref)).unwrap_or_default();
        let mut settings = SigningSettings::default();
        // Serverless asks for the header; a domain does not mind it.
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
        let host = self.bulk.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = [("content-type", NDJSON), ("host", &host)];
        let request = SignableRequest::new(
            "POST",
            self.bulk.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let request = request.map_err(|error| unsigned(error.to_string()))?;
        let (instructions, _) =
            sign(request, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The service that a request to this host is signed for, and the region, which may not be the function's. A name of one's
/// own (a custom endpoint) is a domain's in the function's region.
fn signed_for(host: &str) -> (&'static str, Option<&str>) {
    let labels: Vec<&str> = host.split('.').collect();
    for name in labels.windows(3) {
        match name {
            [region, "es", "amazonaws"] => return ("es", Some(region)),
            [region, "aoss", "amazonaws"] => return ("aoss", Some(region)),
            _ => {}
        }
    }
    ("es", None)
}

fn failed(code: &str, message: String, kind: CallErrorKind) -> CallError {
    CallError { operation: OPERATION, code: code.to_owned(), message, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_what_a_request_is_signed_for() {
        for (host, expected) in [
            ("search-events-x1.eu-west-1.es.amazonaws.com", ("es", Some("eu-west-1"))),
            ("vpc-events-x1.cn-north-1.es.amazonaws.com.cn", ("es", Some("cn-north-1"))),
            ("x1y2.us-west-2.aoss.amazonaws.com", ("aoss", Some("us-west-2"))),
            ("search.example.com", ("es", None)),
            ("es.amazonaws.com", ("es", None)),
            ("127.0.0.1", ("es", None)),
        ] {
            assert_eq!(signed_for(host), expected, "{host}");
        }
    }
}
