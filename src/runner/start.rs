//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. StartTask has no token, so tasks of this request
//! are looked for by their tag before each attempt.

use std::{cell::Cell, time::Duration as StdDuration};

use backon::{BackoffBuilder, ExponentialBuilder};
use time::{Duration, OffsetDateTime};

use super::{Run, Runner, answer::Answer, invocation::Invocation, started_by};
use crate::{
    aws::{
        Error, Kind,
        ecs::{Launch, LaunchFailure, Launched},
    },
    cfn::{ReplyTo, Request, RequestType},
    identity,
    outcome::Rules,
    reason::Reason,
    task::{Task, TaskArn},
};

/// How long a start without capacity is tried again.
const CAPACITY_PATIENCE: Duration = Duration::seconds(60);

const STACK_ID_TAG: &str = "ecs-tasks:stack-id";
const LOGICAL_ID_TAG: &str = "ecs-tasks:logical-resource-id";
const REQUEST_ID_TAG: &str = "ecs-tasks:request-id";
const WAITS_TAG: &str = "ecs-tasks:waits";

/// The tasks of a run.
pub(super) struct Started {
    /// All of them.
    pub(super) tasks: Vec<TaskArn>,
    /// As the start's answer described them; a replayed answer leaves things out, an adopted one has nothing.
    seen: Vec<Task>,
}

impl Runner {
    /// Starts what the run asks for, after whatever an earlier request of this resource left running has stopped.
    /// `attempt` is the first client token to use, and then the one that was used last.
    pub(super) async fn start(
        &self,
        run: &Run,
        request: &Request,
        attempt: &mut u32,
        invocation: &Invocation,
    ) -> Result<Started, Reason> {
        let reply_to = &request.reply_to;
        let until = run.deadline.min(invocation.hand_over_at());
        if request.request_type == RequestType::Update {
            self.stop_earlier(run, reply_to, until, invocation).await?;
        }
        let started_by = started_by(reply_to);
        let tags = tags(reply_to, run.properties.timeout > 0);
        let launch = Launch { properties: &run.properties, started_by: &started_by, tags: &tags };
        let started = self.launch_until_complete(&launch, reply_to, attempt, until, invocation).await?;
        let arns: Vec<&str> = started.tasks.iter().map(|task| task.0.as_str()).collect();
        tracing::info!(cluster = run.properties.cluster, task_arn = arns.join(","), "started");
        Ok(started)
    }

    /// The answer to a run whose end is not waited for.
    pub(super) async fn fire_and_forget(&self, run: &Run, started: Started, invocation: &Invocation) -> Answer {
        let until = run.deadline.min(invocation.hand_over_at());
        let cluster = &run.properties.cluster;
        let seen = match started.seen {
            seen if !seen.is_empty() && seen.iter().all(|task| !task.task_definition_arn.is_empty()) => seen,
            _ => {
                let look = || self.aws.describe_tasks(cluster, &started.tasks);
                invocation.ride_out(until, look).await.map(|seen| seen.tasks).unwrap_or_default()
            }
        };
        // ECS may not know a task that it has just started; its ARN is told all the same.
        let as_seen = |arn: &TaskArn| seen.iter().find(|task| task.arn == *arn).cloned();
        let tasks: Vec<Task> =
            started.tasks.iter().map(|arn| as_seen(arn).unwrap_or_else(|| Task::unseen(arn.clone()))).collect();
        let definition = self.definition(tasks.first(), until, invocation).await;
        let properties = &run.properties;
        let rules = Rules {
            watch_containers: properties.watch_containers(),
            success_exit_codes: &properties.success_exit_codes,
            definition: definition.as_ref(),
        };
        Answer::started(&tasks, rules)
    }

