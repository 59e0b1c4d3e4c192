use serde_json::{Value, json};

use super::*;
use crate::monitor::{
    decide::{
        event::{About, Event},
        finding::Finding,
        pattern,
    },
    tests::event,
};
use crate::subject::LONGEST;

const PAGE: &str = include_str!("../../../../docs/monitor.md");
const TASK: &str = "arn:aws:ecs:us-west-2:123456789012:task/prod/0123456789abcdef0123456789abcdef";

#[track_caller]
fn alert(event: &Event, format: AlertFormat) -> Notice {
    notice(event, format, 1, None, None)
}

#[track_caller]
fn notice(
    event: &Event,
    format: AlertFormat,
    count: u64,
    since: Option<&str>,
    log: Option<&Log>,
) -> Notice {
    let finding = Finding::of(event, &pattern::default());
    let failing = Failing::of(event, finding.as_ref()).expect("a failure");
    let group = failing.group();
    let arns: Vec<String> = (0..NAMED)
        .map(|number| {
            format!(
                "{}{number}",
                &failing.arn()[..failing.arn().len().saturating_sub(1)]
            )
        })
        .collect();
    let named = if count > 1 && since.is_none() {
        arns.iter().map(String::as_str).collect()
    } else {
        Vec::new()
    };
    Failures {
        failing,
        group: &group,
        count,
        named,
        since,
        log,
    }
    .render(format)
}

/// A task of the service web on Fargate, as ECS reports its end.
fn stopped(stop_code: &str, reason: &str, containers: Value) -> Event {
    let json = json!({
        "id": "8f07966c-b005-4a0f-9ee9-63d2c41448b3",
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "time": "2026-11-20T10:16:12Z",
        "account": "123456789012",
        "region": "us-west-2",
        "resources": [TASK],
        "detail": {
            "taskArn": TASK,
            "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
            "taskDefinitionArn": "arn:aws:ecs:us-west-2:123456789012:task-definition/app:42",
            "group": "service:web",
            "launchType": "FARGATE",
            "startedBy": "ecs-svc/1234567890123456789",
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "startedAt": "2026-11-20T10:15:00Z",
            "stoppedAt": "2026-11-20T10:16:12Z",
            "stopCode": stop_code,
            "stoppedReason": reason,
            "containers": containers,
            "version": 5,
        },
    });
    let mut json = json;
    if stop_code == "TaskFailedToStart" {
        json["detail"]["startedAt"] = Value::Null;
    }
    Event::read(json, "").expect("an event")
}

fn app(code: i64) -> Value {
    json!({
        "name": "app", "lastStatus": "STOPPED", "exitCode": code,
        "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1.42.0",
    })
}

fn service(event_type: &str, name: &str, reason: Option<&str>) -> Event {
    let of_deployment = name.contains("DEPLOYMENT");
    let json = json!({
        "id": "0d1e2f3a-b005-4a0f-9ee9-63d2c41448b3",
        "source": "aws.ecs",
        "detail-type": if of_deployment { "ECS Deployment State Change" } else { "ECS Service Action" },
        "time": "2026-11-20T10:16:12Z",
        "account": "123456789012",
        "region": "us-west-2",
        "resources": ["arn:aws:ecs:us-west-2:123456789012:service/prod/web"],
        "detail": {"eventType": event_type, "eventName": name, "reason": reason,
                   "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod"},
    });
    Event::read(json, "").expect("an event")
}

const EXITED: &str = "Essential container in task exited";

