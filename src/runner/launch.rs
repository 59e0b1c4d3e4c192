//! One call that starts tasks, and whatever it takes to get it through: the tags that a role may not give,
//! and the turn of one of hundreds that ECS throttles.
//!
//! StartTask has no client token, so tasks of this request are looked for before each call of it.

use std::cell::Cell;

use time::OffsetDateTime;

use super::{
    decide::{
        ledger::{Redelivery, StartTaskCall},
        texts,
    },
    find::own_tasks,
    ledger::Written,
    work::Work,
};
use crate::{
    aws::{
        CallError,
        ecs::{Launch, Launched},
    },
    failures::Retry,
    identity,
    task::{Task, TaskArn},
};

/// The stoppedReason of what had started of a run that could not be started as a whole.
pub(super) const NOT_ALL_STARTED: &str = "ecs-tasks: not all tasks of this run could be started";

/// The tasks of a run.
#[derive(Default)]
pub(super) struct Started {
    /// All of them.
    pub(super) tasks: Vec<TaskArn>,
    /// As the answers of the start described them; a replayed answer leaves things out, an adopted task is
    /// not here.
    pub(super) seen: Vec<Task>,
    /// The attempt, counted from 0, whose client token was used last.
    pub(super) attempt: u32,
}

impl Started {
    /// When the first of them was made: an earlier delivery of the request may have done that, and Timeout
    /// counts from then on.
    pub(super) fn began_at(&self) -> Option<OffsetDateTime> {
        self.seen.iter().filter_map(|task| task.created_at).min()
    }

    pub(super) fn adopt(&mut self, tasks: impl IntoIterator<Item = TaskArn>) {
        for task in tasks {
            if !self.tasks.contains(&task) {
                self.tasks.push(task);
            }
        }
    }
}

/// One start that rides out what may pass. Where `ecs:TagResource` is denied or the account has short ARNs,
/// and the template gives no tags of its own, it goes without tags: the Python function's role lacks that permission, and a stack that used
/// it must go on working.
pub(super) async fn launch_once(
    work: &Work<'_>,
    launch: &Launch<'_>,
    started: &Started,
) -> Result<Launched, CallError> {
    let token = &identity::client_token(&work.reply_to.request_id, started.attempt);
    let untagged = Launch { tags: &[], ..launch.clone() };
    let tags_denied = Cell::new(false);
    let once = async || {
        let launch = if tags_denied.get() { &untagged } else { launch };
        match launch.properties.instances() {
            None => work.aws.run_task(launch, token).await,
            Some(instances) => start_on(work, launch, instances, started).await,
        }
    };
    let has_queued = Cell::new(false);
    let call = async || match once().await {
        Err(error) if is_about_tags(&error) && launch.properties.tags.is_none() => {
            tracing::warn!(
                "starting without tags, so tasks of a cancelled update cannot be told apart: {error}"
            );
            tags_denied.set(true);
            once().await
        }
        Err(error) if error.is_throttled() && !has_queued.replace(true) => {
            queue(work).await;
            if is_superseded(work).await {
                return Err(CallError::refused("ecs:RunTask", texts::SUPERSEDED));
            }
            once().await
        }
        result => result,
    };
    work.ride_out(call).await
}

/// Queues with the account's other starts that ECS has throttled, until it is this one's turn. Hundreds that
/// try again each by itself are throttled several times each.
async fn queue(work: &Work<'_>) {
    let Some(ledger) = work.memory.ledger else { return };
    let turn = match ledger.turn(work.now()).await {
        Ok(turn) => turn,
        Err(error) => {
            tracing::warn!("starting out of turn, because the ledger does not say whose it is: {error}");
            return;
        }
    };
    let left = turn - work.now();
    if turn < work.until && left.is_positive() {
        tracing::info!("ECS throttles starts: the turn of this one is in {} ms", left.whole_milliseconds());
        tokio::time::sleep(left.unsigned_abs()).await;
    }
}

/// Whether a later request has taken over meanwhile: it has looked for tasks already, and these would run
/// beside its own.
async fn is_superseded(work: &Work<'_>) -> bool {
    let Some(ledger) = work.memory.ledger else { return false };
    match ledger.rows(&work.started_by()).await {
        Ok(rows) => rows.iter().any(|row| {
            row.request_id() == work.reply_to.request_id && row.redelivered() == Redelivery::Superseded
        }),
        Err(error) => {
            tracing::warn!("starting without knowing whether a later request has taken over: {error}");
            false
        }
    }
}

