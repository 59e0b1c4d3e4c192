//! The ledger's rows: what the runner remembers of a request, so that it outlives every invocation.
//!
//! ```text
//! (no row) ─► starting ─► waiting ─► answering ─► ended
//! ```
//!
//! A request that runs nothing goes from starting to answering; one that a later request takes over from ends
//! while it starts; a run that may start anew goes back to starting. The row of a WaitHandle's signal begins
//! at waiting, or at answering where there is nothing to wait for.
//!
//! Pure. Each step is one conditional write, so that of several invocations that come to it at once one makes
//! it. A row holds no property and no environment value, but it holds a ResponseURL.

mod due;
mod first;
mod item;
mod times;
pub mod turn;
mod writes;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::item::{SIGNAL, key, leniently, ttl};
pub use self::{
    due::{Due, Redelivery},
    item::{NEXT_LOOK, OPEN, OPEN_INDEX, REQUEST, RESOURCE, is_whole, key_of, sort_key, table_key},
    times::{
        answers_again_at, begins_by, is_worth_parking, next_look, stopped_by, takes_over_at, watched_until,
    },
    writes::{
        StartTaskCall, WATCH, answering, attempted, due_again, ended, heartbeat, kept, settled, superseded,
    },
};
use crate::{
    aws::dynamodb::Attributes,
    cfn::{ReplyTo, WaitHandle},
    task::{Task, TaskArn, cluster_name},
};

/// How far a request has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowState {
    /// Its tasks are being started.
    Starting,
    /// Its tasks are known and waited for.
    Waiting,
    /// The verdict is there, and is being sent.
    Answering,
    /// It has been answered, or a later request has taken over.
    Ended,
    /// One that another version of this function has written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One request of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `startedBy` of the resource's tasks.
    pub resource: String,
    /// The sort key: the RequestId, and `/WaitHandle` behind it for the row of the signal.
    pub request: String,
    /// How far it has come.
    #[serde(default, deserialize_with = "leniently")]
    pub state: RowState,
    /// Name or ARN of the cluster; without one nothing can have been started.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "leniently")]
    pub cluster: Option<String>,
    /// The families that its tasks, and those before them, run from.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "leniently")]
    pub families: Vec<String>,
    /// Its tasks, once they are known.
    #[serde(default, deserialize_with = "leniently")]
    pub tasks: Vec<TaskArn>,
    /// How many tasks it starts; 0 where it starts none.
    #[serde(default, deserialize_with = "leniently")]
    pub count: usize,
    /// Whether it is answered when its tasks have started, as Timeout is 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "leniently")]
    pub forgets: bool,
    /// How often StartTask may have been called for it.
    #[serde(default, deserialize_with = "leniently")]
    pub attempts: u32,
    /// Who is answered, as JSON.
    #[serde(default, deserialize_with = "leniently")]
    pub reply_to: String,
    /// The continuation, as JSON; none where there is nothing to run or to stop.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "leniently")]
    pub wait: Option<String>,
    /// When the request was first handled, in milliseconds.
    #[serde(default, deserialize_with = "leniently")]
    pub first_seen: i64,
    /// When it must be over, in milliseconds.
    #[serde(default, deserialize_with = "leniently")]
    pub deadline: i64,
    /// When the watch looks at it, in milliseconds.
    #[serde(default, deserialize_with = "leniently")]
    pub next_look: i64,
    /// The body of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Which write has made that its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

impl Row {
    /// Reads an item, whatever another version has made of it; none if it is no request's row, as the
    /// heartbeat is not.
    pub fn read(item: Attributes) -> Option<Self> {
        if !["reply_to", "wait"].iter().any(|name| item.contains_key(*name)) {
            return None;
        }
        serde_json::from_value(Value::Object(item)).ok()
    }

    /// The item, with what the table needs beside the row.
    pub fn item(&self) -> Attributes {
        let mut item = match serde_json::to_value(self) {
            Ok(Value::Object(item)) => item,
            _ => Map::new(),
        };
        item.insert("ttl".to_owned(), ttl(self.deadline).into());
        if self.state != RowState::Ended {
            item.insert(OPEN.to_owned(), OPEN.into());
        }
        item
    }

    /// Who is answered, if that can be read: the wait says it, too.
    pub fn reply_to(&self) -> Option<ReplyTo> {
        let of_wait = || {
            let wait: Value = serde_json::from_str(self.wait.as_deref()?).ok()?;
            serde_json::from_value(wait.get("reply_to")?.clone()).ok()
        };
        serde_json::from_str(&self.reply_to).ok().or_else(of_wait)
    }

    /// Whether the end of its tasks is waited for.
    pub fn is_waited_for(&self) -> bool {
        self.wait.is_some() && !self.forgets
    }

    /// Whether it is of a request that CloudFormation sent after this one.
    pub fn is_after(&self, own: &Self) -> bool {
        self.request_id() != own.request_id() && self.sent_at().zip(own.sent_at()).is_some_and(|(a, b)| a > b)
    }

    /// Whether it is of another request than this one, which came before it.
    pub fn is_before(&self, own: &Self) -> bool {
        self.request_id() != own.request_id() && self.first_seen <= own.first_seen && !self.is_after(own)
    }

    fn sent_at(&self) -> Option<OffsetDateTime> {
        self.reply_to()?.response_url.signed_at()
    }

    /// The RequestId: of the request, and of its signal.
    pub fn request_id(&self) -> &str {
        self.request.strip_suffix(SIGNAL).unwrap_or(&self.request)
    }

    /// Whether it is the signal to this WaitHandle.
    pub fn signals(&self, handle: &WaitHandle) -> bool {
        self.reply_to().is_some_and(|reply_to| reply_to.wait_handle.as_ref() == Some(handle))
    }

    /// Whether it has not been answered.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, RowState::Starting | RowState::Waiting | RowState::Unknown)
    }

    /// Whether this write has made this its answer, and so has to send it, even where the request has been
    /// ended meanwhile.
    pub fn is_answered_by(&self, write: &str, body: &str) -> bool {
        self.answer.as_deref() == Some(body) && self.answered_by.as_deref() == Some(write)
    }

    /// Whether its tasks run in this cluster.
    pub fn is_in(&self, cluster: &str) -> bool {
        self.cluster.as_deref().is_some_and(|own| cluster_name(own) == cluster_name(cluster))
    }

    /// What names it in the table.
    pub fn key(&self) -> Attributes {
        key(&self.resource, &self.request)
    }

    /// Whether it has started this task.
    pub fn claims(&self, task: &TaskArn) -> bool {
        self.tasks.contains(task)
    }
}

/// Gives a task its tags back. StopTask may clear the tags by which requests tell their tasks apart; what the
/// ledger holds stays.
pub fn restore_tags(task: &mut Task, rows: &[Row]) {
    if let Some(row) = rows.iter().find(|row| row.claims(&task.arn))
        && let Some(reply_to) = row.reply_to()
    {
        for (name, value) in super::marks::tags(&reply_to, row.is_waited_for()) {
            task.tags.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests;
