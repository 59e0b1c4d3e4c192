//! Every row of the Python function's table, and everything that Fargate needs, seen from
//! CloudFormation.

use rehearse::protocol::Fault;
use serde_json::json;

use crate::scenario::{CLUSTER, Scenario, container, properties};

#[tokio::test]
async fn a_task_that_exits_with_0_completes_the_resource_with_all_attributes() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo migrated");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(created.succeeded);
    assert!(created.physical_id.unwrap().starts_with("shop-Migrate-"));
    let attribute = |name: &str| created.data[name].as_str().unwrap().to_owned();
    let task = scenario.stage.ecs.tasks()[0].0.clone();
    let id = task.rsplit('/').next().unwrap();
    assert_eq!(
        (attribute("TaskArn"), attribute("TaskArns")),
        (task.clone(), task.clone())
    );
    assert_eq!(
        (attribute("TaskDefinitionArn"), attribute("ExitCode")),
        (definition, "0".to_owned())
    );
    assert_eq!(
        (attribute("LogGroup"), attribute("LogStream")),
        ("/ecs/app".to_owned(), format!("run/app/{id}"))
    );
    assert_eq!(
        (attribute("Ran"), attribute("Seconds")),
        ("true".to_owned(), "0".to_owned())
    );
    assert!(
        attribute("StartedAt").ends_with('Z') && attribute("StoppedAt") >= attribute("StartedAt")
    );
    assert_eq!(scenario.printed(), ["migrated"]);
}

#[tokio::test]
async fn a_task_that_exits_with_3_fails_the_resource_with_container_and_code() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exit 3");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(!created.succeeded);
    assert!(
        created.reason.contains("Container app exited with code 3"),
        "{}",
        created.reason
    );
    assert!(
        created
            .reason
            .contains("It has no log stream in /ecs/app: "),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn an_unknown_cluster_fails_with_its_name() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let created = scenario
        .create(&properties(&definition, json!({"Cluster": "prdo"})))
        .await;
    assert!(!created.succeeded);
    let expected = "There is no cluster prdo in region us-west-2 of account 123456789012";
    assert!(created.reason.contains(expected), "{}", created.reason);
}

#[tokio::test]
async fn cluster_and_task_definition_may_be_names_or_arns() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    for cluster in [
        CLUSTER.to_owned(),
        rehearse::config::arn("ecs", "cluster/prod"),
    ] {
        for definition in [definition.as_str(), "app:1", "app"] {
            let created = scenario
                .create(&properties(definition, json!({"Cluster": cluster})))
                .await;
            assert!(created.succeeded, "{cluster} {definition}");
        }
    }
}

#[tokio::test]
async fn a_task_definition_that_does_not_exist_fails_at_once() {
    let scenario = Scenario::new().await;
    let created = scenario.create(&properties("nothing:1", json!({}))).await;
    assert!(
        created
            .reason
            .contains("There is no task definition nothing:1 in region us-west-2"),
        "{}",
        created.reason
    );
    assert_eq!(scenario.calls("RunTask"), 1);
}

#[tokio::test]
async fn count_3_runs_three_tasks_and_one_failure_fails_the_run() {
    let scenario = Scenario::new().await;
    // The second task fails, because the directory exists.
    let shared = tempfile::tempdir().unwrap();
    let script = format!("mkdir {}/taken || exit 7", shared.path().display());
    let definition = scenario.script(&script);
    let created = scenario
        .create(&properties(&definition, json!({"Count": 3})))
        .await;
    assert!(!created.succeeded);
    assert!(
        created
            .reason
            .contains("Container app exited with code 7. Fix what its last log lines report")
            && created
                .reason
                .contains("1 more task failed. Container app exited with code 7"),
        "{}",
        created.reason
    );
    assert_eq!(
        (scenario.statuses().len(), scenario.calls("RunTask")),
        (3, 1)
    );
}

