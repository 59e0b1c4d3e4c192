//! What must be known before anything starts, and that AWS alone knows.

use std::time::Duration;

use super::{
    decide::{
        criteria,
        plan::{Run, Skip},
        texts,
    },
    work::Work,
};
use crate::{aws::CallError, properties::Properties, reason::Reason};

/// How long CloudFormation may take to tell the stack's status where the template does not give RunOnRollback.
const ASK_BY_DEFAULT: Duration = Duration::from_secs(30);

/// What the answers come to.
pub(super) enum Asked {
    /// The run goes on with these properties.
    GoOn(Box<Properties>),
    /// There is nothing to run.
    Skip(Skip),
    /// The run cannot be started.
    Refuse(Reason),
}

/// Asks AWS what the plan leaves open: whether the stack rolls back, whether UpdateCriteria are met, where
/// the service runs that the tasks belong to, and that WatchContainers names containers that there are.
pub(super) async fn ask(work: &Work<'_>, run: &Run) -> Asked {
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
    let (cluster, mut properties) = (work.cluster, Box::new(run.properties.clone()));
    if let Some(service) = &run.properties.service {
        match work.ride_out(|| work.aws.describe_service(cluster, service)).await {
            Ok(Some(placement)) => *properties = properties.placed_as(placement),
            Ok(None) => return Asked::Refuse(texts::no_service(service, cluster, None)),
            Err(error) => return Asked::Refuse(texts::no_service(service, cluster, Some(&error))),
        }
    }
    Asked::GoOn(properties)
}

/// The status of the request's stack. A default must not cost time: a denial is final there, and a VPC without
/// a way to CloudFormation is given up soon.
async fn stack_status(work: &Work<'_>, is_by_default: bool) -> Result<String, CallError> {
    let ask = || work.aws.stack_status(&work.reply_to.stack_id);
    if !is_by_default {
        return work.ride_out(ask).await;
    }
    let asked = tokio::time::timeout(ASK_BY_DEFAULT, work.ride_out_unless_denied(ask)).await;
    asked.unwrap_or_else(|_| Err(CallError::no_answer("cloudformation:DescribeStacks")))
}

/// Whether the role or the network keeps the function from asking.
fn cannot_be_asked(error: &CallError) -> bool {
    error.is("AccessDenied") || error.is("AccessDeniedException") || error.is("TimeoutError")
}

/// Whether an Update meets its UpdateCriteria; one without any does.
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
            for error in [old.err(), new.err()].into_iter().flatten() {
                tracing::warn!("a task definition that UpdateCriteria compare counts as different: {error}");
            }
            true
        }
    }
}

/// Why WatchContainers cannot be kept to, if it names a container that there is not.
async fn unknown_watch_containers(work: &Work<'_>, properties: &Properties) -> Option<Reason> {
    if properties.watch_containers().is_empty() {
        return None;
    }
    let name = &properties.task_definition;
    match work.ride_out(|| work.aws.describe_task_definition(name)).await {
        Ok(definition) => {
            let watched = properties.watch_containers().iter().map(String::as_str);
            let unknown: Vec<&str> = watched.filter(|one| definition.container(one).is_none()).collect();
            (!unknown.is_empty()).then(|| texts::unknown_containers(&unknown, &definition))
        }
        // Whether it can be run the start will show; whether the names are right, the verdict.
        Err(error) => {
            tracing::warn!("WatchContainers go unchecked: {error}");
            None
        }
    }
}
