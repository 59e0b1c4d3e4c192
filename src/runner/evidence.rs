//! What a verdict and its Reason rest on beside the tasks: the task definition, and the last lines of a container's log.

use std::time::Duration as StdDuration;

use time::Duration;

use super::work::Work;
use crate::{
    aws::{CallError, CallErrorKind},
    reason::Log,
    task::{Task, TaskArn, TaskDefinition},
};

/// How long a task definition is tried to be read; the verdict goes without it then.
pub(super) const DEFINITION_PATIENCE: Duration = Duration::seconds(10);
/// How long a failed container's log is waited for.
const LOG_PATIENCE: Duration = Duration::seconds(3);
/// Between two attempts at it.
const LOG_DELAY: StdDuration = StdDuration::from_secs(1);

/// A container whose log is wanted.
pub(super) struct Wanted<'w> {
    pub(super) task: &'w TaskArn,
    pub(super) container: &'w str,
    /// How many lines at most.
    pub(super) lines: u32,
}

/// The definition that a task ran from, if it can be read.
pub(super) async fn definition_of_task(work: &Work<'_>, task: Option<&Task>) -> Option<TaskDefinition> {
    definition(work, task.map(|task| task.task_definition_arn.as_str())?).await
}

/// The definition of this name, if it can be read.
pub(super) async fn definition(work: &Work<'_>, name: &str) -> Option<TaskDefinition> {
    if name.is_empty() {
        return None;
    }
    // An attempt without an answer must leave time for another.
    let attempt = || work.due(work.invocation.until(work.now() + DEFINITION_PATIENCE / 4));
    let read = async || match attempt().within(work.aws.describe_task_definition(name)).await {
        // A denial may pass, too, but it is not worth the time: the verdict can do without the definition.
        Err(error) if error.kind == CallErrorKind::Denied => {
            Err(CallError { kind: CallErrorKind::Final, ..error })
        }
        result => result,
    };
    let definition = work.ride_out(read).await;
    definition.inspect_err(|error| tracing::warn!("going on without the task definition: {error}")).ok()
}

/// Where a container's output is, and its last lines as far as they can be had in time. Never changes a verdict.
pub(super) async fn log(
    work: &Work<'_>,
    wanted: Wanted<'_>,
    definition: Option<&TaskDefinition>,
) -> Option<Log> {
    let Wanted { task, container, lines } = wanted;
    let logs = definition?.container(container)?.logs.as_ref()?;
    let log = Log { group: logs.group.clone(), stream: logs.stream(container, task), lines: Vec::new() };
    let Some(stream) = log.stream.as_ref().filter(|_| lines > 0) else { return Some(log) };
    let work = work.due(work.invocation.last_words_at().min(work.now() + LOG_PATIENCE));
    let read = loop {
        let read = work.within(work.aws.log_tail(logs.region.as_deref(), &logs.group, stream, lines)).await;
        // The driver hands lines over with a delay, and makes the stream with the first of them.
        let may_come = match &read {
            Ok(lines) => lines.is_empty(),
            Err(error) => error.is("ResourceNotFoundException"),
        };
        if !may_come || work.now() + LOG_DELAY >= work.until {
            break read;
        }
        tokio::time::sleep(LOG_DELAY).await;
    };
    match &read {
        Ok(lines) if lines.is_empty() => tracing::info!(container, "the container's log stream is empty"),
        Ok(_) => {}
        Err(error) => tracing::warn!(container, "going on without the container's log: {error}"),
    }
    Some(Log { lines: read.unwrap_or_default(), ..log })
}
