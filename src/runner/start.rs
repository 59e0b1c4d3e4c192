//! Starts a run's tasks once, however often Lambda delivers the request.
//!
//! RunTask is idempotent by its client token, which is the RequestId. Started tasks count, and
//! the next token starts the missing ones: ECS replays the answers of a token, so every delivery
//! asks for the same tasks with the same token. StartTask has no client token, so each call is
//! preceded by a look for this request's tasks.

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
    failures::{self, Retry, STOPPED_BY_US, TIMED_OUT},
    identity,
    properties::Properties,
    reason::Reason,
    task::{LaunchFailure, STOPPED_BY_USER, Task, TaskArn},
};

/// The time for which a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);
/// The stoppedReason of the tasks of an incomplete start.
const NOT_ALL_STARTED: &str = "ecs-tasks: not all tasks of this run could be started";

pub(super) enum Start {
    /// All of its tasks have been started.
    Complete(Started),
    /// Not all could be started. The tasks that did start have been stopped.
    Failed(Reason),
}

/// The tasks of a run.
#[derive(Default)]
pub(super) struct Started {
    /// All tasks, including those of earlier deliveries.
    pub(super) tasks: Vec<TaskArn>,
    /// The tasks as ECS's answers to the start described them. A replayed answer omits members, and
    /// the tasks of an earlier delivery are missing here.
    pub(super) seen: Vec<Task>,
    /// The attempt, counted from 0, whose client token was used last.
    pub(super) attempt: u32,
}

/// The error of a start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// A later request of the resource has superseded this one.
    #[error("{}", texts::SUPERSEDED)]
    Superseded,
    /// An earlier delivery called StartTask, and its tasks cannot be seen.
    #[error("{}", texts::STARTED_UNSEEN)]
    StartedUnseen,
    /// An earlier delivery has failed this run and stopped its tasks, or a Delete has.
    #[error("{}", texts::GIVEN_UP)]
    GivenUp,
    #[error("{0}")]
    Call(#[from] CallError),
}

#[derive(Debug)]
struct Attempt {
    /// The failures that ECS gave for the missing tasks.
    failures: Vec<LaunchFailure>,
    /// The error of the call, if it may pass.
    refused: Option<CallError>,
    /// Another attempt may start the missing tasks.
    hopeful: bool,
    /// ECS has not used this client token, so the next attempt can repeat it.
    token_unused: bool,
}

/// The attempts to start a run's tasks.
#[derive(Clone, Copy)]
pub(super) struct Tried {
    /// A denial may be due to policies that have not spread yet.
    pub(super) is_new_stack: bool,
    /// There is time for a further attempt.
    pub(super) may_go_on: bool,
    /// There is time for a further attempt after one that AWS did not answer.
    pub(super) may_ask_again: bool,
    /// There were attempts before this one.
    pub(super) is_repeated: bool,
    /// The time of the first.
    pub(super) began_at: OffsetDateTime,
}

impl Started {
    /// The creation time of the first task. Timeout counts from it, even if an earlier delivery
    /// started the task.
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
    /// Returns the error of the call, or makes one for the call that was not made.
    fn into_call(self) -> CallError {
        match self {
            Self::Call(error) => error,
            refused => CallError::refused("ecs:StartTask", &refused.to_string()),
        }
    }
}

