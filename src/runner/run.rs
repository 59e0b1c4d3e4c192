//! Create and Update: ends the tasks of earlier requests, asks AWS the open questions of the plan,
//! starts the tasks, and waits for their end.

use time::{Duration, OffsetDateTime};

use super::{
    clear::{Cleared, clear_the_way},
    decide::{
        answer::Answer,
        criteria, ledger as rows, marks,
        plan::{Earlier, Run, Skip},
        texts,
        wait::Wait,
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    start::{Start, Started, start},
    tasks::{Certainty, own_tasks, stop, stop_tasks_of_request},
    wait::{Ending, follow},
    work::Work,
};
use crate::{
    call::{CallError, CallErrorKind},
    cfn::{Request, RequestType, WaitHandle},
    outcome::EVERY_CONTAINER,
    properties::Properties,
    reason::Reason,
    task::{Task, TaskArn, TaskDefinition},
};

/// Time limit for the question for the stack's status if RunOnRollback is a default.
const ASK_BY_DEFAULT: Duration = Duration::seconds(30);
/// The stoppedReason of tasks whose wait the ledger could not save.
const NOT_REMEMBERED: &str = "ecs-tasks: the ledger cannot store the wait for this task";

/// The answers of AWS to the questions before a start.
enum Asked {
    /// The run may start with these properties.
    Proceed(Box<Properties>),
    /// There is nothing to run.
    Skip(Skip),
    /// The run cannot be started.
    Refuse(Reason),
}

/// Runs the tasks of a Create or Update, unless AWS's answers say that there is nothing to run.
///
/// The work's deadline is the answer's; Timeout counts from the start of the tasks.
pub(super) async fn run(work: &Work<'_>, mut plan: Run, request: &Request) -> Ending {
    let (mut started_before, foreign_tasks) = match clear_the_way(work, &plan.earlier).await {
        Cleared::Done {
            started_before,
            foreign_tasks,
        } => (started_before, foreign_tasks),
        Cleared::Unseen(error) => return unseen(work, &error).await,
        Cleared::Superseded => return Ending::Answered(Answer::Failed(texts::superseded())),
        Cleared::Unstopped { refused, tasks } => {
            return not_started(
                work,
                texts::not_all_stopped(texts::earlier_runs(), &refused, &tasks),
            )
            .await;
        }
    };
    let answer_deadline = plan.limits.answer_deadline();
    let until = |deadline: OffsetDateTime| Work {
        foreign_tasks: &foreign_tasks,
        ..work.until(work.invocation.clamp(deadline.min(answer_deadline)))
    };
    // The questions may take as long as the run, and take nothing from it.
    let work = &until(plan.limits.deadline(work.now()).0);
    let asked = ask(work, &plan).await;
    if !matches!(asked, Asked::Proceed(_)) {
        // AWS's answers may have changed since an earlier delivery started the tasks. A request
        // with tasks waits for them.
        started_before |= may_be_redelivered(work, &plan) && has_started(work).await;
    }
    match asked {
        Asked::Proceed(properties) => plan.properties = *properties,
        Asked::Skip(_) | Asked::Refuse(_) if started_before => {
            tracing::info!(
                "an earlier delivery of this request has started its tasks: waiting for them"
            );
            // Tasks that it has not started start now. If the service is gone, all may have started.
            if let Ok(properties) = placed(work, &plan.properties).await {
                plan.properties = properties;
            }
        }
        Asked::Skip(skip) => return skipped(skip, plan.wait_handle),
        Asked::Refuse(reason) => return not_started(work, reason).await,
    }
    // Timeout counts from here and not from the request: the end of earlier tasks and AWS's answers
    // can take minutes, and a rollback with a short Timeout must not fail for them.
    let (run_deadline, limit) = plan.limits.deadline(work.now());
    let work = &until(run_deadline);
    let (mut attempt, mut retries) = (0, plan.properties.start_retries);
    loop {
        // IAM is eventually consistent, and a stack in the making often makes the roles itself.
        let is_new_stack = request.request_type == RequestType::Create;
        let started = match start(work, &plan.properties, attempt, is_new_stack).await {
            Start::Complete(started) => started,
            Start::Failed(reason) => return not_started(work, reason).await,
        };
        let wait = |deadline| {
            Wait::for_success(&plan, request, started.tasks.clone(), deadline, work.now())
        };
        if plan.properties.timeout == 0 {
            let wait = wait((run_deadline, limit));
            let answer =
                answer_at_start(work, &wait, &started, &plan.properties.task_definition).await;
            return Ending::Answered(answer);
        }
        attempt = started.attempt;
        // An earlier delivery may have started the tasks: Timeout counts from then.
        let began_at = started
            .began_at()
            .filter(|began_at| *began_at >= plan.limits.requested_at);
        let own = began_at.map(|began_at| plan.limits.deadline(began_at));
        let wait = wait(
            own.filter(|own| own.0 < run_deadline)
                .unwrap_or((run_deadline, limit)),
        );
        if plan.wait_handle.is_some() {
            return Box::pin(promised(
                work,
                wait,
                &started,
                &plan.properties.task_definition,
            ))
            .await;
        }
        let definition = definition_for_the_ledger(work, &started).await;
        let may_restart = retries > 0 && work.history.ledger.is_some();
        match follow(
            work,
            Wait {
                definition,
                may_restart,
                ..wait
            },
        )
        .await
        {
            Ending::NeverRan(_) if retries > 0 && work.now() < work.deadline => {
                tracing::warn!(retries, "no container ever ran: starting the tasks again");
                (attempt, retries) = (attempt + 1, retries - 1);
            }
            ending => return ending,
        }
    }
}

/// Answers a request that runs no task, after the tasks of earlier requests have ended.
pub(super) async fn skip(
    work: &Work<'_>,
    skip: Skip,
    earlier: &Earlier,
    wait_handle: Option<WaitHandle>,
) -> Ending {
    match clear_the_way(work, earlier).await {
        Cleared::Done { .. } | Cleared::Superseded => skipped(skip, wait_handle),
        // A request that starts no task does not fail because the role may not look for tasks.
        Cleared::Unseen(error) if !error.is_transient() => {
            tracing::warn!("cannot look for tasks of earlier requests: {error}");
            skipped(skip, wait_handle)
        }
        Cleared::Unseen(error) => Ending::Answered(Answer::Failed(texts::earlier_unknown(&error))),
        Cleared::Unstopped { refused, tasks } => {
            let reason = texts::not_all_stopped(texts::earlier_runs(), &refused, &tasks);
            Ending::Answered(Answer::Failed(reason))
        }
    }
}

fn skipped(skip: Skip, wait_handle: Option<WaitHandle>) -> Ending {
    let answer = Answer::success_without_run(texts::skipped(skip));
    match wait_handle {
        Some(handle) => Ending::Skipped(answer, handle),
        None => Ending::Answered(answer),
    }
}

/// Fails the request before any task is known. If time ran out, tasks may exist anyway (RunTask
/// timed out, or an earlier invocation crashed), so they are looked for and stopped.
pub(super) async fn not_started(work: &Work<'_>, reason: Reason) -> Ending {
    let stopped = match work.is_last_look() {
        true => stop_tasks_of_request(work, Certainty::Likely, None).await,
        false => Ok(Vec::new()),
    };
    let reason = texts::what_is_left(reason, stopped, work.cluster, work.reply_to);
    Ending::Answered(Answer::Failed(reason))
}

/// Handles a failed look at earlier tasks. If another delivery of this request has started tasks,
/// this one waits for them.
async fn unseen(work: &Work<'_>, error: &CallError) -> Ending {
    if let Some(ledger) = work.history.ledger
        && let Some(wait) = ledger
            .wait_of(work.reply_to, work.invocation.remaining())
            .await
    {
        tracing::warn!(
            "waiting for the tasks of another delivery, because the search for earlier tasks failed"
        );
        return Box::pin(follow(work, wait)).await;
    }
    not_started(work, texts::earlier_unknown(error)).await
}

fn may_be_redelivered(work: &Work<'_>, plan: &Run) -> bool {
    work.now() - plan.limits.requested_at >= marks::LATE
}

/// This request has started tasks, as far as ECS says.
async fn has_started(work: &Work<'_>) -> bool {
    match own_tasks(work).await {
        Ok(own) => !own.is_empty(),
        Err(error) => {
            tracing::warn!(
                "cannot find out whether this request has started tasks before: {error}"
            );
            false
        }
    }
}

/// Asks AWS the open questions of the plan: the stack's status, UpdateCriteria, the service's
/// placement, and the containers that WatchContainers names.
async fn ask(work: &Work<'_>, run: &Run) -> Asked {
    if run.unless_rolling_back {
        match stack_status(work, run.may_run_unasked).await {
            Err(error) if run.may_run_unasked && cannot_be_asked(&error) => {
                tracing::warn!(
                    "running without knowing whether the stack rolls back: {error}; grant \
                     cloudformation:DescribeStacks to the function's role, or set RunOnRollback"
                );
            }
            Err(error) => return Asked::Refuse(texts::no_stack_status(&error)),
            Ok(status) => {
                if let Some(skip) = Skip::for_stack_status(&status) {
                    return Asked::Skip(skip);
                }
            }
        }
    }
    if !meets_criteria(work, run).await {
        return Asked::Skip(Skip::CriteriaNotMet);
    }
    if let Some(reason) = unknown_watch_containers(work, &run.properties).await {
        return Asked::Refuse(reason);
    }
    match placed(work, &run.properties).await {
        Ok(properties) => Asked::Proceed(Box::new(properties)),
        Err(reason) => Asked::Refuse(reason),
    }
}

/// The properties with the placement of the service that they name, if they name one. `Err` if it
/// cannot be had.
async fn placed(work: &Work<'_>, properties: &Properties) -> Result<Properties, Reason> {
    let (cluster, properties) = (work.cluster, properties.clone());
    let Some(service) = properties.service.clone() else {
        return Ok(properties);
    };
    match work
        .ride_out(|| work.aws.describe_service(cluster, &service))
        .await
    {
        Ok(Some(placement)) => Ok(properties.placed_as(placement)),
        Ok(None) => Err(texts::no_service(&service, cluster, None)),
        Err(error) => Err(texts::no_service(&service, cluster, Some(&error))),
    }
}

/// The status of the request's stack. If RunOnRollback is a default, the question must not cost
/// time: a denial is final, and a VPC without a route to CloudFormation costs 30 s at most.
async fn stack_status(work: &Work<'_>, is_by_default: bool) -> Result<String, CallError> {
    let stack_id = &work.reply_to.stack_id;
    if !is_by_default {
        return work.ride_out(|| work.aws.stack_status(stack_id)).await;
    }
    let patience = work.deadline.min(work.now() + ASK_BY_DEFAULT);
    let ask = async || {
        let asking = work.until(patience);
        let asked = asking.within(work.aws.stack_status(stack_id)).await;
        // Throttling and 5xx are answers, and pass.
        asked.map_err(
            |error| match has_no_route(&error) && work.now() >= patience {
                true => CallError {
                    kind: CallErrorKind::Final,
                    ..error
                },
                false => error,
            },
        )
    };
    work.ride_out_unless_denied(ask).await
}

/// No answer came, as from a VPC without a route to the service.
fn has_no_route(error: &CallError) -> bool {
    error.is("TimeoutError") || error.is("DispatchFailure")
}

/// The role or the network does not allow the question.
fn cannot_be_asked(error: &CallError) -> bool {
    error.is("AccessDenied") || error.is("AccessDeniedException") || has_no_route(error)
}

/// The Update meets its UpdateCriteria, or has none.
async fn meets_criteria(work: &Work<'_>, run: &Run) -> bool {
    let (Some(old), Some(criteria)) = (&run.compare_with, run.properties.update_criteria()) else {
        return true;
    };
    let read = |name| work.ride_out(move || work.aws.describe_task_definition(name));
    match tokio::join!(read(old), read(&run.properties.task_definition)) {
        (Ok(old), Ok(new)) => {
            for container in criteria::unknown_containers(criteria, &new) {
                tracing::warn!(
                    container,
                    "UpdateCriteria names a container that the task definition does not have"
                );
            }
            criteria::met(criteria, &old, &new)
        }
        (old, new) => {
            // A needless run is safer than a migration that is silently left out.
            for error in [old.err(), new.err()].into_iter().flatten() {
                tracing::warn!(
                    "UpdateCriteria count as met, because the function cannot read a task definition: {error}"
                );
            }
            true
        }
    }
}

/// The Reason for WatchContainers that name an unknown container; `None` if all are known.
pub(super) async fn unknown_watch_containers(
    work: &Work<'_>,
    properties: &Properties,
) -> Option<Reason> {
    if properties.watch_containers().is_empty() {
        return None;
    }
    let name = &properties.task_definition;
    match work
        .ride_out(|| work.aws.describe_task_definition(name))
        .await
    {
        Ok(definition) => {
            let watched = properties.watch_containers().iter().map(String::as_str);
            let watched = watched.filter(|name| *name != EVERY_CONTAINER);
            let unknown: Vec<&str> = watched
                .filter(|one| definition.container(one).is_none())
                .collect();
            (!unknown.is_empty()).then(|| texts::unknown_containers(&unknown, &definition))
        }
        // An unreadable definition is no reason to refuse: the start shows if it can run, and the
        // verdict if the names are right.
        Err(error) => {
            tracing::warn!("WatchContainers are not checked: {error}");
            None
        }
    }
}

/// The definition of the tasks for the ledger. With it an event of their end has all that a verdict
/// needs.
async fn definition_for_the_ledger(
    work: &Work<'_>,
    started: &Started,
) -> Option<Box<TaskDefinition>> {
    work.history.ledger?;
    let name = &started.seen.first()?.task_definition_arn;
    Definition::read_once(work, name, work.now())
        .await
        .as_ref()
        .cloned()
        .map(Box::new)
}

/// The answer to a run with a Timeout of 0.
///
/// `definition` is the definition that the properties name, used if ECS does not name one.
pub(super) async fn answer_at_start(
    work: &Work<'_>,
    wait: &Wait,
    started: &Started,
    definition: &str,
) -> Answer {
    let (tasks, definition) = as_started(work, started, definition).await;
    Answer::started(&tasks, wait.rules(definition.as_ref()), wait.return_output)
}

/// Answers a run whose verdict goes to a WaitHandle, and writes the row of that wait. If the ledger
/// does not accept the row, the tasks are stopped, because nobody would learn how they end.
/// `definition` is that of [`answer_at_start`].
pub(super) async fn promised(
    work: &Work<'_>,
    wait: Wait,
    started: &Started,
    definition: &str,
) -> Ending {
    let (tasks, definition) = as_started(work, started, definition).await;
    let wait = Wait {
        definition: definition.map(Box::new),
        ..wait
    };
    let answer = Answer::promised(&tasks, wait.rules(wait.definition.as_deref()));
    // Until then this invocation itself follows the wait.
    let next_look = rows::takes_over_at(work.invocation.ends_at(), &wait);
    let row = rows::Row::promised(&wait, work.now(), next_look);
    let written = match work.history.ledger {
        Some(ledger) => work
            .ride_out(|| ledger.insert_or_get(&row))
            .await
            .map(drop)
            .map_err(Some),
        None => Err(None),
    };
    match written {
        Ok(()) => Ending::Promised(answer, Box::new(wait)),
        Err(error) => {
            let stopping = work.until(work.stop_deadline());
            let stopped = stop(&stopping, &wait.tasks, NOT_REMEMBERED).await;
            let reason = texts::not_remembered(error.as_ref());
            Ending::Answered(Answer::Failed(texts::not_stopped(reason, &stopped.refused)))
        }
    }
}

/// Tasks that have just been started, and their definition, as far as ECS describes them.
async fn as_started(
    work: &Work<'_>,
    started: &Started,
    definition: &str,
) -> (Vec<Task>, Option<TaskDefinition>) {
    // The answer misses attributes at worst, and they do not justify a long wait.
    let work = &work.until(work.deadline.min(work.now() + DEFINITION_PATIENCE));
    let described = |task: &TaskArn| {
        started
            .seen
            .iter()
            .any(|seen| seen.arn == *task && !seen.task_definition_arn.is_empty())
    };
    let seen = if started.tasks.iter().all(described) {
        started.seen.clone()
    } else {
        let look = || work.aws.describe_tasks(work.cluster, &started.tasks);
        work.ride_out(look)
            .await
            .map(|seen| seen.tasks)
            .unwrap_or_default()
    };
    // ECS may not know a task that it has just started. The answer has its ARN all the same.
    let as_seen = |arn: &TaskArn| seen.iter().find(|task| task.arn == *arn).cloned();
    let tasks: Vec<Task> = started
        .tasks
        .iter()
        .map(|arn| as_seen(arn).unwrap_or_else(|| Task::unseen(arn.clone())))
        .collect();
    let known = tasks
        .first()
        .map(|task| task.task_definition_arn.as_str())
        .filter(|arn| !arn.is_empty());
    let definition = Definition::read(work, known.unwrap_or(definition)).await;
    let definition = definition.as_ref().cloned();
    (tasks, definition)
}
