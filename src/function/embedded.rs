//! The embedded metric format: a line of JSON on standard output, from which CloudWatch makes
//! metrics.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::{self, Write};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::epoch::milliseconds;

/// Metrics with the same dimensions.
#[derive(Clone, Debug)]
pub struct MetricSet<'m> {
    /// The sets of dimensions. CloudWatch bills one metric for each set and name.
    pub dimensions: Vec<Vec<&'m str>>,
    /// The name and the unit of each metric.
    pub metrics: Vec<(&'m str, &'m str)>,
}

/// The line. `members` holds the values of metrics and dimensions by name.
pub fn embedded(mut members: Value, sets: &[MetricSet<'_>], now: OffsetDateTime) -> String {
    let directive = |set: &MetricSet<'_>| {
        let metrics = set
            .metrics
            .iter()
            .map(|(name, unit)| json!({ "Name": name, "Unit": unit }));
        let metrics: Vec<Value> = metrics.collect();
        json!({ "Namespace": "ECSTasks", "Dimensions": set.dimensions, "Metrics": metrics })
    };
    let directives: Vec<Value> = sets.iter().map(directive).collect();
    members["_aws"] = json!({ "Timestamp": milliseconds(now), "CloudWatchMetrics": directives });
    members.to_string()
}

/// A value for a dimension, which must have 1 to 1024 characters.
pub fn dimension(name: &str) -> Value {
    match name {
        "" => "unknown".into(),
        // 250 characters of up to four bytes are within the limit, even if it counts bytes.
        name => name.chars().take(250).collect::<String>().into(),
    }
}

/// Writes a line to the function's log, which is standard output.
pub fn write(line: &str) {
    // A failure is ignored: there is no other place to report it, and a metric must not fail a
    // deploy.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
