//! Stopping tasks: those of a run that has failed, those of an earlier request, and on Delete all of a resource.

use std::time::Duration as StdDuration;

use futures_util::future::join_all;
use time::OffsetDateTime;

use super::{
    End, Runner,
    answer::Answer,
    invocation::Invocation,
    plan::Stop,
    started_by,
    wait::{Observation, Wait},
};
use crate::{
    aws::{Error, Kind},
    cfn::Request,
    reason::Reason,
    task::{Task, TaskArn},
};

/// How often tasks that have been told to stop are looked at.
const LOOK: StdDuration = StdDuration::from_secs(1);

impl Runner {
    /// Delete: stops every running task of the resource and waits until each has let go of its network interface.
    ///
    /// Fails only if AWS refuses to stop a task. Where tasks cannot even be looked for (a role that never had the
    /// permission made Create fail, and so starts nothing), Delete must not leave the stack stuck.
    pub(super) async fn delete(&self, stop: Stop, request: &Request, invocation: &Invocation) -> End {
        let Some(cluster) = &stop.cluster else {
            return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop("the properties name no Cluster")));
        };
        let until = invocation.until(stop.deadline);
        let started_by = started_by(&request.reply_to);
        let tasks: Vec<Task> = match invocation.ride_out(until, || self.find(cluster, &started_by)).await {
            Ok(found) => found.into_iter().filter(|task| !task.is_gone()).collect(),
            Err(error) if error.kind == Kind::Transient => {
                return End::Answer(Answer::Failed(Reason::not_looked_for(&error)));
            }
            Err(error) => {
                tracing::warn!(cluster, "nothing is stopped: {error}");
                return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop(&format!(
                    "no task can be found ({error})"
                ))));
            }
        };
        if tasks.is_empty() {
            return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop("no task of this resource runs")));
        }
        tracing::info!(cluster, count = tasks.len(), "stopping the tasks of this resource");
        let why = "ecs-tasks: the resource is deleted";
        let running: Vec<TaskArn> = tasks.iter().filter(|task| !task.is_over()).map(|task| task.arn.clone()).collect();
        let refused = self.stop_each(cluster, &running, why, until, invocation).await;
        if !refused.is_empty() {
            return End::Answer(Answer::Failed(Reason::refused_to_stop().not_stopped(&refused)));
        }
        let tasks = tasks.into_iter().map(|task| task.arn).collect();
        let wait = Wait::for_gone(&stop, cluster, request, tasks, invocation.now());
        self.follow(wait, invocation).await
    }

    /// Tells ECS to stop these tasks; the Reason says which of them may still run.
    pub(super) async fn stop_tasks(
        &self,
        reason: Reason,
        cluster: &str,
        tasks: &[TaskArn],
        why: &str,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Reason {
        reason.not_stopped(&self.stop_each(cluster, tasks, why, until, invocation).await)
    }

    /// Stops these tasks and waits until nothing of them runs. `Err` if one may still run by then.
    pub(super) async fn stop_and_wait(
        &self,
        reason: Reason,
        cluster: &str,
        tasks: &[TaskArn],
        why: &str,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Reason, Reason> {
        if tasks.is_empty() {
            return Ok(reason);
        }
        let refused = self.stop_each(cluster, tasks, why, until, invocation).await;
        if !refused.is_empty() {
            return Err(reason.not_stopped(&refused));
        }
        match self.last_words(cluster, tasks, until, invocation).await {
            Some(seen) if seen.tasks.iter().all(Task::is_over) => Ok(reason),
            _ => Err(reason.still_stopping()),
        }
    }

    /// Looks at tasks that have been told to stop until nothing of them runs, or `until`. The last look counts.
    pub(super) async fn last_words(
        &self,
        cluster: &str,
        tasks: &[TaskArn],
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Option<Observation> {
        let mut last = None;
        loop {
            match invocation.within(until, self.aws.describe_tasks(cluster, tasks)).await {
                Ok(seen) if seen.tasks.iter().all(Task::is_over) => return Some(seen),
                Ok(seen) => last = Some(seen),
                Err(error) => tracing::warn!("{error}"),
            }
            if invocation.now() + LOOK >= until {
                return last;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn stop_each(
        &self,
        cluster: &str,
        tasks: &[TaskArn],
        why: &str,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Vec<(TaskArn, Error)> {
        let stops = tasks.iter().map(async |task| {
            let stopped = invocation.ride_out(until, || self.aws.stop_task(cluster, task, why)).await;
            match stopped {
                Err(error) if !is_gone(&error) => Some((task.clone(), error)),
                _ => None,
            }
        });
        let refused: Vec<(TaskArn, Error)> = join_all(stops).await.into_iter().flatten().collect();
        for (task, error) in &refused {
            tracing::error!(task_arn = task.0, "a task could not be stopped: {error}");
        }
        refused
    }
}

/// A task or cluster that ECS does not know has nothing left to stop.
fn is_gone(error: &Error) -> bool {
    error.is("ClusterNotFoundException")
        || error.kind == Kind::Final && error.message.to_ascii_lowercase().contains("not found")
}
