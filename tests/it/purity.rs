//! The layout's promise: the core decides without a clock, an environment, a network or AWS.

use std::{fs, path::Path};

const PURE: [&str; 22] = [
    "epoch.rs",
    "task.rs",
    "cfn.rs",
    "cfn/request.rs",
    "cfn/response.rs",
    "cfn/response_url.rs",
    "identity.rs",
    "properties.rs",
    "outcome.rs",
    "reason.rs",
    "reason/fit.rs",
    "runner/plan.rs",
    "runner/criteria.rs",
    "runner/wait.rs",
    "monitor/event.rs",
    "monitor/finding.rs",
    "monitor/pattern.rs",
    "monitor/settings.rs",
    "monitor/sink/alert.rs",
    "monitor/sink/audit.rs",
    "monitor/sink/index.rs",
    "monitor/sink/metrics.rs",
];

#[test]
fn the_pure_files_name_nothing_of_the_outside() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in PURE.iter().chain(&[
        "properties/read.rs",
        "properties/run_task.rs",
        "properties/shape.rs",
        "runner/answer.rs",
    ]) {
        let text = fs::read_to_string(source.join(file)).unwrap();
        for outside in ["aws_sdk_", "reqwest", "tokio", "::now(", "std::env", "Clock"] {
            assert!(!text.contains(outside), "{file} names {outside}");
        }
    }
}

#[test]
fn main_is_a_table_of_contents() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 45, "{} has {lines} lines", path.display());
    }
}
