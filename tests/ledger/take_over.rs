//! Orphans, and requests whose hand-over fails: the watch finishes them.

use ecs_tasks::{
    cfn::{Received, Request},
    identity,
    runner::decide::{
        ledger::{Row, RowState},
        plan::{Means, Plan},
    },
    task::TaskArn,
};
use rehearse::{protocol::Fault, service::dynamodb::LEDGER};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::scenario::{CLUSTER, LOGICAL_ID, Scenario, properties};

/// Makes a delivered request whose invocation crashed after it had written this row.
fn dead(scenario: &Scenario, request_type: &str, properties: &Value) -> (Request, Row) {
    let physical_id = (request_type != "Create").then_some("shop-Migrate-0123456789ab");
    let ask = scenario.ask(request_type, physical_id, properties, None);
    let payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-dead", &scenario.stage.lambda);
    let Received::Request(mut request) = Received::of(&payload) else {
        panic!("{payload}")
    };
    request.reply_to.given_up_at = Some(OffsetDateTime::now_utc() + Duration::seconds(3570));
    let now = OffsetDateTime::now_utc();
    let means = Means {
        now,
        lambda_timeout: Duration::seconds(900),
        usable: Duration::seconds(890),
        recursive_loop_allowed: true,
        remembers: true,
    };
    let plan = Plan::for_request(&request, means);
    let row = Row::planned(&plan, &request, now, now + Duration::seconds(900));
    (
        request,
        Row {
            next_look: 0,
            ..row
        },
    )
}

/// Puts a row into the table, where the watch finds it in its next round.
fn put(scenario: &Scenario, row: &Row) {
    let put = json!({ "TableName": LEDGER, "Item": typed(&json!(row.item())) });
    scenario.stage.dynamodb.call("PutItem", &put).unwrap();
}

/// Starts a task as the orphaned request did.
async fn start(scenario: &Scenario, definition: &str, status: &str) -> String {
    let run = json!({
        "cluster": CLUSTER, "taskDefinition": definition, "count": 1, "clientToken": "r-dead",
        "startedBy": identity::started_by(&scenario.stack_id, LOGICAL_ID), "enableECSManagedTags": false,
        "tags": [{"key": "ecs-tasks:request-id", "value": "r-dead"},
            {"key": "ecs-tasks:waits", "value": "true"}],
    });
    let answer = scenario.stage.ecs.call("RunTask", &run).unwrap();
    scenario
        .until(|scenario| scenario.statuses() == [status])
        .await;
    answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

async fn answer(scenario: &Scenario) -> Value {
    scenario.answered(1).await;
    serde_json::from_slice(&scenario.stage.cloudformation.answers()[0].body).unwrap()
}

#[tokio::test]
async fn an_orphaned_delete_is_resumed() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    start(&scenario, &definition, "RUNNING").await;
    put(
        &scenario,
        &dead(&scenario, "Delete", &properties(&definition, json!({}))).1,
    );
    let answer = answer(&scenario).await;
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(scenario.statuses(), ["STOPPED"]);
}

