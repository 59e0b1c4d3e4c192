//! The monitor behind its queue: the real function with the real clients, in virtual time. Its sinks meet faults, its
//! invocations die, and messages come back until they have been handled. After each life nothing may be lost, and
//! nothing told twice without a cause.

mod sinks;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use ecs_tasks::{
    function::logging::Logging,
    monitor::{Monitor, decide::settings::Settings},
};
use fastrand::Rng;
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};
use tokio::runtime::Builder;
use tracing::Level;

use self::sinks::{Connector, Sinks, Swallowed, lock};
use crate::{
    Log,
    life::{SECRET, pick},
    wire,
};

const LIVES: u64 = 200;
const NOW: OffsetDateTime = datetime!(2026-11-20 10:20 UTC);
/// The template's.
const LAMBDA_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a message is received before it is a dead letter.
const RECEIVES: usize = 5;
/// From this delivery on nothing goes wrong.
const CALM: usize = 3;

/// What a task's last event says (lastStatus, stoppedReason, exit code), and what the monitor must find.
const ENDS: [(&str, &str, Option<i32>, &str); 5] = [
    ("RUNNING", "", None, "moving"),
    ("STOPPED", "it exited", None, "failed"),
    ("STOPPED", "it exited", Some(0), "succeeded"),
    ("STOPPED", "it exited", Some(1), "failed"),
    ("STOPPED", "the container instance is in DRAINING state", Some(1), "excused"),
];

fn event(task: usize, end: usize) -> Value {
    let (status, reason, exit_code, _) = ENDS[end];
    let mut container = json!({"name": "app", "lastStatus": "STOPPED"});
    if let Some(code) = exit_code {
        container["exitCode"] = code.into();
    }
    json!({
        "id": format!("event-{task}"),
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "time": "2026-11-20T10:16:12Z",
        "detail": {
            "taskArn": format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{task}"),
            "taskDefinitionArn": crate::DEFINITION,
            "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
            "lastStatus": status,
            "stoppedReason": reason,
            "containers": [container],
            "overrides": {"containerOverrides": [
                {"name": "app", "environment": [{"name": "PASSWORD", "value": SECRET}]},
            ]},
            "version": 3,
        },
    })
}

/// Lives a life; what there is to object to, and how many calls it took.
fn live(seed: u64, swallowed: Option<Swallowed>) -> (Vec<String>, usize) {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let sinks = Sinks::new(rng.fork(), swallowed);
    let ends: Vec<usize> = (0..rng.usize(1..130)).map(|_| rng.usize(0..ENDS.len())).collect();
    let rate = pick(&mut rng, &[0.0, 0.02, 0.1, 0.4]);
    let (log, metrics) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut objections = tracing::subscriber::with_default(
        Logging { level: Level::TRACE, json: true }.to(log.clone()),
        || runtime.block_on(queue(&sinks, &metrics, &ends, rate, &mut rng)),
    );

    let sinks = lock(&sinks);
    let count = |told: &[usize], task: usize| told.iter().filter(|told| **told == task).count();
    let measured =
        metrics.lock().unwrap().iter().filter(|line: &&String| line.contains("TaskFailed")).count();
    let failed = ends.iter().filter(|end| ENDS[**end].3 == "failed").count();
    if measured < failed {
        objections.push(format!("{failed} tasks failed, and {measured} were measured"));
    }
    for (task, end) in ends.iter().enumerate() {
        let finding = ENDS[*end].3;
        let kept = sinks.items.get(&task).and_then(|item| item["finding"]["S"].as_str());
        if kept != Some(finding) {
            objections.push(format!("lost: task {task} is {finding}, and the table has {kept:?}"));
        }
        let troubles = sinks.troubles.get(&task).copied().unwrap_or_default();
        for (what, told, troubles) in [
            ("alert", count(&sinks.alerts, task), troubles),
            ("line", count(&sinks.lines, task), troubles + sinks.log_troubles),
        ] {
            let (least, most) = if finding == "failed" { (1, 1 + troubles) } else { (0, 0) };
            if !(least..=most).contains(&told) {
                objections
                    .push(format!("task {task} is {finding} and had {told} {what}s, not {least} to {most}"));
            }
        }
    }
    if String::from_utf8_lossy(&log.0.lock().unwrap()).contains(SECRET) {
        objections.push("a secret is in the log".to_owned());
    }
    (objections, sinks.calls)
}

