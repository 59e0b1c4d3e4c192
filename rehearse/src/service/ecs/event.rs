//! The event that ECS sends to EventBridge when a task has changed.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::task::StageTask;
use crate::config::{ACCOUNT, REGION, now, random_uuid};

/// The event of a task as it is now.
pub(super) fn state_change(task: &StageTask) -> Value {
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

/// An event gives times as text.
fn text(time: OffsetDateTime) -> Value {
    json!(time.format(&Rfc3339).unwrap_or_default())
}
