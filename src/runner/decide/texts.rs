//! Every message of the runner that a person reads in a stack's events, but for a failed task in words, which
//! [`crate::reason`] has. Each is written to be read at two in the morning: what failed, which one, what to do.
//!
//! Pure.

use std::fmt::Display;

use super::{
    limit::Limit,
    plan::{Refusal, Skip},
};
use crate::{
    aws::{CallError, CallErrorKind, ecs::LaunchFailure},
    reason::Reason,
    task::{Task, TaskArn, TaskDefinition},
};

/// The deadline came first.
pub fn timed_out(limit: &Limit, tasks: &[Task]) -> Reason {
    let running: Vec<String> = tasks.iter().map(what_runs).collect();
    let reason = Reason::new(format!("The task did not finish within {limit} and has been stopped"))
        .detail(Some(&running.join("; ")));
    match tasks.first() {
        Some(task) => reason.place(format!("Task {}", task.arn)),
        None => reason,
    }
}

/// All went well.
pub fn succeeded(tasks: usize, seconds: Option<i64>) -> Reason {
    let took = seconds.map_or_else(String::new, |seconds| format!(" after {seconds} s"));
    Reason::new(match tasks {
        1 => format!("The task succeeded{took}"),
        count => format!("All {count} tasks succeeded{took}"),
    })
}

/// Tasks were started and nobody waits for them.
pub fn started(tasks: usize) -> Reason {
    Reason::new(match tasks {
        1 => "The task was started; Timeout is 0, so its end is not waited for".to_owned(),
        count => format!("{count} tasks were started; Timeout is 0, so their end is not waited for"),
    })
}

/// A request that fails before anything starts.
pub fn refused(refusal: &Refusal) -> Reason {
    Reason::new(match refusal.comes_with_time() {
        true => format!("No task was run to its end: {refusal}"),
        false => format!("Nothing was started: {refusal}"),
    })
}

/// A request that there is nothing to run for.
pub fn skipped(skip: Skip) -> Reason {
    Reason::new(format!("Nothing was run: {skip}"))
}

/// Delete, and nothing runs.
pub fn nothing_to_stop(why: &str) -> Reason {
    Reason::new(format!("Nothing to stop: {why}"))
}

/// Delete, and all that ran has stopped.
pub fn all_stopped() -> Reason {
    Reason::new("The tasks of this resource have been stopped")
}

/// Delete, and all that ran has been told to stop, but cannot be looked at.
pub fn told_to_stop(error: &CallError) -> Reason {
    Reason::new("The tasks of this resource have been told to stop; whether they have cannot be seen")
        .detail(Some(&error.to_string()))
}

/// Delete, and AWS was not to be reached.
pub fn not_looked_for(error: &CallError) -> Reason {
    Reason::new("Tasks of this resource could not be looked for, and one may still run")
        .detail(Some(&error.to_string()))
}

/// Delete, and a task cannot be stopped.
pub fn refused_to_stop() -> Reason {
    Reason::new("AWS refused to stop a task of this resource")
}

/// RunOnRollback is false, and the stack's status cannot be asked for.
pub fn no_stack_status(error: &CallError) -> Reason {
    let denied = error.kind == CallErrorKind::Denied;
    Reason::new("Nothing was started: RunOnRollback is false, but the stack's status cannot be read")
        .detail(Some(&error.to_string()))
        .detail(denied.then_some("Allow cloudformation:DescribeStacks to the function's role"))
}

/// Whether an earlier run goes on cannot be found out.
pub fn earlier_unknown(error: &CallError) -> Reason {
    let hint = format!("Allow {} to the function's role", error.operation);
    Reason::new("Nothing was started: earlier tasks of this resource cannot be looked for")
        .detail(Some(&error.to_string()))
        .detail((error.kind == CallErrorKind::Denied).then_some(hint.as_str()))
}

/// An earlier run goes on, and cannot be stopped in time.
pub fn earlier_runs() -> Reason {
    Reason::new("Nothing was started: an earlier task of this resource still runs")
}

/// We failed ourselves.
pub fn own_fault() -> Reason {
    Reason::new("ecs-tasks failed by a fault of its own; its log has the place. Please report it")
}

/// The function that went on cannot read what the one before it has written.
pub fn function_replaced(error: &impl Display) -> Reason {
    Reason::new("The wait for the task cannot go on, because the function was replaced meanwhile")
        .detail(Some(&error.to_string()))
}

/// Whether anything runs could not be found out.
pub fn may_run(reason: Reason, error: &CallError) -> Reason {
    reason.detail(Some(&format!("Whether a task still runs could not be found out ({error})")))
}

/// Tasks that were to have stopped may still run: AWS refused to stop these, or one takes longer than there was time.
pub fn not_all_stopped(reason: Reason, refused: &[(TaskArn, CallError)]) -> Reason {
    if refused.is_empty() {
        return reason.detail(Some("A task that was told to stop has not stopped in time"));
    }
    not_stopped(reason, refused)
}

/// What was seen last is older than it should be.
pub fn last_look_failed(reason: Reason, error: &CallError) -> Reason {
    reason.detail(Some(&format!("The last look failed: {error}")))
}

