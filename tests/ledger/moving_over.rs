//! A function that gets a ledger during a wait that has no row in it.

use ecs_tasks::identity;
use serde_json::{Value, json};

use crate::scenario::{CLUSTER, LOGICAL_ID, Scenario};

/// Starts a task of the resource that no row of the ledger knows.
async fn start_unknown(scenario: &Scenario, definition: &str) -> String {
    let started_by = identity::started_by(&scenario.stack_id, LOGICAL_ID);
    let run = json!({
        "cluster": CLUSTER, "taskDefinition": definition, "count": 1, "startedBy": started_by,
        "clientToken": "r-0", "enableECSManagedTags": false,
        "tags": [{"key": "ecs-tasks:request-id", "value": "r-0"},
            {"key": "ecs-tasks:waits", "value": "true"}],
    });
    let answer = scenario.stage.ecs.call("RunTask", &run).unwrap();
    scenario
        .until(|scenario| scenario.statuses() == ["RUNNING"])
        .await;
    answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_wait_without_a_row_goes_on_to_its_answer() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("sleep 1; exit 7");
    let task = start_unknown(&scenario, &definition).await;
    let mut wait: Value = serde_json::from_str(include_str!("../wait/v1.json")).unwrap();
    let now = time::OffsetDateTime::now_utc();
    let rfc3339 = |time: time::OffsetDateTime| {
        time.format(&time::format_description::well_known::Rfc3339)
            .unwrap()
    };
    wait["reply_to"]["response_url"] = json!(scenario.stage.cloudformation.response_url(
        &scenario.stack_id,
        LOGICAL_ID,
        "r-0",
        now
    ));
    wait["reply_to"]["stack_id"] = json!(scenario.stack_id);
    wait["reply_to"]["request_id"] = json!("r-0");
    wait["reply_to"]["logical_resource_id"] = json!(LOGICAL_ID);
    wait["tasks"] = json!([task]);
    for (name, seconds) in [
        ("started_at", 0),
        ("next_look", 0),
        ("deadline", 1800),
        ("settle_by", 3570),
    ] {
        wait[name] = json!(rfc3339(now + time::Duration::seconds(seconds)));
    }
    scenario.stage.lambda.invoke_event(&json!({ "Wait": wait }));
    scenario.answered(1).await;
    let answers = scenario.stage.cloudformation.answers();
    let body: Value = serde_json::from_slice(&answers[0].body).unwrap();
    assert_eq!(body["Status"], "FAILED");
    assert!(
        body["Reason"]
            .as_str()
            .unwrap()
            .starts_with("Container app exited with code 7"),
        "{body}"
    );
}
