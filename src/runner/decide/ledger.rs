//! The ledger's rows: each holds what the runner must remember of a request, so that the request
//! outlives every invocation.
//!
//! ```text
//! (no row) ─► starting ─► waiting ─► answering ─► ended
//! ```
//!
//! A request that runs nothing goes from starting to answering. A superseded request ends while it
//! is starting. A run that may start anew goes back to starting. The row of a WaitHandle's signal
//! begins at waiting, or at answering if there is nothing to wait for.
//!
//! A row has a version. A row of another version is answered FAILED, and its tasks are stopped.
//!
//! Pure. Each step is one conditional write, so only one of several concurrent invocations can make
//! it. A row holds no property and no environment value, but it holds a ResponseURL.

mod action;
mod item;
mod new;
mod times;
pub mod turn;
mod writes;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::item::{SIGNAL, key, ttl};
pub use self::{
    action::{Redelivery, WatchAction},
    item::{NEXT_LOOK, OPEN, OPEN_INDEX, REQUEST, RESOURCE, is_row, key_of, sort_key, table_key},
    times::{
        answers_again_at, is_near, is_worth_parking, next_look, stopped_by, takes_over_at,
        watched_until,
    },
    writes::{
        StartTaskCall, WATCH, answering, attempted, due_again, ended, heartbeat, saved, settled,
        superseded,
    },
};
use crate::{
    cfn::{ReplyTo, WaitHandle},
    item::Attributes,
    task::{Task, TaskArn, cluster_name},
};

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowState {
    /// Its tasks are being started.
    Starting,
    /// The tasks are known, and the runner waits for their end.
    Waiting,
    /// The request has its answer, which is being sent.
    Answering,
    /// The answer was delivered, or a later request has superseded this one.
    Ended,
    /// Another version of this function wrote the row, so its state is unknown.
    #[serde(skip)]
    Unknown,
}

/// The format's version.
const VERSION: u64 = 1;

/// One request of one resource.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The format's version; this is 1.
    pub version: u64,
    /// `startedBy` of the resource's tasks.
    pub resource: String,
    /// The sort key: the RequestId, and `/WaitHandle` behind it for the row of the signal.
    pub request: String,
    /// The state of the request.
    pub state: RowState,
    /// Name or ARN of the cluster. A request without a cluster has started no task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The families that its tasks, and those before them, run from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// Its tasks, once they are known.
    pub tasks: Vec<TaskArn>,
    /// The number of tasks that the request starts; 0 if it starts none.
    pub count: usize,
    /// Timeout is 0, so the answer is sent as soon as the tasks have started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
    /// The number of times that StartTask may have been called.
    pub attempts: u32,
    /// The address and identity of the reply, as JSON.
    pub reply_to: String,
    /// The continuation, as JSON; `None` if there is nothing to run or to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// The time of the first delivery, in Unix milliseconds.
    pub first_seen: i64,
    /// The deadline, in Unix milliseconds.
    pub deadline: i64,
    /// The time of the watch's next look, in Unix milliseconds.
    pub next_look: i64,
    /// The body of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The name of the write that made `answer` the request's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

/// Leaves out the texts that hold the ResponseURL.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("version", &self.version)
            .field("resource", &self.resource)
            .field("request", &self.request)
            .field("state", &self.state)
            .field("tasks", &self.tasks)
            .field("count", &self.count)
            .field("attempts", &self.attempts)
            .field("deadline", &self.deadline)
            .field("next_look", &self.next_look)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

impl Row {
    /// Reads an item. Returns `None` for other items, such as the heartbeat.
    pub fn read(item: Attributes) -> Option<Self> {
        if !is_row(&item) {
            return None;
        }
        let foreign = Self::of_another_version(&item);
        match item.get("version").and_then(Value::as_u64) {
            Some(VERSION) => serde_json::from_value(Value::Object(item)).ok().or(foreign),
            _ => foreign,
        }
    }