/// Ten failures as people meet them, each under a title.
fn ten() -> Vec<(&'static str, Notice)> {
    let mut out_of_memory = app(137);
    out_of_memory["reason"] = "OutOfMemoryError: Container killed due to memory usage".into();
    let pull = "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve \
                ref 123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1.43.0: not found";
    let secret = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                  retrieval failed: unable to retrieve secret from asm: AccessDeniedException: User is not \
                  authorized to perform: secretsmanager:GetSecretValue on resource: db-password";
    let unhealthy = "Task failed ELB health checks in (target-group \
                     arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/web/0123456789abcdef)";
    let log = Log {
        group: Some("/ecs/app".to_owned()),
        stream: Some("app/app/0123456789abcdef0123456789abcdef".to_owned()),
        lines: [
            "Connecting to db.internal:5432",
            "FATAL: password authentication failed",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Log::default()
    };
    let sidecar = json!({"name": "datadog-agent", "lastStatus": "STOPPED", "exitCode": 143});
    let text = |event: &Event| alert(event, AlertFormat::Text);
    let exit_1 = stopped("EssentialContainerExited", EXITED, json!([sidecar, app(1)]));
    let mut spot = app(143);
    spot["image"] = "app:1".into();
    vec![
        (
            "A container exits with an error",
            notice(&exit_1, AlertFormat::Text, 1, None, Some(&log)),
        ),
        (
            "Out of memory",
            text(&stopped(
                "EssentialContainerExited",
                EXITED,
                json!([out_of_memory]),
            )),
        ),
        (
            "Health checks",
            text(&stopped(
                "ServiceSchedulerInitiated",
                unhealthy,
                json!([app(143)]),
            )),
        ),
        (
            "The image is not there",
            text(&stopped(
                "TaskFailedToStart",
                pull,
                json!([{"name": "app", "reason": pull}]),
            )),
        ),
        (
            "A secret cannot be read",
            text(&stopped(
                "TaskFailedToStart",
                secret,
                json!([{"name": "app"}]),
            )),
        ),
        (
            "A Spot interruption",
            text(&stopped(
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                json!([spot]),
            )),
        ),
        (
            "A program that crashes",
            text(&stopped(
                "EssentialContainerExited",
                EXITED,
                json!([app(139)]),
            )),
        ),
        (
            "A deployment that fails",
            text(&service(
                "ERROR",
                "SERVICE_DEPLOYMENT_FAILED",
                Some("ECS deployment circuit breaker: tasks failed to start."),
            )),
        ),
        (
            "A storm, as it begins",
            notice(&exit_1, AlertFormat::Text, 100, None, None),
        ),
        (
            "A storm, as it goes on",
            notice(
                &exit_1,
                AlertFormat::Text,
                900,
                Some("2026-11-20T10:16:12Z"),
                None,
            ),
        ),
    ]
}

#[test]
fn ten_alerts_as_people_get_them() {
    let page: String = ten()
        .iter()
        .map(|(title, notice)| {
            format!(
                "### {title}\n\nSubject: {}\n\n{}\n",
                notice.subject, notice.body
            )
        })
        .collect();
    insta::assert_snapshot!(page);
}

#[test]
fn the_page_shows_the_ten_as_they_are() {
    for (title, notice) in ten() {
        let shown = format!(
            "### {title}\n\n```text\nSubject: {}\n\n{}```\n",
            notice.subject, notice.body
        );
        assert!(
            PAGE.contains(&shown),
            "docs/monitor.md does not show this:\n{shown}"
        );
    }
}

#[test]
fn a_subject_is_short_and_plain_whatever_the_names_are() {
    let mut event = event("task-stopped-exit-1.json");
    let About::Task(change) = &mut event.about else {
        panic!("a task")
    };
    change.cluster_arn = format!("cluster/{}\nX", "ü".repeat(120));
    let subject = alert(&event, AlertFormat::Text).subject;
    assert!(
        subject.len() <= LONGEST
            && subject
                .chars()
                .all(|char| char == ' ' || char.is_ascii_graphic()),
        "{subject}"
    );
}

#[test]
fn names_as_long_as_cdk_makes_them_leave_the_cause_in_the_subject() {
    let mut event = stopped("EssentialContainerExited", EXITED, json!([app(1)]));
    let About::Task(change) = &mut event.about else {
        panic!("a task")
    };
    change.cluster_arn = "cluster/ProdInfraStack-ClusterEB0386A7-vJx8Yx2Hxkqk".to_owned();
    change.group =
        Some("service:ProdAppStack-WebServiceFargateService4A5B6C7D-Xk2jd9sLqPzT".to_owned());
    let subject = |count, since| notice(&event, AlertFormat::Text, count, since, None).subject;
    assert_eq!(
        subject(1, None),
        "ECS task failed: ProdAppStack-WebServiceF... on ProdInfraStack-ClusterEB...: app exited with code 1"
    );
    let counted = subject(1234, Some("2026-11-20T10:15:00Z"));
    assert!(
        counted.len() <= LONGEST && counted.ends_with(": app exited with code 1"),
        "{counted}"
    );
}

#[test]
fn a_task_that_failed_to_start_names_the_container_that_failed_before() {
    let containers = json!([{"name": "app"}, {"name": "init", "exitCode": 2}]);
    let body = alert(
        &stopped("TaskFailedToStart", "Task failed to start", containers),
        AlertFormat::Text,
    )
    .body;
    assert!(
        body.lines()
            .next()
            .is_some_and(|line| line.contains("Container init exited with code 2")),
        "{body}"
    );
}

#[test]
fn a_service_whose_cluster_is_not_known_is_reported_without_one() {
    let mut event = service("ERROR", "SERVICE_DEPLOYMENT_FAILED", None);
    let About::Service(about) = &mut event.about else {
        panic!("a service")
    };
    about.cluster.clear();
    let first = alert(&event, AlertFormat::Text);
    assert!(
        first
            .subject
            .starts_with("ECS service in trouble: web: service deployment failed"),
        "{first:?}"
    );
    assert!(
        first
            .body
            .starts_with("Service web: SERVICE_DEPLOYMENT_FAILED."),
        "{first:?}"
    );
    assert!(!first.body.contains("Console"), "{first:?}");
    let more = notice(
        &event,
        AlertFormat::Text,
        1,
        Some("2026-11-20T10:15:00Z"),
        None,
    )
    .subject;
    assert!(
        more.starts_with("ECS service in trouble, once more: web: "),
        "{more}"
    );
}

#[test]
fn account_and_region_are_in_the_subject_where_there_is_room() {
    let subject = alert(&stopped("", EXITED, json!([app(1)])), AlertFormat::Text).subject;
    assert_eq!(
        subject,
        "ECS task failed: web on prod: app exited with code 1 (123456789012, us-west-2)"
    );
    let subject = alert(&event("task-stopped-exit-1.json"), AlertFormat::Text).subject;
    assert_eq!(
        subject,
        "ECS task failed: wpunconfiguredfail on eventStreamTestCluster: web exited with code 1 (us-east-1)"
    );
}

#[test]
fn a_service_without_a_reason_is_reported_by_its_name_and_the_events() {
    let notice = alert(
        &service("WARN", "SERVICE_TASK_START_IMPAIRED", None),
        AlertFormat::Text,
    );
    assert!(
        notice
            .subject
            .starts_with("ECS service in trouble: web on prod: service task start impaired"),
        "{notice:?}"
    );
    assert!(
        notice
            .body
            .starts_with("Service web on prod: SERVICE_TASK_START_IMPAIRED."),
        "{notice:?}"
    );
    assert_eq!(
        notice.attributes.get("group").map(String::as_str),
        Some("service:web")
    );
}

#[test]
fn json_is_the_event_with_the_finding() {
    let event = event("task-failed-to-start.json");
    let notice = alert(&event, AlertFormat::Json);
    let body: Value = serde_json::from_str(&notice.body).expect("JSON");
    assert_eq!(
        (&body["id"], &body["detail"]),
        (&event.json["id"], &event.json["detail"])
    );
    assert_eq!(
        (&body["finding"]["result"], &body["finding"]["count"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(
        notice.attributes.get("stopCode").map(String::as_str),
        Some("TaskFailedToStart")
    );
}

#[test]
fn an_event_that_is_too_large_for_sns_is_reported_all_the_same() {
    let mut event = event("task-stopped-exit-1.json");
    event.json["detail"]["overrides"] = "x".repeat(256 * 1024).into();
    for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
        let body = alert(&event, format).body;
        assert!(
            body.len() < BODY && body.contains("exited with code 1"),
            "{format:?}"
        );
    }
}

#[test]
fn chat_is_a_custom_notification() {
    let notice = alert(&event("task-stopped-exit-1.json"), AlertFormat::Chat);
    let body: Value = serde_json::from_str(&notice.body).expect("JSON");
    assert_eq!(
        (&body["version"], &body["source"]),
        (&json!("1.0"), &json!("custom"))
    );
    let description = body["content"]["description"]
        .as_str()
        .expect("a description");
    assert!(
        description.starts_with("Container web exited with code 1"),
        "{description}"
    );
}

#[test]
fn a_long_container_name_leaves_the_code_in_the_subject_and_the_body_lists_all_containers() {
    let names: Vec<String> = (0..5)
        .map(|number| {
            format!("ProdAppStack-WebServiceTaskDefinitionContainer{number}-4A5B6C7D-Xk2jd9sLqPzT")
        })
        .collect();
    let containers: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "exitCode": 137}))
        .collect();
    let mut event = stopped("", EXITED, containers.into());
    let About::Task(change) = &mut event.about else {
        panic!("a task")
    };
    change.cluster_arn = "cluster/ProdInfraStack-ClusterEB0386A7-vJx8Yx2Hxkqk".to_owned();
    let subject = alert(&event, AlertFormat::Text).subject;
    assert!(
        subject.len() <= LONGEST && subject.contains(" exited with code 137"),
        "{subject}"
    );
    assert!(
        subject.starts_with("ECS task failed: web on ProdInfraStack-"),
        "{subject}"
    );
    for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
        let body = alert(&event, format).body;
        assert!(
            names.iter().all(|name| body.contains(name)),
            "{format:?} {body}"
        );
    }
}

