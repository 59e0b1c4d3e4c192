use serde_json::{Value, json};

use super::*;
use crate::{
    monitor::decide::pattern,
    task::{ContainerDefinition, TaskDefinition},
};

const PAGE: &str = include_str!("../../../../docs/monitor.md");

fn event(detail: &Value) -> Event {
    let mut detail = detail.clone();
    detail["taskArn"] = "arn:aws:ecs:us-east-1:123456789012:task/prod/1".into();
    let event = json!({
        "id": "1", "source": "aws.ecs", "detail-type": "ECS Task State Change",
        "time": "2026-11-20T10:15:00Z",
        "detail": detail,
    });
    Event::read(event, "").expect("an event")
}

fn judged(detail: &Value) -> Finding {
    Finding::of(&event(detail), &pattern::default()).expect("a task is judged")
}

#[track_caller]
fn check(detail: Value, expected: &str) {
    let finding = judged(&detail);
    let shown = match finding.excuse() {
        Some(excuse) => format!("excused: {excuse}"),
        None => finding.name().to_owned(),
    };
    assert_eq!(shown, expected, "{detail}");
}

fn stopped(containers: Value) -> Value {
    json!({"lastStatus": "STOPPED", "containers": containers})
}

#[test]
fn a_task_that_is_not_stopped_is_moving_whatever_else_it_says() {
    for status in [
        "PROVISIONING",
        "RUNNING",
        "DEPROVISIONING",
        "DELETED",
        "SOMETHING_NEW",
        "",
    ] {
        check(
            json!({"lastStatus": status, "containers": [{"name": "web", "exitCode": 1}]}),
            "moving",
        );
    }
}

#[test]
fn exit_codes_decide() {
    check(
        stopped(json!([{"name": "web", "exitCode": 0}])),
        "succeeded",
    );
    check(stopped(json!([{"name": "web", "exitCode": 1}])), "failed");
    check(stopped(json!([{"name": "web"}])), "failed");
    check(
        stopped(json!([{"name": "web", "exitCode": 0}, {"name": "log"}])),
        "failed",
    );
    check(
        stopped(json!([{"name": "web", "exitCode": 0}, {"name": "log", "exitCode": 137}])),
        "failed",
    );
    check(
        stopped(json!([{"name": "web", "exitCode": 0}, {"name": "aws-guardduty-agent-x"}])),
        "succeeded",
    );
}

#[test]
fn a_task_that_ended_before_its_helper_started_is_judged_by_its_own_containers() {
    let over = |containers: Value| {
        let mut detail = stopped(containers);
        detail["stopCode"] = "TaskFailedToStart".into();
        detail
    };
    check(over(json!([{"name": "web", "exitCode": 0}])), "succeeded");
    check(over(json!([{"name": "web", "exitCode": 1}])), "failed");
    check(over(json!([{"name": "web"}])), "failed");
    // Only the definition says that log is not essential.
    let mixed = over(json!([{"name": "web", "exitCode": 0}, {"name": "log"}]));
    check(mixed.clone(), "failed");
    assert_eq!(by_definition(&mixed), "succeeded");
    assert_eq!(
        by_definition(&over(
            json!([{"name": "web", "exitCode": 1}, {"name": "log"}])
        )),
        "failed"
    );
}

/// Returns the finding if the definition says that web is essential and log is not.
fn by_definition(detail: &Value) -> &'static str {
    let container = |name: &str, essential| ContainerDefinition {
        name: name.to_owned(),
        essential,
        ..ContainerDefinition::default()
    };
    let containers = vec![container("web", true), container("log", false)];
    let definition = TaskDefinition {
        containers,
        ..TaskDefinition::default()
    };
    let finding = Finding::by_definition(&event(detail), &pattern::default(), Some(&definition));
    finding.expect("a task is judged").name()
}

#[test]
fn essential_containers_decide_if_the_definition_is_known() {
    for helper in [json!(1), json!(2), json!(130), json!(255), json!(null)] {
        let with = |web: i64| {
            let mut detail = stopped(
                json!([{"name": "web", "exitCode": web}, {"name": "log", "exitCode": helper}]),
            );
            detail["taskDefinitionArn"] =
                "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1".into();
            detail["stopCode"] = "EssentialContainerExited".into();
            detail
        };
        check(with(0), "failed");
        assert_eq!(by_definition(&with(0)), "succeeded", "{helper}");
        assert!(wanted_definition(&event(&with(0))).is_some(), "{helper}");
        assert_eq!(by_definition(&with(3)), "failed", "{helper}");
        assert_eq!(wanted_definition(&event(&with(3))), None, "{helper}");
    }
}

