//! The runner's metrics with a ledger.

use serde_json::{Value, json};

use crate::scenario::{Scenario, properties};

/// Returns the lines that have this metric.
fn lines(scenario: &Scenario, metric: &str) -> Vec<Value> {
    let lines = scenario.log();
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["_aws"].is_object() && line[metric].is_number())
        .collect()
}

#[tokio::test]
async fn a_wait_that_is_parked_is_one_run_and_the_watch_counts_it_while_it_is_open() {
    let scenario = Scenario::new().await;
    // Nothing is parked before the watch's first round.
    scenario
        .until(|scenario| !lines(scenario, "OpenWaits").is_empty())
        .await;
    let definition = scenario.script("exec sleep 60");
    let properties = properties(&definition, json!({"Timeout": "280"}));
    let open =
        |scenario: &Scenario| lines(scenario, "OpenWaits").last().unwrap()["OpenWaits"].clone();
    let (created, deleted) = tokio::join!(scenario.create(&properties), async {
        scenario
            .until(|scenario| !lines(scenario, "Parked").is_empty() && open(scenario) == 1)
            .await;
        scenario.delete(&properties).await
    });
    assert!(!created.succeeded && deleted.succeeded);
    scenario
        .until(|scenario| open(scenario) == 0 && lines(scenario, "Undelivered").len() == 2)
        .await;
    // The Delete may park its wait for the end of the task, too.
    assert!((1..=2).contains(&lines(&scenario, "Parked").len()));
    let runs = lines(&scenario, "Runs");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(
        (&runs[0]["RunsFailed"], &runs[0]["Class"]),
        (&json!(1), &json!("container"))
    );
    assert!(
        runs[0]["RunSeconds"].is_number() && runs[0]["AnswerLagSeconds"].is_number(),
        "{runs:?}"
    );
    assert!(
        lines(&scenario, "Overdue")
            .iter()
            .all(|line| line["Overdue"] == 0)
    );
}

#[tokio::test]
async fn an_answer_that_is_sent_again_is_not_measured_as_another_run() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once");
    let properties = properties(&definition, json!({}));
    let ask = scenario.ask("Create", None, &properties, None);
    let payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
    for deliveries in 1..=2 {
        scenario.stage.lambda.invoke_event(&payload);
        scenario.answered(deliveries).await;
        scenario
            .until(|scenario| lines(scenario, "Undelivered").len() == deliveries)
            .await;
    }
    assert_eq!(lines(&scenario, "Runs").len(), 1);
    assert_eq!(scenario.printed(), ["once"]);
}
