//! The keys and attribute names of the table's items.

use serde_json::{Map, Value, json};
use time::Duration;

use crate::{cfn::ReplyTo, item::Attributes};

/// The table's partition key.
pub const RESOURCE: &str = "resource";
/// The table's sort key.
pub const REQUEST: &str = "request";
/// The sparse index of the rows whose request has not ended.
pub const OPEN_INDEX: &str = "Open";
/// The index's partition key, which has one value.
pub const OPEN: &str = "open";
/// The index's sort key.
pub const NEXT_LOOK: &str = "next_look";

/// The life of a row after its deadline; DynamoDB's TTL then deletes it.
const KEPT: Duration = Duration::DAY;

/// The key of the row of a request, or of its signal.
pub fn key_of(reply_to: &ReplyTo) -> Attributes {
    key(&reply_to.started_by(), &sort_key(reply_to))
}

/// The suffix of the sort key of a signal's row. A request and its signal have the same RequestId,
/// and each needs a row.
pub(super) const SIGNAL: &str = "/WaitHandle";

/// The sort key of the row of a request, or of its signal.
pub fn sort_key(reply_to: &ReplyTo) -> String {
    let suffix = if reply_to.wait_handle.is_some() {
        SIGNAL
    } else {
        ""
    };
    format!("{}{suffix}", reply_to.request_id)
}

/// The item is a whole row. The index holds keys alone, and the heartbeat is no request's row.
pub fn is_row(item: &Attributes) -> bool {
    item.contains_key("state")
}

/// The table's key of an item that comes from the index.
pub fn table_key(item: &Attributes) -> Attributes {
    let part = |name: &str| Some((name.to_owned(), item.get(name)?.clone()));
    [RESOURCE, REQUEST].into_iter().filter_map(part).collect()
}

pub(super) fn key(resource: &str, request: &str) -> Attributes {
    attributes(json!({ RESOURCE: resource, REQUEST: request }))
}

pub(super) fn ttl(deadline: i64) -> i64 {
    deadline / 1000 + KEPT.whole_seconds()
}

pub(super) fn attributes(json: Value) -> Attributes {
    match json {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    }
}
