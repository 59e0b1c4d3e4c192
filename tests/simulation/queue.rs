//! The monitor behind its queue: the real function with the real clients, in virtual time. Its
//! sinks meet faults, its invocations die, two instances work at once, tasks come STOPPED twice,
//! and messages come back until they have been handled. After each life nothing may be lost, every
//! failure is reported by itself or in a count, and nothing is reported twice without a cause.

mod sinks;
mod storm;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use ecs_tasks::{
    function::{http::Http, logging::Logging},
    monitor::{Monitor, decide::settings::Settings},
};
use fastrand::Rng;
use futures_util::future::join_all;
use rehearse::service::sns::Sns;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::datetime};
use tokio::runtime::Builder;
use tracing::Level;

use self::sinks::{Connector, Sinks, Swallowed, lock, task_of_arn};
use crate::{
    Log,
    life::{SECRET, pick},
    wire,
};

const LIVES: u64 = 80;
const NOW: OffsetDateTime = datetime!(2026-11-20 10:20 UTC);
/// The function's timeout in the template.
const LAMBDA_TIMEOUT: Duration = Duration::from_secs(60);
/// The queue's visibility timeout in the template: time until a failed message comes back.
const VISIBILITY: Duration = Duration::from_secs(360);
/// Number of times that a message is received before it is a dead letter.
const RECEIVES: usize = 5;
/// Number of the delivery from which on nothing goes wrong.
const CALM: usize = 3;

/// A task's last event (lastStatus, stoppedReason, exit code), and the finding that the monitor
/// must reach.
const ENDS: [(&str, &str, Option<i32>, &str); 5] = [
    ("RUNNING", "", None, "moving"),
    ("STOPPED", "it exited", None, "failed"),
    ("STOPPED", "it exited", Some(0), "succeeded"),
    ("STOPPED", "it exited", Some(1), "failed"),
    (
        "STOPPED",
        "the container instance is in DRAINING state",
        Some(1),
        "excused",
    ),
];

/// One event of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    task: usize,
    end: usize,
    version: usize,
}

impl Sent {
    fn message(self) -> String {
        format!("m-{}-{}", self.task, self.version)
    }

    /// Tasks of three services, and of none.
    fn group(self) -> String {
        match self.task % 4 {
            0 => "family:app".to_owned(),
            service => format!("service:web-{service}"),
        }
    }

    fn json(self) -> Value {
        let (status, reason, exit_code, _) = ENDS[self.end];
        let mut container = json!({"name": "app", "lastStatus": "STOPPED"});
        if let Some(code) = exit_code {
            container["exitCode"] = code.into();
        }
        json!({
            "id": format!("event-{}-{}", self.task, self.version),
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "time": "2026-11-20T10:16:12Z",
            "detail": {
                "taskArn": format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{}", self.task),
                "taskDefinitionArn": crate::DEFINITION,
                "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
                "group": self.group(),
                "lastStatus": status,
                "stoppedReason": reason,
                "containers": [container],
                "overrides": {"containerOverrides": [
                    {"name": "app", "environment": [{"name": "PASSWORD", "value": SECRET}]},
                ]},
                "version": self.version,
            },
        })
    }

    fn record(self) -> Value {
        json!({"messageId": self.message(), "body": self.json().to_string()})
    }
}

/// Draws the events of a life: some tasks come STOPPED twice, with different versions.
fn events(rng: &mut Rng) -> Vec<Sent> {
    let mut events = Vec::new();
    for task in 0..rng.usize(1..130) {
        let sent = Sent {
            task,
            end: rng.usize(0..ENDS.len()),
            version: 3,
        };
        events.push(sent);
        if sent.end > 0 && rng.f64() < 0.2 {
            events.push(Sent { version: 4, ..sent });
        }
    }
    events
}

/// Lives the life of a seed with the real monitor. Returns the objections to it and the number of its
/// calls.
pub(crate) fn live(seed: u64) -> (Vec<String>, usize) {
    live_out(seed, None)
}

