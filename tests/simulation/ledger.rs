//! The parts of a life with a ledger: the table, ECS's events through the rule `Ended`, and the
//! watch's clock, with all that can go wrong with them.

use std::{fmt, sync::Arc, time::Duration};

use ecs_tasks::runner::decide::{ledger::Row, wait::Wait};
use fastrand::Rng;
use rehearse::service::{
    dynamodb::{DynamoDb, LEDGER},
    rules::ended_matches,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Notify;

use crate::{
    ecs::{Seconds, SimTask},
    life::{Fault, pick},
    stack::Event,
    world::{Delivery, EPOCH, World},
};

/// Time between two rounds of the watch.
const PERIOD: Seconds = 60.0;
/// Stands for the request of an invocation that an event has made.
pub(crate) const EVENT: &str = "event";
/// The same for the watch.
pub(crate) const WATCH: &str = "watch";
/// The cluster that makes the runner panic at each call.
pub(crate) const CURSED: &str = "cursed";

/// The table and the rules.
pub(crate) struct Ledger {
    pub(crate) table: Arc<DynamoDb>,
    /// A task has been started or stopped.
    pub(crate) changed: Notify,
}

/// The troubles of a ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct LedgerTrouble {
    /// Probabilities that an event is lost, and that it comes twice; probability that it comes
    /// late, with the longest delay.
    pub(crate) dropped: f64,
    pub(crate) doubled: f64,
    pub(crate) delayed: Option<(f64, Seconds)>,
    /// The table's trouble, its start and its length.
    pub(crate) table: Option<(TableTrouble, Seconds, Seconds)>,
    /// Probabilities that a round of the watch comes late, and that it comes twice.
    pub(crate) watch_late: f64,
    pub(crate) watch_doubled: f64,
    /// Time at which the watch's rule is disabled.
    pub(crate) watch_dies: Option<Seconds>,
    /// Probability that the invocations for a request die three times.
    pub(crate) dies_thrice: f64,
    /// Time at which open rows become rows of another version.
    pub(crate) spoiled: Option<(Spoiled, Seconds)>,
    /// Another stack's row is in the table, and makes the runner panic at each look at its task.
    pub(crate) cursed: bool,
}

/// The troubles of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableTrouble {
    Denies,
    Throttles,
    IsSlow,
    /// The request takes effect, but no answer comes.
    IsCutAfter,
}

/// The form of a row of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoiled {
    /// Its wait has an unknown version.
    Version,
    /// Its wait is not JSON.
    Wait,
    /// It has an unknown state.
    State,
}

impl LedgerTrouble {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut trouble = Self::default();
        let mut chance = |of: f64| rng.f64() < of;
        if chance(0.35) {
            return trouble;
        }
        let kinds = [0.4, 0.3, 0.3, 0.2, 0.2, 0.2, 0.1, 0.25, 0.08].map(&mut chance);
        if kinds[0] {
            trouble.dropped = pick(rng, &[0.3, 1.0]);
        }
        if kinds[1] {
            trouble.doubled = pick(rng, &[0.3, 1.0]);
        }
        if kinds[2] {
            trouble.delayed = Some((pick(rng, &[0.3, 1.0]), pick(rng, &[3.0, 40.0, 400.0])));
        }
        if kinds[3] {
            let kind = pick(
                rng,
                &[
                    TableTrouble::Denies,
                    TableTrouble::Throttles,
                    TableTrouble::IsSlow,
                    TableTrouble::IsCutAfter,
                ],
            );
            let from = pick(rng, &[0.0, 0.0, 1.0, 30.0, 200.0]) * rng.f64();
            trouble.table = Some((kind, from, pick(rng, &[3.0, 40.0, 200.0, 1e6])));
        }
        if kinds[4] {
            trouble.watch_late = pick(rng, &[0.2, 1.0]);
        }
        if kinds[5] {
            trouble.watch_doubled = pick(rng, &[0.3, 1.0]);
        }
        if kinds[6] {
            trouble.watch_dies = Some(pick(rng, &[0.0, 20.0, 100.0, 400.0]) * rng.f64());
        }
        if kinds[7] {
            trouble.dies_thrice = pick(rng, &[0.3, 1.0]);
        }
        if kinds[8] {
            let kind = pick(rng, &[Spoiled::Version, Spoiled::Wait, Spoiled::State]);
            trouble.spoiled = Some((kind, pick(rng, &[5.0, 40.0, 200.0]) * rng.f64()));
        }
        trouble
    }

    /// Returns the fault of a call to the table at this time.
    pub(crate) fn fault(&self, now: Seconds) -> Option<Fault> {
        match self
            .table
            .filter(|(_, from, long)| (*from..from + long).contains(&now))?
            .0
        {
            TableTrouble::Denies => None,
            TableTrouble::Throttles => Some(Fault::Throttled),
            TableTrouble::IsSlow => Some(Fault::Slow),
            TableTrouble::IsCutAfter => Some(Fault::CutAfter),
        }
    }

    pub(crate) fn denies(&self, now: Seconds) -> bool {
        self.table.is_some_and(|(kind, from, long)| {
            kind == TableTrouble::Denies && (from..from + long).contains(&now)
        })
    }
}

