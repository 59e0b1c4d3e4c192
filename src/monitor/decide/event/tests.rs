use time::macros::datetime;

use super::*;

const EXIT_1: &str = include_str!("../../../../tests/events/task-stopped-exit-1.json");

fn event() -> Value {
    serde_json::from_str(EXIT_1).expect("a fixture")
}

fn read(json: &Value) -> Event {
    Event::read(json.clone(), "").expect("an event")
}

#[track_caller]
fn check_unreadable(json: &Value, id: &str, problem: &str) {
    let unreadable = Event::read(json.clone(), "").expect_err("it was read");
    assert_eq!(
        (unreadable.id.as_str(), unreadable.problem.as_str()),
        (id, problem)
    );
}

fn with(path: &str, value: Value) -> Value {
    let mut json = event();
    *json.pointer_mut(path).expect("a field") = value;
    json
}

#[test]
fn a_task_state_change_is_read() {
    let event = read(&event());
    let change = event.change().expect("a task state change");
    assert_eq!(event.time, datetime!(2016-10-17 20:29:14 UTC));
    assert_eq!(
        (change.cluster(), change.family()),
        ("eventStreamTestCluster", "wpunconfiguredfail")
    );
    assert_eq!(
        (change.task.containers[0].exit_code, event.version),
        (Some(1), 3)
    );
    assert_eq!(
        change.task.started_at,
        Some(datetime!(2016-10-17 20:29:14.179 UTC))
    );
}

#[test]
fn numbers_as_text_are_read_and_unknown_fields_are_ignored() {
    let event = read(&with("/detail/containers/0/exitCode", json!("137")));
    assert_eq!(
        event.change().expect("a change").task.containers[0].exit_code,
        Some(137)
    );
    let event = read(&with("/detail/version", json!("12")));
    assert_eq!(event.version, 12);
    for odd in [json!("many"), json!(1e99), json!(null), json!([])] {
        let event = read(&with("/detail/containers/0/exitCode", odd));
        assert_eq!(
            event.change().expect("a change").task.containers[0].exit_code,
            None
        );
    }
    let event = read(&with("/detail/lastStatus", json!("HIBERNATING")));
    assert_eq!(
        event.change().expect("a change").task.last_status,
        "HIBERNATING"
    );
}

#[test]
fn values_of_environment_variables_are_not_kept() {
    let variables = json!([{"name": "PASSWORD", "value": "hunter2"}, {"name": "EMPTY"}, "odd"]);
    let overrides = json!([{"name": "web", "environment": variables, "command": ["migrate"]}, "odd", {"name": "x"}]);
    let event = read(&with("/detail/overrides/containerOverrides", overrides));
    let kept =
        json!([{"name": "PASSWORD", "value": "(not kept)"}, {"name": "EMPTY"}, "(not kept)"]);
    let overrides = &event.json["detail"]["overrides"]["containerOverrides"];
    assert_eq!(
        (&overrides[0]["environment"], &overrides[0]["command"][0]),
        (&kept, &json!("migrate"))
    );
    for odd in [json!({}), json!("x"), json!([[]])] {
        assert_eq!(
            read(&with("/detail/overrides", odd.clone())).json["detail"]["overrides"],
            odd
        );
    }
}

#[test]
fn an_environment_of_another_shape_or_in_another_place_is_removed_too() {
    let variables = json!([{"name": "PASSWORD", "value": "hunter2"}]);
    for secret in [
        json!({"overrides": {"containerOverrides": [{"environment": {"PASSWORD": "hunter2"}}]}}),
        json!({"overrides": {"containerOverrides": [{"environment": "PASSWORD=hunter2"}]}}),
        json!({"overrides": {"containerOverrides": [{"environment": [{"name": "A", "Value": "hunter2"}]}]}}),
        json!({"requestParameters": {"containerDefinitions": [{"environment": variables}]}}),
    ] {
        let mut json = with("/detail-type", json!("AWS API Call via CloudTrail"));
        json["detail"] = secret.clone();
        let kept = read(&json).json.to_string();
        assert!(
            !kept.contains("hunter2") && kept.contains(NOT_KEPT),
            "{secret} was kept as {kept}"
        );
    }
}

#[test]
fn an_event_that_cannot_be_read_is_named_with_the_reason() {
    let id = "8f07966c-b005-4a0f-9ee9-63d2c41448b3";
    check_unreadable(
        &with("/source", json!("aws.ec2")),
        id,
        "its source is aws.ec2, not aws.ecs",
    );
    check_unreadable(&with("/detail", json!("x")), id, "it has no detail");
    check_unreadable(
        &with("/detail/taskArn", json!({})),
        id,
        "it is a task state change without a taskArn",
    );
    check_unreadable(
        &with("/detail-type", json!(null)),
        id,
        "it has no detail-type",
    );
    check_unreadable(&with("/id", json!(null)), "without an id", "it has no id");
    check_unreadable(
        &json!(7),
        "without an id",
        "it is not an event of EventBridge: it has no source",
    );
}

#[test]
fn other_detail_types_are_stored_but_not_judged() {
    let event = read(&with("/detail-type", json!("ECS Service Action")));
    assert_eq!(
        (event.detail_type.as_str(), event.about),
        ("ECS Service Action", About::Other)
    );
}

#[test]
fn an_event_of_a_service_is_read() {
    let mut json = with("/detail-type", json!("ECS Deployment State Change"));
    json["resources"] = json!(["arn:aws:ecs:us-west-2:123456789012:service/prod/web"]);
    json["detail"] =
        json!({"eventType": "ERROR", "eventName": "SERVICE_DEPLOYMENT_FAILED", "reason": "why"});
    let expected = ServiceEvent {
        kind: Kind::Service,
        event_type: "ERROR".to_owned(),
        event_name: "SERVICE_DEPLOYMENT_FAILED".to_owned(),
        cluster: "prod".to_owned(),
        service: "web".to_owned(),
        reason: Some("why".to_owned()),
        instance: None,
        definition: None,
        caller: None,
        started: 0,
    };
    assert_eq!(read(&json).about, About::Service(expected));
}

#[test]
fn a_line_that_was_cut_is_still_an_event() {
    let event = read(&with("/detail/stoppedReason", json!("x".repeat(5000))));
    let line = event.line(2000);
    assert!(line.len() <= 2000, "{line}");
    let cut = read(&serde_json::from_str(&line).expect("JSON"));
    let task = |event: &Event| event.change().map(|change| change.task.arn.clone());
    assert_eq!(
        (cut.id.as_str(), task(&cut)),
        (event.id.as_str(), task(&event))
    );
}
