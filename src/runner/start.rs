//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. Started tasks are kept, and missing ones
//! are started by the next token: ECS replays the answers of a token, so every delivery asks for the same by
//! the same token. StartTask has no client token, so tasks of this request are looked for before each call.

use std::{cell::Cell, time::Duration as StdDuration};

use backon::{BackoffBuilder, ExponentialBuilder};
use time::{Duration, OffsetDateTime};

use super::{
    clear::stop_and_wait,
    decide::{
        ledger::{Redelivery, StartTaskCall},
        marks::{SUPERSEDES, tags},
        texts::{self, StartTried},
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    ledger::Written,
    tasks::{Certainty, own_tasks, stop_tasks_of_request},
    work::{CausedByCall, Work},
};
use crate::{
    aws::ecs::{Launch, Launched},
    call::CallError,
    failures::{self, Retry},
    identity,
    properties::Properties,
    reason::Reason,
    task::{LaunchFailure, Task, TaskArn},
};

/// How long a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);
/// The stoppedReason of the tasks of a run that could not be started as a whole.
const NOT_ALL_STARTED: &str = "ecs-tasks: not all tasks of this run could be started";

/// The outcome of starting a run.
pub(super) enum Start {
    /// All of its tasks have been started.
    Complete(Started),
    /// Not all could be started, and those that did have been stopped.
    Failed(Reason),
}

/// The tasks of a run.
#[derive(Default)]
pub(super) struct Started {
    /// All of them.
    pub(super) tasks: Vec<TaskArn>,
    /// The tasks as the answers of the start described them. A replayed answer leaves things out, and a task
    /// of an earlier delivery is not here.
    pub(super) seen: Vec<Task>,
    /// The attempt, counted from 0, whose client token was used last.
    pub(super) attempt: u32,
}

/// Why a start did not go through.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// A later request of the resource has replaced this one.
    #[error("{}", texts::SUPERSEDED)]
    Superseded,
    /// An earlier delivery called StartTask, and its tasks cannot be seen.
    #[error("{}", texts::STARTED_UNSEEN)]
    StartedUnseen,
    /// An earlier delivery has given this run up.
    #[error("{NOT_ALL_STARTED}")]
    GivenUp,
    #[error("{0}")]
    Call(#[from] CallError),
}

/// The outcome of one attempt.
#[derive(Debug)]
struct Attempt {
    /// Why tasks are missing, as far as ECS said.
    failures: Vec<LaunchFailure>,
    /// The error of a call, where time may mend it.
    refused: Option<CallError>,
    /// Whether another attempt may start the missing tasks.
    hopeful: bool,
    /// Whether ECS has not used this client token, so that it can be used again.
    token_unused: bool,
}

impl Started {
    /// When the first of them was made. Timeout counts from then, even if an earlier delivery made it.
    pub(super) fn began_at(&self) -> Option<OffsetDateTime> {
        self.seen.iter().filter_map(|task| task.created_at).min()
    }

    fn add(&mut self, tasks: impl IntoIterator<Item = TaskArn>) {
        for task in tasks {
            if !self.tasks.contains(&task) {
                self.tasks.push(task);
            }
        }
    }
}

impl CausedByCall for StartError {
    fn call(&self) -> Option<&CallError> {
        match self {
            Self::Call(error) => Some(error),
            Self::Superseded | Self::StartedUnseen | Self::GivenUp => None,
        }
    }
}

impl StartError {
    /// As the error of the call that was not made.
    fn into_call(self) -> CallError {
        match self {
            Self::Call(error) => error,
            refused => CallError::refused("ecs:StartTask", &refused.to_string()),
        }
    }
}

/// Starts the tasks that the properties ask for. `attempt` is the first client token to use. A stack in the
/// making may have a role whose policies have not spread yet.
pub(super) async fn start(
    work: &Work<'_>,
    properties: &Properties,
    attempt: u32,
    is_new_stack: bool,
) -> Start {
    let start = launch_until_complete(work, properties, attempt, is_new_stack).await;
    if let Start::Complete(started) = &start {
        let arns: Vec<&str> = started.tasks.iter().map(|task| task.0.as_str()).collect();
        tracing::info!(cluster = work.cluster, task_arn = arns.join(","), "started");
    }
    start
}

async fn launch_until_complete(
    work: &Work<'_>,
    properties: &Properties,
    attempt: u32,
    is_new_stack: bool,
) -> Start {
    let expected = properties.tasks();
    let patience = work.deadline.min(work.now() + CAPACITY_PATIENCE);
    let backoff = ExponentialBuilder::default()
        .with_min_delay(StdDuration::from_secs(1))
        .with_max_delay(StdDuration::from_secs(10))
        .without_max_times()
        .with_jitter();
    let mut delays = backoff.build();
    let (began_at, mut attempts) = (work.now(), 0);
    let mut started = Started { attempt, ..Started::default() };
    loop {
        attempts += 1;
        let attempt = launch_missing(work, properties, &mut started, is_new_stack).await;
        if started.tasks.len() >= expected {
            return Start::Complete(started);
        }
        let delay = delays.next().unwrap_or_default();
        match &attempt {
            Ok(attempt) if attempt.hopeful && work.now() + delay < patience => {
                let why = attempt.failures.iter().map(|failure| failure.reason.clone());
                let why: Vec<String> = why.chain(attempt.refused.iter().map(ToString::to_string)).collect();
                tracing::warn!(
                    reason = why.join("; "),
                    "{} of {expected} tasks have started; trying again",
                    started.tasks.len()
                );
            }
            _ => {
                let seconds = (work.now() - began_at).whole_seconds();
                return resolve_incomplete(work, properties, started, attempt, (attempts, seconds)).await;
            }
        }
        tokio::time::sleep(delay).await;
        let token_unused = attempt.is_ok_and(|attempt| attempt.token_unused);
        started.attempt += u32::from(!token_unused);
    }
}

/// One attempt at the tasks that are missing.
async fn launch_missing(
    work: &Work<'_>,
    properties: &Properties,
    started: &mut Started,
    is_new_stack: bool,
) -> Result<Attempt, StartError> {
    let (started_by, tags) = (work.started_by(), tags(work.reply_to, properties.timeout > 0));
    let count = properties.tasks() - started.tasks.len();
    let launch = Launch { properties, started_by: &started_by, tags: &tags, count };
    match launch_once(work, &launch, started).await {
        Ok(Launched::Answer { tasks, failures }) => {
            let hopeful = !failures.is_empty() && failures.iter().all(may_pass);
            started.add(tasks.iter().map(|task| task.arn.clone()));
            started.seen.extend(tasks);
            Ok(Attempt { failures, refused: None, hopeful, token_unused: false })
        }
        // The answer that said why others did not start is lost; the next attempt says it again.
        Ok(Launched::Conflict(tasks)) => {
            tracing::info!("this request has started tasks before: keeping them");
            started.add(tasks);
            Ok(Attempt { failures: Vec::new(), refused: None, hopeful: true, token_unused: false })
        }
        Err(StartError::Call(error)) if is_passing(&error, is_new_stack) => {
            Ok(Attempt { failures: Vec::new(), refused: Some(error), hopeful: true, token_unused: true })
        }
        Err(error) => Err(error),
    }
}

/// Ends a start that no further attempt completes. If an earlier delivery of the request has started what this
/// one could not, its tasks are kept; else the run has failed, and its tasks are stopped. `tried` is the number
/// of attempts and their seconds.
async fn resolve_incomplete(
    work: &Work<'_>,
    properties: &Properties,
    mut started: Started,
    last: Result<Attempt, StartError>,
    tried: (u32, i64),
) -> Start {
    if let Err(StartError::Superseded) = &last {
        // A call whose answer did not come may have started tasks, too.
        let stopping = work.until(work.invocation.stop_deadline());
        let _ = stop_and_wait(&stopping, &started.tasks, &started.tasks, SUPERSEDES).await;
        if let Err(error) = stop_tasks_of_request(&stopping, Certainty::Tagged, Some(SUPERSEDES)).await {
            tracing::warn!("cannot look for tasks of an earlier delivery: {error}");
        }
        return Start::Failed(texts::superseded());
    }
    if last.is_ok() {
        match own_tasks(work).await {
            Ok(own) => {
                let alive = own.into_iter().filter(|task| !is_given_up(task) && !never_ran(task));
                started.add(alive.map(|task| task.arn));
            }
            Err(error) => tracing::warn!("cannot look for tasks of an earlier delivery: {error}"),
        }
        if started.tasks.len() >= properties.tasks() {
            tracing::info!("an earlier delivery of this request has started its tasks: keeping them");
            return Start::Complete(started);
        }
    }
    // The definition says how much a task asks for, and which containers it has.
    let reading = work.until(work.invocation.answer_reserve_at().min(work.now() + DEFINITION_PATIENCE / 4));
    let definition = Definition::read_once(&reading, &properties.task_definition, work.now()).await;
    let (stack_id, started, (attempts, seconds)) = (&work.reply_to.stack_id, &started.tasks, tried);
    let tried =
        StartTried { properties, stack_id, definition: definition.as_ref(), started, attempts, seconds };
    tracing::error!("not all tasks could be started: {last:?}");
    let reason = match last {
        Ok(Attempt { refused: Some(error), .. }) => texts::start_refused(&tried, &error),
        Ok(attempt) => texts::not_all_started(&tried, &attempt.failures),
        Err(error) => {
            let error = error.into_call();
            let reason = texts::start_refused(&tried, &error);
            // An error of another call, a look for tasks, does not say that none has been started.
            if error.is_of_start() { reason } else { texts::may_have_started(reason) }
        }
    };
    let ending = work.until(work.deadline.max(work.invocation.stop_deadline()));
    match stop_and_wait(&ending, started, started, NOT_ALL_STARTED).await {
        Ok(()) => Start::Failed(reason),
        Err(refused) => Start::Failed(texts::not_all_stopped(reason, &refused)),
    }
}

/// One call of RunTask or StartTask, tried again while its errors may pass. Where `ecs:TagResource` is denied
/// or the account has short ARNs, and the template gives no tags of its own, it goes without tags: the Python
/// function's role lacks that permission, and a stack that used it must go on working.
async fn launch_once(
    work: &Work<'_>,
    launch: &Launch<'_>,
    started: &Started,
) -> Result<Launched, StartError> {
    let token = &identity::client_token(&work.reply_to.request_id, started.attempt);
    let untagged = Launch { tags: &[], ..launch.clone() };
    let tags_denied = Cell::new(false);
    let once = async || {
        let launch = if tags_denied.get() { &untagged } else { launch };
        match launch.properties.instances() {
            None => Ok(work.aws.run_task(launch, token).await?),
            Some(instances) => start_on(work, launch, instances, started).await,
        }
    };
    let has_queued = Cell::new(false);
    let call = async || match once().await {
        Err(StartError::Call(error)) if is_about_tags(&error) && launch.properties.tags.is_none() => {
            tracing::warn!(
                "starting without tags, so tasks of a cancelled update cannot be told apart: {error}"
            );
            tags_denied.set(true);
            once().await
        }
        Err(StartError::Call(error)) if error.is_throttled() && !has_queued.replace(true) => {
            queue(work).await;
            if is_superseded(work).await {
                return Err(StartError::Superseded);
            }
            once().await
        }
        result => result,
    };
    work.ride_out(call).await
}

/// Queues with the account's other starts that ECS has throttled, until it is this one's turn. Without a queue
/// hundreds of starts would throttle each other again and again.
async fn queue(work: &Work<'_>) {
    let Some(ledger) = work.history.ledger else { return };
    let turn = match ledger.turn(work.now()).await {
        Ok(turn) => turn,
        Err(error) => {
            tracing::warn!("starting out of turn, because the ledger does not say whose it is: {error}");
            return;
        }
    };
    let left = turn - work.now();
    if turn < work.deadline && left.is_positive() {
        tracing::info!("ECS throttles starts: the turn of this one is in {} ms", left.whole_milliseconds());
        tokio::time::sleep(left.unsigned_abs()).await;
    }
}

/// Whether a later request has replaced this one meanwhile: it has looked for tasks already, and these would
/// run beside its own.
async fn is_superseded(work: &Work<'_>) -> bool {
    let Some(ledger) = work.history.ledger else { return false };
    match ledger.rows(&work.started_by()).await {
        Ok(rows) => rows.iter().any(|row| {
            row.request_id() == work.reply_to.request_id && row.redelivered() == Redelivery::Superseded
        }),
        Err(error) => {
            tracing::warn!("starting without knowing whether a later request has replaced this one: {error}");
            false
        }
    }
}

/// Starts a task on each of these instances that has none of this request yet. If an earlier delivery has
/// given the run up, its run has failed, and nothing is started beside its tasks.
async fn start_on(
    work: &Work<'_>,
    launch: &Launch<'_>,
    instances: &[String],
    started: &Started,
) -> Result<Launched, StartError> {
    let own = own_tasks(work).await?;
    // StartRetries starts a task that never ran anew, so it does not count.
    let retried = |task: &Task| launch.properties.start_retries > 0 && never_ran(task);
    let own: Vec<Task> = own.into_iter().filter(|task| !retried(task)).collect();
    if own.iter().any(is_given_up) {
        return Err(StartError::GivenUp);
    }
    let mut new: Vec<&Task> = own.iter().filter(|task| !started.tasks.contains(&task.arn)).collect();
    // In the order of their start, so that every delivery answers the same.
    let place = |task: &Task| {
        instances.iter().position(|instance| task.container_instance_arn.as_ref() == Some(instance))
    };
    new.sort_by_key(|task| (place(task), task.created_at, task.arn.clone()));
    if !new.is_empty() {
        return Ok(Launched::Conflict(new.into_iter().map(|task| task.arn.clone()).collect()));
    }
    let free: Vec<String> = free_instances(instances, &own, launch.count);
    if work.history.attempts > 0 && own.is_empty() {
        // An earlier delivery may have started tasks that cannot be seen yet, and a second run hurts more
        // than none.
        return Err(StartError::StartedUnseen);
    }
    count_attempt(work, started).await?;
    Ok(work.aws.start_task(launch, &free).await?)
}

/// Writes into the ledger that StartTask is about to be called, for the delivery that comes after this one.
async fn count_attempt(work: &Work<'_>, started: &Started) -> Result<(), StartError> {
    let Some(table) = work.history.ledger else { return Ok(()) };
    let number = started.attempt.max(work.history.attempts) + 1;
    match table.attempt(work.reply_to, StartTaskCall { number, delivery: work.history.delivery }).await {
        Ok(Written::Superseded | Written::Answered) => Err(StartError::Superseded),
        // The tasks that it starts will be seen in a moment.
        Ok(Written::Taken) => Err(CallError::being_made("ecs:StartTask").into()),
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

fn is_given_up(task: &Task) -> bool {
    task.stopped_reason.as_deref() == Some(NOT_ALL_STARTED)
}

/// Whether a task ended before any of its containers ran. A task that somebody has stopped stays stopped.
pub(super) fn never_ran(task: &Task) -> bool {
    task.is_over() && !task.ever_ran() && task.stop_code.as_deref() != Some("UserInitiated")
}

fn is_about_tags(error: &CallError) -> bool {
    error.is_denied() && error.message.contains("ecs:TagResource") || error.retry() == Retry::WithoutTags
}

/// Whether the refusal of a start passes by itself within a minute. A denial has been ridden out for 15 s; the
/// role of a stack in the making takes longer to take effect.
fn is_passing(error: &CallError, is_new_stack: bool) -> bool {
    error.is_of_start()
        && match error.retry() {
            Retry::Passing | Retry::Capacity => true,
            Retry::Denied => is_new_stack,
            Retry::No | Retry::Throttled | Retry::WithoutTags => false,
        }
}

/// Whether capacity may turn up; anything else is a mistake that time does not mend.
fn may_pass(failure: &LaunchFailure) -> bool {
    matches!(failures::of_launch(&failure.reason).entry.retry, Retry::Capacity | Retry::Passing)
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
