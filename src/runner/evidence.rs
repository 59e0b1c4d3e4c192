//! The evidence for a verdict and its Reason, beside the tasks: the task definition, and the last
//! lines of a container's log.

use time::{Duration, OffsetDateTime};

use super::{ledger::FRESH_ROLE, work::Work};
use crate::{
    call::CallError,
    log_tail::{self, Wanted},
    reason::{Log, NoLog},
    task::{Task, TaskDefinition},
};

/// The longest wait for a task definition that cannot change the verdict.
pub(super) const DEFINITION_PATIENCE: Duration = Duration::seconds(10);
/// The longest wait for a container's log.
const LOG_PATIENCE: Duration = Duration::seconds(4);

/// A task definition that is read while its tasks run.
#[derive(Default)]
pub(super) enum Definition {
    #[default]
    Unread,
    Read(Box<TaskDefinition>),
    /// The definition cannot be read: AWS denied it, or it no longer exists.
    Unreadable(CallError),
}

/// The container whose log is read.
pub(super) struct Speaker<'w> {
    pub(super) task: &'w Task,
    pub(super) container: &'w str,
    /// The largest number of lines to read.
    pub(super) lines: u32,
    /// Selects the lines that count.
    pub(super) counts: fn(&str) -> bool,
}

impl Definition {
    /// The definition, if it has been read.
    pub(super) fn as_ref(&self) -> Option<&TaskDefinition> {
        match self {
            Self::Read(definition) => Some(definition),
            Self::Unread | Self::Unreadable(_) => None,
        }
    }

    /// Another attempt may read the definition.
    pub(super) fn may_be_read(&self) -> bool {
        matches!(self, Self::Unread)
    }

    /// Makes one attempt to read the definition. In the first seconds after the start a denial may
    /// be due to a new role, so it is not final.
    pub(super) async fn read_once(work: &Work<'_>, name: &str, started_at: OffsetDateTime) -> Self {
        if name.is_empty() {
            return Self::Unread;
        }
        // An attempt without an answer must leave time for another.
        let attempt = work.until(work.deadline.min(work.now() + DEFINITION_PATIENCE / 4));
        match attempt
            .within(work.aws.describe_task_definition(name))
            .await
        {
            Ok(definition) => Self::Read(Box::new(definition)),
            Err(error) if error.is_transient() => {
                tracing::debug!("the task definition could not be read yet: {error}");
                Self::Unread
            }
            Err(error) if error.is_denied() && work.now() - started_at < FRESH_ROLE => Self::Unread,
            Err(error) => {
                tracing::warn!("continuing without the task definition: {error}");
                Self::Unreadable(error)
            }
        }
    }

    /// Reads the definition, and tries again while there is time if the error may pass.
    pub(super) async fn read(work: &Work<'_>, name: &str) -> Self {
        if name.is_empty() {
            return Self::Unread;
        }
        let attempt = || work.until(work.deadline.min(work.now() + DEFINITION_PATIENCE / 4));
        let read = async || {
            attempt()
                .within(work.aws.describe_task_definition(name))
                .await
        };
        // A denial may pass, too, but the verdict does not need the definition enough to wait for
        // it.
        match work.ride_out_unless_denied(read).await {
            Ok(definition) => Self::Read(Box::new(definition)),
            Err(error) => {
                tracing::warn!("continuing without the task definition: {error}");
                if error.is_transient() {
                    Self::Unread
                } else {
                    Self::Unreadable(error)
                }
            }
        }
    }
}

/// Finds a container's output and reads its last lines in the time that is left. It never changes a
/// verdict: the result says which part is missing, and why.
pub(super) async fn log(work: &Work<'_>, speaker: Speaker<'_>, definition: &Definition) -> Log {
    let Speaker {
        task,
        container,
        lines,
        counts,
    } = speaker;
    let wants_lines = |missing: NoLog| (lines > 0).then_some(missing);
    let Some(read) = definition.as_ref() else {
        let why = match definition {
            Definition::Unreadable(error) => error.to_string(),
            _ => "AWS did not answer in time".to_owned(),
        };
        return Log {
            missing: wants_lines(NoLog::NoDefinition(why)),
            ..Log::default()
        };
    };
    let described = read.container(container);
    let Some(logs) = described.and_then(|container| container.logs.as_ref()) else {
        let driver = described.and_then(|container| container.log_driver.clone());
        let missing = match driver.as_deref() {
            Some("awsfirelens") => {
                NoLog::FireLens(described.and_then(|container| container.firelens_group.clone()))
            }
            _ => NoLog::NotAwslogs(driver),
        };
        return Log {
            missing: wants_lines(missing),
            ..Log::default()
        };
    };
    let ran = task.containers.iter().find(|one| one.name == container);
    let stream = ran.and_then(|ran| log_tail::stream_of(logs, ran, &task.arn));
    let log = Log {
        group: Some(logs.group.clone()),
        stream,
        region: logs.region.clone(),
        ..Log::default()
    };
    let Some(stream) = log.stream.as_deref().filter(|_| lines > 0) else {
        return log;
    };
    let wanted = Wanted {
        logs,
        stream,
        lines,
        counts,
        ended_at: task.ended_at(),
    };
    // Near the invocation's end, reserve a second, or half of the rest, for a read that gets no
    // answer.
    let now = work.now();
    let left: Duration = work.invocation.answer_reserve_at() - now;
    let half: Duration = left / 2;
    let until = now + half.max(left - Duration::SECOND);
    let until = work
        .invocation
        .hand_over_at()
        .max(until)
        .min(now + LOG_PATIENCE);
    let read = log_tail::read(work.aws.logs(), &wanted, work.invocation.clock(), until).await;
    let missing = match &read {
        Ok(lines) if lines.is_empty() => Some(NoLog::Empty),
        Ok(_) => None,
        Err(error) if error.is("ResourceNotFoundException") => Some(NoLog::NoStream),
        Err(error) if error.is_denied() => Some(NoLog::Denied(error.to_string())),
        Err(error) => Some(NoLog::Unread(error.to_string())),
    };
    match &read {
        Ok(lines) if lines.is_empty() => {
            tracing::info!(container, "the container's log stream is empty")
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(container, "continuing without the container's log: {error}"),
    }
    Log {
        lines: read.unwrap_or_default(),
        missing,
        ..log
    }
}
