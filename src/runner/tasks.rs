//! The tasks of a resource: the runner finds them, assigns them to requests, and stops them.
//!
//! It rests on ECS's documentation: startedBy lists running tasks; stopping and stopped tasks are
//! listed by family, and DescribeTasks says which resource they belong to.

use futures_util::future::join_all;

use super::{
    decide::{
        ledger,
        marks::{is_marked_by, is_of_request},
        wait::MISSING_TOLERANCE,
    },
    work::{LOOK, Work},
};
use crate::{
    call::{CallError, CallErrorKind},
    task::{Task, TaskArn},
};

/// The stoppedReason of the tasks of a run that failed before they could be waited for.
pub(super) const RUN_FAILED: &str = "ecs-tasks: the run failed";

/// The tasks of a resource in one cluster.
#[derive(Default)]
pub(super) struct Found {
    /// Tasks that DescribeTasks returned.
    pub(super) described: Vec<Task>,
    /// The resource's own tasks that DescribeTasks does not know: listed as running, or in the
    /// ledger.
    pub(super) undescribed: Vec<TaskArn>,
    /// Tasks that are listed as stopping or stopped and cannot be described. They may belong to any
    /// resource of the family.
    pub(super) undescribed_stopped: Vec<TaskArn>,
    /// The final error that prevents every description.
    pub(super) unseen: Option<CallError>,
}

/// The outcome of asking ECS to stop tasks.
#[derive(Default)]
pub(super) struct Stopped {
    /// Tasks that AWS refused to stop, or could not be asked to: they may still run.
    pub(super) refused: Vec<(TaskArn, CallError)>,
    /// Tasks that ECS does not know.
    pub(super) unknown: Vec<TaskArn>,
}

/// The tasks that a tag or their creation time assigns to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// A tag names the request.
    Tagged,
    /// A tag names the request, or there is no tag and the task is young enough. Tasks that cannot
    /// be described yet are included.
    Likely,
}

impl Found {
    /// Every running task is described, so its tags say which request started it.
    pub(super) fn knows_what_runs(&self) -> bool {
        self.undescribed.is_empty()
    }

    /// Every stopping or stopped task is described, so its resource is known.
    pub(super) fn knows_what_stops(&self) -> bool {
        self.undescribed_stopped.is_empty()
    }

    /// Every task of the resource is described.
    pub(super) fn knows_all(&self) -> bool {
        self.knows_what_runs() && self.knows_what_stops()
    }
}

/// Tasks that this request has started, running or not, as far as ECS still knows them.
pub(super) async fn own_tasks(work: &Work<'_>) -> Result<Vec<Task>, CallError> {
    let found = find(work, Found::knows_all).await?;
    if !found.knows_all() && work.is_last_look() {
        // One of the unknown tasks may be this request's. Without a client token nothing prevents a
        // second start of it.
        return Err(CallError::not_known_yet());
    }
    let is_own =
        |task: &Task| is_of_request(task, work.reply_to) && !work.foreign_tasks.contains(&task.arn);
    Ok(found.described.into_iter().filter(is_own).collect())
}

