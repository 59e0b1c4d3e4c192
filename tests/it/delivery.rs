//! Requests and answers that go astray: bad payloads, expired and refusing buckets, retries.

use rehearse::protocol::Fault;
use serde_json::{Value, json};

use crate::scenario::{Scenario, container, properties};

/// Sends payloads one after the other, and waits until each has been handled.
async fn send(scenario: &Scenario, payloads: impl IntoIterator<Item = &[u8]>) {
    for payload in payloads {
        let before = scenario.stage.lambda.ended().len();
        scenario.stage.lambda.invoke_bytes(payload.to_vec().into());
        scenario
            .until(|scenario| scenario.stage.lambda.ended().len() > before)
            .await;
    }
}

#[tokio::test]
async fn any_payload_is_logged_and_the_process_lives_on() {
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
        scenario
            .stage
            .lambda
            .ended()
            .iter()
            .all(|ended| ended.error.is_none()),
        "{:?}",
        scenario.stage.lambda.ended()
    );
    assert_eq!(
        (scenario.stage.lambda.processes(), scenario.calls("PUT")),
        (1, 0)
    );
    let warnings = scenario
        .log()
        .iter()
        .filter(|line| line.contains("dropped a"))
        .count();
    assert_eq!(warnings, payloads.len());
}

#[tokio::test]
async fn a_garbled_request_with_a_response_url_is_answered_failed() {
    let scenario = Scenario::new().await;
    let nothing = json!({});
    let ask = scenario.ask("Create", None, &nothing, None);
    let whole = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
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
        assert!(
            body["PhysicalResourceId"]
                .as_str()
                .unwrap()
                .starts_with("shop-Migrate-")
        );
    }
}

#[tokio::test]
async fn a_request_whose_response_url_has_expired_starts_nothing() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let properties = properties(&definition, json!({}));
    let ask = scenario.ask("Create", None, &properties, None);
    let mut payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
    let long_ago = time::macros::datetime!(2026-01-01 0:00 UTC);
    payload["ResponseURL"] = json!(scenario.stage.cloudformation.response_url(
        &scenario.stack_id,
        "Migrate",
        "r-1",
        long_ago
    ));
    send(&scenario, [payload.to_string().as_bytes()]).await;
    let calls = scenario.stage.calls();
    // A round of the watch makes these calls for its heartbeat and its query.
    let of_watch = ["PutItem", "Query"];
    assert!(
        calls
            .keys()
            .all(|call| crate::WATCH.is_some() && of_watch.contains(&&**call)),
        "{calls:?}"
    );
    assert!(
        scenario
            .log()
            .iter()
            .any(|line| line.contains("the ResponseURL expired"))
    );
    assert_eq!(scenario.stage.lambda.ended()[0].error, None);
}

#[tokio::test]
async fn an_answer_is_sent_again_after_a_5xx() {
    let scenario = Scenario::new().await;
    scenario
        .stage
        .fault("PUT", vec![Fault::Error(503, "", ""); 2]);
    let definition = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&definition, json!({"Timeout": 0})))
            .await
            .succeeded
    );
    scenario
        .until(|scenario| scenario.stage.lambda.ended().len() == 1)
        .await;
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
        // The watch sends it again, so no invocation has to fail.
        let log = scenario.log();
        log.into_iter()
            .find(|line| line.contains("refused the answer"))
            .unwrap()
    } else {
        scenario
            .until(|scenario| scenario.stage.lambda.ended().len() == 2)
            .await;
        scenario.stage.lambda.ended()[0].error.clone().unwrap()
    };
    assert!(
        error.contains("refused the answer with HTTP status 403") && !error.contains("X-Amz"),
        "{error}"
    );
    assert_eq!(
        (scenario.printed(), scenario.statuses().len()),
        (vec!["once".to_owned()], 1)
    );
}

