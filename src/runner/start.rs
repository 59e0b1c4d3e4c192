//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. What has started is kept, and what is
//! missing is started by the next token: ECS replays the answers of a token, so every delivery asks for the
//! same by the same token. StartTask has no token, so tasks of this request are looked for before each
//! attempt.

use std::{cell::Cell, time::Duration as StdDuration};

use backon::{BackoffBuilder, ExponentialBuilder};
use time::{Duration, OffsetDateTime};

use super::{
    decide::{
        ledger::StartTaskCall,
        marks::tags,
        texts::{self, StartTried},
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    find::own_tasks,
    ledger::Written,
    stop::stop_and_wait,
    work::Work,
};
use crate::{
    aws::{
        CallError,
        ecs::{Launch, LaunchFailure, Launched},
    },
    identity,
    properties::Properties,
    reason::Reason,
    task::{Task, TaskArn},
};

/// How long a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);
/// The stoppedReason of what had started of a run that could not be started as a whole.
const NOT_ALL_STARTED: &str = "ecs-tasks: not all tasks of this run could be started";

/// What came of starting a run.
pub(super) enum Start {
    /// All of its tasks run.
    Complete(Started),
    /// Not all could be started, and those that did have been stopped.
    Failed(Reason),
}

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

/// What one attempt came to.
#[derive(Debug)]
struct Attempt {
    /// What is known of why not all tasks have started.
    failures: Vec<LaunchFailure>,
    /// Whether another attempt may start the rest.
    hopeful: bool,
    /// Whether ECS has made nothing of this client token, so that it can be used again.
    token_unused: bool,
}

/// Starts what the properties ask for. `attempt` is the first client token to use.
pub(super) async fn start(work: &Work<'_>, properties: &Properties, attempt: u32) -> Start {
    let start = launch_until_complete(work, properties, attempt).await;
    if let Start::Complete(started) = &start {
        let arns: Vec<&str> = started.tasks.iter().map(|task| task.0.as_str()).collect();
        tracing::info!(cluster = work.cluster, task_arn = arns.join(","), "started");
    }
    start
}

async fn launch_until_complete(work: &Work<'_>, properties: &Properties, attempt: u32) -> Start {
    let expected = properties.tasks();
    let patience = work.until.min(work.now() + CAPACITY_PATIENCE);
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
        let attempt = launch_missing(work, properties, &mut started).await;
        if started.tasks.len() >= expected {
            return Start::Complete(started);
        }
        let delay = delays.next().unwrap_or_default();
        match &attempt {
            Ok(attempt) if attempt.hopeful && work.now() + delay < patience => {
                let why: Vec<&str> = attempt.failures.iter().map(|failure| failure.reason.as_str()).collect();
                tracing::warn!(
                    reason = why.join("; "),
                    "{} of {expected} tasks have started; trying again",
                    started.tasks.len()
                );
            }
            _ => {
                let seconds = (work.now() - began_at).whole_seconds();
                let tried = Tried { properties, attempts, seconds };
                return adopt_or_give_up(work, tried, started, attempt).await;
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
) -> Result<Attempt, CallError> {
    let (started_by, tags) = (work.started_by(), tags(work.reply_to, properties.timeout > 0));
    let count = properties.tasks() - started.tasks.len();
    let launch = Launch { properties, started_by: &started_by, tags: &tags, count };
    match launch_once(work, &launch, started).await {
        Ok(Launched::Answer { tasks, failures }) => {
            let hopeful = !failures.is_empty() && failures.iter().all(LaunchFailure::may_pass);
            started.adopt(tasks.iter().map(|task| task.arn.clone()));
            started.seen.extend(tasks);
            Ok(Attempt { failures, hopeful, token_unused: false })
        }
        // Why others did not start was in an answer that is lost; the next attempt says it again.
        Ok(Launched::Conflict(tasks)) => {
            tracing::info!("this request has started tasks before: going on with them");
            started.adopt(tasks);
            Ok(Attempt { failures: Vec::new(), hopeful: true, token_unused: false })
        }
        Err(error) if is_of_a_new_stack(&error) => {
            let failure = LaunchFailure { reason: error.message, arn: None, detail: None };
            Ok(Attempt { failures: vec![failure], hopeful: true, token_unused: true })
        }
        Err(error) => Err(error),
    }
}

/// How often a start was tried.
struct Tried<'t> {
    properties: &'t Properties,
    attempts: u32,
    seconds: i64,
}

/// A start that is to be given up. An earlier delivery of the request may have found what this one did not:
/// then this one goes on with that.
async fn adopt_or_give_up(
    work: &Work<'_>,
    tried: Tried<'_>,
    mut started: Started,
    last: Result<Attempt, CallError>,
) -> Start {
    let Tried { properties, attempts, seconds } = tried;
    if last.is_ok() {
        match own_tasks(work).await {
            Ok(own) => {
                let alive = own.into_iter().filter(|task| !is_given_up(task) && !never_ran(task));
                started.adopt(alive.map(|task| task.arn));
            }
            Err(error) => {
                tracing::warn!("what an earlier delivery has started cannot be looked for: {error}");
            }
        }
        if started.tasks.len() >= properties.tasks() {
            tracing::info!("an earlier delivery of this request has started its tasks: going on with them");
            return Start::Complete(started);
        }
    }
    // How much a task asks for, and which containers it has, stands in its definition.
    let reading = work.due(work.invocation.last_words_at().min(work.now() + DEFINITION_PATIENCE / 4));
    let definition = Definition::attempt(&reading, &properties.task_definition, work.now()).await;
    let (stack_id, started) = (&work.reply_to.stack_id, &started.tasks);
    let tried =
        StartTried { properties, stack_id, definition: definition.as_ref(), started, attempts, seconds };
    let reason = match &last {
        Ok(attempt) => texts::not_all_started(&tried, &attempt.failures),
        Err(error) => texts::start_refused(&tried, error),
    };
    tracing::error!("{}: {last:?}", reason.head());
    let ending = work.due(work.until.max(work.invocation.soon()));
    let stopped = stop_and_wait(&ending, started, NOT_ALL_STARTED).await;
    if stopped.is_complete() {
        return Start::Failed(reason);
    }
    Start::Failed(texts::not_all_stopped(reason, &stopped.refused))
}

/// One start that rides out what may pass. Where `ecs:TagResource` is denied, and the template gives no tags
/// of its own, it goes without tags: the Python function's role lacks that permission, and a stack that used
/// it must go on working.
async fn launch_once(work: &Work<'_>, launch: &Launch<'_>, started: &Started) -> Result<Launched, CallError> {
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
    let call = async || match once().await {
        Err(error) if is_about_tags(&error) && launch.properties.tags.is_none() => {
            tracing::warn!(
                "starting without tags, so tasks of a cancelled update cannot be told apart: {error}"
            );
            tags_denied.set(true);
            once().await
        }
        result => result,
    };
    work.ride_out(call).await
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
        // An earlier delivery may have started what cannot be seen yet, and a second run hurts more than none.
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
            Err(CallError::refused("ecs:StartTask", texts::TAKEN_OVER))
        }
        // What it starts will be seen in a moment.
        Ok(Written::Taken) => Err(CallError::not_known_yet()),
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

/// Whether a task ended before any of its containers ran. What somebody has stopped stays stopped.
fn never_ran(task: &Task) -> bool {
    task.is_over() && !task.ever_ran() && task.stop_code.as_deref() != Some("UserInitiated")
}

/// Whether ECS refuses a start for what a stack that is being made has seconds later: its first container
/// instance, and the service-linked role of a new account.
fn is_of_a_new_stack(error: &CallError) -> bool {
    ["No Container Instances were found in your cluster", "Unable to assume the service linked role"]
        .iter()
        .any(|words| error.message.contains(words))
}

impl Started {
    /// When the first of them was made: an earlier delivery of the request may have done that, and Timeout counts from
    /// then on.
    pub(super) fn began_at(&self) -> Option<OffsetDateTime> {
        self.seen.iter().filter_map(|task| task.created_at).min()
    }

    fn adopt(&mut self, tasks: impl IntoIterator<Item = TaskArn>) {
        for task in tasks {
            if !self.tasks.contains(&task) {
                self.tasks.push(task);
            }
        }
    }
}

fn is_about_tags(error: &CallError) -> bool {
    error.is_denied() && error.message.contains("ecs:TagResource")
}

impl LaunchFailure {
    /// Whether capacity may turn up; anything else is a mistake that time does not mend.
    fn may_pass(&self) -> bool {
        self.reason.starts_with("RESOURCE:")
            || self.reason == "AGENT"
            || self.reason.starts_with("Capacity is unavailable")
    }
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

    #[test]
    fn only_a_want_of_capacity_may_pass() {
        let failure = |reason: &str| LaunchFailure { reason: reason.to_owned(), arn: None, detail: None };
        for reason in
            ["RESOURCE:MEMORY", "RESOURCE:ENI", "AGENT", "Capacity is unavailable at this time. Try later."]
        {
            assert!(failure(reason).may_pass(), "{reason}");
        }
        for reason in ["ATTRIBUTE", "LOCATION", "MISSING", "INACTIVE", ""] {
            assert!(!failure(reason).may_pass(), "{reason}");
        }
    }
}
