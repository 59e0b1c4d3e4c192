//! The monitor: how many events it gets through with all of its sinks, and beside it one invocation
//! and one write for each event, which is how the published set-ups go about it.

use std::{io, ops::Range, path::Path, sync::Arc};

use rehearse::{
    config::{ACCOUNT, REGION, arn},
    service::{events::EventBridge, lambda::Function},
    stage::Stage,
};
use serde_json::{Value, json};

use super::{
    Figure,
    Limit::{AtLeast, AtMost, None as NoLimit},
    ROUNDS, median, megabytes, now, peak, stage, starts,
};

/// The statuses that a task on Fargate goes through.
const LIFE: [&str; 6] = [
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEPROVISIONING",
    "STOPPED",
];
/// One task in so many fails.
const FAILS: usize = 10;
/// Most events in a batch from the queue.
const BATCH: usize = 100;
/// Number of batches that are measured.
const BATCHES: usize = 60;
/// Number of events that are sent by themselves.
const SINGLES: usize = 600;

pub(crate) async fn figures(zip: &Path, binary: &Path) -> io::Result<Vec<Figure>> {
    let mut spawned = Vec::new();
    for _ in 0..ROUNDS {
        let stage = with_monitor(binary, &[]).await?;
        deliver(&stage, &lives(0)).await?;
        spawned.extend(starts(&monitor(&stage)?.lambda));
        stage.close();
    }
    let mixed = in_batches(binary, lives).await?;
    let failed = in_batches(binary, failure).await?;
    let single = one_by_one(binary).await?;
    let memory = memory_of(binary, lives).await?;
    let memory_of_failures = memory_of(binary, failure).await?;

    let told = |name, value, unit| Figure {
        name,
        value,
        limit: NoLimit,
        unit,
    };
    Ok(vec![
        Figure {
            name: "zip",
            value: megabytes(zip)?,
            limit: AtMost(3.25),
            unit: "MB",
        },
        Figure {
            name: "start: spawned to first poll",
            value: median(spawned),
            limit: AtMost(12.0),
            unit: "ms",
        },
        Figure {
            name: "peak memory, a batch of 1,000",
            value: memory,
            limit: AtMost(64.0),
            unit: "MiB",
        },
        Figure {
            name: "  every event a failed task",
            value: memory_of_failures,
            limit: AtMost(64.0),
            unit: "MiB",
        },
        Figure {
            name: "batches of 100, every sink",
            value: mixed.rate,
            limit: AtLeast(2000.0),
            unit: "events/s",
        },
        Figure {
            name: "  invocations for 100 events",
            value: mixed.invocations,
            limit: AtMost(1.0),
            unit: "",
        },
        told("  calls for 100 events", mixed.calls, ""),
        told("  every event a failed task", failed.rate, "events/s"),
        told("  calls for 100 events", failed.calls, ""),
        told("one by one, the table alone", single.rate, "events/s"),
        told("  invocations for 100 events", single.invocations, ""),
        told("  calls for 100 events", single.calls, ""),
    ])
}

/// The cost of handling 100 events.
struct Measured {
    rate: f64,
    invocations: f64,
    calls: f64,
}

impl Measured {
    fn of(stage: &Stage, rates: Vec<f64>, events: usize) -> io::Result<Self> {
        let per_100 = |count: usize| count as f64 * 100.0 / events as f64;
        let invocations = per_100(monitor(stage)?.lambda.invocations());
        Ok(Self {
            rate: median(rates),
            invocations,
            calls: per_100(stage.calls().values().sum()),
        })
    }
}

async fn in_batches(binary: &Path, event: fn(usize) -> Value) -> io::Result<Measured> {
    let stage = with_monitor(binary, &[]).await?;
    let mut rates = Vec::new();
    for number in 0..BATCHES {
        let from = number * BATCH;
        let seconds = deliver(&stage, &batch(from..from + BATCH, event)).await?;
        rates.push(BATCH as f64 / seconds);
    }
    assert_eq!(
        stage.dynamodb.items().len(),
        BATCHES * BATCH,
        "every event is in the table"
    );
    assert_eq!(
        stage.opensearch.documents(),
        BATCHES * BATCH,
        "every event is in the index"
    );
    let measured = Measured::of(&stage, rates, BATCHES * BATCH);
    stage.close();
    measured
}

async fn one_by_one(binary: &Path) -> io::Result<Measured> {
    let stage = with_monitor(
        binary,
        &["ALERT_TOPIC_ARN", "EVENTS_LOG_GROUP", "OPENSEARCH_ENDPOINT"],
    )
    .await?;
    let mut rates = Vec::new();
    for number in 0..SINGLES {
        rates.push(1.0 / deliver(&stage, &lives(number)).await?);
    }
    let measured = Measured::of(&stage, rates, SINGLES);
    stage.close();
    measured
}

