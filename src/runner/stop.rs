//! Stopping tasks: those of a run that has failed, and those of an earlier request.

use futures_util::future::join_all;

use super::{
    decide::{
        marks::{
            SUPERSEDES, disown, is_later, is_marked_by, is_of_later_request, is_of_request, must_end_before,
            superseded_since,
        },
        plan::Earlier,
        wait::{MISSING_PATIENCE, MISSING_TOLERANCE},
    },
    find::{Found, find, tasks_in_ledger},
    work::{LOOK, Work},
};
use crate::{
    aws::{CallError, CallErrorKind},
    task::{Observation, Task, TaskArn},
};

/// What came of asking ECS to stop tasks.
#[derive(Default)]
pub(super) struct Stopped {
    /// AWS refused, or could not be asked: they may still run.
    pub(super) refused: Vec<(TaskArn, CallError)>,
    /// ECS does not know them.
    pub(super) unknown: Vec<TaskArn>,
    /// All others had stopped by the end, as far as that was waited for.
    pub(super) in_time: bool,
}

impl Stopped {
    /// Whether nothing of them runs any more.
    pub(super) fn is_complete(&self) -> bool {
        self.refused.is_empty() && self.in_time
    }
}

/// What came of ending what earlier requests have left.
pub(super) enum Cleared {
    /// Nothing of it runs any more. Whether this very request has started tasks before, and which tasks are
    /// other requests'.
    Done { started_before: bool, others: Vec<TaskArn> },
    /// It cannot be looked for.
    Unseen(CallError),
    /// It has not stopped.
    Unstopped(Stopped),
    /// A later request has run tasks, and this one has started none.
    Superseded,
}

/// Asks ECS to stop these tasks.
pub(super) async fn stop(work: &Work<'_>, tasks: &[TaskArn], why: &str) -> Stopped {
    let stops = tasks.iter().map(|task| work.ride_out(move || work.aws.stop_task(work.cluster, task, why)));
    let mut stopped = Stopped::default();
    for (task, result) in tasks.iter().zip(join_all(stops).await) {
        match result {
            Ok(()) => {}
            Err(error) if is_unknown(&error) => stopped.unknown.push(task.clone()),
            Err(error) => {
                tracing::error!(task_arn = task.0, "a task could not be stopped: {error}");
                stopped.refused.push((task.clone(), error));
            }
        }
    }
    stopped
}

/// Stops these tasks and waits until nothing of them runs.
pub(super) async fn stop_and_wait(work: &Work<'_>, tasks: &[TaskArn], why: &str) -> Stopped {
    if tasks.is_empty() {
        return Stopped { in_time: true, ..Stopped::default() };
    }
    let stopped = stop(work, tasks, why).await;
    until_over(work, tasks, stopped).await
}

/// Waits until nothing of these tasks runs, unless some could not be stopped.
async fn until_over(work: &Work<'_>, tasks: &[TaskArn], stopped: Stopped) -> Stopped {
    if !stopped.refused.is_empty() {
        return stopped;
    }
    let in_time = wait_until_over(work, tasks).await.is_over;
    Stopped { in_time, ..stopped }
}

/// What tasks that have been told to stop have come to.
#[derive(Default)]
pub(super) struct LastLook {
    /// The last look that showed something.
    pub(super) seen: Observation,
    /// Whether nothing of them runs any more.
    pub(super) is_over: bool,
}

