//! Services whose lifecycle hook is the function.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::LazyLock};

use super::{TemplateFile, lines, page, refused, rehearse, shop};

static TEMPLATE: LazyLock<String> = LazyLock::new(|| shop(PARAMETER, RESOURCES));
const PARAMETER: &str = r#"Count: { Type: Number, Default: "1" }"#;
const RESOURCES: &str = r#"
  Web:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      DesiredCount: !Ref Count
      DeploymentConfiguration:
        LifecycleHooks:
          - HookTargetArn: !ImportValue ecs-tasks-FunctionArn
            RoleArn: !ImportValue ecs-tasks-HookRoleArn
            LifecycleStages: [PRE_SCALE_UP]
            HookDetails: '{"ECSTask": {"Timeout": 60}}'
"#;
const DETAILS: &str = r#"'{"ECSTask": {"Timeout": 60}}'"#;

/// The template with `from` replaced by `to`.
fn template(from: &str, to: &str) -> String {
    assert!(TEMPLATE.contains(from), "{from}");
    TEMPLATE.replacen(from, to, 1)
}

/// Exit status and lines of a rehearsal of this template.
fn rehearsed(template: &str, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let file = TemplateFile::new(template);
    lines(&rehearse(&[&[file.path()], arguments].concat()))
}

/// The lines of the containers, which must be all of these.
#[track_caller]
fn check_ran(lines: &[String], expected: &[&str]) {
    let ran: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("app | "))
        .collect();
    assert_eq!(ran, expected, "{lines:#?}");
}

/// A task definition of the service's family, as a pipeline registers it.
fn definition(command: &str) -> TemplateFile {
    TemplateFile::new(&format!(
        r#"{{"family": "shop", "containerDefinitions": [{{"name": "app", "image": "x", "memory": 128,
            "essential": true, "entryPoint": ["sh", "-c"], "command": ["{command}"]}}]}}"#
    ))
}

/// A function with another answer, and the file to which it writes what it gets.
struct OtherFunction {
    path: PathBuf,
    directory: tempfile::TempDir,
}

