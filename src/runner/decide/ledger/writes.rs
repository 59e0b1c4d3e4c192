//! The writes that move a row from one state to the next, each with its condition.

use serde_json::json;
use time::OffsetDateTime;

use super::{
    Row, RowState,
    item::{attributes, key, key_of, ttl},
    times::ANSWERING,
};
use crate::{
    cfn::ReplyTo,
    epoch::milliseconds,
    item::{Attributes, Update},
    runner::decide::wait::Wait,
};

/// The partition key of the heartbeat.
pub const WATCH: &str = "watch";
const HEARTBEAT_ROW: &str = "heartbeat";

const STARTING_OR_WAITING: &str = "#state = :starting OR #state = :waiting";

/// The write that saves a wait with its tasks. It is refused if the request has an answer.
///
/// The row of a run that may be started anew stays at starting, because only this invocation can
/// start tasks again.
pub fn saved(wait: &Wait, next_look: OffsetDateTime) -> Update {
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
        condition: STARTING_OR_WAITING.to_owned(),
        values: attributes(values),
    }
}

/// A call of StartTask that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct StartTaskCall {
    /// The number of this call, those of earlier deliveries included.
    pub number: u32,
    /// The delivery that makes the call.
    pub delivery: u64,
}

/// The write that counts a call of StartTask. If two deliveries are about to call it, only one of
/// them can make the write.
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
        // The same delivery may repeat its write: an attempt without an answer may have made it.
        condition: format!(
            "({STARTING_OR_WAITING}) AND (#attempts < :attempts OR #delivery = :delivery)"
        ),
        values: attributes(values),
    }
}

/// The write that makes an answer the request's one answer, whatever state another version has
/// written.
///
/// `write` names this write. If an attempt got no answer but took effect, the next attempt is
/// refused, and the name in the row shows that the answer is its own.
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
        condition: "attribute_exists(#request) AND #state <> :answering AND #state <> :ended"
            .to_owned(),
        values: attributes(values),
    }
}

/// The write that supersedes a request which is starting its tasks.
pub fn superseded(key: Attributes) -> Update {
    let states = json!({ ":ended": RowState::Ended, ":starting": RowState::Starting });
    Update {
        key,
        expression: "SET #state = :ended REMOVE #open".to_owned(),
        // A request that has its answer must still send it.
        condition: "#state = :starting".to_owned(),
        values: attributes(states),
    }
}

/// The write that ends a request.
pub fn ended(key: Attributes) -> Update {
    Update {
        key,
        expression: "SET #state = :ended REMOVE #open".to_owned(),
        condition: "attribute_exists(#request)".to_owned(),
        values: attributes(json!({ ":ended": RowState::Ended })),
    }
}

/// The write that ends a request with the answer that CloudFormation's bucket has accepted.
pub fn settled(reply_to: &ReplyTo, body: &str) -> Update {
    Update {
        key: key_of(reply_to),
        expression: "SET #state = :ended, #answer = :answer REMOVE #open".to_owned(),
        condition: "attribute_exists(#request)".to_owned(),
        values: attributes(json!({ ":ended": RowState::Ended, ":answer": body })),
    }
}

/// The write that schedules the next look: after a look that changed nothing, or an answer that was
/// not delivered.
pub fn due_again(row: &Row, next_look: OffsetDateTime) -> Update {
    // If another invocation has moved the row on, its next look is already right.
    let (condition, state) = match row.state {
        // The word that another version has written is not known.
        RowState::Unknown => ("#state <> :state", RowState::Ended),
        known => ("#state = :state", known),
    };
    let values = json!({ ":state": state, ":next_look": milliseconds(next_look) });
    Update {
        key: row.key(),
        expression: "SET #next_look = :next_look".to_owned(),
        condition: condition.to_owned(),
        values: attributes(values),
    }
}

/// The item that says that the watch has run at this time.
pub fn heartbeat(now: OffsetDateTime) -> Attributes {
    let beat = json!({ "request": HEARTBEAT_ROW, "beat": milliseconds(now), "ttl": ttl(milliseconds(now)) });
    let mut item = attributes(beat);
    item.extend(key(WATCH, HEARTBEAT_ROW));
    item
}