/// The most memory that a batch of 1,000 needs.
async fn memory_of(binary: &Path, event: fn(usize) -> Value) -> io::Result<f64> {
    let stage = with_monitor(binary, &[]).await?;
    deliver(&stage, &batch(0..1000, event)).await?;
    let memory = peak(&monitor(&stage)?.lambda);
    stage.close();
    Ok(memory)
}

/// A stage with a monitor that lacks some of its sinks.
async fn with_monitor(binary: &Path, without: &[&str]) -> io::Result<Arc<Stage>> {
    let mut function = Function::monitor(binary.to_owned());
    function.environment.extend(
        without
            .iter()
            .map(|sink| ((*sink).to_owned(), String::new())),
    );
    stage(Function::runner(binary.to_owned()), Some(function), None).await
}

fn monitor(stage: &Stage) -> io::Result<&EventBridge> {
    stage
        .events
        .as_deref()
        .ok_or_else(|| io::Error::other("the stage has no monitor"))
}

/// Seconds from the invocation to its answer, which must say that nothing failed.
async fn deliver(stage: &Stage, payload: &Value) -> io::Result<f64> {
    let payload = payload.to_string().into();
    let began = now();
    let answer = monitor(stage)?
        .lambda
        .invoke_and_wait(payload)
        .await
        .map_err(io::Error::other)?;
    let seconds = (now() - began).as_seconds_f64();
    let answer: Value = serde_json::from_slice(&answer)?;
    assert!(
        answer.is_null() || answer == json!({"batchItemFailures": []}),
        "{answer}"
    );
    Ok(seconds)
}

/// An SQS batch of these events.
fn batch(numbers: Range<usize>, event: fn(usize) -> Value) -> Value {
    let record =
        |number| json!({"messageId": format!("m-{number}"), "body": event(number).to_string()});
    json!({"Records": numbers.map(record).collect::<Vec<_>>()})
}

/// One event after the other of tasks that live one after the other.
fn lives(number: usize) -> Value {
    let (task, step) = (number / LIFE.len(), number % LIFE.len());
    let exit_code = (LIFE[step] == "STOPPED").then(|| usize::from(task.is_multiple_of(FAILS)));
    state_change(task, step, exit_code)
}

/// The end of a task that has failed.
fn failure(number: usize) -> Value {
    state_change(number, LIFE.len() - 1, Some(1))
}

/// An event of a task on Fargate, some 2 KB as they are.
fn state_change(task: usize, step: usize, exit_code: Option<usize>) -> Value {
    let task_arn = arn("ecs", &format!("task/prod/{task:032x}"));
    let mut detail = json!({
        "attachments": [{"id": format!("{task:08x}-eni"), "type": "eni", "status": "ATTACHED", "details": [
            {"name": "subnetId", "value": "subnet-0a1b2c3d4e5f67890"},
            {"name": "networkInterfaceId", "value": format!("eni-{task:017x}")},
            {"name": "macAddress", "value": "0a:98:eb:a7:29:ba"},
            {"name": "privateDnsName", "value": "ip-10-0-0-139.us-west-2.compute.internal"},
            {"name": "privateIPv4Address", "value": "10.0.0.139"},
        ]}],
        "availabilityZone": "us-west-2c",
        "clusterArn": arn("ecs", "cluster/prod"),
        "containers": [{
            "containerArn": task_arn.replacen(":task/", ":container/", 1),
            "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1.42.0",
            "imageDigest": format!("sha256:{task:064x}"),
            "lastStatus": LIFE[step],
            "name": "app",
            "taskArn": task_arn,
            "runtimeId": format!("{task:032x}-3935363592"),
            "networkInterfaces": [{"attachmentId": format!("{task:08x}-eni"),
                "privateIpv4Address": "10.0.0.139"}],
            "cpu": "256",
            "memory": "512",
        }],
        "cpu": "256",
        "createdAt": "2026-11-20T10:15:00.671Z",
        "startedAt": "2026-11-20T10:15:20.179Z",
        "desiredStatus": if step < 4 { "RUNNING" } else { "STOPPED" },
        "ephemeralStorage": {"sizeInGiB": 20},
        "group": "service:app",
        "launchType": "FARGATE",
        "lastStatus": LIFE[step],
        "memory": "512",
        "overrides": {"containerOverrides": [{"name": "app"}]},
        "platformVersion": "1.4.0",
        "startedBy": "ecs-svc/1234567890123456789",
        "taskArn": task_arn,
        "taskDefinitionArn": arn("ecs", "task-definition/app:42"),
        "updatedAt": "2026-11-20T10:16:12.332Z",
        "version": step + 1,
    });
    if let Some(code) = exit_code {
        detail["containers"][0]["exitCode"] = code.into();
        detail["stopCode"] = "EssentialContainerExited".into();
        detail["stoppedReason"] = "Essential container in task exited".into();
        detail["stoppedAt"] = "2026-11-20T10:16:12.332Z".into();
    }
    json!({
        "version": "0",
        "id": format!("{task:08x}-0000-4000-8000-{step:012x}"),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": "2026-11-20T10:16:12Z",
        "region": REGION,
        "resources": [task_arn],
        "detail": detail,
    })
}
