//! Finding the tasks of a resource again: those of this request, and those that an earlier one has left.
//!
//! Rests on what ECS documents: startedBy lists what runs; what is stopping or has stopped is listed by
//! family, and whose it is DescribeTasks says.

use super::{
    decide::{ledger, marks::is_of_request, wait::MISSING_TOLERANCE},
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
    /// The resource's own, and not described: listed as running, or remembered.
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

    /// Whether every task that is stopping or has stopped can be described, so that whose it is is known.
    pub(super) fn knows_what_stops(&self) -> bool {
        self.undescribed_stopped.is_empty()
    }

    fn knows_all(&self) -> bool {
        self.knows_what_runs() && self.knows_what_stops()
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
    let is_own = |task: &Task| is_of_request(task, work.reply_to) && !work.others.contains(&task.arn);
    Ok(found.described.into_iter().filter(is_own).collect())
}

/// All tasks of a resource, with their tags: those that run, and those that ECS knows as stopping or stopped.
///
/// A task that has just been started can be in the list before it can be described. It is waited for, a
/// minute at most, until there is `enough`: whose it is its description alone says.
pub(super) async fn find(work: &Work<'_>, enough: fn(&Found) -> bool) -> Result<Found, CallError> {
    let found = look_until(work, enough).await?;
    match found.unseen {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

/// All tasks of a resource, for callers that stop also what nothing may describe.
pub(super) async fn look_until(work: &Work<'_>, enough: fn(&Found) -> bool) -> Result<Found, CallError> {
    let mut known_by = None;
    loop {
        let found = look_for(work).await?;
        let known_by = *known_by.get_or_insert(work.until.min(work.now() + MISSING_TOLERANCE));
        if found.unseen.is_some() || enough(&found) || work.now() + LOOK >= known_by {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One look at a resource's tasks. That they may be listed and not be described is not an error: there is
/// something to stop.
async fn look_for(work: &Work<'_>) -> Result<Found, CallError> {
    let (aws, cluster) = (work.aws, work.cluster);
    let ours = [work.started_by(), work.old_started_by()];
    let remembered = tasks_in_ledger(work);
    let look = async || {
        // First: what is started meanwhile has the form of today, and the later list has it.
        let mut running = list_old(work).await?;
        running.extend(aws.list_running(cluster, &work.started_by()).await?);
        let mut listed = running.clone();
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
            let new = stopped.into_iter().filter(|task| !listed.contains(task));
            listed.extend(new.collect::<Vec<_>>());
        }
        let unlisted = remembered.iter().filter(|task| !listed.contains(task)).cloned();
        let all: Vec<TaskArn> = listed.iter().cloned().chain(unlisted).collect();
        if all.is_empty() {
            return Ok(Found::default());
        }
        match aws.describe_tasks(cluster, &all).await {
            Ok(mut seen) => {
                // A family's tasks can be anybody's.
                seen.tasks.retain(|task| {
                    running.contains(&task.arn)
                        || remembered.contains(&task.arn)
                        || task.started_by.as_ref().is_some_and(|by| ours.contains(by))
                });
                for task in &mut seen.tasks {
                    ledger::restore_tags(task, &work.memory.others);
                }
                // What an ended request has started and ECS neither lists nor knows any more has stopped long
                // ago.
                let open = |task: &TaskArn| {
                    let mut rows = work.memory.others.iter();
                    rows.any(|row| row.is_unanswered() && row.claims(task))
                };
                let unknown = seen.missing.into_iter().filter(|task| listed.contains(task) || open(task));
                let (undescribed, undescribed_stopped) =
                    unknown.partition(|task| running.contains(task) || remembered.contains(task));
                Ok(Found { described: seen.tasks, undescribed, undescribed_stopped, unseen: None })
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Found { undescribed: running, unseen: Some(error), ..Found::default() }),
        }
    };
    work.ride_out(look).await
}

/// The tasks of the resource in this cluster that ECS wants running and whose `startedBy` has its first form:
/// of a time before the function was updated.
pub(super) async fn list_old(work: &Work<'_>) -> Result<Vec<TaskArn>, CallError> {
    match work.aws.list_running(work.cluster, &work.old_started_by()).await {
        Err(error) if !error.is_transient() => {
            tracing::warn!("tasks of an older version of this function cannot be looked for: {error}");
            Ok(Vec::new())
        }
        result => result,
    }
}

/// What other requests of the resource have started in this cluster, as far as the ledger knows.
pub(super) fn tasks_in_ledger(work: &Work<'_>) -> Vec<TaskArn> {
    let rows = work.memory.others.iter().filter(|row| row.is_in(work.cluster));
    rows.flat_map(|row| row.tasks.iter().cloned()).collect()
}