#[tokio::test]
async fn a_request_that_is_delivered_twice_runs_once_and_is_answered_alike() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once; sleep 1");
    let properties = properties(&definition, json!({}));
    let ask = scenario.ask("Create", None, &properties, None);
    let payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
    scenario.stage.lambda.invoke_event(&payload);
    scenario.stage.lambda.invoke_event(&payload);
    scenario
        .until(|scenario| scenario.stage.lambda.ended().len() == 2)
        .await;
    // With a ledger one of them answers, otherwise both do.
    let answers = if crate::WATCH.is_some() { 1 } else { 2 };
    scenario.answered(answers).await;
    send(&scenario, [payload.to_string().as_bytes()]).await;
    scenario.answered(answers + 1).await;
    let answers = scenario.stage.cloudformation.answers();
    let one = &answers[0].body;
    assert!(
        answers.iter().all(|answer| answer.body == *one),
        "also long after: {answers:?}"
    );
    assert_eq!(
        (scenario.printed().len(), scenario.statuses().len()),
        (1, 1)
    );
}

#[tokio::test]
async fn an_invocation_that_dies_in_the_middle_is_repeated_and_runs_nothing_twice() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once; sleep 1; exit 3");
    let properties = properties(&definition, json!({}));
    let (created, ()) = tokio::join!(scenario.create(&properties), async {
        scenario
            .until(|scenario| scenario.printed() == ["once"])
            .await;
        scenario.stage.lambda.close();
    });
    assert!(
        created.reason.contains("Container app exited with code 3"),
        "{}",
        created.reason
    );
    if crate::WATCH.is_none() {
        // With a ledger it may have parked its wait before it crashed.
        scenario
            .until(|scenario| scenario.stage.lambda.ended().len() == 2)
            .await;
        assert_eq!(
            scenario.stage.lambda.ended()[0].error.as_deref(),
            Some("Runtime exited")
        );
    }
    assert_eq!(
        (scenario.printed().len(), scenario.statuses().len()),
        (1, 1)
    );
    // The ledger knows which tasks have been started; without a ledger the token does.
    assert!(scenario.calls("RunTask") == 2 || crate::WATCH.is_some());
}

#[tokio::test]
async fn a_token_that_is_in_use_means_that_the_tasks_have_been_started_before() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once");
    let [first, second] = ["64", "32"].map(|memory| {
        let overrides = json!({"containerOverrides": [{"name": "app", "memory": memory}]});
        properties(&definition, json!({"Overrides": overrides}))
    });
    for properties in [first, second] {
        let ask = scenario.ask("Create", None, &properties, None);
        let payload = scenario
            .stage
            .cloudformation
            .envelope(&ask, "r-1", &scenario.stage.lambda);
        let answered = scenario.stage.cloudformation.answers().len();
        send(&scenario, [payload.to_string().as_bytes()]).await;
        scenario.answered(answered + 1).await;
    }
    let [one, other] = scenario.stage.cloudformation.answers().try_into().unwrap();
    assert_eq!((one.body, scenario.statuses().len()), (other.body, 1));
}

#[tokio::test]
async fn a_start_without_capacity_is_tried_again_with_a_new_token() {
    let scenario = Scenario::new().await;
    let failures =
        json!({"tasks": [], "failures": [{"arn": "arn:i", "reason": "RESOURCE:MEMORY"}]});
    scenario.stage.fault("RunTask", [Fault::Answer(failures)]);
    let definition = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    let requests = scenario.stage.requests("RunTask");
    let tokens: Vec<&str> = requests
        .iter()
        .map(|request| request["clientToken"].as_str().unwrap())
        .collect();
    assert_eq!(tokens[1], format!("{}-1", tokens[0]));
}

#[tokio::test]
async fn a_start_that_cannot_succeed_fails_at_once() {
    let scenario = Scenario::new().await;
    let failures = json!({"tasks": [], "failures": [{"arn": "arn:i", "reason": "MISSING"}]});
    scenario.stage.fault("RunTask", [Fault::Answer(failures)]);
    let definition = scenario.script("true");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created
            .reason
            .contains("The container instance arn:i is not registered in cluster prod"),
        "{}",
        created.reason
    );
    assert_eq!(scenario.calls("RunTask"), 1);
}

