//! Resources that are to fail, and rehearsals that are interrupted.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::LazyLock,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{TemplateFile, lines, page, refused, rehearse, shop};

static TEMPLATE: LazyLock<String> = LazyLock::new(|| shop(PARAMETER, RESOURCES));
const PARAMETER: &str = r#"RunOnRollback: { Type: String, Default: "true" }"#;
const RESOURCES: &str = r#"
  Run:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: x
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      RunOnRollback: !Ref RunOnRollback
"#;

#[test]
fn a_rollback_can_be_seen_before_it_happens() {
    let file = TemplateFile::new(&TEMPLATE);
    let arguments = [file.path(), "--update", "Version=2", "--fail", "Queue"];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn a_rollback_that_must_not_run_anything_does_not() {
    let file = TemplateFile::new(&TEMPLATE);
    let arguments = [
        file.path(),
        "-p",
        "RunOnRollback=false",
        "--update",
        "Version=2",
        "--fail",
        "Queue",
    ];
    let (status, lines) = lines(&rehearse(&arguments));
    assert_eq!(status, Some(0), "{lines:#?}");
    let migrated: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("app | "))
        .collect();
    assert_eq!(migrated, ["migrated to 1", "migrated to 2"]);
}

#[test]
fn fail_without_an_update_fails_the_create() {
    let file = TemplateFile::new(&TEMPLATE);
    let (status, lines) = lines(&rehearse(&[file.path(), "--fail", "Queue", "--quiet"]));
    assert_eq!(status, Some(0), "{lines:#?}");
    let ran = lines
        .iter()
        .position(|line| line == "app | migrated to 1")
        .unwrap();
    let failed = lines
        .iter()
        .position(|line| line.contains("CREATE_FAILED"))
        .unwrap();
    assert!(
        ran < failed,
        "it fails after what does not need it: {lines:#?}"
    );
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("create rolled back as expected, delete complete in "),
        "{last}"
    );
}

#[test]
fn a_resource_that_is_to_fail_must_be_there() {
    let error = refused(&TEMPLATE, &["--fail", "Quue"]);
    assert_eq!(error, "shop.yml: --fail: there is no resource Quue");
}

#[test]
fn an_option_that_needs_a_template_says_so() {
    for option in [
        &["--fail", "A"][..],
        &["--no-ledger"],
        &["--docker"],
        &["--quiet"],
    ] {
        let output = rehearse(&[&["--events", "x.json"], option].concat());
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said.trim_end(),
            format!("rehearse: {} needs a template", option[0])
        );
    }
}

/// Interrupts a rehearsal while its container runs. Nothing may be left of it.
#[track_caller]
fn nothing_is_left_after(signal: Signal) {
    let script = "echo $$; sleep 600 & exec sleep 600";
    let file = TemplateFile::new(&TEMPLATE.replace("echo migrated to ${Version}", script));
    let directory = tempfile::tempdir().unwrap();
    let mut rehearsal = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .arg(file.path())
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(rehearsal.stdout.take().unwrap()).lines();
    let printed = lines
        .map_while(Result::ok)
        .find_map(|line| line.trim().strip_prefix("app | ").map(str::to_owned));
    let group = printed.unwrap().parse().unwrap();
    kill(Pid::from_raw(rehearsal.id().try_into().unwrap()), signal).unwrap();
    let output = rehearsal.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said.trim_end(),
        "rehearse: interrupted; all running containers have been killed"
    );
    assert!(
        is_over(group),
        "no process of the container's group {group} is left"
    );
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// True if no process of a group lives; one that was killed may still wait to be reaped.
fn is_over(group: i32) -> bool {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .all(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let fields: Vec<&str> = stat
                .rsplit(") ")
                .next()
                .unwrap_or_default()
                .split(' ')
                .collect();
            fields.first() == Some(&"Z") || fields.get(2) != Some(&group.to_string().as_str())
        })
}

#[test]
fn nothing_is_left_after_an_interruption() {
    nothing_is_left_after(Signal::SIGINT);
    nothing_is_left_after(Signal::SIGTERM);
}

#[test]
fn nothing_is_left_on_disk_after_success_and_failure() {
    for arguments in [
        &[][..],
        &["--update", "Version=2; exit 3"],
        &["-p", "Version=1; exit 3"],
    ] {
        let file = TemplateFile::new(&TEMPLATE);
        let directory = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .arg(file.path())
            .args(arguments)
            .env("TMPDIR", directory.path())
            .output()
            .unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "{arguments:?}"
        );
    }
}
