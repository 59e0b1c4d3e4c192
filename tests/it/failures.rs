//! A failure explains itself: verdicts with sidecars, and Reasons with log lines.

use rehearse::protocol::Fault;
use serde_json::{Value, json};

use crate::scenario::{Scenario, container, properties};

/// The log lines that a Reason shows.
fn log_lines(reason: &str) -> Vec<&str> {
    let (_, rest) = reason.split_once("Last log lines: ").unwrap_or_default();
    let (lines, _) = rest.split_once(". Task arn:").unwrap_or_default();
    lines.split(" | ").filter(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn a_failure_shows_the_last_lines_that_the_container_printed() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("for i in $(seq 1 30); do echo line $i; done; exit 1");
    let created = scenario
        .create(&properties(&definition, json!({"LogLines": 0})))
        .await;
    assert!(
        !created.reason.contains("Last log lines"),
        "{}",
        created.reason
    );
    assert_eq!(scenario.calls("GetLogEvents"), 0);
    let created = scenario
        .create(&properties(&definition, json!({"LogLines": 3})))
        .await;
    assert_eq!(
        log_lines(&created.reason),
        ["line 28", "line 29", "line 30"],
        "{}",
        created.reason
    );
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert_eq!(log_lines(&created.reason).len(), 10, "{}", created.reason);
}

#[tokio::test]
async fn a_timeout_shows_the_log_of_the_container_that_was_running() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo waiting for a lock; exec sleep 60");
    let created = scenario
        .create(&properties(&definition, json!({"Timeout": 2})))
        .await;
    assert_eq!(
        log_lines(&created.reason),
        ["waiting for a lock"],
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn denied_logs_change_only_a_line_in_the_functions_log() {
    let scenario = Scenario::new().await;
    let denied = Fault::Error(
        400,
        "AccessDeniedException",
        "not authorized to perform: logs:GetLogEvents",
    );
    scenario.stage.fault("GetLogEvents", vec![denied; 20]);
    let definition = scenario.script("echo secret of the deep; exit 4");
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created.reason.contains(
            "Container app exited with code 4. The function is not allowed to read its log. Read it yourself: aws logs tail /ecs/app"
        ),
        "{}",
        created.reason
    );
    assert!(
        created.reason.contains("--log-stream-names run/app/"),
        "{}",
        created.reason
    );
    assert!(
        scenario
            .log()
            .iter()
            .any(|line| line.contains("continuing without the container's log"))
    );
}

#[tokio::test]
async fn a_container_without_a_stream_or_without_awslogs_fails_all_the_same() {
    let scenario = Scenario::new().await;
    let silent = scenario.script("exit 4");
    let created = scenario.create(&properties(&silent, json!({}))).await;
    assert!(
        created
            .reason
            .contains("exited with code 4. It has no log stream in /ecs/app"),
        "{}",
        created.reason
    );
    let mut elsewhere = container("app", "exit 5");
    elsewhere["logConfiguration"] = json!({"logDriver": "splunk"});
    let elsewhere = scenario.definition(json!([elsewhere]));
    let created = scenario.create(&properties(&elsewhere, json!({}))).await;
    assert!(
        created
            .reason
            .contains("look for it where its log driver splunk sends it")
            && !created.reason.contains("log group"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn huge_and_hostile_lines_leave_container_code_and_arn() {
    let scenario = Scenario::new().await;
    let script = r#"
        head -c 200000 /dev/zero | tr '\0' x; echo
        printf '\033[31mred\033[0m \001\002 "quoted" \\back\\ é😀\t|\n'
        for i in $(seq 1 60); do printf '"%.0s' $(seq 1 300); echo; done
        exit 6"#;
    let definition = scenario.script(script);
    let created = scenario
        .create(&properties(&definition, json!({"LogLines": 50})))
        .await;
    let answers = scenario.stage.cloudformation.answers();
    assert!(
        answers[0].body.len() <= 4096,
        "{} bytes",
        answers[0].body.len()
    );
    let body: Value = serde_json::from_slice(&answers[0].body).unwrap();
    let reason = body["Reason"].as_str().unwrap();
    assert!(reason.starts_with("Container app exited with code 6. Fix what its last log lines report, then deploy again. Last log lines: "), "{reason}");
    assert!(
        reason.contains("Task arn:aws:ecs:") && !reason.chars().any(char::is_control),
        "{reason}"
    );
    assert!(!created.succeeded);
}

#[tokio::test]
async fn control_sequences_of_a_terminal_are_dropped() {
    let scenario = Scenario::new().await;
    let definition = scenario.script(r#"printf '\033[31mred\033[0m \001and\t"quoted"\n'; exit 1"#);
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created
            .reason
            .contains("Last log lines: red and \"quoted\". Task"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn essential_containers_decide_unless_others_are_watched() {
    let scenario = Scenario::new().await;
    let mut sidecar = container("sidecar", "exit 1");
    sidecar["essential"] = json!(false);
    let definition = scenario.definition(json!([container("app", "sleep 0.5"), sidecar]));
    let essential = scenario.create(&properties(&definition, json!({}))).await;
    assert!(essential.succeeded, "{}", essential.reason);
    let names_it = "Container sidecar (exit code 1) failed, but does not decide the verdict";
    assert!(essential.reason.contains(names_it), "{}", essential.reason);
    let all = scenario
        .create(&properties(&definition, json!({"WatchContainers": ["*"]})))
        .await;
    assert!(
        all.reason.contains("Container sidecar exited with code 1"),
        "{}",
        all.reason
    );
    let watched = scenario
        .create(&properties(
            &definition,
            json!({"WatchContainers": ["app"]}),
        ))
        .await;
    assert!(watched.succeeded);
    assert!(
        watched.data["LogStream"]
            .as_str()
            .unwrap()
            .starts_with("run/app/")
    );
}

#[tokio::test]
async fn a_watched_container_that_no_task_has_is_reported_before_the_start() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let created = scenario
        .create(&properties(
            &definition,
            json!({"WatchContainers": ["app", "ap"]}),
        ))
        .await;
    let expected = "WatchContainers names ap, but the task definition";
    assert!(created.reason.contains(expected), "{}", created.reason);
    assert_eq!(scenario.calls("RunTask"), 0);
}

#[tokio::test]
async fn other_exit_codes_can_be_a_success() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exit 3");
    let created = scenario
        .create(&properties(
            &definition,
            json!({"SuccessExitCodes": ["0", "3"]}),
        ))
        .await;
    assert!(created.succeeded);
    assert_eq!(created.data["ExitCode"].as_str(), Some("3"));
}

#[tokio::test]
async fn no_echo_is_passed_on_with_every_answer() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("exit 3");
    for more in [
        json!({"NoEcho": "true"}),
        json!({"NoEcho": "yes", "Count": "x"}),
        json!({}),
    ] {
        scenario.create(&properties(&definition, more)).await;
    }
    let echoes: Vec<bool> = scenario
        .stage
        .cloudformation
        .answers()
        .iter()
        .map(|answer| {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            body["NoEcho"].as_bool().unwrap()
        })
        .collect();
    assert_eq!(echoes, [true, true, false]);
}

#[tokio::test]
async fn without_a_task_definition_all_containers_count_except_those_told_to_stop() {
    let scenario = Scenario::new().await;
    let denied = Fault::Error(
        400,
        "AccessDeniedException",
        "not authorized to perform: ecs:DescribeTaskDefinition",
    );
    scenario
        .stage
        .fault("DescribeTaskDefinition", vec![denied; 20]);
    let mut sidecar = container("sidecar", "exec sleep 60");
    sidecar["essential"] = json!(false);
    let definition = scenario.definition(json!([container("app", "sleep 0.5"), sidecar]));
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(created.succeeded, "{}", created.reason);
    let mut sidecar = container("sidecar", "exit 2");
    sidecar["essential"] = json!(false);
    let definition = scenario.definition(json!([container("app", "sleep 0.5"), sidecar]));
    let created = scenario.create(&properties(&definition, json!({}))).await;
    assert!(
        created
            .reason
            .contains("Container sidecar exited with code 2"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn containers_that_aws_injects_never_decide() {
    let scenario = Scenario::new().await;
    scenario.stage.ecs.inject_containers();
    let good = scenario.script("true");
    assert!(
        scenario
            .create(&properties(&good, json!({})))
            .await
            .succeeded
    );
    let bad = scenario.script("exit 2");
    let created = scenario.create(&properties(&bad, json!({}))).await;
    assert!(
        created.reason.contains("Container app exited with code 2"),
        "{}",
        created.reason
    );
}

#[tokio::test]
async fn a_run_that_never_ran_is_started_anew_as_often_as_start_retries_allows() {
    let scenario = Scenario::new().await;
    let mut app = container("app", "");
    app["entryPoint"] = json!(["/no/such/program"]);
    let definition = scenario.definition(json!([app]));
    let created = scenario
        .create(&properties(&definition, json!({"StartRetries": "2"})))
        .await;
    assert!(
        created
            .reason
            .contains("The command /no/such/program was not found in the image of container app"),
        "{}",
        created.reason
    );
    let requests = scenario.stage.requests("RunTask");
    let tokens: Vec<&str> = requests
        .iter()
        .map(|request| request["clientToken"].as_str().unwrap())
        .collect();
    assert_eq!(
        tokens[1..],
        [format!("{}-1", tokens[0]), format!("{}-2", tokens[0])]
    );
    let ran = scenario.script("exit 1");
    scenario
        .create(&properties(&ran, json!({"StartRetries": "2"})))
        .await;
    assert_eq!(
        scenario.calls("RunTask"),
        4,
        "a container that ran is never run again"
    );
}

#[tokio::test]
async fn a_containers_output_is_not_in_the_functions_log() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("echo the password is $PASSWORD; exit 1");
    let environment = json!([{"name": "PASSWORD", "value": "hunter2"}]);
    let more =
        json!({"Overrides": {"containerOverrides": [{"name": "app", "environment": environment}]}});
    let created = scenario.create(&properties(&definition, more)).await;
    assert!(
        created.reason.contains("the password is hunter2"),
        "the Reason is for who deploys"
    );
    let log: Vec<String> = scenario
        .log()
        .into_iter()
        .filter(|line| !line.starts_with("app | "))
        .collect();
    assert!(!log.iter().any(|line| line.contains("hunter2")), "{log:?}");
}
