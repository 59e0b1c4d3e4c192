//! The clock of the windows: a schedule invokes the function every minute, and it reports the
//! failures of each window that has ended as a count.
//!
//! A count is cleared only after its message went out, so that a crash costs a second message at
//! worst.

use time::OffsetDateTime;

use super::{
    decide::{
        event::Event,
        finding::{Finding, TaskFailure},
        group::{Failing, RESTARTING},
        rows::Rows,
        windows::{WINDOWS_PARTITION, Window},
    },
    render::alert::Failures,
    sinks::Sinks,
};
use crate::aws::{
    CallError,
    dynamodb::{Table, Updated},
};

impl Sinks {
    /// Reports the counts of windows that have ended by `at`, the schedule's time. `Err` if
    /// something could not be reported; the next minute tries again.
    pub(super) async fn flush(
        &self,
        at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), CallError> {
        let (Some(table), Some(_)) = (&self.table, &self.topic) else {
            return Ok(());
        };
        let rows = self.rows(at.max(now));
        let windows = table.query(WINDOWS_PARTITION).await?;
        let ended = crate::epoch::milliseconds(rows.now);
        let mut failed = None;
        for window in windows
            .iter()
            .filter_map(Window::of)
            .filter(|window| window.until <= ended)
        {
            let reported = match window.waiting {
                0 => table.delete(&rows.close(&window)).await,
                _ => self.report_count(table, &rows, &window).await,
            };
            // A group that fails must not keep the others from being reported.
            if let Err(error) = reported {
                tracing::error!(
                    cluster = window.group.cluster,
                    "a count could not be reported: {error}"
                );
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn report_count(
        &self,
        table: &Table,
        rows: &Rows,
        window: &Window,
    ) -> Result<(), CallError> {
        let Some(alert) = &self.settings.alert else {
            return Ok(());
        };
        if let Updated::Refused(_) = table.update(&rows.take(window)).await? {
            // Another invocation reports it.
            return Ok(());
        }
        let event = Event::read(window.latest.clone(), "")
            .map_err(|error| CallError::refused("dynamodb:Query", &error.to_string()))?;
        // The event was alarming when it was counted. If it was too long to be stored whole, the
        // report has the group's words.
        let judged = match window.group.cause == RESTARTING {
            true => Some(Finding::Restarting),
            false => Finding::of(&event, &[])
                .filter(|one| one.is_alarming() || *one == Finding::Awaiting),
        };
        let finding =
            judged.unwrap_or_else(|| Finding::Failed(TaskFailure::in_words(&window.group.cause)));
        let failing = Failing::of(&event, Some(&finding)).ok_or_else(|| {
            CallError::refused(
                "dynamodb:Query",
                "the latest event of a window is no failure",
            )
        })?;
        let failures = Failures {
            failing,
            group: &window.group,
            count: window.waiting,
            named: Vec::new(),
            since: Some(&window.since),
            log: None,
        };
        match self.publish(failures, rows.now).await {
            Ok(()) => table
                .update(&rows.reported(window, alert.window))
                .await
                .map(drop),
            Err(error) => {
                // Best effort: if it fails, the lease blocks the report in the next minute, and no
                // longer.
                let _ = table.update(&rows.give_back(window)).await;
                Err(error)
            }
        }
    }
}
