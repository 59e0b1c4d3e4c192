//! The runner's metrics, as its binary writes them, and the page that lists them.

use std::{fs, path::Path};

use ecs_tasks::runner::metrics::{CLASSES, METRICS, METRICS_OF_HOOKS};
use rehearse::protocol::Fault;
use serde_json::{Value, json};

use crate::scenario::{Scenario, properties};

/// Returns the lines that become metrics.
fn lines(scenario: &Scenario) -> Vec<Value> {
    let lines = scenario.log();
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["_aws"].is_object()).collect()
}

/// Waits for a line beyond so many, and returns it.
async fn line(scenario: &Scenario, after: usize) -> Value {
    scenario
        .until(|scenario| lines(scenario).len() > after)
        .await;
    lines(scenario)[after].clone()
}

#[tokio::test]
async fn a_run_is_measured_once_with_its_times() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("sleep 0.3");
    let properties = properties(
        &definition,
        json!({"Overrides": {"containerOverrides": [
            {"name": "app", "environment": [{"name": "PASSWORD", "value": "hunter2"}]}
        ]}}),
    );
    scenario.create(&properties).await;
    let line = line(&scenario, 0).await;
    assert_eq!(
        (&line["Runs"], &line["RunsFailed"], &line["Undelivered"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert!(line["RunSeconds"].as_f64().unwrap() >= 0.1, "{line}");
    assert!(
        line["StartSeconds"].is_number() && line["AnswerLagSeconds"].is_number(),
        "{line}"
    );
    assert_eq!(
        (&line["Class"], &line["LogicalResourceId"]),
        (&Value::Null, &Value::Null)
    );
    let text = line.to_string();
    assert!(
        !text.contains("X-Amz") && !text.contains("hunter2") && !text.contains("http"),
        "{text}"
    );
    scenario.delete(&properties).await;
    let line = self::line(&scenario, 1).await;
    assert_eq!(
        (&line["Runs"], &line["Undelivered"]),
        (&Value::Null, &json!(0)),
        "a Delete is no run"
    );
}

#[tokio::test]
async fn a_failure_is_measured_by_its_class() {
    let scenario = Scenario::new().await;
    let fails = scenario.script("exit 3");
    let hangs = scenario.script("exec sleep 60");
    let refused = Fault::Error(400, "InvalidParameterException", "no such thing");
    for (number, (class, properties)) in [
        ("container", properties(&fails, json!({}))),
        ("refused", properties(&fails, json!({"Count": "eleven"}))),
        ("timeout", properties(&hangs, json!({"Timeout": "1"}))),
        ("start", properties(&fails, json!({}))),
    ]
    .into_iter()
    .enumerate()
    {
        if class == "start" {
            scenario.stage.fault("RunTask", [refused.clone()]);
        }
        assert!(!scenario.create(&properties).await.succeeded);
        let line = line(&scenario, number).await;
        assert_eq!(
            (&line["Runs"], &line["RunsFailed"], &line["Class"]),
            (&json!(1), &json!(1), &json!(class))
        );
    }
}

#[tokio::test]
async fn an_update_that_runs_nothing_is_no_run() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let properties = properties(&definition, json!({"RunOnUpdate": "false"}));
    scenario.update(&properties, &properties).await;
    let line = line(&scenario, 0).await;
    assert_eq!(
        (&line["Runs"], &line["Undelivered"]),
        (&Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn calls_that_the_sdk_retries_are_measured_too() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let throttled = Fault::Error(400, "ThrottlingException", "Rate exceeded");
    scenario.stage.fault("RunTask", vec![throttled; 2]);
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    assert_eq!(line(&scenario, 0).await["Throttled"], 2);
}

#[tokio::test]
async fn metrics_by_resource_exist_only_if_asked_for() {
    let by_resource = ("METRICS_BY".to_owned(), "LogicalResourceId".to_owned());
    let scenario = Scenario::with(|config| config.runner.environment.push(by_resource)).await;
    let definition = scenario.script("true");
    scenario.create(&properties(&definition, json!({}))).await;
    let line = line(&scenario, 0).await;
    assert_eq!(line["LogicalResourceId"], "Migrate");
    assert_eq!(
        line["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([[], ["LogicalResourceId"]])
    );
}

/// Returns the rows of a table in docs/operations.md as cells; the table's head begins with `head`.
fn rows(head: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2);
    let rows = rows.take_while(|line| line.starts_with("| "));
    rows.map(|row| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

#[test]
fn the_page_names_every_metric_with_its_unit_and_every_class() {
    let named: Vec<(String, String)> = rows("| Metric |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(
        named,
        METRICS.map(|(name, unit)| (name.to_owned(), unit.to_owned()))
    );
    let classes: Vec<String> = rows("| Class |")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(classes, CLASSES);
}

#[test]
fn the_costs_on_the_page_are_those_of_its_metrics() {
    let of_no_request = ["OpenWaits", "Overdue"];
    let by_resource = METRICS
        .iter()
        .filter(|(name, _)| !of_no_request.contains(name))
        .count();
    let of_hooks = METRICS_OF_HOOKS.len();
    let counts = [METRICS.len(), CLASSES.len(), of_hooks, by_resource];
    let expected = counts.map(|count| (count.to_string(), format!("{:.2}", 0.3 * count as f64)));
    let said: Vec<(String, String)> = rows("| What |")
        .into_iter()
        .map(|row| (row[1].clone(), row[2].clone()))
        .collect();
    assert_eq!(said, expected);
}