#[tokio::test]
async fn count_0_runs_nothing_and_succeeds_with_the_same_attributes() {
    let scenario = Scenario::new().await;
    let created = scenario
        .create(&properties("app", json!({"Count": 0, "Instances": ["i"]})))
        .await;
    assert!(created.succeeded);
    assert_eq!(
        (
            created.data.len(),
            created.data["Ran"].as_str(),
            created.data["TaskArn"].as_str()
        ),
        (11, Some("false"), Some(""))
    );
    assert!(
        scenario
            .stage
            .calls()
            .keys()
            .all(|operation| operation == "PUT"),
        "{:?}",
        scenario.stage.calls()
    );
}

#[tokio::test]
async fn instances_run_one_task_each_whatever_count_says() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let instances = ["container-instance/prod/a", "container-instance/prod/b"]
        .map(|id| rehearse::config::arn("ecs", id));
    let created = scenario
        .create(&properties(
            &definition,
            json!({"Count": 5, "Instances": instances}),
        ))
        .await;
    assert!(created.succeeded);
    assert_eq!(
        (
            scenario.calls("StartTask"),
            scenario.calls("RunTask"),
            scenario.statuses().len()
        ),
        (1, 0, 2)
    );
    let request = &scenario.stage.requests("StartTask")[0];
    assert_eq!(request["containerInstances"], json!(instances));
    assert!(request["startedBy"].as_str().unwrap().len() <= 36);
}

#[tokio::test]
async fn a_timeout_stops_the_task_and_names_the_container_that_was_running() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo waiting; exec sleep 60");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 2})))
        .await;
    assert!(!created.succeeded);
    let reason = &created.reason;
    assert!(
        reason.contains("did not finish within the Timeout of 2 s and has been stopped"),
        "{reason}"
    );
    assert!(
        reason.contains("Container app then ended with exit code 143"),
        "{reason}"
    );
    scenario
        .until(|scenario| scenario.statuses() == ["STOPPED"])
        .await;
    assert_eq!(scenario.calls("StopTask"), 1);
}

#[tokio::test]
async fn timeout_0_starts_the_task_and_answers_at_once() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("sleep 2; echo later");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 0})))
        .await;
    assert!(created.succeeded);
    assert_eq!(
        (
            created.data["Ran"].as_str(),
            created.data["ExitCode"].as_str()
        ),
        (Some("true"), Some(""))
    );
    assert_eq!(
        created.data["TaskArn"].as_str(),
        Some(scenario.stage.ecs.tasks()[0].0.as_str())
    );
    assert_eq!(
        created.data["TaskDefinitionArn"].as_str(),
        Some(definition.as_str())
    );
    assert!(scenario.printed().is_empty(), "nobody waited");
    scenario
        .until(|scenario| scenario.printed() == ["later"])
        .await;
    assert_eq!(scenario.calls("StopTask"), 0);
}

#[tokio::test]
async fn poll_interval_sets_the_time_between_looks() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("sleep 3");
    let created = scenario
        .create(&properties(&definition, json!({"PollInterval": 5})))
        .await;
    assert!(created.succeeded);
    assert_eq!(
        scenario.calls("DescribeTasks"),
        2,
        "after 1 s, and 5 s later"
    );
}

#[tokio::test]
async fn run_on_update_false_answers_an_update_without_running() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let old = properties(&definition, json!({"Triggers": ["1"], "RunOnUpdate": "no"}));
    let new = properties(&definition, json!({"Triggers": ["2"], "RunOnUpdate": "no"}));
    let updated = scenario.update(&old, &new).await;
    assert!(updated.succeeded);
    assert_eq!(
        (updated.data.len(), updated.data["Ran"].as_str()),
        (11, Some("false"))
    );
    assert_eq!(
        updated.physical_id.as_deref(),
        Some("shop-Migrate-0123456789ab")
    );
    assert_eq!(scenario.calls("RunTask"), 0);
}

#[tokio::test]
async fn triggers_make_an_update_run_and_their_content_is_ignored() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let [old, new] =
        ["1", "2"].map(|trigger| properties(&definition, json!({"Triggers": {"Any": [trigger]}})));
    assert!(scenario.update(&old, &new).await.succeeded);
    assert_eq!(scenario.calls("RunTask"), 1);
}