fn of_kind(detail_type: &str, detail: Value) -> Event {
    let json = json!({
        "id": "0d1e2f3a-b005-4a0f-9ee9-63d2c41448b3", "source": "aws.ecs", "detail-type": detail_type,
        "time": "2026-11-20T10:16:12Z", "account": "123456789012", "region": "us-west-2", "resources": [],
        "detail": detail,
    });
    Event::read(json, "").expect("an event")
}

#[test]
fn things_other_than_tasks_are_named_by_their_kind() {
    let cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/prod";
    let hook = of_kind(
        "ECS Hook State Change",
        json!({"eventName": "HOOK_TIMED_OUT", "eventType": "ERROR", "lifecycleStage": "PRE_SCALE_UP",
            "hookType": "AWS_LAMBDA", "clusterArn": cluster,
            "serviceArn": "arn:aws:ecs:us-west-2:123456789012:service/prod/web"}),
    );
    let daemon = of_kind(
        "ECS Daemon Service Action",
        json!({"eventName": "DAEMON_TASK_START_IMPAIRED", "eventType": "WARNING", "clusterArn": cluster,
            "daemonArn": "arn:aws:ecs:us-west-2:123456789012:daemon/prod/agent", "reason": "RESOURCE:CPU"}),
    );
    let instance = of_kind(
        "ECS Container Instance Health Change",
        json!({"clusterArn": cluster, "ec2InstanceId": "i-0123", "overallStatus": "IMPAIRED", "healthChecks":
            [{"type": "CONTAINER_RUNTIME", "status": "IMPAIRED", "statusReason": null}]}),
    );
    let refused = of_kind(
        "AWS API Call via CloudTrail",
        json!({"eventName": "RunTask", "requestParameters": {"cluster": "prod", "taskDefinition": "nightly"},
            "responseElements": {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}}),
    );
    for (event, subject, first) in [
        (
            hook,
            "ECS deployment hook in trouble: web on prod: hook timed out (123456789012, us-west-2)",
            "A lifecycle hook of service web on prod: HOOK_TIMED_OUT. Nobody continued or ended the hook before it \
             expired, so ECS rolls the deployment back, or continues it if the timeout action is CONTINUE. Start the \
             deployment again; for a PAUSE hook, run aws ecs continue-service-deployment in time, for a Lambda hook see \
             its function's log. Or raise TimeoutInMinutes. AWS_LAMBDA hook at PRE_SCALE_UP [hook-timed-out]",
        ),
        (
            daemon,
            "ECS daemon in trouble: agent on prod: daemon task start impaired (123456789012, us-west-2)",
            "Daemon agent on prod: DAEMON_TASK_START_IMPAIRED. ECS could not start a task of the daemon on a \
             container instance. If the instance has no room for it (RESOURCE), lower cpu and memory of the daemon, or use \
             larger instances: more instances do not help. Otherwise, see why the task stopped: aws ecs describe-tasks \
             --cluster prod --tasks TASK. AWS says: RESOURCE:CPU [daemon-cannot-start]",
        ),
        (
            instance,
            "ECS container instance in trouble: i-0123 on prod: container runtime impaired (us-west-2)",
            "Container instance i-0123 on prod: CONTAINER_RUNTIME_IMPAIRED. Docker on the instance does not answer. Set \
             the instance to DRAINING (aws ecs update-container-instances-state --cluster prod --container-instances ID \
             --status DRAINING), wait for its tasks, then replace it. On the instance, systemctl status docker, journalctl \
             -u docker and df -h show the cause; a restart of Docker ends every container on it [instance-runtime]",
        ),
        (
            refused,
            "ECS task not started: nightly on prod: ECS refused to run it: RESOURCE:MEMORY (us-west-2)",
            "ECS refused to run nightly on prod: RESOURCE:MEMORY. No container instance in cluster prod has enough \
             free memory for the task. Wait for other tasks to end, add container instances or larger ones, or lower the \
             task's Memory. No task was started, and the schedule or the caller might not try again: run the task by \
             hand if it is needed [resource-memory]",
        ),
    ] {
        let notice = alert(&event, AlertFormat::Text);
        assert_eq!(
            (notice.subject.as_str(), notice.body.lines().next()),
            (subject, Some(first))
        );
        assert!(!notice.body.contains("Console"), "{}", notice.body);
        let group = notice.attributes.get("group").map(String::as_str);
        assert_eq!(group.is_some(), subject.contains("hook"), "{group:?}");
    }
}

