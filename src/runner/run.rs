//! Create and Update: what earlier requests have left is ended, tasks are started, and their end is followed.

use time::Duration;

use super::{
    ask::{Asked, ask},
    decide::{
        answer::Answer,
        plan::{Earlier, Run, Skip},
        texts,
        wait::Wait,
    },
    evidence::{DEFINITION_PATIENCE, Definition},
    find::own_tasks,
    follow::{Ending, follow},
    launch::Started,
    promise::promise,
    start::{Start, start},
    stop::{Cleared, clear_the_way, stop_request},
    work::Work,
};
use crate::{
    aws::CallError,
    cfn::{Request, RequestType, WaitHandle},
    reason::Reason,
    task::{Task, TaskArn, TaskDefinition},
};

/// How old a request is that may have been delivered before: Lambda tries a failed one again after a minute.
const REDELIVERY: Duration = Duration::seconds(45);

/// Runs the tasks of a Create or Update, unless AWS's answers say that there is nothing to run.
///
/// The work is due when CloudFormation must be answered; Timeout counts from the start of the tasks.
pub(super) async fn run(work: &Work<'_>, mut plan: Run, request: &Request) -> Ending {
    let (mut started_before, others) = match clear_the_way(work, &plan.earlier).await {
        Cleared::Done { started_before, others } => (started_before, others),
        Cleared::Unseen(error) => return unseen(work, &error).await,
        Cleared::Superseded => return Ending::Answered(Answer::Failed(texts::superseded())),
        Cleared::Unstopped(stopped) => {
            return not_started(work, texts::not_all_stopped(texts::earlier_runs(), &stopped.refused)).await;
        }
    };
    let (deadline, limit) = plan.limits.deadline(work.now());
    let work = work.due(work.invocation.until(deadline.min(plan.limits.answer_by())));
    let work = &Work { others: &others, ..work };
    let asked = ask(work, &plan).await;
    if !matches!(asked, Asked::GoOn(_)) {
        // Whatever the answers are by now: a request that has started its tasks goes on with them.
        started_before |= may_be_redelivered(work, &plan) && has_started(work).await;
    }
    match asked {
        Asked::GoOn(properties) => plan.properties = *properties,
        Asked::Skip(_) | Asked::Refuse(_) if started_before => {
            tracing::info!("this request has started its tasks before: going on with them");
        }
        Asked::Skip(skip) => return skipped(skip, plan.wait_handle),
        Asked::Refuse(reason) => return not_started(work, reason).await,
    }
    let (mut attempt, mut retries) = (0, plan.properties.start_retries);
    loop {
        let is_new_stack = request.request_type == RequestType::Create;
        let started = match start(work, &plan.properties, attempt, is_new_stack).await {
            Start::Complete(started) => started,
            Start::Failed(reason) => return not_started(work, reason).await,
        };
        if plan.properties.timeout == 0 {
            let wait =
                Wait::for_success(&plan, request, started.tasks.clone(), (deadline, limit), work.now());
            return Ending::Answered(
                fire_and_forget(work, &wait, &started, &plan.properties.task_definition).await,
            );
        }
        attempt = started.attempt;
        let began_at = started.began_at().filter(|began_at| *began_at >= plan.limits.requested_at);
        let first = began_at.map_or((deadline, limit), |began_at| plan.limits.deadline(began_at));
        let deadline = if first.0 < deadline { first } else { (deadline, limit) };
        let wait = Wait::for_success(&plan, request, started.tasks.clone(), deadline, work.now());
        if plan.wait_handle.is_some() {
            return Box::pin(promised(work, wait, &started, &plan.properties.task_definition)).await;
        }
        let definition = definition_for_the_ledger(work, &started).await;
        let may_restart = retries > 0 && work.memory.ledger.is_some();
        match follow(work, Wait { definition, may_restart, ..wait }).await {
            Ending::NeverRan(_) if retries > 0 && work.now() < work.until => {
                tracing::warn!(retries, "no container ever ran: starting anew");
                (attempt, retries) = (attempt + 1, retries - 1);
            }
            ending => return ending,
        }
    }
}

/// An Update, or a Create, that has nothing to run. What earlier requests have left is ended all the same.
pub(super) async fn skip(
    work: &Work<'_>,
    skip: Skip,
    earlier: &Earlier,
    wait_handle: Option<WaitHandle>,
) -> Ending {
    match clear_the_way(work, earlier).await {
        Cleared::Done { .. } | Cleared::Superseded => skipped(skip, wait_handle),
        // A role that may not look for tasks is no reason to fail a request that starts none.
        Cleared::Unseen(error) if !error.is_transient() => {
            tracing::warn!("tasks of earlier requests are not looked for: {error}");
            skipped(skip, wait_handle)
        }
        Cleared::Unseen(error) => Ending::Answered(Answer::Failed(texts::earlier_unknown(&error))),
        Cleared::Unstopped(stopped) => {
            let reason = texts::not_all_stopped(texts::earlier_runs(), &stopped.refused);
            Ending::Answered(Answer::Failed(reason))
        }
    }
}

