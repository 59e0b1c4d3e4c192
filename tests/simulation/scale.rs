//! Many stacks of one account deploy at the same time, and share its limits on ECS's API, on
//! Lambda's concurrency and on a table: with the ledger, and by polling.

mod picture;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use rehearse::service::dynamodb::DynamoDb;
use serde_json::{Value, json};
use tokio::{runtime::Builder, task::LocalSet};

use crate::{
    ecs::{Fate, Script, Seconds},
    ledger::{Ledger, LedgerTrouble, is_of_table},
    life::Life,
    stack, wire,
    world::{TASKS_OF_A_STACK, World},
};

/// A limit for an account and region: its operations, the burst, and the sustained rate per second.
type Bucket = (&'static [&'static str], f64, f64);

/// ECS's limits, from its page on request throttling.
const ECS: [Bucket; 3] = [
    (&["RunTask", "StartTask", "StopTask"], 100.0, 40.0),
    (&["DescribeTasks", "ListTasks"], 100.0, 20.0),
    (&["DescribeTaskDefinition"], 50.0, 20.0),
];
/// The limits of a new on-demand table: write units, and those of one partition, which the index
/// `Open` is.
const TABLE_WRITES: Bucket = (&["a table's write units"], 4000.0, 4000.0);
const INDEX_WRITES: Bucket = (&["a partition's write units"], 1000.0, 1000.0);
/// Lambda's concurrency of an account.
const CONCURRENCY: usize = 1000;
/// Time that an invocation waits in Lambda's queue when there is no place, at first and at most.
const QUEUED: [Seconds; 2] = [1.0, 300.0];

/// An account: the things that its stacks share.
pub(crate) struct Account {
    buckets: Mutex<BTreeMap<&'static str, (Seconds, f64)>>,
    pub(crate) table: Arc<DynamoDb>,
    stacks: Mutex<Vec<Weak<World>>>,
    /// Number of running invocations.
    running: AtomicUsize,
    /// Number of calls of each operation that were let through, and that were not.
    calls: Mutex<BTreeMap<String, [usize; 2]>>,
}

impl Account {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            buckets: Mutex::default(),
            table: Ledger::empty_table(),
            stacks: Mutex::default(),
            running: AtomicUsize::new(0),
            calls: Mutex::default(),
        })
    }

    /// True if this call is within the limits.
    pub(crate) fn lets_through(&self, operation: &str, body: &Value, now: Seconds) -> bool {
        let mut buckets = self.buckets.lock().unwrap();
        let lets = if is_of_table(operation) {
            let (table, index) = write_units(operation, body);
            let wanted = [(TABLE_WRITES, table), (INDEX_WRITES, index)];
            let there = wanted
                .iter()
                .all(|(bucket, units)| left(&mut buckets, bucket, now) >= (*units).min(bucket.1));
            for (bucket, units) in wanted.iter().filter(|_| there) {
                take(&mut buckets, bucket, *units);
            }
            there
        } else if let Some(bucket) = ECS
            .iter()
            .find(|(operations, ..)| operations.contains(&operation))
        {
            let there = left(&mut buckets, bucket, now) >= 1.0;
            take(&mut buckets, bucket, f64::from(u8::from(there)));
            there
        } else {
            true
        };
        self.calls
            .lock()
            .unwrap()
            .entry(operation.to_owned())
            .or_default()[usize::from(!lets)] += 1;
        lets
    }

    /// Waits in Lambda's queue until there is a place for an invocation.
    pub(crate) async fn admit(&self) {
        let [mut pause, longest] = QUEUED;
        while self.running.load(Ordering::SeqCst) >= CONCURRENCY {
            self.calls
                .lock()
                .unwrap()
                .entry("an invocation".to_owned())
                .or_default()[1] += 1;
            tokio::time::sleep(Duration::from_secs_f64(pause * (0.5 + fastrand::f64()))).await;
            pause = (pause * 2.0).min(longest);
        }
        self.calls
            .lock()
            .unwrap()
            .entry("an invocation".to_owned())
            .or_default()[0] += 1;
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends an invocation.
    pub(crate) fn leave(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns the stack that a text names by a StackId or by an address with one in it.
    pub(crate) fn stack_of(&self, text: &str) -> Option<Arc<World>> {
        let digits = text.split("shop-").nth(1)?;
        let end = digits
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(digits.len());
        self.stack(digits[..end].parse().ok()?)
    }

    /// Returns the stack that has a task.
    pub(crate) fn stack_of_task(&self, arn: &str) -> Option<Arc<World>> {
        let number = usize::from_str_radix(arn.rsplit('/').next()?, 16).ok()?;
        self.stack(number / TASKS_OF_A_STACK)
    }

    fn stack(&self, number: usize) -> Option<Arc<World>> {
        self.stacks.lock().unwrap().get(number)?.upgrade()
    }

    /// Answers DescribeTasks for tasks of any stack.
    pub(crate) fn describe(&self, body: &Value, now: Seconds) -> Value {
        let mut all = json!({"tasks": [], "failures": []});
        for arn in body["tasks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let Some(stack) = self.stack_of_task(arn) else {
                continue;
            };
            let mut one = stack
                .state()
                .describe(&json!({"cluster": body["cluster"], "tasks": [arn]}), now);
            for name in ["tasks", "failures"] {
                let new = one[name]
                    .as_array_mut()
                    .map(std::mem::take)
                    .unwrap_or_default();
                all[name]
                    .as_array_mut()
                    .into_iter()
                    .for_each(|known| known.extend(new.iter().cloned()));
            }
        }
        all
    }
}

