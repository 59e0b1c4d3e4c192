//! A run whose verdict goes to a WaitHandle: its request is answered as soon as its tasks have started and the ledger
//! keeps the wait for them.

use super::{
    decide::{answer::Answer, ledger as rows, texts, wait::Wait},
    follow::{Ending, follow},
    stop::stop,
    work::Work,
};
use crate::task::Task;

/// The stoppedReason of tasks whose end nobody would ever learn.
const NOT_REMEMBERED: &str = "ecs-tasks: the ledger cannot keep the wait for it";

/// Goes on with a run that has started: its end is waited for, or promised to its WaitHandle.
pub(super) async fn go_on_with(work: &Work<'_>, wait: Wait, tasks: &[Task]) -> Ending {
    if wait.reply_to.wait_handle.is_none() {
        return follow(work, wait).await;
    }
    let answer = Answer::promised(tasks, wait.rules(wait.definition.as_deref()));
    promise(work, wait, answer).await
}

/// Writes the row of a wait whose end is signalled to a WaitHandle. Where the ledger does not take it, the tasks are
/// stopped: nobody would learn how they end.
async fn promise(work: &Work<'_>, wait: Wait, answer: Answer) -> Ending {
    // Until then it is this invocation's.
    let next_look = rows::takes_over_at(work.invocation.ends_at(), &wait);
    let row = rows::Row::promised(&wait, work.now(), next_look);
    let written = match work.memory.ledger {
        Some(ledger) => work.ride_out(|| ledger.first(&row)).await.map(|_| ()).map_err(Some),
        None => Err(None),
    };
    match written {
        Ok(()) => Ending::Promised(answer, Box::new(wait)),
        Err(error) => {
            let soon = work.due(work.invocation.soon());
            let stopped = stop(&soon, &wait.tasks, NOT_REMEMBERED).await;
            let reason = texts::not_remembered(error.as_ref());
            Ending::Answered(Answer::Failed(texts::not_stopped(reason, &stopped.refused)))
        }
    }
}