#[test]
fn a_task_that_somebody_stopped_and_that_exits_with_zero_is_no_failure() {
    let stopped_by_user = |code: i64| {
        let mut detail = stopped(json!([{"name": "web", "exitCode": code}]));
        detail["stopCode"] = "UserInitiated".into();
        detail
    };
    check(stopped_by_user(0), "succeeded");
    check(stopped_by_user(143), "failed");
}

#[test]
fn the_default_patterns_excuse_what_ecs_does_by_itself() {
    for reason in [
        "Scaling activity initiated by (deployment ecs-svc/1)",
        "Service web: container instance is in DRAINING state",
        "ECS is performing maintenance on the underlying infrastructure hosting the task.",
    ] {
        let mut detail = stopped(json!([{"name": "web", "exitCode": 1}]));
        detail["stoppedReason"] = reason.into();
        let finding = judged(&detail);
        assert!(
            matches!(finding, Finding::Excused(_, Excuse::Pattern(_))),
            "{reason}"
        );
    }
    let mut detail = stopped(json!([{"name": "web", "exitCode": 1}]));
    detail["stoppedReason"] = "No scaling activity initiated by anybody".into();
    check(detail, "failed");
}

#[test]
fn a_deployment_that_replaces_a_task_is_excused_unless_a_container_failed_by_itself() {
    let replaced = |containers: Value| {
        let mut detail = stopped(containers);
        detail["stopCode"] = "ServiceSchedulerInitiated".into();
        detail
    };
    let excused = "excused: the service's scheduler has replaced the task";
    check(replaced(json!([{"name": "web", "exitCode": 143}])), excused);
    check(
        replaced(json!([{"name": "web", "exitCode": 137}, {"name": "log", "exitCode": 0}])),
        excused,
    );
    check(
        replaced(json!([{"name": "web", "exitCode": 143}, {"name": "log", "exitCode": 1}])),
        "failed",
    );
    check(
        replaced(json!([{"name": "web", "exitCode": 143}, {"name": "log"}])),
        "failed",
    );
    check(replaced(json!([{"name": "web", "exitCode": 1}])), "failed");
    check(
        replaced(json!([{"name": "web", "exitCode": 0}])),
        "succeeded",
    );
}

#[test]
fn real_events_have_the_right_findings() {
    for (event, expected) in [
        (
            include_str!("../../../../tests/events/task-stopped-exit-1.json"),
            "failed",
        ),
        (
            include_str!("../../../../tests/events/task-failed-to-start.json"),
            "failed",
        ),
        (
            include_str!("../../../../tests/events/task-drained.json"),
            "excused",
        ),
    ] {
        let event: Value = serde_json::from_str(event).expect("a fixture");
        let event = Event::read(event, "").expect("an event");
        let finding = Finding::of(&event, &pattern::default());
        assert_eq!(finding.map(|finding| finding.name()), Some(expected));
    }
}

fn with(stop_code: &str, stopped_reason: &str, containers: Value) -> Value {
    json!({"lastStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": stopped_reason,
        "containers": containers})
}

#[test]
fn a_task_that_its_health_checks_ended_has_failed_whatever_its_exit_codes() {
    for reason in [
        "Task failed ELB health checks in (target-group \
         arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/web/1)",
        "Task failed container health checks",
        "service web: Task failed ELB health checks in (elb web)",
    ] {
        for code in [0, 137, 143] {
            let detail = with(
                "ServiceSchedulerInitiated",
                reason,
                json!([{"name": "web", "exitCode": code}]),
            );
            check(detail.clone(), "failed");
            assert_eq!(
                judged(&detail)
                    .failure()
                    .map(|failure| failure.cause.as_str()),
                Some("health checks failed")
            );
        }
    }
}

