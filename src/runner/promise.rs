//! A run whose verdict goes to a WaitHandle: its request is answered as soon as its tasks have started and
//! the ledger keeps the wait for them.

use super::{
    decide::{answer::Answer, ledger as rows, texts, wait::Wait},
    follow::Ending,
    stop::stop,
    work::Work,
};
use crate::task::Task;

/// The stoppedReason of tasks whose end nobody would ever learn.
const NOT_REMEMBERED: &str = "ecs-tasks: the ledger cannot keep the wait for it";

/// Promises the end of a run that has started to its WaitHandle, and writes the row of that wait. Where the
/// ledger does not take it, the tasks are stopped: nobody would learn how they end.
pub(super) async fn promise(work: &Work<'_>, wait: Wait, tasks: &[Task]) -> Ending {
    let answer = Answer::promised(tasks, wait.rules(wait.definition.as_deref()));
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
