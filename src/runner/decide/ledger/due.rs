//! What a row leaves to be done: for a further delivery of its request, and for the watch.

use serde_json::Value;
use time::OffsetDateTime;

use super::{Row, RowState, times::NEAR};
use crate::{
    epoch::milliseconds,
    runner::decide::wait::{Wait, WaitError},
};

/// What is still to be done for a request that has a row already.
#[derive(Debug, PartialEq)]
pub enum Redelivery {
    /// It was answered: the same again.
    Repeat(String),
    /// Nobody waits for it any more: a later request has taken over.
    Superseded,
    /// It may have died while it started its tasks.
    Start,
    /// Its tasks are known: go on with its wait.
    GoOn,
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
    /// Whether the watch has to do something about it now.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.next_look <= milliseconds(now)
    }

    /// Whether its deadline has passed, and it has not ended.
    pub fn is_overdue(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.deadline < milliseconds(now)
    }

    /// What a further delivery of the request has to do.
    pub fn redelivered(&self) -> Redelivery {
        match (self.state, &self.answer) {
            (RowState::Answering | RowState::Ended | RowState::Unknown, Some(answer)) => {
                Redelivery::Repeat(answer.clone())
            }
            (RowState::Answering | RowState::Ended, None) => Redelivery::Superseded,
            (RowState::Waiting, _) => Redelivery::GoOn,
            (RowState::Starting, _) | (RowState::Unknown, None) => Redelivery::Start,
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
            Err(_) if self.answer.is_some() => None,
            Err(error) => return Due::Unreadable(error),
        };
        match (self.state, wait, &self.answer) {
            // A row has an answer only once the request has it, whatever another version calls that.
            (RowState::Answering | RowState::Unknown, _, Some(answer)) => Due::Repeat(answer.clone()),
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
}
