//! The event that ECS sends to EventBridge after a change of a task.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::task::StageTask;
use crate::config::{ACCOUNT, REGION, now, random_uuid};

/// The event of a task in its present state.
pub(super) fn state_change(task: &StageTask) -> Value {
    // ECS leaves the tags out of its events.
    let mut detail = task.described(false, text);
    detail["updatedAt"] = text(now());
    json!({
        "version": "0",
        "id": random_uuid(),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": now().replace_nanosecond(0).map_or(Value::Null, text),
        "region": REGION,
        "resources": [task.arn],
        "detail": detail,
    })
}

/// A time as text: events have texts where the API has numbers.
fn text(time: OffsetDateTime) -> Value {
    json!(time.format(&Rfc3339).unwrap_or_default())
}