fn skipped(skip: Skip, wait_handle: Option<WaitHandle>) -> Ending {
    let answer = Answer::nothing_ran(texts::skipped(skip));
    match wait_handle {
        Some(handle) => Ending::Skipped(answer, handle),
        None => Ending::Answered(answer),
    }
}

/// The answer of a delivery that knows of no tasks. Where its time ran out, there may be some all the same: a
/// call without an answer has started them, or an earlier delivery whose invocation died.
pub(super) async fn not_started(work: &Work<'_>, reason: Reason) -> Ending {
    let stopped = if work.is_last_look() { stop_what_it_started(work).await } else { Ok(Vec::new()) };
    Ending::Answered(Answer::Failed(texts::what_is_left(reason, stopped)))
}

/// Stops whatever the request may have started. What of it AWS refused to stop; `Err` if tasks could not be
/// looked for.
pub(super) async fn stop_what_it_started(work: &Work<'_>) -> Result<Vec<(TaskArn, CallError)>, CallError> {
    stop_request(&work.due(work.invocation.soon())).await.map(|stopped| stopped.refused)
}

/// What earlier requests have left cannot be looked for. Another delivery of this request may have had more
/// luck: this one goes on with what that has started.
async fn unseen(work: &Work<'_>, error: &CallError) -> Ending {
    if let Some(ledger) = work.memory.ledger
        && let Some(wait) = ledger.wait_of(work.reply_to).await
    {
        tracing::warn!("going on with what another delivery has started, as a look at earlier tasks failed");
        return Box::pin(follow(work, wait)).await;
    }
    not_started(work, texts::earlier_unknown(error)).await
}

fn may_be_redelivered(work: &Work<'_>, plan: &Run) -> bool {
    work.now() - plan.limits.requested_at >= REDELIVERY
}

/// Whether this very request has started tasks, as far as that can be found out.
async fn has_started(work: &Work<'_>) -> bool {
    match own_tasks(work).await {
        Ok(own) => !own.is_empty(),
        Err(error) => {
            tracing::warn!("whether this request has started tasks before could not be found out: {error}");
            false
        }
    }
}

/// What the tasks run from, for the ledger to keep: an event that says how they ended is judged by it.
async fn definition_for_the_ledger(work: &Work<'_>, started: &Started) -> Option<Box<TaskDefinition>> {
    work.memory.ledger?;
    let name = &started.seen.first()?.task_definition_arn;
    Definition::read_once(work, name, work.now()).await.as_ref().cloned().map(Box::new)
}

/// The answer to a run whose end is not waited for.
///
/// `definition` is what the tasks were to run from, in case ECS does not say it.
pub(super) async fn fire_and_forget(
    work: &Work<'_>,
    wait: &Wait,
    started: &Started,
    definition: &str,
) -> Answer {
    let (tasks, definition) = as_started(work, started, definition).await;
    Answer::started(&tasks, wait.rules(definition.as_ref()), wait.return_output)
}

/// Goes on with a run whose end is signalled to a WaitHandle. `definition` likewise.
pub(super) async fn promised(work: &Work<'_>, wait: Wait, started: &Started, definition: &str) -> Ending {
    let (tasks, definition) = as_started(work, started, definition).await;
    promise(work, Wait { definition: definition.map(Box::new), ..wait }, &tasks).await
}

/// What is known of tasks that have just been started, and of what they run from.
async fn as_started(
    work: &Work<'_>,
    started: &Started,
    definition: &str,
) -> (Vec<Task>, Option<TaskDefinition>) {
    // Only attributes are at stake, and nobody waits for those for long.
    let work = &work.due(work.until.min(work.now() + DEFINITION_PATIENCE));
    let described = |task: &TaskArn| {
        started.seen.iter().any(|seen| seen.arn == *task && !seen.task_definition_arn.is_empty())
    };
    let seen = if started.tasks.iter().all(described) {
        started.seen.clone()
    } else {
        let look = || work.aws.describe_tasks(work.cluster, &started.tasks);
        work.ride_out(look).await.map(|seen| seen.tasks).unwrap_or_default()
    };
    // ECS may not know a task that it has just started; its ARN is answered all the same.
    let as_seen = |arn: &TaskArn| seen.iter().find(|task| task.arn == *arn).cloned();
    let tasks: Vec<Task> =
        started.tasks.iter().map(|arn| as_seen(arn).unwrap_or_else(|| Task::unseen(arn.clone()))).collect();
    let known = tasks.first().map(|task| task.task_definition_arn.as_str()).filter(|arn| !arn.is_empty());
    let definition = Definition::read(work, known.unwrap_or(definition)).await;
    let definition = definition.as_ref().cloned();
    (tasks, definition)
}
