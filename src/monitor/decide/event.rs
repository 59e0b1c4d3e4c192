//! An event of EventBridge as far as the monitor reads it, in either of the envelopes that the function is invoked with.
//!
//! Pure. Fields that are not read are ignored, and numbers that come as text are taken for numbers. What cannot be read
//! is told in words, with the event's id where it has one: a retry would not make it readable.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::task::{Task, family};

/// The detail type that is judged; all others are kept and indexed only.
const TASK_STATE_CHANGE: &str = "ECS Task State Change";

/// What the function was invoked with.
#[derive(Debug, PartialEq)]
pub enum Payload {
    /// One event, from an EventBridge rule.
    Event(Result<Box<Event>, Unreadable>),
    /// A batch from SQS: each message's id, and the event that is its body.
    Batch(Vec<(String, Result<Event, Unreadable>)>),
}

/// An event of ECS.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id, the same on every delivery.
    pub id: String,
    /// When it happened.
    pub time: OffsetDateTime,
    /// `ECS Task State Change`, and others.
    pub detail_type: String,
    /// The account that it happened in.
    pub account: String,
    /// The region that it happened in.
    pub region: String,
    /// What it is about, if it says so: an ARN.
    pub resource: Option<String>,
    /// `detail.version`: counts the states of one task, or of one container instance.
    pub version: u64,
    /// The task's new state, if it is a task state change.
    pub change: Option<TaskChange>,
    /// All of it, without the values of environment variables: they can be secrets, and it goes into logs.
    pub json: Value,
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
    /// Who started it: a service's deployment, or what RunTask was given.
    pub started_by: Option<String>,
    /// What ECS wants of it.
    pub desired_status: Option<String>,
    /// When it was asked for.
    pub created_at: Option<OffsetDateTime>,
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

impl Payload {
    /// Reads what the function was invoked with.
    pub fn of(mut payload: Value) -> Self {
        let Some(records) = payload.get_mut("Records").and_then(Value::as_array_mut).map(std::mem::take)
        else {
            return Self::Event(Event::of(payload, None).map(Box::new));
        };
        let message = |record: Value| {
            let id = text(&record["messageId"]).unwrap_or_default();
            let event = match record["body"].as_str().map(serde_json::from_str::<Value>) {
                Some(Ok(body)) => Event::of(body, Some(&id)),
                Some(Err(_)) => Err(Unreadable::new(&id, "its body is not JSON")),
                None => Err(Unreadable::new(&id, "it has no body")),
            };
            (id, event)
        };
        Self::Batch(records.into_iter().map(message).collect())
    }
}

impl Event {
    /// Reads an event; `message` is the id of the SQS message that it came in.
    fn of(json: Value, message: Option<&str>) -> Result<Self, Unreadable> {
        let id = text(&json["id"]).or(message.map(str::to_owned)).unwrap_or_default();
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
        let change = match detail_type.as_str() {
            TASK_STATE_CHANGE => match TaskChange::of(detail) {
                Some(change) => Some(change),
                None => return unreadable("it is a task state change without a taskArn"),
            },
            _ => None,
        };
        Ok(Self {
            id,
            time,
            detail_type,
            account: text(&json["account"]).unwrap_or_default(),
            region: text(&json["region"]).unwrap_or_default(),
            resource: text(&json["resources"][0]),
            version: integer(&detail["version"]).and_then(|version| version.try_into().ok()).unwrap_or(0),
            change,
            json: without_environment_values(json),
        })
    }

    /// The event in one line of at most so many bytes; of one that is longer what it is about.
    pub fn line(&self, bytes: usize) -> String {
        let whole = self.json.to_string();
        if whole.len() <= bytes {
            return whole;
        }
        let task = self.change.as_ref().map(|change| &change.task);
        let short = json!({
            "id": self.id,
            "time": self.json["time"],
            "detail-type": self.detail_type,
            "resources": [self.resource],
            "detail": {
                "taskArn": task.map(|task| &task.arn.0),
                "taskDefinitionArn": task.map(|task| &task.task_definition_arn),
                "lastStatus": task.map(|task| &task.last_status),
                "stopCode": task.and_then(|task| task.stop_code.as_ref()),
            },
            "cut": true,
        });
        short.to_string()
    }
}

impl TaskChange {
    fn of(detail: &Value) -> Option<Self> {
        Some(Self {
            task: Task::read(detail)?,
            cluster_arn: text(&detail["clusterArn"]).unwrap_or_default(),
            group: text(&detail["group"]),
            started_by: text(&detail["startedBy"]),
            desired_status: text(&detail["desiredStatus"]),
            created_at: time(&detail["createdAt"]),
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
}

impl Unreadable {
    fn new(id: &str, problem: &str) -> Self {
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
fn text(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn integer(json: &Value) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.trim().parse().ok())
}

fn time(json: &Value) -> Option<OffsetDateTime> {
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
        match Payload::of(json.clone()) {
            Payload::Event(Ok(event)) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check_unreadable(json: &Value, id: &str, problem: &str) {
        let Payload::Event(Err(unreadable)) = Payload::of(json.clone()) else { panic!("it was read") };
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
        let change = event.change.as_ref().expect("a task state change");
        assert_eq!(event.time, datetime!(2016-10-17 20:29:14 UTC));
        assert_eq!((change.cluster(), change.family()), ("eventStreamTestCluster", "wpunconfiguredfail"));
        assert_eq!((change.task.containers[0].exit_code, event.version), (Some(1), 3));
        assert_eq!(change.task.started_at, Some(datetime!(2016-10-17 20:29:14.179 UTC)));
    }

    #[test]
    fn numbers_as_text_are_numbers_and_what_is_unknown_is_no_obstacle() {
        let event = read(&with("/detail/containers/0/exitCode", json!("137")));
        assert_eq!(event.change.expect("a change").task.containers[0].exit_code, Some(137));
        let event = read(&with("/detail/version", json!("12")));
        assert_eq!(event.version, 12);
        for odd in [json!("many"), json!(1e99), json!(null), json!([])] {
            let event = read(&with("/detail/containers/0/exitCode", odd));
            assert_eq!(event.change.expect("a change").task.containers[0].exit_code, None);
        }
        let event = read(&with("/detail/lastStatus", json!("HIBERNATING")));
        assert_eq!(event.change.expect("a change").task.last_status, "HIBERNATING");
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
        assert_eq!((event.detail_type.as_str(), event.change), ("ECS Service Action", None));
    }

    #[test]
    fn a_batch_keeps_the_ids_of_its_messages() {
        let body = event().to_string();
        let payload = json!({"Records": [
            {"messageId": "m-1", "body": body},
            {"messageId": "m-2", "body": "no JSON"},
            {"messageId": "m-3"},
        ]});
        let Payload::Batch(messages) = Payload::of(payload) else { panic!("a batch") };
        assert_eq!(messages[0].1.as_ref().map(|event| event.version), Ok(3));
        let problem = |index: usize| messages[index].1.as_ref().map(|_| ()).map_err(ToString::to_string);
        assert_eq!(problem(1), Err("event m-2: its body is not JSON".to_owned()));
        assert_eq!(problem(2), Err("event m-3: it has no body".to_owned()));
    }
}
