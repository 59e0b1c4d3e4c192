//! CloudFormation's side of a custom resource: requests, their answers, and DescribeStacks.

mod answer;
mod describe;
mod wait_condition;

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};
use tokio::sync::{Notify, oneshot};

pub(crate) use self::wait_condition::PATH as WAIT_CONDITION_PATH;
pub use self::{answer::Settled, describe::described_stack, wait_condition::Signalled};
use super::lambda::Lambda;
use crate::{
    config::{now, random_hex, random_uuid},
    protocol::{AwsError, lock},
};

/// Lifetime of a ResponseURL in seconds.
const EXPIRES: u32 = 7200;

/// CloudFormation, as far as custom resources and wait conditions need it.
pub struct CloudFormation {
    endpoint: String,
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Value>>>,
    answers: Mutex<Vec<Answered>>,
    statuses: Mutex<BTreeMap<String, String>>,
    signals: Mutex<Vec<Signalled>>,
    signalled: Notify,
}

/// An answer as it was PUT.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The RequestId in its address.
    pub request_id: String,
    /// The time of its arrival.
    pub at: OffsetDateTime,
    /// The body, as it came.
    pub body: Bytes,
}

/// A custom-resource request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Create, Update or Delete.
    pub request_type: &'a str,
    /// The stack's ARN.
    pub stack_id: &'a str,
    /// The resource's logical id.
    pub logical_id: &'a str,
    /// Such as `Custom::ECSTask`.
    pub resource_type: &'a str,
    /// The resource's PhysicalResourceId, on Update and Delete.
    pub physical_id: Option<&'a str>,
    /// The resolved properties. Scalars are sent as strings.
    pub properties: &'a Value,
    /// The resolved properties before an Update.
    pub old_properties: Option<&'a Value>,
}

impl CloudFormation {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            waiting: Mutex::default(),
            answers: Mutex::default(),
            statuses: Mutex::default(),
            signals: Mutex::default(),
            signalled: Notify::new(),
        }
    }

    /// Sends a request and waits up to ServiceTimeout (3600 s by default) for its answer.
    pub async fn request(&self, ask: &Ask<'_>, lambda: &Lambda) -> Settled {
        let request_id = random_uuid();
        let (answered, answer) = oneshot::channel();
        lock(&self.waiting).insert(request_id.clone(), answered);
        lambda.invoke_event(&self.envelope(ask, &request_id, lambda));
        let limit = stringly(&ask.properties["ServiceTimeout"])
            .as_str()
            .and_then(|seconds| seconds.parse().ok());
        let limit = limit.unwrap_or(3600);
        let answer = tokio::time::timeout(Duration::from_secs(limit), answer).await;
        lock(&self.waiting).remove(&request_id);
        match answer {
            Ok(Ok(answer)) => answer::settle(&answer, ask, &request_id),
            _ => Settled::failed(format!(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs \
                 for requestId [{request_id}]. If you are using the Python cfn-response module, you may need \
                 to update your Lambda function code so that CloudFormation can attach the updated version."
            )),
        }
    }

    /// The payload of a request.
    ///
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>
    pub fn envelope(&self, ask: &Ask<'_>, request_id: &str, lambda: &Lambda) -> Value {
        let mut payload = json!({
            "RequestType": ask.request_type,
            "ServiceToken": lambda.function_arn(),
            "ResponseURL": self.response_url(ask.stack_id, ask.logical_id, request_id, now()),
            "StackId": ask.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": ask.logical_id,
            "ResourceType": ask.resource_type,
            "ResourceProperties": stringly(ask.properties),
        });
        if let Some(id) = ask.physical_id {
            payload["PhysicalResourceId"] = json!(id);
        }
        if let Some(old) = ask.old_properties {
            payload["OldResourceProperties"] = stringly(old);
        }
        payload
    }

    /// A ResponseURL, in the form of CloudFormation's presigned ones.
    pub fn response_url(
        &self,
        stack_id: &str,
        logical_id: &str,
        request_id: &str,
        at: OffsetDateTime,
    ) -> String {
        self.presigned(
            "/response/",
            &format!("{stack_id}|{logical_id}|{request_id}"),
            EXPIRES,
            at,
        )
    }

    fn presigned(&self, path: &str, key: &str, expires: u32, at: OffsetDateTime) -> String {
        let date = at
            .format(format_description!(
                "[year][month][day]T[hour][minute][second]Z"
            ))
            .unwrap_or_default();
        format!(
            "{}{path}{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-SignedHeaders=host\
             &X-Amz-Expires={expires}&X-Amz-Credential=AKIDEXAMPLE%2F{}%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Signature={}",
            self.endpoint,
            utf8_percent_encode(key, NON_ALPHANUMERIC),
            &date[..8.min(date.len())],
            random_hex(64)
        )
    }

    /// All answers that were PUT, late ones included.
    pub fn answers(&self) -> Vec<Answered> {
        lock(&self.answers).clone()
    }

    /// Sets a stack's status for DescribeStacks.
    pub fn set_status(&self, stack_id: &str, status: &str) {
        lock(&self.statuses).insert(stack_id.to_owned(), status.to_owned());
    }

    /// A stack's status; empty for an unknown stack.
    pub fn status(&self, stack_id: &str) -> String {
        lock(&self.statuses)
            .get(stack_id)
            .cloned()
            .unwrap_or_default()
    }

    /// Accepts a PUT to the response bucket.
    pub(crate) fn take_answer(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        // The signature covers an empty Content-Type: S3 refuses any other.
        if headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| !value.is_empty())
        {
            return (StatusCode::FORBIDDEN, "SignatureDoesNotMatch").into_response();
        }
        let key = percent_decode_str(path.trim_start_matches("/response/"))
            .decode_utf8_lossy()
            .into_owned();
        let request_id = key.rsplit('|').next().unwrap_or_default().to_owned();
        lock(&self.answers).push(Answered {
            request_id: request_id.clone(),
            at: now(),
            body: body.clone(),
        });
        if let Some(waiting) = lock(&self.waiting).remove(&request_id) {
            // The request's ServiceTimeout may have passed at this moment.
            let _ = waiting.send(answer::read(body));
        }
        StatusCode::OK.into_response()
    }

    pub(crate) fn describe_stacks(&self, stack: &str) -> Result<String, AwsError> {
        let statuses = lock(&self.statuses);
        let Some((id, status)) = statuses
            .iter()
            .find(|(id, _)| *id == stack || id.split('/').nth(1) == Some(stack))
        else {
            return Err(AwsError::new(
                "ValidationError",
                format!("Stack with id {stack} does not exist"),
            ));
        };
        Ok(described_stack(id, status))
    }
}

/// Turns every scalar into a string, recursively, as CloudFormation sends them.
fn stringly(value: &Value) -> Value {
    match value {
        Value::Bool(boolean) => json!(boolean.to_string()),
        Value::Number(number) => json!(number.to_string()),
        Value::Array(items) => items.iter().map(stringly).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.clone(), stringly(value)))
            .collect(),
        other => other.clone(),
    }
}
