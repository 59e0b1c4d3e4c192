//! The runner's messages in a stack's events. [`crate::reason`] describes failed tasks and
//! [`super::plan`] the refusals before a start. Each text is written to be read at two in the
//! morning: it says what failed, which one, and the next step.
//!
//! Pure.

mod denied;
mod hook;
mod start;

use std::fmt::Display;

use self::denied::denial;
pub use self::hook::{
    hook_details_refused, hook_lacks, hook_message, hook_out_of_time, hook_still_stopping,
    hook_subject, hook_superseded, no_ecs_task, no_revision, stage_refused,
};
pub use self::start::{StartTried, no_service, not_all_started, start_refused, unknown_containers};
use super::{
    limit::Limit,
    plan::{Refusal, Skip},
    wait::{AtDeadline, TimedOut},
};
use crate::{
    call::CallError,
    cfn::ReplyTo,
    failures::{self, Particulars, Recognised},
    reason::{FailureClass, Log, Reason},
    task::{Container, Task, TaskArn},
};

/// A run that succeeded.
pub fn succeeded(tasks: usize, seconds: Option<i64>) -> Reason {
    let took = seconds.map_or_else(String::new, |seconds| format!(" after {seconds} s"));
    Reason::new(match tasks {
        1 => format!("The task succeeded{took}"),
        count => format!("All {count} tasks succeeded{took}"),
    })
}

