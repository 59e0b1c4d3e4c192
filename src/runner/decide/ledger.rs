//! The ledger's rows: what the runner remembers of a request, so that it outlives every invocation.
//!
//! ```text
//! (no row) ─► starting ─► waiting ─► answering ─► ended
//! ```
//!
//! Pure. Each step is one conditional write, so that of several invocations that come to it at once one makes
//! it. A row holds no property and no environment value, but it holds a ResponseURL.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    plan::Plan,
    wait::{Wait, WaitError},
};
use crate::{
    aws::dynamodb::{Attributes, Update},
    cfn::{ReplyTo, Request, WaitHandle},
    epoch::milliseconds,
    identity,
    task::{Task, TaskArn, cluster_name},
};

/// The table's partition key.
pub const RESOURCE: &str = "resource";
/// Its sort key.
pub const REQUEST: &str = "request";
/// The sparse index over the rows that are not ended.
pub const OPEN_INDEX: &str = "Open";
/// The index's partition key, which has one value.
pub const OPEN: &str = "open";
/// The index's sort key.
pub const NEXT_LOOK: &str = "next_look";

/// A wait whose deadline is nearer is polled and not parked.
const WORTH_PARKING: Duration = Duration::seconds(120);
/// How old the watch's heartbeat may be while its next round is relied upon; it comes once a minute.
const HEARTBEAT: Duration = Duration::seconds(150);
/// A deadline this near is kept to the second, by polling.
const NEAR: Duration = Duration::seconds(90);
/// When the looks at a parked wait are due after each other, in minutes; the last goes on.
const LOOKS: [i64; 4] = [1, 2, 4, 5];
/// How long an invocation may be late to end, beyond Lambda's deadline for it, before another takes over.
const GRACE: Duration = Duration::seconds(60);
/// How long Lambda may take to begin an invocation that polls a wait. It says by itself how long it will be at it.
const BEGINNING: Duration = Duration::minutes(2);
/// How long an answer may be on its way before it is sent again.
const ANSWERING: Duration = Duration::MINUTE;
/// How long a row is kept after its deadline.
const KEPT: Duration = Duration::DAY;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub state: RowState,
    /// Name or ARN of the cluster; without one nothing can have been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its tasks, once they are known.
    #[serde(default)]
    pub tasks: Vec<TaskArn>,
    /// How many tasks it starts; 0 where it starts none.
    #[serde(default)]
    pub count: usize,
    /// How often StartTask may have been called for it.
    #[serde(default)]
    pub attempts: u32,
    /// Who is answered, as JSON.
    pub reply_to: String,
    /// The continuation, as JSON; none where no end is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// When the request was first handled, in milliseconds.
    pub first_seen: i64,
    /// When it must be over, in milliseconds.
    pub deadline: i64,
    /// When the watch looks at it, in milliseconds.
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
            next_look: milliseconds(until + GRACE),
            ..Self::of(reply_to, now)
        }
    }

    /// The first row of a request of which this is to be made; its invocation ends at the latest then.
    ///
    /// It holds the wait as it will be, without tasks: what an invocation has started that died before it
    /// could say so is waited for by it.
    pub fn planned(plan: &Plan, request: &Request, now: OffsetDateTime, until: OffsetDateTime) -> Self {
        let (count, wait) = match plan {
            Plan::Run(run) if run.properties.timeout > 0 => {
                let deadline = run.limits.deadline(now);
                (run.properties.tasks(), Some(Wait::for_success(run, request, Vec::new(), deadline, now)))
            }
            Plan::Run(run) => (run.properties.tasks(), None),
            Plan::Refuse(_) | Plan::Skip(..) | Plan::Stop(_) => (0, None),
        };
        Self { count, ..Self::first(request, wait.as_ref(), now, until) }
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
            tasks: Vec::new(),
            count: 0,
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

    /// Reads an item; none if it is no row, as the heartbeat is not.
    pub fn read(item: Attributes) -> Option<Self> {
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

    /// Who is answered, if that can be read.
    pub fn reply_to(&self) -> Option<ReplyTo> {
        serde_json::from_str(&self.reply_to).ok()
    }

    /// Whether the end of its tasks is waited for.
    pub fn is_waited_for(&self) -> bool {
        self.wait.is_some()
    }

    /// Whether it is of another request than this one, which came before it.
    pub fn is_before(&self, own: &Self) -> bool {
        self.request_id() != own.request_id() && self.first_seen <= own.first_seen
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
            // A row is put off beyond its deadline only when an invocation is to keep that.
            (RowState::Waiting, Some(wait), _) if self.next_look > milliseconds(wait.deadline) => {
                Due::Finish(Box::new(wait))
            }
            (RowState::Waiting, Some(wait), _) if wait.deadline - now <= NEAR => Due::Poll(Box::new(wait)),
            (RowState::Waiting, Some(wait), _) => Due::Look(Box::new(wait)),
            (RowState::Starting, _, _) => Due::Adopt,
            (RowState::Unknown, _, _) => Due::Unreadable(WaitError::Form),
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

/// The write that keeps a wait with its tasks. It goes through while nobody has answered. A run that may be
/// started anew is not waited for by anybody else yet.
pub fn kept(wait: &Wait, next_look: OffsetDateTime) -> Update {
    let values = json!({
        ":state": if wait.may_restart { RowState::Starting } else { RowState::Waiting },
        ":waiting": RowState::Waiting,
        ":starting": RowState::Starting,
        ":tasks": wait.tasks,
        ":cluster": wait.cluster,
        ":wait": serde_json::to_string(wait).unwrap_or_default(),
        ":deadline": milliseconds(wait.deadline),
        ":ttl": ttl(milliseconds(wait.deadline)),
        ":next_look": milliseconds(next_look),
    });
    Update {
        key: key_of(&wait.reply_to),
        expression: "SET #state = :state, #tasks = :tasks, #cluster = :cluster, #wait = :wait, \
                     #deadline = :deadline, #ttl = :ttl, #next_look = :next_look"
            .to_owned(),
        condition: OPEN_STATES.to_owned(),
        values: attributes(values),
    }
}

/// A call of StartTask that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct StartTaskCall {
    /// How many there may have been then, with those of earlier deliveries.
    pub number: u32,
    /// Which delivery makes it.
    pub delivery: u64,
}

/// The write that says how often StartTask may have been called. Of two deliveries that are about to call it, one
/// makes the write.
pub fn attempted(reply_to: &ReplyTo, call: StartTaskCall) -> Update {
    let values = json!({
        ":attempts": call.number,
        ":delivery": call.delivery.to_string(),
        ":waiting": RowState::Waiting,
        ":starting": RowState::Starting,
    });
    Update {
        key: key_of(reply_to),
        expression: "SET #attempts = :attempts, #delivery = :delivery".to_owned(),
        condition: format!("({OPEN_STATES}) AND (#attempts < :attempts OR #delivery = :delivery)"),
        values: attributes(values),
    }
}

/// The write that makes an answer the request's one answer, whatever another version has written before.
///
/// `write` names it: an attempt without an answer may have made the write, and the next one is refused for it.
pub fn answering(reply_to: &ReplyTo, body: &str, write: &str, now: OffsetDateTime) -> Update {
    let values = json!({
        ":answered_by": write,
        ":answering": RowState::Answering,
        ":ended": RowState::Ended,
        ":answer": body,
        ":next_look": milliseconds(now + ANSWERING),
    });
    Update {
        key: key_of(reply_to),
        expression: "SET #state = :answering, #answer = :answer, #answered_by = :answered_by, \
                     #next_look = :next_look"
            .to_owned(),
        condition: "attribute_exists(#state) AND #state <> :answering AND #state <> :ended".to_owned(),
        values: attributes(values),
    }
}

/// The write that ends a request: it was answered, or a later one has taken over.
pub fn ended(key: Attributes) -> Update {
    Update {
        key,
        expression: "SET #state = :ended REMOVE #open".to_owned(),
        condition: "attribute_exists(#state)".to_owned(),
        values: attributes(json!({ ":ended": RowState::Ended })),
    }
}

/// The write after a look of the watch that has changed nothing, or after an answer that was not taken.
pub fn due_again(row: &Row, next_look: OffsetDateTime) -> Update {
    let values = json!({ ":state": row.state, ":next_look": milliseconds(next_look) });
    Update {
        key: row.key(),
        expression: "SET #next_look = :next_look".to_owned(),
        condition: "#state = :state".to_owned(),
        values: attributes(values),
    }
}

/// The heartbeat: the watch has come round.
pub fn heartbeat(now: OffsetDateTime) -> Attributes {
    let beat = json!({ "request": HEARTBEAT_ROW, "beat": milliseconds(now), "ttl": ttl(milliseconds(now)) });
    let mut item = attributes(beat);
    item.extend(key(WATCH, HEARTBEAT_ROW));
    item
}

/// Where the heartbeat stands.
pub const WATCH: &str = "watch";
const HEARTBEAT_ROW: &str = "heartbeat";

/// Until when the watch is known to live, by the items of its partition.
pub fn watched_until(items: &[Attributes]) -> Option<OffsetDateTime> {
    let beat = items.iter().filter_map(|item| item.get("beat")?.as_i64()).max()?;
    let beat = OffsetDateTime::from_unix_timestamp_nanos(i128::from(beat) * 1_000_000).ok()?;
    Some(beat + HEARTBEAT)
}

/// Whether a wait is worth parking: there is time, and nothing that only polling settles is open.
pub fn is_worth_parking(wait: &Wait, now: OffsetDateTime) -> bool {
    wait.deadline - now >= WORTH_PARKING
        && wait.timed_out.is_none()
        && wait.over_since.is_none()
        && wait.missing_since.is_none()
}

/// When a parked wait is looked at next: after 1, 2, 4 and then every 5 minutes, and in time to keep its
/// deadline.
pub fn next_look(wait: &Wait, now: OffsetDateTime) -> OffsetDateTime {
    let mut due = wait.started_at;
    let mut pauses = LOOKS.into_iter().chain(std::iter::repeat(LOOKS[LOOKS.len() - 1]));
    while due <= now {
        due += Duration::minutes(pauses.next().unwrap_or(1));
    }
    due.min((wait.deadline - NEAR).max(now))
}

/// When the watch takes over from an invocation that ends then.
pub fn takes_over_at(ends_at: OffsetDateTime) -> OffsetDateTime {
    ends_at + GRACE
}

/// When the watch takes over from an invocation that was asked for now and has not begun.
pub fn begins_by(now: OffsetDateTime) -> OffsetDateTime {
    now + BEGINNING
}

/// When an answer that the bucket did not take is tried again.
pub fn answers_again_at(now: OffsetDateTime) -> OffsetDateTime {
    now + ANSWERING
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

const OPEN_STATES: &str = "#state = :starting OR #state = :waiting";

/// What names the row of a request, or of its signal.
pub fn key_of(reply_to: &ReplyTo) -> Attributes {
    key(&identity::started_by(&reply_to.stack_id, &reply_to.logical_resource_id), &sort_key(reply_to))
}

/// What follows the RequestId in the sort key of the row of its signal.
const SIGNAL: &str = "/WaitHandle";

fn sort_key(reply_to: &ReplyTo) -> String {
    let suffix = if reply_to.wait_handle.is_some() { SIGNAL } else { "" };
    format!("{}{suffix}", reply_to.request_id)
}

/// Whether an item of the index is a whole row, and not its keys alone.
pub fn is_whole(item: &Attributes) -> bool {
    item.contains_key("state")
}

/// The table's key of an item of the index.
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

#[cfg(test)]
mod tests;
