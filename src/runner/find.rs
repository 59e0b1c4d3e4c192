//! Finding the tasks of a resource again: those of this request, and those that an earlier one has left.

use super::{
    decide::{marks::is_of_request, wait::MISSING_TOLERANCE},
    work::{LOOK, Work},
};
use crate::{
    aws::{CallError, CallErrorKind},
    task::{Task, TaskArn},
};

/// The tasks of a resource.
#[derive(Default)]
pub(super) struct Found {
    /// Those that DescribeTasks knows.
    pub(super) described: Vec<Task>,
    /// Listed as running, and not known to DescribeTasks yet.
    pub(super) undescribed_running: Vec<TaskArn>,
    /// Listed as stopping or stopped, and not known to DescribeTasks.
    pub(super) undescribed_stopped: Vec<TaskArn>,
}

impl Found {
    /// Whether every task that runs can be described, so that its tags say whose it is.
    pub(super) fn knows_what_runs(&self) -> bool {
        self.undescribed_running.is_empty()
    }

    fn knows_all(&self) -> bool {
        self.undescribed_running.is_empty() && self.undescribed_stopped.is_empty()
    }
}

/// Tasks that this very request has started, but for those that were stopped again because others did not start.
pub(super) async fn own_tasks(work: &Work<'_>, given_up: &[TaskArn]) -> Result<Vec<TaskArn>, CallError> {
    let found = find(work, Found::knows_all).await?;
    if !found.knows_all() && work.is_last_look() {
        // One of them may be this request's, and there is no token to keep a second start from running it twice.
        return Err(CallError::not_known_yet());
    }
    let own = found.described.into_iter().filter(|task| is_of_request(task, work.reply_to));
    Ok(own.map(|task| task.arn).filter(|task| !given_up.contains(task)).collect())
}

/// Whether this very request has started tasks, as far as that can be found out.
pub(super) async fn has_started(work: &Work<'_>) -> bool {
    match find(work, Found::knows_what_runs).await {
        Ok(found) => found.described.iter().any(|task| is_of_request(task, work.reply_to)),
        Err(error) => {
            tracing::warn!("whether this request has started tasks before could not be found out: {error}");
            false
        }
    }
}

/// All tasks of a resource, with their tags: those that run, and those that ECS knows as stopping or stopped.
///
/// A task that has just been started can be in the list before it can be described. It is waited for, a minute at most,
/// until there is `enough`: whose it is its tags alone say.
pub(super) async fn find(work: &Work<'_>, enough: impl Fn(&Found) -> bool) -> Result<Found, CallError> {
    let mut known_by = None;
    loop {
        let found = look_for(work).await?;
        let known_by = *known_by.get_or_insert(work.until.min(work.now() + MISSING_TOLERANCE));
        if enough(&found) || work.now() + LOOK >= known_by {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One look at both lists of a resource's tasks.
///
/// The second list is looked at as far as ECS lets us: whether it takes a desired status beside startedBy is not
/// documented.
pub(super) async fn look_for(work: &Work<'_>) -> Result<Found, CallError> {
    let (aws, cluster, started_by) = (work.aws, work.cluster, &work.started_by());
    let look = async || {
        let running = aws.list_tasks(cluster, started_by, false).await?;
        let stopped = match aws.list_tasks(cluster, started_by, true).await {
            Err(error) if error.kind != CallErrorKind::Transient => {
                tracing::warn!("tasks that are stopping cannot be looked for: {error}");
                Vec::new()
            }
            result => result?,
        };
        let stopped: Vec<TaskArn> = stopped.into_iter().filter(|task| !running.contains(task)).collect();
        let all = [running.clone(), stopped].concat();
        if all.is_empty() {
            return Ok(Found::default());
        }
        let seen = aws.describe_tasks(cluster, &all).await?;
        let (undescribed_running, undescribed_stopped) =
            seen.missing.into_iter().partition(|task| running.contains(task));
        Ok(Found { described: seen.tasks, undescribed_running, undescribed_stopped })
    };
    work.ride_out(look).await
}