/// Looks at tasks that have been told to stop until nothing of them runs, or as long as there is time. The
/// last look counts. A task that ECS does not know may have just been started, or be missing from one answer:
/// it has ended only if it is unknown after a minute, and has been for half a minute on end.
pub(super) async fn wait_until_over(work: &Work<'_>, tasks: &[TaskArn]) -> LastLook {
    let (mut last, mut missing_since) = (LastLook::default(), None);
    let known_by = work.now() + MISSING_TOLERANCE;
    loop {
        let look = work.within(work.aws.describe_tasks(work.cluster, tasks)).await;
        let mut all_known = |seen: &Observation| {
            if seen.missing.is_empty() {
                missing_since = None;
                return true;
            }
            let since = *missing_since.get_or_insert(work.now());
            work.now() >= known_by && work.now() - since >= MISSING_PATIENCE
        };
        match look {
            Ok(seen) => {
                let is_over = all_known(&seen) && seen.tasks.iter().all(Task::is_over);
                last = LastLook { seen, is_over };
            }
            Err(error) => tracing::warn!("{error}"),
        }
        if last.is_over || work.is_last_look() {
            return last;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends what earlier requests of this resource have left running, in every cluster that they may have used:
/// CloudFormation does not report that an update was cancelled, and two migrations must never run side by
/// side.
pub(super) async fn clear_the_way(work: &Work<'_>, earlier: &Earlier) -> Cleared {
    // First, so that an earlier request that is about to start its tasks learns that it must not.
    work.memory.supersede_starting().await;
    let clusters = work.memory.clusters(&earlier.clusters);
    let mut all = Vec::new();
    for cluster in &clusters {
        let work = &work.on(cluster);
        let mut found = match find(work, Found::knows_what_runs).await {
            Ok(found) => found,
            // A cluster that has been deleted has no task left.
            Err(error) if error.is("ClusterNotFoundException") => continue,
            Err(error) => return Cleared::Unseen(error),
        };
        // The delivery that has started tasks of this request had cleared the way before.
        let was_clear = found.described.iter().any(|task| is_marked_by(task, work.reply_to));
        if !found.knows_what_runs() && !was_clear {
            if work.is_last_look() {
                return Cleared::Unseen(CallError::not_known_yet());
            }
            // Unknown for a minute: lost, as far as anybody can tell. Asking ECS to stop it does no harm.
            stop(work, &found.undescribed, SUPERSEDES).await;
        }
        if work.memory.is_first {
            found.described.iter_mut().for_each(disown);
        }
        all.push((cluster, found.described));
    }
    let own: Vec<&Task> = described_by(&all).filter(|task| is_of_request(task, work.reply_to)).collect();
    let started_before = !own.is_empty();
    let own = own.iter().filter_map(|task| task.created_at);
    let superseded = superseded_since(own, work.reply_to, work.now());
    let is_later =
        |task: &Task| !is_of_request(task, work.reply_to) && is_later(task, work.reply_to, superseded);
    let runs_later =
        |task: &Task| is_of_later_request(task, work.reply_to) || !task.is_over() && is_later(task);
    // This request has started nothing, and what it started now would run beside that.
    if !started_before && described_by(&all).any(runs_later) {
        return Cleared::Superseded;
    }
    let of_others = described_by(&all).filter(|task| !is_of_request(task, work.reply_to));
    let others = of_others.map(|task| task.arn.clone()).collect();
    for (cluster, described) in all {
        let work = &work.on(cluster);
        let must_end = |task: &Task| must_end_before(task, work.reply_to, earlier.waited) && !is_later(task);
        let left: Vec<Task> = described.into_iter().filter(must_end).collect();
        if left.is_empty() {
            continue;
        }
        tracing::warn!(cluster, count = left.len(), "ending tasks of an earlier request of this resource");
        // What is stopping already keeps the reason that it has.
        let running = left.iter().filter(|task| !task.is_stopping()).map(|task| task.arn.clone());
        let stopped = stop(work, &running.collect::<Vec<_>>(), SUPERSEDES).await;
        let left: Vec<TaskArn> = left.into_iter().map(|task| task.arn).collect();
        let stopped = until_over(work, &left, stopped).await;
        if !stopped.is_complete() {
            return Cleared::Unstopped(stopped);
        }
    }
    Cleared::Done { started_before, others }
}

/// What was described in all of these clusters.
fn described_by<'t>(all: &'t [(&String, Vec<Task>)]) -> impl Iterator<Item = &'t Task> {
    all.iter().flat_map(|(_, described)| described)
}

/// Stops whatever this request may have started, after a fault that has lost the tasks' ARNs. `Err` if tasks
/// could not be looked for.
pub(super) async fn stop_request(work: &Work<'_>) -> Result<Stopped, CallError> {
    let found = find(work, Found::knows_what_runs).await?;
    let running =
        found.described.into_iter().filter(|task| !task.is_over() && is_of_request(task, work.reply_to));
    // What cannot be described yet has been started within the last minute, which is when this request was;
    // but what the ledger knows is an earlier request's.
    let earlier = tasks_in_ledger(work);
    let undescribed = found.undescribed.into_iter().filter(|task| !earlier.contains(task));
    let own: Vec<TaskArn> = running.map(|task| task.arn).chain(undescribed).collect();
    Ok(stop(work, &own, "ecs-tasks: the run failed").await)
}

/// Stops what a tag says this request has started: a later request has taken over, which may have looked
/// before ECS had let an earlier delivery's start through.
pub(super) async fn stop_marked(work: &Work<'_>) {
    let found = match find(work, Found::knows_what_runs).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!("what an earlier delivery has started cannot be looked for: {error}");
            return;
        }
    };
    let marked =
        found.described.into_iter().filter(|task| !task.is_over() && is_marked_by(task, work.reply_to));
    let marked: Vec<TaskArn> = marked.map(|task| task.arn).collect();
    if !marked.is_empty() {
        tracing::warn!(count = marked.len(), "stopping what an earlier delivery of this request has started");
        stop(work, &marked, SUPERSEDES).await;
    }
}

/// A task or cluster that ECS does not know has nothing left to stop.
fn is_unknown(error: &CallError) -> bool {
    error.is("ClusterNotFoundException")
        || error.kind == CallErrorKind::Final && error.message.to_ascii_lowercase().contains("not found")
}