/// A new process of the function.
fn monitor_of(sinks: &Arc<Mutex<Sinks>>, metrics: &Arc<Mutex<Vec<String>>>) -> Monitor {
    let settings = [
        ("AUDIT_TABLE", "audit"),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:us-west-2:123456789012:alerts"),
        ("EVENTS_LOG_GROUP", "/ecs/failed"),
    ];
    let settings = Settings::of(|name| settings.iter().find(|one| one.0 == name).map(|one| one.1.to_owned()));
    let metrics = Arc::clone(metrics);
    let sink = move |line: &str| metrics.lock().unwrap().push(line.to_owned());
    Monitor::new(settings.unwrap(), wire::config(Connector(Arc::clone(sinks))), Box::new(sink))
}

/// Delivers the events until all have been handled; those that had not been after the last delivery.
async fn queue(
    sinks: &Arc<Mutex<Sinks>>,
    metrics: &Arc<Mutex<Vec<String>>>,
    ends: &[usize],
    rate: f64,
    rng: &mut Rng,
) -> Vec<String> {
    let mut monitor = monitor_of(sinks, metrics);
    let mut waiting: Vec<usize> = (0..ends.len()).collect();
    for receive in 0..=RECEIVES {
        if receive == RECEIVES {
            if !waiting.is_empty() {
                break;
            }
            // EventBridge delivers all of them once more: what has been told is not told again.
            waiting.extend(0..ends.len());
        }
        rng.shuffle(&mut waiting);
        for batch in std::mem::take(&mut waiting).chunks(100) {
            let mut records: Vec<Value> =
                batch.iter().map(|task| record(*task, ends[*task], &format!("m-{task}"))).collect();
            if rng.bool() {
                // EventBridge delivers twice; the queue holds what is no event.
                records.push(record(batch[0], ends[batch[0]], &format!("m-{}", batch[0])));
                records.push(json!({"messageId": "odd", "body": "no event"}));
            }
            let calm = receive >= CALM;
            let died = {
                let mut sinks = lock(sinks);
                sinks.rate = if calm { 0.0 } else { rate };
                sinks.dies_after = (!calm && rng.f64() < rate).then(|| rng.usize(0..2 * batch.len() + 2));
                sinks.died = Arc::default();
                Arc::clone(&sinks.died)
            };
            let answer = tokio::select! {
                answer = tokio::time::timeout(LAMBDA_TIMEOUT, monitor.handle(json!({"Records": records}), NOW)) => answer.ok(),
                () = died.notified() => None,
            };
            let failed: BTreeSet<usize> = match answer {
                Some(answer) => failures(&answer.unwrap()).collect(),
                None => {
                    // What it had told and not marked is told again.
                    monitor = monitor_of(sinks, metrics);
                    for task in batch {
                        *lock(sinks).troubles.entry(*task).or_default() += 1;
                    }
                    batch.iter().copied().collect()
                }
            };
            waiting.extend(failed);
        }
    }
    waiting.iter().map(|task| format!("dead letter: task {task}")).collect()
}

fn record(task: usize, end: usize, message: &str) -> Value {
    json!({"messageId": message, "body": event(task, end).to_string()})
}

fn failures(answer: &Value) -> impl Iterator<Item = usize> {
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().trim_start_matches("m-").parse().unwrap())
}

#[test]
fn the_monitor_loses_nothing_and_tells_nothing_twice_without_a_cause() {
    let calls: usize = (0..LIVES)
        .map(|seed| {
            let (objections, calls) = live(seed, None);
            assert!(objections.is_empty(), "life {seed}: {objections:#?}");
            calls
        })
        .sum();
    println!("{LIVES} lives of the monitor, {calls} calls to AWS, every promise kept");
}

#[test]
fn a_monitor_that_loses_something_is_found_out() {
    for (swallowed, word) in
        [(Swallowed::Items, "lost: "), (Swallowed::Alerts, "had 0 alerts"), (Swallowed::Marks, "alerts, not")]
    {
        let noticed =
            (0..60).find(|seed| live(*seed, Some(swallowed)).0.iter().any(|one| one.contains(word)));
        assert!(noticed.is_some(), "nobody notices that {swallowed:?} are swallowed");
    }
}

/// A table that does not answer keeps nobody from being told, nor the function from ending in time.
#[test]
fn a_table_that_hangs_does_not_keep_people_from_being_told() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let sinks = Sinks::new(Rng::with_seed(1), None);
        lock(&sinks).hangs = Some("PutItem");
        let records: Vec<Value> = (0..100).map(|task| record(task, 1, &format!("m-{task}"))).collect();
        let monitor = monitor_of(&sinks, &Arc::default());
        let answer =
            tokio::time::timeout(LAMBDA_TIMEOUT, monitor.handle(json!({"Records": records}), NOW)).await;
        assert_eq!(failures(&answer.unwrap().unwrap()).count(), 100, "all come back");
        let sinks = lock(&sinks);
        assert_eq!((sinks.alerts.len(), sinks.lines.len()), (100, 100));
    });
}
