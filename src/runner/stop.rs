//! Stopping tasks: those of a run that has failed, those of an earlier request, and on Delete all of a resource.

use futures_util::future::join_all;
use time::OffsetDateTime;

use super::{
    End, Runner,
    decide::{
        answer::Answer,
        plan::Stop,
        wait::{MISSING_TOLERANCE, Observation, Wait},
    },
    invocation::{Invocation, LOOK},
    started_by,
};
use crate::{
    aws::{CallError, CallErrorKind},
    cfn::Request,
    reason::Reason,
    task::{Task, TaskArn},
};

/// What came of telling tasks to stop, where it is more than that they will.
#[derive(Default)]
struct Stopped {
    /// AWS refused, or could not be asked: they may still run.
    refused: Vec<(TaskArn, CallError)>,
    /// ECS does not know them.
    gone: Vec<TaskArn>,
}

impl Runner {
    /// Delete: stops every running task of the resource and waits until each has let go of its network interface.
    ///
    /// Fails only if AWS refuses to stop a task. Where tasks cannot even be looked for (a role that never had the
    /// permission made Create fail, and so starts nothing), Delete must not leave the stack stuck.
    pub(super) async fn delete(&self, stop: Stop, request: &Request, invocation: &Invocation) -> End {
        let Some(cluster) = &stop.cluster else {
            return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop(
                "the properties name no Cluster",
            )));
        };
        let until = invocation.until(stop.deadline);
        let started_by = started_by(&request.reply_to);
        let found = match self.look_for(cluster, &started_by, until, invocation).await {
            Ok(found) => found,
            Err(error) if error.kind == CallErrorKind::Transient => {
                return End::Answer(Answer::Failed(Reason::not_looked_for(&error)));
            }
            Err(error) => {
                tracing::warn!(cluster, "nothing is stopped: {error}");
                return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop(&format!(
                    "no task can be found ({error})"
                ))));
            }
        };
        let tasks: Vec<Task> = found.tasks.into_iter().filter(|task| !task.is_gone()).collect();
        let unknown = [found.started, found.stopped].concat();
        if tasks.is_empty() && unknown.is_empty() {
            return End::Answer(Answer::nothing_ran(Reason::nothing_to_stop(
                "no task of this resource runs",
            )));
        }
        tracing::info!(cluster, count = tasks.len() + unknown.len(), "stopping the tasks of this resource");
        let why = "ecs-tasks: the resource is deleted";
        let running = tasks.iter().filter(|task| !task.is_over()).map(|task| task.arn.clone());
        let running: Vec<TaskArn> = running.chain(unknown.iter().cloned()).collect();
        let Stopped { refused, gone } = self.stop_each(cluster, &running, why, until, invocation).await;
        if !refused.is_empty() {
            return End::Answer(Answer::Failed(Reason::refused_to_stop().not_stopped(&refused)));
        }
        let unknown: Vec<TaskArn> = unknown.into_iter().filter(|task| !gone.contains(task)).collect();
        if !unknown.is_empty() {
            // They have just been started: whether they are gone can be told only once they are known.
            self.last_words(cluster, &unknown, until, invocation).await;
        }
        let tasks = tasks.into_iter().map(|task| task.arn).chain(unknown).collect();
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
        reason.not_stopped(&self.stop_each(cluster, tasks, why, until, invocation).await.refused)
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
        let Stopped { refused, .. } = self.stop_each(cluster, tasks, why, until, invocation).await;
        if !refused.is_empty() {
            return Err(reason.not_stopped(&refused));
        }
        match self.last_words(cluster, tasks, until, invocation).await {
            Some(seen) if seen.tasks.iter().all(Task::is_over) => Ok(reason),
            _ => Err(reason.still_stopping()),
        }
    }

    /// Looks at tasks that have been told to stop until nothing of them runs, or `until`. The last look counts. A task
    /// that ECS does not know may have just been started; it is gone only if it stays unknown for a minute.
    pub(super) async fn last_words(
        &self,
        cluster: &str,
        tasks: &[TaskArn],
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Option<Observation> {
        let mut last = None;
        let known_by = invocation.now() + MISSING_TOLERANCE;
        loop {
            let look = invocation.within(until, self.aws.describe_tasks(cluster, tasks)).await;
            let all_known = |seen: &Observation| seen.missing.is_empty() || invocation.now() >= known_by;
            match look {
                Ok(seen) if seen.tasks.iter().all(Task::is_over) && all_known(&seen) => return Some(seen),
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
    ) -> Stopped {
        let stops = tasks
            .iter()
            .map(|task| invocation.ride_out(until, move || self.aws.stop_task(cluster, task, why)));
        let mut stopped = Stopped::default();
        for (task, result) in tasks.iter().zip(join_all(stops).await) {
            match result {
                Ok(()) => {}
                Err(error) if is_gone(&error) => stopped.gone.push(task.clone()),
                Err(error) => {
                    tracing::error!(task_arn = task.0, "a task could not be stopped: {error}");
                    stopped.refused.push((task.clone(), error));
                }
            }
        }
        stopped
    }
}

/// A task or cluster that ECS does not know has nothing left to stop.
fn is_gone(error: &CallError) -> bool {
    error.is("ClusterNotFoundException")
        || error.kind == CallErrorKind::Final && error.message.to_ascii_lowercase().contains("not found")
}