fn left(buckets: &mut BTreeMap<&str, (Seconds, f64)>, bucket: &Bucket, now: Seconds) -> f64 {
    let (names, burst, rate) = bucket;
    let Some((since, left)) = buckets.get_mut(names[0]) else {
        return *burst;
    };
    *left = (*left + (now - *since) * rate).min(*burst);
    *since = now;
    *left
}

fn take(buckets: &mut BTreeMap<&'static str, (Seconds, f64)>, bucket: &Bucket, units: f64) {
    let (names, burst, _) = bucket;
    buckets.entry(names[0]).or_insert((0.0, *burst)).1 -= units;
}

/// Returns the write units that a call takes of the table and of its index. The table takes one for
/// each KB of the item; the index, which holds only keys, takes one, or two if the sort key
/// changes.
fn write_units(operation: &str, body: &Value) -> (f64, f64) {
    /// Write units of a row, as measured.
    const ROW: f64 = 4.0;
    match operation {
        // The queue of throttled starts is one small item.
        "UpdateItem" if body["Key"]["resource"]["S"] == "starts" => (1.0, 0.0),
        "PutItem" if body["Item"]["open"].is_object() => (ROW, 1.0),
        "PutItem" => (1.0, 0.0),
        "UpdateItem" => {
            let moves = body["ExpressionAttributeValues"][":next_look"].is_object();
            (ROW, if moves { 2.0 } else { 1.0 })
        }
        _ => (0.0, 0.0),
    }
}

/// The way in which the stacks wait for their tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Polling,
    Ledger,
    /// With the ledger, and every event is lost.
    WatchAlone,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Ledger => "ledger",
            Self::WatchAlone => "ledger, every event lost",
        }
    }

    fn trouble(self) -> Option<LedgerTrouble> {
        match self {
            Self::Polling => None,
            Self::Ledger => Some(LedgerTrouble::default()),
            Self::WatchAlone => Some(LedgerTrouble {
                dropped: 1.0,
                ..LedgerTrouble::default()
            }),
        }
    }
}

/// The result of a deployment of so many resources at once.
struct Deployed {
    way: Way,
    resources: usize,
    succeeded: usize,
    /// Time at which the last of them was answered.
    took: Seconds,
    /// Sum of the time of Lambda's invocations.
    billed: Seconds,
    /// By operation: calls that were let through, and calls that were throttled.
    calls: BTreeMap<String, [usize; 2]>,
    /// Times from the end of a resource's task to its answer, sorted.
    lags: Vec<Seconds>,
}

/// Deploys so many resources at once; each runs one task for one to three minutes.
fn deploy(resources: usize, way: Way) -> Deployed {
    fastrand::seed(1);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let account = Account::new();
    let (worlds, hub) = LocalSet::new().block_on(&runtime, live_all(resources, way, &account));
    let mut lags = Vec::new();
    let (mut succeeded, mut billed) = (0, 0.0);
    let mut took: Seconds = 0.0;
    for world in &worlds {
        let state = world.state();
        let answer = &state.requests[0].answers[0];
        succeeded += usize::from(answer.body["Status"] == "SUCCESS");
        took = took.max(answer.at);
        lags.push(answer.at - state.tasks[0].ends_at());
        assert_eq!(
            state.launches.len(),
            1,
            "every resource starts its task once"
        );
    }
    for world in worlds.iter().chain(&hub) {
        billed += world
            .state()
            .invocations
            .iter()
            .map(|one| one.ended - one.began)
            .sum::<Seconds>();
    }
    lags.sort_by(f64::total_cmp);
    let calls = account.calls.lock().unwrap().clone();
    Deployed {
        way,
        resources,
        succeeded,
        took,
        billed,
        calls,
        lags,
    }
}

