//! The wait for a run's tasks: the continuation that travels from one invocation to the next, and
//! its one step.
//!
//! ```text
//!            ┌────────── Look at ──────────┐
//!            ▼                             │
//! start ─► a look ─► step ─┬─ Finish ─► the answer
//!            ▲             ├─ DeadlineReached ─► stop the tasks ─► looks ─► the answer
//!            └─ next hop ◄─┴─ HandOver
//! ```
//!
//! Pure: the clock is an argument. A [`Wait`] is a serialized format with one version:
//! `tests/wait/v1.json` is its shape, and another version is refused.

mod assess;
mod step;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

pub use self::{assess::Facts, step::Step};
use super::{
    limit::Limit,
    plan::{Run, Stop},
};
use crate::{
    cfn::{ReplyTo, Request, RequestType},
    outcome::Rules,
    task::{TaskArn, TaskDefinition},
};

/// The format's version.
pub(super) const VERSION: u32 = 1;
/// The time from the start to the first look.
const FIRST_LOOK: Duration = Duration::SECOND;
/// The time after a start in which a task that ECS does not know counts as not visible yet.
pub(in crate::runner) const MISSING_TOLERANCE: Duration = Duration::seconds(60);
/// The shortest time without a break after which a task that ECS does not know counts as lost.
pub(in crate::runner) const MISSING_PATIENCE: Duration = Duration::seconds(30);
/// The time to look at tasks that were stopped at their deadline, if CloudFormation waits no
/// longer.
const LAST_WORDS: Duration = Duration::seconds(10);

/// A wait, over as many invocations as it takes. It holds no property and no environment value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// The format's version; this is 1.
    pub version: u32,
    /// The address and identity of the reply.
    pub reply_to: ReplyTo,
    /// The type of the request, for the log.
    pub request_type: RequestType,
    /// The end that the wait is for.
    pub goal: Goal,
    /// Name or ARN of the cluster.
    pub cluster: String,
    /// The tasks.
    pub tasks: Vec<TaskArn>,
    /// The start of the wait, right after the tasks were started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// The deadline.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    /// The property that sets the deadline.
    pub limit: Limit,
    /// PollInterval in seconds, if it was given.
    pub poll_interval: Option<u32>,
    /// The time of the next look.
    #[serde(with = "time::serde::rfc3339")]
    pub next_look: OffsetDateTime,
    /// The first look that showed all tasks over while a fact was missing.
    #[serde(with = "time::serde::rfc3339::option")]
    pub over_since: Option<OffsetDateTime>,
    /// The number of self-invocations before this invocation.
    pub hop: u32,
    /// WatchContainers.
    pub watch_containers: Vec<String>,
    /// SuccessExitCodes.
    pub success_exit_codes: Vec<i64>,
    /// LogLines.
    pub log_lines: u32,
    /// ReturnOutput.
    pub return_output: bool,
    /// Subnets, security groups and public address of the run, for the Reason of a task that could
    /// not reach something.
    pub network: Option<String>,
    /// The first look at which ECS did not know one of the tasks.
    #[serde(with = "time::serde::rfc3339::option")]
    pub missing_since: Option<OffsetDateTime>,
    /// The last moment for the verdict, however long the tasks need to stop.
    #[serde(with = "time::serde::rfc3339")]
    pub settle_by: OffsetDateTime,
    /// The state of the run at its deadline, if the deadline has passed and the tasks are being
    /// stopped.
    pub timed_out: Option<TimedOut>,
    /// The task definition without its environment, which only the ledger holds. With it an event
    /// settles the wait without another call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Box<TaskDefinition>>,
    /// The run may be started anew if none of its containers ever runs. Only this invocation can do
    /// that.
    #[serde(skip)]
    pub may_restart: bool,
}

/// The state of a run that did not end before its deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedOut {
    /// The deadline.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The property that sets the deadline.
    pub limit: Limit,
    /// The containers that still ran, in words.
    pub running: String,
    /// The container whose log the Reason quotes, if one was running.
    pub container: Option<String>,
    /// Its task.
    pub task: Option<TaskArn>,
    /// The error of the last look before the deadline, if it failed.
    pub trouble: Option<String>,
    /// The state of the tasks at the deadline.
    #[serde(default)]
    pub at_deadline: AtDeadline,
}

/// The state of a run's tasks at the deadline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AtDeadline {
    /// PROVISIONING or PENDING, if no container had run.
    pub waiting: Option<String>,
    /// The WatchContainers that had ended, if all of a task had ended.
    pub done: Vec<String>,
    /// The containers that had exited with another code than 0, in tasks that went on.
    pub failed: Vec<(String, i64)>,
    /// The containers that ran, each with its task's id.
    pub running: Vec<(String, String)>,
    /// The containers of a PENDING task that had not started, although others ran.
    pub unstarted: Vec<String>,
}

