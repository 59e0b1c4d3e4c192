//! The envelope of a request: who asks, what for, and where the answer goes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::{ResponseUrl, WaitHandle};
use crate::identity;

/// What a payload turned out to be, as far as CloudFormation's protocol goes.
#[derive(Debug)]
pub enum Received {
    /// A request of CloudFormation, its properties still as they came.
    Request(Request),
    /// Something that has a ResponseURL, and so somebody who waits, but lacks what a request needs. Answered
    /// FAILED.
    Garbled {
        /// Where the answer goes, with the ids that could be made out.
        reply_to: ReplyTo,
        /// What is wrong, for the Reason.
        problem: String,
    },
    /// Nobody waits for an answer, or nobody can be reached. Logged; a retry cannot help.
    Unanswerable {
        /// What is wrong, for the log.
        problem: String,
    },
}

/// A custom-resource request.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>
#[derive(Debug)]
pub struct Request {
    /// Create, Update or Delete.
    pub request_type: RequestType,
    /// Where and in whose name the answer goes.
    pub reply_to: ReplyTo,
    /// ResourceProperties as they came; they may be anything.
    pub properties: RawProperties,
    /// OldResourceProperties as they came; null but for Update.
    pub old_properties: RawProperties,
}

/// Properties before they are parsed. They hold environment values, so `Debug` does not show them.
#[derive(Clone, PartialEq)]
pub struct RawProperties(pub Value);

/// What CloudFormation wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestType {
    /// A resource that is new to the stack.
    Create,
    /// A resource whose properties changed, or change back in a rollback.
    Update,
    /// A resource that leaves the stack, or a Create that is cancelled.
    Delete,
}

/// All that an answer must echo, and where it goes. Serialized in the continuation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The presigned address; a secret.
    pub response_url: ResponseUrl,
    /// The stack's ARN.
    pub stack_id: String,
    /// The id of this one request, the same on every delivery of it.
    pub request_id: String,
    /// The resource's name in the template.
    pub logical_resource_id: String,
    /// Chosen on Create, echoed ever after: a changed id would make CloudFormation delete the old one.
    pub physical_resource_id: String,
    /// Whether CloudFormation masks the attributes; read from the properties.
    pub no_echo: bool,
    /// When CloudFormation stops waiting for the answer, as far as ServiceTimeout and the ResponseURL say.
    #[serde(with = "time::serde::rfc3339::option")]
    pub given_up_at: Option<OffsetDateTime>,
    /// Where the verdict goes in place of the ResponseURL: the request itself has been answered when its
    /// tasks had started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_handle: Option<WaitHandle>,
}

impl ReplyTo {
    /// `startedBy` of the tasks of the request's resource.
    pub fn started_by(&self) -> String {
        identity::started_by(&self.stack_id, &self.logical_resource_id)
    }

    /// Where the answer is PUT.
    pub fn address(&self) -> &ResponseUrl {
        self.wait_handle.as_ref().map_or(&self.response_url, WaitHandle::address)
    }

    /// The same request's verdict, for its WaitHandle, which takes it as long as it lives.
    #[must_use]
    pub fn signalling(&self, handle: &WaitHandle) -> Self {
        Self { wait_handle: Some(handle.clone()), given_up_at: handle.expires_at(), ..self.clone() }
    }

    /// The region of the stack, by its ARN.
    pub fn region(&self) -> &str {
        self.stack_id.split(':').nth(3).unwrap_or_default()
    }
}

impl Received {
    /// Reads the envelope. Never fails: what cannot be read says so.
    pub fn of(payload: &Value) -> Self {
        let text = |name: &str| payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(url) = text("ResponseURL") else {
            return Self::Unanswerable {
                problem: "the payload has no ResponseURL and is no continuation".to_owned(),
            };
        };
        let response_url = match ResponseUrl::parse(url) {
            Ok(url) => url,
            Err(error) => return Self::Unanswerable { problem: error.to_string() },
        };

        let [stack, logical, request] = response_url.ids().unwrap_or_default();
        let stack_id = text("StackId").map_or(stack, str::to_owned);
        let request_id = text("RequestId").map_or(request, str::to_owned);
        let logical_resource_id = text("LogicalResourceId").map_or(logical, str::to_owned);
        let physical_resource_id = text("PhysicalResourceId").map_or_else(
            || identity::physical_resource_id(&stack_id, &logical_resource_id, &request_id),
            str::to_owned,
        );
        let reply_to = ReplyTo {
            response_url,
            stack_id,
            request_id,
            logical_resource_id,
            physical_resource_id,
            no_echo: false,
            given_up_at: None,
            wait_handle: None,
        };

        let missing: Vec<&str> = ["StackId", "RequestId", "LogicalResourceId"]
            .into_iter()
            .filter(|name| text(name).is_none())
            .collect();
        if !missing.is_empty() {
            let problem =
                format!("the request has no {} (a non-empty text is needed)", missing.join(", no "));
            return Self::Garbled { reply_to, problem };
        }
        let request_type = match RequestType::read(text("RequestType")) {
            Ok(request_type) => request_type,
            Err(problem) => return Self::Garbled { reply_to, problem },
        };
        let properties = |name: &str| RawProperties(payload.get(name).cloned().unwrap_or(Value::Null));
        Self::Request(Request {
            request_type,
            reply_to,
            properties: properties("ResourceProperties"),
            old_properties: properties("OldResourceProperties"),
        })
    }
}

