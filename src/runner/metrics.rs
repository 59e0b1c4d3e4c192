//! The runner's metrics: each request's figures are recorded while an invocation handles it, and
//! written as one line in the embedded metric format at the end of the invocation
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! A line holds no value of a property and no part of a ResponseURL.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::decide::answer::RunEnd;
use crate::{
    cfn::ReplyTo,
    function::embedded::{MetricSet, dimension, embedded},
    reason::FailureClass,
    task::Task,
};

/// Every metric with its unit, as docs/operations.md lists them.
pub const METRICS: [(&str, &str); 10] = [
    (RUNS, "Count"),
    (RUNS_FAILED, "Count"),
    (RUN_SECONDS, "Seconds"),
    (START_SECONDS, "Seconds"),
    (ANSWER_LAG_SECONDS, "Seconds"),
    (UNDELIVERED, "Count"),
    (THROTTLED, "Count"),
    (PARKED, "Count"),
    (OPEN_WAITS, "Count"),
    (OVERDUE, "Count"),
];
/// The metrics of a hook's run, which also have the dimension Kind.
pub const METRICS_OF_HOOKS: [&str; 4] = [RUNS, RUNS_FAILED, RUN_SECONDS, THROTTLED];
/// The values of the dimension Class of RunsFailed.
pub const CLASSES: [&str; 5] = ["container", "start", "timeout", "refused", "own_fault"];

const RUNS: &str = "Runs";
const RUNS_FAILED: &str = "RunsFailed";
const RUN_SECONDS: &str = "RunSeconds";
const START_SECONDS: &str = "StartSeconds";
const ANSWER_LAG_SECONDS: &str = "AnswerLagSeconds";
const UNDELIVERED: &str = "Undelivered";
const THROTTLED: &str = "Throttled";
const PARKED: &str = "Parked";
const OPEN_WAITS: &str = "OpenWaits";
const OVERDUE: &str = "Overdue";
const CLASS: &str = "Class";
const KIND: &str = "Kind";
const HOOK: &str = "Hook";
const LOGICAL_RESOURCE_ID: &str = "LogicalResourceId";

/// The key of the watch's figures, which belong to no request.
const NO_REQUEST: &str = "";

/// The figures of one invocation, by RequestId, because the watch handles many requests at once.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    requests: Mutex<BTreeMap<String, Figures>>,
}

/// The figures of one request, or of a round of the watch.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    /// The resource's name in its template.
    logical_resource_id: Option<String>,
    /// ECS asked, as a hook of a deployment.
    is_hook: bool,
    /// The time at which CloudFormation sent the request.
    requested_at: Option<OffsetDateTime>,
    /// The start of the first of its tasks.
    started_at: Option<OffsetDateTime>,
    /// The end of the last of its tasks, or the time of the look that showed it.
    ended_at: Option<OffsetDateTime>,
    /// The end of its run, if it was answered.
    run: Option<RunEnd>,
    sent: Option<Sent>,
    parked: bool,
    watched: Option<WatchRound>,
    /// The number of attempts that AWS throttled.
    throttled: u32,
}

/// The outcome of sending an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sent {
    Delivered(OffsetDateTime),
    Undelivered,
}

/// One round of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchRound {
    /// The number of requests that have not ended; `None` if they could not be counted.
    pub(super) open: Option<usize>,
    /// The number of these that are past their deadline.
    pub(super) overdue: usize,
}

impl Metrics {
    /// Records the times of a run whose tasks are over.
    pub(super) fn record_run(&self, reply_to: &ReplyTo, tasks: &[Task], now: OffsetDateTime) {
        self.record(reply_to, |figures| {
            figures.started_at = tasks.iter().filter_map(|task| task.started_at).min();
            figures.ended_at = tasks.iter().filter_map(Task::ended_at).max().or(Some(now));
        });
    }

    /// Records that a wait was parked.
    pub(super) fn record_parked(&self, reply_to: &ReplyTo) {
        self.record(reply_to, |figures| figures.parked = true);
    }

    /// Records that an answer was sent.
    pub(super) fn record_sent(&self, reply_to: &ReplyTo, sent: Sent) {
        self.record(reply_to, |figures| figures.sent = Some(sent));
    }

    /// Records the end of a run, together with the answer about it.
    pub(super) fn record_answer(&self, reply_to: &ReplyTo, run: Option<RunEnd>) {
        self.record(reply_to, |figures| figures.run = run);
    }

    /// Records a round of the watch.
    pub(super) fn record_round(&self, round: WatchRound) {
        self.with(NO_REQUEST, |figures| figures.watched = Some(round));
    }