impl OtherFunction {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("function");
        let seen = directory.path().join("seen");
        fs::write(&path, script.replace("SEEN", seen.to_str().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { path, directory }
    }

    /// A function that gives these answers, one after the other.
    fn answering(answers: &[&str]) -> Self {
        Self::new(&format!(
            r#"#!/usr/bin/env python3
import os, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
for answer in {answers:?}:
    with urllib.request.urlopen(base + "next") as invocation:
        with open("SEEN", "ab") as seen:
            seen.write(invocation.read() + b"\n")
        name = invocation.headers["lambda-runtime-aws-request-id"]
    urllib.request.urlopen(base + name + "/response", answer.encode()).close()
urllib.request.urlopen(base + "next")
"#
        ))
    }

    fn seen(&self) -> Vec<serde_json::Value> {
        let seen = fs::read_to_string(self.directory.path().join("seen")).unwrap_or_default();
        seen.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn a_service_is_deployed_as_far_as_its_hook() {
    let file = TemplateFile::new(&TEMPLATE);
    let arguments = [file.path(), "--quiet", "--update", "Version=2"];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn a_failed_hook_leaves_the_old_revision_and_the_rollback_runs_nothing() {
    let file = TemplateFile::new(&TEMPLATE);
    let arguments = [file.path(), "--quiet", "--update", "Version=2; exit 3"];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn a_failed_hook_fails_the_create() {
    let (status, lines) = rehearsed(&TEMPLATE, &["-p", "Version=1; exit 3"]);
    assert_eq!(status, Some(1), "{lines:#?}");
    let failed = lines.iter().find(|line| line.contains("CREATE_FAILED"));
    let failed = failed.unwrap();
    assert!(
        failed.contains("the lifecycle hook at PRE_SCALE_UP returned FAILED"),
        "{failed}"
    );
    assert!(
        lines.iter().any(|line| line.contains("ROLLBACK_COMPLETE")),
        "{lines:#?}"
    );
    check_ran(&lines, &["migrated to 1"]);
}

#[test]
fn an_update_without_a_deployment_invokes_nothing() {
    let (status, lines) = rehearsed(&TEMPLATE, &["--update", "Count=2"]);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(&lines, &["migrated to 1"]);
}

#[test]
fn a_stack_that_rolls_back_for_another_reason_deploys_the_old_revision_with_its_hook() {
    let arguments = ["--update", "Version=2", "--fail", "Queue"];
    let (status, lines) = rehearsed(&TEMPLATE, &arguments);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(&lines, &["migrated to 1", "migrated to 2", "migrated to 1"]);
}

#[test]
fn a_pipeline_deploys_the_same_definition_or_a_newer_one() {
    let (file, newer) = (
        TemplateFile::new(&TEMPLATE),
        definition("echo migrated to 2"),
    );
    let with_file = format!("Web={}", newer.path());
    let arguments = [
        file.path(),
        "--quiet",
        "--deploy",
        "Web",
        "--deploy",
        &with_file,
    ];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn a_pipelines_deployment_that_rolls_back_fails_the_rehearsal() {
    let (file, failing) = (TemplateFile::new(&TEMPLATE), definition("exit 3"));
    let with_file = format!("Web={}", failing.path());
    let arguments = [
        file.path(),
        "--quiet",
        "--deploy",
        &with_file,
        "--deploy",
        "Web",
    ];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn only_a_service_of_the_template_can_be_deployed() {
    let error = "shop.yml: --deploy: there is no service Queue";
    assert_eq!(refused(&TEMPLATE, &["--deploy", "Queue"]), error);
    let unfit =
        TemplateFile::new(r#"{"family": "shop", "containerDefinitions": [{"name": "app"}]}"#);
    let output = refused(&TEMPLATE, &["--deploy", &format!("Web={}", unfit.path())]);
    assert!(output.starts_with("shop.yml: --deploy Web: "), "{output}");
    let wrong = definition("x").path().replace("shop.yml", "none.yml");
    let output = refused(&TEMPLATE, &["--deploy", &format!("Web={wrong}")]);
    assert!(output.starts_with(&wrong), "{output}");
}

#[test]
fn a_pipelines_deployment_without_a_hook_of_ours_says_that_it_runs_nothing() {
    let other = "  Other:\n    Type: AWS::ECS::Service\n    Properties: { Cluster: !Ref Cluster, TaskDefinition: \
                 !Ref Definition }\n  Web:\n";
    let (status, lines) = rehearsed(&template("  Web:\n", other), &["--deploy", "Other"]);
    assert_eq!(status, Some(0), "{lines:#?}");
    let note = "Other: no task runs, because none of its lifecycle hooks invokes the function";
    assert!(lines.iter().any(|line| line == note), "{lines:#?}");
    check_ran(&lines, &["migrated to 1"]);
}

#[test]
fn a_hook_and_a_custom_resource_live_beside_each_other() {
    let run = "  Run:\n    Type: Custom::ECSTask\n    Properties:\n      ServiceToken: x\n      \
               Cluster: !Ref Cluster\n      TaskDefinition: !Ref Definition\n      \
               Overrides: { ContainerOverrides: [{ Name: app, Command: [echo seeded] }] }\n";
    let text = template("  Web:\n", &format!("{run}  Web:\n    DependsOn: Run\n"));
    let (status, lines) = rehearsed(&text, &["--update", "Version=2"]);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(
        &lines,
        &["seeded", "migrated to 1", "seeded", "migrated to 2"],
    );
}

/// Whether ECS hands the details on from stage to stage is not documented: the rehearsal does.
#[test]
fn a_hook_at_two_stages_runs_at_each() {
    let text = template("[PRE_SCALE_UP]", "[PRE_SCALE_UP, POST_SCALE_UP]");
    let (status, lines) = rehearsed(&text, &[]);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(&lines, &["migrated to 1", "migrated to 1"]);
}

#[test]
fn a_hook_is_ours_by_its_details_its_import_or_service_token() {
    let target = "!ImportValue ecs-tasks-FunctionArn";
    for (to, arguments) in [
        ("arn:aws:lambda:us-west-2:123456789012:function:x", &[][..]),
        ("arn:aws:lambda:x", &["--service-token", "arn:aws:lambda:x"]),
        ("!ImportValue other-Arn", &["--service-token", "other-Arn"]),
        ("!GetAtt Queue.Arn", &["--service-token", "Queue"]),
    ] {
        let (status, lines) = rehearsed(&template(target, to), arguments);
        assert_eq!(status, Some(0), "{lines:#?}");
        check_ran(&lines, &["migrated to 1"]);
    }
}

#[test]
fn hooks_of_others_and_pauses_are_taken_for_succeeded() {
    let others = "        LifecycleHooks:\n          - { TargetType: PAUSE, LifecycleStages: [PRE_SCALE_UP] }\n          \
                  - { HookTargetArn: arn:other, RoleArn: arn:r, LifecycleStages: [POST_SCALE_UP] }\n";
    let (status, lines) = rehearsed(&template("        LifecycleHooks:\n", others), &[]);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(&lines, &["migrated to 1"]);
    for note in [
        "the rehearsal skips a pause at PRE_SCALE_UP: it counts as succeeded",
        "the rehearsal skips a hook with another target at POST_SCALE_UP: it counts as succeeded",
    ] {
        assert!(
            lines.iter().any(|line| line.ends_with(note)),
            "{note}: {lines:#?}"
        );
    }
}

#[test]
fn a_hook_that_a_condition_switches_off_runs_nothing_and_says_so() {
    let hook = "          - HookTargetArn: !ImportValue ecs-tasks-FunctionArn\n            RoleArn: \
                !ImportValue ecs-tasks-HookRoleArn\n            LifecycleStages: [PRE_SCALE_UP]\n";
    let chosen = "          - !If\n            - IsTwo\n            - HookTargetArn: !ImportValue ecs-tasks-FunctionArn\n              \
                  RoleArn: arn:r\n              LifecycleStages: [PRE_SCALE_UP]\n";
    let text = template(hook, chosen)
        .replace(
            &format!("            HookDetails: {DETAILS}"),
            "              HookDetails: '{\"ECSTask\": {}}'\n            - !Ref AWS::NoValue",
        )
        .replace(
            "Resources:",
            "Conditions: { IsTwo: !Equals [!Ref Version, \"2\"] }\nResources:",
        );
    let (status, lines) = rehearsed(&text, &["-p", "Version=2"]);
    assert_eq!(status, Some(0), "{lines:#?}");
    check_ran(&lines, &["migrated to 2"]);
    let output = rehearse(&[TemplateFile::new(&text).path()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn a_stage_that_the_function_refuses_rolls_back_with_its_reason() {
    let text = template("[PRE_SCALE_UP]", "[PRODUCTION_TRAFFIC_SHIFT]");
    let (status, lines) = rehearsed(&text, &[]);
    assert_eq!(status, Some(1), "{lines:#?}");
    let reason = "Web: the function's log: A task cannot run at the stage \
                  PRODUCTION_TRAFFIC_SHIFT";
    assert!(
        lines.iter().any(|line| line.starts_with(reason)),
        "{lines:#?}"
    );
    check_ran(&lines, &[]);
}

#[test]
fn mistakes_in_a_hook_are_told_with_their_lines_before_anything_starts() {
    let details = |details: &str| refused(&template(DETAILS, details), &[]);
    let hook = "DeploymentConfiguration.LifecycleHooks[0]";
    assert_eq!(
        details("'{\"ECSTask\": '"),
        format!(
            "shop.yml: line 25: Web: {hook}.HookDetails is not JSON: EOF while parsing a value at line 1 column 12"
        )
    );
    assert_eq!(
        details("{ ECSTask: { Timeout: 60 } }"),
        format!(
            "shop.yml: line 25: Web: {hook}.HookDetails must be a string that contains JSON, and here is an \
             object or a list: write it as text below HookDetails: |"
        )
    );
    assert_eq!(
        details(r#"'{"ECSTask": {"Timout": 60}}'"#),
        "shop.yml: line 25: Web: ECSTask: unknown property Timout (did you mean Timeout?)"
    );
    assert_eq!(
        refused(&template("[PRE_SCALE_UP]", "[PRE_SCALEUP]"), &[]),
        format!(
            "shop.yml: line 24: Web: {hook}.LifecycleStages has no stage PRE_SCALEUP (did you mean \
             PRE_SCALE_UP?)"
        )
    );
    let elsewhere = refused(
        &template("TaskDefinition: !Ref Definition", "TaskDefinition: other:3"),
        &[],
    );
    assert!(
        elsewhere.contains("line 18: Web: task definition other:3 is not in the template"),
        "{elsewhere}"
    );
}

#[test]
fn a_template_with_hooks_of_others_alone_says_that_it_has_none_of_ours() {
    let text = template("!ImportValue ecs-tasks-FunctionArn", "arn:other");
    let file = TemplateFile::new(&text.replace(DETAILS, "'{}'"));
    let output = rehearse(&[file.path()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let others =
        "it has no custom resources, and the lifecycle hooks of Web target other functions";
    assert!(said.trim_end().ends_with(others), "{said}");
}

/// A hook that this function answers rolls the deployment back, with this problem.
#[track_caller]
fn rolls_back(function: &OtherFunction, problem: &str) {
    let path = function.path.to_str().unwrap();
    let (status, lines) = rehearsed(&TEMPLATE, &["--no-ledger", "--function", path]);
    assert_eq!(status, Some(1), "{lines:#?}");
    let failed = lines.iter().find(|line| line.contains("CREATE_FAILED"));
    let failed = failed.unwrap();
    assert!(
        failed.ends_with(&format!("'ECS Deployment failed: {problem}'.")),
        "{failed}"
    );
}

#[test]
fn an_invocation_that_crashes_rolls_the_deployment_back() {
    let function = OtherFunction::new("#!/bin/sh\nexit 1\n");
    rolls_back(
        &function,
        "the invocation of the lifecycle hook at PRE_SCALE_UP failed",
    );
}

#[test]
fn an_answer_without_a_valid_status_rolls_the_deployment_back() {
    let problem = "the lifecycle hook at PRE_SCALE_UP returned no valid hookStatus";
    rolls_back(&OtherFunction::answering(&["null"]), problem);
    rolls_back(
        &OtherFunction::answering(&[r#"{"hookStatus": "DONE"}"#]),
        problem,
    );
}

#[test]
fn the_function_gets_what_ecs_sends_and_its_own_details_back() {
    let going_on =
        r#"{"hookStatus": "IN_PROGRESS", "callBackDelay": 1, "hookDetails": {"Run": {"a": 1}}}"#;
    let function = OtherFunction::answering(&[going_on, r#"{"hookStatus": "SUCCEEDED"}"#]);
    let path = function.path.to_str().unwrap();
    let (status, lines) = rehearsed(&TEMPLATE, &["--no-ledger", "--function", path]);
    assert_eq!(status, Some(0), "{lines:#?}");
    let seen = function.seen();
    assert_eq!(seen.len(), 2, "{seen:#?}");
    let task = serde_json::json!({"Timeout": 60});
    assert_eq!(seen[0]["hookDetails"], serde_json::json!({"ECSTask": task}));
    let merged = serde_json::json!({"ECSTask": task, "Run": {"a": 1}});
    assert_eq!(seen[1]["hookDetails"], merged);
    let named = |name: &str| seen.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(named("lifecycleStage"), ["PRE_SCALE_UP", "PRE_SCALE_UP"]);
    assert_eq!(named("resourceArn")[0], named("resourceArn")[1]);
    let execution = &seen[0]["executionDetails"];
    let revision = execution["targetServiceRevisionArn"].as_str().unwrap();
    assert!(revision.starts_with("arn:aws:ecs:us-west-2:123456789012:service-revision/shop-"));
}
