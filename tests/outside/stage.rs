//! The stage's ECS as a server, for implementations of CloudFormation and Lambda that others wrote.
//!
//! It writes its address, and then reads one JSON object a line, which it adds to what it knows: a
//! cluster, or a service or a task definition as ECS describes it. It answers each line with one
//! line, and ends with its input.

use std::{env, io::stdin, sync::Arc, time::Duration};

use rehearse::{
    config::Pace,
    report::Report,
    service::{ecs::Engine, lambda::Function},
    stage::{Config, Stage},
};
use serde_json::Value;
use tokio::task::spawn_blocking;

/// The first argument is a program that handles ECS's events as a Lambda function would.
#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its input and output are its interface"
)]
async fn main() {
    let takes_events = env::args_os()
        .nth(1)
        .expect("a program that takes the events");
    let config = Config {
        runner: Function::runner("/nonexistent".into()),
        monitor: Some(Function {
            environment: env::vars()
                .filter(|(name, _)| name == "PATH" || name == "EVENTS_TO")
                .collect(),
            ..Function::monitor(takes_events.into())
        }),
        pace: Pace {
            start: Duration::from_millis(50),
            deprovision: Duration::from_millis(300),
            retries: [Duration::from_millis(200); 2],
        },
        engine: Engine::default(),
        watch: None,
    };
    let reporter = |report| {
        if let Report::Note(text) | Report::Log(text) = report {
            eprintln!("{text}");
        }
    };
    let stage = Stage::open(config, Arc::new(reporter))
        .await
        .expect("a port on loopback");
    println!("{}", stage.endpoint());
    while let Ok(Some(Ok(line))) = spawn_blocking(|| stdin().lines().next()).await {
        match learn(&stage, &line) {
            Ok(()) => println!("known"),
            Err(problem) => println!("{problem}"),
        }
    }
    stage.close();
    stage.closed().await;
}

fn learn(stage: &Stage, line: &str) -> Result<(), String> {
    let told: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match (told["cluster"].as_str(), told["serviceName"].as_str()) {
        (Some(name), _) => {
            stage.ecs.create_cluster(name);
            stage.ecs.add_instances(name);
        }
        (None, Some(name)) => {
            stage
                .ecs
                .create_service(told["clusterArn"].as_str().unwrap_or_default(), name, &told);
        }
        (None, None) => stage.ecs.register_given(&told)?,
    }
    Ok(())
}