/// True if an operation is one of DynamoDB's.
pub(crate) fn is_of_table(operation: &str) -> bool {
    matches!(
        operation,
        "PutItem" | "UpdateItem" | "Query" | "BatchGetItem"
    )
}

impl Ledger {
    pub(crate) fn over(table: Arc<DynamoDb>) -> Self {
        Self {
            table,
            changed: Notify::new(),
        }
    }

    pub(crate) fn empty_table() -> Arc<DynamoDb> {
        Arc::new(DynamoDb::new(Arc::new(|_| {})))
    }

    /// Returns the rows of requests, as they are now.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Value> {
        self.table
            .ledger()
            .into_iter()
            .filter(|row| row["resource"] != WATCH)
    }

    /// True if the table has a request that has not been answered.
    pub(crate) fn has_open_rows(&self) -> bool {
        self.rows().any(|row| row["open"].is_string())
    }

    fn beat(&self, at: Seconds) {
        let beat = ((EPOCH as f64 + at) * 1000.0) as i64;
        let item = json!({"resource": {"S": WATCH}, "request": {"S": "heartbeat"}, "beat": {"N": beat.to_string()}});
        self.table
            .call("PutItem", &json!({"TableName": LEDGER, "Item": item}))
            .unwrap();
    }

    /// Writes the row of another stack, whose task runs in the cursed cluster for an hour.
    fn curse(&self) {
        let mut wait: Value = serde_json::from_str(include_str!("../wait/v1.json")).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(EPOCH).unwrap();
        let at = |seconds| now + time::Duration::seconds(seconds);
        wait["cluster"] = CURSED.into();
        for (name, seconds) in [("started_at", 0), ("next_look", 0), ("deadline", 3600)] {
            wait[name] = at(seconds).format(&Rfc3339).unwrap().into();
        }
        let wait = Wait::read(&wait).unwrap();
        let item = Row::promised(&wait, now, now).item();
        let item: Value = item
            .into_iter()
            .map(|(name, value)| (name, typed(&value)))
            .collect();
        self.table
            .call("PutItem", &json!({"TableName": LEDGER, "Item": item}))
            .unwrap();
    }

    fn spoil(&self, how: Spoiled) {
        for row in self.rows().filter(|row| row["open"].is_string()) {
            let (name, value) = match how {
                Spoiled::Version => (
                    "wait",
                    row["wait"]
                        .as_str()
                        .unwrap_or("{}")
                        .replacen(":1,", ":99,", 1),
                ),
                Spoiled::Wait => ("wait", "{".to_owned()),
                Spoiled::State => ("state", "hibernating".to_owned()),
            };
            if row[name].is_null() {
                continue;
            }
            let body = json!({
                "TableName": LEDGER,
                "Key": {"resource": {"S": row["resource"]}, "request": {"S": row["request"]}},
                "UpdateExpression": "SET #name = :value",
                "ExpressionAttributeNames": {"#name": name},
                "ExpressionAttributeValues": {":value": {"S": value}},
            });
            self.table.call("UpdateItem", &body).unwrap();
        }
    }
}

/// A value as DynamoDB types it.
fn typed(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::Array(items) => json!({"L": items.iter().map(typed).collect::<Vec<_>>()}),
        Value::Bool(bool) => json!({"BOOL": bool}),
        text => json!({"S": text}),
    }
}

/// Runs the rules of a life with a ledger, as long as the life lasts.
pub(crate) async fn rules(world: &Arc<World>) {
    let Some(ledger) = &world.ledger else {
        return std::future::pending().await;
    };
    if world.trouble().cursed {
        ledger.curse();
    }
    let spoiling = async {
        if let Some((how, at)) = world.trouble().spoiled {
            tokio::time::sleep(Duration::from_secs_f64(at)).await;
            world.note(format!(
                "every open row becomes one of another version: {how:?}"
            ));
            ledger.spoil(how);
        }
    };
    match &world.account {
        // The account has one watch for all stacks, and each stack has its own tasks.
        Some(_) if world.is_hub() => watch(world, ledger).await,
        Some(_) => ended(world, ledger).await,
        None => {
            tokio::join!(ended(world, ledger), watch(world, ledger), spoiling);
        }
    }
}