#[tokio::test]
async fn update_criteria_run_only_when_a_named_variable_or_the_image_differs() {
    let scenario = Scenario::new().await;
    let revision = |image: &str, host: &str, other: &str| {
        let mut app = container("app", "true");
        app["image"] = json!(image);
        app["environment"] =
            json!([{"name": "DB_HOST", "value": host}, {"name": "OTHER", "value": other}]);
        scenario.definition(json!([app]))
    };
    let base = revision("app:1", "one", "x");
    let other_variable = revision("app:1", "one", "y");
    let other_host = revision("app:1", "two", "x");
    let other_image = revision("app:2", "one", "x");
    let by_host = json!([{"Container": "app", "EnvironmentKeys": ["DB_HOST"]}]);
    let by_image = json!([{"Container": "app", "Image": "true"}]);
    for (new, criteria, runs) in [
        (&other_variable, &by_host, false),
        (&other_host, &by_host, true),
        (&other_image, &by_host, false),
        (&other_image, &by_image, true),
        (&other_host, &by_image, false),
    ] {
        let before = scenario.calls("RunTask");
        let more = json!({"UpdateCriteria": criteria});
        let updated = scenario
            .update(&properties(&base, more.clone()), &properties(new, more))
            .await;
        assert!(updated.succeeded);
        assert_eq!(
            scenario.calls("RunTask") - before,
            usize::from(runs),
            "{new} {criteria}"
        );
        assert_eq!(
            updated.data["Ran"].as_str(),
            Some(if runs { "true" } else { "false" })
        );
    }
    let gone = properties("gone:1", json!({"UpdateCriteria": by_host}));
    let before = scenario.calls("RunTask");
    assert!(
        scenario
            .update(
                &gone,
                &properties(&base, json!({"UpdateCriteria": by_host}))
            )
            .await
            .succeeded
    );
    assert_eq!(
        scenario.calls("RunTask") - before,
        1,
        "an old definition that cannot be read counts as different"
    );
}

#[tokio::test]
async fn overrides_reach_the_container_as_they_were_written() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo not this");
    let overrides = json!({"ContainerOverrides": [{
        "Name": "app",
        "Command": ["echo \"$SOME_VAR\" $#"],
        "Environment": [{"Name": "SOME_VAR", "Value": "True  Value"}],
        "Memory": "64",
    }]});
    assert!(
        scenario
            .create(&properties(&definition, json!({"Overrides": overrides})))
            .await
            .succeeded
    );
    assert_eq!(scenario.printed(), ["True  Value 0"]);
    let sent = &scenario.stage.requests("RunTask")[0]["overrides"];
    let expected = json!({"containerOverrides": [{
        "name": "app",
        "command": ["echo \"$SOME_VAR\" $#"],
        "environment": [{"name": "SOME_VAR", "value": "True  Value"}],
        "memory": 64,
    }]});
    assert_eq!(*sent, expected);
}

