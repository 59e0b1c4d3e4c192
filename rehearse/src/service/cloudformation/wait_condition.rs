//! Wait conditions: handles, the signals to them, and what a condition makes of these.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::CloudFormation;
use crate::{config::now, protocol::lock};

/// How long a handle takes signals, in seconds.
const EXPIRES: u32 = 43_199;
/// Where signals are PUT.
pub(crate) const PATH: &str = "/waitcondition/";

/// A signal as it was PUT.
#[derive(Clone, Debug)]
pub struct Signalled {
    /// The path of the handle's address.
    handle: String,
    /// When it came.
    pub at: OffsetDateTime,
    /// Its bytes.
    pub body: Bytes,
}

/// What CloudFormation reads of a signal: texts alone.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignalRead {
    status: String,
    unique_id: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    data: String,
}

impl CloudFormation {
    /// The address of a handle, of the form that CloudFormation presigns.
    pub fn wait_handle(&self, stack_id: &str, logical_id: &str, at: OffsetDateTime) -> String {
        self.presigned(PATH, &format!("{stack_id}/{logical_id}"), EXPIRES, at)
    }

    /// Every signal that was PUT to a handle.
    pub fn signals(&self, handle: &str) -> Vec<Signalled> {
        let path = Url::parse(handle).map(|url| url.path().to_owned()).unwrap_or_default();
        lock(&self.signals).iter().filter(|signal| signal.handle == path).cloned().collect()
    }

    /// The PUT to the wait-condition bucket.
    pub(crate) fn take_signal(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        // As with a response: the signature covers an empty Content-Type.
        if headers.get(CONTENT_TYPE).is_some_and(|value| !value.is_empty()) {
            return (StatusCode::FORBIDDEN, "SignatureDoesNotMatch").into_response();
        }
        let signal = Signalled { handle: path.to_owned(), at: now(), body: body.clone() };
        lock(&self.signals).push(signal);
        self.signalled.notify_waiters();
        StatusCode::OK.into_response()
    }

    /// Waits for as many signals as a condition wants; its attribute Data, or why it fails.
    pub async fn wait_condition(&self, properties: &Value) -> Result<Value, String> {
        let number = |name: &str, default: u64| match &properties[name] {
            Value::String(text) => text.trim().parse().unwrap_or(default),
            other => other.as_u64().unwrap_or(default),
        };
        let (count, timeout) = (number("Count", 1), Duration::from_secs(number("Timeout", 0)));
        let handle = properties["Handle"].as_str().unwrap_or_default();
        let waiting = async {
            loop {
                let signalled = self.signalled.notified();
                if let Some(settled) = settle(&self.signals(handle), count) {
                    return settled;
                }
                signalled.await;
            }
        };
        tokio::time::timeout(timeout, waiting).await.unwrap_or_else(|_| {
            let received = received(&self.signals(handle)).map_or(0, |received| received.len());
            Err(format!("WaitCondition timed out. Received {received} conditions when expecting {count}"))
        })
    }
}

/// What these signals come to, if that is decided.
fn settle(signals: &[Signalled], count: u64) -> Option<Result<Value, String>> {
    match received(signals) {
        Ok(received) if received.len() as u64 >= count => Some(Ok(json!(
            Value::Object(received.into_iter().map(|(id, data)| (id, data.into())).collect()).to_string()
        ))),
        Ok(_) => None,
        Err(reason) => Some(Err(reason)),
    }
}

/// The Data of the successes, each UniqueId once; the words of the first failure.
fn received(signals: &[Signalled]) -> Result<BTreeMap<String, String>, String> {
    let mut received = BTreeMap::new();
    for signal in signals {
        let Ok(signal) = serde_json::from_slice::<SignalRead>(&signal.body) else {
            return Err("WaitCondition received malformed JSON".to_owned());
        };
        if signal.status != "SUCCESS" {
            let SignalRead { reason, unique_id, .. } = signal;
            return Err(format!(
                "WaitCondition received failed message: '{reason}' for uniqueId: {unique_id}"
            ));
        }
        received.entry(signal.unique_id).or_insert(signal.data);
    }
    Ok(received)
}