/// The rule `Watch`: once a minute, sometimes late or twice. It has come round before the life
/// begins.
async fn watch(world: &Arc<World>, ledger: &Ledger) {
    let trouble = world.trouble();
    let phase = world.state().rng.f64() * PERIOD;
    let ends_at = trouble.watch_dies.unwrap_or(Seconds::INFINITY);
    if trouble.watch_dies != Some(0.0) {
        ledger.beat(phase - PERIOD);
    }
    for round in 0.. {
        let due = phase + f64::from(round) * PERIOD;
        let (late, twice) = {
            let mut state = world.state();
            let late = state.rng.f64() < trouble.watch_late;
            let late = if late {
                state.rng.f64() * 100.0
            } else {
                state.rng.f64()
            };
            (late, state.rng.f64() < trouble.watch_doubled)
        };
        tokio::time::sleep(Duration::from_secs_f64((due - world.now()).max(0.0))).await;
        if due >= ends_at {
            world.note("the watch's rule is disabled");
            return;
        }
        for number in 0..=u32::from(twice) {
            let delivery = Delivery {
                request: WATCH.to_owned(),
                number: 2 * round + number,
                chain: 1,
            };
            let event = json!({"Watch": {}});
            world.queue(Event {
                payload: event,
                delivery,
                delay: Duration::from_secs_f64(late),
            });
        }
    }
}

/// The rule `Ended`: ECS reports how a task has changed, as long as it knows the task.
async fn ended(world: &Arc<World>, ledger: &Ledger) {
    let mut told: Vec<(u32, Value)> = Vec::new();
    loop {
        let changed = ledger.changed.notified();
        let now = world.now();
        let mut next = Seconds::INFINITY;
        let mut events = Vec::new();
        {
            let state = world.state();
            told.resize(state.tasks.len(), (0, Value::Null));
            for (task, (version, before)) in state.tasks.iter().zip(&mut told) {
                next = task
                    .changes()
                    .into_iter()
                    .filter(|at| *at > now)
                    .fold(next, Seconds::min);
                let detail = task.described(now, EPOCH as f64);
                if detail == *before || task.has_vanished(now) {
                    continue;
                }
                *version += 1;
                *before = detail;
                events.push(event(task, before.clone(), *version));
            }
        }
        for event in events.into_iter().filter(ended_matches) {
            deliver(world, event);
        }
        let pause = if next.is_finite() {
            (next - now).max(0.001)
        } else {
            1e6
        };
        // Another task has started, or one has ended unexpectedly.
        let _ = tokio::time::timeout(Duration::from_secs_f64(pause), changed).await;
    }
}

fn event(task: &SimTask, mut detail: Value, version: u32) -> Value {
    for name in ["createdAt", "startedAt", "executionStoppedAt", "stoppedAt"] {
        if let Some(seconds) = detail[name].as_f64() {
            let time = OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e9) as i128).unwrap();
            detail[name] = time.format(&Rfc3339).unwrap().into();
        }
    }
    detail["version"] = version.into();
    detail.as_object_mut().unwrap().remove("tags");
    json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail,
        "resources": [task.arn]})
}

fn deliver(world: &Arc<World>, event: Value) {
    let trouble = world.trouble();
    let (dropped, times, delays) = {
        let mut state = world.state();
        let dropped = state.rng.f64() < trouble.dropped;
        let times = 1 + usize::from(state.rng.f64() < trouble.doubled);
        let delays = [0; 2].map(|_| {
            let late = trouble
                .delayed
                .filter(|(chance, _)| state.rng.f64() < *chance);
            0.01 + 0.3 * state.rng.f64() + late.map_or(0.0, |(_, most)| state.rng.f64() * most)
        });
        (dropped, times, delays)
    };
    let status = event["detail"]["lastStatus"].as_str().unwrap_or_default();
    if dropped {
        world.note(format!("the event {status} is lost"));
        return;
    }
    for delay in &delays[..times] {
        let number = world.next_event();
        let delivery = Delivery {
            request: EVENT.to_owned(),
            number,
            chain: 1,
        };
        world.queue(Event {
            payload: event.clone(),
            delivery,
            delay: Duration::from_secs_f64(*delay),
        });
    }
}

impl World {
    /// Returns the troubles of its ledger.
    pub(crate) fn trouble(&self) -> LedgerTrouble {
        self.life.ledger.clone().unwrap_or_default()
    }
}

impl fmt::Display for LedgerTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
