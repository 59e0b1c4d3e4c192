//! An event of EventBridge, in the fields that the monitor reads.
//!
//! Pure. Other fields are ignored, and numbers written as text are read as numbers. An event that
//! cannot be read is reported in words, with its id if it has one: a retry would not make it
//! readable.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::task::{
    Task, definition_name, family,
    read::{integer, text},
};

/// The detail types that the monitor judges; it only stores and indexes all others.
const TASK_STATE_CHANGE: &str = "ECS Task State Change";
const SERVICE_ACTION: &str = "ECS Service Action";
const DEPLOYMENT_STATE_CHANGE: &str = "ECS Deployment State Change";
const HOOK_STATE_CHANGE: &str = "ECS Hook State Change";
const DAEMON_ACTION: &str = "ECS Daemon Service Action";
const DAEMON_DEPLOYMENT: &str = "ECS Daemon Deployment State Change";
const INSTANCE_HEALTH: &str = "ECS Container Instance Health Change";
const API_CALL: &str = "AWS API Call via CloudTrail";

/// Prefix of `startedBy` in the runner's own calls: CloudFormation shows how these end.
const RUNNER: &str = "ecs-tasks/";

/// An event of ECS.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id, the same on every delivery.
    pub id: String,
    /// The time of the change.
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
    /// The part that the monitor judges.
    pub about: About,
    /// The whole event, without the values of environment variables: they can be secrets, and the
    /// event goes into logs.
    pub json: Value,
}

/// The subject of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// A task has a new state.
    Task(Box<TaskChange>),
    /// Something happened to a service, or to anything else in ECS that is not a task.
    Service(ServiceEvent),
    /// Anything else: stored, but not judged.
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

/// An event about a service, or about anything else in ECS that is not a task.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    /// The kind of thing that it is about.
    pub kind: Kind,
    /// INFO, WARN, WARNING or ERROR; empty where the event has none.
    pub event_type: String,
    /// SERVICE_TASK_PLACEMENT_FAILURE, HOOK_TIMED_OUT, …; for a refused call, the code of the error
    /// or of the first failure.
    pub event_name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The name of the service, the daemon, the instance or the task's family.
    pub service: String,
    /// ECS's words, if it has any.
    pub reason: Option<String>,
    /// The id of the container instance that a service's or a daemon's event names.
    pub instance: Option<String>,
    /// The task definition of a refused call, as family:revision if the call named one.
    pub definition: Option<String>,
    /// The caller of a refused call: a schedule or a rule, and its role.
    pub caller: Option<String>,
    /// The number of tasks that a call started although ECS refused a part of it.
    pub started: usize,
}

/// The kind of thing that an event is about, if it is not about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A service or its deployment.
    Service,
    /// A lifecycle hook of a service's deployment.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_hook_state_change_events.html>
    Hook,
    /// A daemon of Managed Instances or its deployment.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-daemons-events.html>
    Daemon,
    /// A container instance.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_container_instance_health_events.html>
    Instance,
    /// A call of RunTask that ECS has refused, as CloudTrail records it.
    RunTask,
}

/// The reason that an event cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {id}: {problem}")]
pub struct Unreadable {
    /// The event's or the message's id; `without an id` if there is none.
    pub id: String,
    /// The problem in words.
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
        let Some(id) = text(&json["id"]) else {
            return unreadable("it has no id");
        };
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
            _ => ServiceEvent::of(&detail_type, detail, resource.as_deref())
                .map_or(About::Other, About::Service),
        };
        Ok(Self {
            id,
            time,
            detail_type,
            account: text(&json["account"]).unwrap_or_default(),
            region: text(&json["region"]).unwrap_or_default(),
            resource,
            version: integer(&detail["version"])
                .and_then(|version| version.try_into().ok())
                .unwrap_or(0),
            about,
            json: without_environment_values(json),
        })
    }

    /// The task's new state, if the event is about a task.
    pub fn change(&self) -> Option<&TaskChange> {
        match &self.about {
            About::Task(change) => Some(change),
            About::Service(_) | About::Other => None,
        }
    }

    /// Returns the event in one line of at most so many bytes. A longer event is reduced to what
    /// identifies it.
    pub fn line(&self, bytes: usize) -> String {
        let whole = self.json.to_string();
        if whole.len() <= bytes {
            return whole;
        }
        let detail = &self.json["detail"];
        let mut kept: Value = KEPT
            .iter()
            .filter(|name| !detail[**name].is_null())
            .map(|name| ((*name).to_owned(), shortened(&detail[*name])))
            .collect();
        let asked = &detail["requestParameters"];
        if asked.is_object() {
            let names = ["cluster", "taskDefinition", "startedBy"];
            kept["requestParameters"] = names
                .map(|name| (name.to_owned(), shortened(&asked[name])))
                .into_iter()
                .collect();
            let failures = detail["responseElements"]["failures"]
                .as_array()
                .into_iter()
                .flatten()
                .take(3);
            let failures: Vec<Value> = failures
                .map(|failure| json!({ "reason": shortened(&failure["reason"]), "detail": shortened(&failure["detail"]) }))
                .collect();
            kept["responseElements"] = json!({ "failures": failures });
        }
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

/// Fields of the detail that remain of an event that is too long to be stored whole: enough to
/// judge it again.
const KEPT: [&str; 20] = [
    "taskArn",
    "taskDefinitionArn",
    "clusterArn",
    "group",
    "lastStatus",
    "stopCode",
    "version",
    "eventType",
    "eventName",
    "serviceArn",
    "daemonArn",
    "containerInstanceArn",
    "ec2InstanceId",
    "overallStatus",
    "lifecycleStage",
    "hookType",
    "expiresAt",
    "reason",
    "errorCode",
    "errorMessage",
];

/// Cuts a long text off.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => text[..text.floor_char_boundary(300)].into(),
        Value::Number(_) | Value::Bool(_) => value.clone(),
        _ => Value::Null,
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

    /// The service that it belongs to, if any.
    pub fn service(&self) -> Option<&str> {
        self.group.as_deref()?.strip_prefix("service:")
    }
}

