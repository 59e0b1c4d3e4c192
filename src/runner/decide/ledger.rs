//! The ledger's rows: what the runner remembers of a request, so that it outlives every invocation.
//!
//! ```text
//! (no row) ─► starting ─► waiting ─► answering ─► ended
//! ```
//!
//! Pure. Each step is one conditional write, so that of several invocations that come to it at once one makes
//! it. A row holds no property and no environment value, but it holds a ResponseURL.

mod item;
mod times;
pub mod turn;
mod writes;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

pub use self::{
    item::{NEXT_LOOK, OPEN, OPEN_INDEX, REQUEST, RESOURCE, is_whole, key_of, table_key},
    times::{
        answers_again_at, begins_by, is_worth_parking, next_look, stopped_by, takes_over_at, watched_until,
    },
    writes::{StartTaskCall, WATCH, answering, attempted, due_again, ended, heartbeat, kept, settled},
};
use self::{
    item::{SIGNAL, key, leniently, sort_key, ttl},
    times::{ANSWERING, GRACE, NEAR},
};
use super::{
    plan::Plan,
    wait::{Wait, WaitError},
};
use crate::{
    aws::dynamodb::Attributes,
    cfn::{ReplyTo, Request, WaitHandle},
    epoch::milliseconds,
    identity,
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
    /// The RequestId.
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

/// What is still to be done for a request that has a row already.
#[derive(Debug, PartialEq)]
pub enum Redelivery {
    /// It was answered: the same again.
    Repeat(String),
    /// Nobody waits for it any more: a later request has taken over.
    Superseded,
    /// It may have died while it started its tasks.
    Start,
    /// Its tasks are known: one look.
    Look,
}

/// What the watch does about a row that is due.
#[derive(Debug, PartialEq)]
pub enum Due {
    /// Sends the answer again.
    Repeat(String),
    /// Looks at its tasks.
    Look(Box<Wait>),
    /// Lets an invocation poll it up to its deadline.
    Poll(Box<Wait>),
    /// Keeps its deadline by itself: the invocation that was to poll it has not.
    Finish(Box<Wait>),
    /// Looks for what it has started.
    Adopt,
    /// Answers that it cannot be gone on with.
    Unreadable(WaitError),
    /// Ends it, as there is nothing to be done.
    End,
}

impl Row {
    /// The row of a request that is handled for the first time. `wait` is what will be waited for, still
    /// without its tasks; `until` is when its invocation ends at the latest.
    pub fn first(request: &Request, wait: Option<&Wait>, now: OffsetDateTime, until: OffsetDateTime) -> Self {
        let reply_to = &request.reply_to;
        // A request with a WaitHandle is answered long before its run ends.
        let own = wait.filter(|wait| wait.reply_to.wait_handle.is_none()).map(|wait| wait.deadline);
        let deadline = own.or(reply_to.answer_by).unwrap_or(until);
        Self {
            cluster: request.properties.cluster().map(str::to_owned),
            wait: wait.and_then(|wait| serde_json::to_string(wait).ok()),
            deadline: milliseconds(deadline),
            // An invocation that lives answers by then.
            next_look: milliseconds(reply_to.answer_by.unwrap_or(deadline).clamp(now, until + GRACE)),
            ..Self::of(reply_to, now)
        }
    }

    /// The first row of a request of which this is to be made; its invocation ends at the latest then.
    ///
    /// It holds the wait as it will be, without tasks: what an invocation has started that died before it
    /// could say so is waited for by it.
    pub fn planned(plan: &Plan, request: &Request, now: OffsetDateTime, until: OffsetDateTime) -> Self {
        let first = |wait: Option<Wait>| Self::first(request, wait.as_ref(), now, until);
        match plan {
            Plan::Run(run) => {
                let wait = Wait::for_success(run, request, Vec::new(), run.limits.deadline(now), now);
                Self {
                    count: run.properties.tasks(),
                    forgets: run.properties.timeout == 0,
                    families: run.earlier.families.clone(),
                    ..first(Some(wait))
                }
            }
            Plan::Stop(stop) => {
                let wait = Wait::for_stop(stop, &request.reply_to, Vec::new(), now);
                Self { families: stop.families.clone(), ..first(Some(wait)) }
            }
            Plan::Refuse(_) | Plan::Skip(..) => first(None),
        }
    }

    /// The row of a wait whose verdict a WaitHandle is signalled: its own, since the request has an answer
    /// already.
    pub fn promised(wait: &Wait, now: OffsetDateTime, next_look: OffsetDateTime) -> Self {
        Self {
            state: RowState::Waiting,
            cluster: Some(wait.cluster.clone()),
            tasks: wait.tasks.clone(),
            count: wait.tasks.len(),
            wait: serde_json::to_string(wait).ok(),
            deadline: milliseconds(wait.deadline),
            next_look: milliseconds(next_look),
            ..Self::of(&wait.reply_to, now)
        }
    }

    /// The row of a signal that is sent at once, as there is nothing to wait for.
    pub fn signalled(reply_to: &ReplyTo, body: &str, now: OffsetDateTime) -> Self {
        Self {
            state: RowState::Answering,
            deadline: milliseconds(reply_to.answer_by.unwrap_or(now)),
            next_look: milliseconds(now + ANSWERING),
            answer: Some(body.to_owned()),
            ..Self::of(reply_to, now)
        }
    }

    /// A row of which nothing is known but who is answered.
    fn of(reply_to: &ReplyTo, now: OffsetDateTime) -> Self {
        Self {
            resource: identity::started_by(&reply_to.stack_id, &reply_to.logical_resource_id),
            request: sort_key(reply_to),
            state: RowState::Starting,
            cluster: None,
            families: Vec::new(),
            tasks: Vec::new(),
            count: 0,
            forgets: false,
            attempts: 0,
            reply_to: serde_json::to_string(reply_to).unwrap_or_default(),
            wait: None,
            first_seen: milliseconds(now),
            deadline: milliseconds(now),
            next_look: milliseconds(now),
            answer: None,
            answered_by: None,
        }
    }

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
    pub fn is_open(&self) -> bool {
        matches!(self.state, RowState::Starting | RowState::Waiting | RowState::Unknown)
    }

    /// Whether this write has made its answer, which is not known to have been taken.
    pub fn is_being_answered_by(&self, write: &str) -> bool {
        self.state == RowState::Answering && self.answered_by.as_deref() == Some(write)
    }

    /// Whether the watch has to do something about it now.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.next_look <= milliseconds(now)
    }

    /// Whether its deadline has passed, and it has not ended.
    pub fn is_overdue(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.deadline < milliseconds(now)
    }

    /// Whether its tasks run in this cluster.
    pub fn is_in(&self, cluster: &str) -> bool {
        self.cluster.as_deref().is_some_and(|own| cluster_name(own) == cluster_name(cluster))
    }

    /// What a further delivery of the request has to do.
    pub fn redelivered(&self) -> Redelivery {
        match (self.state, &self.answer) {
            (RowState::Answering | RowState::Ended, Some(answer)) => Redelivery::Repeat(answer.clone()),
            (RowState::Answering | RowState::Ended, None) => Redelivery::Superseded,
            (RowState::Waiting, _) => Redelivery::Look,
            (RowState::Starting | RowState::Unknown, _) => Redelivery::Start,
        }
    }

    /// The wait that goes on: of a row of another version that cannot be read, why not.
    pub fn waits_for(&self) -> Result<Option<Wait>, WaitError> {
        let Some(wait) = &self.wait else { return Ok(None) };
        let json: Value = serde_json::from_str(wait).map_err(|_| WaitError::Form)?;
        // A parked wait begins a chain of its own.
        Wait::read(&json).map(|wait| Some(Wait { hop: 0, ..wait }))
    }

    /// What the watch does about it, now that it is due.
    pub fn due(&self, now: OffsetDateTime) -> Due {
        let wait = match self.waits_for() {
            Ok(wait) => wait,
            // Its answer is all that is needed.
            Err(_) if self.state == RowState::Answering => None,
            Err(error) => return Due::Unreadable(error),
        };
        match (self.state, wait, &self.answer) {
            (RowState::Answering, _, Some(answer)) => Due::Repeat(answer.clone()),
            // A row is put off beyond its deadline only when an invocation is to keep that, and a wait whose
            // time is over is an invocation's until its tasks have stopped.
            (RowState::Waiting, Some(wait), _)
                if self.next_look > milliseconds(wait.deadline) || wait.timed_out.is_some() =>
            {
                Due::Finish(Box::new(wait))
            }
            (RowState::Waiting, Some(wait), _) if wait.deadline - now <= NEAR => Due::Poll(Box::new(wait)),
            (RowState::Waiting, Some(wait), _) => Due::Look(Box::new(wait)),
            (RowState::Starting, _, _) => Due::Adopt,
            (RowState::Unknown, _, _) | (RowState::Waiting, None, _) => Due::Unreadable(WaitError::Form),
            _ => Due::End,
        }
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
pub fn remember(task: &mut Task, rows: &[Row]) {
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
