//! EventBridge's rules for the runner: `Ended` passes on ECS's events, which resume a parked wait,
//! and `Watch` invokes it on a schedule.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::lambda::Lambda;
use crate::protocol::lock;

const SOURCE: &str = "aws.ecs";
const CHANGED: &str = "ECS Task State Change";
/// The statuses in the pattern of `Ended`.
const ENDED: [&str; 4] = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];
/// The prefix of `startedBy` in that pattern.
const STARTED_BY: &str = "ecs-tasks/";

/// The pattern of the rule `Ended`, as cfn/provider.yml has it.
pub fn ended_pattern() -> Value {
    json!({
        "source": [SOURCE],
        "detail-type": [CHANGED],
        "detail": { "startedBy": [{ "prefix": STARTED_BY }], "lastStatus": ENDED },
    })
}

/// The input of `Watch`, likewise.
pub fn watch_input() -> Value {
    json!({ "Watch": {} })
}

/// The rules `Ended` and `Watch`.
pub struct RunnerRules {
    lambda: Lambda,
    watch: Mutex<Option<JoinHandle<()>>>,
    /// The number of invocations by each rule.
    events: AtomicUsize,
    rounds: Arc<AtomicUsize>,
}

impl RunnerRules {
    /// The rules for this function.
    pub(crate) fn new(lambda: Lambda) -> Self {
        Self {
            lambda,
            watch: Mutex::default(),
            events: AtomicUsize::new(0),
            rounds: Arc::default(),
        }
    }

    /// Starts the watch: one round now, then one in every period.
    pub(crate) async fn watch(&self, period: Duration) {
        let (lambda, rounds) = (self.lambda.clone(), Arc::clone(&self.rounds));
        // The function parks a wait only while the heartbeat of the watch is fresh.
        round(&lambda, &rounds).await;
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                round(&lambda, &rounds).await;
            }
        });
        *lock(&self.watch) = Some(watch);
    }

    /// The number of invocations by `Ended`.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// The number of rounds of the watch.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Sends an event to the function if the rule `Ended` matches it.
    pub(crate) fn take(&self, event: &Value) {
        if ended_matches(event) {
            self.events.fetch_add(1, Ordering::Relaxed);
            self.lambda.invoke_event(event);
        }
    }

    /// Stops the watch and the function's processes.
    pub(crate) fn close(&self) {
        if let Some(watch) = lock(&self.watch).take() {
            watch.abort();
        }
        self.lambda.close();
    }
}

/// True if `Ended` matches an event.
pub fn ended_matches(event: &Value) -> bool {
    let detail = &event["detail"];
    let is_ours = detail["startedBy"]
        .as_str()
        .is_some_and(|by| by.starts_with(STARTED_BY));
    let has_ended = detail["lastStatus"]
        .as_str()
        .is_some_and(|status| ENDED.contains(&status));
    event["source"] == SOURCE && event["detail-type"] == CHANGED && is_ours && has_ended
}

async fn round(lambda: &Lambda, rounds: &AtomicUsize) {
    rounds.fetch_add(1, Ordering::Relaxed);
    // Lambda reports a failed round itself.
    let _ = lambda
        .invoke_and_wait(watch_input().to_string().into())
        .await;
}