/// All tasks of a resource, with their tags: running ones, and those that ECS lists as stopping or
/// stopped.
///
/// A new task can be in a list before it can be described, and only its description says which
/// request started it. The look is repeated, for a minute at most, until there is `enough`.
pub(super) async fn find(work: &Work<'_>, enough: fn(&Found) -> bool) -> Result<Found, CallError> {
    let found = find_or_list(work, enough).await?;
    match found.unseen {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

/// Finds tasks as [`find`] does, for callers that also stop tasks which the role may not describe.
pub(super) async fn find_or_list(
    work: &Work<'_>,
    enough: fn(&Found) -> bool,
) -> Result<Found, CallError> {
    let mut known_by = None;
    loop {
        let found = look_for(work).await?;
        let known_by = *known_by.get_or_insert(work.deadline.min(work.now() + MISSING_TOLERANCE));
        if found.unseen.is_some() || enough(&found) || work.now() + LOOK >= known_by {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes one look at a resource's tasks. A denied DescribeTasks is no error here, because a Delete
/// can stop the listed tasks without it.
async fn look_for(work: &Work<'_>) -> Result<Found, CallError> {
    let (aws, cluster, started_by) = (work.aws, work.cluster, work.started_by());
    let remembered = tasks_in_ledger(work);
    let look = async || {
        // ECS documents that startedBy "must be the only filter", so stopping tasks need a second
        // list, by family.
        let running = aws.list_running(cluster, &started_by).await?;
        let mut listed = running.clone();
        for family in work.families {
            let stopped = match aws.list_stopped(cluster, family).await {
                Err(error) if !error.is_transient() => {
                    tracing::warn!("cannot look for stopping tasks of family {family}: {error}");
                    Vec::new()
                }
                result => result?,
            };
            let new = stopped.into_iter().filter(|task| !listed.contains(task));
            listed.extend(new.collect::<Vec<_>>());
        }
        let unlisted = remembered
            .iter()
            .filter(|task| !listed.contains(task))
            .cloned();
        let all: Vec<TaskArn> = listed.iter().cloned().chain(unlisted).collect();
        if all.is_empty() {
            return Ok(Found::default());
        }
        match aws.describe_tasks(cluster, &all).await {
            Ok(mut seen) => {
                // Other resources may have tasks of the same family.
                seen.tasks.retain(|task| {
                    running.contains(&task.arn)
                        || remembered.contains(&task.arn)
                        || task.started_by.as_ref() == Some(&started_by)
                });
                for task in &mut seen.tasks {
                    ledger::restore_tags(task, &work.history.earlier_rows);
                }
                // An old row can name a task that ECS has forgotten. If its request has ended, the
                // task has stopped long ago.
                let open = |task: &TaskArn| {
                    let mut rows = work.history.earlier_rows.iter();
                    rows.any(|row| row.is_unanswered() && row.names_task(task))
                };
                let unknown = seen
                    .missing
                    .into_iter()
                    .filter(|task| listed.contains(task) || open(task));
                let (undescribed, undescribed_stopped) =
                    unknown.partition(|task| running.contains(task) || remembered.contains(task));
                Ok(Found {
                    described: seen.tasks,
                    undescribed,
                    undescribed_stopped,
                    unseen: None,
                })
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Found {
                undescribed: running,
                unseen: Some(error),
                ..Found::default()
            }),
        }
    };
    work.ride_out(look).await
}

/// Tasks of other requests of the resource in this cluster, as far as the ledger knows them.
pub(super) fn tasks_in_ledger(work: &Work<'_>) -> Vec<TaskArn> {
    let rows = work
        .history
        .earlier_rows
        .iter()
        .filter(|row| row.is_in(work.cluster));
    rows.flat_map(|row| row.tasks.iter().cloned()).collect()
}

/// Stops these tasks. ECS may need up to their stopTimeout; the result says only which calls were
/// refused.
pub(super) async fn stop(work: &Work<'_>, tasks: &[TaskArn], why: &str) -> Stopped {
    let stops = tasks
        .iter()
        .map(|task| work.ride_out(move || work.aws.stop_task(work.cluster, task, why)));
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

/// Stops the tasks of this request after an error that lost their ARNs. Returns the tasks that AWS
/// refused to stop; `Err` if the request's tasks could not be looked for.
pub(super) async fn stop_tasks_of_request(
    work: &Work<'_>,
    certainty: Certainty,
    why: Option<&str>,
) -> Result<Vec<(TaskArn, CallError)>, CallError> {
    let work = &work.until(work.stop_deadline());
    let found = match find(work, Found::knows_what_runs).await {
        Ok(found) => found,
        // A cluster that does not exist has no task.
        Err(error) if error.is("ClusterNotFoundException") => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_own = match certainty {
        Certainty::Tagged => is_marked_by,
        Certainty::Likely => is_of_request,
    };
    let running = found
        .described
        .into_iter()
        .filter(|task| !task.is_over() && is_own(task, work.reply_to));
    // A task that cannot be described yet was started within the last minute, as this request was.
    // Tasks in the ledger belong to earlier requests.
    let earlier = tasks_in_ledger(work);
    let undescribed = found
        .undescribed
        .into_iter()
        .filter(|task| !earlier.contains(task));
    let undescribed = undescribed.filter(|_| certainty == Certainty::Likely);
    let own: Vec<TaskArn> = running.map(|task| task.arn).chain(undescribed).collect();
    if !own.is_empty() {
        tracing::warn!(
            count = own.len(),
            "stopping the tasks that this request has started"
        );
    }
    Ok(stop(work, &own, why.unwrap_or(RUN_FAILED)).await.refused)
}

/// The error says that ECS does not know the task or cluster, so there is nothing to stop.
fn is_unknown(error: &CallError) -> bool {
    error.is("ClusterNotFoundException")
        || error.kind == CallErrorKind::Final
            && error.message.to_ascii_lowercase().contains("not found")
}