#[test]
fn a_container_that_ran_out_of_memory_is_a_failure_in_a_service_too() {
    let killed = json!([{"name": "web", "exitCode": 137,
        "reason": "OutOfMemoryError: Container killed due to memory usage"}]);
    for stop_code in ["ServiceSchedulerInitiated", "EssentialContainerExited"] {
        let detail = with(
            stop_code,
            "Essential container in task exited",
            killed.clone(),
        );
        check(detail.clone(), "failed");
        assert_eq!(
            judged(&detail)
                .failure()
                .map(|failure| failure.cause.as_str()),
            Some("out of memory")
        );
    }
}

/// The containers that failed, in the order in which they are reported.
fn culprits(stop_code: &str, containers: Value) -> Vec<String> {
    let finding = judged(&with(
        stop_code,
        "Essential container in task exited",
        containers,
    ));
    let Some(failure) = finding
        .failure()
        .and_then(|failure| failure.failure.clone())
    else {
        return Vec::new();
    };
    let causes = [vec![failure.cause], failure.others].concat();
    causes
        .iter()
        .filter_map(|cause| cause.container().map(str::to_owned))
        .collect()
}

#[test]
fn a_container_that_was_told_to_stop_is_neither_a_failure_nor_the_culprit() {
    let (agent, app) = (
        json!({"name": "datadog-agent", "exitCode": 143}),
        json!({"name": "app", "exitCode": 1}),
    );
    assert_eq!(
        culprits("EssentialContainerExited", json!([agent, app])),
        ["app"]
    );
    let fine = json!({"name": "app", "exitCode": 0});
    check(
        with("EssentialContainerExited", "x", json!([agent, fine])),
        "succeeded",
    );
    // Nobody knows which of these two ended first.
    let killed = json!({"name": "app", "exitCode": 137});
    assert_eq!(
        culprits("EssentialContainerExited", json!([agent, killed])),
        ["datadog-agent", "app"]
    );
    let alone = json!({"name": "app", "exitCode": 137});
    check(
        with("EssentialContainerExited", "x", json!([alone])),
        "failed",
    );
}

#[test]
fn the_culprit_is_the_most_telling_container_and_all_that_failed_are_listed() {
    let containers = json!([
        {"name": "signal", "exitCode": 143}, {"name": "lost"}, {"name": "app", "exitCode": 3},
        {"name": "fine", "exitCode": 0}, {"name": "image", "reason": "CannotPullContainerError: x"},
    ]);
    assert_eq!(culprits("", containers), ["image", "app", "signal", "lost"]);
}

#[test]
fn containers_that_aws_injects_never_count() {
    for injected in ["aws-guardduty-agent-AbC", "ecs-service-connect-X1y2"] {
        for container in [
            json!({"name": injected}),
            json!({"name": injected, "exitCode": 137, "reason": "OutOfMemoryError"}),
        ] {
            check(
                with(
                    "EssentialContainerExited",
                    "x",
                    json!([{"name": "app", "exitCode": 0}, container]),
                ),
                "succeeded",
            );
        }
    }
}

#[test]
fn a_spot_interruption_is_reported_as_such_and_can_be_excused() {
    let containers = json!([{"name": "app", "exitCode": 143}]);
    let detail = with(
        "SpotInterruption",
        "Your Spot Task was interrupted.",
        containers,
    );
    assert_eq!(
        judged(&detail)
            .failure()
            .map(|failure| failure.cause.as_str()),
        Some("Spot interruption")
    );
    let finding = Finding::of(
        &event(&detail),
        &[Pattern::new("Your Spot Task was interrupted*")],
    );
    assert!(
        matches!(finding, Some(Finding::Excused(_, Excuse::Pattern(_)))),
        "{finding:?}"
    );
}

#[test]
fn a_service_in_trouble_is_reported_and_a_healthy_one_is_not_judged() {
    for (event_type, name, expected) in [
        ("ERROR", "SERVICE_DEPLOYMENT_FAILED", Some("impaired")),
        ("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", Some("impaired")),
        ("WARN", "SERVICE_TASK_START_IMPAIRED", Some("impaired")),
        ("INFO", "SERVICE_STEADY_STATE", None),
    ] {
        let json = json!({
            "id": "1", "source": "aws.ecs", "detail-type": "ECS Service Action",
            "time": "2026-11-20T10:15:00Z",
            "detail": {"eventType": event_type, "eventName": name},
        });
        let event = Event::read(json, "").expect("an event");
        assert_eq!(
            Finding::of(&event, &[]).map(|finding| finding.name()),
            expected,
            "{name}"
        );
    }
}

