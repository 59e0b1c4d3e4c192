//! The runner's metrics: what an invocation has to report about one request, as one line.
//!
//! No value of a property, and no part of a ResponseURL, is ever in it.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    function::embedded::{MetricSet, dimension, embedded},
    reason::FailureClass,
};

/// Every metric with its unit, as docs/operations.md has them.
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
const LOGICAL_RESOURCE_ID: &str = "LogicalResourceId";

/// What an invocation has to report about one request, or about none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// The resource's name in its template.
    pub logical_resource_id: Option<String>,
    /// When CloudFormation sent the request.
    pub requested_at: Option<OffsetDateTime>,
    /// When the first of its tasks had started.
    pub started_at: Option<OffsetDateTime>,
    /// When the last of them had ended, or was seen to have.
    pub ended_at: Option<OffsetDateTime>,
    /// The run that was answered, if one was.
    pub run: Option<RunEnd>,
    /// What came of sending an answer, if one was sent.
    pub sent: Option<Sent>,
    /// Whether the wait was parked.
    pub parked: bool,
    /// What the watch has found, if it came round.
    pub watched: Option<WatchRound>,
    /// How many attempts of calls AWS has throttled.
    pub throttled: u32,
}

/// How a run ended that CloudFormation was answered about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Well.
    Succeeded,
    /// Not well.
    Failed(FailureClass),
}

/// What came of sending an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sent {
    /// It was taken, then.
    Delivered(OffsetDateTime),
    /// It was not.
    Undelivered,
}

/// What the watch has found in its minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchRound {
    /// How many requests have not ended; none where that could not be counted.
    pub open: Option<usize>,
    /// How many of those that were due are past their deadline.
    pub overdue: usize,
}

impl RunEnd {
    /// How a run ended that failed so; none where no run did.
    pub fn failed(class: FailureClass) -> Option<Self> {
        (class != FailureClass::NoRun).then_some(Self::Failed(class))
    }

    fn class(self) -> Option<&'static str> {
        let Self::Failed(class) = self else { return None };
        Some(match class {
            FailureClass::Container => CLASSES[0],
            FailureClass::Start => CLASSES[1],
            FailureClass::Timeout => CLASSES[2],
            FailureClass::Refused => CLASSES[3],
            FailureClass::OwnFault | FailureClass::NoRun => CLASSES[4],
        })
    }
}

/// The line; none where there is nothing to report. Every dimension makes a metric of its own, which costs:
/// the resource's name is one only `by_resource`.
pub fn render(measures: &Measures, by_resource: bool, now: OffsetDateTime) -> Option<String> {
    let mut values = values(measures);
    if values.is_empty() && measures.throttled == 0 {
        return None;
    }
    // The watch comes round each minute of the month, and a metric is billed by the hours in which it has
    // values.
    if measures.throttled > 0 || measures.watched.is_none() {
        values.push((THROTTLED, measures.throttled.into()));
    }
    let mut line = json!({});
    let mut dimensions = vec![vec![]];
    if let Some(name) = measures.logical_resource_id.as_deref().filter(|_| by_resource) {
        line[LOGICAL_RESOURCE_ID] = dimension(name);
        dimensions.push(vec![LOGICAL_RESOURCE_ID]);
    }
    let metrics: Vec<(&str, &str)> =
        METRICS.into_iter().filter(|(name, _)| values.iter().any(|(known, _)| known == name)).collect();
    let mut sets = vec![MetricSet { dimensions, metrics }];
    if let Some(class) = measures.run.and_then(RunEnd::class) {
        line[CLASS] = class.into();
        sets.push(MetricSet { dimensions: vec![vec![CLASS]], metrics: vec![(RUNS_FAILED, "Count")] });
    }
    for (name, value) in values {
        line[name] = value;
    }
    Some(embedded(line, &sets, now))
}

/// The values that are known.
fn values(measures: &Measures) -> Vec<(&'static str, Value)> {
    let Measures { requested_at, started_at, ended_at, .. } = *measures;
    let mut values = Vec::new();
    let mut seconds = |name, from: Option<OffsetDateTime>, to: Option<OffsetDateTime>| {
        if let Some((from, to)) = from.zip(to) {
            let seconds = (to - from).as_seconds_f64().max(0.0);
            values.push((name, json!((seconds * 1000.0).round() / 1000.0)));
        }
    };
    if measures.run.is_some() {
        seconds(RUN_SECONDS, started_at, ended_at);
        seconds(START_SECONDS, requested_at, started_at);
        if let Some(Sent::Delivered(at)) = measures.sent {
            seconds(ANSWER_LAG_SECONDS, ended_at, Some(at));
        }
    }
    if let Some(run) = measures.run {
        values.push((RUNS, 1.into()));
        values.push((RUNS_FAILED, u8::from(run != RunEnd::Succeeded).into()));
    }
    if let Some(sent) = measures.sent {
        values.push((UNDELIVERED, u8::from(sent == Sent::Undelivered).into()));
    }
    if measures.parked {
        values.push((PARKED, 1.into()));
    }
    if let Some(WatchRound { open, overdue }) = measures.watched {
        values.extend(open.map(|open| (OPEN_WAITS, open.into())));
        values.extend((overdue > 0).then(|| (OVERDUE, overdue.into())));
    }
    values
}

#[cfg(test)]
mod tests;
