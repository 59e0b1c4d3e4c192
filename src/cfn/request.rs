//! The envelope of a request: its sender, its purpose, and the address for the answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::{ResponseUrl, WaitHandle};
use crate::identity;

/// A payload, as far as CloudFormation's protocol goes.
#[derive(Debug)]
pub enum Received {
    /// A request of CloudFormation, with its properties unparsed.
    Request(Request),
    /// A payload with a ResponseURL, so that somebody waits for an answer, but without other
    /// members that a request needs. It is answered FAILED.
    Garbled {
        /// The address for the answer, with the ids that could be read.
        reply_to: ReplyTo,
        /// The problem, for the Reason.
        problem: String,
    },
    /// A payload that cannot be answered, because it has no usable ResponseURL. It is logged; a
    /// retry cannot help.
    Unanswerable {
        /// The problem, for the log.
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
    /// The address for the answer, and the ids that the answer repeats.
    pub reply_to: ReplyTo,
    /// ResourceProperties, unparsed: any JSON.
    pub properties: RawProperties,
    /// OldResourceProperties, unparsed. Null except on Update.
    pub old_properties: RawProperties,
}

/// Unparsed properties. They hold environment values, so `Debug` does not show them.
#[derive(Clone, PartialEq)]
pub struct RawProperties(pub Value);

/// The change that CloudFormation makes to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestType {
    /// The resource is new to the stack.
    Create,
    /// The resource's properties changed, or change back in a rollback.
    Update,
    /// The resource leaves the stack, or its Create was cancelled.
    Delete,
}

/// The address for the answer, and everything that the answer must repeat. Serialized in the
/// continuation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The presigned address. It is a secret. `None` for a deployment's hook, which is answered by
    /// the invocation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_url: Option<ResponseUrl>,
    /// The stack's ARN; for a hook the service's.
    pub stack_id: String,
    /// The id of this one request, the same on every delivery of it.
    pub request_id: String,
    /// The resource's name in the template; for a hook the lifecycle stage.
    pub logical_resource_id: String,
    /// The id from Create, the same ever after: CloudFormation would delete the resource of a
    /// changed id.
    pub physical_resource_id: String,
    /// True if CloudFormation must mask the attributes. Read from the properties.
    pub no_echo: bool,
    /// The time at which CloudFormation stops waiting for the answer, if ServiceTimeout or the
    /// ResponseURL gives it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub given_up_at: Option<OffsetDateTime>,
    /// The handle that takes the verdict, if the request itself has been answered at the start of
    /// its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_handle: Option<WaitHandle>,
    /// The creation time of the service revision that a hook's deployment goes to. A later
    /// deployment has a later one.
    #[serde(skip)]
    pub revision_created_at: Option<OffsetDateTime>,
}

impl ReplyTo {
    /// `startedBy` of the tasks of this resource.
    pub fn started_by(&self) -> String {
        identity::started_by(&self.stack_id, &self.logical_resource_id)
    }

    /// The time at which CloudFormation sent the request, or at which ECS made the revision of a
    /// hook's deployment. It tells the later of two.
    pub fn sent_at(&self) -> Option<OffsetDateTime> {
        let signed_at = self.response_url.as_ref().and_then(ResponseUrl::signed_at);
        signed_at.or(self.revision_created_at)
    }

    /// ECS asks, as a hook of a deployment.
    pub fn is_of_hook(&self) -> bool {
        self.response_url.is_none()
    }

    /// The address to PUT to: the handle's, or the ResponseURL. `None` for a hook.
    pub fn address(&self) -> Option<&ResponseUrl> {
        let handle = self.wait_handle.as_ref().map(WaitHandle::address);
        handle.or(self.response_url.as_ref())
    }

    /// The same request with a WaitHandle for its verdict. The handle's expiry becomes the time
    /// limit.
    #[must_use]
    pub fn signalling(&self, handle: &WaitHandle) -> Self {
        Self {
            wait_handle: Some(handle.clone()),
            given_up_at: handle.expires_at(),
            ..self.clone()
        }
    }

    /// The stack's Region, from its ARN.
    pub fn region(&self) -> &str {
        self.stack_id.split(':').nth(3).unwrap_or_default()
    }
}