fn live_out(seed: u64, swallowed: Option<Swallowed>) -> (Vec<String>, usize) {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let sinks = Sinks::new(rng.fork(), swallowed);
    let events = events(&mut rng);
    let rate = pick(&mut rng, &[0.0, 0.02, 0.1, 0.4]);
    let (log, metrics) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut objections = tracing::subscriber::with_default(
        Logging {
            level: Level::TRACE,
            json: true,
        }
        .to(log.clone()),
        || runtime.block_on(queue(&sinks, &metrics, &events, rate, &mut rng)),
    );

    let sinks = lock(&sinks);
    let items = sinks.dynamodb.items();
    for event in &events {
        let sort = format!("2026-11-20T10:16:12Z#{}#{}", event.task, event.version);
        let item = items.iter().find(|item| item["change"] == sort.as_str());
        let (kept, finding) = (
            item.and_then(|item| item["finding"].as_str()),
            ENDS[event.end].3,
        );
        if kept != Some(finding) {
            objections.push(format!(
                "lost: {event:?} is {finding}, and the table has {kept:?}"
            ));
        }
    }
    let failed: BTreeMap<usize, &Sent> = events
        .iter()
        .filter(|event| ENDS[event.end].3 == "failed")
        .map(|event| (event.task, event))
        .collect();
    let most = |least: usize| least * (1 + sinks.troubles);
    let measured: usize = metrics
        .lock()
        .unwrap()
        .iter()
        .filter(|line: &&String| line.contains("TaskFailed"))
        .count();
    if !(failed.len()..=most(failed.len())).contains(&measured) {
        objections.push(format!(
            "{} tasks failed, and {measured} were measured",
            failed.len()
        ));
    }
    for (task, event) in &failed {
        let of_task = items
            .iter()
            .filter(|item| item["taskArn"].as_str().map(task_of_arn) == Some(*task));
        if of_task
            .filter(|item| item["alerted"].is_string() && item["logged"].is_string())
            .count()
            == 0
        {
            objections.push(format!(
                "the trail does not show that {event:?} was reported"
            ));
        }
        let lines = sinks.lines.iter().filter(|line| *line == task).count();
        if !(1..=most(1)).contains(&lines) {
            objections.push(format!("task {task} had {lines} lines"));
        }
    }
    let mut due: BTreeMap<String, usize> = BTreeMap::new();
    for event in failed.values() {
        let group = event.group();
        let who = group.strip_prefix("service:").unwrap_or("app");
        let words = if ENDS[event.end].2.is_some() {
            "app exited with code 1"
        } else {
            "app ended without an exit code"
        };
        *due.entry(format!("{who} on prod: {words}")).or_default() += 1;
    }
    let reported = reported(&sinks.subjects.lock().unwrap());
    for (group, failures) in &due {
        let reported = reported.get(group).copied().unwrap_or_default();
        if reported < *failures {
            objections.push(format!(
                "unreported: {failures} of {group}, and {reported} were reported"
            ));
        }
        if reported > most(*failures) {
            objections.push(format!(
                "reported twice: {failures} of {group}, and {reported} were reported"
            ));
        }
    }
    if let Some(other) = reported.keys().find(|group| !due.contains_key(*group)) {
        objections.push(format!("nobody failed like {other}"));
    }
    if String::from_utf8_lossy(&log.0.lock().unwrap()).contains(SECRET) {
        objections.push("a secret is in the log".to_owned());
    }
    (objections, sinks.calls.values().sum())
}

/// Returns the number of failures reported of each group, by the subjects.
fn reported(subjects: &[String]) -> BTreeMap<String, usize> {
    let mut reported = BTreeMap::new();
    for subject in subjects {
        let (what, group) = subject.split_once(" failed: ").unwrap();
        let count = what
            .split(' ')
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        *reported
            .entry(group.trim_end_matches(" (, )").to_owned())
            .or_default() += count;
    }
    reported
}

/// An instance of the function.
struct Instance {
    monitor: Monitor,
    sinks: Arc<Mutex<Sinks>>,
}

type Metrics = Arc<Mutex<Vec<String>>>;

fn monitor_of(sinks: &Arc<Mutex<Sinks>>, metrics: &Metrics) -> Monitor {
    let topic = Sns::topic_arn();
    let settings = [
        ("AUDIT_TABLE", "audit"),
        ("ALERT_TOPIC_ARN", &topic),
        ("EVENTS_LOG_GROUP", "/ecs/failed"),
    ];
    let settings = Settings::of(|name| {
        settings
            .iter()
            .find(|one| one.0 == name)
            .map(|one| one.1.to_owned())
    });
    let metrics = Arc::clone(metrics);
    let sink = move |line: &str| metrics.lock().unwrap().push(line.to_owned());
    Monitor::new(
        settings.unwrap(),
        wire::config(Connector(Arc::clone(sinks))),
        Http::default(),
        Box::new(sink),
    )
}

impl Instance {
    fn new(sinks: &Arc<Mutex<Sinks>>, metrics: &Metrics) -> Self {
        Self {
            monitor: monitor_of(sinks, metrics),
            sinks: Arc::clone(sinks),
        }
    }

    /// Invokes the instance as the queue does, and returns the events that come back.
    async fn deliver(&self, batch: &[Sent], odd: bool, now: OffsetDateTime) -> Vec<Sent> {
        let mut records: Vec<Value> = batch.iter().map(|event| event.record()).collect();
        if odd {
            // EventBridge delivers twice, and the queue has messages that are not events.
            records.push(batch[0].record());
            records.push(json!({"messageId": "odd", "body": "no event"}));
        }
        let handled = self.monitor.handle(json!({"Records": records}), now);
        let Ok(answer) = tokio::time::timeout(LAMBDA_TIMEOUT, handled).await else {
            lock(&self.sinks).troubles += 1;
            return batch.to_vec();
        };
        let failed = failures(&answer.unwrap());
        batch
            .iter()
            .filter(|event| failed.contains(&event.message()))
            .copied()
            .collect()
    }

