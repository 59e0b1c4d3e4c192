//! The runner's messages that a person reads in a stack's events. A failed task in words is
//! [`crate::reason`]'s, why nothing starts [`super::plan`]'s. Each is written to be read at two in the
//! morning: what failed, which one, what to do.
//!
//! Pure.

mod denied;
mod start;

use std::fmt::Display;

use self::denied::allowance;
pub use self::start::{StartTried, no_service, not_all_started, start_refused, unknown_containers};
use super::{
    limit::Limit,
    plan::{Refusal, Skip},
    wait::TimedOut,
};
use crate::{
    call::CallError,
    reason::{FailureClass, Reason},
    task::{Container, Task, TaskArn},
};

/// All went well.
pub fn succeeded(tasks: usize, seconds: Option<i64>) -> Reason {
    let took = seconds.map_or_else(String::new, |seconds| format!(" after {seconds} s"));
    Reason::new(match tasks {
        1 => format!("The task succeeded{took}"),
        count => format!("All {count} tasks succeeded{took}"),
    })
}

/// A success in which containers that do not decide ended badly: it names them, so that it hides nothing.
pub fn with_helpers(reason: Reason, helpers: &[&Container]) -> Reason {
    let mut named: Vec<String> = Vec::new();
    for helper in helpers {
        let code =
            helper.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let name = format!("{} ({code})", helper.name);
        // Several tasks have the same helper.
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let sentence = match named.as_slice() {
        [] => return reason,
        [one] => format!("Container {one} does not decide the verdict"),
        several => format!("Containers {} do not decide the verdict", several.join(", ")),
    };
    reason.detail(Some(&sentence))
}

/// ReturnOutput, and no line of the container can be had, for this reason.
pub fn no_output(reason: Reason, container: Option<&str>, why: &str) -> Reason {
    let whose = container.map_or_else(|| "the task".to_owned(), |name| format!("container {name}"));
    reason.detail(Some(&format!("Output is empty, since no line of {whose} could be read"))).detail(Some(why))
}

/// ReturnOutput, and the line is longer than an answer may be.
pub fn output_cut(reason: Reason, characters: usize) -> Reason {
    reason.detail(Some(&format!("Output is cut to {characters} characters")))
}

/// ReturnOutput, and nobody waits for a line.
pub fn no_output_yet(reason: Reason) -> Reason {
    reason.detail(Some("Output is empty, since a task that is not waited for has not logged it yet"))
}

/// Why StartTask is not called again: it has no token.
pub const STARTED_UNSEEN: &str = "an earlier delivery of this request called it and got no answer, and no \
                                  task of the request can be seen: look at the cluster, then deploy again";
/// Why a request that is late starts nothing.
pub const SUPERSEDED: &str = "a later request of the same resource has taken over";

/// Tasks were started and nobody waits for them.
pub fn started(tasks: usize) -> Reason {
    Reason::new(match tasks {
        1 => "The task was started; Timeout is 0, so its end is not waited for".to_owned(),
        count => format!("{count} tasks were started; Timeout is 0, so their end is not waited for"),
    })
}

/// Tasks were started, and their end is signalled.
pub fn promised(tasks: usize) -> Reason {
    Reason::new(match tasks {
        1 => "The task was started; how it ends is signalled to WaitHandle".to_owned(),
        count => format!("{count} tasks were started; how they end is signalled to WaitHandle"),
    })
}

/// A run that only the ledger can wait for, which could not be written to.
pub fn not_remembered(error: Option<&CallError>) -> Reason {
    let reason =
        Reason::new("WaitHandle needs the ledger, and it could not be written to: see the function's log");
    reason.detail(error.map(ToString::to_string).as_deref())
}

/// A request that fails before anything starts.
pub fn refused(refusal: &Refusal) -> Reason {
    Reason::new(match refusal.is_out_of_time() {
        true => format!("No task was run to its end: {refusal}"),
        false => format!("Nothing was started: {refusal}"),
    })
    .of_class(FailureClass::Refused)
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
        .of_class(FailureClass::NoRun)
        .detail(Some(&error.to_string()))
}

/// Delete, and a task cannot be stopped.
pub fn refused_to_stop() -> Reason {
    Reason::new("AWS refused to stop a task of this resource").of_class(FailureClass::NoRun)
}

/// An earlier run goes on, and cannot be stopped in time.
pub fn earlier_runs() -> Reason {
    Reason::new("Nothing was started: an earlier task of this resource still runs")
        .of_class(FailureClass::Start)
}

/// We failed ourselves.
pub fn own_fault() -> Reason {
    Reason::new("ecs-tasks failed by a fault of its own: the function's log says where. Please report it")
}

/// A later request of the resource has taken over; CloudFormation does not read this any more.
pub fn superseded() -> Reason {
    Reason::new("A later request of the same resource has taken over, and nothing of this one runs")
        .of_class(FailureClass::NoRun)
}

/// The invocation that handled a request has died. `count` is how many tasks it was to run.
pub fn died(count: usize) -> Reason {
    let what = match count {
        0 => "The invocation that handled this request has died. It had no task to run",
        1 => "The invocation that was to run the task has died, and what it had started has been stopped",
        _ => "The invocation that was to run the tasks has died, and what it had started has been stopped",
    };
    Reason::new(format!("{what}: the function's log has the place. Deploy again"))
}

/// The function that went on cannot read what the one before it has written.
pub fn function_replaced(error: &impl Display) -> Reason {
    Reason::new("The wait for the task cannot go on, because the function was replaced meanwhile")
        .detail(Some(&error.to_string()))
}

/// Whether anything runs could not be found out.
fn may_run(reason: Reason, error: &CallError) -> Reason {
    reason.detail(Some(&format!("Whether a task still runs could not be found out ({error})")))
}

/// What a request that has failed may have left: tasks that AWS refused to stop, or nobody knows.
pub fn what_is_left(reason: Reason, stopped: Result<Vec<(TaskArn, CallError)>, CallError>) -> Reason {
    match stopped {
        Ok(refused) => not_stopped(reason, &refused),
        Err(error) => may_run(reason, &error),
    }
}

/// Whether a start had an effect could not be looked at.
pub fn may_have_started(reason: Reason) -> Reason {
    reason.detail(Some("A task may still run: whether one was started could not be found out"))
}

/// Tasks that were to have stopped may still run: AWS refused to stop these, or one takes longer than there
/// was time.
pub fn not_all_stopped(reason: Reason, refused: &[(TaskArn, CallError)]) -> Reason {
    if refused.is_empty() {
        return reason.detail(Some(
            "A task that was told to stop has not stopped in time: deploy again when it is STOPPED",
        ));
    }
    not_stopped(reason, refused)
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

/// Tasks that could not be stopped may still run: nothing is worse to leave unsaid.
pub fn not_stopped(reason: Reason, refused: &[(TaskArn, CallError)]) -> Reason {
    refused.iter().fold(reason, |reason, (task, error)| {
        reason
            .detail(Some(&format!("Task {} could not be stopped and may still run: {error}", task.id())))
            .detail(allowance(error).as_deref())
    })
}

/// The deadline came before the end of the tasks; whether they have stopped since then.
pub fn timed_out(timed_out: &TimedOut, tasks: &[TaskArn], has_stopped: bool) -> Reason {
    let TimedOut { limit, running, trouble, .. } = timed_out;
    let what = match tasks {
        [_] => "The task".to_owned(),
        several => format!("At least one of {} tasks", several.len()),
    };
    let trouble = trouble.as_ref().map(|trouble| format!("The last look before that failed: {trouble}"));
    let end = if has_stopped { "has been stopped" } else { "was told to stop" };
    let reason = Reason::new(format!("{what} did not finish within {limit} and {end}"))
        .of_class(FailureClass::Timeout)
        .detail(Some(running))
        .detail(trouble.as_deref());
    let task = timed_out.task.as_ref().or(tasks.first());
    task.into_iter().fold(reason, |reason, task| reason.place(format!("Task {task}")))
}

/// How tasks ended that were stopped at the deadline.
pub fn last_words(reason: Reason, tasks: &[Task]) -> Reason {
    let words: Vec<String> = tasks
        .iter()
        .flat_map(|task| &task.containers)
        .filter_map(|container| {
            Some(format!("Container {} then ended with exit code {}", container.name, container.exit_code?))
        })
        .collect();
    reason.detail(Some(&words.join("; ")))
}

/// What to do about a run that was stopped at its deadline.
pub fn if_it_needs_longer(reason: Reason, limit: &Limit) -> Reason {
    reason.detail(match limit {
        Limit::Timeout(_) => Some("If it needs longer, raise Timeout"),
        Limit::ServiceTimeout(_) => Some("If it needs longer, raise ServiceTimeout to Timeout and 30 s"),
        Limit::WaitHandle => Some("A WaitHandle takes no signal for longer than about twelve hours"),
    })
}

/// A task that was told to stop has not, and CloudFormation must be answered.
pub fn still_stopping(reason: Reason) -> Reason {
    reason.detail(Some(
        "It had not stopped when CloudFormation had to be answered: it may overlap with what is deployed next",
    ))
}

/// What was seen last is older than it should be.
pub fn last_look_failed(reason: Reason, error: Option<&CallError>) -> Reason {
    reason.detail(error.map(|error| format!("The last look failed: {error}")).as_deref())
}

/// RunOnRollback is false, and the stack's status cannot be asked for.
pub fn no_stack_status(error: &CallError) -> Reason {
    Reason::new("Nothing was started: RunOnRollback is false, but the stack's status cannot be read")
        .of_class(FailureClass::Start)
        .detail(allowance(error).as_deref())
        .detail(Some(&error.to_string()))
}

/// Whether an earlier run goes on cannot be found out.
pub fn earlier_unknown(error: &CallError) -> Reason {
    Reason::new("Nothing was started: earlier tasks of this resource cannot be looked for")
        .of_class(FailureClass::Start)
        .detail(allowance(error).as_deref())
        .detail(Some(&error.to_string()))
}

/// The tasks cannot be looked at any more.
pub fn lost_sight(error: &CallError, cluster: &str, tasks: &[TaskArn]) -> Reason {
    let reason =
        Reason::new(format!("The task can no longer be watched on cluster {cluster}, and has been stopped"))
            .detail(allowance(error).as_deref())
            .detail(Some(&error.to_string()));
    tasks.iter().take(1).fold(reason, |reason, task| reason.place(format!("Task {task}")))
}

/// The function could not invoke itself to go on waiting.
pub fn no_next_hop(error: &CallError, tasks: &[TaskArn]) -> Reason {
    let reason = Reason::new(
        "The task takes longer than one invocation of the function may, and the function could not invoke \
         itself to go on waiting; the task has been stopped",
    )
    .detail(allowance(error).as_deref())
    .detail(Some(&error.to_string()));
    tasks.iter().take(1).fold(reason, |reason, task| reason.place(format!("Task {task}")))
}

/// What of these tasks runs.
pub fn what_runs(tasks: &[Task]) -> String {
    let all: Vec<String> = tasks.iter().map(|task| what_runs_of(task, tasks.len() > 1)).collect();
    all.join("; ")
}

/// What of a task runs; of several it is named.
fn what_runs_of(task: &Task, is_one_of_several: bool) -> String {
    let running = task.containers.iter().filter(|container| container.last_status == "RUNNING");
    let running: Vec<&str> = running.map(|container| container.name.as_str()).collect();
    let of = if is_one_of_several { format!(" of task {}", task.arn.id()) } else { String::new() };
    match running.as_slice() {
        [] if is_one_of_several => format!("Task {} was {}", task.arn.id(), task.last_status),
        [] => format!("It was {}", task.last_status),
        [one] => format!("Container {one}{of} was still running"),
        several => format!("Containers {}{of} were still running", several.join(", ")),
    }
}

#[cfg(test)]
mod tests;
