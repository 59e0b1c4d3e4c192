//! Finding the tasks of a resource again: those of this request, and those that an earlier one has left.
//!
//! startedBy marks the tasks of a resource; tags tell its requests apart, and whether anybody waits for a task.

use time::OffsetDateTime;

use super::{
    Run, Runner,
    decide::wait::MISSING_TOLERANCE,
    invocation::{Invocation, LOOK},
    started_by,
};
use crate::{
    aws::{CallError, CallErrorKind, ecs::Launch},
    cfn::ReplyTo,
    reason::Reason,
    task::{Task, TaskArn},
};

const STACK_ID_TAG: &str = "ecs-tasks:stack-id";
const LOGICAL_ID_TAG: &str = "ecs-tasks:logical-resource-id";
const REQUEST_ID_TAG: &str = "ecs-tasks:request-id";
const WAITS_TAG: &str = "ecs-tasks:waits";
/// What an earlier run is told when it is stopped.
const TAKES_OVER: &str = "ecs-tasks: a later request of the same resource takes over";

/// The tasks of a resource.
#[derive(Default)]
pub(super) struct Found {
    /// Described.
    pub(super) tasks: Vec<Task>,
    /// Listed as running, and not known to DescribeTasks yet.
    pub(super) started: Vec<TaskArn>,
    /// Listed as stopping or stopped, and not known to DescribeTasks.
    pub(super) stopped: Vec<TaskArn>,
}

impl Found {
    fn all_running_known(&self) -> bool {
        self.started.is_empty()
    }
}

