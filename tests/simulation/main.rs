//! The simulation: the runner's real code with the real SDK clients lives thousands of lives in a
//! world of faults, in virtual time. After each life every promise of docs/reliability.md is
//! checked.
//!
//! `make soak SEEDS=100000` lives as many lives as you like and prints each broken promise; `SEED=7
//! make soak` replays one life step by step.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says why"
)]

mod calls;
mod ecs;
mod found;
mod guard;
mod hooks;
mod ledger;
mod life;
mod queue;
mod rules;
mod sabotage;
mod scale;
mod stack;
mod wire;
mod world;

use std::{
    collections::BTreeSet,
    env,
    io::Write,
    ops::Range,
    panic::resume_unwind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use ecs_tasks::function::logging::Logging;
use serde_json::Value;
use tokio::{runtime::Builder, task::LocalSet};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use self::{life::Life, sabotage::Sabotage, world::World};

/// The one task definition.
pub(crate) const DEFINITION: &str = "arn:aws:ecs:us-west-2:123456789012:task-definition/app:7";

/// The stack of a life, in bytes.
const STACK: usize = 16 << 20;

/// The result of a life.
struct Lived {
    objections: Vec<String>,
    /// The events of the life, step by step.
    steps: String,
    calls: usize,
    /// Every answer that the bucket accepted, request by request.
    answers: Vec<Value>,
    /// The function's log, at every level.
    log: String,
}

impl Lived {
    /// Fails the test if the life has broken a promise.
    #[track_caller]
    fn assert_kept(&self) {
        assert!(
            self.objections.is_empty(),
            "{}{}",
            self.steps,
            self.objections.join("\n")
        );
    }

    /// Fails the test if CloudFormation got an answer other than SUCCESS.
    #[track_caller]
    fn assert_succeeded(&self) {
        let succeeded = |answer: &Value| answer["Status"] == "SUCCESS";
        assert!(self.answers.iter().all(succeeded), "{}", self.steps);
    }
}

/// Does the work in virtual time, and returns its result and the function's log.
///
/// It has a thread of its own: without optimization a life needs more stack than a test has.
fn simulated<T: Send, W: Future<Output = T>>(
    seed: u64,
    work: impl FnOnce() -> W + Send,
) -> (T, String) {
    let log = Log::default();
    let logging = Logging {
        level: Level::TRACE,
        json: true,
    };
    let subscriber = logging.to(log.clone());
    let live = || {
        // The source of the runner's jitter.
        fastrand::seed(seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        tracing::subscriber::with_default(subscriber, || LocalSet::new().block_on(&runtime, work()))
    };
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, live).unwrap().join()
    });
    let done = done.unwrap_or_else(|panic| resume_unwind(panic));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, log)
}

/// Lives the life of a seed, with the real runner or with one that breaks a rule.
fn live(seed: u64, sabotage: Option<Sabotage>) -> Lived {
    live_out(Life::of(seed), sabotage)
}

fn live_out(life: Life, sabotage: Option<Sabotage>) -> Lived {
    let head = life.to_string();
    let (world, log) = simulated(life.seed, || async {
        let world = World::new(life, sabotage, None);
        // Lambda has two instances, and each invocation uses one of them.
        let instances = [wire::runner(&world), wire::runner(&world)].map(Arc::new);
        stack::live(&world, &instances).await;
        world
    });
    let objections = rules::broken(&world, &log);
    let state = world.state();
    let answers = state
        .requests
        .iter()
        .flat_map(|asked| &asked.answers)
        .map(|answer| answer.body.clone())
        .collect();
    Lived {
        objections,
        steps: format!("{head}{}", state.journal_lines()),
        calls: state.calls.len(),
        answers,
        log,
    }
}

/// Lives these seeds on all cores, until `lives_on` returns false for one.
fn live_all(seeds: Range<u64>, lives_on: impl Fn(u64) -> bool + Sync) {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    if !lives_on(seed) {
                        is_over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Lives these lives, looks at each, and checks that every promise is kept.
#[track_caller]
fn check(seeds: Range<u64>, look_at: impl Fn(&Lived) + Sync) {
    let lives = seeds.end - seeds.start;
    let (found, calls) = (Mutex::new(None), AtomicUsize::new(0));
    live_all(seeds, |seed| {
        let lived = live(seed, None);
        calls.fetch_add(lived.calls, Ordering::Relaxed);
        look_at(&lived);
        let keeps = lived.objections.is_empty();
        if !keeps {
            found.lock().unwrap().get_or_insert((seed, lived));
        }
        keeps
    });
    if let Some((seed, lived)) = found.into_inner().unwrap() {
        panic!(
            "{}\n{}\nreplay: SEED={seed} make soak",
            lived.steps,
            lived.objections.join("\n")
        );
    }
    println!(
        "{lives} lives, {} calls to AWS, every promise kept",
        calls.into_inner()
    );
}

/// `make outside` lives more of them for its judges, and `make soak` as many as there is time for.
///
/// The fields of all lines are those in the table of docs/logging.md.
#[test]
fn hundreds_of_lives_keep_every_promise_and_log_only_what_the_page_names() {
    let page = include_str!("../../docs/logging.md");
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with("| Field"))
        .skip(2);
    let rows = table.take_while(|line| line.starts_with("| "));
    let mut named: BTreeSet<&str> = rows
        .flat_map(|row| row[2..].split(" | ").next().unwrap().split(", "))
        .collect();
    named.extend(["level", "timestamp", "message"]);
    let seen = Mutex::new(BTreeSet::new());
    let look_at = |lived: &Lived| {
        for line in lived.log.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let fields = line.as_object().unwrap().keys();
            let fields = fields.map(|field| {
                let known = named.get(field.as_str()).copied();
                known.unwrap_or_else(|| panic!("{line}"))
            });
            seen.lock().unwrap().extend(fields);
            assert!(
                line["message"].is_string() && line["level"].is_string(),
                "{line}"
            );
        }
    };
    check(0..200, look_at);
    for seed in 0..60 {
        look_at(&hooks::live(seed));
    }
    let seen = seen.into_inner().unwrap();
    let elsewhere = ["version", "revision", "target", "place"];
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !seen.contains(**name) && !elsewhere.contains(name))
        .collect();
    assert!(missing.is_empty(), "no line has {missing:?}");
}