    /// Records the number of attempts that AWS throttled, for whichever request.
    pub(super) fn record_throttled(&self, count: u32) {
        if count > 0 {
            // The clients count for the whole invocation, so one line has the sum.
            let first = self.lock().keys().next().cloned();
            self.with(first.as_deref().unwrap_or(NO_REQUEST), |figures| {
                figures.throttled += count
            });
        }
    }

    /// Takes all figures as lines. `by_resource` adds the resource's name as a dimension.
    pub(super) fn flush(&self, by_resource: bool, now: OffsetDateTime) -> Vec<String> {
        self.take()
            .iter()
            .filter_map(|figures| line(figures, by_resource, now))
            .collect()
    }

    fn take(&self) -> Vec<Figures> {
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    fn record(&self, reply_to: &ReplyTo, change: impl FnOnce(&mut Figures)) {
        self.with(&reply_to.request_id, |figures| {
            figures.logical_resource_id = Some(reply_to.logical_resource_id.clone());
            figures.is_hook = reply_to.is_of_hook();
            figures.requested_at = reply_to.sent_at();
            change(figures);
        });
    }

    fn with(&self, request: &str, change: impl FnOnce(&mut Figures)) {
        change(self.lock().entry(request.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Figures>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of the dimension Class.
fn class(run: RunEnd) -> Option<&'static str> {
    let RunEnd::Failed(class) = run else {
        return None;
    };
    Some(match class {
        FailureClass::Container => CLASSES[0],
        FailureClass::Start => CLASSES[1],
        FailureClass::Timeout => CLASSES[2],
        FailureClass::Refused => CLASSES[3],
        FailureClass::OwnFault | FailureClass::NoRun => CLASSES[4],
    })
}

/// The line; `None` if there is nothing to report.
fn line(figures: &Figures, by_resource: bool, now: OffsetDateTime) -> Option<String> {
    let mut values = values(figures);
    if values.is_empty() && figures.throttled == 0 {
        return None;
    }
    // The watch runs each minute of the month, and CloudWatch bills a metric for each hour in which
    // it has values.
    if figures.throttled > 0 || figures.watched.is_none() {
        values.push((THROTTLED, figures.throttled.into()));
    }
    let mut line = json!({});
    // Each value of a dimension makes a metric of its own, and CloudWatch bills each metric.
    let mut dimensions = vec![vec![]];
    if let Some(name) = figures
        .logical_resource_id
        .as_deref()
        .filter(|_| by_resource)
    {
        line[LOGICAL_RESOURCE_ID] = dimension(name);
        dimensions.push(vec![LOGICAL_RESOURCE_ID]);
    }
    if figures.is_hook {
        line[KIND] = HOOK.into();
        dimensions.push(vec![KIND]);
        values.retain(|(name, _)| METRICS_OF_HOOKS.contains(name));
    }
    let metrics: Vec<(&str, &str)> = METRICS
        .into_iter()
        .filter(|(name, _)| values.iter().any(|(known, _)| known == name))
        .collect();
    let mut sets = vec![MetricSet {
        dimensions,
        metrics,
    }];
    if let Some(class) = figures.run.and_then(class) {
        line[CLASS] = class.into();
        sets.push(MetricSet {
            dimensions: vec![vec![CLASS]],
            metrics: vec![(RUNS_FAILED, "Count")],
        });
    }
    for (name, value) in values {
        line[name] = value;
    }
    Some(embedded(line, &sets, now))
}

fn values(figures: &Figures) -> Vec<(&'static str, Value)> {
    let Figures {
        requested_at,
        started_at,
        ended_at,
        ..
    } = *figures;
    let mut values = Vec::new();
    let mut seconds = |name, from: Option<OffsetDateTime>, to: Option<OffsetDateTime>| {
        if let Some((from, to)) = from.zip(to) {
            let seconds = (to - from).as_seconds_f64().max(0.0);
            values.push((name, json!((seconds * 1000.0).round() / 1000.0)));
        }
    };
    if figures.run.is_some() {
        seconds(RUN_SECONDS, started_at, ended_at);
        seconds(START_SECONDS, requested_at, started_at);
        if let Some(Sent::Delivered(at)) = figures.sent {
            seconds(ANSWER_LAG_SECONDS, ended_at, Some(at));
        }
    }
    if let Some(run) = figures.run {
        values.push((RUNS, 1.into()));
        values.push((RUNS_FAILED, u8::from(run != RunEnd::Succeeded).into()));
    }
    if let Some(sent) = figures.sent {
        values.push((UNDELIVERED, u8::from(sent == Sent::Undelivered).into()));
    }
    if figures.parked {
        values.push((PARKED, 1.into()));
    }
    if let Some(WatchRound { open, overdue }) = figures.watched {
        values.extend(open.map(|open| (OPEN_WAITS, open.into())));
        values.extend((overdue > 0).then(|| (OVERDUE, overdue.into())));
    }
    values
}

#[cfg(test)]
mod tests;
