//! The last log lines of the container that failed, for its alert. They are read as the runner
//! reads them, best effort, and for three seconds at most: an alert does not wait for a log.

use std::time::Duration;

use time::Duration as Span;
use tokio::time::timeout;

use super::{
    decide::group::{Failing, Subject},
    render::alert::culprit,
    sinks::Sinks,
};
use crate::{
    function::clock::Clock,
    log_tail::{self, Wanted},
    reason::{Log, NoLog},
};

/// Time limit for the log lines of an alert.
const PATIENCE: Duration = Duration::from_secs(3);

impl Sinks {
    /// Returns the last log lines of the container that failed first, if it has a log and they are
    /// wanted.
    pub(super) async fn tail(&self, failing: &Failing<'_>, clock: Clock) -> Option<Log> {
        let lines = self
            .settings
            .alert
            .as_ref()
            .map_or(0, |alert| alert.log_lines);
        if lines == 0 {
            return None;
        }
        timeout(PATIENCE, self.read_tail(failing, lines, clock))
            .await
            .unwrap_or_default()
    }

    async fn read_tail(&self, failing: &Failing<'_>, lines: u32, clock: Clock) -> Option<Log> {
        let Subject::Task(change, _) = failing.what else {
            return None;
        };
        let (name, task) = (culprit(failing)?, &change.task);
        let definition = self.definition(&task.task_definition_arn).await?;
        let logs = definition.container(name)?.logs.as_ref()?;
        let container = task
            .containers
            .iter()
            .find(|container| container.name == name)?;
        let stream = log_tail::stream_of(logs, container, &task.arn)?;
        let counts = log_tail::tells;
        let wanted = Wanted {
            logs,
            stream: &stream,
            lines,
            counts,
            ended_at: task.ended_at(),
        };
        let read = log_tail::read(
            self.aws().logs(),
            &wanted,
            clock,
            clock.now() + Span::seconds(2),
        )
        .await;
        let (lines, missing) = match read {
            Ok(lines) => (lines, None),
            // The only one of the reasons that somebody can fix.
            Err(error) => (
                Vec::new(),
                error.is_denied().then(|| NoLog::Denied(error.to_string())),
            ),
        };
        Some(Log {
            group: Some(logs.group.clone()),
            stream: Some(stream),
            region: logs.region.clone(),
            lines,
            missing,
        })
    }
}