/// The names of the events that AWS's pages list as WARN, WARNING or ERROR, or as the end of a hook.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html>
const TROUBLES: [(&str, &str); 13] = [
    ("ECS Service Action", "SERVICE_TASK_START_IMPAIRED"),
    ("ECS Service Action", "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY"),
    ("ECS Service Action", "VPC_LATTICE_TARGET_UNHEALTHY"),
    (
        "ECS Service Action",
        "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED",
    ),
    ("ECS Service Action", "ECS_OPERATION_THROTTLED"),
    (
        "ECS Service Action",
        "SERVICE_DISCOVERY_OPERATION_THROTTLED",
    ),
    ("ECS Service Action", "SERVICE_TASK_PLACEMENT_FAILURE"),
    ("ECS Service Action", "SERVICE_TASK_CONFIGURATION_FAILURE"),
    ("ECS Service Action", "SERVICE_HEALTH_UNKNOWN"),
    ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_FAILED"),
    ("ECS Hook State Change", "HOOK_FAILED"),
    ("ECS Daemon Service Action", "DAEMON_TASK_START_IMPAIRED"),
    (
        "ECS Daemon Deployment State Change",
        "DAEMON_DEPLOYMENT_ROLLBACK_FAILED",
    ),
];

#[test]
fn every_event_of_a_service_a_hook_a_daemon_or_an_instance_has_a_step() {
    let cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/prod";
    let named = TROUBLES.map(|(detail_type, name)| {
        let arn = "arn:aws:ecs:us-west-2:123456789012:service/prod/web";
        let detail = json!({"eventName": name, "eventType": "ERROR", "clusterArn": cluster, "serviceArn": arn,
            "daemonArn": arn});
        (name.to_owned(), of_kind(detail_type, detail))
    });
    let checks = [
        "CONTAINER_RUNTIME",
        "AGENT_CONNECTIVITY",
        "DAEMON",
        "ACCELERATED_COMPUTE",
        "NEW",
    ];
    let impaired = checks.map(|check| {
        let checks =
            json!([{"type": check, "status": "IMPAIRED", "statusReason": "Agent disconnected"}]);
        let detail =
            json!({"clusterArn": cluster, "ec2InstanceId": "i-0123", "healthChecks": checks});
        (
            format!("{check}_IMPAIRED"),
            of_kind("ECS Container Instance Health Change", detail),
        )
    });
    let whole =
        json!({"clusterArn": cluster, "ec2InstanceId": "i-0123", "overallStatus": "IMPAIRED"});
    let whole = (
        "IMPAIRED".to_owned(),
        of_kind("ECS Container Instance Health Change", whole),
    );
    for (name, event) in named.into_iter().chain(impaired).chain([whole]) {
        let body = alert(&event, AlertFormat::Text).body;
        let first = body.lines().next().unwrap_or_default();
        assert!(
            first.contains(&format!(": {name}. ")) && first.ends_with(']'),
            "{first}"
        );
    }
}

