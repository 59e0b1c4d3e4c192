//! The stage itself: it does what AWS does with processes that misbehave.

use std::{env, time::Duration};

use ecs_tasks::function::http::Http;
use rehearse::{protocol::Fault, service::lambda::InvocationAttempt};
use serde_json::json;

use crate::scenario::{Scenario, container, properties};

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("kill -SEGV $$");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created
            .reason
            .contains("exited with code 139 (SIGSEGV: its program crashed)"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("trap '' TERM; while :; do sleep 1; done");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 2})))
        .await;
    assert!(
        created
            .reason
            .contains("Container app did not end on SIGTERM within StopTimeout, so ECS killed it (exit code 137)"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn an_essential_container_that_ends_takes_the_others_down() {
    let scenario = Scenario::new().await;
    let mut sidecar = container("sidecar", "exec sleep 60");
    sidecar["essential"] = json!(false);
    let definition = scenario.definition(json!([container("app", "sleep 1"), sidecar]));
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created.succeeded,
        "the sidecar's 143 is ECS's doing: {}",
        created.reason
    );
    scenario
        .until(|scenario| scenario.statuses() == ["STOPPED"])
        .await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_a_task_that_failed_to_start() {
    let scenario = Scenario::new().await;
    let mut app = container("app", "");
    app["entryPoint"] = json!(["/no/such/program"]);
    let definition = scenario.definition(json!([app]));
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created
            .reason
            .contains("The command /no/such/program was not found in the image of container app"),
        "{}",
        created.reason
    );
    assert!(
        created.reason.contains("CannotStartContainerError"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn containers_start_in_the_order_of_their_dependencies() {
    let scenario = Scenario::new().await;
    let mut first = container("first", "sleep 0.3; echo first");
    first["essential"] = json!(false);
    let mut app = container("app", "echo then");
    app["dependsOn"] = json!([{"containerName": "first", "condition": "SUCCESS"}]);
    let definition = scenario.definition(json!([app, first]));
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    let lines: Vec<String> = scenario
        .log()
        .into_iter()
        .filter(|line| line.contains(" | "))
        .collect();
    assert_eq!(lines, ["first | first", "app | then"]);
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the function needs the machine's PATH"
)]
async fn an_invocation_that_meets_its_deadline_is_killed_and_repeated_twice() {
    let scenario = Scenario::with(|config| {
        config.runner.binary = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/hangs").into();
        config.runner.timeout = Duration::from_millis(500);
        config
            .runner
            .environment
            .extend(env::var("PATH").map(|path| ("PATH".to_owned(), path)));
    })
    .await;
    scenario.stage.lambda.invoke_event(&json!({}));
    scenario
        .until(|scenario| scenario.stage.lambda.ended().len() == 3)
        .await;
    let ended = scenario.stage.lambda.ended();
    assert_eq!(
        ended.iter().map(|ended| ended.attempt).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    let killed = |ended: &InvocationAttempt| {
        ended.error.as_deref() == Some("Task timed out after 0.50 seconds")
    };
    assert!(ended.iter().all(killed), "{ended:?}");
    assert_eq!(scenario.stage.lambda.processes(), 0);
}

#[tokio::test]
async fn an_invocation_whose_process_ends_has_failed() {
    let scenario = Scenario::with(|config| config.runner.binary = "/bin/false".into()).await;
    scenario.stage.lambda.invoke_event(&json!({}));
    scenario
        .until(|scenario| scenario.stage.lambda.ended().len() == 3)
        .await;
    assert!(
        scenario
            .stage
            .lambda
            .ended()
            .iter()
            .all(|ended| ended.error.as_deref() == Some("Runtime exited"))
    );
}

#[tokio::test]
async fn a_chain_of_sixteen_invocations_is_dropped_without_a_word() {
    let scenario = Scenario::new().await;
    let address = format!(
        "{}/2015-03-31/functions/ecsTasks/invocations",
        scenario.stage.endpoint()
    );
    let http = Http::default();
    for (hop, dropped) in [(14, false), (15, true)] {
        let call = http
            .client()
            .unwrap()
            .post(&address)
            .header("x-amz-invocation-type", "Event")
            .header(
                "x-amzn-trace-id",
                format!("Root=1-a-b;Lineage=1:ab12:{hop}"),
            )
            .body("{}");
        assert_eq!(
            call.send().await.unwrap().status(),
            202,
            "the caller learns nothing of it"
        );
        let told = scenario
            .log()
            .iter()
            .any(|line| line.contains("Lambda stopped a chain of 16"));
        assert_eq!(told, dropped, "after hop {hop}");
    }
}

#[tokio::test]
async fn cloudformation_gives_up_when_no_answer_comes_within_service_timeout() {
    let scenario = Scenario::new().await;
    scenario
        .stage
        .fault("PUT", vec![Fault::Error(403, "", ""); 3]);
    let created = scenario
        .create(&properties("app", json!({"Count": 0, "ServiceTimeout": 2})))
        .await;
    assert!(
        created.reason.contains("did not receive a response"),
        "{}",
        created.reason
    );
    assert_eq!(created.physical_id, None);
}