async fn live_all(
    resources: usize,
    way: Way,
    account: &Arc<Account>,
) -> (Vec<Arc<World>>, Option<Arc<World>>) {
    let living = Arc::new(AtomicUsize::new(resources));
    let mut tasks = Vec::new();
    let instance = |world: &Arc<World>| [Arc::new(wire::runner(world))];
    let hub = way.trouble().map(|_| {
        let life = Life {
            chapters: Vec::new(),
            ledger: way.trouble(),
            ..resource(resources as u64, way)
        };
        World::new(life, None, Some(Arc::clone(account)))
    });
    let watching = hub.clone().map(|hub| {
        let living = Arc::clone(&living);
        tokio::task::spawn_local(async move {
            let story = async {
                while living.load(Ordering::SeqCst) > 0 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            stack::live_through(&hub, &instance(&hub), story).await;
        })
    });
    for number in 0..resources {
        let world = World::new(
            resource(number as u64, way),
            None,
            Some(Arc::clone(account)),
        );
        account.stacks.lock().unwrap().push(Arc::downgrade(&world));
        let living = Arc::clone(&living);
        tasks.push(tokio::task::spawn_local(async move {
            stack::live(&world, &instance(&world)).await;
            living.fetch_sub(1, Ordering::SeqCst);
            world
        }));
    }
    let mut worlds = Vec::new();
    for task in tasks {
        worlds.push(task.await.unwrap());
    }
    if let Some(watching) = watching {
        watching.await.unwrap();
    }
    (worlds, hub)
}

fn resource(number: u64, way: Way) -> Life {
    let runs = Rng::with_seed(number).f64() * 120.0 + 60.0;
    let script = Script {
        starting: 20.0,
        deprovisioning: 20.0,
        ..Script::plain(Fate::Exits(0, runs))
    };
    let life = Life::calm(json!({"Timeout": "1800"}), script);
    Life {
        seed: number,
        deleted: false,
        ledger: way.trouble(),
        ..life
    }
}

impl Deployed {
    /// Returns the lag that this share of the resources stays below.
    fn lag(&self, share: f64) -> Seconds {
        self.lags[((self.lags.len() - 1) as f64 * share) as usize]
    }

    /// Returns the calls to ECS that were let through, and those that were throttled.
    fn ecs_calls(&self) -> [usize; 2] {
        let ours = |operation: &str| {
            ECS.iter()
                .any(|(operations, ..)| operations.contains(&operation))
        };
        let calls = self.calls.iter().filter(|(operation, _)| ours(operation));
        calls.fold([0, 0], |[through, throttled], (_, [more, less])| {
            [through + more, throttled + less]
        })
    }

    /// Returns a row of the table in docs/reliability.md.
    fn row(&self) -> String {
        let [through, throttled] = self.ecs_calls();
        format!(
            "| {} | {} | {} | {} | {throttled} | {:.1} s | {:.1} s | {:.1} s | {:.0} s | {:.1} s |",
            self.resources,
            self.way.name(),
            self.succeeded,
            through + throttled,
            self.lag(0.5),
            self.lag(0.99),
            self.lag(1.0),
            self.took,
            self.billed / self.resources as f64,
        )
    }
}

#[test]
fn five_hundred_resources_that_wait_at_once_all_end_right() {
    let deployed = deploy(500, Way::Polling);
    assert_eq!(deployed.succeeded, 500);
    assert!(
        deployed.ecs_calls()[1] > 0,
        "500 waits are more than the account's limits let through"
    );
}

#[test]
fn five_hundred_resources_with_a_ledger_are_answered_within_a_minute() {
    let deployed = deploy(500, Way::Ledger);
    assert_eq!(deployed.succeeded, 500);
    assert!(deployed.lag(0.99) < 60.0, "{}", deployed.row());
}

/// `make scale`: the table in docs/reliability.md, and the picture beside it.
#[test]
#[ignore = "make scale"]
fn scale() {
    let polling = [1, 50, 500, 2000].map(|resources| (resources, Way::Polling));
    let ledger = [1, 50, 500, 2000, 10_000].map(|resources| (resources, Way::Ledger));
    let mut table =
        "| Resources | Way | SUCCESS | Calls to ECS | of these throttled | Lag, median | Lag, 99 % | \
                     Lag, longest | All answered after | Billed for each |\n\
                     | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    print!("{table}");
    let mut all = Vec::new();
    for (resources, way) in polling
        .into_iter()
        .chain(ledger)
        .chain([(2000, Way::WatchAlone)])
    {
        let deployed = deploy(resources, way);
        println!("{}", deployed.row());
        println!("{:?}", deployed.calls);
        table.push_str(&format!("{}\n", deployed.row()));
        all.push(deployed);
    }
    picture::write(&table, &all);
}