#[test]
fn an_event_of_a_service_names_its_provider_and_its_container_instance() {
    let cluster = "arn:aws:ecs:us-west-2:123456789012";
    let body = |name: &str, more: Value| {
        let mut detail = json!({"eventName": name, "eventType": "ERROR", "clusterArn": format!("{cluster}:cluster/prod")});
        let members = more.as_object().expect("members").clone();
        detail.as_object_mut().expect("a detail").extend(members);
        alert(&of_kind("ECS Service Action", detail), AlertFormat::Text).body
    };
    let provider = format!("{cluster}:capacity-provider/FARGATE_SPOT");
    let without_capacity = body(
        "SERVICE_TASK_PLACEMENT_FAILURE",
        json!({"reason": "RESOURCE:FARGATE", "capacityProviderArns": [provider]}),
    );
    let told = "FARGATE_SPOT has no capacity for the task at the moment";
    assert!(without_capacity.contains(told), "{without_capacity}");
    assert!(
        !without_capacity.contains("ontainer instance"),
        "{without_capacity}"
    );

    let instance = json!([format!("{cluster}:container-instance/prod/9d8698b5")]);
    for reason in [Value::Null, "The constraint changed".into()] {
        let violated = body(
            "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED",
            json!({"reason": reason, "containerInstanceArns": instance}),
        );
        let told = "Container instance: 9d8698b5";
        assert!(violated.contains(told), "{violated}");
        assert!(!violated.contains("AWS says: container"), "{violated}");
    }
}