    /// Reads the parts of another version's row that are needed to answer it and to stop its tasks.
    fn of_another_version(item: &Attributes) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| item.get(name).and_then(Value::as_i64).unwrap_or_default();
        Some(Self {
            version: item
                .get("version")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
            resource: text(RESOURCE)?,
            request: text(REQUEST)?,
            state: RowState::Unknown,
            cluster: text("cluster"),
            families: Vec::new(),
            tasks: Vec::new(),
            count: 0,
            forgets: false,
            attempts: 0,
            reply_to: text("reply_to").unwrap_or_default(),
            wait: None,
            first_seen: number("first_seen"),
            deadline: number("deadline"),
            next_look: number(NEXT_LOOK),
            answer: text("answer"),
            answered_by: text("answered_by"),
        })
    }

    /// The item, with what the table needs beside the row.
    pub fn item(&self) -> Attributes {
        let mut item = match serde_json::to_value(self) {
            Ok(Value::Object(item)) => item,
            _ => Map::new(),
        };
        // The table's TTL and the sparse index rest on these two attributes. Without `open` an
        // ended row is in no index, so the watch does not read it.
        item.insert("ttl".to_owned(), ttl(self.deadline).into());
        if self.state != RowState::Ended {
            item.insert(OPEN.to_owned(), OPEN.into());
        }
        item
    }

    /// The address and identity of the reply, if they can be read.
    pub fn reply_to(&self) -> Option<ReplyTo> {
        serde_json::from_str(&self.reply_to).ok()
    }

    /// The answer waits for the end of the tasks.
    pub fn is_waited_for(&self) -> bool {
        self.wait.is_some() && !self.forgets
    }

    /// CloudFormation sent this row's request after that of `own`.
    pub fn is_after(&self, own: &Self) -> bool {
        self.request_id() != own.request_id()
            && self
                .sent_at()
                .zip(own.sent_at())
                .is_some_and(|(a, b)| a > b)
    }

    /// The row is of another request, which came before that of `own`.
    pub fn is_before(&self, own: &Self) -> bool {
        // Lambda may deliver an older request late, so the order of the first deliveries alone
        // proves nothing.
        self.request_id() != own.request_id()
            && self.first_seen <= own.first_seen
            && !self.is_after(own)
    }

    fn sent_at(&self) -> Option<OffsetDateTime> {
        self.reply_to()?.sent_at()
    }

    /// The RequestId. The row of a signal has that of its request.
    pub fn request_id(&self) -> &str {
        self.request.strip_suffix(SIGNAL).unwrap_or(&self.request)
    }

    /// The row is the signal to this WaitHandle.
    pub fn signals(&self, handle: &WaitHandle) -> bool {
        self.reply_to()
            .is_some_and(|reply_to| reply_to.wait_handle.as_ref() == Some(handle))
    }

    /// The request has no answer yet.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self.state,
            RowState::Starting | RowState::Waiting | RowState::Unknown
        )
    }

    /// This write has made `body` the request's answer. It must then send it, even if the request
    /// has been ended meanwhile.
    pub fn is_answered_by(&self, write: &str, body: &str) -> bool {
        self.answer.as_deref() == Some(body) && self.answered_by.as_deref() == Some(write)
    }

    /// The request's tasks run in this cluster.
    pub fn is_in(&self, cluster: &str) -> bool {
        self.cluster
            .as_deref()
            .is_some_and(|own| cluster_name(own) == cluster_name(cluster))
    }

    /// The key of the row in the table.
    pub fn key(&self) -> Attributes {
        key(&self.resource, &self.request)
    }

    /// The request has started this task.
    pub fn names_task(&self, task: &TaskArn) -> bool {
        self.tasks.contains(task)
    }
}

/// Restores a task's tags from the ledger. StopTask may clear the tags that say which request
/// started a task; the ledger's rows stay.
pub fn restore_tags(task: &mut Task, rows: &[Row]) {
    if let Some(row) = rows.iter().find(|row| row.names_task(&task.arn))
        && let Some(reply_to) = row.reply_to()
    {
        for (name, value) in super::marks::tags(&reply_to, row.is_waited_for()) {
            task.tags.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests;
