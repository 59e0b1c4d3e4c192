use serde_json::{Value, json};

use super::*;
use crate::{
    call::CallErrorKind,
    properties::Properties,
    task::LaunchFailure,
    task::{Container, ContainerDefinition, TaskDefinition},
};

const STACK: &str = "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30";

fn properties(more: Value) -> Properties {
    let mut properties = json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app:7"});
    properties
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Properties::read(&properties).unwrap()
}

fn definition() -> TaskDefinition {
    let container = |name: &str| ContainerDefinition {
        name: name.to_owned(),
        ..Default::default()
    };
    TaskDefinition {
        arn: "arn:aws:ecs:us-west-2:123456789012:task-definition/app:7".to_owned(),
        memory: Some("4096".to_owned()),
        cpu: Some("2048".to_owned()),
        containers: vec![container("app"), container("sidecar")],
        ..TaskDefinition::default()
    }
}

fn error(code: &str, message: &str, kind: CallErrorKind) -> CallError {
    CallError {
        operation: "ecs:RunTask",
        code: code.to_owned(),
        message: message.to_owned(),
        kind,
    }
}

fn arns(count: usize) -> Vec<TaskArn> {
    let arn = |number| {
        TaskArn(format!(
            "arn:aws:ecs:us-west-2:123456789012:task/prod/{number:032x}"
        ))
    };
    (1..=count).map(arn).collect()
}

/// A page of Reasons as the stack's events show them, each under its situation.
#[derive(Default)]
struct Page(String);

impl Page {
    fn add(&mut self, about: &str, reason: &Reason) {
        self.0
            .push_str(&format!("# {about}\n{}\n\n", reason.fit(4096)));
    }
}

#[test]
fn starts_that_failed_read_from_top_to_bottom() {
    let mut page = Page::default();
    let instance = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a1";
    let fargate = json!({"LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1", "subnet-2"]}}});
    let definition = definition();
    for (reason, properties_given, arn) in [
        ("RESOURCE:MEMORY", json!({}), Some(instance)),
        (
            "RESOURCE:CPU",
            json!({"Overrides": {"cpu": "512"}}),
            Some(instance),
        ),
        ("RESOURCE:ENI", json!({}), Some(instance)),
        ("RESOURCE:PORTS", json!({}), Some(instance)),
        ("RESOURCE:GPU", json!({}), Some(instance)),
        ("AGENT", json!({}), Some(instance)),
        ("ATTRIBUTE", json!({}), Some(instance)),
        ("LOCATION", json!({}), Some(instance)),
        ("MISSING", json!({"Instances": [instance]}), Some(instance)),
        ("INACTIVE", json!({"Instances": [instance]}), Some(instance)),
        (
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            fargate,
            None,
        ),
        (
            "No Container Instances were found in your cluster.",
            json!({}),
            None,
        ),
        ("SomethingNew", json!({}), None),
    ] {
        let properties = properties(properties_given);
        let tried = StartTried {
            properties: &properties,
            stack_id: STACK,
            definition: Some(&definition),
            started: &[],
            was_repeated: true,
            seconds: 57,
        };
        let failure = LaunchFailure {
            reason: reason.to_owned(),
            arn: arn.map(str::to_owned),
            detail: None,
        };
        page.add(reason, &not_all_started(&tried, &[failure]));
    }
    let three = properties(json!({"Count": "3"}));
    let started = arns(2);
    let tried = StartTried {
        properties: &three,
        stack_id: STACK,
        definition: None,
        started: &started,
        was_repeated: false,
        seconds: 0,
    };
    let failure = LaunchFailure {
        reason: "RESOURCE:MEMORY".to_owned(),
        arn: None,
        detail: None,
    };
    page.add(
        "two of three",
        &not_all_started(&tried, &[failure.clone(), failure]),
    );
    insta::assert_snapshot!(page.0);
}

