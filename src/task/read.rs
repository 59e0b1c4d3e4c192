//! A [`Task`] from the JSON of EventBridge's events and of ECS's answers.
//!
//! Unknown members are ignored. A number may be a text. Times are RFC 3339 in events, and seconds
//! since the epoch in the API.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Container, Task, TaskArn};

impl Task {
    /// Reads the `detail` of a task state change, or one of DescribeTasks' `tasks`. `None` without
    /// a taskArn.
    pub fn read(json: &Value) -> Option<Self> {
        let containers = json["containers"].as_array().into_iter().flatten();
        let tag = |tag: &Value| Some((text(&tag["key"])?, text(&tag["value"]).unwrap_or_default()));
        Some(Self {
            arn: TaskArn(text(&json["taskArn"])?),
            task_definition_arn: text(&json["taskDefinitionArn"]).unwrap_or_default(),
            last_status: text(&json["lastStatus"]).unwrap_or_default(),
            desired_status: text(&json["desiredStatus"]).unwrap_or_default(),
            started_by: text(&json["startedBy"]),
            container_instance_arn: text(&json["containerInstanceArn"]),
            launch_type: text(&json["launchType"]),
            capacity_provider: text(&json["capacityProviderName"]),
            stop_code: text(&json["stopCode"]),
            stopped_reason: text(&json["stoppedReason"]),
            containers: containers.map(Container::read).collect(),
            created_at: time(&json["createdAt"]),
            started_at: time(&json["startedAt"]),
            execution_stopped_at: time(&json["executionStoppedAt"]),
            stopped_at: time(&json["stoppedAt"]),
            tags: json["tags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(tag)
                .collect(),
        })
    }
}

impl Container {
    fn read(json: &Value) -> Self {
        Self {
            name: text(&json["name"]).unwrap_or_default(),
            image: text(&json["image"]),
            last_status: text(&json["lastStatus"]).unwrap_or_default(),
            exit_code: integer(&json["exitCode"]),
            reason: text(&json["reason"]),
            runtime_id: text(&json["runtimeId"]),
        }
    }
}

/// A text, or a number as a text. `None` for an empty text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, native or as a text.
pub fn integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn time(value: &Value) -> Option<OffsetDateTime> {
    match value {
        Value::String(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        Value::Number(seconds) => {
            let nanoseconds = (seconds.as_f64()? * 1e9) as i128;
            OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_read_in_both_spellings_and_exit_codes_of_any_width() {
        let task = Task::read(&json!({
            "taskArn": "arn:aws:ecs:us-west-2:123456789012:task/prod/1",
            "startedAt": 1_795_600_000.5, "stoppedAt": "2026-11-25T10:00:00.5Z",
            "containers": [{"name": "app", "exitCode": 3_221_225_786_i64}, {"name": "side", "exitCode": "1"}],
        }));
        let task = task.expect("a task");
        assert_eq!(task.started_at, Some(datetime!(2026-11-25 9:46:40.5 UTC)));
        assert_eq!(task.stopped_at, Some(datetime!(2026-11-25 10:00:00.5 UTC)));
        let codes: Vec<_> = task
            .containers
            .iter()
            .map(|container| container.exit_code)
            .collect();
        assert_eq!(codes, [Some(3_221_225_786), Some(1)]);
    }

    #[test]
    fn what_names_no_task_is_none() {
        assert_eq!(Task::read(&json!({"lastStatus": "STOPPED"})), None);
    }
}
