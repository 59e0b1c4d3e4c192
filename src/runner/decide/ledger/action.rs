//! The next work on a row: for a further delivery of its request, and for the watch.

use serde_json::Value;
use time::OffsetDateTime;

use super::{Row, RowState, VERSION};
use crate::{
    epoch::milliseconds,
    runner::decide::wait::{Wait, WaitError},
};

/// The work of a further delivery of a request that has a row.
#[derive(Debug, PartialEq)]
pub enum Redelivery {
    /// Send the answer again.
    Repeat(String),
    /// Start nothing: a later request has superseded this one.
    Superseded,
    /// Start its tasks: the earlier delivery may have crashed while it did.
    Start,
    /// Resume its wait: its tasks are known.
    Resume(Box<Wait>),
    /// Stop its tasks and answer FAILED: the row cannot be read.
    Fail(WaitError),
}

/// The watch's work on a row that is due.
#[derive(Debug, PartialEq)]
pub enum WatchAction {
    /// Send the answer again.
    Repeat(String),
    /// Look at its tasks.
    Look(Box<Wait>),
    /// Resume the wait at once: an invocation stopped its tasks, and the request has no answer yet.
    Resume(Box<Wait>),
    /// Find the tasks that a crashed invocation started.
    Recover,
    /// Stop its tasks and answer FAILED: its continuation cannot be read.
    Fail(WaitError),
    /// End it: there is nothing to do.
    End,
}

impl Row {
    /// The row's next look is due.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.next_look <= milliseconds(now)
    }

    /// The deadline has passed, and the request has not ended.
    pub fn is_overdue(&self, now: OffsetDateTime) -> bool {
        self.state != RowState::Ended && self.deadline < milliseconds(now)
    }

    /// The work of a further delivery of the request.
    pub fn redelivered(&self) -> Redelivery {
        match (self.state, &self.answer) {
            (RowState::Answering | RowState::Ended | RowState::Unknown, Some(answer)) => {
                Redelivery::Repeat(answer.clone())
            }
            // A request that ended without an answer was superseded, or nobody could be answered.
            (RowState::Answering | RowState::Ended, None) => Redelivery::Superseded,
            (RowState::Starting, _) => Redelivery::Start,
            (RowState::Waiting, _) | (RowState::Unknown, None) => match self.continuation() {
                Ok(Some(wait)) => Redelivery::Resume(Box::new(wait)),
                Ok(None) => Redelivery::Fail(WaitError::Form),
                Err(error) => Redelivery::Fail(error),
            },
        }
    }

    /// The stored continuation, if the request waits for tasks. `Err` if it cannot be read.
    pub fn continuation(&self) -> Result<Option<Wait>, WaitError> {
        if self.version != VERSION {
            return Err(WaitError::Version(self.version));
        }
        let Some(wait) = &self.wait else {
            return Ok(None);
        };
        let json: Value = serde_json::from_str(wait).map_err(|_| WaitError::Form)?;
        // The hops count one chain of self-invocations for Lambda's limit, and an event or the
        // watch starts a new chain.
        Wait::read(&json).map(|wait| Some(Wait { hop: 0, ..wait }))
    }

    /// The watch's work on the row. Call it only if the row is due.
    pub fn action(&self) -> WatchAction {
        // A row of another version may have states that this one does not know. Its answer can be
        // sent all the same.
        if let (RowState::Answering | RowState::Unknown, Some(answer)) = (self.state, &self.answer)
        {
            return WatchAction::Repeat(answer.clone());
        }
        match (self.state, self.continuation()) {
            (RowState::Ended | RowState::Answering, _) => WatchAction::End,
            (_, Err(error)) => WatchAction::Fail(error),
            (RowState::Starting, Ok(_)) => WatchAction::Recover,
            (RowState::Waiting, Ok(Some(wait))) if wait.timed_out.is_some() => {
                WatchAction::Resume(Box::new(wait))
            }
            (RowState::Waiting, Ok(Some(wait))) => WatchAction::Look(Box::new(wait)),
            (RowState::Waiting | RowState::Unknown, Ok(_)) => WatchAction::Fail(WaitError::Form),
        }
    }
}
