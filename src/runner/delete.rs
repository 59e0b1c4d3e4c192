//! Delete: stops every task of the resource, so that the network interfaces are free when
//! CloudFormation deletes subnets and security groups.

use std::time::Duration as StdDuration;

use time::Duration;

use super::{
    decide::{answer::Answer, plan::Stop, texts, wait::Wait},
    tasks::{Found, find_or_list, stop, tasks_in_ledger},
    wait::{Ending, follow, wait_until_over},
    work::Work,
};
use crate::{
    call::{CallError, CallErrorKind},
    task::{Task, TaskArn, cluster_name},
};

/// The time limit for the account's other clusters, all together. Only a resource whose Cluster was
/// changed can have tasks there, and the ledger names those clusters.
const OTHER_CLUSTERS: Duration = Duration::seconds(5);
/// The pause between two clusters: half of the 20 ListTasks a second that ECS allows an account.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>
const PAUSE: StdDuration = StdDuration::from_millis(100);
/// The least time for each cluster that the ledger names, however long those before it took.
const EACH: Duration = Duration::seconds(3);
/// The stoppedReason of the resource's tasks.
const DELETED: &str = "ecs-tasks: the resource is deleted";

/// Stops every running task of the resource, and waits until each has released its network
/// interface.
///
/// Fails only if AWS refuses to stop a task, or cannot be reached while tasks are looked for.
pub(super) async fn delete(work: &Work<'_>, plan: &Stop) -> Ending {
    work.history.supersede_starting().await;
    let refused = stop_elsewhere(work).await;
    if !refused.is_empty() {
        return Ending::Answered(Answer::Failed(texts::not_stopped(
            texts::refused_to_stop(),
            &refused,
        )));
    }
    let cluster = work.cluster;
    // A stopping task holds its network interface, and only its description says that it belongs to
    // this resource.
    let found = match find_or_list(work, Found::knows_what_stops).await {
        Ok(found) => found,
        Err(error) if error.kind == CallErrorKind::Transient => {
            return Ending::Answered(Answer::Failed(texts::not_looked_for(&error)));
        }
        // The cluster is gone, or the role may not look for tasks and its Create failed before a
        // start. A FAILED Delete would leave the stack stuck.
        Err(error) => {
            tracing::warn!(
                cluster,
                "cannot find the tasks to stop, so they may still run: {error}"
            );
            let why = format!("the function cannot look for tasks of this resource ({error})");
            return Ending::Answered(Answer::success_without_run(texts::nothing_to_stop(&why)));
        }
    };
    if let Some(error) = &found.unseen {
        tracing::warn!(
            cluster,
            "stopping tasks that ECS does not describe: {error}"
        );
    }
    let described: Vec<Task> = found
        .described
        .into_iter()
        .filter(|task| !task.is_stopped())
        .collect();
    // One that cannot be described may still hold its network interface. Another resource's ends by
    // itself.
    let stopping = found.undescribed_stopped;
    if described.is_empty() && found.undescribed.is_empty() && stopping.is_empty() {
        let why = "no task of this resource is running";
        return Ending::Answered(Answer::success_without_run(texts::nothing_to_stop(why)));
    }
    tracing::info!(
        cluster,
        count = described.len() + found.undescribed.len(),
        "stopping the tasks of this resource"
    );
    let running = described
        .iter()
        .filter(|task| !task.is_over())
        .map(|task| task.arn.clone());
    let running: Vec<TaskArn> = running.chain(found.undescribed.iter().cloned()).collect();
    let stopped = stop(work, &running, DELETED).await;
    if !stopped.refused.is_empty() {
        let reason = texts::not_stopped(texts::refused_to_stop(), &stopped.refused);
        return Ending::Answered(Answer::Failed(reason));
    }
    let known = |task: &TaskArn| !stopped.unknown.contains(task);
    let undescribed: Vec<TaskArn> = found.undescribed.into_iter().filter(known).collect();
    if found.unseen.is_none() {
        // ECS does not know these new tasks yet, and only their description shows when they have
        // stopped.
        wait_until_over(work, &undescribed).await;
    }
    let tasks = described
        .into_iter()
        .map(|task| task.arn)
        .chain(undescribed)
        .chain(stopping)
        .collect();
    follow(work, Wait::for_stop(plan, work.reply_to, tasks, work.now())).await
}

/// Stops the resource's tasks in clusters that it has left. Returns the tasks that AWS refused to
/// stop.
///
/// The clusters that the ledger names come first, then the account's other clusters, one after the
/// other. Clusters that the role may not list are left out.
async fn stop_elsewhere(work: &Work<'_>) -> Vec<(TaskArn, CallError)> {
    let is_own = |cluster: &str| cluster_name(cluster) == cluster_name(work.cluster);
    let named = work.history.clusters(&[]);
    let mut refused = Vec::new();
    for cluster in named.iter().filter(|cluster| !is_own(cluster)) {
        let looking = work.on(cluster).until(work.deadline.min(work.now() + EACH));
        refused.extend(stop_in(&work.on(cluster), &looking).await);
    }
    let until = work.deadline.min(work.now() + OTHER_CLUSTERS);
    // A missing permission is final, because many roles may not list clusters and a Delete must not
    // wait for them.
    let all = work
        .until(until)
        .ride_out_unless_denied(|| work.aws.list_clusters())
        .await;
    let all = all.unwrap_or_else(|error| {
        tracing::debug!(
            "cannot list the clusters, so only those in the ledger are searched for tasks: {error}"
        );
        Vec::new()
    });
    let is_named = |cluster: &String| {
        named
            .iter()
            .any(|one| cluster_name(one) == cluster_name(cluster))
    };
    let others: Vec<&String> = all
        .iter()
        .filter(|cluster| !is_own(cluster) && !is_named(cluster))
        .collect();
    // All callers in an account share one limit of calls to ECS, so this search is slow and ends
    // after five seconds.
    for (number, cluster) in others.iter().enumerate() {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if work.now() >= until {
            let left = others.len() - number;
            tracing::info!(
                "time is up: {left} other clusters of the account are not searched for tasks"
            );
            break;
        }
        refused.extend(stop_in(&work.on(cluster), &work.on(cluster).until(until)).await);
    }
    refused
}

/// Stops the resource's tasks in a cluster that it has left. `looking` limits the time for finding
/// them.
async fn stop_in(work: &Work<'_>, looking: &Work<'_>) -> Vec<(TaskArn, CallError)> {
    let cluster = work.cluster;
    let started_by = work.started_by();
    let listed = looking
        .ride_out_unless_denied(|| work.aws.list_running(cluster, &started_by))
        .await;
    let mut tasks = match listed {
        Ok(tasks) => tasks,
        Err(error) => {
            tracing::warn!(
                cluster,
                "cannot search the cluster for tasks of this resource: {error}"
            );
            return Vec::new();
        }
    };
    tasks.extend(tasks_in_ledger(work));
    tasks.sort();
    tasks.dedup();
    if tasks.is_empty() {
        return Vec::new();
    }
    tracing::warn!(
        cluster,
        count = tasks.len(),
        "stopping tasks in a cluster that the resource has left"
    );
    let stopped = stop(work, &tasks, DELETED).await;
    tasks.retain(|task| !stopped.unknown.contains(task));
    wait_until_over(work, &tasks).await;
    stopped.refused
}
