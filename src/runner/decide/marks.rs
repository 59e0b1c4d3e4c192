//! Whose a task is: the tags by which the requests of one resource tell their tasks apart.
//!
//! Pure. `startedBy` marks the tasks of a resource (see [`crate::identity`]); tags say which request started a task, and
//! whether anybody waits for it.

use crate::{cfn::ReplyTo, properties::OWN_TAG_PREFIX, task::Task};

const STACK_ID: &str = "stack-id";
const LOGICAL_ID: &str = "logical-resource-id";
const REQUEST_ID: &str = "request-id";
const WAITS: &str = "waits";
/// The most characters that ECS takes for a tag's value.
const MAX_TAG_VALUE: usize = 256;

/// The tags of every task, the same on every delivery of a request: other parameters under the same client token would
/// be a ConflictException.
pub fn tags(reply_to: &ReplyTo, waits: bool) -> Vec<(String, String)> {
    [
        (STACK_ID, reply_to.stack_id.as_str()),
        (LOGICAL_ID, &reply_to.logical_resource_id),
        (REQUEST_ID, &reply_to.request_id),
        (WAITS, if waits { "true" } else { "false" }),
    ]
    .map(|(name, value)| (key(name), tag_value(value)))
    .to_vec()
}

/// Whether this very request has started the task.
pub fn is_of_request(task: &Task, reply_to: &ReplyTo) -> bool {
    task.tags.get(&key(REQUEST_ID)) == Some(&tag_value(&reply_to.request_id))
}

/// Whether the request that started the task waits for its end.
pub fn was_waited_for(task: &Task) -> bool {
    task.tags.get(&key(WAITS)).is_some_and(|waits| waits == "true")
}

fn key(name: &str) -> String {
    format!("{OWN_TAG_PREFIX}{name}")
}

fn tag_value(value: &str) -> String {
    value.chars().take(MAX_TAG_VALUE).collect()
}
