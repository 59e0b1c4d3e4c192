//! An event of EventBridge as far as the monitor reads it.
//!
//! Pure. Fields that are not read are ignored, and numbers that come as text are taken for numbers. An event
//! that cannot be read is reported in words, with its id where it has one: a retry would not make it
//! readable.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::task::{
    Task, family,
    read::{integer, text},
};

/// The detail types that are judged; all others are kept and indexed only.
const TASK_STATE_CHANGE: &str = "ECS Task State Change";
const SERVICE_ACTION: &str = "ECS Service Action";
const DEPLOYMENT_STATE_CHANGE: &str = "ECS Deployment State Change";

/// An event of ECS.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same on every delivery.
    pub id: String,
    /// When it happened.
    pub time: OffsetDateTime,
    /// `ECS Task State Change`, and others.
    pub detail_type: String,
    /// The account that it happened in.
    pub account: String,
    /// The region that it happened in.
    pub region: String,
    /// The first of its resources: an ARN.
    pub resource: Option<String>,
    /// `detail.version`: counts the states of one task, or of one container instance.
    pub version: u64,
    /// The part that is judged.
    pub about: About,
    /// All of it, without the values of environment variables: they can be secrets, and it goes into logs.
    pub json: Value,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// A task has a new state.
    Task(Box<TaskChange>),
    /// Something happened to a service.
    Service(ServiceEvent),
    /// Anything else, which is kept and not judged.
    Other,
}

/// A task's new state.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskChange {
    /// The task.
    pub task: Task,
    /// The cluster's ARN.
    pub cluster_arn: String,
    /// `service:web`, `family:app`.
    pub group: Option<String>,
}

/// An event of a service or of its deployment.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    /// INFO, WARN or ERROR.
    pub event_type: String,
    /// SERVICE_TASK_PLACEMENT_FAILURE, SERVICE_DEPLOYMENT_FAILED, …
    pub event_name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// ECS's words, where it has some.
    pub reason: Option<String>,
}

/// Why an event cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {id}: {problem}")]
pub struct Unreadable {
    /// The event's or the message's id; `without an id` if there is none.
    pub id: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Event {
    /// Reads an event; `message` is the id of the message that it came in.
    pub fn read(json: Value, message: &str) -> Result<Self, Unreadable> {
        let id = text(&json["id"]).unwrap_or_else(|| message.to_owned());
        let unreadable = |problem: &str| Err(Unreadable::new(&id, problem));
        match text(&json["source"]).as_deref() {
            Some("aws.ecs") => {}
            Some(other) => return unreadable(&format!("its source is {other}, not aws.ecs")),
            None => return unreadable("it is not an event of EventBridge: it has no source"),
        }
        let detail = &json["detail"];
        if !detail.is_object() {
            return unreadable("it has no detail");
        }
        let Some(id) = text(&json["id"]) else { return unreadable("it has no id") };
        let Some(time) = time(&json["time"]).or_else(|| time(&detail["updatedAt"])) else {
            return unreadable("it has no time");
        };
        let Some(detail_type) = text(&json["detail-type"]) else {
            return unreadable("it has no detail-type");
        };
        let resource = text(&json["resources"][0]);
        let about = match detail_type.as_str() {
            TASK_STATE_CHANGE => match TaskChange::read(detail) {
                Some(change) => About::Task(Box::new(change)),
                None => return unreadable("it is a task state change without a taskArn"),
            },
            SERVICE_ACTION | DEPLOYMENT_STATE_CHANGE => {
                ServiceEvent::read(detail, resource.as_deref()).map_or(About::Other, About::Service)
            }
            _ => About::Other,
        };
        Ok(Self {
            id,
            time,
            detail_type,
            account: text(&json["account"]).unwrap_or_default(),
            region: text(&json["region"]).unwrap_or_default(),
            resource,
            version: integer(&detail["version"]).and_then(|version| version.try_into().ok()).unwrap_or(0),
            about,
            json: without_environment_values(json),
        })
    }

    /// The task's new state, if that is what it is about.
    pub fn change(&self) -> Option<&TaskChange> {
        match &self.about {
            About::Task(change) => Some(change),
            About::Service(_) | About::Other => None,
        }
    }

    /// The event in one line of at most so many bytes; of one that is longer what identifies it.
    pub fn line(&self, bytes: usize) -> String {
        let whole = self.json.to_string();
        if whole.len() <= bytes {
            return whole;
        }
        let detail = &self.json["detail"];
        let kept =
            ["taskArn", "taskDefinitionArn", "clusterArn", "group", "lastStatus", "stopCode", "version"];
        let kept: Value = kept.map(|name| (name.to_owned(), detail[name].clone())).into_iter().collect();
        let short = json!({
            "id": self.id,
            "source": "aws.ecs",
            "time": self.json["time"],
            "detail-type": self.detail_type,
            "resources": [self.resource],
            "detail": kept,
            "cut": true,
        });
        short.to_string()
    }
}

impl TaskChange {
    fn read(detail: &Value) -> Option<Self> {
        Some(Self {
            task: Task::read(detail)?,
            cluster_arn: text(&detail["clusterArn"]).unwrap_or_default(),
            group: text(&detail["group"]),
        })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        self.cluster_arn.rsplit('/').next().unwrap_or_default()
    }