/// Lives `SEEDS` seeds from `FIRST` on, and prints a line for each broken promise. A seed is a life
/// of requests, one of deployments, and every tenth one of the monitor; with ONLY=hooks the second
/// alone.
#[test]
#[ignore = "make soak"]
#[expect(
    clippy::disallowed_methods,
    reason = "make soak sets SEED, or FIRST, SEEDS and ONLY"
)]
fn soak() {
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|number| number.parse::<u64>().ok())
    };
    if let Some(seed) = number("SEED") {
        for lived in [live(seed, None), hooks::live(seed)] {
            println!("{}", lived.steps);
            assert!(
                lived.objections.is_empty(),
                "{}",
                lived.objections.join("\n")
            );
        }
        let (objections, _) = queue::live(seed);
        assert!(objections.is_empty(), "{}", objections.join("\n"));
        return;
    }
    let (first, lives) = (
        number("FIRST").unwrap_or(0),
        number("SEEDS").unwrap_or(20_000),
    );
    let [lived_out, broken, calls] = [0; 3].map(AtomicUsize::new);
    let of_hooks_alone = env::var("ONLY").is_ok_and(|only| only == "hooks");
    live_all(first..first + lives, |seed| {
        let of_request = (!of_hooks_alone).then(|| live(seed, None));
        let of_monitor = (!of_hooks_alone && seed.is_multiple_of(10)).then(|| queue::live(seed));
        let lived: Vec<(Vec<String>, usize)> = of_request
            .into_iter()
            .chain([hooks::live(seed)])
            .map(|lived| (lived.objections, lived.calls))
            .chain(of_monitor)
            .collect();
        for objection in lived.iter().flat_map(|(objections, _)| objections) {
            println!(
                "SEED={seed}: {}",
                objection.chars().take(300).collect::<String>()
            );
        }
        let keeps = lived.iter().all(|(objections, _)| objections.is_empty());
        broken.fetch_add(usize::from(!keeps), Ordering::Relaxed);
        let made: usize = lived.iter().map(|(_, calls)| calls).sum();
        calls.fetch_add(made, Ordering::Relaxed);
        let number = lived_out.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_multiple_of(5000) {
            println!("{number} of {lives} seeds");
        }
        true
    });
    let broken = broken.into_inner();
    println!(
        "{lives} seeds from {first} on, {} calls to AWS, {broken} with a promise broken",
        calls.into_inner()
    );
    assert_eq!(broken, 0, "replay one: SEED=number make soak");
}

/// The simulation can fail: it notices and names each rule that a runner breaks, within a few
/// hundred lives from the one that is known to notice it.
#[test]
fn a_runner_that_breaks_a_rule_is_found_out() {
    for (sabotage, word, first) in sabotage::ALL {
        let notices = |lived: Lived| lived.objections.iter().any(|one| one.contains(word));
        let noticed = match sabotage::directed(sabotage) {
            Some(life) => notices(live_out(life, Some(sabotage))),
            None => (first..first + 400).any(|seed| notices(live(seed, Some(sabotage)))),
        };
        assert!(noticed, "nobody notices that the runner {sabotage:?}");
    }
}

/// For those who change the world: finds the first life that notices each sabotage, for
/// `sabotage::ALL`.
#[test]
#[ignore = "make soak"]
fn the_first_to_notice() {
    for (sabotage, word, _) in sabotage::ALL {
        if sabotage::directed(sabotage).is_some() {
            continue;
        }
        let notices = |seed: &u64| {
            live(*seed, Some(sabotage))
                .objections
                .iter()
                .any(|one| one.contains(word))
        };
        println!("{sabotage:?}: {:?}", (0..4000).find(notices));
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn a_seed_lives_the_same_life_every_time() {
    for seed in 0..20 {
        assert_eq!(live(seed, None).steps, live(seed, None).steps);
    }
}