    /// Invokes the instance as the schedule does.
    async fn tick(&self, now: OffsetDateTime) {
        let time = now.format(&Rfc3339).unwrap();
        let event = json!({"source": "aws.events", "detail-type": "Scheduled Event", "time": time, "detail": {}});
        // A failed round is repeated a minute later.
        let _ = tokio::time::timeout(LAMBDA_TIMEOUT, self.monitor.handle(event, now)).await;
    }
}

/// Delivers the events until all have been handled, and returns those that the last delivery left.
async fn queue(
    sinks: &Arc<Mutex<Sinks>>,
    metrics: &Metrics,
    events: &[Sent],
    rate: f64,
    rng: &mut Rng,
) -> Vec<String> {
    let mut waiting: Vec<Sent> = events.to_vec();
    let mut instances = [0, 1].map(|_| Instance::new(sinks, metrics));
    let mut now = NOW;
    for receive in 0..=RECEIVES {
        if receive == RECEIVES {
            if !waiting.is_empty() {
                break;
            }
            // EventBridge delivers all of them once more: a reported failure is not reported again.
            waiting.extend(events);
        }
        let calm = receive >= CALM;
        rng.shuffle(&mut waiting);
        let batches: Vec<Vec<Sent>> = std::mem::take(&mut waiting)
            .chunks(rng.usize(10..101))
            .map(<[Sent]>::to_vec)
            .collect();
        for pair in batches.chunks(2) {
            let deadly = !calm && rng.f64() < rate;
            let died = {
                let mut sinks = lock(sinks);
                sinks.rate = if calm { 0.0 } else { rate };
                sinks.dies_after = deadly.then(|| rng.usize(0..2 * pair[0].len() + 2));
                sinks.died = Arc::default();
                Arc::clone(&sinks.died)
            };
            let odd = rng.bool();
            let both = instances
                .iter()
                .zip(pair)
                .map(|(instance, batch)| instance.deliver(batch, odd, now));
            let failed = tokio::select! {
                failed = join_all(both) => Some(failed.concat()),
                () = died.notified() => None,
            };
            waiting.extend(failed.unwrap_or_else(|| {
                // Failures that they had reported but not written down are reported again.
                lock(sinks).troubles += 1;
                instances = [0, 1].map(|_| Instance::new(sinks, metrics));
                pair.concat()
            }));
        }
        now += VISIBILITY;
        instances[0].tick(now).await;
    }
    lock(sinks).rate = 0.0;
    for _ in 0..2 {
        now += VISIBILITY;
        instances[0].tick(now).await;
    }
    waiting
        .iter()
        .map(|event| format!("dead letter: {event:?}"))
        .collect()
}

fn failures(answer: &Value) -> BTreeSet<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_monitor_loses_nothing_and_reports_nothing_twice_without_a_cause() {
    let calls: usize = (0..LIVES)
        .map(|seed| {
            let (objections, calls) = live(seed);
            assert!(objections.is_empty(), "life {seed}: {objections:#?}");
            calls
        })
        .sum();
    println!("{LIVES} lives of the monitor, {calls} calls to AWS, every promise kept");
}

#[test]
fn a_monitor_that_loses_something_is_found_out() {
    for (swallowed, word) in [
        (Swallowed::Items, "lost: "),
        (Swallowed::Alerts, "unreported: "),
        (Swallowed::Marks, "unreported: "),
        (Swallowed::Leases, "reported twice: "),
    ] {
        let noticed = (0..60).find(|seed| {
            live_out(*seed, Some(swallowed))
                .0
                .iter()
                .any(|one| one.contains(word))
        });
        assert!(
            noticed.is_some(),
            "nobody notices that {swallowed:?} are swallowed"
        );
    }
}

/// A table that does not answer must not keep people from being alerted, nor the function from
/// ending in time.
#[test]
fn a_table_that_hangs_does_not_keep_people_from_being_reported() {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let sinks = Sinks::new(Rng::with_seed(1), None);
        lock(&sinks).hangs = &[
            "PutItem",
            "BatchWriteItem",
            "UpdateItem",
            "TransactWriteItems",
        ];
        let records: Vec<Value> = (0..100)
            .map(|task| {
                Sent {
                    task: 4 * task,
                    end: 1,
                    version: 3,
                }
                .record()
            })
            .collect();
        let instance = Instance::new(&sinks, &Arc::default());
        let answer = tokio::time::timeout(
            LAMBDA_TIMEOUT,
            instance.monitor.handle(json!({"Records": records}), NOW),
        )
        .await;
        assert_eq!(
            failures(&answer.unwrap().unwrap()).len(),
            100,
            "all come back"
        );
        let sinks = lock(&sinks);
        let reported = reported(&sinks.subjects.lock().unwrap());
        assert_eq!(
            reported.into_values().collect::<Vec<_>>(),
            [100],
            "in one message"
        );
        assert_eq!(sinks.lines.len(), 100);
    });
}