#[test]
fn a_refused_start_of_a_schedule_names_its_revision_and_its_caller() {
    let event = of_kind(
        "AWS API Call via CloudTrail",
        json!({"eventName": "RunTask", "errorCode": "ClientException", "errorMessage": "TaskDefinition is inactive",
            "userIdentity": {"arn": "arn:aws:sts::1:assumed-role/scheduler/1f2e",
                "sessionContext": {"sessionIssuer": {"userName": "scheduler"}}},
            "requestParameters": {"cluster": "prod", "startedBy": "chronos-schedule/nightly",
                "taskDefinition": "arn:aws:ecs:us-west-2:1:task-definition/nightly:17"}}),
    );
    let body = alert(&event, AlertFormat::Text).body;
    for told in [
        "The task definition nightly:17 is not active",
        "Name an active revision (or the family alone) in the schedule or the caller's request",
        "Caller: schedule nightly of EventBridge Scheduler, role scheduler",
    ] {
        assert!(body.contains(told), "{told}: {body}");
    }
}

#[test]
fn a_denied_start_of_a_schedule_names_the_grant() {
    for (action, id, grant) in [
        (
            "iam:PassRole",
            "pass-role-denied",
            ". Allow nightly-scheduler iam:PassRole on ",
        ),
        (
            "ecs:RunTask",
            "permission-missing",
            ". Grant it to that role",
        ),
    ] {
        let message = format!(
            "User: arn:aws:sts::123456789012:assumed-role/nightly-scheduler/0b1c is not authorized to perform: {action} on \
             resource: arn:aws:iam::123456789012:role/app-execution because no identity-based policy allows the action"
        );
        let event = of_kind(
            "AWS API Call via CloudTrail",
            json!({"eventName": "RunTask", "errorCode": "AccessDenied", "errorMessage": message,
                "requestParameters": {"cluster": "prod", "taskDefinition": "nightly"}}),
        );
        let body = alert(&event, AlertFormat::Text).body;
        assert!(
            body.contains("The role nightly-scheduler is not allowed to "),
            "{body}"
        );
        assert!(
            body.contains(grant) && body.contains(&format!("[{id}]")),
            "{body}"
        );
    }
}

#[test]
fn a_service_that_restarts_is_reported_by_its_latest_task() {
    let event = stopped("EssentialContainerExited", EXITED, json!([app(0)]));
    let failing = Failing::of(&event, Some(&Finding::Restarting)).expect("a restart");
    let group = failing.group();
    let failures = Failures {
        failing,
        group: &group,
        count: 1,
        named: Vec::new(),
        since: None,
        log: None,
    };
    let notice = failures.render(AlertFormat::Text);
    let expected = "ECS service restarting: web on prod: its tasks end by themselves (123456789012, us-west-2)";
    assert_eq!(notice.subject, expected);
    assert!(
        notice
            .body
            .starts_with("The tasks of service web on prod keep exiting with code 0")
    );
    let body: Value = serde_json::from_str(&failures.render(AlertFormat::Json).body).expect("JSON");
    assert_eq!(body["finding"]["result"], "restarting");
}

#[test]
fn the_text_has_the_stopped_reason_once_as_ecs_wrote_it() {
    let mut out_of_memory = app(137);
    out_of_memory["reason"] = "OutOfMemoryError: Container killed due to memory usage".into();
    let unhealthy = "Task failed container health checks";
    let notice = alert(
        &stopped(
            "ServiceSchedulerInitiated",
            unhealthy,
            json!([out_of_memory]),
        ),
        AlertFormat::Text,
    );
    assert!(
        notice.subject.contains("out of memory"),
        "{}",
        notice.subject
    );
    assert!(
        notice.body.starts_with("Container app ran out of memory"),
        "{}",
        notice.body
    );
    assert!(
        notice
            .body
            .contains(&format!("Stopped reason: {unhealthy}\n")),
        "{}",
        notice.body
    );
    assert_eq!(
        notice.body.matches("OutOfMemoryError").count(),
        1,
        "{}",
        notice.body
    );
}