/// Starts a task on each of these instances that has none of this request yet. Tasks that an earlier delivery
/// has given up are not gone on with, and nothing is started beside them: their run has failed.
async fn start_on(
    work: &Work<'_>,
    launch: &Launch<'_>,
    instances: &[String],
    started: &Started,
) -> Result<Launched, CallError> {
    let own = own_tasks(work).await?;
    // What StartRetries starts anew is not gone on with.
    let retried = |task: &Task| launch.properties.start_retries > 0 && never_ran(task);
    let own: Vec<Task> = own.into_iter().filter(|task| !retried(task)).collect();
    if own.iter().any(is_given_up) {
        return Err(CallError::refused("ecs:StartTask", NOT_ALL_STARTED));
    }
    let mut new: Vec<&Task> = own.iter().filter(|task| !started.tasks.contains(&task.arn)).collect();
    // In the order in which they were started, so that every delivery answers the same.
    let place = |task: &Task| {
        instances.iter().position(|instance| task.container_instance_arn.as_ref() == Some(instance))
    };
    new.sort_by_key(|task| (place(task), task.created_at, task.arn.clone()));
    if !new.is_empty() {
        return Ok(Launched::Conflict(new.into_iter().map(|task| task.arn.clone()).collect()));
    }
    let free: Vec<String> = free_instances(instances, &own, launch.count);
    if work.memory.attempts > 0 && own.is_empty() {
        // An earlier delivery may have started what cannot be seen yet, and a second run hurts more than
        // none.
        return Err(CallError::refused("ecs:StartTask", texts::STARTED_UNSEEN));
    }
    note_attempt(work, started).await?;
    work.aws.start_task(launch, &free).await
}

/// Says in the ledger that StartTask is about to be called, for the delivery that comes after this one.
async fn note_attempt(work: &Work<'_>, started: &Started) -> Result<(), CallError> {
    let Some(table) = work.memory.ledger else { return Ok(()) };
    let number = started.attempt.max(work.memory.attempts) + 1;
    match table.attempt(work.reply_to, StartTaskCall { number, delivery: work.memory.delivery }).await {
        Ok(Written::Superseded | Written::Answered) => {
            Err(CallError::refused("ecs:StartTask", texts::SUPERSEDED))
        }
        // What it starts will be seen in a moment.
        Ok(Written::Taken) => Err(CallError::being_made("ecs:StartTask")),
        Ok(Written::Done | Written::NoRow) => Ok(()),
        Err(error) => {
            tracing::warn!("the ledger does not know of this attempt: {error}");
            Ok(())
        }
    }
}

/// The instances, `count` of them, that have no task of this run yet. ECS says which instance a task runs on;
/// where it does not, instances are taken from the end, as ECS starts them in the order in which they are
/// named.
fn free_instances(instances: &[String], own: &[Task], count: usize) -> Vec<String> {
    let taken =
        |instance: &String| own.iter().any(|task| task.container_instance_arn.as_ref() == Some(instance));
    let free: Vec<String> = instances.iter().filter(|instance| !taken(instance)).cloned().collect();
    free[free.len().saturating_sub(count)..].to_vec()
}

pub(super) fn is_given_up(task: &Task) -> bool {
    task.stopped_reason.as_deref() == Some(NOT_ALL_STARTED)
}

/// Whether a task ended before any of its containers ran. What somebody has stopped stays stopped.
pub(super) fn never_ran(task: &Task) -> bool {
    task.is_over() && !task.ever_ran() && task.stop_code.as_deref() != Some("UserInitiated")
}

fn is_about_tags(error: &CallError) -> bool {
    error.is_denied() && error.message.contains("ecs:TagResource") || error.retry() == Retry::WithoutTags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instances_without_a_task_of_the_run_are_started_on() {
        let instances = ["i-1", "i-2", "i-3"].map(str::to_owned);
        let on = |instance: Option<&str>| Task {
            container_instance_arn: instance.map(str::to_owned),
            ..Task::unseen(TaskArn("task".to_owned()))
        };
        assert_eq!(free_instances(&instances, &[], 3), instances);
        assert_eq!(free_instances(&instances, &[on(Some("i-2"))], 2), ["i-1", "i-3"]);
        assert_eq!(free_instances(&instances, &[on(None)], 2), ["i-2", "i-3"]);
    }
}