impl RawProperties {
    /// The cluster, read without any of the rest, which may be wrong.
    pub fn cluster(&self) -> Option<&str> {
        self.text("Cluster")
    }

    /// The task definition, read without any of the rest.
    pub fn task_definition(&self) -> Option<&str> {
        self.text("TaskDefinition")
    }

    /// The WaitHandle, read without any of the rest.
    pub fn wait_handle(&self) -> Option<&str> {
        self.text("WaitHandle")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

impl RequestType {
    fn read(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("Create") => Ok(Self::Create),
            Some("Update") => Ok(Self::Update),
            Some("Delete") => Ok(Self::Delete),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                Err(format!("RequestType {other} is unknown: Create, Update or Delete is expected"))
            }
            None => Err("the request has no RequestType: Create, Update or Delete is expected".to_owned()),
        }
    }

    /// The name as CloudFormation writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }
}

impl std::fmt::Debug for RawProperties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawProperties(…)")
    }
}

/// A request that can be answered, for tests.
#[cfg(test)]
pub(crate) mod fixtures {
    use super::{ReplyTo, ResponseUrl};

    /// Sent on 2026-11-20 at 10:15 UTC.
    pub(crate) fn reply_to(request_id: &str) -> ReplyTo {
        let url = "https://bucket.s3.us-west-2.amazonaws.com/key?X-Amz-Date=20261120T101500Z&X-Amz-Signature=secret";
        ReplyTo {
            response_url: ResponseUrl::parse(url).expect("a good URL"),
            stack_id: "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30".to_owned(),
            request_id: request_id.to_owned(),
            logical_resource_id: "MigrateTask".to_owned(),
            physical_resource_id: "prod-MigrateTask-5f0c2a9be1d4".to_owned(),
            no_echo: false,
            given_up_at: None,
            wait_handle: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create() -> Value {
        serde_json::from_str(include_str!("../../tests/events/create.json")).expect("a fixture")
    }

    #[track_caller]
    fn garbled(payload: &Value) -> (ReplyTo, String) {
        match Received::of(payload) {
            Received::Garbled { reply_to, problem } => (reply_to, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_create_gets_a_physical_id_from_the_request() {
        let Received::Request(request) = Received::of(&create()) else { panic!("a request") };
        assert_eq!(request.request_type, RequestType::Create);
        let id = request.reply_to.physical_resource_id;
        assert!(id.starts_with("prod-MigrateTask-") && id.len() == "prod-MigrateTask-".len() + 12, "{id}");
    }

    #[test]
    fn update_and_delete_echo_the_id_that_they_bring() {
        for fixture in
            [include_str!("../../tests/events/update.json"), include_str!("../../tests/events/delete.json")]
        {
            let payload = serde_json::from_str(fixture).expect("a fixture");
            let Received::Request(request) = Received::of(&payload) else { panic!("a request") };
            assert_eq!(request.reply_to.physical_resource_id, "prod-MigrateTask-5f0c2a9be1d4");
        }
    }

    #[test]
    fn a_request_without_its_ids_is_answered_with_those_of_the_url() {
        let mut payload = create();
        payload["RequestId"] = json!(7);
        payload.as_object_mut().expect("an object").remove("StackId");
        let (reply_to, problem) = garbled(&payload);
        assert_eq!(problem, "the request has no StackId, no RequestId (a non-empty text is needed)");
        assert_eq!(reply_to.request_id, "720958cb-c5b7-4225-b12f-e7c5ab6c499b");
        assert!(reply_to.stack_id.ends_with(":stack/prod/12947b30-d31a-11e6-93df-503acbd4dc61"));
    }

    #[test]
    fn a_request_type_that_is_missing_or_unknown_is_garbled() {
        let mut payload = create();
        payload["RequestType"] = json!("Read");
        assert_eq!(garbled(&payload).1, "RequestType Read is unknown: Create, Update or Delete is expected");
        payload["RequestType"] = Value::Null;
        assert_eq!(
            garbled(&payload).1,
            "the request has no RequestType: Create, Update or Delete is expected"
        );
    }

    #[test]
    fn whoever_cannot_be_answered_is_left_alone() {
        let mut payload = create();
        payload["ResponseURL"] = json!("http://example.com/");
        for payload in [payload, json!({}), json!([]), json!("x"), json!(null), json!({"ResponseURL": 1})] {
            assert!(matches!(Received::of(&payload), Received::Unanswerable { .. }), "{payload}");
        }
    }

    #[test]
    fn properties_of_any_kind_still_make_a_request() {
        let mut payload = create();
        payload["ResourceProperties"] = json!(["not", "an", "object"]);
        assert!(matches!(Received::of(&payload), Received::Request(_)));
    }

    #[test]
    fn debug_shows_no_property() {
        let shown = format!("{:?}", Received::of(&create()));
        assert!(!shown.contains("SOME_VALUE") && !shown.contains("X-Amz-Signature"), "{shown}");
    }
}
