//! Runs whose verdict goes to a WaitHandle, as CloudFormation would read it.

use std::time::Duration;

use rehearse::protocol::Fault;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::scenario::{LOGICAL_ID, Scenario, properties};

/// Makes a new handle.
fn handle(scenario: &Scenario, name: &str) -> String {
    scenario
        .stage
        .cloudformation
        .wait_handle(&scenario.stack_id, name, OffsetDateTime::now_utc())
}

/// Returns the signals to a handle, once there is one.
async fn signals(scenario: &Scenario, handle: &str) -> Vec<Value> {
    let all = || {
        let signals = scenario.stage.cloudformation.signals(handle);
        signals
            .iter()
            .map(|signal| serde_json::from_slice(&signal.body).unwrap())
            .collect::<Vec<Value>>()
    };
    scenario.until(|_| !all().is_empty()).await;
    all()
}

/// Waits until no request of the resource is open, so that everything to be sent has been sent.
async fn settled(scenario: &Scenario) {
    scenario
        .until(|scenario| {
            scenario
                .stage
                .dynamodb
                .ledger()
                .iter()
                .all(|row| row.get("open").is_none())
        })
        .await;
}

#[tokio::test]
async fn the_resource_is_complete_when_its_task_has_started_and_the_handle_gets_the_verdict() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("until test -e $GO; do sleep 0.05; done");
    let go = std::env::temp_dir().join(format!("go-{}", std::process::id()));
    let _ = std::fs::remove_file(&go);
    let handle = handle(&scenario, "Handle");
    let overrides = json!({"containerOverrides": [
        {"name": "app", "environment": [{"name": "GO", "value": go.to_str()}]},
    ]});
    let properties = properties(
        &definition,
        json!({"Timeout": 40000, "WaitHandle": handle, "Overrides": overrides}),
    );
    let created = scenario.create(&properties).await;
    assert!(created.succeeded, "{}", created.reason);
    assert_eq!(
        created.reason,
        "The task was started; the function will signal its verdict to WaitHandle"
    );
    assert_eq!(created.data["Ran"], "true");
    assert!(
        scenario.stage.cloudformation.signals(&handle).is_empty(),
        "the task still runs"
    );
    std::fs::write(&go, "").unwrap();
    let condition = json!({"Handle": handle, "Timeout": "90"});
    let condition = scenario.stage.cloudformation.wait_condition(&condition);
    let data = condition.await.unwrap();
    let by_id: Value = serde_json::from_str(data.as_str().unwrap()).unwrap();
    let attributes: Value = serde_json::from_str(by_id["Task"].as_str().unwrap()).unwrap();
    assert_eq!(attributes["ExitCode"], "0");
    assert_eq!(attributes["TaskArn"], created.data["TaskArn"]);
    settled(&scenario).await;
    assert_eq!(signals(&scenario, &handle).await.len(), 1);
    assert_eq!(scenario.stage.cloudformation.answers().len(), 1);
    let _ = std::fs::remove_file(&go);
}

#[tokio::test]
async fn a_failure_is_signalled_with_its_reason() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo no such table; exit 3");
    let handle = handle(&scenario, "Handle");
    let created = scenario
        .create(&properties(
            &definition,
            json!({"Timeout": 7200, "WaitHandle": handle}),
        ))
        .await;
    assert!(created.succeeded, "{}", created.reason);
    let signal = &signals(&scenario, &handle).await[0];
    assert_eq!(
        (&signal["Status"], &signal["UniqueId"]),
        (&json!("FAILURE"), &json!("Task"))
    );
    let reason = signal["Reason"].as_str().unwrap();
    assert!(
        reason.starts_with("Container app exited with code 3. Fix")
            && reason.contains("Last log lines: no such table."),
        "{reason}"
    );
    let condition = json!({"Handle": handle, "Timeout": "90"});
    let condition = scenario.stage.cloudformation.wait_condition(&condition);
    assert!(
        condition
            .await
            .unwrap_err()
            .contains("Container app exited with code 3")
    );
}

#[tokio::test]
async fn a_run_that_is_over_its_timeout_is_stopped_and_signalled() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let handle = handle(&scenario, "Handle");
    let created = scenario
        .create(&properties(
            &definition,
            json!({"Timeout": 1, "WaitHandle": handle}),
        ))
        .await;
    assert!(created.succeeded, "{}", created.reason);
    let signal = &signals(&scenario, &handle).await[0];
    assert_eq!(signal["Status"], "FAILURE");
    assert!(
        signal["Reason"]
            .as_str()
            .unwrap()
            .contains("Timeout of 1 s"),
        "{signal}"
    );
    assert_eq!(scenario.statuses(), ["STOPPED"]);
}

