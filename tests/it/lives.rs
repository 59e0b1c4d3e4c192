//! Lives that take more than one look: long waits, updates, rollbacks, deletes.

use rehearse::{
    protocol::Fault,
    stack::Stack,
    template::{Template, external::External},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::scenario::{Scenario, container, properties};

#[tokio::test]
async fn a_task_that_outlives_three_invocations_is_started_once_and_answered_once() {
    let scenario = Scenario::with_lambda_timeout(4).await;
    let definition = scenario.script("sleep 10; exit 5");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 40})))
        .await;
    assert!(
        created.reason.contains("Container app exited with code 5"),
        "{}",
        created.reason
    );
    assert_eq!((scenario.calls("RunTask"), scenario.calls("PUT")), (1, 1));
    let chain = scenario.stage.lambda.longest_chain();
    assert!(
        (4..=5).contains(&chain),
        "{chain} invocations for 10 s at 3 s each"
    );
    assert!(
        scenario
            .stage
            .lambda
            .ended()
            .iter()
            .all(|ended| ended.error.is_none()),
        "none met its deadline"
    );
    let handed = scenario.stage.requests("Invoke");
    assert!(
        handed.iter().all(|payload| payload["Wait"]["version"] == 1),
        "{handed:?}"
    );
}

#[tokio::test]
async fn a_continuation_holds_no_property_and_no_environment_value() {
    let scenario = Scenario::with_lambda_timeout(4).await;
    let definition = scenario.script("sleep 4");
    let environment = json!([{"name": "DB_PASSWORD", "value": "hunter2"}]);
    let more = json!({"Overrides": {"containerOverrides": [{"name": "app", "environment": environment}]},
        "Timeout": 30});
    assert!(
        scenario
            .create(&properties(&definition, more))
            .await
            .succeeded
    );
    let handed = scenario.stage.requests("Invoke");
    assert!(!handed.is_empty());
    for payload in handed {
        let text = payload.to_string();
        assert!(
            !text.contains("hunter2")
                && !text.contains("DB_PASSWORD")
                && !text.contains("Overrides"),
            "{text}"
        );
    }
    for line in scenario.log() {
        assert!(
            !line.contains("hunter2") && !line.contains("X-Amz-Signature"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_timeout_that_lambda_would_cut_short_fails_before_anything_starts() {
    let scenario = Scenario::with_lambda_timeout(4).await;
    let definition = scenario.script("true");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 60})))
        .await;
    assert!(
        created.reason.contains(
            "would take 19 self-invocations of 3 s each, but Lambda stops a function after 15"
        ),
        "{}",
        created.reason
    );
    assert_eq!(scenario.calls("RunTask"), 0);
}

#[tokio::test]
async fn a_self_invocation_that_fails_for_good_stops_the_task_and_names_the_permission() {
    let scenario = Scenario::with_lambda_timeout(4).await;
    scenario.stage.fault(
        "Invoke",
        vec![
            Fault::Error(
                403,
                "AccessDeniedException",
                "not authorized to perform: lambda:InvokeFunction"
            );
            50
        ],
    );
    let definition = scenario.script("exec sleep 60");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 30})))
        .await;
    assert!(
        created.reason.contains("so it stopped the task"),
        "{}",
        created.reason
    );
    assert!(
        created.reason.contains("Grant lambda:InvokeFunction"),
        "{}",
        created.reason
    );
    scenario
        .until(|scenario| scenario.statuses() == ["STOPPED"])
        .await;
}

