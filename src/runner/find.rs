//! Finding the tasks of a resource again: those of this request, and those that an earlier one has left.
//!
//! startedBy marks the tasks of a resource; tags tell its requests apart, and whether anybody waits for a task.

use time::OffsetDateTime;

use super::{Run, Runner, invocation::Invocation, started_by};
use crate::{
    aws::{Error, ecs::Launch},
    cfn::ReplyTo,
    reason::Reason,
    task::{Task, TaskArn},
};

const STACK_ID_TAG: &str = "ecs-tasks:stack-id";
const LOGICAL_ID_TAG: &str = "ecs-tasks:logical-resource-id";
const REQUEST_ID_TAG: &str = "ecs-tasks:request-id";
const WAITS_TAG: &str = "ecs-tasks:waits";

impl Runner {
    /// Tasks that this very request has started, but for those that were stopped again because others did not start.
    pub(super) async fn own_tasks(
        &self,
        launch: &Launch<'_>,
        reply_to: &ReplyTo,
        given_up: &[TaskArn],
    ) -> Result<Vec<TaskArn>, Error> {
        let found = self.find(&launch.properties.cluster, launch.started_by).await?;
        let own = found.into_iter().filter(|task| is_of_request(task, reply_to)).map(|task| task.arn);
        Ok(own.filter(|task| !given_up.contains(task)).collect())
    }

    /// All tasks of a resource, with their tags: those that run, and those that ECS knows as stopping or stopped.
    ///
    /// The latter are looked for as far as ECS lets us: whether it takes a desired status beside startedBy is not
    /// documented.
    pub(super) async fn find(&self, cluster: &str, started_by: &str) -> Result<Vec<Task>, Error> {
        let mut tasks = self.aws.list_tasks(cluster, started_by, false).await?;
        match self.aws.list_tasks(cluster, started_by, true).await {
            Ok(stopped) => {
                let new: Vec<TaskArn> = stopped.into_iter().filter(|task| !tasks.contains(task)).collect();
                tasks.extend(new);
            }
            Err(error) => tracing::warn!("tasks that are stopping cannot be looked for: {error}"),
        }
        match tasks {
            tasks if tasks.is_empty() => Ok(Vec::new()),
            tasks => Ok(self.aws.describe_tasks(cluster, &tasks).await?.tasks),
        }
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
        let found = invocation.ride_out(until, || self.find(cluster, &started_by)).await;
        let found = found.map_err(|error| Reason::earlier_unknown(&error))?;
        let earlier: Vec<TaskArn> = found
            .into_iter()
            .filter(|task| !task.is_over() && !is_of_request(task, reply_to) && was_waited_for(task))
            .map(|task| task.arn)
            .collect();
        if earlier.is_empty() {
            return Ok(());
        }
        tracing::warn!(count = earlier.len(), "stopping tasks of an earlier request of this resource");
        let reason = Reason::earlier_runs();
        let why = "ecs-tasks: a later request of the same resource takes over";
        self.stop_and_wait(reason, cluster, &earlier, why, until, invocation).await.map(|_| ())
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
        match invocation.ride_out(until, || self.find(cluster, &started_by)).await {
            Ok(found) => {
                let running = found.into_iter().filter(|task| !task.is_over() && is_of_request(task, reply_to));
                let own: Vec<TaskArn> = running.map(|task| task.arn).collect();
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