#[tokio::test]
async fn a_handle_is_signalled_even_if_there_is_nothing_to_run() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let handle = handle(&scenario, "Handle");
    let created = scenario
        .create(&properties(
            &definition,
            json!({"Count": 0, "WaitHandle": handle}),
        ))
        .await;
    assert!(created.succeeded, "{}", created.reason);
    let signal = &signals(&scenario, &handle).await[0];
    assert_eq!(
        (&signal["Status"], &signal["Reason"]),
        (&json!("SUCCESS"), &json!("Nothing was run: Count is 0"))
    );
    assert_eq!(scenario.calls("RunTask"), 0);
}

#[tokio::test]
async fn an_update_with_a_used_handle_runs_nothing() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let first = handle(&scenario, "Handle1");
    let before = properties(&definition, json!({"WaitHandle": first, "Triggers": "1"}));
    scenario.create(&before).await;
    signals(&scenario, &first).await;
    let same = properties(&definition, json!({"WaitHandle": first, "Triggers": "2"}));
    let updated = scenario.update(&before, &same).await;
    assert!(updated.succeeded, "{}", updated.reason);
    assert!(
        updated.reason.contains("a handle works only once"),
        "{}",
        updated.reason
    );
    // A rollback brings the handle of the request before the last.
    let second = handle(&scenario, "Handle2");
    let after = properties(&definition, json!({"WaitHandle": second, "Triggers": "3"}));
    assert!(scenario.update(&same, &after).await.succeeded);
    signals(&scenario, &second).await;
    let back = scenario.update(&after, &before).await;
    assert!(
        back.succeeded && back.reason.contains("a handle works only once"),
        "{}",
        back.reason
    );
    settled(&scenario).await;
    assert_eq!(scenario.calls("RunTask"), 2);
    assert_eq!(signals(&scenario, &first).await.len(), 1);
}

#[tokio::test]
async fn a_delete_stops_the_task_that_a_handle_waits_for() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let handle = handle(&scenario, "Handle");
    let properties = properties(&definition, json!({"Timeout": 40000, "WaitHandle": handle}));
    assert!(scenario.create(&properties).await.succeeded);
    let deleted = scenario.delete(&properties).await;
    assert!(deleted.succeeded, "{}", deleted.reason);
    assert_eq!(scenario.statuses(), ["STOPPED"]);
    let signal = &signals(&scenario, &handle).await[0];
    assert_eq!(signal["Status"], "FAILURE");
}

#[tokio::test]
async fn a_signal_that_is_refused_for_a_while_is_sent_again_with_the_same_bytes() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exit 1");
    let handle = handle(&scenario, "Handle");
    scenario.stage.fault(
        "PUT signal",
        vec![Fault::Error(503, "SlowDown", "slow down"); 3],
    );
    assert!(
        scenario
            .create(&properties(&definition, json!({"WaitHandle": handle})))
            .await
            .succeeded
    );
    let signals = signals(&scenario, &handle).await;
    assert!(signals.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn a_handle_that_cannot_be_signalled_is_refused_before_anything_starts() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let old = OffsetDateTime::now_utc() - Duration::from_secs(43_200);
    let expired = scenario
        .stage
        .cloudformation
        .wait_handle(&scenario.stack_id, LOGICAL_ID, old);
    let fresh = handle(&scenario, "Handle");
    for (more, expected) in [
        (
            json!({"WaitHandle": "https://example.com/x?Signature=secret"}),
            "WaitHandle points to example.com",
        ),
        (
            json!({"WaitHandle": "Handle"}),
            "WaitHandle is not an https URL",
        ),
        (json!({"WaitHandle": expired}), "WaitHandle expired"),
        (
            json!({"WaitHandle": fresh, "Timeout": 43200}),
            "set Timeout to at most 43139",
        ),
        (
            json!({"WaitHandle": fresh, "Timeout": 0}),
            "Timeout must not be 0 with WaitHandle",
        ),
        (
            json!({"WaitHandle": fresh, "StartRetries": 1}),
            "StartRetries cannot be given together with WaitHandle",
        ),
        (json!({"Timeout": 3601}), "Timeout must be at most 3600"),
    ] {
        let created = scenario.create(&properties(&definition, more)).await;
        assert!(
            !created.succeeded && created.reason.contains(expected),
            "{}",
            created.reason
        );
        assert!(!created.reason.contains("secret"), "{}", created.reason);
    }
    assert_eq!(scenario.calls("RunTask"), 0);
}
