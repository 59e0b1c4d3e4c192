//! Delete: every task of the resource is stopped, so that the network interfaces are free when CloudFormation
//! goes on to delete subnets and security groups.

use time::Duration;

use super::{
    decide::{answer::Answer, plan::Stop, texts, wait::Wait},
    find::{Found, list_old, look_until, tasks_in_ledger},
    follow::{Ending, follow},
    stop::{stop, wait_until_over},
    work::Work,
};
use crate::{
    aws::{CallError, CallErrorKind},
    task::{Task, TaskArn, cluster_name},
};

/// How long the account's other clusters are looked at, all together. Only a resource whose cluster was
/// changed can have tasks there.
const ELSEWHERE: Duration = Duration::seconds(30);
/// What of that is kept for each cluster at least, however long those before it took.
const EACH: Duration = Duration::seconds(3);
/// The stoppedReason of the resource's tasks.
const DELETED: &str = "ecs-tasks: the resource is deleted";

/// Stops every running task of the resource and waits until each has let go of its network interface.
///
/// Fails only if AWS refuses to stop a task, or cannot be reached while tasks are looked for. Where tasks
/// cannot even be looked for (a role that never had the permission made Create fail, and so starts nothing),
/// Delete must not leave the stack stuck.
pub(super) async fn delete(work: &Work<'_>, plan: &Stop) -> Ending {
    work.memory.supersede_starting().await;
    let refused = stop_elsewhere(work).await;
    if !refused.is_empty() {
        return Ending::Answered(Answer::Failed(texts::not_stopped(texts::refused_to_stop(), &refused)));
    }
    let cluster = work.cluster;
    // A task that is stopping holds its network interface, and whose it is its description alone says.
    let found = match look_until(work, Found::knows_what_stops).await {
        Ok(found) => found,
        Err(error) if error.kind == CallErrorKind::Transient => {
            return Ending::Answered(Answer::Failed(texts::not_looked_for(&error)));
        }
        Err(error) => {
            tracing::warn!(cluster, "nothing is stopped: {error}");
            let why = format!("no task can be found ({error})");
            return Ending::Answered(Answer::nothing_ran(texts::nothing_to_stop(&why)));
        }
    };
    if let Some(error) = &found.unseen {
        tracing::warn!(cluster, "tasks are stopped that cannot be described: {error}");
    }
    let described: Vec<Task> = found.described.into_iter().filter(|task| !task.is_stopped()).collect();
    if described.is_empty() && found.undescribed.is_empty() {
        let why = "no task of this resource runs";
        return Ending::Answered(Answer::nothing_ran(texts::nothing_to_stop(why)));
    }
    tracing::info!(
        cluster,
        count = described.len() + found.undescribed.len(),
        "stopping the tasks of this resource"
    );
    let running = described.iter().filter(|task| !task.is_over()).map(|task| task.arn.clone());
    let running: Vec<TaskArn> = running.chain(found.undescribed.iter().cloned()).collect();
    let stopped = stop(work, &running, DELETED).await;
    if !stopped.refused.is_empty() {
        let reason = texts::not_stopped(texts::refused_to_stop(), &stopped.refused);
        return Ending::Answered(Answer::Failed(reason));
    }
    let known = |task: &TaskArn| !stopped.unknown.contains(task);
    let undescribed: Vec<TaskArn> = found.undescribed.into_iter().filter(known).collect();
    if !undescribed.is_empty() && found.unseen.is_none() {
        // They have just been started: whether they have stopped can be seen only once they are known.
        wait_until_over(work, &undescribed).await;
    }
    let old = work.old_started_by();
    let is_unheard = described.iter().any(|task| task.started_by.as_ref() == Some(&old));
    let tasks = described.into_iter().map(|task| task.arn).chain(undescribed).collect();
    let wait = Wait::for_stop(plan, work.reply_to, tasks, work.now());
    follow(work, Wait { is_unheard, ..wait }).await
}

/// Stops what the resource runs in other clusters than its own: tasks of a time when its Cluster was another,
/// which no request names any more. Those that AWS refuses to stop. Where clusters may not be listed, they
/// are not looked at.
async fn stop_elsewhere(work: &Work<'_>) -> Vec<(TaskArn, CallError)> {
    let by = work.now() + ELSEWHERE;
    let asking = work.due(work.until.min(by));
    // What a role may not do is not waited for: it never could.
    let clusters = asking.ride_out_unless_denied(|| work.aws.list_clusters()).await;
    let clusters = clusters.unwrap_or_else(|error| {
        tracing::debug!("only clusters that are known of the resource are looked at: {error}");
        Vec::new()
    });
    let clusters = work.memory.clusters(&clusters);
    let mut refused = Vec::new();
    for cluster in clusters.iter().filter(|cluster| cluster_name(cluster) != cluster_name(work.cluster)) {
        let work = &work.on(cluster);
        let looking = work.due(work.until.min(by.max(work.now() + EACH)));
        let remembered = tasks_in_ledger(work);
        let listing = async || {
            let mut tasks = list_old(work).await?;
            tasks.extend(work.aws.list_running(cluster, &work.started_by()).await?);
            Ok(tasks)
        };
        match looking.ride_out_unless_denied(listing).await {
            Ok(tasks) if tasks.is_empty() && remembered.is_empty() => {}
            Ok(mut tasks) => {
                tasks.extend(remembered);
                tasks.sort();
                tasks.dedup();
                tracing::warn!(
                    cluster,
                    count = tasks.len(),
                    "stopping tasks in a cluster that the resource has left"
                );
                let stopped = stop(work, &tasks, DELETED).await;
                tasks.retain(|task| !stopped.unknown.contains(task));
                wait_until_over(work, &tasks).await;
                refused.extend(stopped.refused);
            }
            Err(error) => tracing::warn!(cluster, "the cluster is not looked at: {error}"),
        }
    }
    refused
}
