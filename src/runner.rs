//! The runner: a payload becomes a request, a wait, an event or a round of the watch, and each
//! request gets its one answer.
//!
//! ```text
//! payload ─► Entry ─┬─ request ─► Plan ─┬─ Refuse ───────────────────────► respond
//!                   │                   ├─ Skip ─► clear ────────────────► respond
//!                   │                   ├─ Run ──► clear, start ─► wait ─┬─► respond
//!                   │                   └─ Stop ─► delete ──────► wait ─┤
//!                   ├─ {"Wait": …} ─────────────────────────────► wait ─┼─► the next invocation
//!                   ├─ an event, {"Watch": {}} ─► watch ────────► wait ─┴─► the ledger
//!                   └─ a hook of a deployment ─► hook: clear, start or look ─► ECS
//! ```
//!
//! Calls go one way, in the order of the files: request, watch, hook → respond → run, delete → start,
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
mod hook;
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
};
use crate::{
    aws::{Aws, sns::Topic},
    callback::{Callback, Undelivered},
    reason::{FailureClass, Reason},
};

/// The runner with its clients. One of them handles all invocations of a process.
pub struct Runner {
    aws: Aws,
    callback: Callback,
    ledger: Option<Ledger>,
    write_metrics: Box<dyn Fn(&str) + Send + Sync>,
    metrics_by_resource: bool,
    alarm_topic: Option<Topic>,
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
            alarm_topic: None,
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

    /// The same runner, which publishes the failures of hooks to this topic.
    #[must_use]
    pub fn with_alarm_topic(self, alarm_topic: Option<Topic>) -> Self {
        Self {
            alarm_topic,
            ..self
        }
    }

    /// Handles one payload of any kind. Returns the function's result: ECS reads that of a hook,
    /// and nobody reads any other.
    ///
    /// `Err` means that an answer could not be delivered; everything else, a failed task included,
    /// is `Ok`.
    pub async fn handle(
        &self,
        payload: &Value,
        invocation: &Invocation,
    ) -> Result<Value, Undelivered> {
        // A panic must still flush the metrics, and must fail the invocation so that Lambda
        // delivers again.
        let handled = caught(Box::pin(self.enter(payload, invocation))).await;
        self.flush_metrics(invocation);
        handled.unwrap_or_else(|Panicked| {
            tracing::error!("an internal error ended the invocation");
            Err(Undelivered::Panicked)
        })
    }

    async fn enter(&self, payload: &Value, invocation: &Invocation) -> Result<Value, Undelivered> {
        match Entry::read(payload) {
            Entry::Request(request) => Box::pin(self.request(*request, invocation)).await?,
            Entry::Resume(wait) => Box::pin(self.resume(*wait, invocation)).await?,
            Entry::Changed(task) => Box::pin(self.task_changed(*task, invocation)).await,
            Entry::Watch => Box::pin(self.watch(invocation)).await,
            Entry::Hook(hook) => return Ok(Box::pin(self.hook(&hook, invocation)).await),

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
                    .await?;
            }
            Entry::Garbled { reply_to, problem } => {
                tracing::error!(request_id = reply_to.request_id, "{problem}");
                let reason = Reason::new(problem).of_class(FailureClass::Refused);
                self.fail(None, &reply_to, reason, invocation).await?;
            }
            Entry::Dropped { problem } => tracing::warn!("{problem}"),
        }
        Ok(Value::Null)
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
