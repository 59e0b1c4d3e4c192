//! Wait conditions: their handles, the signals, and the conditions' outcomes.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html>

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

/// Lifetime of a handle in seconds, as in a handle of 2026; it was 86,399 until 2025.
const EXPIRES: u32 = 43_199;
/// The path to which signals are PUT.
pub(crate) const PATH: &str = "/waitcondition/";

/// A signal as it was PUT.
#[derive(Clone, Debug)]
pub struct Signalled {
    /// The path of the handle's address.
    handle: String,
    /// The time of its arrival.
    pub at: OffsetDateTime,
    /// The body, as it came.
    pub body: Bytes,
}

/// The members of a signal that CloudFormation reads, all of them texts.
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
    /// A handle's address, in the form of CloudFormation's presigned ones.
    pub fn wait_handle(&self, stack_id: &str, logical_id: &str, at: OffsetDateTime) -> String {
        self.presigned(PATH, &format!("{stack_id}/{logical_id}"), EXPIRES, at)
    }

    /// All signals that were PUT to a handle.
    pub fn signals(&self, handle: &str) -> Vec<Signalled> {
        let path = Url::parse(handle)
            .map(|url| url.path().to_owned())
            .unwrap_or_default();
        lock(&self.signals)
            .iter()
            .filter(|signal| signal.handle == path)
            .cloned()
            .collect()
    }

    /// Accepts a PUT to the wait-condition bucket.
    pub(crate) fn take_signal(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        // The signature covers an empty Content-Type, as in a ResponseURL.
        if headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| !value.is_empty())
        {
            return (StatusCode::FORBIDDEN, "SignatureDoesNotMatch").into_response();
        }
        let signal = Signalled {
            handle: path.to_owned(),
            at: now(),
            body: body.clone(),
        };
        lock(&self.signals).push(signal);
        self.signalled.notify_waiters();
        StatusCode::OK.into_response()
    }

    /// Waits for Count signals within Timeout. Returns the attribute Data; `Err` is the reason of
    /// the failure.
    pub async fn wait_condition(&self, properties: &Value) -> Result<Value, String> {
        // A template may give a number as text.
        let number = |name: &str, default: u64| match &properties[name] {
            Value::String(text) => text.trim().parse().unwrap_or(default),
            other => other.as_u64().unwrap_or(default),
        };
        let (count, timeout) = (
            number("Count", 1),
            Duration::from_secs(number("Timeout", 0)),
        );
        let handle = properties["Handle"].as_str().unwrap_or_default();
        let waiting = async {
            loop {
                // Asked for before the check: a signal between the check and the wait must not be
                // lost.
                let signalled = self.signalled.notified();
                if let Some(settled) = settle(&self.signals(handle), count) {
                    return settled;
                }
                signalled.await;
            }
        };
        tokio::time::timeout(timeout, waiting)
            .await
            .unwrap_or_else(|_| {
                let received = received(&self.signals(handle)).map_or(0, |received| received.len());
                Err(format!(
                    "WaitCondition timed out. Received {received} conditions when expecting {count}"
                ))
            })
    }
}

/// The condition's outcome, once the signals decide it.
fn settle(signals: &[Signalled], count: u64) -> Option<Result<Value, String>> {
    match received(signals) {
        Ok(received) if received.len() as u64 >= count => Some(Ok(json!(
            Value::Object(
                received
                    .into_iter()
                    .map(|(id, data)| (id, data.into()))
                    .collect()
            )
            .to_string()
        ))),
        Ok(_) => None,
        Err(reason) => Some(Err(reason)),
    }
}

/// The Data of the successes by UniqueId. `Err` is the first failure, in CloudFormation's words.
fn received(signals: &[Signalled]) -> Result<BTreeMap<String, String>, String> {
    let mut received = BTreeMap::new();
    for signal in signals {
        let Ok(signal) = serde_json::from_slice::<SignalRead>(&signal.body) else {
            return Err("WaitCondition received malformed JSON".to_owned());
        };
        if signal.status != "SUCCESS" {
            let SignalRead {
                reason, unique_id, ..
            } = signal;
            return Err(format!(
                "WaitCondition received failed message: '{reason}' for uniqueId: {unique_id}"
            ));
        }
        // CloudFormation ignores a second signal with the same UniqueId: it counts as sent again.
        received.entry(signal.unique_id).or_insert(signal.data);
    }
    Ok(received)
}