impl Received {
    /// Reads the envelope. Never fails: a payload that cannot be read becomes a variant that says
    /// so.
    pub fn of(payload: &Value) -> Self {
        let text = |name: &str| {
            payload
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let Some(url) = text("ResponseURL") else {
            return Self::Unanswerable {
                problem: "the payload has no ResponseURL and is no continuation".to_owned(),
            };
        };
        let response_url = match ResponseUrl::parse(url) {
            Ok(url) => url,
            Err(error) => {
                return Self::Unanswerable {
                    problem: error.to_string(),
                };
            }
        };

        // CloudFormation also writes the ids into the address. A request that lost its own can
        // still be answered with them.
        let [stack, logical, request] = response_url.ids().unwrap_or_default();
        let stack_id = text("StackId").map_or(stack, str::to_owned);
        let request_id = text("RequestId").map_or(request, str::to_owned);
        let logical_resource_id = text("LogicalResourceId").map_or(logical, str::to_owned);
        // A FAILED answer needs an id, too. Without one CloudFormation makes one up and shows
        // "Invalid PhysicalResourceId" in place of the Reason.
        let physical_resource_id = text("PhysicalResourceId").map_or_else(
            || identity::physical_resource_id(&stack_id, &logical_resource_id, &request_id),
            str::to_owned,
        );
        let reply_to = ReplyTo {
            response_url: Some(response_url),
            stack_id,
            request_id,
            logical_resource_id,
            physical_resource_id,
            // The properties are parsed later, and set these three.
            no_echo: false,
            given_up_at: None,
            wait_handle: None,
            revision_created_at: None,
        };

        let missing: Vec<&str> = ["StackId", "RequestId", "LogicalResourceId"]
            .into_iter()
            .filter(|name| text(name).is_none())
            .collect();
        if !missing.is_empty() {
            let problem = format!(
                "the request has no {} (it must be a non-empty string)",
                missing.join(", no ")
            );
            return Self::Garbled { reply_to, problem };
        }
        let request_type = match RequestType::read(text("RequestType")) {
            Ok(request_type) => request_type,
            Err(problem) => return Self::Garbled { reply_to, problem },
        };
        let properties =
            |name: &str| RawProperties(payload.get(name).cloned().unwrap_or(Value::Null));
        Self::Request(Request {
            request_type,
            reply_to,
            properties: properties("ResourceProperties"),
            old_properties: properties("OldResourceProperties"),
        })
    }
}

impl RawProperties {
    /// The cluster, read on its own, because the other properties may be wrong.
    pub fn cluster(&self) -> Option<&str> {
        self.text("Cluster")
    }

    /// The task definition, read on its own.
    pub fn task_definition(&self) -> Option<&str> {
        self.text("TaskDefinition")
    }

    /// The WaitHandle, read on its own.
    pub fn wait_handle(&self) -> Option<&str> {
        self.text("WaitHandle")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }
}

impl RequestType {
    fn read(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("Create") => Ok(Self::Create),
            Some("Update") => Ok(Self::Update),
            Some("Delete") => Ok(Self::Delete),
            Some(other) => {
                // The text goes into the Reason, which has little room.
                let other: String = other.chars().take(40).collect();
                Err(format!(
                    "RequestType {other} is unknown: Create, Update or Delete is expected"
                ))
            }
            None => Err(
                "the request has no RequestType: Create, Update or Delete is expected".to_owned(),
            ),
        }
    }

    /// The name in CloudFormation's spelling.
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
            response_url: Some(ResponseUrl::parse(url).expect("a good URL")),
            stack_id: "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30"
                .to_owned(),
            request_id: request_id.to_owned(),
            logical_resource_id: "MigrateTask".to_owned(),
            physical_resource_id: "prod-MigrateTask-5f0c2a9be1d4".to_owned(),
            no_echo: false,
            given_up_at: None,
            wait_handle: None,
            revision_created_at: None,
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
        let Received::Request(request) = Received::of(&create()) else {
            panic!("a request")
        };
        assert_eq!(request.request_type, RequestType::Create);
        let id = request.reply_to.physical_resource_id;
        assert!(
            id.starts_with("prod-MigrateTask-") && id.len() == "prod-MigrateTask-".len() + 12,
            "{id}"
        );
    }

    #[test]
    fn update_and_delete_echo_the_id_that_they_bring() {
        for fixture in [
            include_str!("../../tests/events/update.json"),
            include_str!("../../tests/events/delete.json"),
        ] {
            let payload = serde_json::from_str(fixture).expect("a fixture");
            let Received::Request(request) = Received::of(&payload) else {
                panic!("a request")
            };
            assert_eq!(
                request.reply_to.physical_resource_id,
                "prod-MigrateTask-5f0c2a9be1d4"
            );
        }
    }

    #[test]
    fn a_request_without_its_ids_is_answered_with_those_of_the_url() {
        let mut payload = create();
        payload["RequestId"] = json!(7);
        payload
            .as_object_mut()
            .expect("an object")
            .remove("StackId");
        let (reply_to, problem) = garbled(&payload);
        assert_eq!(
            problem,
            "the request has no StackId, no RequestId (it must be a non-empty string)"
        );
        assert_eq!(reply_to.request_id, "720958cb-c5b7-4225-b12f-e7c5ab6c499b");
        assert!(
            reply_to
                .stack_id
                .ends_with(":stack/prod/12947b30-d31a-11e6-93df-503acbd4dc61")
        );
    }

    #[test]
    fn a_request_type_that_is_missing_or_unknown_is_garbled() {
        let mut payload = create();
        payload["RequestType"] = json!("Read");
        assert_eq!(
            garbled(&payload).1,
            "RequestType Read is unknown: Create, Update or Delete is expected"
        );
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
        for payload in [
            payload,
            json!({}),
            json!([]),
            json!("x"),
            json!(null),
            json!({"ResponseURL": 1}),
        ] {
            assert!(
                matches!(Received::of(&payload), Received::Unanswerable { .. }),
                "{payload}"
            );
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
        assert!(
            !shown.contains("SOME_VALUE") && !shown.contains("X-Amz-Signature"),
            "{shown}"
        );
    }
}
