//! The metrics: lines in the embedded metric format, which CloudWatch makes metrics of.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    epoch::milliseconds,
    monitor::decide::{event::TaskChange, finding::Finding},
};

/// The line about a task that has ended; none while it moves.
pub fn render(change: &TaskChange, finding: &Finding, now: OffsetDateTime) -> Option<String> {
    let task = &change.task;
    let counted = match finding {
        Finding::Moving => return None,
        Finding::Succeeded => "TaskSucceeded",
        Finding::Excused(..) => "TaskExcused",
        Finding::Failed(_) => "TaskFailed",
    };
    let spans = [
        ("StartSeconds", change.created_at.zip(task.started_at)),
        ("RunSeconds", task.started_at.zip(task.ended_at())),
    ];
    let mut metrics = vec![json!({ "Name": counted, "Unit": "Count" })];
    let mut line = json!({ "Cluster": name(change.cluster()), "Family": name(change.family()), counted: 1 });
    for (span, ends) in spans {
        if let Some((from, to)) = ends {
            metrics.push(json!({ "Name": span, "Unit": "Seconds" }));
            line[span] = (to - from).as_seconds_f64().max(0.0).into();
        }
    }
    // All together for an alarm, which cannot search; by cluster and by family for the dashboard.
    let dimensions = json!([[], ["Cluster"], ["Cluster", "Family"]]);
    let directive = json!({ "Namespace": "ECSTasks", "Dimensions": dimensions, "Metrics": metrics });
    line["_aws"] = json!({ "Timestamp": milliseconds(now), "CloudWatchMetrics": [directive] });
    Some(line.to_string())
}

/// A dimension has 1 to 1024 characters.
fn name(name: &str) -> Value {
    match name {
        "" => "unknown".into(),
        name => name.chars().take(250).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::monitor::{decide::pattern, tests::event};

    #[test]
    fn a_task_that_has_ended_is_one_line() {
        let event = event("task-stopped-exit-1.json");
        let change = event.change.expect("a task");
        let finding = Finding::of(&change, &pattern::default());
        let line = render(&change, &finding, datetime!(2026-11-20 10:15 UTC)).expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["TaskFailed"], &line["Cluster"]), (&json!(1), &json!("eventStreamTestCluster")));
        assert_eq!((&line["StartSeconds"], &line["RunSeconds"]), (&json!(20.508), &json!(0.153)));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "ECSTasks");
        for metric in directive["Metrics"].as_array().expect("metrics") {
            assert!(line[metric["Name"].as_str().expect("a name")].is_number(), "{metric}");
        }
        assert_eq!(render(&change, &Finding::Moving, datetime!(2026-11-20 10:15 UTC)), None);
    }

    #[test]
    fn what_is_not_known_is_not_measured() {
        let event = event("task-failed-to-start.json");
        let change = event.change.expect("a task");
        let line =
            render(&change, &Finding::Failed(Vec::new()), datetime!(2026-11-20 10:15 UTC)).expect("a line");
        assert!(!line.contains("StartSeconds") && !line.contains("RunSeconds"), "{line}");
    }
}