    async fn launch_until_complete(
        &self,
        launch: &Launch<'_>,
        reply_to: &ReplyTo,
        attempt: &mut u32,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Started, Reason> {
        let expected = launch.properties.tasks();
        let patience = until.min(invocation.now() + CAPACITY_PATIENCE);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(StdDuration::from_secs(1))
            .with_max_delay(StdDuration::from_secs(10))
            .without_max_times()
            .with_jitter();
        let mut delays = backoff.build();
        let mut given_up = Vec::new();
        loop {
            let token = identity::client_token(&reply_to.request_id, *attempt);
            let (tasks, failures) = match self.launch(launch, reply_to, &token, &given_up, until, invocation).await {
                Ok(Launched::Answer { tasks, failures }) => (tasks, failures),
                Ok(Launched::Conflict(tasks)) => {
                    tracing::info!("this request has started its tasks before: going on with them");
                    return Ok(Started { tasks, seen: Vec::new() });
                }
                Err(error) => return Err(self.start_failed(launch, reply_to, &error, invocation).await),
            };
            if failures.is_empty() && tasks.len() >= expected {
                return Ok(Started { tasks: tasks.iter().map(|task| task.arn.clone()).collect(), seen: tasks });
            }
            let reason = Reason::not_all_started(tasks.len(), expected, &failures);
            let partly: Vec<TaskArn> = tasks.into_iter().map(|task| task.arn).collect();
            let why = "ecs-tasks: not all tasks of this run could be started";
            let cluster = &launch.properties.cluster;
            let reason = self.stop_and_wait(reason, cluster, &partly, why, until, invocation).await?;
            given_up.extend(partly);
            let delay = delays.next().unwrap_or_default();
            let hopeful = !failures.is_empty() && failures.iter().all(LaunchFailure::may_pass);
            if !hopeful || invocation.now() + delay >= patience {
                return Err(reason);
            }
            tracing::warn!("no capacity yet ({}); trying again", failures[0].reason);
            tokio::time::sleep(delay).await;
            *attempt += 1;
        }
    }

    /// One start that rides out what may pass. Where `ecs:TagResource` is denied, and the template gives no tags of its
    /// own, it goes without tags: the Python function's role lacks that permission, and a stack that used it must go on
    /// working.
    async fn launch(
        &self,
        launch: &Launch<'_>,
        reply_to: &ReplyTo,
        token: &str,
        given_up: &[TaskArn],
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Launched, Error> {
        let untagged = Launch { tags: &[], ..launch.clone() };
        let tags_denied = Cell::new(false);
        let once = async || {
            let launch = if tags_denied.get() { &untagged } else { launch };
            match launch.properties.instances() {
                None => self.aws.run_task(launch, token).await,
                Some(instances) => match self.own_tasks(launch, reply_to, given_up).await? {
                    own if own.is_empty() => self.aws.start_task(launch, instances).await,
                    own => Ok(Launched::Conflict(own)),
                },
            }
        };
        let call = async || match once().await {
            Err(error)
                if error.kind == Kind::Denied
                    && error.message.contains("ecs:TagResource")
                    && launch.properties.tags.is_none() =>
            {
                tracing::warn!("starting without tags, so tasks of a cancelled update cannot be told apart: {error}");
                tags_denied.set(true);
                once().await
            }
            result => result,
        };
        invocation.ride_out(until, call).await
    }

    /// Tasks that this very request has started, but for those that were stopped again because others did not start.
    async fn own_tasks(
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
    async fn stop_earlier(
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

    /// The Reason for a start that AWS refused, or that was throttled to the end. A call that timed out may have
    /// worked all the same, so what it may have started is stopped.
    async fn start_failed(
        &self,
        launch: &Launch<'_>,
        reply_to: &ReplyTo,
        error: &Error,
        invocation: &Invocation,
    ) -> Reason {
        let reason = Reason::start_refused(error, &launch.properties.cluster, &launch.properties.task_definition);
        match error.kind {
            Kind::Transient => self.stop_request(reason, &launch.properties.cluster, reply_to, invocation).await,
            Kind::Denied | Kind::Final => reason,
        }
    }

    /// Stops whatever this request may have started, after a fault that has lost the tasks' ARNs.
    pub(super) async fn stop_request(
        &self,
        reason: Reason,
        cluster: &str,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Reason {
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

    pub(super) async fn stop_after_a_fault(
        &self,
        reason: Reason,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Reason {
        match cluster {
            Some(cluster) => self.stop_request(reason, cluster, reply_to, invocation).await,
            None => reason,
        }
    }
}

impl LaunchFailure {
    /// Whether capacity may turn up; anything else is a mistake that time does not mend.
    fn may_pass(&self) -> bool {
        self.reason.starts_with("RESOURCE:")
            || self.reason == "AGENT"
            || self.reason.starts_with("Capacity is unavailable")
    }
}

/// The tags of every task, the same on every delivery of a request: other parameters under the same client token would
/// be a ConflictException.
fn tags(reply_to: &ReplyTo, waits: bool) -> Vec<(String, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_of_capacity_may_pass() {
        let failure = |reason: &str| LaunchFailure { reason: reason.to_owned(), arn: None, detail: None };
        for reason in ["RESOURCE:MEMORY", "RESOURCE:ENI", "AGENT", "Capacity is unavailable at this time. Try later."] {
            assert!(failure(reason).may_pass(), "{reason}");
        }
        for reason in ["ATTRIBUTE", "LOCATION", "MISSING", "INACTIVE", ""] {
            assert!(!failure(reason).may_pass(), "{reason}");
        }
    }
}
