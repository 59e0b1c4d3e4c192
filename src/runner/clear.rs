//! Ends the tasks of earlier requests of the resource, before this request starts any: two
//! migrations must never run side by side, and CloudFormation does not report that an update was
//! cancelled.

use super::{
    decide::{
        marks::{
            SUPERSEDES, disown, is_later, is_marked_by, is_of_later_request, is_of_request,
            must_end_before, superseded_since,
        },
        plan::Earlier,
    },
    tasks::{Found, find, stop},
    wait::wait_until_over,
    work::Work,
};
use crate::{
    call::CallError,
    task::{Task, TaskArn},
};

/// The outcome of ending earlier requests' tasks.
pub(super) enum Cleared {
    /// None of these tasks runs any more.
    Done {
        /// This request has started tasks before.
        started_before: bool,
        /// The tasks of other requests.
        foreign_tasks: Vec<TaskArn>,
    },
    /// The tasks could not be looked for.
    Unseen(CallError),
    /// A task has not stopped.
    Unstopped {
        /// The tasks that AWS refused to stop.
        refused: Vec<(TaskArn, CallError)>,
        /// The tasks of which at least one has not stopped.
        tasks: Vec<TaskArn>,
    },
    /// A later request has run tasks, and this request has started none.
    Superseded,
}

/// Ends the tasks of earlier requests of this resource, in every cluster that they may have used.
pub(super) async fn clear_the_way(work: &Work<'_>, earlier: &Earlier) -> Cleared {
    // The ledger comes first, so that an earlier request that is about to start tasks learns that
    // it must not.
    work.history.supersede_starting().await;
    let clusters = work.history.clusters(&earlier.clusters);
    let mut all = Vec::new();
    for cluster in &clusters {
        let work = &work.on(cluster);
        // Stopping tasks must be described, too: one may be an earlier request's, and its container
        // may still run.
        let mut found = match find(work, Found::knows_all).await {
            Ok(found) => found,
            // A cluster that has been deleted has no task left.
            Err(error) if error.is("ClusterNotFoundException") => continue,
            Err(error) => return Cleared::Unseen(error),
        };
        // If this request has tasks, an earlier delivery has already ended the earlier requests'
        // tasks.
        let was_clear = found
            .described
            .iter()
            .any(|task| is_marked_by(task, work.reply_to));
        if !found.knows_what_runs() && !was_clear {
            if work.is_last_look() {
                return Cleared::Unseen(CallError::not_known_yet());
            }
            // A task that has been unknown for a minute is most likely lost. A StopTask for it does
            // no harm.
            stop(work, &found.undescribed, SUPERSEDES).await;
        }
        // The look that ends here may be followed by another: a hook's next invocation makes it.
        let may_look_again = work.is_last_look() && work.now() < earlier.answer_deadline;
        if !found.knows_what_stops() && !was_clear && may_look_again {
            return Cleared::Unseen(CallError::not_known_yet());
        }
        // A role that may not tag leaves only the creation time, which would assign a cancelled
        // request's late tasks to this one.
        if work.history.is_first {
            found.described.iter_mut().for_each(disown);
        }
        all.push((cluster, found.described));
    }
    let own: Vec<&Task> = described_in(&all)
        .filter(|task| is_of_request(task, work.reply_to))
        .collect();
    let started_before = !own.is_empty();
    let own = own.iter().filter_map(|task| task.created_at);
    // A deployment may deploy a revision that is older than the last one: ECS keeps their order.
    let is_of_hook = work.reply_to.is_of_hook();
    let superseded = superseded_since(own, work.reply_to, work.now()).filter(|_| !is_of_hook);
    let is_later = |task: &Task| {
        !is_of_request(task, work.reply_to) && is_later(task, work.reply_to, superseded)
    };
    let has_run_later = |task: &Task| is_of_later_request(task, work.reply_to) && !is_of_hook;
    let runs_later = |task: &Task| has_run_later(task) || !task.is_over() && is_later(task);
    // A task that this request starts now would run beside the later request's tasks.
    if !started_before && described_in(&all).any(runs_later) {
        return Cleared::Superseded;
    }
    let foreign = described_in(&all).filter(|task| !is_of_request(task, work.reply_to));
    let foreign_tasks = foreign.map(|task| task.arn.clone()).collect();
    for (cluster, described) in all {
        let work = &work.on(cluster);
        let must_end =
            |task: &Task| must_end_before(task, work.reply_to, earlier.waited) && !is_later(task);
        let left: Vec<Task> = described.into_iter().filter(must_end).collect();
        if left.is_empty() {
            continue;
        }
        tracing::warn!(
            cluster,
            count = left.len(),
            "ending tasks of an earlier request of this resource"
        );
        // A task that is stopping already keeps its stoppedReason.
        let running = left
            .iter()
            .filter(|task| !task.is_stopping())
            .map(|task| task.arn.clone());
        let running: Vec<TaskArn> = running.collect();
        let left: Vec<TaskArn> = left.into_iter().map(|task| task.arn).collect();
        if let Err(refused) = stop_and_wait(work, &running, &left, SUPERSEDES).await {
            return Cleared::Unstopped {
                refused,
                tasks: left,
            };
        }
    }
    Cleared::Done {
        started_before,
        foreign_tasks,
    }
}

/// Stops the tasks in `running`, and waits until no container of the tasks in `all` runs. `Err` if
/// one may still run, with the tasks that AWS refused to stop.
pub(super) async fn stop_and_wait(
    work: &Work<'_>,
    running: &[TaskArn],
    all: &[TaskArn],
    why: &str,
) -> Result<(), Vec<(TaskArn, CallError)>> {
    let refused = stop(work, running, why).await.refused;
    if refused.is_empty() && wait_until_over(work, all).await {
        Ok(())
    } else {
        Err(refused)
    }
}

fn described_in<'t>(all: &'t [(&String, Vec<Task>)]) -> impl Iterator<Item = &'t Task> {
    all.iter().flat_map(|(_, described)| described)
}