#[tokio::test]
async fn the_properties_that_fargate_needs_are_sent_as_given_and_no_others() {
    let scenario = Scenario::new().await;
    let mut definition = json!({"family": "fargate", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::123456789012:role/pulls"});
    definition["containerDefinitions"] = json!([container("app", "true")]);
    let definition = scenario.stage.ecs.register(&definition).unwrap();
    let network =
        json!({"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}});
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let with = async |more| scenario.create(&properties(&definition, more)).await;
    let one = json!({"LaunchType": "FARGATE", "PlatformVersion": "1.4.0", "NetworkConfiguration": network});
    let other = json!({"CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT", "Weight": "1"}],
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"],
            "AssignPublicIp": "DISABLED"}}});
    assert!(with(one).await.succeeded);
    assert!(with(other).await.succeeded);
    let requests = scenario.stage.requests("RunTask");
    let names = |request: &serde_json::Value| {
        let mut names: Vec<String> = request.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let expected = "clientToken cluster count launchType networkConfiguration platformVersion startedBy tags \
                    taskDefinition";
    assert_eq!(names(&requests[0]), expected);
    assert_eq!(
        (
            &requests[0]["networkConfiguration"],
            &requests[0]["launchType"]
        ),
        (&network, &json!("FARGATE"))
    );
    let expected = "capacityProviderStrategy clientToken cluster count networkConfiguration startedBy tags \
                    taskDefinition";
    assert_eq!(names(&requests[1]), expected);
    assert_eq!(
        (
            &requests[1]["capacityProviderStrategy"],
            &requests[1]["networkConfiguration"]
        ),
        (&strategy, &network)
    );
    let without = with(json!({})).await;
    assert!(
        without
            .reason
            .contains("Network Configuration must be provided"),
        "{}",
        without.reason
    );
}

#[tokio::test]
async fn all_property_errors_come_in_one_reason_and_nothing_is_started() {
    let scenario = Scenario::new().await;
    let wrong = json!({"Cluster": CLUSTER, "Count": "many", "Overides": {}, "PollInterval": "0"});
    let created = scenario.create(&wrong).await;
    assert!(!created.succeeded);
    for error in [
        "ServiceToken is missing",
        "TaskDefinition is missing",
        "unknown property Overides (did you mean Overrides?)",
        "Count must be a whole number from 0 to 10, not \"many\"",
        "PollInterval must be a whole number from 1 to 60, not \"0\"",
    ] {
        assert!(
            created.reason.contains(error),
            "{error} in {}",
            created.reason
        );
    }
    assert!(
        scenario
            .stage
            .calls()
            .keys()
            .all(|operation| operation == "PUT"),
        "{:?}",
        scenario.stage.calls()
    );
    assert!(
        scenario.delete(&wrong).await.succeeded,
        "and Delete does not mind"
    );
}

#[tokio::test]
async fn return_output_gives_the_last_line_of_the_container_that_decides() {
    let scenario = Scenario::new().await;
    let mut sidecar = container("sidecar", "echo no matter");
    sidecar["essential"] = json!(false);
    let app = container(
        "app",
        "echo migrating; echo '{\"schema\": \"forty-two\"}'; sleep 0.2",
    );
    let definition = scenario.definition(json!([sidecar, app]));
    let output = json!({"ReturnOutput": "true"});
    let created = scenario
        .create(&properties(&definition, output.clone()))
        .await;
    assert_eq!(created.data["Output"], r#"{"schema": "forty-two"}"#);
    let silent = scenario.create(&properties(&definition, json!({}))).await;
    assert_eq!(silent.data["Output"], "", "the attribute is always there");
    let old = properties(&definition, json!({}));
    let skipped = json!({"ReturnOutput": "true", "RunOnUpdate": "false"});
    let skipped = scenario
        .update(&old, &properties(&definition, skipped))
        .await;
    assert_eq!(
        (
            skipped.data["Output"].as_str(),
            skipped.data["Ran"].as_str()
        ),
        (Some(""), Some("false"))
    );
    assert!(
        !scenario
            .log()
            .iter()
            .any(|line| !line.starts_with("app | ") && line.contains("42}"))
    );
}

#[tokio::test]
async fn a_run_whose_output_cannot_be_read_still_succeeds() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let wanted = properties(&definition, json!({"ReturnOutput": "true"}));
    let created = scenario.create(&wanted).await;
    assert!(created.succeeded && created.data["Output"] == "");
    assert!(
        created.reason.contains(
            "Output is empty, because no line of container app could be read. It has no log stream"
        ),
        "{}",
        created.reason
    );
    let denial = Fault::Error(
        400,
        "AccessDeniedException",
        "not authorized to perform: logs:GetLogEvents",
    );
    scenario.stage.fault("GetLogEvents", vec![denial; 10]);
    let created = scenario.create(&wanted).await;
    assert!(created.succeeded && created.data["Output"] == "");
    assert!(
        created
            .reason
            .contains("grant logs:GetLogEvents on /ecs/app"),
        "{}",
        created.reason
    );
    let forgotten = properties(&definition, json!({"ReturnOutput": "true", "Timeout": "0"}));
    let created = scenario.create(&forgotten).await;
    assert!(created.succeeded && created.data["Output"] == "");
    assert!(
        created
            .reason
            .contains("with Timeout: 0 the function does not wait for"),
        "{}",
        created.reason
    );
}
