//! The SDK's calls over the function's own HTTP client.

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::HttpError,
};
use aws_smithy_types::body::SdkBody;

use crate::function::http::Http;

/// The SDK's HTTP client. The time limits of a connection are the client's; those of a call are the
/// SDK's own.
pub fn over(http: Http) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(http));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Connector(Http);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(async move { exchange(&http, request).await })
    }
}

/// Sends one request and reads its whole answer.
async fn exchange(http: &Http, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let (parts, body) = request.try_into_http1x().map_err(invalid)?.into_parts();
    let body = body.bytes().ok_or("a body that is a stream");
    let body = body
        .map_err(|error| ConnectorError::user(error.into()))?
        .to_vec();
    let client = http.client().map_err(broken)?;
    let request = client.request(parts.method, parts.uri.to_string());
    let response = request.headers(parts.headers).body(body).send().await;
    let mut response = response.map_err(broken)?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut answer = http::Response::new(SdkBody::from(response.bytes().await.map_err(broken)?));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    HttpResponse::try_from(answer).map_err(invalid)
}

fn invalid(error: HttpError) -> ConnectorError {
    ConnectorError::user(error.into())
}

fn broken(error: reqwest::Error) -> ConnectorError {
    let (is_timeout, is_connect) = (error.is_timeout(), error.is_connect());
    let source = error.without_url().into();
    match is_timeout {
        true => ConnectorError::timeout(source),
        false if is_connect => ConnectorError::io(source).never_connected(),
        false => ConnectorError::io(source),
    }
}