#[tokio::test]
async fn throttling_and_server_errors_are_retried() {
    let scenario = Scenario::new().await;
    scenario.stage.fault(
        "RunTask",
        vec![Fault::Error(400, "ThrottlingException", "Rate exceeded"); 4],
    );
    scenario.stage.fault(
        "DescribeTasks",
        vec![Fault::Error(500, "ServerException", "Service Unavailable"); 4],
    );
    let definition = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    assert_eq!(
        (scenario.calls("RunTask"), scenario.statuses().len()),
        (5, 1)
    );
}

#[tokio::test]
async fn a_role_without_tag_resource_starts_without_tags_and_says_so() {
    let scenario = Scenario::new().await;
    let denied = "User is not authorized to perform: ecs:TagResource on resource: task/prod/*";
    scenario.stage.fault(
        "RunTask",
        [Fault::Error(400, "AccessDeniedException", denied)],
    );
    let definition = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    let requests = scenario.stage.requests("RunTask");
    assert!(requests[0]["tags"].is_array() && requests[1]["tags"].is_null());
    assert!(
        scenario
            .log()
            .iter()
            .any(|line| line.contains("starting without tags"))
    );
}

#[tokio::test]
async fn a_look_that_is_denied_ends_the_wait_and_stops_the_task() {
    let scenario = Scenario::new().await;
    let denied = Fault::Error(
        400,
        "AccessDeniedException",
        "not authorized to perform: ecs:DescribeTasks",
    );
    scenario.stage.fault("DescribeTasks", vec![denied; 100]);
    if crate::WATCH.is_some() {
        // ECS's event says how the task ended, so that no look is needed.
        let definition = scenario.script("sleep 1");
        assert!(
            scenario
                .create(&properties(&definition, json!({})))
                .await
                .succeeded
        );
        return;
    }
    let definition = scenario.script("exec sleep 60");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created.reason.contains(
            "can no longer read the state of the task on cluster prod, so it stopped the task"
        ),
        "{}",
        created.reason
    );
    assert!(
        created.reason.contains("Grant ecs:DescribeTasks"),
        "{}",
        created.reason
    );
    scenario
        .until(|scenario| scenario.statuses() == ["STOPPED"])
        .await;
}

#[tokio::test]
async fn a_line_of_the_highest_level_still_names_the_request() {
    let scenario = Scenario::with(|config| {
        config.runner.environment = vec![("LOG_LEVEL".to_owned(), "ERROR".to_owned())]
    })
    .await;
    scenario.stage.fault("PUT", [Fault::Error(403, "", "")]);
    assert!(
        scenario
            .create(&properties("app", json!({"Count": 0})))
            .await
            .succeeded
    );
    let log = scenario.log();
    let line = log
        .iter()
        .find(|line| line.contains("refused the answer"))
        .unwrap();
    assert!(
        line.contains("\"request_id\":\"") && line.contains("\"level\":\"ERROR\""),
        "{line}"
    );
}

#[tokio::test]
async fn every_line_of_the_log_is_json_with_a_level_and_names_the_request() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&definition, json!({})))
            .await
            .succeeded
    );
    let log = scenario.log();
    let of_function = log
        .iter()
        .filter(|line| !line.starts_with("container app runs as a local process"));
    let lines = of_function.map(|line| serde_json::from_str::<Value>(line).unwrap());
    // Lines with `_aws` become metrics, and are not log lines.
    let lines: Vec<Value> = lines.filter(|line| line["_aws"].is_null()).collect();
    assert!(
        lines
            .iter()
            .all(|line| line["level"].is_string() && line["timestamp"].is_string()),
        "{lines:?}"
    );
    assert!(
        lines[0]["message"] == "starting" && lines[0]["version"].is_string(),
        "{}",
        lines[0]
    );
    let answering = lines
        .iter()
        .find(|line| line["message"] == "answering")
        .unwrap();
    for name in [
        "request_id",
        "request_type",
        "stack_id",
        "logical_resource_id",
        "hop",
    ] {
        assert!(!answering[name].is_null(), "{name} in {answering}");
    }
    let ended = lines
        .iter()
        .find(|line| line["message"] == "ended")
        .unwrap();
    assert_eq!(
        (ended["container"].as_str(), ended["exit_code"].as_i64()),
        (Some("app"), Some(0)),
        "{ended}"
    );
}

