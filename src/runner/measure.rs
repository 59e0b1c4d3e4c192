//! The lines that become metrics, written at the end of each invocation.

use std::fmt;

use super::{Runner, invocation::Invocation, render::metrics::render};

/// Where lines go that become metrics, and of what kind they are.
pub(super) struct Metrics {
    write: Box<dyn Fn(&str) + Send + Sync>,
    by_resource: bool,
}

impl Default for Metrics {
    /// Nowhere.
    fn default() -> Self {
        Self { write: Box::new(|_| {}), by_resource: false }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("by_resource", &self.by_resource).finish_non_exhaustive()
    }
}

impl Runner {
    /// The same runner, which writes lines in the embedded metric format: with metrics of each resource, too,
    /// where `metrics_by` says `LogicalResourceId`.
    #[must_use]
    pub fn with_metrics(
        self,
        metrics_by: Option<&str>,
        write: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let metrics_by = metrics_by.map(str::trim).filter(|by| !by.is_empty());
        let by_resource = metrics_by == Some("LogicalResourceId");
        if let Some(by) = metrics_by.filter(|_| !by_resource) {
            tracing::warn!(
                "METRICS_BY is {by}, and can only be LogicalResourceId: it is left out of account"
            );
        }
        Self { metrics: Metrics { write: Box::new(write), by_resource }, ..self }
    }

    /// Reports what an invocation has measured: a line for each request.
    pub(super) fn report(&self, invocation: &Invocation) {
        let meter = invocation.meter();
        meter.throttled(self.aws.throttles().take());
        meter.throttled(self.ledger.as_ref().map_or(0, |ledger| ledger.throttles().take()));
        let now = invocation.now();
        for line in meter.take().iter().filter_map(|measures| render(measures, self.metrics.by_resource, now))
        {
            (self.metrics.write)(&line);
        }
    }
}