    /// The family of the task definition.
    pub fn family(&self) -> &str {
        family(&self.task.task_definition_arn)
    }

    /// The service that it belongs to, if it belongs to one.
    pub fn service(&self) -> Option<&str> {
        self.group.as_deref()?.strip_prefix("service:")
    }
}

impl ServiceEvent {
    fn read(detail: &Value, service_arn: Option<&str>) -> Option<Self> {
        // arn:aws:ecs:us-west-2:123456789012:service/prod/web; old ones lack the cluster.
        let path: Vec<&str> = service_arn.unwrap_or_default().split('/').collect();
        let of_arn = if path.len() > 2 { path[1] } else { "" };
        let cluster_arn = text(&detail["clusterArn"]).unwrap_or_else(|| of_arn.to_owned());
        Some(Self {
            event_type: text(&detail["eventType"])?,
            event_name: text(&detail["eventName"])?,
            cluster: cluster_arn.rsplit('/').next().unwrap_or_default().to_owned(),
            service: path.last().copied().unwrap_or_default().to_owned(),
            reason: text(&detail["reason"]),
        })
    }
}

impl Unreadable {
    /// What is wrong with the event or message of this id.
    pub fn new(id: &str, problem: &str) -> Self {
        let id = if id.is_empty() { "without an id" } else { id };
        Self { id: id.to_owned(), problem: problem.to_owned() }
    }
}

/// What stands in the place of a value that is not kept.
const NOT_KEPT: &str = "(not kept)";

/// An event names the environment that a task's overrides set, values and all; other events of ECS, such as
/// the calls that CloudTrail records, name one elsewhere. Of every `environment` only the names are kept.
fn without_environment_values(mut json: Value) -> Value {
    hide_environments(&mut json);
    json
}

fn hide_environments(json: &mut Value) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(hide_environments),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "environment" => hide_values(value),
                    _ => hide_environments(value),
                }
            }
        }
        _ => {}
    }
}

/// A shape that is not known keeps nothing.
fn hide_values(environment: &mut Value) {
    let Value::Array(variables) = environment else {
        *environment = NOT_KEPT.into();
        return;
    };
    for variable in variables {
        let Value::Object(fields) = variable else {
            *variable = NOT_KEPT.into();
            continue;
        };
        for (_, value) in fields.iter_mut().filter(|(name, _)| *name != "name") {
            *value = NOT_KEPT.into();
        }
    }
}

pub(super) fn time(json: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(json.as_str()?, &Rfc3339).ok()
}

#[cfg(test)]
mod tests;