/// ECS started fewer tasks than it was asked for.
pub fn not_all_started(started: usize, expected: usize, failures: &[LaunchFailure]) -> Reason {
    let head = match (started, expected) {
        (0, 1) => "The task could not be started".to_owned(),
        (0, expected) => format!("None of the {expected} tasks could be started"),
        (started, expected) => {
            format!(
                "Only {started} of {expected} tasks could be started, and what had started was stopped again"
            )
        }
    };
    let mut told = Vec::new();
    for failure in failures {
        let extra: Vec<&str> =
            [&failure.detail, &failure.arn].into_iter().flatten().map(String::as_str).collect();
        let extra = if extra.is_empty() { String::new() } else { format!(" ({})", extra.join(", ")) };
        told.push(format!("{}{extra}", failure.reason));
    }
    told.dedup();
    let said = (!told.is_empty()).then(|| format!("ECS says: {}", told.join("; ")));
    Reason::new(head).detail(said.as_deref())
}

/// WatchContainers names containers that the task definition does not have.
pub fn unknown_containers(unknown: &[&str], definition: &TaskDefinition) -> Reason {
    let known: Vec<&str> = definition.containers.iter().map(|container| container.name.as_str()).collect();
    Reason::new(format!(
        "Nothing was started: WatchContainers names {}, but the task definition {} has {}",
        unknown.join(", "),
        definition.arn,
        known.join(", ")
    ))
}

/// The service that the placement is to be taken from is not there, or cannot be asked for.
pub fn no_service(service: &str, cluster: &str, error: Option<&CallError>) -> Reason {
    let head = match error {
        None => {
            format!("Nothing was started: cluster {cluster} has no service {service}, which Service names")
        }
        Some(_) => format!("Nothing was started: service {service} on cluster {cluster} cannot be read"),
    };
    let denied = error.is_some_and(|error| error.kind == CallErrorKind::Denied);
    Reason::new(head)
        .detail(error.map(ToString::to_string).as_deref())
        .detail(denied.then_some("Allow ecs:DescribeServices to the function's role"))
}

/// RunTask or StartTask did not work.
pub fn start_refused(error: &CallError, cluster: &str, task_definition: &str) -> Reason {
    let head = format!("The task {task_definition} could not be started on cluster {cluster}");
    let hint = match error.kind {
        CallErrorKind::Denied => Some(format!(
            "Allow {} to the function's role, and iam:PassRole for the task's roles",
            error.operation
        )),
        CallErrorKind::Transient => {
            Some("AWS did not answer until the time was up; try the deploy again".to_owned())
        }
        CallErrorKind::Final => None,
    };
    Reason::new(head).detail(Some(&error.to_string())).detail(hint.as_deref())
}

/// The tasks cannot be looked at any more.
pub fn lost_sight(error: &CallError, cluster: &str, tasks: &[TaskArn]) -> Reason {
    let hint = (error.kind == CallErrorKind::Denied)
        .then(|| format!("Allow {} to the function's role", error.operation));
    let reason = Reason::new(format!(
        "The task can no longer be waited for on cluster {cluster}, and has been stopped"
    ))
    .detail(Some(&error.to_string()))
    .detail(hint.as_deref());
    tasks.iter().take(1).fold(reason, |reason, task| reason.place(format!("Task {task}")))
}

/// The function could not invoke itself to go on waiting.
pub fn no_next_hop(error: &CallError) -> Reason {
    let hint = (error.kind == CallErrorKind::Denied)
        .then_some("Allow lambda:InvokeFunction on the function itself to its role");
    Reason::new(
        "The wait outlives one invocation, the function could not invoke itself, and the task has been stopped",
    )
    .detail(Some(&error.to_string()))
    .detail(hint)
}

/// Tasks that were told to stop have not stopped in time.
pub fn not_stopped_in_time(limit: &Limit, tasks: &[Task]) -> Reason {
    let still: Vec<String> = tasks
        .iter()
        .filter(|task| !task.is_stopped())
        .map(|task| format!("{} is {}", task.arn, task.last_status))
        .collect();
    Reason::new(format!("Tasks of this resource were told to stop and have not stopped within {limit}"))
        .detail(Some(&still.join("; ")))
}

/// How tasks ended that were stopped at the deadline.
pub fn last_words(reason: Reason, tasks: &[Task]) -> Reason {
    let words: Vec<String> = tasks
        .iter()
        .flat_map(|task| &task.containers)
        .filter_map(|container| {
            Some(format!("container {} then exited with code {}", container.name, container.exit_code?))
        })
        .collect();
    reason.detail(Some(&words.join("; ")))
}

/// Tasks that could not be stopped may still run: nothing is worse to leave unsaid.
pub fn not_stopped(reason: Reason, refused: &[(TaskArn, CallError)]) -> Reason {
    refused.iter().fold(reason, |reason, (task, error)| {
        reason.detail(Some(&format!("Task {} could not be stopped and may still run: {error}", task.id())))
    })
}

fn what_runs(task: &Task) -> String {
    let running: Vec<&str> = task
        .containers
        .iter()
        .filter(|container| container.last_status == "RUNNING")
        .map(|container| container.name.as_str())
        .collect();
    match running.as_slice() {
        [] => format!("task {} was {}", task.arn.id(), task.last_status),
        [one] => format!("container {one} of task {} was still running", task.arn.id()),
        several => format!("containers {} of task {} were still running", several.join(", "), task.arn.id()),
    }
}

#[cfg(test)]
mod tests;
