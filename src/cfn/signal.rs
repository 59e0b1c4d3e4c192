//! The signal to a WaitConditionHandle, within the bytes that CloudFormation reads.

use serde::Serialize;

use super::{
    Data, Status,
    response::{MAX_RESPONSE_BYTES, REASON_RESERVE},
};

/// The key of the signal in the condition's attribute `Data`.
const UNIQUE_ID: &str = "Task";

/// The body of a signal.
///
/// A signal's Data is one text, so the attributes are written into it as a JSON object. A condition
/// cannot mask it, so with NoEcho it is empty.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Signal {
    status: &'static str,
    unique_id: &'static str,
    /// The text for the person who reads the stack's events.
    pub reason: String,
    data: String,
}

impl Signal {
    /// A signal with an empty Reason. Shortens attributes that would leave too little room for one,
    /// as [`super::Response`] does.
    pub fn new(status: Status, data: Option<Data>) -> Self {
        let status = match status {
            Status::Success => "SUCCESS",
            // A WaitCondition spells it FAILURE; a custom resource spells it FAILED.
            Status::Failed => "FAILURE",
        };
        let mut data = data;
        loop {
            let text = data
                .as_ref()
                .map_or_else(|| Ok("{}".to_owned()), serde_json::to_string);
            let signal = Self {
                status,
                unique_id: UNIQUE_ID,
                reason: String::new(),
                data: text.unwrap_or_default(),
            };
            let lacking = REASON_RESERVE.saturating_sub(signal.room());
            if lacking == 0 || !data.as_mut().is_some_and(|data| data.shorten(lacking)) {
                return signal;
            }
        }
    }

    /// Bytes that the Reason may still grow by, as serialized in JSON.
    pub fn room(&self) -> usize {
        MAX_RESPONSE_BYTES.saturating_sub(self.body().len())
    }

    /// The body for the PUT.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_body_has_the_names_that_cloudformation_reads_and_texts_alone() {
        let mut signal = Signal::new(Status::Failed, None);
        signal.reason = "because".to_owned();
        assert_eq!(
            signal.body(),
            r#"{"Status":"FAILURE","UniqueId":"Task","Reason":"because","Data":"{}"}"#
        );
        let data = Data {
            task_arn: "arn".to_owned(),
            ..Data::default()
        };
        let body: Value =
            serde_json::from_str(&Signal::new(Status::Success, Some(data)).body()).expect("JSON");
        assert_eq!(body["Status"], "SUCCESS");
        let data: Value =
            serde_json::from_str(body["Data"].as_str().expect("a text")).expect("JSON");
        assert_eq!(data["TaskArn"], "arn");
    }

    #[test]
    fn ten_long_arns_leave_room_for_a_reason() {
        let arn = format!(
            "arn:aws:ecs:us-west-2:123456789012:task/{}/0123",
            "c".repeat(255)
        );
        let data = Data {
            task_arns: vec![arn; 12].join(","),
            ..Data::default()
        };
        assert!(Signal::new(Status::Success, Some(data)).room() >= REASON_RESERVE);
    }
}