#[tokio::test]
async fn delete_while_a_task_runs_stops_it_and_waits_until_it_is_gone() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let properties = properties(&definition, json!({"Timeout": 50}));
    let (created, deleted) = tokio::join!(scenario.create(&properties), async {
        scenario
            .until(|scenario| scenario.statuses() == ["RUNNING"])
            .await;
        let deleted = scenario.delete(&properties).await;
        assert_eq!(
            scenario.statuses(),
            ["STOPPED"],
            "the network interface is free when Delete is answered"
        );
        deleted
    });
    assert!(deleted.succeeded);
    assert!(
        !created.succeeded,
        "a migration that was stopped has not succeeded"
    );
    assert!(
        created.reason.contains("(container app, exit code 143)"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn delete_stops_fire_and_forget_tasks_too() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let properties = properties(&definition, json!({"Timeout": 0, "Count": 2}));
    assert!(scenario.create(&properties).await.succeeded);
    assert!(scenario.delete(&properties).await.succeeded);
    assert_eq!(scenario.statuses(), ["STOPPED", "STOPPED"]);
}

#[tokio::test]
async fn delete_outlives_invocations_too() {
    let scenario = Scenario::with_lambda_timeout(4).await;
    let mut stubborn = container("app", "trap '' TERM; echo ready; while :; do sleep 1; done");
    stubborn["stopTimeout"] = json!(6);
    let definition = scenario.definition(json!([stubborn]));
    let properties = properties(&definition, json!({"Timeout": 0}));
    assert!(scenario.create(&properties).await.succeeded);
    scenario
        .until(|scenario| scenario.printed() == ["ready"])
        .await;
    assert!(scenario.delete(&properties).await.succeeded);
    assert_eq!(scenario.statuses(), ["STOPPED"]);
    assert!(crate::WATCH.is_some() || scenario.stage.lambda.longest_chain() >= 2);
    assert_eq!(scenario.calls("StopTask"), 1);
}

#[tokio::test]
async fn delete_waits_for_a_task_that_was_stopping_already() {
    let scenario =
        Scenario::with(|config| config.pace.deprovision = std::time::Duration::from_secs(8)).await;
    let definition = scenario.script("exit 1");
    let properties = properties(&definition, json!({}));
    assert!(!scenario.create(&properties).await.succeeded);
    assert_eq!(
        scenario.statuses(),
        ["DEPROVISIONING"],
        "nobody waited for the network interface"
    );
    assert!(scenario.delete(&properties).await.succeeded);
    assert_eq!(
        (scenario.statuses(), scenario.calls("StopTask")),
        (vec!["STOPPED".to_owned()], 0)
    );
}

#[tokio::test]
async fn delete_succeeds_although_stopping_tasks_cannot_be_listed() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let properties = properties(&definition, json!({"Timeout": 0}));
    assert!(scenario.create(&properties).await.succeeded);
    let refused = Fault::Error(
        400,
        "InvalidParameterException",
        "startedBy must be the only filter",
    );
    // The first list is of an older version's tasks, the second of running tasks, the third of
    // stopping tasks.
    let none = Fault::Answer(json!({"taskArns": []}));
    let running = Fault::Answer(json!({"taskArns": [scenario.stage.ecs.tasks()[0].0]}));
    scenario.stage.fault("ListTasks", [none, running, refused]);
    assert!(scenario.delete(&properties).await.succeeded);
    assert_eq!(scenario.statuses(), ["STOPPED"]);
}

#[tokio::test]
async fn delete_succeeds_when_the_cluster_the_tasks_or_the_properties_are_gone() {
    let scenario = Scenario::new().await;
    for properties in [
        properties("nothing", json!({})),
        properties("nothing", json!({"Cluster": "gone"})),
        json!({"ServiceToken": "x"}),
        json!({"Cluster": ["not", "a", "name"]}),
        json!("nothing of the sort"),
    ] {
        assert!(scenario.delete(&properties).await.succeeded, "{properties}");
    }
}

#[tokio::test]
async fn delete_fails_when_aws_refuses_to_stop_a_task() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exec sleep 60");
    let properties = properties(&definition, json!({"Timeout": 0}));
    assert!(scenario.create(&properties).await.succeeded);
    scenario.stage.fault(
        "StopTask",
        [Fault::Error(
            400,
            "InvalidParameterException",
            "you may not",
        )],
    );
    let deleted = scenario.delete(&properties).await;
    let reason = &deleted.reason;
    assert!(
        reason.contains("may still be running. Stop it: aws ecs stop-task --cluster prod --task ")
            && reason.contains("AWS says: ecs:StopTask"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_update_stops_the_task_of_one_that_was_cancelled_and_leaves_fire_and_forget_alone() {
    let scenario = Scenario::new().await;
    let long = scenario.script("exec sleep 60");
    let forgotten = properties(&long, json!({"Timeout": 0}));
    assert!(scenario.create(&forgotten).await.succeeded);
    let cancelled = properties(&long, json!({"Timeout": 50}));
    let short = scenario.script("echo next");
    let new = properties(&short, json!({}));
    let (first, second) = tokio::join!(scenario.update(&forgotten, &cancelled), async {
        scenario
            .until(|scenario| scenario.statuses() == ["RUNNING", "RUNNING"])
            .await;
        scenario.update(&cancelled, &new).await
    });
    assert!(!first.succeeded && second.succeeded);
    assert_eq!(scenario.statuses()[..2], ["RUNNING", "STOPPED"]);
}

#[tokio::test]
async fn a_run_that_timed_out_has_stopped_when_it_is_answered() {
    let scenario = Scenario::new().await;
    let mut stubborn = container("app", "trap '' TERM; echo ready; while :; do sleep 1; done");
    stubborn["stopTimeout"] = json!(20);
    let stubborn = scenario.definition(json!([stubborn]));
    let old = properties(&stubborn, json!({"Timeout": 2}));
    assert!(!scenario.create(&old).await.succeeded);
    assert_eq!(
        scenario.statuses(),
        ["STOPPED"],
        "what is deployed next must not meet it"
    );
    let next = scenario.script("echo next");
    assert!(
        scenario
            .update(&old, &properties(&next, json!({})))
            .await
            .succeeded
    );
    assert_eq!(scenario.statuses()[0], "STOPPED");
    assert_eq!(scenario.printed(), ["ready", "next"]);
}

#[tokio::test]
async fn start_task_is_not_repeated_for_a_request_whose_tasks_have_ended() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo once");
    let properties = properties(&definition, json!({"Instances": ["arn:i"]}));
    let ask = scenario.ask("Create", None, &properties, None);
    let payload = scenario
        .stage
        .cloudformation
        .envelope(&ask, "r-1", &scenario.stage.lambda);
    for deliveries in 1..=2 {
        scenario.stage.lambda.invoke_event(&payload);
        scenario.answered(deliveries).await;
    }
    let [one, other] = scenario.stage.cloudformation.answers().try_into().unwrap();
    assert_eq!(
        (one.body, scenario.printed()),
        (other.body, vec!["once".to_owned()])
    );
}

#[tokio::test]
async fn run_on_rollback_false_asks_for_the_stacks_status() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let [old, new] = ["1", "2"].map(|trigger| {
        properties(
            &definition,
            json!({"RunOnRollback": false, "Triggers": trigger}),
        )
    });
    assert!(scenario.update(&old, &new).await.succeeded);
    assert_eq!(
        (scenario.calls("RunTask"), scenario.calls("DescribeStacks")),
        (1, 1)
    );
    scenario
        .stage
        .cloudformation
        .set_status(&scenario.stack_id, "UPDATE_ROLLBACK_IN_PROGRESS");
    let rolled_back = scenario.update(&new, &old).await;
    assert!(rolled_back.succeeded);
    assert_eq!(
        (scenario.calls("RunTask"), rolled_back.data["Ran"].as_str()),
        (1, Some("false"))
    );
}

