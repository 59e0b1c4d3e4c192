//! Delete: every task of the resource is stopped, so that the network interfaces are free when CloudFormation goes on to
//! delete subnets and security groups.

use super::{
    decide::{answer::Answer, plan::Stop, texts, wait::Wait},
    find::look_for,
    follow::{Ending, follow},
    stop::{last_words, stop},
    work::Work,
};
use crate::{
    aws::CallErrorKind,
    task::{Task, TaskArn},
};

/// Stops every running task of the resource and waits until each has let go of its network interface.
///
/// Fails only if AWS refuses to stop a task. Where tasks cannot even be looked for (a role that never had the permission
/// made Create fail, and so starts nothing), Delete must not leave the stack stuck.
pub(super) async fn delete(work: &Work<'_>, plan: &Stop) -> Ending {
    let cluster = work.cluster;
    let found = match look_for(work).await {
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
    let stopped = stop(work, &running, "ecs-tasks: the resource is deleted").await;
    if !stopped.refused.is_empty() {
        let reason = texts::not_stopped(texts::refused_to_stop(), &stopped.refused);
        return Ending::Answered(Answer::Failed(reason));
    }
    let known = |task: &TaskArn| !stopped.unknown.contains(task);
    let undescribed: Vec<TaskArn> = found.undescribed.into_iter().filter(known).collect();
    if !undescribed.is_empty() && found.unseen.is_none() {
        // They have just been started: whether they have stopped can be seen only once they are known.
        last_words(work, &undescribed).await;
    }
    let tasks = described.into_iter().map(|task| task.arn).chain(undescribed).collect();
    let wait = Wait::for_stop(plan, work.reply_to, tasks, work.now());
    follow(work, wait).await
}
