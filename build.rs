//! Stamps version, git revision and target into the binary, so that a log tells which code ran.

use std::{env, path::Path, process::Command};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo talks to build scripts by variables"
)]
fn main() {
    let revision = if Path::new(".git").exists() {
        revision().unwrap_or_default()
    } else {
        String::new()
    };
    let target = env::var("TARGET").unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let stamp: Vec<&str> = [version.as_str(), &revision, &target]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    println!("cargo:rustc-env=ECS_TASKS_REVISION={revision}");
    println!("cargo:rustc-env=ECS_TASKS_TARGET={target}");
    println!(
        "cargo:rustc-env=ECS_TASKS_USER_AGENT=ecs-tasks/{}",
        stamp.join("-")
    );
    println!("cargo:rerun-if-changed=build.rs");
    for file in [".git/HEAD", ".git/logs/HEAD", ".git/packed-refs"]
        .iter()
        .filter(|file| Path::new(file).exists())
    {
        println!("cargo:rerun-if-changed={file}");
    }
}

fn revision() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let revision = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| revision.trim().to_owned())
}
