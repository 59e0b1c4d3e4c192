//! The embedded metric format: a line of JSON on standard output, which CloudWatch makes metrics of.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::{self, Write};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::epoch::milliseconds;

/// Metrics that have the same dimensions.
#[derive(Clone, Debug)]
pub struct MetricSet<'m> {
    /// The sets of dimensions. Each makes a metric of its own of every name, which costs.
    pub dimensions: Vec<Vec<&'m str>>,
    /// Name and unit of each metric.
    pub metrics: Vec<(&'m str, &'m str)>,
}

/// The line. `members` are the values of metrics and dimensions, by their names.
pub fn embedded(mut members: Value, sets: &[MetricSet<'_>], now: OffsetDateTime) -> String {
    let directive = |set: &MetricSet<'_>| {
        let metrics = set.metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit }));
        let metrics: Vec<Value> = metrics.collect();
        json!({ "Namespace": "ECSTasks", "Dimensions": set.dimensions, "Metrics": metrics })
    };
    let directives: Vec<Value> = sets.iter().map(directive).collect();
    members["_aws"] = json!({ "Timestamp": milliseconds(now), "CloudWatchMetrics": directives });
    members.to_string()
}

/// The value of a dimension, which has 1 to 1024 characters.
pub fn dimension(name: &str) -> Value {
    match name {
        "" => "unknown".into(),
        name => name.chars().take(250).collect::<String>().into(),
    }
}

/// Writes a line to the function's log, which is standard output. There is nowhere to say that it cannot be.
pub fn write(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
