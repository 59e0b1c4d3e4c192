//! Requests and answers that go astray: bad payloads, expired and refusing buckets, retries.

use ecs_tasks::rehearse::wire::Fault;
use serde_json::{Value, json};

use crate::scenario::{Scenario, container, properties};

/// Sends payloads one after the other, and waits until each has been handled.
async fn send(scenario: &Scenario, payloads: impl IntoIterator<Item = &[u8]>) {
    for payload in payloads {
        let before = scenario.stage.lambda.ended().len();
        scenario.stage.lambda.invoke_bytes(payload.to_vec().into());
        scenario.until(|scenario| scenario.stage.lambda.ended().len() > before).await;
    }
}

#[tokio::test]
async fn whatever_comes_is_logged_and_the_process_lives_on() {
    let scenario = Scenario::new().await;
    let deep = "[".repeat(500) + &"]".repeat(500);
    let payloads: [&[u8]; 13] = [
        deep.as_bytes(),
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"null",
        b"7",
        b"\"text\"",
        b"[]",
        b"{}",
        br#"{"Wait": {}}"#,
        br#"{"Wait": 1}"#,
        br#"{"RequestType": "Create", "ResponseURL": "ftp://x"}"#,
        br#"{"ResponseURL": "http://example.com/a"}"#,
    ];
    send(&scenario, payloads).await;
    assert!(
        scenario.stage.lambda.ended().iter().all(|ended| ended.error.is_none()),
        "{:?}",
        scenario.stage.lambda.ended()
    );
    assert_eq!((scenario.stage.lambda.processes(), scenario.calls("PUT")), (1, 0));
    let warnings = scenario.log().iter().filter(|line| line.contains("dropped a")).count();
    assert_eq!(warnings, payloads.len());
}

#[tokio::test]
async fn a_garbled_request_with_a_response_url_is_answered_failed() {
    let scenario = Scenario::new().await;
    let nothing = json!({});
    let ask = scenario.ask("Create", None, &nothing, None);
    let whole = scenario.stage.cloudformation.envelope(&ask, "r-1", &scenario.stage.lambda);
    let with = |name: &str, value: Value| {
        let mut payload = whole.clone();
        payload[name] = value;
        payload
    };
    let payloads = [
        with("RequestType", json!("Read")),
        with("RequestType", json!(null)),
        with("RequestType", json!({"a": [1]})),
        with("StackId", json!(7)),
        with("LogicalResourceId", json!("")),
        with("RequestId", json!([])),
        with("ResourceProperties", json!("text")),
    ];
    for payload in &payloads {
        send(&scenario, [payload.to_string().as_bytes()]).await;
    }
    let answers = scenario.stage.cloudformation.answers();
    assert_eq!(answers.len(), payloads.len());
    for answer in answers {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (body["Status"].as_str(), body["RequestId"].as_str()),
            (Some("FAILED"), Some("r-1")),
            "{body}"
        );
        assert_eq!(
            (body["StackId"].as_str(), body["LogicalResourceId"].as_str()),
            (Some(scenario.stack_id.as_str()), Some("Migrate"))
        );
        assert!(body["PhysicalResourceId"].as_str().unwrap().starts_with("shop-Migrate-"));
    }
}

#[tokio::test]
async fn a_request_whose_response_url_has_expired_starts_nothing() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let properties = properties(&definition, json!({}));
    let ask = scenario.ask("Create", None, &properties, None);
    let mut payload = scenario.stage.cloudformation.envelope(&ask, "r-1", &scenario.stage.lambda);
    let long_ago = time::macros::datetime!(2026-01-01 0:00 UTC);
    payload["ResponseURL"] =
        json!(scenario.stage.cloudformation.response_url(&scenario.stack_id, "Migrate", "r-1", long_ago));
    send(&scenario, [payload.to_string().as_bytes()]).await;
    let calls = scenario.stage.calls();
    // The watch's round has its heartbeat and its query.
    let of_watch = ["PutItem", "Query"];
    assert!(calls.keys().all(|call| crate::WATCH.is_some() && of_watch.contains(&&**call)), "{calls:?}");
    assert!(scenario.log().iter().any(|line| line.contains("the ResponseURL expired")));
    assert_eq!(scenario.stage.lambda.ended()[0].error, None);
}

#[tokio::test]
async fn an_answer_is_sent_again_after_a_5xx() {
    let scenario = Scenario::new().await;
    scenario.stage.fault("PUT", vec![Fault::Error(503, "", ""); 2]);
    let definition = scenario.script("true");
    assert!(scenario.create(&properties(&definition, json!({"Timeout": 0}))).await.succeeded);
    scenario.until(|scenario| scenario.stage.lambda.ended().len() == 1).await;
    assert_eq!((scenario.calls("PUT"), scenario.calls("RunTask")), (3, 1));
}

#[tokio::test]
async fn an_answer_that_is_refused_fails_the_invocation_and_the_retry_runs_nothing_twice() {
    let scenario = Scenario::new().await;
    scenario.stage.fault("PUT", [Fault::Error(403, "", "")]);
    let definition = scenario.script("echo once");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(created.succeeded);
    let error = if crate::WATCH.is_some() {
        // The watch sends it again, and nobody has to fail for that.
        let log = scenario.log();
        log.into_iter().find(|line| line.contains("refused the answer")).unwrap()
    } else {
        scenario.until(|scenario| scenario.stage.lambda.ended().len() == 2).await;
        scenario.stage.lambda.ended()[0].error.clone().unwrap()
    };
    assert!(error.contains("refused the answer with HTTP status 403") && !error.contains("X-Amz"), "{error}");
    assert_eq!((scenario.printed(), scenario.statuses().len()), (vec!["once".to_owned()], 1));
}

#[tokio::test]
async fn a_request_that_is_delivered_twice_runs_once_and_is_answered_alike() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once; sleep 1");
    let properties = properties(&definition, json!({}));
    let ask = scenario.ask("Create", None, &properties, None);
    let payload = scenario.stage.cloudformation.envelope(&ask, "r-1", &scenario.stage.lambda);
    scenario.stage.lambda.invoke_event(&payload);
    scenario.stage.lambda.invoke_event(&payload);
    scenario.until(|scenario| scenario.stage.lambda.ended().len() == 2).await;
    // With a ledger one of them may leave the answer to the other.
    scenario.answered(if crate::WATCH.is_some() { 1 } else { 2 }).await;
    let answers = scenario.stage.cloudformation.answers();
    for answer in &answers {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["Data"]["Ran"], "true", "{body}");
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(scenario.statuses().len(), 1);
}