#[tokio::test]
async fn a_redelivered_update_waits_for_its_task_even_if_its_criteria_no_longer_hold() {
    let scenario = Scenario::new().await;
    let mut app = container("app", "sleep 1; echo once");
    let old = scenario.definition(json!([app.clone()]));
    app["image"] = json!("busybox:2");
    let new = scenario.definition(json!([app]));
    let criteria = json!({"UpdateCriteria": [{"Container": "app", "Image": true}]});
    let (before, after) = (
        properties(&old, criteria.clone()),
        properties(&new, criteria),
    );
    let ask = scenario.ask("Update", Some("shop-Migrate-1"), &after, Some(&before));
    let payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
    scenario.stage.lambda.invoke_event(&payload);
    scenario
        .until(|scenario| scenario.statuses() == ["RUNNING"])
        .await;
    // The old definition now reads like the new one, so that nothing seems to have changed.
    let same = json!({"taskDefinition": {"taskDefinitionArn": new, "containerDefinitions": [
        {"name": "app", "image": "busybox:2", "essential": true},
    ]}});
    scenario
        .stage
        .fault("DescribeTaskDefinition", vec![Fault::Answer(same); 2]);
    scenario.stage.lambda.invoke_event(&payload);
    scenario
        .until(|scenario| scenario.stage.lambda.ended().len() == 2)
        .await;
    // With a ledger one of them may leave the answer to the other.
    scenario
        .answered(if crate::WATCH.is_some() { 1 } else { 2 })
        .await;
    let answers = scenario.stage.cloudformation.answers();
    for answer in &answers {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["Data"]["Ran"], "true", "{body}");
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(scenario.statuses().len(), 1);
}

/// Lambda held the first delivery of an Update back, while CloudFormation gave that one up and sent
/// another.
#[tokio::test]
async fn an_older_request_that_comes_late_runs_nothing_beside_the_newer_one() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo ran; exec sleep 60");
    let wanted = properties(&definition, json!({"Timeout": 600}));
    let ask = scenario.ask(
        "Update",
        Some("shop-Migrate-0123456789ab"),
        &wanted,
        Some(&wanted),
    );
    let newer = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-newer", &scenario.stage.lambda);
    let mut older = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-older", &scenario.stage.lambda);
    let before = time::OffsetDateTime::now_utc() - time::Duration::seconds(60);
    older["ResponseURL"] = json!(scenario.stage.cloudformation.response_url(
        &scenario.stack_id,
        "Migrate",
        "r-older",
        before
    ));
    scenario.stage.lambda.invoke_bytes(newer.to_string().into());
    scenario
        .until(|scenario| scenario.statuses() == ["RUNNING"])
        .await;
    scenario.stage.lambda.invoke_bytes(older.to_string().into());
    scenario.answered(1).await;
    let answer = &scenario.stage.cloudformation.answers()[0];
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.request_id.as_str(), &body["Status"]),
        ("r-older", &json!("FAILED")),
        "{body}"
    );
    assert!(
        body["Reason"]
            .as_str()
            .unwrap()
            .starts_with("CloudFormation has sent a newer request"),
        "{body}"
    );
    assert_eq!(
        (scenario.calls("RunTask"), scenario.calls("StopTask")),
        (1, 0)
    );
}