/// Starts the tasks of the properties. `attempt` selects the first client token. If `is_new_stack`,
/// a denial is tried again for longer, because the policies of a new role may not have spread yet.
///
/// The tasks come in the order of their ARNs: deliveries learn of them from different calls, and
/// the answer of each names the same task first.
pub(super) async fn start(
    work: &Work<'_>,
    properties: &Properties,
    attempt: u32,
    is_new_stack: bool,
) -> Start {
    let mut start = launch_until_complete(work, properties, attempt, is_new_stack).await;
    if let Start::Complete(started) = &mut start {
        started.tasks.sort();
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
    let patience = work.deadline.min(work.now() + CAPACITY_PATIENCE);
    let backoff = ExponentialBuilder::default()
        .with_min_delay(StdDuration::from_secs(1))
        .with_max_delay(StdDuration::from_secs(10))
        .without_max_times()
        .with_jitter();
    let mut delays = backoff.build();
    let (began_at, mut is_repeated) = (work.now(), false);
    let mut started = Started {
        attempt,
        ..Started::default()
    };
    loop {
        let delay = delays.next().unwrap_or_default();
        let tried = Tried {
            is_new_stack,
            may_go_on: work.now() + delay < patience,
            // Such a call has been made until the deadline.
            may_ask_again: false,
            is_repeated,
            began_at,
        };
        if let Some(end) = start_once(work, properties, &mut started, tried).await {
            return end;
        }
        is_repeated = true;
        // The call may have taken long, and the last attempt comes when patience ends.
        let left = (patience - work.now()).try_into().unwrap_or_default();
        tokio::time::sleep(delay.min(left)).await;
    }
}

/// Makes one attempt to start the missing tasks. `None` if they may start in another one.
pub(super) async fn start_once(
    work: &Work<'_>,
    properties: &Properties,
    started: &mut Started,
    tried: Tried,
) -> Option<Start> {
    let expected = properties.tasks();
    let attempt = launch_missing(work, properties, started, tried.is_new_stack).await;
    if started.tasks.len() >= expected {
        return Some(Start::Complete(std::mem::take(started)));
    }
    match &attempt {
        Ok(attempt) if attempt.hopeful && tried.may_go_on => {
            let why = attempt
                .failures
                .iter()
                .map(|failure| failure.reason.clone());
            let why: Vec<String> = why
                .chain(attempt.refused.iter().map(ToString::to_string))
                .collect();
            tracing::warn!(
                reason = why.join("; "),
                "{} of {expected} tasks have started; trying again",
                started.tasks.len()
            );
            // ECS replays the answer of a used token, failures included, so missing tasks need
            // the next one.
            started.attempt += u32::from(!attempt.token_unused);
            None
        }
        // The call may have taken effect, and the same token says so.
        Err(StartError::Call(error)) if error.is_transient() && tried.may_ask_again => {
            tracing::warn!("{error}; trying again");
            None
        }
        _ => {
            let started = std::mem::take(started);
            Some(resolve_incomplete(work, properties, started, attempt, tried).await)
        }
    }
}

/// Makes one attempt to start the missing tasks.
async fn launch_missing(
    work: &Work<'_>,
    properties: &Properties,
    started: &mut Started,
    is_new_stack: bool,
) -> Result<Attempt, StartError> {
    let (started_by, tags) = (
        work.started_by(),
        tags(work.reply_to, properties.timeout > 0),
    );
    let count = properties.tasks() - started.tasks.len();
    let launch = Launch {
        properties,
        started_by: &started_by,
        tags: &tags,
        count,
    };
    match launch_once(work, &launch, started).await {
        Ok(Launched::Answer { tasks, failures }) => {
            let hopeful = !failures.is_empty() && failures.iter().all(may_pass);
            started.add(tasks.iter().map(|task| task.arn.clone()));
            started.seen.extend(tasks);
            Ok(Attempt {
                failures,
                refused: None,
                hopeful,
                token_unused: false,
            })
        }
        // The failures of the conflicting call are lost, but the next attempt gets them again.
        Ok(Launched::Conflict(tasks)) => {
            tracing::info!("this request has already started tasks: using those");
            started.add(tasks);
            Ok(Attempt {
                failures: Vec::new(),
                refused: None,
                hopeful: true,
                token_unused: false,
            })
        }
        Err(StartError::Call(error)) if is_passing(&error, is_new_stack) => Ok(Attempt {
            failures: Vec::new(),
            refused: Some(error),
            hopeful: true,
            token_unused: true,
        }),
        Err(error) => Err(error),
    }
}

/// Ends a start that no further attempt can complete. If an earlier delivery has started the
/// missing tasks, the run keeps them; otherwise its tasks are stopped.
async fn resolve_incomplete(
    work: &Work<'_>,
    properties: &Properties,
    mut started: Started,
    last: Result<Attempt, StartError>,
    tried: Tried,
) -> Start {
    if let Err(StartError::Superseded) = &last {
        // A call without an answer may have started tasks, too.
        let stopping = work.until(work.stop_deadline());
        let _ = stop_and_wait(&stopping, &started.tasks, &started.tasks, SUPERSEDES).await;
        if let Err(error) =
            stop_tasks_of_request(&stopping, Certainty::Tagged, Some(SUPERSEDES)).await
        {
            tracing::warn!("cannot look for tasks that this request has started before: {error}");
        }
        return Start::Failed(texts::superseded());
    }
    if last.is_ok() {
        match own_tasks(work).await {
            Ok(own) => {
                let alive = own
                    .into_iter()
                    .filter(|task| !is_given_up(task) && !never_ran(task));
                started.add(alive.map(|task| task.arn));
            }
            Err(error) => tracing::warn!(
                "cannot look for tasks that this request has started before: {error}"
            ),
        }
        if started.tasks.len() >= properties.tasks() {
            tracing::info!(
                "an earlier delivery of this request has started its tasks: using those"
            );
            return Start::Complete(started);
        }
    }
    // The Reason names the memory that a task needs and its containers.
    let reading = work.until(
        work.invocation
            .answer_reserve_at()
            .min(work.now() + DEFINITION_PATIENCE / 4),
    );
    let definition = Definition::read_once(&reading, &properties.task_definition, work.now()).await;
    let (stack_id, started) = (&work.reply_to.stack_id, &started.tasks);
    let (was_repeated, seconds) = (
        tried.is_repeated,
        (work.now() - tried.began_at).whole_seconds(),
    );
    let tried = StartTried {
        properties,
        stack_id,
        definition: definition.as_ref(),
        started,
        was_repeated,
        seconds,
    };
    tracing::debug!("not all tasks could be started: {last:?}");
    let reason = match last {
        Ok(Attempt {
            refused: Some(error),
            ..
        }) => texts::start_refused(&tried, &error),
        Ok(attempt) => texts::not_all_started(&tried, &attempt.failures),
        Err(error) => {
            let error = error.into_call();
            let reason = texts::start_refused(&tried, &error);
            // The error of a look for tasks does not say that no task was started.
            if error.is_of_start() {
                reason
            } else {
                texts::may_have_started(reason, work.cluster, work.reply_to)
            }
        }
    };
    let ending = work.until(work.deadline.max(work.stop_deadline()));
    match stop_and_wait(&ending, started, started, NOT_ALL_STARTED).await {
        Ok(()) => Start::Failed(reason),
        Err(refused) => Start::Failed(texts::not_all_stopped(reason, &refused, started)),
    }
}

/// Calls RunTask or StartTask once, and again while its errors may pass. If `ecs:TagResource` is
/// denied or the account has short ARNs, and the template gives no tags of its own, the call goes
/// without tags: the Python function's role lacks that permission, and its stacks must keep
/// working.
async fn launch_once(
    work: &Work<'_>,
    launch: &Launch<'_>,
    started: &Started,
) -> Result<Launched, StartError> {
    let token = &identity::client_token(&work.reply_to.request_id, started.attempt);
    let untagged = Launch {
        tags: &[],
        ..launch.clone()
    };
    let tags_denied = Cell::new(false);
    let once = async || {
        let launch = if tags_denied.get() { &untagged } else { launch };
        match launch.properties.instances() {
            None => Ok(work.aws.run_task(launch, token).await?),
            Some(instances) => start_on(work, launch, instances, started).await,
        }
    };
    let tagged_or_not = async || match once().await {
        Err(StartError::Call(error))
            if is_about_tags(&error) && launch.properties.tags.is_none() =>
        {
            tracing::warn!(
                "starting without tags, so the tasks of a cancelled update cannot be told apart later: {error}"
            );
            tags_denied.set(true);
            once().await
        }
        result => result,
    };
    let has_queued = Cell::new(false);
    let call = async || match tagged_or_not().await {
        Err(StartError::Call(error)) if error.is_throttled() && !has_queued.replace(true) => {
            queue(work).await;
            // The wait in the queue can take minutes, in which CloudFormation may have sent another
            // request.
            if is_superseded(work).await {
                return Err(StartError::Superseded);
            }
            tagged_or_not().await
        }
        result => result,
    };
    work.ride_out(call).await
}

/// Waits for this start's turn in the queue of the throttled starts. Without a queue hundreds of
/// starts would throttle each other again and again.
async fn queue(work: &Work<'_>) {
    let Some(ledger) = work.history.ledger else {
        return;
    };
    let turn = match ledger.turn(work.now()).await {
        Ok(turn) => turn,
        Err(error) => {
            tracing::warn!(
                "starting out of turn, because the ledger does not say whose turn it is: {error}"
            );
            return;
        }
    };
    let left = turn - work.now();
    if turn < work.deadline && left.is_positive() {
        tracing::info!(
            "ECS throttles starts: this request waits {} ms for its turn",
            left.whole_milliseconds()
        );
        tokio::time::sleep(left.unsigned_abs()).await;
    }
}

/// A later request has superseded this one meanwhile. It has looked for tasks already, so tasks
/// that start now would run beside its own.
async fn is_superseded(work: &Work<'_>) -> bool {
    let Some(ledger) = work.history.ledger else {
        return false;
    };
    match ledger.rows(&work.started_by()).await {
        Ok(rows) => rows.iter().any(|row| {
            row.request_id() == work.reply_to.request_id
                && row.redelivered() == Redelivery::Superseded
        }),
        Err(error) => {
            tracing::warn!(
                "starting without knowing whether a later request has replaced this one: {error}"
            );
            false
        }
    }
}

/// Starts a task on each of these instances that has none of this request's yet. If the run has
/// been given up, nothing is started.
async fn start_on(
    work: &Work<'_>,
    launch: &Launch<'_>,
    instances: &[String],
    started: &Started,
) -> Result<Launched, StartError> {
    let own = own_tasks(work).await?;
    // StartRetries replaces a task that never ran, so it does not count.
    let retried = |task: &Task| launch.properties.start_retries > 0 && never_ran(task);
    let own: Vec<Task> = own.into_iter().filter(|task| !retried(task)).collect();
    if own.iter().any(is_given_up) {
        return Err(StartError::GivenUp);
    }
    let arns = own.iter().map(|task| task.arn.clone());
    let new: Vec<TaskArn> = arns.filter(|task| !started.tasks.contains(task)).collect();
    if !new.is_empty() {
        return Ok(Launched::Conflict(new));
    }
    let free: Vec<String> = free_instances(instances, &own, launch.count);
    if work.history.attempts > 0 && own.is_empty() {
        // An earlier delivery may have started tasks that cannot be seen yet. A second run does
        // more harm than none.
        return Err(StartError::StartedUnseen);
    }
    count_attempt(work, started).await?;
    Ok(work.aws.start_task(launch, &free).await?)
}

/// Counts a call of StartTask in the ledger before it is made, so that the next delivery knows of
/// it.
async fn count_attempt(work: &Work<'_>, started: &Started) -> Result<(), StartError> {
    let Some(table) = work.history.ledger else {
        return Ok(());
    };
    let number = started.attempt.max(work.history.attempts) + 1;
    match table
        .attempt(
            work.reply_to,
            StartTaskCall {
                number,
                delivery: work.history.delivery,
            },
        )
        .await
    {
        Ok(Written::Superseded | Written::Answered) => Err(StartError::Superseded),
        // The other delivery's tasks will be visible in a moment.
        Ok(Written::Taken) => Err(CallError::being_made("ecs:StartTask").into()),
        Ok(Written::Done | Written::NoRow) => Ok(()),
        Err(error) => {
            tracing::warn!("cannot save this attempt in the ledger: {error}");
            Ok(())
        }
    }
}

/// Returns `count` instances that have no task of this run yet. If ECS does not say which instance
/// a task runs on, instances are taken from the end, because ECS starts tasks in the order of the
/// named instances.
fn free_instances(instances: &[String], own: &[Task], count: usize) -> Vec<String> {
    let taken = |instance: &String| {
        own.iter()
            .any(|task| task.container_instance_arn.as_ref() == Some(instance))
    };
    let free: Vec<String> = instances
        .iter()
        .filter(|instance| !taken(instance))
        .cloned()
        .collect();
    free[free.len().saturating_sub(count)..].to_vec()
}

/// This function has stopped the task before its deadline: the run has failed, or its resource is
/// deleted. Where StopTask has cleared the tags, the task may even be another request's.
fn is_given_up(task: &Task) -> bool {
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    reason.starts_with(STOPPED_BY_US) && !reason.starts_with(TIMED_OUT)
}

/// The task ended before any of its containers ran, and nobody stopped it. A task that a person has
/// stopped must stay stopped.
pub(super) fn never_ran(task: &Task) -> bool {
    task.is_over() && !task.ever_ran() && task.stop_code.as_deref() != Some(STOPPED_BY_USER)
}

fn is_about_tags(error: &CallError) -> bool {
    error.is_denied() && error.message.contains("ecs:TagResource")
        || error.retry() == Retry::WithoutTags
}

/// The refusal of a start may pass within a minute. A denial has already been tried again for 15 s,
/// but the role of a new stack can take longer to take effect.
fn is_passing(error: &CallError, is_new_stack: bool) -> bool {
    error.is_of_start()
        && match error.retry() {
            Retry::Passing | Retry::Capacity => true,
            Retry::Denied => is_new_stack,
            Retry::No | Retry::Throttled | Retry::WithoutTags => false,
        }
}

/// Capacity may become available, or the failure passes by itself. Time does not repair any other
/// failure.
fn may_pass(failure: &LaunchFailure) -> bool {
    matches!(
        failures::of_launch(&failure.reason).entry.retry,
        Retry::Capacity | Retry::Passing
    )
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
        assert_eq!(
            free_instances(&instances, &[on(Some("i-2"))], 2),
            ["i-1", "i-3"]
        );
        assert_eq!(free_instances(&instances, &[on(None)], 2), ["i-2", "i-3"]);
    }
}
