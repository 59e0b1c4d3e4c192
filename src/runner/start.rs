//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. What has started is kept, and what is
//! missing is started by the next token: ECS replays the answers of a token, so every delivery asks for the
//! same by the same token.

use std::time::Duration as StdDuration;

use backon::{BackoffBuilder, ExponentialBuilder};
use time::Duration;

use super::{
    decide::{
        marks::{SUPERSEDES, tags},
        texts::{self, StartTried},
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    find::own_tasks,
    launch::{NOT_ALL_STARTED, Started, is_given_up, launch_once, never_ran},
    stop::{stop_and_wait, stop_marked},
    work::Work,
};
use crate::{
    aws::{
        CallError,
        ecs::{Launch, LaunchFailure, Launched},
    },
    failures::{self, Retry},
    properties::Properties,
    reason::Reason,
};

/// How long a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);
/// What came of starting a run.
pub(super) enum Start {
    /// All of its tasks have been started.
    Complete(Started),
    /// Not all could be started, and those that did have been stopped.
    Failed(Reason),
}

/// What one attempt came to.
#[derive(Debug)]
struct Attempt {
    /// What is known of why not all tasks have started.
    failures: Vec<LaunchFailure>,
    /// The error that a call came to, where time may mend it.
    refused: Option<CallError>,
    /// Whether another attempt may start the rest.
    hopeful: bool,
    /// Whether ECS has made nothing of this client token, so that it can be used again.
    token_unused: bool,
}

/// Starts what the properties ask for. `attempt` is the first client token to use. A stack that is being made
/// may have a role whose policies have not spread yet.
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
    is_new_stack: bool,
) -> Result<Attempt, CallError> {
    let (started_by, tags) = (work.started_by(), tags(work.reply_to, properties.timeout > 0));
    let count = properties.tasks() - started.tasks.len();
    let launch = Launch { properties, started_by: &started_by, tags: &tags, count };
    match launch_once(work, &launch, started).await {
        Ok(Launched::Answer { tasks, failures }) => {
            let hopeful = !failures.is_empty() && failures.iter().all(may_pass);
            started.adopt(tasks.iter().map(|task| task.arn.clone()));
            started.seen.extend(tasks);
            Ok(Attempt { failures, refused: None, hopeful, token_unused: false })
        }
        // Why others did not start was in an answer that is lost; the next attempt says it again.
        Ok(Launched::Conflict(tasks)) => {
            tracing::info!("this request has started tasks before: going on with them");
            started.adopt(tasks);
            Ok(Attempt { failures: Vec::new(), refused: None, hopeful: true, token_unused: false })
        }
        Err(error) if is_passing(&error, is_new_stack) => {
            Ok(Attempt { failures: Vec::new(), refused: Some(error), hopeful: true, token_unused: true })
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
    if let Err(error) = &last
        && error.message == texts::SUPERSEDED
    {
        // A call before may have started what its answer, which did not come, would have named.
        let stopping = work.due(work.invocation.soon());
        stop_and_wait(&stopping, &started.tasks, SUPERSEDES).await;
        stop_marked(&stopping).await;
        return Start::Failed(texts::superseded());
    }
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
    let definition = Definition::read_once(&reading, &properties.task_definition, work.now()).await;
    let (stack_id, started) = (&work.reply_to.stack_id, &started.tasks);
    let tried =
        StartTried { properties, stack_id, definition: definition.as_ref(), started, attempts, seconds };
    let reason = match &last {
        Ok(Attempt { refused: Some(error), .. }) => texts::start_refused(&tried, error),
        Ok(attempt) => texts::not_all_started(&tried, &attempt.failures),
        Err(error) if error.is_of_start() => texts::start_refused(&tried, error),
        // A call before this look may have started what cannot be looked at.
        Err(error) => texts::may_have_started(texts::start_refused(&tried, error)),
    };
    tracing::error!("{}: {last:?}", reason.head());
    let ending = work.due(work.until.max(work.invocation.soon()));
    let stopped = stop_and_wait(&ending, started, NOT_ALL_STARTED).await;
    if stopped.is_complete() {
        return Start::Failed(reason);
    }
    Start::Failed(texts::not_all_stopped(reason, &stopped.refused))
}

/// Whether the refusal of a start passes by itself within a minute. A denial has been ridden out for 15 s; the
/// role of a stack that is being made takes longer to take effect.
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
