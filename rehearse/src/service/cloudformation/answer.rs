//! CloudFormation's reading of an answer to a custom-resource request.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::Ask;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 4096;
/// The longest PhysicalResourceId, in bytes.
const MAX_ID: usize = 1024;

/// The outcome of a request, with or without an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// True if the request succeeded.
    pub succeeded: bool,
    /// The Reason, or CloudFormation's own words about an answer that it refuses.
    pub reason: String,
    /// The id in the answer; `None` without an answer.
    pub physical_id: Option<String>,
    /// The attributes for Fn::GetAtt.
    pub data: BTreeMap<String, Value>,
}

impl Settled {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self {
            succeeded: false,
            reason: reason.into(),
            physical_id: None,
            data: BTreeMap::new(),
        }
    }
}

/// The answer that was PUT. `Unfit` holds CloudFormation's words about one that it cannot read.
pub(super) fn read(body: &Bytes) -> Value {
    // CloudFormation shows these words in place of the Reason, so a person never learns the cause.
    if body.len() > MAX_ANSWER {
        return json!({ "Unfit": "Response object is too long." });
    }
    serde_json::from_slice(body).unwrap_or(json!({ "Unfit": "Response is not valid JSON." }))
}

/// Checks an answer as CloudFormation would.
pub(super) fn settle(answer: &Value, ask: &Ask<'_>, request_id: &str) -> Settled {
    if let Some(unfit) = answer["Unfit"].as_str() {
        return Settled::failed(unfit);
    }
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    for (name, expected) in [
        ("StackId", ask.stack_id),
        ("RequestId", request_id),
        ("LogicalResourceId", ask.logical_id),
    ] {
        if text(name) != expected {
            return Settled::failed(format!("Invalid {name} in the response."));
        }
    }
    let physical_id = text("PhysicalResourceId");
    // CloudFormation makes up an id in this case, and the Reason is lost.
    if physical_id.is_empty() || physical_id.len() > MAX_ID {
        return Settled::failed("Invalid PhysicalResourceId");
    }
    let data: BTreeMap<String, Value> = answer["Data"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // Fn::GetAtt returns simple values alone, so CloudFormation refuses others.
    if data
        .values()
        .any(|value| value.is_array() || value.is_null())
    {
        return Settled {
            physical_id: Some(physical_id),
            ..Settled::failed("Vendor response doesn't contain simple attributes")
        };
    }
    let (status, reason) = (text("Status"), text("Reason"));
    match status.as_str() {
        "SUCCESS" => Settled {
            succeeded: true,
            reason,
            physical_id: Some(physical_id),
            data,
        },
        // CloudFormation requires a Reason with FAILED.
        "FAILED" if reason.is_empty() => Settled {
            physical_id: Some(physical_id),
            ..Settled::failed("Invalid response: FAILED without a Reason")
        },
        "FAILED" => Settled {
            physical_id: Some(physical_id),
            ..Settled::failed(format!(
                "Received response status [FAILED] from custom resource. Message returned: {reason}"
            ))
        },
        other => Settled::failed(format!("Invalid Status in the response: {other}")),
    }
}