#[test]
fn starts_that_were_refused_read_from_top_to_bottom() {
    let mut page = Page::default();
    let (properties, definition) = (properties(json!({})), definition());
    let tried = StartTried {
        properties: &properties,
        stack_id: STACK,
        definition: Some(&definition),
        started: &[],
        was_repeated: false,
        seconds: 0,
    };
    let denied = "User: arn:aws:sts::123456789012:assumed-role/ecsTasks-role/ecsTasks is not authorized to \
                  perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/app because no \
                  identity-based policy allows the iam:PassRole action";
    for (code, message, kind) in [
        (
            "ClusterNotFoundException",
            "Cluster not found.",
            CallErrorKind::Final,
        ),
        (
            "ClientException",
            "TaskDefinition is inactive",
            CallErrorKind::Final,
        ),
        (
            "ClientException",
            "TaskDefinition not found.",
            CallErrorKind::Final,
        ),
        (
            "InvalidParameterException",
            "Override for container named ap is not a container in the TaskDefinition.",
            CallErrorKind::Final,
        ),
        (
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            CallErrorKind::Final,
        ),
        ("AccessDeniedException", denied, CallErrorKind::Denied),
        (
            "ThrottlingException",
            "Rate exceeded",
            CallErrorKind::Transient,
        ),
    ] {
        page.add(message, &start_refused(&tried, &error(code, message, kind)));
    }
    let missing = ["job"];
    page.add(
        "WatchContainers",
        &unknown_containers(&missing, &definition),
    );
    page.add("Service", &no_service("web", "prod", None));
    insta::assert_snapshot!(page.0);
}

#[test]
fn waits_that_failed_read_from_top_to_bottom() {
    let mut page = Page::default();
    let tasks = arns(1);
    let container = |status: &str, exit_code| Container {
        name: "app".to_owned(),
        last_status: status.to_owned(),
        exit_code,
        ..Container::default()
    };
    let running = Task {
        containers: vec![container("RUNNING", None)],
        ..Task::unseen(tasks[0].clone())
    };
    let stopped = Task {
        containers: vec![container("STOPPED", Some(137))],
        ..Task::unseen(tasks[0].clone())
    };
    let at = time::macros::datetime!(2026-11-20 10:15 UTC);
    let pending = Task {
        last_status: "PROVISIONING".to_owned(),
        containers: vec![container("PENDING", None)],
        ..Task::unseen(tasks[0].clone())
    };
    let sidecar = Container {
        name: "sidecar".to_owned(),
        ..container("RUNNING", None)
    };
    let goes_on = Task {
        containers: vec![container("STOPPED", Some(0)), sidecar.clone()],
        ..Task::unseen(tasks[0].clone())
    };
    let depends = Task {
        last_status: "PENDING".to_owned(),
        containers: vec![container("PENDING", None), sidecar],
        ..Task::unseen(tasks[0].clone())
    };
    let watched = ["app".to_owned()];
    let one = TimedOut {
        at_deadline: at_deadline(std::slice::from_ref(&running), &[]),
        at,
        limit: Limit::Timeout(290),
        running: what_runs(std::slice::from_ref(&running)),
        container: Some("app".to_owned()),
        task: Some(tasks[0].clone()),
        trouble: None,
    };
    let stopped = [stopped];
    page.add("Timeout", &timed_out(&one, &tasks, &stopped, true, None));
    let log = Log {
        lines: vec!["Waiting for changelog lock....".to_owned()],
        ..Log::default()
    };
    page.add(
        "Timeout, and its log waits for a lock",
        &timed_out(&one, &tasks, &stopped, true, Some(&log)),
    );
    let never = TimedOut {
        at_deadline: at_deadline(&[pending], &[]),
        ..one.clone()
    };
    page.add(
        "Timeout of a task that never ran",
        &timed_out(&never, &tasks, &stopped, true, None),
    );
    let depends = TimedOut {
        at_deadline: at_deadline(&[depends], &[]),
        ..one.clone()
    };
    page.add(
        "Timeout of a task whose container waits for another",
        &timed_out(&depends, &tasks, &stopped, true, None),
    );
    let watched = TimedOut {
        at_deadline: at_deadline(&[goes_on], &watched),
        ..one.clone()
    };
    page.add(
        "Timeout of a task whose WatchContainers are done",
        &timed_out(&watched, &tasks, &stopped, true, None),
    );
    let late = TimedOut {
        limit: Limit::ServiceTimeout(600),
        trouble: Some("ecs:DescribeTasks: ThrottlingException: Rate exceeded".to_owned()),
        ..one
    };
    page.add(
        "ServiceTimeout, still stopping",
        &still_stopping(timed_out(&late, &arns(2), &[], false, None), &arns(2)[..1]),
    );
    let denied = error(
        "AccessDeniedException",
        "User is not authorized",
        CallErrorKind::Denied,
    );
    page.add(
        "looks are denied",
        &lost_sight(
            &CallError {
                operation: "ecs:DescribeTasks",
                ..denied.clone()
            },
            "prod",
            &tasks,
        ),
    );
    page.add(
        "no next invocation",
        &no_next_hop(
            &CallError {
                operation: "lambda:InvokeFunction",
                ..denied.clone()
            },
            &tasks,
        ),
    );
    page.add(
        "a stop is refused",
        &not_stopped(
            refused_to_stop(),
            &[(
                tasks[0].clone(),
                CallError {
                    operation: "ecs:StopTask",
                    ..denied.clone()
                },
            )],
        ),
    );
    page.add(
        "earlier tasks unseen",
        &earlier_unknown(&CallError {
            operation: "ecs:ListTasks",
            ..denied.clone()
        }),
    );
    page.add(
        "an earlier task runs",
        &not_all_stopped(earlier_runs(), &[], &tasks),
    );
    page.add(
        "no stack status",
        &no_stack_status(&CallError {
            operation: "cloudformation:DescribeStacks",
            ..denied
        }),
    );
    page.add("own fault", &own_fault());
    insta::assert_snapshot!(page.0);
}

