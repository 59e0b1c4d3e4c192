//! The runner: how soon it answers, and how little it is.

use std::{io, path::Path, sync::Arc, time::Duration};

use rehearse::{
    config::arn,
    service::{cloudformation::Ask, lambda::Function},
    stage::Stage,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Figure, Limit::AtMost, ROUNDS, median, megabytes, now, peak, stage, starts};

pub(crate) async fn figures(zip: &Path, binary: &Path) -> io::Result<Vec<Figure>> {
    let (mut spawned, mut colds, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let stage = with_cluster(binary, None).await?;
        colds.push(request(&stage, 0).await);
        spawned.extend(starts(&stage.lambda));
        stage.close();
    }
    let stage = with_cluster(binary, None).await?;
    request(&stage, 0).await;
    let mut warms = Vec::new();
    for _ in 0..ROUNDS {
        // Lambda hands over the next request when the last has ended.
        tokio::time::sleep(Duration::from_millis(20)).await;
        warms.push(request(&stage, 0).await);
    }
    let mut lags = Vec::new();
    // Looks come every second, so tasks that end between them say more than those that end with
    // one.
    for seconds in ["3", "3.2", "3.4", "3.6", "3.8"] {
        register(&stage, seconds)?;
        request(&stage, 60).await;
        lags.push(lag(&stage));
        memory = memory.max(peak(&stage.lambda));
    }
    stage.close();
    let woken = woken(binary).await?;
    Ok(vec![
        Figure {
            name: "zip",
            value: megabytes(zip)?,
            limit: AtMost(3.5),
            unit: "MB",
        },
        Figure {
            name: "start: spawned to first poll",
            value: median(spawned),
            limit: AtMost(12.0),
            unit: "ms",
        },
        Figure {
            name: "cold request: spawned to answered",
            value: median(colds),
            limit: AtMost(20.0),
            unit: "ms",
        },
        Figure {
            name: "warm request: invoked to answered",
            value: median(warms),
            limit: AtMost(4.0),
            unit: "ms",
        },
        Figure {
            name: "answer after the end of a 3 s task",
            value: median(lags),
            limit: AtMost(1.0),
            unit: "s",
        },
        Figure {
            name: "with the ledger: answer after the end of a task",
            value: median(woken.clone()),
            limit: AtMost(0.3),
            unit: "s",
        },
        Figure {
            name: "the slowest of these",
            value: woken.into_iter().fold(0.0, f64::max),
            limit: AtMost(0.5),
            unit: "s",
        },
        Figure {
            name: "peak memory",
            value: memory,
            limit: AtMost(12.0),
            unit: "MiB",
        },
    ])
}

/// From the end of the last task to the last answer, in seconds.
fn lag(stage: &Stage) -> f64 {
    let task = stage
        .ecs
        .tasks()
        .pop()
        .map(|(arn, _)| arn)
        .unwrap_or_default();
    let ended_at = stage
        .ecs
        .ended_at(&task)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let answered_at = stage
        .cloudformation
        .answers()
        .pop()
        .map_or(OffsetDateTime::UNIX_EPOCH, |answer| answer.at);
    (answered_at - ended_at).as_seconds_f64()
}

/// From the end of a task to the answer by the event that says so, in seconds.
async fn woken(binary: &Path) -> io::Result<Vec<f64>> {
    let mut lags = Vec::new();
    for _ in 0..ROUNDS / 2 {
        let stage = with_cluster(binary, Some(Duration::from_secs(3600))).await?;
        register(&stage, "0.5")?;
        request(&stage, 1800).await;
        lags.push(lag(&stage));
        stage.close();
    }
    Ok(lags)
}

async fn with_cluster(binary: &Path, watch: Option<Duration>) -> io::Result<Arc<Stage>> {
    let stage = stage(Function::runner(binary.to_owned()), None, watch).await?;
    stage.ecs.create_cluster("prod");
    register(&stage, "3")?;
    Ok(stage)
}

/// A new revision of the task definition, whose container sleeps.
fn register(stage: &Stage, seconds: &str) -> io::Result<()> {
    let sleep =
        json!({"name": "app", "image": "busybox", "memory": 128, "command": ["sleep", seconds]});
    let definition = json!({"family": "app", "containerDefinitions": [sleep]});
    stage.ecs.register(&definition).map_err(io::Error::other)?;
    Ok(())
}

/// Milliseconds from the invocation to the arrival of its answer.
async fn request(stage: &Stage, timeout: u32) -> f64 {
    let stack_id = arn("cloudformation", "stack/bench/1");
    let properties: Value = json!({
        "ServiceToken": stage.lambda.function_arn(), "Cluster": "prod", "TaskDefinition": "app",
        "Timeout": timeout,
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
    let answered_at = stage
        .cloudformation
        .answers()
        .pop()
        .map_or(began_at, |answer| answer.at);
    (answered_at - began_at).as_seconds_f64() * 1e3
}
