//! An event of EventBridge as far as the monitor reads it.
//!
//! Pure. Fields that are not read are ignored, and numbers that come as text are taken for numbers. An event
//! that cannot be read is reported in words, with its id where it has one: a retry would not make it
//! readable.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::task::{Task, family};

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

/// ECS tells the environment that a task's overrides set, values and all.
fn without_environment_values(mut json: Value) -> Value {
    let overrides = json.pointer_mut("/detail/overrides/containerOverrides").and_then(Value::as_array_mut);
    let environments =
        overrides.into_iter().flatten().filter_map(|one| one.get_mut("environment")?.as_array_mut());
    for variable in environments.flatten() {
        if let Some(value) = variable.get_mut("value") {
            *value = NOT_KEPT.into();
        }
    }
    json
}

/// A text that says something, or a number as text.
pub(super) fn text(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn integer(json: &Value) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.trim().parse().ok())
}

pub(super) fn time(json: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(json.as_str()?, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const EXIT_1: &str = include_str!("../../../tests/events/task-stopped-exit-1.json");

    fn event() -> Value {
        serde_json::from_str(EXIT_1).expect("a fixture")
    }

    fn read(json: &Value) -> Event {
        Event::read(json.clone(), "").expect("an event")
    }

    #[track_caller]
    fn check_unreadable(json: &Value, id: &str, problem: &str) {
        let unreadable = Event::read(json.clone(), "").expect_err("it was read");
        assert_eq!((unreadable.id.as_str(), unreadable.problem.as_str()), (id, problem));
    }

    fn with(path: &str, value: Value) -> Value {
        let mut json = event();
        *json.pointer_mut(path).expect("a field") = value;
        json
    }

    #[test]
    fn a_task_state_change_is_read() {
        let event = read(&event());
        let change = event.change().expect("a task state change");
        assert_eq!(event.time, datetime!(2016-10-17 20:29:14 UTC));
        assert_eq!((change.cluster(), change.family()), ("eventStreamTestCluster", "wpunconfiguredfail"));
        assert_eq!((change.task.containers[0].exit_code, event.version), (Some(1), 3));
        assert_eq!(change.task.started_at, Some(datetime!(2016-10-17 20:29:14.179 UTC)));
    }

    #[test]
    fn numbers_as_text_are_numbers_and_what_is_unknown_is_no_obstacle() {
        let event = read(&with("/detail/containers/0/exitCode", json!("137")));
        assert_eq!(event.change().expect("a change").task.containers[0].exit_code, Some(137));
        let event = read(&with("/detail/version", json!("12")));
        assert_eq!(event.version, 12);
        for odd in [json!("many"), json!(1e99), json!(null), json!([])] {
            let event = read(&with("/detail/containers/0/exitCode", odd));
            assert_eq!(event.change().expect("a change").task.containers[0].exit_code, None);
        }
        let event = read(&with("/detail/lastStatus", json!("HIBERNATING")));
        assert_eq!(event.change().expect("a change").task.last_status, "HIBERNATING");
    }

    #[test]
    fn values_of_environment_variables_are_not_kept() {
        let variables = json!([{"name": "PASSWORD", "value": "hunter2"}, {"name": "EMPTY"}, "odd"]);
        let overrides =
            json!([{"name": "web", "environment": variables, "command": ["migrate"]}, "odd", {"name": "x"}]);
        let event = read(&with("/detail/overrides/containerOverrides", overrides));
        let kept = json!([{"name": "PASSWORD", "value": "(not kept)"}, {"name": "EMPTY"}, "odd"]);
        let overrides = &event.json["detail"]["overrides"]["containerOverrides"];
        assert_eq!((&overrides[0]["environment"], &overrides[0]["command"][0]), (&kept, &json!("migrate")));
        for odd in [json!({}), json!("x"), json!([[]])] {
            assert_eq!(read(&with("/detail/overrides", odd.clone())).json["detail"]["overrides"], odd);
        }
    }

    #[test]
    fn what_cannot_be_read_says_why_and_which() {
        let id = "8f07966c-b005-4a0f-9ee9-63d2c41448b3";
        check_unreadable(&with("/source", json!("aws.ec2")), id, "its source is aws.ec2, not aws.ecs");
        check_unreadable(&with("/detail", json!("x")), id, "it has no detail");
        check_unreadable(
            &with("/detail/taskArn", json!({})),
            id,
            "it is a task state change without a taskArn",
        );
        check_unreadable(&with("/detail-type", json!(null)), id, "it has no detail-type");
        check_unreadable(&with("/id", json!(null)), "without an id", "it has no id");
        check_unreadable(&json!(7), "without an id", "it is not an event of EventBridge: it has no source");
    }

    #[test]
    fn other_details_are_kept_and_not_judged() {
        let event = read(&with("/detail-type", json!("ECS Service Action")));
        assert_eq!((event.detail_type.as_str(), event.about), ("ECS Service Action", About::Other));
    }

    #[test]
    fn an_event_of_a_service_is_read() {
        let mut json = with("/detail-type", json!("ECS Deployment State Change"));
        json["resources"] = json!(["arn:aws:ecs:us-west-2:123456789012:service/prod/web"]);
        json["detail"] =
            json!({"eventType": "ERROR", "eventName": "SERVICE_DEPLOYMENT_FAILED", "reason": "why"});
        let expected = ServiceEvent {
            event_type: "ERROR".to_owned(),
            event_name: "SERVICE_DEPLOYMENT_FAILED".to_owned(),
            cluster: "prod".to_owned(),
            service: "web".to_owned(),
            reason: Some("why".to_owned()),
        };
        assert_eq!(read(&json).about, About::Service(expected));
    }

    #[test]
    fn a_line_that_was_cut_is_still_an_event() {
        let event = read(&with("/detail/stoppedReason", json!("x".repeat(5000))));
        let line = event.line(2000);
        assert!(line.len() <= 2000, "{line}");
        let cut = read(&serde_json::from_str(&line).expect("JSON"));
        let task = |event: &Event| event.change().map(|change| change.task.arn.clone());
        assert_eq!((cut.id.as_str(), task(&cut)), (event.id.as_str(), task(&event)));
    }
}