impl ServiceEvent {
    /// Reads an event of a detail type that is judged; `None` for any other.
    fn of(detail_type: &str, detail: &Value, resource: Option<&str>) -> Option<Self> {
        let arn = |name: &str| text(&detail[name]);
        match detail_type {
            SERVICE_ACTION | DEPLOYMENT_STATE_CHANGE => Self::read(
                Kind::Service,
                detail,
                arn("serviceArn").as_deref().or(resource),
            ),
            HOOK_STATE_CHANGE => Self::read(Kind::Hook, detail, arn("serviceArn").as_deref()),
            DAEMON_ACTION | DAEMON_DEPLOYMENT => Self::read(
                Kind::Daemon,
                detail,
                arn("daemonArn").as_deref().or(resource),
            ),
            INSTANCE_HEALTH => Self::of_health(detail, resource),
            API_CALL => Self::of_refused_call(detail),
            _ => None,
        }
    }

    fn read(kind: Kind, detail: &Value, arn: Option<&str>) -> Option<Self> {
        // arn:aws:ecs:us-west-2:123456789012:service/prod/web; old ones lack the cluster.
        let path: Vec<&str> = arn.unwrap_or_default().split('/').collect();
        let of_arn = if path.len() > 2 { path[1] } else { "" };
        Some(Self {
            kind,
            event_type: text(&detail["eventType"]).unwrap_or_default(),
            event_name: text(&detail["eventName"])?,
            cluster: text(&detail["clusterArn"])
                .map_or_else(|| of_arn.to_owned(), |arn| last_part(&arn)),
            service: path.last().copied().unwrap_or_default().to_owned(),
            reason: text(&detail["reason"])
                .map(|reason| Self::of_provider(reason, detail))
                .or_else(|| Self::of_hook(detail)),
            instance: text(&detail["containerInstanceArns"][0])
                .or_else(|| text(&detail["containerInstanceArn"]))
                .map(|arn| last_part(&arn)),
            definition: None,
            caller: None,
            started: 0,
        })
    }

    /// Adds the capacity provider to a resource that is missing: only that tells Fargate from
    /// Fargate Spot.
    fn of_provider(reason: String, detail: &Value) -> String {
        match text(&detail["capacityProviderArns"][0]) {
            Some(arn) if reason == "RESOURCE:FARGATE" => format!("{reason} ({})", last_part(&arn)),
            _ => reason,
        }
    }

    /// Returns a hook's type and stage, and the time at which it expires, in words.
    fn of_hook(detail: &Value) -> Option<String> {
        let stage = text(&detail["lifecycleStage"])?;
        let kind = text(&detail["hookType"]).map_or_else(String::new, |kind| format!("{kind} "));
        let until =
            text(&detail["expiresAt"]).map_or_else(String::new, |at| format!(", expires at {at}"));
        Some(format!("{kind}hook at {stage}{until}"))
    }

