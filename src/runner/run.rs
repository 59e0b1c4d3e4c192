//! Create and Update: what earlier requests have left is stopped, tasks are started, and their end is followed.

use super::{
    ask::{Asked, ask},
    decide::{
        answer::Answer,
        plan::{Run, Skip},
        texts,
        wait::Wait,
    },
    evidence,
    follow::{Ending, follow},
    start::{Start, Started, start},
    stop::{EarlierRun, stop_earlier, stop_request},
    work::Work,
};
use crate::{
    cfn::{Request, RequestType},
    outcome::Rules,
    properties::Properties,
    reason::Reason,
    task::{Task, TaskArn},
};

/// Runs the tasks of a Create or Update, unless AWS's answers say that there is nothing to run.
pub(super) async fn run(work: &Work<'_>, mut plan: Run, request: &Request) -> Ending {
    match ask(work, &plan).await {
        Asked::GoOn(properties) => plan.properties = *properties,
        Asked::Skip(skip) => return skipped(skip),
        Asked::Refuse(reason) => return not_started(work, reason).await,
    }
    let (mut attempt, mut retries) = (0, plan.properties.start_retries);
    loop {
        if request.request_type == RequestType::Update {
            match stop_earlier(work).await {
                Ok(()) => {}
                Err(EarlierRun::Unseen(error)) => {
                    return not_started(work, texts::earlier_unknown(&error)).await;
                }
                Err(EarlierRun::Unstopped(stopped)) => {
                    return not_started(
                        work,
                        texts::not_all_stopped(texts::earlier_runs(), &stopped.refused),
                    )
                    .await;
                }
            }
        }
        let started = match start(work, &plan.properties, attempt).await {
            Start::Complete(started) => started,
            Start::Failed(reason) => return not_started(work, reason).await,
        };
        if plan.properties.timeout == 0 {
            return Ending::Answered(fire_and_forget(work, &plan.properties, &started).await);
        }
        attempt = started.attempt;
        let wait = Wait::for_success(&plan, request, started.tasks, work.now());
        match follow(work, wait).await {
            Ending::NeverRan(_) if retries > 0 && work.now() < work.until => {
                tracing::warn!(retries, "no container ever ran: starting anew");
                (attempt, retries) = (attempt + 1, retries - 1);
            }
            ending => return ending,
        }
    }
}

/// The answer where there is nothing to run.
pub(super) fn skipped(skip: Skip) -> Ending {
    Ending::Answered(Answer::nothing_ran(texts::skipped(skip)))
}

/// The answer of a delivery that knows of no tasks. Where its time ran out, there may be some all the same: a call without
/// an answer has started them, or an earlier delivery whose invocation died.
pub(super) async fn not_started(work: &Work<'_>, reason: Reason) -> Ending {
    let reason = if work.is_last_look() { without_tasks(work, reason).await } else { reason };
    Ending::Answered(Answer::Failed(reason))
}

/// Stops whatever the request may have started; the Reason says which of it may still run.
pub(super) async fn without_tasks(work: &Work<'_>, reason: Reason) -> Reason {
    match stop_request(&work.due(work.invocation.soon())).await {
        Ok(stopped) => texts::not_stopped(reason, &stopped.refused),
        Err(error) => texts::may_run(reason, &error),
    }
}

/// The answer to a run whose end is not waited for.
async fn fire_and_forget(work: &Work<'_>, properties: &Properties, started: &Started) -> Answer {
    let described =
        |tasks: &[Task]| !tasks.is_empty() && tasks.iter().all(|task| !task.task_definition_arn.is_empty());
    let seen = if described(&started.seen) {
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
    let definition = evidence::definition(work, known.unwrap_or(&properties.task_definition)).await;
    let rules = Rules {
        watch_containers: properties.watch_containers(),
        success_exit_codes: &properties.success_exit_codes,
        definition: definition.as_ref(),
    };
    Answer::started(&tasks, rules)
}