fn of_kind(detail_type: &str, detail: Value) -> Event {
    let event = json!({
        "id": "1", "source": "aws.ecs", "detail-type": detail_type, "time": "2026-11-20T10:15:00Z",
        "resources": [], "detail": detail,
    });
    Event::read(event, "").expect("an event")
}

/// Checks the finding on an event without a task, with the cluster and the name that it reports.
#[track_caller]
fn check_other(detail_type: &str, detail: Value, expected: Option<(&str, &str, &str)>) {
    let event = of_kind(detail_type, detail);
    let finding = Finding::of(&event, &[]);
    let found = match (&finding, &event.about) {
        (Some(finding), About::Service(about)) => Some((
            finding.name(),
            about.cluster.as_str(),
            about.service.as_str(),
        )),
        _ => None,
    };
    assert_eq!(found, expected, "{event:?}");
}

#[test]
fn hooks_that_failed_or_timed_out_are_reported_and_those_that_wait_are_watched() {
    for (event_type, name, expected) in [
        ("INFO", "HOOK_IN_PROGRESS", None),
        ("INFO", "HOOK_SUCCEEDED", None),
        ("INFO", "HOOK_AWAITING_ACTION", Some("awaiting")),
        ("ERROR", "HOOK_FAILED", Some("impaired")),
        ("INFO", "HOOK_TIMED_OUT", Some("impaired")),
    ] {
        let detail = json!({"eventType": event_type, "eventName": name, "hookType": "PAUSE",
            "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
            "serviceArn": "arn:aws:ecs:us-west-2:123456789012:service/prod/web"});
        check_other(
            "ECS Hook State Change",
            detail,
            expected.map(|finding| (finding, "prod", "web")),
        );
    }
}

#[test]
fn daemons_in_trouble_are_reported() {
    for (detail_type, event_type, expected) in [
        ("ECS Daemon Service Action", "WARNING", true),
        ("ECS Daemon Service Action", "WARN", true),
        ("ECS Daemon Service Action", "INFO", false),
        ("ECS Daemon Deployment State Change", "ERROR", true),
        ("ECS Daemon Deployment State Change", "INFO", false),
    ] {
        let detail = json!({"eventType": event_type, "eventName": "DAEMON_TASK_START_IMPAIRED",
            "daemonArn": "arn:aws:ecs:us-west-2:123456789012:daemon/prod/agent"});
        check_other(
            detail_type,
            detail,
            expected.then_some(("impaired", "prod", "agent")),
        );
    }
}

#[test]
fn an_impaired_instance_is_reported_with_its_impaired_checks() {
    let health = |overall: &str, checks: Value| {
        json!({"clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod", "overallStatus": overall,
            "containerInstanceArn": "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a1",
            "healthChecks": checks})
    };
    let check = |status: &str| json!([{"type": "DAEMON", "status": status, "statusReason": "it is unhealthy"}]);
    let kind = "ECS Container Instance Health Change";
    check_other(kind, health("OK", check("OK")), None);
    check_other(kind, health("OK", json!([])), None);
    check_other(
        kind,
        health("IMPAIRED", json!(null)),
        Some(("impaired", "prod", "a1")),
    );
    check_other(
        kind,
        health("IMPAIRED", check("IMPAIRED")),
        Some(("impaired", "prod", "a1")),
    );
    let About::Service(about) = of_kind(kind, health("OK", check("IMPAIRED"))).about else {
        panic!("health")
    };
    assert_eq!(
        (about.event_name.as_str(), about.reason.as_deref()),
        ("DAEMON_IMPAIRED", Some("DAEMON: it is unhealthy"))
    );
}

