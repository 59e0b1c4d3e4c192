//! The figures that the function is held to, measured with the zip's own binary against the stage.
//!
//! `make bench` prints them beside their limits. They are no test: a shared machine is too noisy for that, so each is a
//! median, or a count of bytes.
#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use ecs_tasks::rehearse::{
    arn,
    cloudformation::Ask,
    lambda::Function,
    stage::{Config, Pace, Stage},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// How often each time is measured.
const ROUNDS: usize = 41;

/// A figure, its limit, and the unit of both.
struct Figure {
    name: &'static str,
    value: f64,
    limit: f64,
    unit: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<PathBuf> =
        env::args_os().skip(1).map(PathBuf::from).filter(|path| path != Path::new("--bench")).collect();
    let [zip, function] = arguments.as_slice() else {
        println!("usage: figures ZIP BINARY");
        return ExitCode::from(2);
    };
    match figures(zip, function).await {
        Ok(figures) => {
            println!("{:44} {:>10} {:>10}", "", "measured", "limit");
            for Figure { name, value, limit, unit } in &figures {
                let over = if value > limit { "  OVER" } else { "" };
                println!("{name:44} {value:>10.2} {limit:>10.2} {unit}{over}");
            }
            ExitCode::from(u8::from(figures.iter().any(|figure| figure.value > figure.limit)))
        }
        Err(error) => {
            println!("figures: {error}");
            ExitCode::from(2)
        }
    }
}

async fn figures(zip: &Path, function: &Path) -> io::Result<Vec<Figure>> {
    let zip = fs::metadata(zip)?.len() as f64 / 1e6;
    let (mut starts, mut colds, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let stage = stage(function).await?;
        colds.push(request(&stage, 0).await);
        starts.extend(stage.lambda.start_times().iter().map(|time| time.as_seconds_f64() * 1e3));
        stage.close();
    }
    let stage = stage(function).await?;
    request(&stage, 0).await;
    let mut warms = Vec::new();
    for _ in 0..ROUNDS {
        // Lambda hands over the next request when the last has ended.
        tokio::time::sleep(Duration::from_millis(20)).await;
        warms.push(request(&stage, 0).await);
    }
    let mut lags = Vec::new();
    // Looks come every second, so tasks that end between them tell more than those that end with one.
    for seconds in ["3", "3.2", "3.4", "3.6", "3.8"] {
        register(&stage, seconds)?;
        request(&stage, 60).await;
        let task = stage.ecs.tasks().pop().map(|(arn, _)| arn).unwrap_or_default();
        let ended_at = stage.ecs.ended_at(&task).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let answered_at = stage.cloudformation.answers().pop().map_or(OffsetDateTime::UNIX_EPOCH, |answer| answer.at);
        lags.push((answered_at - ended_at).as_seconds_f64());
        memory = memory.max(stage.lambda.peak_memory().unwrap_or_default());
    }
    stage.close();
    Ok(vec![
        Figure { name: "zip", value: zip, limit: 3.2, unit: "MB" },
        Figure { name: "start: spawned to first poll", value: median(starts), limit: 12.0, unit: "ms" },
        Figure { name: "cold request: spawned to answered", value: median(colds), limit: 20.0, unit: "ms" },
        Figure { name: "warm request: invoked to answered", value: median(warms), limit: 4.0, unit: "ms" },
        Figure { name: "answer after the end of a 3 s task", value: median(lags), limit: 1.0, unit: "s" },
        Figure { name: "peak memory", value: memory as f64 / 1024.0, limit: 14.0, unit: "MiB" },
    ])
}

async fn stage(function: &Path) -> io::Result<Arc<Stage>> {
    let config = Config {
        runner: Function::runner(function.to_owned()),
        monitor: None,
        pace: Pace {
            start: Duration::from_millis(1),
            deprovision: Duration::from_secs(1),
            retries: [Duration::ZERO; 2],
        },
    };
    let stage = Stage::open(config, Arc::new(|_| {})).await?;
    stage.ecs.create_cluster("prod");
    register(&stage, "3")?;
    Ok(stage)
}

/// A new revision of the task definition, whose container sleeps.
fn register(stage: &Stage, seconds: &str) -> io::Result<()> {
    let sleep = json!({"name": "app", "image": "busybox", "command": ["sleep", seconds]});
    let definition = json!({"family": "app", "containerDefinitions": [sleep]});
    stage.ecs.register(&definition).map_err(io::Error::other)?;
    Ok(())
}

/// Milliseconds from the invocation to the arrival of its answer.
async fn request(stage: &Stage, timeout: u32) -> f64 {
    let stack_id = arn("cloudformation", "stack/bench/1");
    let properties: Value = json!({
        "ServiceToken": stage.lambda.function_arn(), "Cluster": "prod", "TaskDefinition": "app", "Timeout": timeout,
    });
    let ask = Ask {
        request_type: "Create",
        stack_id: &stack_id,
        logical_id: "Run",
        resource_type: "Custom::ECSTask",
        physical_id: None,
        properties: &properties,
        old_properties: None,
    };
    let began_at = now();
    let settled = stage.cloudformation.request(&ask, &stage.lambda).await;
    assert!(settled.succeeded, "{}", settled.reason);
    let answered_at = stage.cloudformation.answers().pop().map_or(began_at, |answer| answer.at);
    (answered_at - began_at).as_seconds_f64() * 1e3
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> OffsetDateTime {
    OffsetDateTime::from(std::time::SystemTime::now())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
