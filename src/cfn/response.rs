//! The answer to a request, within the bytes that CloudFormation reads.

use serde::Serialize;

use super::ReplyTo;

/// The longest body that CloudFormation accepts. It refuses a longer one with "Response object is
/// too long", which hides the Reason.
pub const MAX_RESPONSE_BYTES: usize = 4096;

/// The part of the body that long attributes must leave to the Reason: enough for a sentence and an
/// ARN.
pub(super) const REASON_RESERVE: usize = 600;

/// The status of an answer: SUCCESS lets the stack continue, FAILED stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The request succeeded.
    Success,
    /// The request failed, and the Reason says why.
    Failed,
}

/// The body of an answer.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    /// SUCCESS or FAILED.
    pub status: Status,
    /// The text for the person who reads the stack's events.
    pub reason: String,
    physical_resource_id: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    no_echo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

/// The attributes that `Fn::GetAtt` reads. Every SUCCESS has all of them, empty if there is no
/// value: an attribute that a template reads and that is missing fails the update, and then its
/// rollback.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Data {
    /// ARN of the (first) task.
    pub task_arn: String,
    /// ARNs of all tasks, separated by commas.
    pub task_arns: String,
    /// The revision of the task definition that ran.
    pub task_definition_arn: String,
    /// Exit code of the first container that counts.
    pub exit_code: String,
    /// The start of the first container, in RFC 3339.
    pub started_at: String,
    /// The stop of the last container, in RFC 3339.
    pub stopped_at: String,
    /// From StartedAt to StoppedAt, in whole seconds.
    pub seconds: String,
    /// The log group of the first container that counts.
    pub log_group: String,
    /// Its stream.
    pub log_stream: String,
    /// With ReturnOutput, the last line that this container logged.
    pub output: String,
    /// `true` if this request ran tasks, else `false`.
    #[serde(serialize_with = "as_text")]
    pub ran: bool,
}

/// Attributes are texts, because CloudFormation passes them on as texts.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: serde::Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *value { "true" } else { "false" })
}

impl Response {
    /// An answer with an empty Reason. Shortens attributes that would leave too little room for
    /// one: first TaskArns loses ARNs from its end, except the first, then Output loses its end.
    /// That needs ten tasks on a cluster with a very long name, or an Output of multi-byte
    /// characters.
    pub fn new(status: Status, reply_to: &ReplyTo, data: Option<Data>) -> Self {
        let mut response = Self {
            status,
            reason: String::new(),
            physical_resource_id: reply_to.physical_resource_id.clone(),
            stack_id: reply_to.stack_id.clone(),
            request_id: reply_to.request_id.clone(),
            logical_resource_id: reply_to.logical_resource_id.clone(),
            no_echo: reply_to.no_echo,
            data,
        };
        while response.room() < REASON_RESERVE {
            let lacking = REASON_RESERVE - response.room();
            if !response
                .data
                .as_mut()
                .is_some_and(|data| data.shorten(lacking))
            {
                break;
            }
        }
        response
    }

    /// The attributes, if the answer has any.
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// Bytes that the Reason may still grow by, as serialized in JSON.
    pub fn room(&self) -> usize {
        // Measured on the body itself, because JSON escapes some characters of ids and attributes.
        MAX_RESPONSE_BYTES.saturating_sub(self.body().len())
    }

    /// The body for the PUT.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Data {
    /// Removes up to `bytes` bytes from the attributes. False if nothing can be removed.
    pub(super) fn shorten(&mut self, bytes: usize) -> bool {
        if let Some(comma) = self.task_arns.rfind(',') {
            self.task_arns.truncate(comma);
            return true;
        }
        let kept = self
            .output
            .floor_char_boundary(self.output.len().saturating_sub(bytes.div_ceil(2)));
        let shortened = kept < self.output.len();
        self.output.truncate(kept);
        shortened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cfn::fixtures;

    fn reply_to() -> ReplyTo {
        fixtures::reply_to("r-1")
    }

    #[test]
    fn the_body_has_the_names_that_cloudformation_reads_and_nothing_else() {
        let mut response = Response::new(
            Status::Failed,
            &ReplyTo {
                no_echo: true,
                ..reply_to()
            },
            None,
        );
        response.reason = "because".to_owned();
        let expected = r#"{"Status":"FAILED","Reason":"because","PhysicalResourceId":"prod-MigrateTask-5f0c2a9be1d4","StackId":"arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30","RequestId":"r-1","LogicalResourceId":"MigrateTask","NoEcho":true}"#;
        assert_eq!(response.body(), expected);
    }

    #[test]
    fn a_success_carries_the_full_set_of_attributes() {
        let response = Response::new(Status::Success, &reply_to(), Some(Data::default()));
        let body: serde_json::Value = serde_json::from_str(&response.body()).expect("JSON");
        let mut names: Vec<&str> = body["Data"]
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        let expected = "ExitCode LogGroup LogStream Output Ran Seconds StartedAt StoppedAt TaskArn TaskArns \
                        TaskDefinitionArn";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn ten_long_arns_leave_room_for_a_reason() {
        let arn = format!(
            "arn:aws:ecs:us-west-2:123456789012:task/{}/0123",
            "c".repeat(255)
        );
        let data = Data {
            task_arn: arn.clone(),
            task_arns: vec![arn.clone(); 12].join(","),
            ..Data::default()
        };
        let response = Response::new(Status::Success, &reply_to(), Some(data));
        assert!(response.room() >= REASON_RESERVE);
        let arns = response.data.expect("attributes").task_arns;
        assert!(
            arns.split(',').all(|kept| kept == arn),
            "only whole ARNs are kept"
        );
    }

    #[test]
    fn an_output_of_long_characters_leaves_room_for_a_reason() {
        for char in ["😀", "\"", "x"] {
            let data = Data {
                task_arns: "arn:1".to_owned(),
                output: char.repeat(1024),
                ..Data::default()
            };
            let response = Response::new(Status::Success, &reply_to(), Some(data));
            assert!(response.room() >= REASON_RESERVE, "{char}");
            let kept = response.data().expect("attributes");
            assert_eq!(kept.task_arns, "arn:1", "of one task nothing is lost");
            assert!(
                kept.output.len() > 2_000 || kept.output == "x".repeat(1024) || char == "\"",
                "{char}"
            );
        }
    }
}