impl Runner {
    /// Tasks that this very request has started, but for those that were stopped again because others did not start.
    pub(super) async fn own_tasks(
        &self,
        launch: &Launch<'_>,
        reply_to: &ReplyTo,
        given_up: &[TaskArn],
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Vec<TaskArn>, CallError> {
        let all_known = |found: &Found| found.started.is_empty() && found.stopped.is_empty();
        let found =
            self.find(&launch.properties.cluster, launch.started_by, all_known, until, invocation).await?;
        if !all_known(&found) && invocation.now() + LOOK >= until {
            // One of them may be this request's, and there is no token to keep a second start from running it twice.
            return Err(CallError::not_known_yet());
        }
        let own = found.tasks.into_iter().filter(|task| is_of_request(task, reply_to)).map(|task| task.arn);
        Ok(own.filter(|task| !given_up.contains(task)).collect())
    }

    /// Whether this very request has started tasks, as far as that can be found out.
    pub(super) async fn has_started(
        &self,
        cluster: &str,
        reply_to: &ReplyTo,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> bool {
        match self.find(cluster, &started_by(reply_to), Found::all_running_known, until, invocation).await {
            Ok(found) => found.tasks.iter().any(|task| is_of_request(task, reply_to)),
            Err(error) => {
                tracing::warn!(
                    "whether this request has started tasks before could not be found out: {error}"
                );
                false
            }
        }
    }

    /// All tasks of a resource, with their tags: those that run, and those that ECS knows as stopping or stopped.
    ///
    /// A task that has just been started can be in the list before it can be described. It is waited for, a minute at
    /// most, until there is `enough`: whose it is its tags alone tell.
    pub(super) async fn find(
        &self,
        cluster: &str,
        started_by: &str,
        enough: impl Fn(&Found) -> bool,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Found, CallError> {
        let mut known_by = None;
        loop {
            let found = self.look_for(cluster, started_by, until, invocation).await?;
            let known_by = *known_by.get_or_insert(until.min(invocation.now() + MISSING_TOLERANCE));
            if enough(&found) || invocation.now() + LOOK >= known_by {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One look at both lists of a resource's tasks.
    ///
    /// The second list is looked at as far as ECS lets us: whether it takes a desired status beside startedBy is not
    /// documented.
    pub(super) async fn look_for(
        &self,
        cluster: &str,
        started_by: &str,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Found, CallError> {
        let look = async || {
            let running = self.aws.list_tasks(cluster, started_by, false).await?;
            let stopped = match self.aws.list_tasks(cluster, started_by, true).await {
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
            let seen = self.aws.describe_tasks(cluster, &all).await?;
            let (started, stopped) = seen.missing.into_iter().partition(|task| running.contains(task));
            Ok(Found { tasks: seen.tasks, started, stopped })
        };
        invocation.ride_out(until, look).await
    }

    /// Stops tasks of an earlier request of this resource that were waited for, and waits until they have stopped: an
    /// update that was cancelled tells us nothing, and two migrations must never run side by side.
    pub(super) async fn stop_earlier(
        &self,
        run: &Run,
        reply_to: &ReplyTo,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<(), Reason> {
        let (cluster, started_by) = (&run.properties.cluster, started_by(reply_to));
        let found = self.find(cluster, &started_by, Found::all_running_known, until, invocation).await;
        let found = found.map_err(|error| Reason::earlier_unknown(&error))?;
        if !found.all_running_known() {
            if invocation.now() + LOOK >= until {
                return Err(Reason::earlier_unknown(&CallError::not_known_yet()));
            }
            // Unknown for a minute: lost, as far as anybody can tell. Telling it to stop does no harm.
            self.stop_tasks(Reason::default(), cluster, &found.started, TAKES_OVER, until, invocation).await;
        }
        let earlier: Vec<TaskArn> = found
            .tasks
            .into_iter()
            .filter(|task| !task.is_over() && !is_of_request(task, reply_to) && was_waited_for(task))
            .map(|task| task.arn)
            .collect();
        if earlier.is_empty() {
            return Ok(());
        }
        tracing::warn!(count = earlier.len(), "stopping tasks of an earlier request of this resource");
        let reason = Reason::earlier_runs();
        self.stop_and_wait(reason, cluster, &earlier, TAKES_OVER, until, invocation).await.map(|_| ())
    }

    /// Stops whatever this request may have started, after a fault that has lost the tasks' ARNs. Without a cluster it
    /// can have started nothing.
    pub(super) async fn stop_request(
        &self,
        reason: Reason,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Reason {
        let Some(cluster) = cluster else { return reason };
        let until = invocation.soon();
        let started_by = started_by(reply_to);
        match self.find(cluster, &started_by, Found::all_running_known, until, invocation).await {
            Ok(found) => {
                let running =
                    found.tasks.into_iter().filter(|task| !task.is_over() && is_of_request(task, reply_to));
                // What cannot be described yet has been started within the last minute, which is when this request was.
                let own: Vec<TaskArn> = running.map(|task| task.arn).chain(found.started).collect();
                self.stop_tasks(reason, cluster, &own, "ecs-tasks: the run failed", until, invocation).await
            }
            Err(error) => reason.may_run(&error),
        }
    }
}

/// The tags of every task, the same on every delivery of a request: other parameters under the same client token would
/// be a ConflictException.
pub(super) fn tags(reply_to: &ReplyTo, waits: bool) -> Vec<(String, String)> {
    [
        (STACK_ID_TAG, reply_to.stack_id.as_str()),
        (LOGICAL_ID_TAG, &reply_to.logical_resource_id),
        (REQUEST_ID_TAG, &reply_to.request_id),
        (WAITS_TAG, if waits { "true" } else { "false" }),
    ]
    .map(|(key, value)| (key.to_owned(), tag_value(value)))
    .to_vec()
}

/// A tag's value has at most 256 characters.
fn tag_value(value: &str) -> String {
    value.chars().take(256).collect()
}

fn is_of_request(task: &Task, reply_to: &ReplyTo) -> bool {
    task.tags.get(REQUEST_ID_TAG) == Some(&tag_value(&reply_to.request_id))
}

fn was_waited_for(task: &Task) -> bool {
    task.tags.get(WAITS_TAG).is_some_and(|waits| waits == "true")
}
