//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. StartTask has no token, so tasks of this request are
//! looked for by their tag before each attempt.

use std::{cell::Cell, time::Duration as StdDuration};

use backon::{BackoffBuilder, ExponentialBuilder};
use time::Duration;

use super::{
    decide::{marks::tags, texts},
    find::own_tasks,
    stop::stop_and_wait,
    work::Work,
};
use crate::{
    aws::{
        CallError, CallErrorKind,
        ecs::{Launch, LaunchFailure, Launched},
    },
    identity,
    properties::Properties,
    reason::Reason,
    task::{Task, TaskArn},
};

/// How long a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);

/// What came of starting a run.
pub(super) enum Start {
    /// All of its tasks run.
    Complete(Started),
    /// Not all could be started, and those that did have been stopped.
    Failed(Reason),
}

/// The tasks of a run.
pub(super) struct Started {
    /// All of them.
    pub(super) tasks: Vec<TaskArn>,
    /// As the start's answer described them; a replayed answer leaves things out, an adopted one has nothing.
    pub(super) seen: Vec<Task>,
    /// The attempt, counted from 0, whose client token they were started by.
    pub(super) attempt: u32,
}

/// Starts what the properties ask for. `attempt` is the first client token to use.
pub(super) async fn start(work: &Work<'_>, properties: &Properties, attempt: u32) -> Start {
    let (started_by, tags) = (work.started_by(), tags(work.reply_to, properties.timeout > 0));
    let launch = Launch { properties, started_by: &started_by, tags: &tags };
    let start = launch_until_complete(work, &launch, attempt).await;
    if let Start::Complete(started) = &start {
        let arns: Vec<&str> = started.tasks.iter().map(|task| task.0.as_str()).collect();
        tracing::info!(cluster = work.cluster, task_arn = arns.join(","), "started");
    }
    start
}

async fn launch_until_complete(work: &Work<'_>, launch: &Launch<'_>, mut attempt: u32) -> Start {
    let expected = launch.properties.tasks();
    let patience = work.until.min(work.now() + CAPACITY_PATIENCE);
    let backoff = ExponentialBuilder::default()
        .with_min_delay(StdDuration::from_secs(1))
        .with_max_delay(StdDuration::from_secs(10))
        .without_max_times()
        .with_jitter();
    let mut delays = backoff.build();
    let mut given_up = Vec::new();
    loop {
        let (partly, failures, hopeful) = match launch_once(work, launch, attempt, &given_up).await {
            Ok(Launched::Answer { tasks, failures }) => {
                let arns = tasks.iter().map(|task| task.arn.clone()).collect::<Vec<_>>();
                if failures.is_empty() && arns.len() >= expected {
                    return Start::Complete(Started { tasks: arns, seen: tasks, attempt });
                }
                let hopeful = !failures.is_empty() && failures.iter().all(LaunchFailure::may_pass);
                (arns, failures, hopeful)
            }
            Ok(Launched::Conflict(tasks)) if tasks.len() >= expected => {
                tracing::info!("this request has started its tasks before: going on with them");
                return Start::Complete(Started { tasks, seen: Vec::new(), attempt });
            }
            // Why the others did not start was in an answer that is lost; the next attempt says it again.
            Ok(Launched::Conflict(tasks)) => (tasks, Vec::new(), true),
            Err(error) => {
                let definition = &launch.properties.task_definition;
                return Start::Failed(texts::start_refused(&error, work.cluster, definition));
            }
        };
        let reason = texts::not_all_started(partly.len(), expected, &failures);
        let why = "ecs-tasks: not all tasks of this run could be started";
        let stopped = stop_and_wait(work, &partly, why).await;
        if !stopped.is_complete() {
            return Start::Failed(texts::not_all_stopped(reason, &stopped.refused));
        }
        given_up.extend(partly);
        let delay = delays.next().unwrap_or_default();
        if !hopeful || work.now() + delay >= patience {
            return Start::Failed(reason);
        }
        let why = failures.first().map(|failure| failure.reason.as_str());
        tracing::warn!(reason = why, "{}; trying again", reason.head());
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

/// One start that rides out what may pass. Where `ecs:TagResource` is denied, and the template gives no tags of its own, it
/// goes without tags: the Python function's role lacks that permission, and a stack that used it must go on working.
async fn launch_once(
    work: &Work<'_>,
    launch: &Launch<'_>,
    attempt: u32,
    given_up: &[TaskArn],
) -> Result<Launched, CallError> {
    let token = &identity::client_token(&work.reply_to.request_id, attempt);
    let untagged = Launch { tags: &[], ..launch.clone() };
    let tags_denied = Cell::new(false);
    let once = async || {
        let launch = if tags_denied.get() { &untagged } else { launch };
        match launch.properties.instances() {
            None => work.aws.run_task(launch, token).await,
            Some(instances) => match own_tasks(work, given_up).await? {
                own if own.is_empty() => work.aws.start_task(launch, instances).await,
                own => Ok(Launched::Conflict(own)),
            },
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

fn is_about_tags(error: &CallError) -> bool {
    error.kind == CallErrorKind::Denied && error.message.contains("ecs:TagResource")
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