/// A success in which containers that do not decide failed. It names them, so that the success
/// hides nothing.
pub fn with_helpers(reason: Reason, helpers: &[&Container]) -> Reason {
    let mut named: Vec<String> = Vec::new();
    for helper in helpers {
        let code = helper.exit_code.map_or_else(
            || "no exit code".to_owned(),
            |code| format!("exit code {code}"),
        );
        let reason = helper.reason.as_deref().unwrap_or_default();
        let code = match reason.contains("OutOfMemory") {
            true => format!("{code}, out of memory"),
            false => code,
        };
        let name = format!("{} ({code})", helper.name);
        // Several tasks have the same helper.
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let sentence = match named.as_slice() {
        [] => return reason,
        [one] => format!("Container {one} failed, but does not decide the verdict"),
        several => format!(
            "Containers {} failed, but do not decide the verdict",
            several.join(", ")
        ),
    };
    reason.fact(Some(&sentence))
}

/// ReturnOutput is set, and no line of the container can be read, for this reason.
pub fn no_output(reason: Reason, container: Option<&str>, why: &str) -> Reason {
    let whose = container.map_or_else(|| "the task".to_owned(), |name| format!("container {name}"));
    reason
        .fact(Some(&format!(
            "Output is empty, because no line of {whose} could be read"
        )))
        .fact(Some(why))
}

/// ReturnOutput is set, and the line is longer than an answer may be.
pub fn output_cut(reason: Reason, characters: usize) -> Reason {
    reason.fact(Some(&format!("Output is cut to {characters} characters")))
}

/// ReturnOutput is set, and the run has a Timeout of 0, so there is no output yet.
pub fn no_output_yet(reason: Reason) -> Reason {
    reason.fact(Some(
        "Output is empty: with Timeout: 0 the function does not wait for the task's last line",
    ))
}

/// The refusal to call StartTask a second time, since it has no client token.
pub const STARTED_UNSEEN: &str = "an earlier delivery of this request called StartTask and got no answer, and the \
                                  function finds no task of the request: check the cluster for its tasks, then \
                                  deploy again";
/// The refusal to start the tasks of a request whose run has been given up.
pub const GIVEN_UP: &str = "this request has already failed in an earlier delivery, or its resource has been \
                            deleted; its tasks have been stopped";
/// The refusal to start the tasks of a superseded request.
pub const SUPERSEDED: &str = "a later request of the same resource has taken over";

/// Tasks were started, and the request does not wait for their end.
pub fn started(tasks: usize) -> Reason {
    Reason::new(match tasks {
        1 => "The task was started; Timeout is 0, so the function does not wait for it to end"
            .to_owned(),
        count => {
            format!(
                "{count} tasks were started; Timeout is 0, so the function does not wait for them to end"
            )
        }
    })
}

/// Tasks were started, and a WaitHandle gets their verdict.
pub fn promised(tasks: usize) -> Reason {
    Reason::new(match tasks {
        1 => "The task was started; the function will signal its verdict to WaitHandle".to_owned(),
        count => format!(
            "{count} tasks were started; the function will signal their verdict to WaitHandle"
        ),
    })
}

/// Adds the next step after a failed call of the function, and AWS's words.
fn called(reason: Reason, error: &CallError) -> Reason {
    let recognised = failures::of_call(&error.code, &error.message);
    let denial = denial(error);
    let allow = denial.as_ref().map(|denial| denial.allow.as_str());
    let facts = Particulars::default()
        .about(None)
        .with("operation", Some(error.operation))
        .with("allow", allow);
    let reason = match recognised.is_known() {
        true => reason
            .step(&recognised.step(&facts))
            .about(recognised.entry.id),
        false => reason,
    };
    let said = denial
        .is_none_or(|denial| !denial.is_all)
        .then(|| error.to_string());
    reason.said(said.as_deref())
}

/// A run with a WaitHandle whose wait could not be written to the ledger.
pub fn not_remembered(error: Option<&CallError>) -> Reason {
    let reason = Reason::new("WaitHandle needs the ledger, but the function could not write to it")
        .of_class(FailureClass::OwnFault);
    let reason = error.map_or(reason.clone(), |error| called(reason, error));
    reason.step("Check that LEDGER_TABLE names a table that exists, and deploy again")
}

/// A request that fails before anything starts.
pub fn refused(refusal: &Refusal) -> Reason {
    Reason::new(match refusal.is_out_of_time() {
        true => format!("No task ran to completion: {refusal}"),
        false => format!("Nothing was started: {refusal}"),
    })
    .of_class(FailureClass::Refused)
    .about("request-refused")
}

/// A request that runs no task.
pub fn skipped(skip: Skip) -> Reason {
    Reason::new(format!("Nothing was run: {skip}"))
}

/// A Delete of a resource that has no running task.
pub fn nothing_to_stop(why: &str) -> Reason {
    Reason::new(format!("Nothing to stop: {why}"))
}

/// A Delete whose tasks have all stopped.
pub fn all_stopped() -> Reason {
    Reason::new("The tasks of this resource have been stopped")
}

/// A Delete whose tasks are being stopped, but can no longer be described.
pub fn told_to_stop(error: &CallError) -> Reason {
    called(
        Reason::new(
            "The function told the tasks of this resource to stop, but could not check that they did",
        ),
        error,
    )
}

/// A Delete that could not reach AWS to look for tasks.
pub fn not_looked_for(error: &CallError) -> Reason {
    let lead =
        "The function could not look for tasks of this resource, and one may still be running";
    called(Reason::new(lead).of_class(FailureClass::NoRun), error)
}

/// A Delete that AWS did not allow to stop a task.
pub fn refused_to_stop() -> Reason {
    Reason::new("AWS did not let the function stop a task of this resource")
        .of_class(FailureClass::NoRun)
}

/// An earlier run did not stop in time.
pub fn earlier_runs() -> Reason {
    Reason::new("Nothing was started: an earlier task of this resource is still running")
        .of_class(FailureClass::Start)
}

/// An internal error.
pub fn own_fault() -> Reason {
    Reason::of(&Recognised::of("own-fault"), &Particulars::default())
}

/// A later request has superseded this one. CloudFormation does not read the Reason any more.
pub fn superseded() -> Reason {
    Reason::of(&Recognised::of("superseded"), &Particulars::default())
}

/// The invocation that handled the request has crashed. `count` is the number of tasks that it had
/// to start.
pub fn died(count: usize) -> Reason {
    let what = match count {
        0 => {
            "The invocation of the function that handled this request crashed before it ran a task"
        }
        1 => {
            "The invocation of the function that ran the task crashed, and the task has been stopped"
        }
        _ => {
            "The invocation of the function that ran the tasks crashed, and the tasks have been stopped"
        }
    };
    Reason::of(
        &Recognised::of("function-died"),
        &Particulars::default().with("What", Some(what)),
    )
}

/// A continuation that another version of the function has written.
pub fn function_replaced(error: &impl Display) -> Reason {
    Reason::new(
        "The function cannot continue to wait for the task, because another version of the function has been \
         deployed in the meantime",
    )
    .step("Deploy again. The task's work may be half done")
    .fact(Some(&error.to_string()))
}

/// Adds that a task may run, because nobody could look for it, and how to look.
fn may_run(reason: Reason, why: &str, cluster: &str, reply_to: &ReplyTo) -> Reason {
    reason.fact(Some(&format!(
        "A task may still be running: the function could not {why}. Look for it: aws ecs list-tasks --cluster {cluster} \
         --started-by {}",
        reply_to.started_by()
    )))
}

/// Adds the tasks of a failed request that may still run: AWS refused to stop them, or they could
/// not be looked for in this cluster.
pub fn what_is_left(
    reason: Reason,
    stopped: Result<Vec<(TaskArn, CallError)>, CallError>,
    cluster: &str,
    reply_to: &ReplyTo,
) -> Reason {
    match stopped {
        Ok(refused) => not_stopped(reason, &refused),
        Err(error) => {
            let reason = may_run(reason, "check", cluster, reply_to);
            reason.said(Some(&error.to_string()))
        }
    }
}

/// Adds that the call may have started tasks in this cluster although it failed.
pub fn may_have_started(reason: Reason, cluster: &str, reply_to: &ReplyTo) -> Reason {
    let why = "find out whether one was started";
    may_run(reason, why, cluster, reply_to)
}

/// Adds that tasks may still run: AWS refused to stop these, or one of them needs more time than
/// there was.
pub fn not_all_stopped(
    reason: Reason,
    refused: &[(TaskArn, CallError)],
    tasks: &[TaskArn],
) -> Reason {
    if refused.is_empty() {
        let step = format!(
            "Wait until it is STOPPED (aws ecs wait tasks-stopped {}), then deploy again",
            arguments(tasks)
        );
        return reason.step(&step).about("still-stopping");
    }
    not_stopped(reason, refused)
}

/// The arguments of a command of the AWS CLI about these tasks of one cluster.
fn arguments(tasks: &[TaskArn]) -> String {
    let cluster = tasks.first().and_then(TaskArn::cluster);
    let ids: Vec<&str> = tasks.iter().map(TaskArn::id).collect();
    let cluster = cluster.unwrap_or("CLUSTER");
    format!("--cluster {cluster} --tasks {}", ids.join(" "))
}

/// Tasks that are still stopping at the deadline.
pub fn not_stopped_in_time(limit: &Limit, tasks: &[Task]) -> Reason {
    let still: Vec<String> = tasks
        .iter()
        .filter(|task| !task.is_stopped())
        .map(|task| format!("{} is {}", task.arn, task.last_status))
        .collect();
    let facts = Particulars::default().with("limit", Some(&limit.to_string()));
    Reason::of(&Recognised::of("still-stopping"), &facts).fact(Some(&still.join("; ")))
}

/// Adds the tasks that AWS refused to stop, because they may still run.
pub fn not_stopped(reason: Reason, refused: &[(TaskArn, CallError)]) -> Reason {
    refused.iter().fold(reason, |reason, (task, error)| {
        let reason = reason.fact(Some(&format!(
            "Task {id} may still be running. Stop it: aws ecs stop-task --cluster {} --task {id}",
            task.cluster().unwrap_or("CLUSTER"),
            id = task.id()
        )));
        called(reason, error)
    })
}

/// The tasks did not end before the deadline. `ended` is their state now; `has_stopped` says that
/// all have stopped since then.
pub fn timed_out(
    timed_out: &TimedOut,
    tasks: &[TaskArn],
    ended: &[Task],
    has_stopped: bool,
    log: Option<&Log>,
) -> Reason {
    let TimedOut {
        limit,
        running,
        trouble,
        at_deadline,
        ..
    } = timed_out;
    let raise = match limit {
        Limit::Timeout(_) => "raise Timeout",
        Limit::ServiceTimeout(_) => {
            "set ServiceTimeout to at least Timeout + 30 s (at most 3600 s; a WaitHandle allows more)"
        }
        Limit::WaitHandle => {
            "split the work: a WaitHandle takes no signal after about twelve hours"
        }
    };
    let what = match tasks {
        [_] => "The task".to_owned(),
        several => format!("At least one of {} tasks", several.len()),
    };
    let facts = Particulars::default()
        .with("What", Some(&what))
        .with("limit", Some(&limit.to_string()))
        .with(
            "stopped",
            Some(if has_stopped {
                "has been stopped"
            } else {
                "was told to stop"
            }),
        )
        .with("raise", Some(raise))
        .with("tail", log.and_then(Log::tail).as_deref());
    let lines = log.map_or(&[][..], |log| &log.lines);
    let (recognised, facts) = at_deadline.recognised(lines, facts);
    let trouble = trouble
        .as_ref()
        .map(|error| format!("The last check before the deadline failed ({error})"));
    let last_words = last_words(at_deadline, ended);
    // The words about its end say that a container ran.
    let is_told = !last_words.is_empty() && last_words.len() == at_deadline.running.len();
    let reason = Reason::of(&recognised, &facts)
        .fact(
            Some(running)
                .filter(|_| recognised.entry.id == "timeout" && !is_told)
                .map(String::as_str),
        )
        .fact(earlier_ends(at_deadline).as_deref())
        .fact(Some(&last_words.join("; ")))
        .fact(trouble.as_deref());
    let task = timed_out.task.as_ref().or(tasks.first());
    let reason = task
        .into_iter()
        .fold(reason, |reason, task| reason.place(format!("Task {task}")));
    reason.log(log)
}

/// The containers that had failed before the deadline: the cause may be with them.
fn earlier_ends(at_deadline: &AtDeadline) -> Option<String> {
    let ends = at_deadline.failed.iter();
    let ends: Vec<String> = ends
        .map(|(name, code)| format!("container {name} had exited with code {code}"))
        .collect();
    (!ends.is_empty()).then(|| format!("Before that, {}", ends.join(" and ")))
}

/// The ends of the containers that ran at the deadline.
fn last_words(at_deadline: &AtDeadline, ended: &[Task]) -> Vec<String> {
    let ran = |task: &Task, name: &str| {
        at_deadline
            .running
            .iter()
            .any(|(id, container)| id == task.arn.id() && container == name)
    };
    ended
        .iter()
        .flat_map(|task| {
            task.containers
                .iter()
                .map(move |container| (task, container))
        })
        .filter(|(task, container)| ran(task, &container.name))
        .filter_map(|(_, container)| {
            let (name, code) = (&container.name, container.exit_code?);
            Some(match (code, &container.reason) {
                (137, None) => format!(
                    "Container {name} did not end on SIGTERM within StopTimeout, so ECS killed it (exit code 137)"
                ),
                _ => format!("Container {name} then ended with exit code {code}"),
            })
        })
        .collect()
}

/// Adds that tasks are still stopping while CloudFormation must be answered.
pub fn still_stopping(reason: Reason, tasks: &[TaskArn]) -> Reason {
    reason.fact(Some(&format!(
        "A task had not stopped when the function had to answer CloudFormation, and may still be running. Check \
         before the next deploy: aws ecs describe-tasks {}",
        arguments(tasks)
    )))
}

/// Adds that the last look failed, so the state of the tasks may be out of date.
pub fn last_look_failed(reason: Reason, error: Option<&CallError>) -> Reason {
    let said = error.map(ToString::to_string);
    reason
        .fact(error.map(|_| "The last check of the tasks failed"))
        .said(said.as_deref())
}

/// RunOnRollback is false, and the function cannot read the stack's status.
pub fn no_stack_status(error: &CallError) -> Reason {
    let lead = "Nothing was started: RunOnRollback is false, and the function could not read the stack's status";
    called(Reason::new(lead).of_class(FailureClass::Start), error)
}

/// The function could not find out whether an earlier run still runs.
pub fn earlier_unknown(error: &CallError) -> Reason {
    let lead =
        "Nothing was started: the function could not look for earlier tasks of this resource";
    called(Reason::new(lead).of_class(FailureClass::Start), error)
}

/// The function can no longer describe the tasks.
pub fn lost_sight(error: &CallError, cluster: &str, tasks: &[TaskArn]) -> Reason {
    let facts = Particulars::default().with("cluster", Some(crate::task::cluster_name(cluster)));
    of_own_call("lost-sight", &facts, error, tasks)
}

/// The function could not invoke itself to continue the wait.
pub fn no_next_hop(error: &CallError, tasks: &[TaskArn]) -> Reason {
    of_own_call("self-invocation", &Particulars::default(), error, tasks)
}

/// A call that the function needs to continue, about the first of these tasks.
fn of_own_call(id: &str, facts: &Particulars, error: &CallError, tasks: &[TaskArn]) -> Reason {
    let denial = denial(error);
    let facts = facts
        .clone()
        .with("allow", denial.as_ref().map(|denial| denial.allow.as_str()));
    let said = denial
        .is_none_or(|denial| !denial.is_all)
        .then(|| error.to_string());
    let reason = Reason::of(&Recognised::of(id), &facts).said(said.as_deref());
    tasks
        .iter()
        .take(1)
        .fold(reason, |reason, task| reason.place(format!("Task {task}")))
}

/// The state of the tasks at their deadline. `watched` are WatchContainers.
pub fn at_deadline(tasks: &[Task], watched: &[String]) -> AtDeadline {
    let still: Vec<&Task> = tasks.iter().filter(|task| !task.is_over()).collect();
    let containers = || {
        still
            .iter()
            .flat_map(|task| task.containers.iter().map(move |one| (task, one)))
    };
    let running = containers().filter(|(_, container)| container.last_status == "RUNNING");
    let running: Vec<(String, String)> = running
        .map(|(task, container)| (task.arn.id().to_owned(), container.name.clone()))
        .collect();
    let done = containers().filter(|(_, container)| watched.contains(&container.name));
    let done: Vec<_> = done.map(|(_, container)| container).collect();
    let are_done = !done.is_empty()
        && done
            .iter()
            .all(|container| container.last_status == "STOPPED");
    let failed = containers().filter_map(|(_, one)| Some((one, one.exit_code?)));
    let failed = failed
        .filter(|(_, code)| *code != 0)
        .map(|(one, code)| (one.name.clone(), code));
    AtDeadline {
        failed: failed.collect(),
        waiting: still
            .first()
            .filter(|task| running.is_empty() && has_never_run(task))
            .map(|task| task.last_status.clone()),
        done: if are_done {
            done.iter()
                .map(|container| container.name.clone())
                .collect()
        } else {
            Vec::new()
        },
        unstarted: unstarted(&still),
        running,
    }
}

/// The containers that a task in PENDING has not started, although others of it run: they wait for
/// those by DependsOn.
fn unstarted(still: &[&Task]) -> Vec<String> {
    let pending = still.iter().filter(|task| task.last_status == "PENDING");
    let waiting = pending
        .flat_map(|task| &task.containers)
        .filter(|container| !matches!(&*container.last_status, "RUNNING" | "STOPPED"));
    waiting.map(|container| container.name.clone()).collect()
}

fn has_never_run(task: &Task) -> bool {
    !task.ever_ran()
        && matches!(
            task.last_status.as_str(),
            "PROVISIONING" | "PENDING" | "ACTIVATING"
        )
}

impl AtDeadline {
    /// The catalogue's entry for the tasks' state at the deadline, and the names for its text.
    fn recognised(&self, log: &[String], facts: Particulars) -> (Recognised, Particulars) {
        if let Some(status) = &self.waiting {
            let waiting = match status.as_str() {
                "PENDING" | "ACTIVATING" => {
                    "In this state, the task pulls its images and starts its containers: pullStartedAt and \
                     pullStoppedAt (aws ecs describe-tasks) show which. Check the image's size and registry, \
                     DependsOn, and on EC2 the agent of the instance"
                }
                _ => {
                    "In this state, the task waits for capacity and a network interface: check the capacity \
                     provider's scaling, the instances, and the free addresses of the subnets"
                }
            };
            let facts = facts
                .with("status", Some(status))
                .with("waiting", Some(waiting));
            return (Recognised::of("timeout-never-ran"), facts);
        }
        let mut names: Vec<&str> = self.running.iter().map(|(_, name)| name.as_str()).collect();
        names.dedup();
        let named = |names: &[&str]| match names {
            [one] => format!("container {one}"),
            several => format!("containers {}", several.join(", ")),
        };
        // Some containers ran while these others had not started, or had ended.
        for (id, name, others) in [
            ("timeout-dependency", "unstarted", &self.unstarted),
            ("timeout-goes-on", "done", &self.done),
        ] {
            if !others.is_empty() && !names.is_empty() {
                let others: Vec<&str> = others.iter().map(String::as_str).collect();
                let facts = facts
                    .with(name, Some(&named(&others)))
                    .with("running", Some(&named(&names)));
                return (Recognised::of(id), facts);
            }
        }
        (
            failures::of_log(log, true).unwrap_or_else(|| Recognised::of("timeout")),
            facts,
        )
    }
}

/// The running containers of these tasks, in words.
pub fn what_runs(tasks: &[Task]) -> String {
    let still = tasks.iter().filter(|task| !task.is_over());
    let all: Vec<String> = still
        .map(|task| what_runs_of(task, tasks.len() > 1))
        .collect();
    all.join("; ")
}

/// The running containers of a task, in words, with the task's name if there are several tasks.
fn what_runs_of(task: &Task, is_one_of_several: bool) -> String {
    let running = task
        .containers
        .iter()
        .filter(|container| container.last_status == "RUNNING");
    let running: Vec<&str> = running.map(|container| container.name.as_str()).collect();
    let of = if is_one_of_several {
        format!(" of task {}", task.arn.id())
    } else {
        String::new()
    };
    match running.as_slice() {
        [] if is_one_of_several => format!("Task {} was {}", task.arn.id(), task.last_status),
        [] => format!("It was {}", task.last_status),
        [one] => format!("Container {one}{of} was still running"),
        several => format!("Containers {}{of} were still running", several.join(", ")),
    }
}

#[cfg(test)]
mod tests;
