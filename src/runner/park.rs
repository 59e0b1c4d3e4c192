//! Parking: a wait that the ledger keeps needs no invocation. An event of ECS or the watch goes on with it.

use std::time::Duration;

use super::{
    decide::{ledger as rows, wait::Wait},
    ledger::{Ledger, Written},
    work::Work,
};
use crate::aws::CallError;

/// How long tasks whose time is over may run on for the ledger's sake.
const STOP_WAITS: Duration = Duration::from_secs(1);

/// How a wait goes on.
pub(super) enum Kept {
    /// By an event or the watch: this invocation may end.
    Parked,
    /// By looks of this invocation.
    Polled,
    /// Not at all: another invocation has answered.
    Answered,
    /// Not at all: a later request of the resource has taken over.
    Superseded,
}

/// Keeps a wait in the ledger, where there is one, and parks it where that is worth it and the watch lives.
///
/// A ledger that cannot be written to is no reason to fail: the wait is polled, and the log says why.
pub(super) async fn keep(work: &Work<'_>, wait: &Wait) -> Kept {
    let Some(ledger) = work.memory.ledger else { return Kept::Polled };
    let now = work.now();
    let is_heard = !wait.may_restart && !wait.is_unheard;
    let parks = is_heard && rows::is_worth_parking(wait, now) && is_watched(work, ledger).await;
    let next_look = match parks {
        true => rows::next_look(wait, now),
        false => rows::takes_over_at(work.invocation.ends_at(), wait),
    };
    // What is left of the invocation is also the next look's, or the next invocation's.
    let keeping = tokio::time::timeout(work.invocation.left() / 2, ledger.keep(wait, next_look));
    match keeping.await.unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB"))) {
        Ok(Written::Done) if parks => {
            tracing::info!(cluster = wait.cluster, "parked: an event or the watch goes on");
            work.invocation.meter().parked(work.reply_to);
            Kept::Parked
        }
        Ok(Written::Done | Written::NoRow | Written::Taken) => Kept::Polled,
        Ok(Written::Answered) => {
            tracing::info!("another invocation has answered");
            Kept::Answered
        }
        Ok(Written::Superseded) => Kept::Superseded,
        Err(error) => {
            tracing::warn!("the wait is polled, because the ledger cannot keep it: {error}");
            Kept::Polled
        }
    }
}

/// Lets the row say, before its tasks are stopped, that they are, and what ran by then: an event of the stop
/// may come before this invocation's next look, and answer by it. The stop does not wait long for that.
pub(super) async fn keep_timed_out(work: &Work<'_>, wait: &Wait) {
    let Some(ledger) = work.memory.ledger else { return };
    let keeping = ledger.keep(wait, rows::stopped_by(work.now()));
    match tokio::time::timeout(STOP_WAITS, keeping).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!("the ledger does not know that the tasks are stopped: {error}"),
        Err(_) => tracing::warn!("the ledger does not know that the tasks are stopped: no answer in time"),
    }
}

async fn is_watched(work: &Work<'_>, ledger: &Ledger) -> bool {
    match ledger.is_watched(work.now()).await {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!(
                "the wait is polled, because the watch's rule has not invoked the function lately"
            );
            false
        }
        Err(error) => {
            tracing::warn!("the wait is polled, because the watch's heartbeat cannot be read: {error}");
            false
        }
    }
}
