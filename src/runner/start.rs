//! Starting a run's tasks, once, however often the request is delivered.
//!
//! RunTask is idempotent by its client token, which is the RequestId. StartTask has no token, so tasks of this request
//! are looked for by their tag before each attempt.

use std::{cell::Cell, time::Duration as StdDuration};

use backon::{BackoffBuilder, ExponentialBuilder};
use time::{Duration, OffsetDateTime};

use super::{Run, Runner, decide::answer::Answer, find::tags, invocation::Invocation, started_by};
use crate::{
    aws::{
        CallError, CallErrorKind,
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
        let until = invocation.until(run.deadline);
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
    pub(super) async fn fire_and_forget(
        &self,
        run: &Run,
        started: Started,
        invocation: &Invocation,
    ) -> Answer {
        let until = invocation.until(run.deadline);
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
        let tasks: Vec<Task> = started
            .tasks
            .iter()
            .map(|arn| as_seen(arn).unwrap_or_else(|| Task::unseen(arn.clone())))
            .collect();
        let properties = &run.properties;
        let known = tasks.first().map(|task| task.task_definition_arn.as_str()).filter(|arn| !arn.is_empty());
        let definition =
            self.definition_of(known.unwrap_or(&properties.task_definition), until, invocation).await;
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
            let (partly, failures, hopeful) =
                match self.launch(launch, reply_to, &token, &given_up, until, invocation).await {
                    Ok(Launched::Answer { tasks, failures }) => {
                        let arns = tasks.iter().map(|task| task.arn.clone()).collect::<Vec<_>>();
                        if failures.is_empty() && arns.len() >= expected {
                            return Ok(Started { tasks: arns, seen: tasks });
                        }
                        let hopeful = !failures.is_empty() && failures.iter().all(LaunchFailure::may_pass);
                        (arns, failures, hopeful)
                    }
                    Ok(Launched::Conflict(tasks)) if tasks.len() >= expected => {
                        tracing::info!("this request has started its tasks before: going on with them");
                        return Ok(Started { tasks, seen: Vec::new() });
                    }
                    // Why the others did not start was in an answer that is lost; the next attempt tells it again.
                    Ok(Launched::Conflict(tasks)) => (tasks, Vec::new(), true),
                    Err(error) => {
                        let definition = &launch.properties.task_definition;
                        return Err(Reason::start_refused(&error, &launch.properties.cluster, definition));
                    }
                };
            let reason = Reason::not_all_started(partly.len(), expected, &failures);
            let why = "ecs-tasks: not all tasks of this run could be started";
            let cluster = &launch.properties.cluster;
            let reason = self.stop_and_wait(reason, cluster, &partly, why, until, invocation).await?;
            given_up.extend(partly);
            let delay = delays.next().unwrap_or_default();
            if !hopeful || invocation.now() + delay >= patience {
                return Err(reason);
            }
            let why = failures.first().map(|failure| failure.reason.as_str());
            tracing::warn!(reason = why, "{}; trying again", reason.head());
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
    ) -> Result<Launched, CallError> {
        let untagged = Launch { tags: &[], ..launch.clone() };
        let tags_denied = Cell::new(false);
        let once = async || {
            let launch = if tags_denied.get() { &untagged } else { launch };
            match launch.properties.instances() {
                None => self.aws.run_task(launch, token).await,
                Some(instances) => match self.own_tasks(launch, reply_to, given_up, until, invocation).await?
                {
                    own if own.is_empty() => self.aws.start_task(launch, instances).await,
                    own => Ok(Launched::Conflict(own)),
                },
            }
        };
        let call = async || match once().await {
            Err(error)
                if error.kind == CallErrorKind::Denied
                    && error.message.contains("ecs:TagResource")
                    && launch.properties.tags.is_none() =>
            {
                tracing::warn!(
                    "starting without tags, so tasks of a cancelled update cannot be told apart: {error}"
                );
                tags_denied.set(true);
                once().await
            }
            result => result,
        };
        invocation.ride_out(until, call).await
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
