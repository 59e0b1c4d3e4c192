//! The command `rehearse`, as a person would use it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn rehearse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearse")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// A template in a file of its own.
struct TemplateFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl TemplateFile {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.yml");
        fs::write(&path, text).unwrap();
        Self { path, _directory: directory }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// What a bad template or parameter is told with; the exit status must be 2 and nothing may have started.
#[track_caller]
fn refused(template: &str, arguments: &[&str]) -> String {
    let file = TemplateFile::new(template);
    let output = rehearse(&[&[file.path()], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    error.replace(file.path(), "shop.yml").trim_start_matches("rehearse: ").trim_end().to_owned()
}

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cfn/example.yml").to_str().unwrap().to_owned()
}

#[test]
fn the_example_lives_through_create_update_and_delete() {
    let output = rehearse(&[&example(), "--parameter", "SchemaVersion=1", "--update", "SchemaVersion=2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("          app | schema is at version 2"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("create complete, update complete, delete complete in "), "{last}");
    assert!(last.contains("RunTask 2"), "{last}");
    assert!(!text.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn the_example_with_a_failing_migration_rolls_back_and_names_container_and_code() {
    let output = rehearse(&[&example(), "--parameter", "FailAt=1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let failed = text.lines().find(|line| line.contains("CREATE_FAILED")).unwrap();
    assert!(failed.contains("Migrate") && failed.contains("Container app exited with code 3"), "{failed}");
    assert!(text.contains("ROLLBACK_COMPLETE") && text.contains("DELETE_COMPLETE"), "{text}");
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
fn a_bad_template_is_told_with_its_place() {
    assert_eq!(refused("", &[]), "shop.yml: the template is empty");
    assert_eq!(refused("Description: x", &[]), "shop.yml: line 1: the template has no Resources");
    assert!(refused("Resources:\n  A: [", &[]).starts_with("shop.yml: line "));
    assert_eq!(refused("Resources:\n  A: {}", &[]), "shop.yml: line 2: resource A has no Type");
    let unknown = "Resources:\n  A:\n    Type: Custom::ECSTask\n    Properties:\n      Cluster: !Cidr [a, b]\n";
    assert_eq!(refused(unknown, &[]), "shop.yml: line 5: the rehearsal does not know the intrinsic function Fn::Cidr");
    let dangling = "Resources:\n  A:\n    Type: Custom::ECSTask\n    Properties:\n      Cluster: !Ref Nowhere\n";
    let told =
        "shop.yml: line 5: Ref Nowhere: the template has no such parameter or resource (or its condition is false)";
    assert_eq!(refused(dangling, &[]), told);
    let circle = "Resources:\n  A: {Type: X, DependsOn: B}\n  B: {Type: X, DependsOn: A}\n";
    assert_eq!(refused(circle, &[]), "shop.yml: line 2: the resources need each other in a circle: A, B");
}

#[test]
fn properties_that_the_function_would_refuse_are_told_with_their_lines_before_anything_starts() {
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
    let lines: Vec<&str> = told.lines().map(|line| line.trim_start_matches("rehearse: ")).collect();
    let expected = [
        "shop.yml: line 9: Run: unknown property Overides, did you mean Overrides?",
        "shop.yml: line 7: Run: TaskDefinition is missing",
        "shop.yml: line 10: Run: Count must be a whole number from 0 to 10, not \"11\"",
        "shop.yml: line 15: Run: unknown property Comand in Overrides.ContainerOverrides[0], did you mean command?",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_bad_parameter_is_told_with_what_it_should_be() {
    let template = "Parameters:\n  Size: {Type: Number, MinValue: 1}\nResources:\n  A: {Type: X}\n";
    assert_eq!(
        refused(template, &["--parameter", "Sise=1"]),
        "shop.yml: the template has no parameter Sise; it has Size"
    );
    let missing = "shop.yml: line 2: parameter Size has no default: give it with --parameter Size=VALUE";
    assert_eq!(refused(template, &[]), missing);
    assert_eq!(
        refused(template, &["-p", "Size=big"]),
        "shop.yml: line 2: parameter Size is \"big\", but must be a number"
    );
    assert_eq!(
        refused(template, &["-p", "Size=0"]),
        "shop.yml: line 2: parameter Size is 0, which is out of its range"
    );
    assert!(refused(template, &["--parameter", "Size"]).contains("Size is not NAME=VALUE"));
}

#[test]
fn a_template_that_is_not_there_is_told_by_its_name() {
    let output = rehearse(&["/no/such.yml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("rehearse: /no/such.yml: "));
}