#[tokio::test]
async fn run_on_rollback_false_fails_where_asking_is_denied() {
    let scenario = Scenario::new().await;
    let denial = Fault::Error(
        403,
        "AccessDenied",
        "not authorized to perform: cloudformation:DescribeStacks",
    );
    scenario.stage.fault("DescribeStacks", vec![denial; 100]);
    let definition = scenario.script("true");
    let properties = properties(&definition, json!({"RunOnRollback": false}));
    let updated = scenario.update(&properties, &properties).await;
    assert!(
        updated
            .reason
            .contains("Grant cloudformation:DescribeStacks to the role of function "),
        "{}",
        updated.reason
    );
    assert_eq!(scenario.calls("RunTask"), 0);
}

#[tokio::test]
async fn without_run_on_rollback_a_rollback_does_not_run() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let [old, new] =
        ["1", "2"].map(|trigger| properties(&definition, json!({"Triggers": trigger})));
    scenario
        .stage
        .cloudformation
        .set_status(&scenario.stack_id, "UPDATE_ROLLBACK_IN_PROGRESS");
    let rolled_back = scenario.update(&new, &old).await;
    assert!(rolled_back.succeeded, "{}", rolled_back.reason);
    assert_eq!(
        (scenario.calls("RunTask"), rolled_back.data["Ran"].as_str()),
        (0, Some("false"))
    );
}

#[tokio::test]
async fn without_run_on_rollback_an_update_runs_where_asking_is_denied() {
    let scenario = Scenario::new().await;
    let denial = Fault::Error(
        403,
        "AccessDenied",
        "not authorized to perform: cloudformation:DescribeStacks",
    );
    scenario.stage.fault("DescribeStacks", vec![denial; 100]);
    let definition = scenario.script("true");
    let [old, new] =
        ["1", "2"].map(|trigger| properties(&definition, json!({"Triggers": trigger})));
    let updated = scenario.update(&old, &new).await;
    assert!(updated.succeeded, "{}", updated.reason);
    assert_eq!(
        (scenario.calls("RunTask"), scenario.calls("DescribeStacks")),
        (1, 1)
    );
    let says_so = |line: &String| {
        line.contains("running without knowing whether the stack rolls back")
            && line.contains("grant cloudformation:DescribeStacks")
    };
    assert!(scenario.log().iter().any(says_so));
}

const STACK: &str = r#"
Parameters:
  Script: { Type: String }
  RunOnRollback: { Type: String, Default: "true" }
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - { Name: app, Image: busybox, Memory: 128, EntryPoint: [sh, -c], Command: [!Ref Script] }
  Migrate:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: !ImportValue provider
      Cluster: !GetAtt Cluster.Arn
      TaskDefinition: !Ref Definition
      RunOnRollback: !Ref RunOnRollback
  After:
    Type: Custom::ECSTask
    DependsOn: Migrate
    Properties:
      ServiceToken: !ImportValue provider
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      Overrides:
        containerOverrides:
          - name: app
            command: [!Sub 'echo after ${Migrate.ExitCode} of ${Migrate}']