#[tokio::test]
async fn an_orphaned_run_that_has_ended_is_answered_by_its_end() {
    for (script, status) in [("true", "SUCCESS"), ("exit 7", "FAILED")] {
        let scenario = Scenario::new().await;
        let definition = scenario.script(script);
        start(&scenario, &definition, "STOPPED").await;
        put(
            &scenario,
            &dead(&scenario, "Create", &properties(&definition, json!({}))).1,
        );
        let answer = answer(&scenario).await;
        assert_eq!(answer["Status"], status, "{answer}");
        assert!(
            !answer["Reason"].as_str().unwrap().contains("died"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_is_left_running_when_the_watch_takes_over() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    start(&scenario, &definition, "RUNNING").await;
    put(
        &scenario,
        &dead(
            &scenario,
            "Create",
            &properties(&definition, json!({"Timeout": 0})),
        )
        .1,
    );
    let answer = answer(&scenario).await;
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(
        (scenario.statuses(), scenario.calls("StopTask")),
        (vec!["RUNNING".to_owned()], 0)
    );
}

#[tokio::test]
async fn the_watch_keeps_a_deadline_if_the_function_may_not_invoke_itself() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let task = start(&scenario, &definition, "RUNNING").await;
    scenario.stage.fault(
        "Invoke",
        vec![Fault::Error(403, "AccessDeniedException", "no"); 50],
    );
    let (_, row) = dead(
        &scenario,
        "Create",
        &properties(&definition, json!({"Timeout": 8})),
    );
    put(
        &scenario,
        &Row {
            state: RowState::Waiting,
            tasks: vec![TaskArn(task.clone())],
            ..with_task(row, &task)
        },
    );
    let answer = answer(&scenario).await;
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    assert!(
        answer["Reason"]
            .as_str()
            .unwrap()
            .contains("within the Timeout of 8 s"),
        "{answer}"
    );
    assert_eq!(scenario.statuses(), ["STOPPED"]);
}

#[tokio::test]
async fn the_watch_stops_overdue_tasks_whose_invocation_has_crashed() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let task = start(&scenario, &definition, "RUNNING").await;
    let (_, row) = dead(
        &scenario,
        "Create",
        &properties(&definition, json!({"Timeout": 8})),
    );
    let row = with_task(row, &task);
    let mut wait: Value = serde_json::from_str(row.wait.as_deref().unwrap()).unwrap();
    wait["timed_out"] = json!({
        "at": wait["started_at"], "limit": wait["limit"], "running": "Container app was still running",
    });
    wait["deadline"] = wait["settle_by"].clone();
    put(
        &scenario,
        &Row {
            state: RowState::Waiting,
            tasks: vec![TaskArn(task)],
            wait: Some(wait.to_string()),
            ..row
        },
    );
    let answer = answer(&scenario).await;
    let reason = answer["Reason"].as_str().unwrap();
    assert!(
        reason.contains("within the Timeout of 8 s") && reason.contains("Container app"),
        "{answer}"
    );
    assert_ne!(scenario.statuses(), ["RUNNING"]);
}

/// The later request looks before ECS lets the earlier delivery's start through.
#[tokio::test]
async fn a_superseded_redelivery_stops_the_tasks_of_the_first_delivery() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    start(&scenario, &definition, "RUNNING").await;
    let wanted = properties(&definition, json!({}));
    let (_, row) = dead(&scenario, "Create", &wanted);
    put(
        &scenario,
        &Row {
            state: RowState::Ended,
            ..row
        },
    );
    let ask = scenario.ask("Create", None, &wanted, None);
    let again = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-dead", &scenario.stage.lambda);
    scenario.stage.lambda.invoke_bytes(again.to_string().into());
    let answer = answer(&scenario).await;
    assert!(
        answer["Reason"]
            .as_str()
            .unwrap()
            .starts_with("CloudFormation has sent a newer request"),
        "{answer}"
    );
    scenario
        .until(|scenario| scenario.statuses() == ["STOPPED"])
        .await;
    assert_eq!(scenario.calls("RunTask"), 0);
}

/// Returns the row with a wait for this task.
fn with_task(row: Row, task: &str) -> Row {
    let mut wait: Value = serde_json::from_str(row.wait.as_deref().unwrap()).unwrap();
    wait["tasks"] = json!([task]);
    Row {
        wait: Some(wait.to_string()),
        ..row
    }
}

/// A value as DynamoDB types it.
fn typed_value(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Bool(bool) => json!({ "BOOL": bool }),
        Value::Array(list) => json!({ "L": list.iter().map(typed_value).collect::<Vec<_>>() }),
        _ => json!({ "NULL": true }),
    }
}

fn typed(item: &Value) -> Value {
    item.as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), typed_value(value)))
        .collect()
}
