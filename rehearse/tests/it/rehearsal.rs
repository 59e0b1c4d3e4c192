//! The command `rehearse`, as a person would use it.

mod external;
mod failing;
mod hooks;
mod language;
mod page;
mod reality;
mod refusals;
mod updates;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use self::page::page;

pub(crate) fn rehearse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// A template in a file of its own.
pub(crate) struct TemplateFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl TemplateFile {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.yml");
        fs::write(&path, text).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// A template with a cluster, a queue, and a task definition whose container writes the parameter
/// Version, besides a parameter and resources of the test's own.
pub(crate) fn shop(parameter: &str, resources: &str) -> String {
    format!(
        r#"
Parameters:
  Version: {{ Type: String, Default: "1" }}
  {parameter}
Resources:
  Cluster: {{ Type: "AWS::ECS::Cluster" }}
  Queue: {{ Type: "AWS::SQS::Queue" }}
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop
      ContainerDefinitions:
        - {{ Name: app, Image: x, Memory: 128, EntryPoint: [sh, -c], Command: [!Sub "echo migrated to ${{Version}}"] }}
{}"#,
        resources.trim_start_matches('\n')
    )
}

/// Returns the error for a bad template or parameter. The exit status must be 2, and nothing may
/// have started.
#[track_caller]
pub(crate) fn refused(template: &str, arguments: &[&str]) -> String {
    let file = TemplateFile::new(template);
    let output = rehearse(&[&[file.path()], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    error
        .replace(file.path(), "shop.yml")
        .trim_start_matches("rehearse: ")
        .trim_end()
        .to_owned()
}

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../cfn/example.yml")
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_example_lives_through_create_update_and_delete() {
    let output = rehearse(&[
        &example(),
        "--parameter",
        "SchemaVersion=1",
        "--update",
        "SchemaVersion=2",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("          app | schema is at version 2"),
        "{text}"
    );
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("create complete, update complete, delete complete in "),
        "{last}"
    );
    assert!(last.contains("RunTask 2"), "{last}");
    assert!(
        !text.contains('\u{1b}'),
        "no colour where there is no terminal"
    );
}

#[test]
fn the_function_has_its_ledger_unless_an_option_says_otherwise() {
    let last = |arguments: &[&str]| {
        let (status, lines) = lines(&rehearse(
            &[&[example().as_str(), "-p", "SchemaVersion=1"], arguments].concat(),
        ));
        assert_eq!(status, Some(0), "{lines:#?}");
        (lines.last().unwrap().clone(), lines)
    };
    let (with, lines) = last(&["--verbose"]);
    assert!(
        with.contains("; 2 invocations, plus ") && with.contains(" by events and 1 by the watch; "),
        "{with}"
    );
    assert!(with.contains(", the table "), "{with}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("parked: an event or the watch will resume")),
        "{lines:#?}"
    );
    let (without, _) = last(&["--no-ledger"]);
    assert!(
        without.contains("; 2 invocations; called DescribeTask"),
        "{without}"
    );
    assert!(!without.contains("the table"), "{without}");
}

#[test]
fn a_life_reads_from_top_to_bottom() {
    let output = rehearse(&[
        &example(),
        "--parameter",
        "SchemaVersion=1",
        "--update",
        "SchemaVersion=2",
    ]);
    insta::assert_snapshot!(page(&output));
}

#[test]
fn a_failed_create_reads_from_top_to_bottom() {
    insta::assert_snapshot!(page(&rehearse(&[&example(), "--parameter", "FailAt=1"])));
}

#[test]
fn the_example_with_a_failing_migration_rolls_back_and_names_container_and_code() {
    let output = rehearse(&[&example(), "--parameter", "FailAt=1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let failed = text
        .lines()
        .find(|line| line.contains("CREATE_FAILED"))
        .unwrap();
    assert!(
        failed.contains("Migrate") && failed.contains("Container app exited with code 3"),
        "{failed}"
    );
    assert!(
        text.contains("ROLLBACK_COMPLETE") && text.contains("DELETE_COMPLETE"),
        "{text}"
    );
}

#[test]
fn json_is_read_as_well() {
    let template = r#"{
	"Resources": {
		"Cluster": {"Type": "AWS::ECS::Cluster"},
		"Run": {"Type": "Custom::ECSTask", "Properties": {
			"ServiceToken": "x", "Cluster": {"Ref": "Cluster"}, "TaskDefinition": "none", "Count": 0
		}}
	}
}"#;
    let file = TemplateFile::new(template);
    let output = rehearse(&[file.path()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_bad_template_is_reported_with_its_place() {
    assert_eq!(refused("", &[]), "shop.yml: the template is empty");
    assert_eq!(
        refused("Description: x", &[]),
        "shop.yml: line 1: the template has no Resources"
    );
    assert!(refused("Resources:\n  A: [", &[]).starts_with("shop.yml: line "));
    assert_eq!(
        refused("Resources:\n  A: {}", &[]),
        "shop.yml: line 2: resource A has no Type"
    );
    let unknown = "Resources:\n  A:\n    Type: Custom::ECSTask\n    Properties:\n      Cluster: !Nope [a, b]\n";
    assert_eq!(
        refused(unknown, &[]),
        "shop.yml: line 5: the rehearsal does not support the intrinsic function Fn::Nope"
    );
    let dangling = "Resources:\n  A:\n    Type: Custom::ECSTask\n    Properties:\n      Cluster: !Ref Nowhere\n";
    let told = "shop.yml: line 5: Ref Nowhere: the template has no such parameter or resource (or its \
                condition is false)";
    assert_eq!(refused(dangling, &[]), told);
    let circle = "Resources:\n  A: {Type: X, DependsOn: B}\n  B: {Type: X, DependsOn: A}\n";
    assert_eq!(
        refused(circle, &[]),
        "shop.yml: line 2: circular dependency between resources: A, B"
    );
}

#[test]
fn refused_properties_are_reported_with_their_lines_before_anything_starts() {
    let template = "\
Conditions: {Big: !Equals [a, a]}
Resources:
  Cluster: {Type: AWS::ECS::Cluster}
  Run:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: x
      Cluster: !Ref Cluster
      Overides: {}
      Count: !If [Big, 11, 1]
      Timeout: !GetAtt Cluster.Arn
      Overrides:
        ContainerOverrides:
          - Name: app
            Comand: [x]
";
    let told = refused(template, &[]);
    let lines: Vec<&str> = told
        .lines()
        .map(|line| line.trim_start_matches("rehearse: "))
        .collect();
    let expected = [
        "shop.yml: line 9: Run: unknown property Overides (did you mean Overrides?)",
        "shop.yml: line 7: Run: TaskDefinition is missing",
        "shop.yml: line 10: Run: Count must be a whole number from 0 to 10, not \"11\"",
        "shop.yml: line 15: Run: unknown property Comand in Overrides.ContainerOverrides[0] (did you mean \
         Command?)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_bad_parameter_is_reported_with_the_value_that_it_needs() {
    let template = "Parameters:\n  Size: {Type: Number, MinValue: 1}\nResources:\n  A: {Type: X}\n";
    assert_eq!(
        refused(template, &["--parameter", "Sise=1"]),
        "shop.yml: the template has no parameter Sise; it has Size\nrehearse: shop.yml: line 2: parameter \
         Size has no default: set it with --parameter Size=VALUE"
    );
    let missing =
        "shop.yml: line 2: parameter Size has no default: set it with --parameter Size=VALUE";
    assert_eq!(refused(template, &[]), missing);
    assert_eq!(
        refused(template, &["-p", "Size=big"]),
        "shop.yml: line 2: parameter Size is \"big\", but must be a number"
    );
    assert_eq!(
        refused(template, &["-p", "Size=0"]),
        "shop.yml: line 2: parameter Size is 0, which is out of range"
    );
    assert!(refused(template, &["--parameter", "Size"]).contains("Size is not NAME=VALUE"));
}

#[test]
fn a_missing_template_is_reported_by_its_name() {
    let output = rehearse(&["/no/such.yml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("rehearse: /no/such.yml: ")
    );
}

fn recorded(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/events")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// Returns the status and the lines of a rehearsal, without their indentation.
pub(crate) fn lines(output: &Output) -> (Option<i32>, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.code(),
        text.lines().map(|line| line.trim().to_owned()).collect(),
    )
}

#[test]
fn recorded_events_are_judged_and_reported_as_people_would_get_them() {
    let files = [
        "task-drained.json",
        "task-failed-to-start.json",
        "task-stopped-exit-1.json",
    ]
    .map(recorded);
    let arguments = [&["--events".to_owned()], files.as_slice()].concat();
    let (status, lines) = lines(&rehearse(
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    assert_eq!(status, Some(0), "{lines:#?}");
    let findings: Vec<&str> = lines
        .iter()
        .filter(|line| line.starts_with("event |"))
        .map(|line| line.rsplit_once("): ").unwrap().1)
        .collect();
    let excused = "excused: stoppedReason matches *container instance is in DRAINING state*";
    assert_eq!(findings, [excused, "failed", "failed"]);
    let told = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        told("alert | Subject: ECS task failed: wpunconfiguredfail on eventStreamTestCluster"),
        2
    );
    assert_eq!(
        told("alert | Container web exited with code 1. Read its log: "),
        1
    );
    assert_eq!(
        lines.last().map(String::as_str),
        Some("3 events: 1 excused, 2 failed; 2 alerts")
    );
}

#[test]
fn recorded_events_read_from_top_to_bottom() {
    let files = [
        "task-drained.json",
        "task-failed-to-start.json",
        "task-stopped-exit-1.json",
    ]
    .map(recorded);
    let arguments = [&["--events".to_owned()], files.as_slice()].concat();
    let output = rehearse(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    insta::assert_snapshot!(page(&output).replace(concat!(env!("CARGO_MANIFEST_DIR"), "/../"), ""));
}

#[test]
fn an_event_that_comes_twice_is_reported_once() {
    let event = fs::read_to_string(recorded("task-stopped-exit-1.json")).unwrap();
    let file = TemplateFile::new(&format!("{event}\n{event}"));
    let (status, lines) = lines(&rehearse(&["--events", file.path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines[lines.len() - 2].ends_with("failed (seen before)"),
        "{lines:#?}"
    );
    assert_eq!(
        lines.last().map(String::as_str),
        Some("2 events: 2 failed; 1 alert")
    );
}

#[test]
fn the_excuses_and_the_form_of_alerts_can_be_tried() {
    let file = recorded("task-stopped-exit-1.json");
    let (status, found) = lines(&rehearse(&[
        "--events",
        &file,
        "--ignore",
        "Essential container*",
    ]));
    assert_eq!(
        (status, found.last().map(String::as_str)),
        (Some(0), Some("1 event: 1 excused; 0 alerts"))
    );
    let (_, found) = lines(&rehearse(&["--events", &file, "--alert-format", "json"]));
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("alert | {") && line.contains("\"result\":\"failed\"")),
        "{found:?}"
    );
}

#[test]
fn the_monitor_watches_the_tasks_of_a_template() {
    let (status, lines) = lines(&rehearse(&[
        &example(),
        "--parameter",
        "FailAt=1",
        "--events",
    ]));
    assert_eq!(status, Some(1), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("CREATE_FAILED") && line.contains("exited with code 3")),
        "{lines:#?}"
    );
    let alerts = lines.iter().filter(|line| {
        line.starts_with("alert | Container app exited with code 3: its migration creates email")
    });
    assert_eq!(alerts.count(), 1);
    let summary = &lines[lines.len() - 2];
    assert!(
        summary.contains(" events: 1 failed, ") && summary.ends_with(" moving; 1 alert"),
        "{summary}"
    );
}

/// The schedule's event, as EventBridge sends it to the monitor.
const TICK: &str = r#"{"version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event", "source": "aws.events", "account": "123456789012", "time": "2026-11-20T10:15:00Z", "region": "us-west-2", "resources": ["arn:aws:events:us-west-2:123456789012:rule/every-minute"], "detail": {}}"#;

#[test]
fn the_event_of_the_schedule_is_handled_as_the_clock() {
    let failed = fs::read_to_string(recorded("task-stopped-exit-1.json")).unwrap();
    let queued = serde_json::json!({"Records": [{"messageId": "m-1", "body": TICK}]});
    for file in [
        format!("{failed}\n{TICK}"),
        format!("[{failed}, {TICK}]"),
        format!("{failed}\n{queued}"),
    ] {
        let file = TemplateFile::new(&file);
        let (status, lines) = lines(&rehearse(&["--events", file.path()]));
        assert_eq!(
            (status, lines.last().map(String::as_str)),
            (
                Some(0),
                Some("2 events: 1 failed, 1 from the schedule; 1 alert")
            ),
            "{lines:#?}"
        );
        let clock =
            "event | 2026-11-20T10:15:00Z Scheduled Event: reports the windows that have ended";
        assert!(lines.iter().any(|line| line == clock), "{lines:#?}");
    }
    let timeless = TICK.replace("\"time\"", "\"when\"");
    let (status, lines) = lines(&rehearse(&[
        "--events",
        TemplateFile::new(&timeless).path(),
    ]));
    assert_eq!(status, Some(1), "{lines:#?}");
    assert_eq!(
        lines[1..],
        [
            "dropped: event without an id: it has no time",
            "1 event: 1 not read; 0 alerts"
        ]
    );
}

#[test]
fn what_is_no_event_is_said() {
    let (status, found) = lines(&rehearse(&["--events", &recorded("create.json")]));
    let dropped =
        "dropped: event without an id: it is not an event of EventBridge: it has no source";
    assert_eq!(
        (status, found.as_slice()[1..].to_vec()),
        (
            Some(1),
            vec![
                dropped.to_owned(),
                "1 event: 1 not read; 0 alerts".to_owned()
            ]
        )
    );
    let error = |arguments: &[&str]| {
        let output = rehearse(arguments);
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{output:?}"
        );
        String::from_utf8(output.stderr)
            .unwrap()
            .trim_end()
            .to_owned()
    };
    assert_eq!(
        error(&["--events"]),
        "rehearse: --events needs a file of events, or a template whose tasks produce some"
    );
    let file = TemplateFile::new("{}\nResources:\n");
    assert!(error(&["--events", file.path()]).contains("shop.yml: line 2: not JSON"));
    let file = TemplateFile::new("\n");
    assert!(error(&["--events", file.path()]).ends_with("shop.yml: there is no event in it"));
    let format = error(&[
        "--events",
        &recorded("task-drained.json"),
        "--alert-format",
        "html",
    ]);
    assert_eq!(
        format,
        "rehearse: the monitor would not start: ALERT_FORMAT must be text, json or chat, not \"html\""
    );
}