"#;

fn values(template: &Template, script: &str, run_on_rollback: &str) -> BTreeMap<String, Value> {
    let given = [("Script", script), ("RunOnRollback", run_on_rollback)];
    let given = given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    template
        .parameter_values(&given, &External::default())
        .unwrap()
}

/// Returns the stack, and its events as `STATUS LogicalId`.
fn stack(scenario: &Scenario) -> (Stack, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let sink = move |event: rehearse::stack::StackEvent| {
        sink.lock()
            .unwrap()
            .push(format!("{} {}", event.status, event.logical_id));
    };
    let stack = Stack::new(
        Arc::clone(&scenario.stage),
        Template::read(STACK).unwrap(),
        "shop",
        Arc::new(sink),
    );
    (stack, events)
}

#[tokio::test]
async fn a_stack_is_created_updated_and_deleted_in_order_of_dependency() {
    let scenario = Scenario::new().await;
    let (mut stack, events) = stack(&scenario);
    let template = Template::read(STACK).unwrap();
    assert!(stack.create(&values(&template, "echo one", "true")).await);
    let id = stack.physical_id("Migrate").unwrap().to_owned();
    assert_eq!(
        scenario.printed(),
        ["one".to_owned(), format!("after 0 of {id}")]
    );
    assert!(stack.update(&values(&template, "echo two", "true")).await);
    assert_eq!(
        scenario.printed()[2..],
        ["two".to_owned(), format!("after 0 of {id}")]
    );
    assert_eq!(
        stack.physical_id("Migrate"),
        Some(id.as_str()),
        "the id never changes"
    );
    assert!(stack.delete().await);
    let events = events.lock().unwrap().clone();
    assert_eq!(
        events
            .iter()
            .filter(|event| event.ends_with("COMPLETE shop"))
            .count(),
        3,
        "{events:?}"
    );
    assert!(
        !events.iter().any(|event| event.contains("FAILED")),
        "{events:?}"
    );
}

/// Creates the stack and updates it to a migration that fails. Returns what the migrations printed.
async fn printed_of_a_failed_update(run_on_rollback: &str) -> Vec<String> {
    let scenario = Scenario::new().await;
    let (mut stack, events) = stack(&scenario);
    let template = Template::read(STACK).unwrap();
    let values = |script| values(&template, script, run_on_rollback);
    assert!(stack.create(&values("echo old")).await);
    assert!(!stack.update(&values("echo new; exit 9")).await);
    let mut printed = scenario.printed();
    printed.retain(|line| !line.starts_with("after"));
    let last = events.lock().unwrap().last().cloned();
    assert_eq!(last.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE shop"));
    assert!(stack.delete().await);
    printed
}

#[tokio::test]
async fn a_failed_update_is_rolled_back_with_a_second_run() {
    assert_eq!(
        printed_of_a_failed_update("true").await,
        ["old", "new", "old"]
    );
}

#[tokio::test]
async fn a_rollback_that_must_not_run_does_not() {
    assert_eq!(printed_of_a_failed_update("false").await, ["old", "new"]);
}

#[tokio::test]
async fn a_create_that_fails_rolls_the_stack_back_and_deletes_its_resources() {
    let scenario = Scenario::new().await;
    let (mut stack, events) = stack(&scenario);
    let template = Template::read(STACK).unwrap();
    assert!(!stack.create(&values(&template, "exit 4", "true")).await);
    let events = events.lock().unwrap().clone();
    let tail: Vec<&str> = events
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(String::as_str)
        .collect();
    assert_eq!(
        tail,
        [
            "DELETE_IN_PROGRESS Cluster",
            "DELETE_COMPLETE Cluster",
            "ROLLBACK_COMPLETE shop"
        ]
    );
    assert!(
        events.contains(&"CREATE_FAILED Migrate".to_owned())
            && !events.iter().any(|event| event.ends_with("After"))
    );
}

#[tokio::test]
async fn attributes_are_there_after_an_update_that_ran_nothing() {
    let scenario = Scenario::new().await;
    let text = STACK.replace("RunOnRollback: !Ref RunOnRollback", "RunOnUpdate: false");
    let sink = |_| {};
    let mut stack = Stack::new(
        Arc::clone(&scenario.stage),
        Template::read(&text).unwrap(),
        "shop",
        Arc::new(sink),
    );
    let template = Template::read(&text).unwrap();
    assert!(stack.create(&values(&template, "echo one", "true")).await);
    assert!(
        stack.update(&values(&template, "echo two", "true")).await,
        "Fn::GetAtt Migrate.ExitCode still works"
    );
    assert_eq!(stack.attribute("Migrate", "Ran"), Some(&json!("false")));
    assert_eq!(scenario.calls("RunTask"), 3, "Migrate once, After twice");
}
