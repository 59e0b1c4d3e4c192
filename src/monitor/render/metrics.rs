//! The monitor's metrics.

use serde_json::json;
use time::OffsetDateTime;

use crate::{
    function::embedded::{MetricSet, dimension, embedded},
    monitor::decide::{event::TaskChange, finding::Finding},
};

/// Renders the line about a task that has ended; `None` while it runs. Every combination of
/// dimensions is a metric of its own, which costs money, so metrics by family need `by_family`.
pub fn render(
    change: &TaskChange,
    finding: &Finding,
    by_family: bool,
    now: OffsetDateTime,
) -> Option<String> {
    let task = &change.task;
    let counted = match finding {
        Finding::Moving | Finding::Impaired | Finding::Awaiting => return None,
        Finding::Succeeded | Finding::Restarting => "TaskSucceeded",
        Finding::Excused(..) => "TaskExcused",
        Finding::Failed(_) => "TaskFailed",
    };
    let spans = [
        (
            "StartSeconds",
            task.created_at
                .zip(task.started_at)
                .map(|(from, to)| to - from),
        ),
        ("RunSeconds", task.run_time()),
    ];
    let mut metrics = vec![(counted, "Count")];
    let mut line = json!({ "Cluster": dimension(change.cluster()), "Family": dimension(change.family()), counted: 1 });
    for (name, span) in spans {
        if let Some(span) = span {
            metrics.push((name, "Seconds"));
            line[name] = span.as_seconds_f64().max(0.0).into();
        }
    }
    // Without dimensions for an alarm, which cannot search; by cluster and by family for the
    // dashboard.
    let mut dimensions = vec![vec![], vec!["Cluster"]];
    dimensions.extend(by_family.then(|| vec!["Cluster", "Family"]));
    Some(embedded(
        line,
        &[MetricSet {
            dimensions,
            metrics,
        }],
        now,
    ))
}

/// The line about events that could not be read.
pub fn dropped(count: usize, now: OffsetDateTime) -> String {
    let set = MetricSet {
        dimensions: vec![vec![]],
        metrics: vec![("EventsDropped", "Count")],
    };
    embedded(json!({ "EventsDropped": count }), &[set], now)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use time::macros::datetime;

    use super::*;
    use crate::monitor::{decide::pattern, tests::event};

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    fn line(file: &str, by_family: bool) -> Value {
        let event = event(file);
        let finding = Finding::of(&event, &pattern::default()).expect("a finding");
        let line =
            render(event.change().expect("a task"), &finding, by_family, NOW).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    #[test]
    fn a_task_that_has_ended_is_one_line() {
        let line = line("task-stopped-exit-1.json", false);
        assert_eq!(
            (&line["TaskFailed"], &line["Cluster"]),
            (&json!(1), &json!("eventStreamTestCluster"))
        );
        assert_eq!(
            (&line["StartSeconds"], &line["RunSeconds"]),
            (&json!(20.508), &json!(0.153))
        );
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "ECSTasks");
        for metric in directive["Metrics"].as_array().expect("metrics") {
            assert!(
                line[metric["Name"].as_str().expect("a name")].is_number(),
                "{metric}"
            );
        }
    }

    #[test]
    fn a_task_that_has_not_ended_is_not_measured() {
        let event = event("task-stopped-exit-1.json");
        assert_eq!(
            render(
                event.change().expect("a task"),
                &Finding::Moving,
                false,
                NOW
            ),
            None
        );
    }

    #[test]
    fn families_are_measured_only_if_asked_for() {
        let dimensions = |by_family| {
            line("task-drained.json", by_family)["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
                .clone()
        };
        assert_eq!(dimensions(false), json!([[], ["Cluster"]]));
        assert_eq!(
            dimensions(true),
            json!([[], ["Cluster"], ["Cluster", "Family"]])
        );
    }

    #[test]
    fn an_unknown_time_is_not_measured() {
        let line = line("task-failed-to-start.json", false);
        assert!(
            line["TaskFailed"].is_number()
                && line["StartSeconds"].is_null()
                && line["RunSeconds"].is_null()
        );
    }

    #[test]
    fn dropped_events_are_counted() {
        let line: Value = serde_json::from_str(&dropped(3, NOW)).expect("JSON");
        assert_eq!(line["EventsDropped"], 3);
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"],
            "EventsDropped"
        );
    }
}