#[test]
fn a_task_that_ecs_refused_to_run_is_reported_from_cloudtrails_record() {
    let call = |asked: Value, answered: Value, error: Value| {
        let mut detail = json!({"eventName": "RunTask", "requestParameters": asked, "responseElements": answered});
        detail["errorCode"] = error.clone();
        detail["errorMessage"] = error;
        detail
    };
    let asked = json!({"cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/prod", "taskDefinition": "nightly:7"});
    let none = json!({"tasks": [], "failures": [{"arn": "a", "reason": "RESOURCE:MEMORY"}, {"reason": "AGENT"}]});
    let started = json!({"tasks": [{"taskArn": "t"}], "failures": []});
    let kind = "AWS API Call via CloudTrail";
    let refused = Some(("impaired", "prod", "nightly"));
    check_other(
        kind,
        call(asked.clone(), none.clone(), Value::Null),
        refused,
    );
    check_other(
        kind,
        call(asked.clone(), Value::Null, json!("AccessDeniedException")),
        refused,
    );
    check_other(kind, call(asked.clone(), started, Value::Null), None);
    check_other(kind, call(asked.clone(), Value::Null, Value::Null), None);
    check_other(
        kind,
        call(
            json!({"taskDefinition": "nightly"}),
            json!({"failures": [{}]}),
            Value::Null,
        ),
        Some(("impaired", "default", "nightly")),
    );
    let mut other = call(asked.clone(), none.clone(), Value::Null);
    other["eventName"] = "StopTask".into();
    check_other(kind, other, None);
    let mut runners = asked.clone();
    runners["startedBy"] = "ecs-tasks/0123456789abcdef0123456789".into();
    check_other(kind, call(runners, none.clone(), Value::Null), None);
    let About::Service(about) = of_kind(kind, call(asked, none, Value::Null)).about else {
        panic!("a call")
    };
    assert_eq!(
        (about.event_name.as_str(), about.reason.as_deref()),
        ("RESOURCE:MEMORY", Some("RESOURCE:MEMORY; AGENT"))
    );
}

#[test]
fn the_end_of_a_services_task_is_one_restart_unless_something_else_ended_it() {
    let ended = |stop_code: &str, group: &str| {
        let mut detail = with(
            stop_code,
            "Essential container in task exited",
            json!([{"name": "web", "exitCode": 0}]),
        );
        detail["group"] = group.into();
        detail["clusterArn"] = "arn:aws:ecs:us-west-2:123456789012:cluster/prod".into();
        event(&detail)
    };
    let service = |event: &Event, ignored: &[Pattern]| {
        let finding = Finding::of(event, &[]);
        ended_service(event, finding.as_ref(), ignored)
            .map(|(cluster, name)| format!("{cluster}/{name}"))
    };
    let exited = ended("EssentialContainerExited", "service:web");
    assert_eq!(
        service(&exited, &pattern::default()).as_deref(),
        Some("prod/web")
    );
    assert_eq!(
        service(&exited, &[Pattern::new("Essential container*")]),
        None
    );
    assert_eq!(
        service(&ended("EssentialContainerExited", "family:web"), &[]),
        None
    );
    assert_eq!(
        service(&ended("ServiceSchedulerInitiated", "service:web"), &[]),
        None
    );
}

#[test]
fn a_task_that_managed_instances_drained_is_excused() {
    let reason = "Task stopped during instance draining.";
    let detail = with(
        "ServiceSchedulerInitiated",
        reason,
        json!([{"name": "web", "exitCode": 1}]),
    );
    check(
        detail,
        "excused: stoppedReason matches Task stopped during instance draining*",
    );
}

/// The page's table of verdicts, row by row: stop code, stoppedReason, containers, finding.
#[test]
fn the_page_lists_the_findings() {
    let rows = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| stopCode"))
        .skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with("| ")).collect();
    assert!(rows.len() >= 12, "the table is gone: {rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [stop_code, reason, containers, expected, _why] = cells[..] else {
            panic!("{row}")
        };
        let containers: Vec<Value> = containers.split(", ").map(container).collect();
        let mut detail = stopped(containers.into());
        for (name, cell) in [("stopCode", stop_code), ("stoppedReason", reason)] {
            if cell != "any" {
                detail[name] = cell.trim_matches('`').into();
            }
        }
        assert_eq!(judged(&detail).name(), expected.trim_matches('*'), "{row}");
    }
}

/// `app 137 OutOfMemoryError`, `app none`
fn container(cell: &str) -> Value {
    let mut words = cell.splitn(3, ' ');
    let (name, code, reason) = (words.next(), words.next(), words.next());
    let mut container = json!({"name": name, "lastStatus": "STOPPED"});
    if let Some(code) = code.and_then(|code| code.parse::<i64>().ok()) {
        container["exitCode"] = code.into();
    }
    if let Some(reason) = reason {
        container["reason"] = reason.into();
    }
    container
}
