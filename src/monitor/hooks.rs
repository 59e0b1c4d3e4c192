//! Deployment hooks that wait for somebody to act: reported if nobody does for a while.

use super::{
    decide::{
        event::About,
        finding::{Finding, HOOK_PATIENCE},
        group::Group,
        rows::Rows,
    },
    in_flight::{InFlight, Shortfall, Sink},
    sinks::Sinks,
};

impl Sinks {
    /// Notes which hooks wait and which no longer do. If no event ends a hook's window, the
    /// schedule reports it.
    pub(super) async fn note_hooks(
        &self,
        in_flight: &[InFlight<'_>],
        rows: &Rows,
    ) -> Vec<Shortfall> {
        let (Some(table), Some(_)) = (&self.table, &self.topic) else {
            return Vec::new();
        };
        let mut failures = Vec::new();
        for (id, one) in in_flight.iter().enumerate() {
            let About::Service(hook) = &one.event.about else {
                continue;
            };
            let group = Group::of_wait(hook);
            let update = if one.finding == Some(Finding::Awaiting) {
                rows.await_end(&group, one.event, HOOK_PATIENCE)
            } else if hook.ends_wait() {
                rows.end_wait(&group, one.event, HOOK_PATIENCE)
            } else {
                continue;
            };
            // Refused means that a later event has said more.
            failures.extend(
                table
                    .update(&update)
                    .await
                    .err()
                    .map(|error| (id, Sink::Alert, error)),
            );
        }
        failures
    }
}