    /// Reads an instance's health event: its impaired checks become the event's name and reason.
    fn of_health(detail: &Value, resource: Option<&str>) -> Option<Self> {
        let checks = detail["healthChecks"].as_array().into_iter().flatten();
        let impaired: Vec<&Value> = checks.filter(|check| check["status"] == IMPAIRED).collect();
        if impaired.is_empty() && detail["overallStatus"] != IMPAIRED {
            return None;
        }
        let kind = |check: &&Value| text(&check["type"]).unwrap_or_default();
        let first = impaired.first().map(kind).filter(|kind| !kind.is_empty());
        let reasons: Vec<String> = impaired
            .iter()
            .map(|check| [Some(kind(check)), text(&check["statusReason"])])
            .map(|parts| parts.into_iter().flatten().collect::<Vec<_>>().join(": "))
            .collect();
        let instance = text(&detail["containerInstanceArn"]).or(resource.map(str::to_owned));
        let instance = instance.map(|arn| last_part(&arn));
        let named = [text(&detail["ec2InstanceId"]), instance]
            .into_iter()
            .flatten()
            .next();
        Some(Self {
            kind: Kind::Instance,
            event_type: IMPAIRED.to_owned(),
            event_name: first.map_or_else(
                || IMPAIRED.to_owned(),
                |first| format!("{first}_{IMPAIRED}"),
            ),
            cluster: text(&detail["clusterArn"])
                .map(|arn| last_part(&arn))
                .unwrap_or_default(),
            service: named.unwrap_or_default(),
            reason: Some(reasons.join("; ")).filter(|reasons| !reasons.is_empty()),
            instance: None,
            definition: None,
            caller: None,
            started: 0,
        })
    }

    /// Names the caller of an API call. A schedule and a rule put their names into `startedBy`.
    fn caller(detail: &Value) -> Option<String> {
        let identity = &detail["userIdentity"];
        let role = text(&identity["sessionContext"]["sessionIssuer"]["userName"])
            .map(|role| format!("role {role}"))
            .or_else(|| text(&identity["arn"]));
        let schedule = text(&detail["requestParameters"]["startedBy"]).map(|started_by| {
            match started_by.split_once('/') {
                Some(("chronos-schedule", name)) => {
                    format!("schedule {name} of EventBridge Scheduler")
                }
                Some(("events-rule", name)) => format!("EventBridge rule {name}"),
                _ => started_by,
            }
        });
        let caller = [schedule, role];
        let caller: Vec<String> = caller.into_iter().flatten().collect();
        (!caller.is_empty()).then(|| caller.join(", "))
    }

    /// Reads a RunTask call that ECS refused, in whole or in part. A scheduled task that was
    /// refused leaves no other trace: there is no task, and so no event about one.
    fn of_refused_call(detail: &Value) -> Option<Self> {
        let (asked, answered) = (&detail["requestParameters"], &detail["responseElements"]);
        let is_runners = text(&asked["startedBy"]).is_some_and(|by| by.starts_with(RUNNER));
        if detail["eventName"] != "RunTask" || is_runners {
            return None;
        }
        let failures: Vec<&Value> = answered["failures"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let mut reasons: Vec<String> = Vec::new();
        for failure in &failures {
            let parts = ["reason", "detail"]
                .into_iter()
                .filter_map(|part| text(&failure[part]));
            let reason = parts.collect::<Vec<_>>().join(": ");
            if !reason.is_empty() && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let failed = failures.first().map(|failure| text(&failure["reason"]));
        let code =
            text(&detail["errorCode"]).or_else(|| failed?.or(Some("failures".to_owned())))?;
        let definition = text(&asked["taskDefinition"]).unwrap_or_default();
        Some(Self {
            kind: Kind::RunTask,
            event_type: "ERROR".to_owned(),
            event_name: code,
            cluster: text(&asked["cluster"])
                .map_or_else(|| "default".to_owned(), |arn| last_part(&arn)),
            service: family(&definition).to_owned(),
            reason: text(&detail["errorMessage"])
                .or_else(|| Some(reasons.join("; ")).filter(|reasons| !reasons.is_empty())),
            instance: None,
            definition: Some(definition_name(&definition).to_owned())
                .filter(|definition| !definition.is_empty()),
            caller: Self::caller(detail),
            started: answered["tasks"].as_array().map_or(0, Vec::len),
        })
    }
}

impl Kind {
    /// Its name in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Hook => "deployment hook",
            Self::Daemon => "daemon",
            Self::Instance => "container instance",
            Self::RunTask => "task",
        }
    }

    /// True if the event's `service` is the name of a service.
    pub fn is_of_service(self) -> bool {
        matches!(self, Self::Service | Self::Hook)
    }
}

/// The status of a check, or of an instance, that does not work.
const IMPAIRED: &str = "IMPAIRED";

fn last_part(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

impl Unreadable {
    /// A problem with the event or message of this id.
    pub fn new(id: &str, problem: &str) -> Self {
        let id = if id.is_empty() { "without an id" } else { id };
        Self {
            id: id.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// Placeholder for a value that is removed.
const NOT_KEPT: &str = "(not kept)";

/// Removes the values from every `environment`, and keeps the names. A task's event has one for its
/// overrides; other events, such as the calls that CloudTrail records, have one elsewhere.
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

/// If the shape is unknown, nothing of it is kept.
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
