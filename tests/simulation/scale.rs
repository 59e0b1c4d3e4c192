//! Many stacks of one account deploy at the same time, and share its limits on ECS's API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use fastrand::Rng;
use serde_json::json;
use tokio::{runtime::Builder, task::LocalSet};

use crate::{
    ecs::{Fate, Script, Seconds},
    life::Life,
    stack, wire,
    world::World,
};

/// ECS's limits for an account and region: how many calls at once, and how many a second for long.
const LIMITS: [(&[&str], f64, f64); 3] = [
    (&["RunTask", "StartTask", "StopTask"], 100.0, 40.0),
    (&["DescribeTasks", "ListTasks"], 100.0, 20.0),
    (&["DescribeTaskDefinition"], 50.0, 20.0),
];

/// An account's token buckets.
#[derive(Debug, Default)]
pub(crate) struct Account {
    buckets: Mutex<BTreeMap<usize, (Seconds, f64)>>,
}

impl Account {
    /// Whether this call is within the limits.
    pub(crate) fn lets_through(&self, operation: &str, now: Seconds) -> bool {
        let Some(limit) = LIMITS.iter().position(|(operations, ..)| operations.contains(&operation)) else {
            return true;
        };
        let (_, burst, rate) = LIMITS[limit];
        let mut buckets = self.buckets.lock().unwrap();
        let (since, left) = buckets.entry(limit).or_insert((now, burst));
        *left = (*left + (now - *since) * rate).min(burst);
        *since = now;
        let lets = *left >= 1.0;
        *left -= f64::from(u8::from(lets));
        lets
    }
}

/// What a deploy of so many resources at once came to.
struct Deployed {
    resources: usize,
    succeeded: usize,
    calls: usize,
    throttled: usize,
    /// From the end of a resource's task to its answer, sorted.
    lags: Vec<Seconds>,
}

/// Deploys so many resources at once; each runs one task for one to three minutes.
fn deploy(resources: usize) -> Deployed {
    fastrand::seed(1);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let account = Arc::new(Account::default());
    let worlds = LocalSet::new().block_on(&runtime, async {
        let mut living = Vec::new();
        for number in 0..resources {
            let world = World::new(resource(number as u64), None, Some(Arc::clone(&account)));
            let runner = Arc::new(wire::runner(&world));
            living.push(tokio::task::spawn_local(async move {
                stack::live(&world, runner).await;
                world
            }));
        }
        let mut worlds = Vec::new();
        for life in living {
            worlds.push(life.await.unwrap());
        }
        worlds
    });
    let mut deployed = Deployed { resources, succeeded: 0, calls: 0, throttled: 0, lags: Vec::new() };
    for world in worlds {
        let state = world.state();
        let answer = &state.requests[0].answers[0];
        deployed.succeeded += usize::from(answer.body["Status"] == "SUCCESS");
        deployed.calls += state.calls.len();
        deployed.throttled += state.calls.iter().filter(|call| !call.ok).count();
        deployed.lags.push(answer.at - state.tasks[0].ends_at());
        assert_eq!(state.launches.len(), 1, "every resource starts its task once");
    }
    deployed.lags.sort_by(f64::total_cmp);
    deployed
}

fn resource(number: u64) -> Life {
    let runs = Rng::with_seed(number).f64() * 120.0 + 60.0;
    let script = Script { starting: 20.0, deprovisioning: 20.0, ..Script::plain(Fate::Exits(0, runs)) };
    Life { seed: number, deleted: false, ..Life::calm(json!({"Timeout": "1800"}), script) }
}

#[test]
fn five_hundred_resources_that_wait_at_once_all_end_right() {
    let deployed = deploy(500);
    assert_eq!(deployed.succeeded, 500);
    assert!(deployed.throttled > 0, "500 waits are more than the account's limits let through");
}

/// `make scale`: the table in docs/reliability.md.
#[test]
#[ignore = "make scale"]
fn scale() {
    println!(
        "| Resources | SUCCESS | Calls to ECS | of these throttled | Lag, median | Lag, 99 % | Lag, longest |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for resources in [1, 50, 500, 2000] {
        let Deployed { resources, succeeded, calls, throttled, lags } = deploy(resources);
        let at = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize];
        println!(
            "| {resources} | {succeeded} | {calls} | {throttled} | {:.1} s | {:.1} s | {:.1} s |",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