#[test]
fn a_time_out_of_several_tasks_names_those_that_go_on_alone() {
    let tasks = arns(2);
    let container = |status: &str, exit_code| Container {
        name: "app".to_owned(),
        last_status: status.to_owned(),
        exit_code,
        ..Container::default()
    };
    let done = Task {
        last_status: "STOPPED".to_owned(),
        containers: vec![container("STOPPED", Some(0))],
        ..Task::unseen(tasks[0].clone())
    };
    let running = Task {
        last_status: "RUNNING".to_owned(),
        containers: vec![container("RUNNING", None)],
        ..Task::unseen(tasks[1].clone())
    };
    let seen = [done.clone(), running.clone()];
    let one = TimedOut {
        at: time::macros::datetime!(2026-11-20 10:15 UTC),
        limit: Limit::Timeout(290),
        running: what_runs(&seen),
        container: Some("app".to_owned()),
        task: Some(tasks[1].clone()),
        trouble: None,
        at_deadline: at_deadline(&seen, &[]),
    };
    let ended = Task {
        containers: vec![container("STOPPED", Some(143))],
        ..running
    };
    let text = timed_out(&one, &tasks, &[done, ended], true, None).fit(4096);
    assert!(
        !text.contains(tasks[0].id()) && text.contains(tasks[1].id()),
        "{text}"
    );
    assert!(
        !text.contains("exit code 0") && text.contains("then ended with exit code 143"),
        "{text}"
    );
}

#[test]
fn the_fix_stands_before_what_may_be_cut_off() {
    let limit = Refusal::TooManyHops {
        wait_s: 1800,
        hops: 35,
        usable_s: 50,
        lambda_timeout_s: 60,
    };
    let text = refused(&limit).fit(4096);
    assert!(
        text.starts_with("Nothing was started: raise the function's timeout"),
        "{text}"
    );
}
