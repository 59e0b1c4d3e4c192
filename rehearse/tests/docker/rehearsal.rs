//! A rehearsed template with one Custom::ECSTask, and everything that it leaves on the machine.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The image that `tests/docker/engine` makes.
pub(crate) const BUSYBOX: &str = "123456789012.dkr.ecr.us-west-2.amazonaws.com/busybox:1";

/// A template, and a folder for all files of its rehearsal.
pub(crate) struct Rehearsal {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The result of a rehearsal.
pub(crate) struct Rehearsed {
    pub(crate) status: Option<i32>,
    pub(crate) text: String,
}

impl Rehearsal {
    /// Makes the rehearsal of a task with this one container.
    pub(crate) fn of(container: Value) -> Self {
        Self::of_task(
            json!({ "NetworkMode": "host", "ContainerDefinitions": [container] }),
            json!({}),
        )
    }

    /// Makes the rehearsal of a task with this definition, and with further properties of the
    /// resource.
    pub(crate) fn of_task(mut definition: Value, more: Value) -> Self {
        // ECS refuses a definition that does not say its memory.
        definition
            .as_object_mut()
            .unwrap()
            .entry("Memory")
            .or_insert("512".into());
        let mut properties = json!({
            "ServiceToken": "arn:aws:lambda:us-west-2:123456789012:function:ecsTasks",
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "Task"},
        });
        properties
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let template = json!({"Resources": {
            "Cluster": {"Type": "AWS::ECS::Cluster"},
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Run": {"Type": "Custom::ECSTask", "Properties": properties},
        }});
        Self::of_template(&template.to_string())
    }

    pub(crate) fn of_template(template: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.yml"), template).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self {
            folder,
            variables: Vec::new(),
        }
    }

    /// Adds a variable to the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Rehearses the template to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Rehearsed {
        self.ended(self.start(arguments))
    }

    /// Starts to rehearse the template.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .arg(self.folder.path().join("shop.yml"))
            .arg("--docker")
            .args(arguments)
            .envs(self.variables.clone())
            .env("NO_COLOR", "1")
            .env("TMPDIR", self.folder.path().join("tmp"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits for the end of the rehearsal, which must leave nothing on disk.
    pub(crate) fn ended(&self, rehearsal: Child) -> Rehearsed {
        let output = rehearsal.wait_with_output().unwrap();
        let left: Vec<_> = fs::read_dir(self.folder.path().join("tmp"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(left.is_empty(), "left on disk: {left:?}");
        Rehearsed::from(output)
    }
}

impl Rehearsed {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr]
            .map(|stream| String::from_utf8(stream).unwrap())
            .concat();
        Self {
            status: output.status.code(),
            text,
        }
    }

    /// Returns the lines that a container printed.
    pub(crate) fn printed(&self, container: &str) -> Vec<&str> {
        let prefix = format!("{container} | ");
        self.text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix(&prefix))
            .collect()
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.text);
        self
    }

    /// Returns the Reason of the resource's first failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        assert_eq!(self.status, Some(1), "{}", self.text);
        let failed = |line: &&str| line.contains("_FAILED ") && line.contains("Message returned: ");
        self.text
            .lines()
            .find(failed)
            .and_then(|line| line.split_once("Message returned: "))
            .unwrap()
            .1
    }
}

/// Waits until a rehearsal has written a line with this text, and reads its output up to there.
pub(crate) fn wait_for(rehearsal: &mut Child, text: &str) {
    let mut line = String::new();
    let mut stdout = BufReader::new(rehearsal.stdout.as_mut().unwrap());
    while !line.contains(text) {
        line.clear();
        assert!(
            stdout.read_line(&mut line).unwrap() > 0,
            "it has ended before"
        );
    }
}

/// Returns the output of `podman` about the engine of the tests.
pub(crate) fn podman(arguments: &[&str]) -> String {
    let output = Command::new("podman").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the containers of this name, in any state.
pub(crate) fn containers(name: &str) -> Vec<String> {
    let label = format!("label=com.amazonaws.ecs.container-name={name}");
    let listed = podman(&["ps", "--all", "--filter", &label, "--format", "{{.Names}}"]);
    listed.lines().map(str::to_owned).collect()
}

/// Returns the path of a file in this folder.
pub(crate) fn file(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/docker")
            .join(name),
    )
    .unwrap()
}