/// The end that a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Create and Update: every container has stopped, and the run has a verdict.
    Success,
    /// Delete: every task has released its network interface. Exit codes do not matter.
    Stopped,
    /// Tasks of an earlier request: none of their containers runs. Exit codes do not matter.
    Over,
}

/// The error of a continuation that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The JSON does not have the form that this function writes.
    #[error("The continuation does not have the form that this function writes")]
    Form,
    /// Another version of this function wrote it.
    #[error("The continuation has version {0}, but this function reads only version {VERSION}")]
    Version(u64),
}

impl Wait {
    /// The wait for a run whose tasks have just been started.
    ///
    /// `deadline` and `limit` are those of [`super::limit::Limits::deadline`] when the start began.
    pub fn for_success(
        run: &Run,
        request: &Request,
        tasks: Vec<TaskArn>,
        (deadline, limit): (OffsetDateTime, Limit),
        now: OffsetDateTime,
    ) -> Self {
        let poll_interval = run.properties.poll_interval;
        let first = poll_interval.map_or(FIRST_LOOK, |seconds| {
            Duration::seconds(seconds.into()).min(FIRST_LOOK)
        });
        Self {
            version: VERSION,
            reply_to: run.reply_to(request),
            request_type: request.request_type,
            goal: Goal::Success,
            cluster: run.properties.cluster.clone(),
            tasks,
            started_at: now,
            deadline,
            limit,
            poll_interval,
            next_look: (now + first).min(deadline),
            over_since: None,
            hop: 0,
            watch_containers: run.properties.watch_containers().to_vec(),
            success_exit_codes: run.properties.success_exit_codes.clone(),
            log_lines: run.properties.log_lines,
            return_output: run.properties.return_output,
            network: run
                .properties
                .network_configuration
                .as_ref()
                .map(ToString::to_string),
            missing_since: None,
            settle_by: run.limits.settle_by(),
            timed_out: None,
            definition: None,
            may_restart: false,
        }
    }

    /// The wait for tasks that are being stopped.
    pub fn for_stop(
        stop: &Stop,
        reply_to: &ReplyTo,
        tasks: Vec<TaskArn>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            version: VERSION,
            reply_to: reply_to.clone(),
            request_type: RequestType::Delete,
            goal: Goal::Stopped,
            cluster: stop.cluster.clone().unwrap_or_default(),
            tasks,
            started_at: now,
            deadline: stop.deadline,
            limit: stop.limit,
            poll_interval: None,
            next_look: (now + FIRST_LOOK).min(stop.deadline),
            over_since: None,
            hop: 0,
            watch_containers: Vec::new(),
            success_exit_codes: vec![0],
            log_lines: 0,
            return_output: false,
            network: None,
            missing_since: None,
            settle_by: stop.deadline,
            timed_out: None,
            definition: None,
            may_restart: false,
        }
    }

    /// The wait for the end of tasks that another request must not run beside, until `deadline`.
    pub fn for_end(
        reply_to: &ReplyTo,
        cluster: &str,
        tasks: &[TaskArn],
        deadline: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Self {
        // The limit is in no text: the caller says in its own words what did not end in time.
        let stop = Stop {
            cluster: Some(cluster.to_owned()),
            families: Vec::new(),
            deadline,
            limit: Limit::ServiceTimeout(0),
        };
        Self {
            goal: Goal::Over,
            next_look: now,
            ..Self::for_stop(&stop, reply_to, tasks.to_vec(), now)
        }
    }

    /// Reads a continuation of this version. `Err` if it has another version or another form.
    pub fn read(value: &Value) -> Result<Self, WaitError> {
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => Err(WaitError::Version(version)),
            // serde's error would quote the value, which can be the ResponseURL.
            _ => serde_json::from_value(value.clone()).map_err(|_| WaitError::Form),
        }
    }

    /// The rules for the verdict over its tasks, given the task definition.
    pub fn rules<'a>(&'a self, definition: Option<&'a TaskDefinition>) -> Rules<'a> {
        Rules {
            watch_containers: &self.watch_containers,
            success_exit_codes: &self.success_exit_codes,
            definition,
        }
    }

    /// Records that the deadline has passed and the tasks are being stopped. From now on the wait
    /// is for their end, for as long as CloudFormation waits for an answer: a container may need
    /// its stopTimeout to end, and the next deployment must not run beside it.
    pub fn time_out(&mut self, timed_out: TimedOut, now: OffsetDateTime) {
        self.deadline = self.settle_by.max(now + LAST_WORDS);
        self.next_look = now + FIRST_LOOK;
        self.over_since = None;
        // A task that ECS did not know may still run. It must not count as lost while it is being
        // stopped.
        self.missing_since = None;
        self.timed_out = Some(timed_out);
    }
}

#[cfg(test)]
mod tests;
