//! Finding the tasks of a resource again: those of this request, and those that an earlier one has left.
//!
//! Rests on what ECS documents: startedBy lists what runs; what is stopping or has stopped is listed by
//! family, and whose it is DescribeTasks says.

use super::{
    decide::{marks::is_of_request, wait::MISSING_TOLERANCE},
    work::{LOOK, Work},
};
use crate::{
    aws::CallError,
    task::{Task, TaskArn},
};

/// The tasks of a resource in one cluster.
#[derive(Default)]
pub(super) struct Found {
    /// Those that DescribeTasks knows.
    pub(super) described: Vec<Task>,
    /// Listed as running, and not described.
    pub(super) undescribed: Vec<TaskArn>,
    /// Listed as stopping or stopped, and not described: they may be anybody's of the family.
    undescribed_stopped: Vec<TaskArn>,
    /// Why nothing could be described, if that is so for good.
    pub(super) unseen: Option<CallError>,
}

impl Found {
    /// Whether every task that runs can be described, so that its tags say whose it is.
    pub(super) fn knows_what_runs(&self) -> bool {
        self.undescribed.is_empty()
    }

    fn knows_all(&self) -> bool {
        self.knows_what_runs() && self.undescribed_stopped.is_empty()
    }
}

/// Tasks that this very request has started, running or not, as far as ECS still knows them.
pub(super) async fn own_tasks(work: &Work<'_>) -> Result<Vec<Task>, CallError> {
    let found = find(work, Found::knows_all).await?;
    if !found.knows_all() && work.is_last_look() {
        // One of them may be this request's, and there is no token to keep a second start from running it
        // twice.
        return Err(CallError::not_known_yet());
    }
    Ok(found.described.into_iter().filter(|task| is_of_request(task, work.reply_to)).collect())
}

/// All tasks of a resource, with their tags: those that run, and those that ECS knows as stopping or stopped.
///
/// A task that has just been started can be in the list before it can be described. It is waited for, a
/// minute at most, until there is `enough`: whose it is its description alone says.
pub(super) async fn find(work: &Work<'_>, enough: fn(&Found) -> bool) -> Result<Found, CallError> {
    let mut known_by = None;
    loop {
        let found = look_for(work).await?;
        if let Some(error) = found.unseen {
            return Err(error);
        }
        let known_by = *known_by.get_or_insert(work.until.min(work.now() + MISSING_TOLERANCE));
        if enough(&found) || work.now() + LOOK >= known_by {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One look at a resource's tasks. That they may be listed and not be described is not an error: there is
/// something to stop.
pub(super) async fn look_for(work: &Work<'_>) -> Result<Found, CallError> {
    let (aws, cluster, started_by) = (work.aws, work.cluster, &work.started_by());
    let look = async || {
        let running = aws.list_running(cluster, started_by).await?;
        let mut all = running.clone();
        for family in work.families {
            let stopped = match aws.list_stopped(cluster, family).await {
                Err(error) if !error.is_transient() => {
                    tracing::warn!(
                        "tasks of family {family} that are stopping cannot be looked for: {error}"
                    );
                    Vec::new()
                }
                result => result?,
            };
            all.extend(stopped.into_iter().filter(|task| !running.contains(task)));
        }
        if all.is_empty() {
            return Ok(Found::default());
        }
        match aws.describe_tasks(cluster, &all).await {
            Ok(mut seen) => {
                // A family's tasks can be anybody's.
                seen.tasks.retain(|task| {
                    running.contains(&task.arn) || task.started_by.as_ref() == Some(started_by)
                });
                let (undescribed, undescribed_stopped) =
                    seen.missing.into_iter().partition(|task| running.contains(task));
                Ok(Found { described: seen.tasks, undescribed, undescribed_stopped, unseen: None })
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Found { undescribed: running, unseen: Some(error), ..Found::default() }),
        }
    };
    work.ride_out(look).await
}
