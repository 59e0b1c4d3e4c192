//! Rehearses a template: the whole life of its Custom::ECSTask resources, on this machine.

use std::process::ExitCode;

use clap::Parser;
use rehearse::cli::{Arguments, rehearse};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    rehearse(Arguments::parse()).await
}
