//! The runner: a payload becomes a request, a wait, an event or a round of the watch, and each
//! request gets its one answer.
//!
//! ```text
//! payload ─► Entry ─┬─ request ─► Plan ─┬─ Refuse, Skip ────────────────► respond
//!                   │                   ├─ Run ──► clear, start ─► wait ─┬─► respond
//!                   │                   └─ Stop ─► delete ──────► wait ─┤
//!                   ├─ {"Wait": …} ─────────────────────────────► wait ─┼─► the next invocation
//!                   └─ an event, {"Watch": {}} ─► watch ────────► wait ─┴─► the ledger
//! ```
//!
//! Calls go one way, in the order of the files: request, watch → respond → run, delete → start,
//! clear → wait → conclude → tasks, evidence → ledger. All of them carry one `Work`.
//!
//! One guard stands around all work on a request, and around each row of the watch: a panic ends in
//! a FAILED answer, and CloudFormation does not wait in vain.
//!
//! Retry policy: an invocation fails only if its answer could not be delivered. Lambda then
//! delivers the request again, and since starting is idempotent, nothing runs twice.

mod clear;
mod conclude;
pub mod decide;
mod delete;
mod evidence;
pub mod invocation;
pub mod ledger;
pub mod metrics;
mod request;
mod respond;
mod run;
mod start;
mod tasks;
mod wait;
mod watch;
mod work;

use std::fmt;

use serde_json::Value;

use self::{
    decide::{entry::Entry, texts},
    invocation::Invocation,
    ledger::Ledger,
    respond::{Panicked, caught},
    wait::Ending,
};
use crate::{
    aws::Aws,
    callback::{Callback, Undelivered},
    cfn::ReplyTo,
    reason::{FailureClass, Reason},
};

/// The runner with its clients. One of them handles all invocations of a process.
pub struct Runner {
    aws: Aws,
    callback: Callback,
    ledger: Option<Ledger>,
    write_metrics: Box<dyn Fn(&str) + Send + Sync>,
    metrics_by_resource: bool,
}

impl Runner {
    /// Makes a runner with these clients. It has no ledger and drops its metrics.
    pub fn new(aws: Aws, callback: Callback) -> Self {
        Self {
            aws,
            callback,
            ledger: None,
            write_metrics: Box::new(|_| {}),
            metrics_by_resource: false,
        }
    }

    /// The same runner, which saves its requests in `ledger`; without one it polls.
    #[must_use]
    pub fn with_ledger(self, ledger: Option<Ledger>) -> Self {
        Self { ledger, ..self }
    }

    /// The same runner, which passes lines in the embedded metric format to `write`. If
    /// `metrics_by` is `LogicalResourceId`, it also writes the metrics of each resource.
    #[must_use]
    pub fn with_metrics(
        self,
        metrics_by: Option<&str>,
        write: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let metrics_by = metrics_by.map(str::trim).filter(|by| !by.is_empty());
        let metrics_by_resource = metrics_by == Some("LogicalResourceId");
        if let Some(by) = metrics_by.filter(|_| !metrics_by_resource) {
            tracing::warn!("ignoring METRICS_BY={by}: the only value is LogicalResourceId");
        }
        Self {
            write_metrics: Box::new(write),
            metrics_by_resource,
            ..self
        }
    }

    /// Handles one payload of any kind.
    ///
    /// `Err` means that an answer could not be delivered; everything else, a failed task included,
    /// is `Ok`.
    pub async fn handle(
        &self,
        payload: &Value,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        // A panic must still flush the metrics, and must fail the invocation so that Lambda
        // delivers again.
        let handled = caught(Box::pin(self.enter(payload, invocation))).await;
        self.flush_metrics(invocation);
        handled.unwrap_or_else(|Panicked| {
            tracing::error!("an internal error ended the invocation");
            Err(Undelivered::Panicked)
        })
    }

    async fn enter(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        match Entry::read(payload) {
            Entry::Request(request) => Box::pin(self.request(*request, invocation)).await,
            Entry::Resume(wait) => Box::pin(self.resume(*wait, invocation)).await,
            Entry::Changed(task) => {
                Box::pin(self.task_changed(*task, invocation)).await;
                Ok(())
            }
            Entry::Watch => {
                Box::pin(self.watch(invocation)).await;
                Ok(())
            }
            Entry::Unreadable {
                reply_to,
                cluster,
                error,
            } => {
                tracing::error!(
                    request_id = reply_to.request_id,
                    "a continuation cannot be read: {error}"
                );
                // Without its continuation nobody can decide a verdict, and no task may run
                // after FAILED.
                let reason = texts::function_replaced(&error);
                self.fail(cluster.as_deref(), &reply_to, reason, invocation)
                    .await
            }
            Entry::Garbled { reply_to, problem } => {
                tracing::error!(request_id = reply_to.request_id, "{problem}");
                let reason = Reason::new(problem).of_class(FailureClass::Refused);
                self.fail(None, &reply_to, reason, invocation).await
            }
            Entry::Dropped { problem } => {
                tracing::warn!("{problem}");
                Ok(())
            }
        }
    }

    /// Stops the tasks that a request may have started, and answers FAILED.
    async fn fail(
        &self,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        reason: Reason,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let failing = async {
            Some(Ending::Answered(
                self.stop_and_fail(cluster, reply_to, invocation, reason)
                    .await,
            ))
        };
        self.settle(cluster, reply_to, invocation, Box::pin(failing))
            .await
            .map(drop)
    }

    /// Writes the metrics of the invocation, one line for each request.
    fn flush_metrics(&self, invocation: &Invocation) {
        let metrics = invocation.metrics();
        metrics.record_throttled(self.aws.throttles().take());
        metrics.record_throttled(
            self.ledger
                .as_ref()
                .map_or(0, |ledger| ledger.throttles().take()),
        );
        for line in metrics.flush(self.metrics_by_resource, invocation.now()) {
            (self.write_metrics)(&line);
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
