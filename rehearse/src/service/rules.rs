//! The rules of EventBridge in front of the runner: `Ended`, by which ECS's events wake a parked wait, and
//! `Watch`, which comes round by the clock.

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
/// The statuses that the rule `Ended` names.
const ENDED: [&str; 4] = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];
/// How `startedBy` begins in it.
const STARTED_BY: &str = "ecs-tasks/";

/// The pattern of the rule `Ended`, as cfn/provider.yml has it.
pub fn ended_pattern() -> Value {
    json!({
        "source": [SOURCE],
        "detail-type": [CHANGED],
        "detail": { "startedBy": [{ "prefix": STARTED_BY }], "lastStatus": ENDED },
    })
}

/// What the rule `Watch` sends, likewise.
pub fn watch_input() -> Value {
    json!({ "Watch": {} })
}

/// The two rules.
pub struct RunnerRules {
    lambda: Lambda,
    watch: Mutex<Option<JoinHandle<()>>>,
    /// How often each has invoked the function.
    events: AtomicUsize,
    rounds: Arc<AtomicUsize>,
}

impl RunnerRules {
    /// The rules in front of this function.
    pub(crate) fn new(lambda: Lambda) -> Self {
        Self { lambda, watch: Mutex::default(), events: AtomicUsize::new(0), rounds: Arc::default() }
    }

    /// Lets the watch come round, now and then so often.
    pub(crate) async fn watch(&self, period: Duration) {
        let (lambda, rounds) = (self.lambda.clone(), Arc::clone(&self.rounds));
        round(&lambda, &rounds).await;
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                round(&lambda, &rounds).await;
            }
        });
        *lock(&self.watch) = Some(watch);
    }

    /// How often the rule `Ended` has invoked the function.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// How often the watch has come round.
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

    /// Takes the rule of the watch away.
    pub(crate) fn close(&self) {
        if let Some(watch) = lock(&self.watch).take() {
            watch.abort();
        }
        self.lambda.close();
    }
}

/// Whether the rule `Ended` matches an event.
pub fn ended_matches(event: &Value) -> bool {
    let detail = &event["detail"];
    let is_ours = detail["startedBy"].as_str().is_some_and(|by| by.starts_with(STARTED_BY));
    let has_ended = detail["lastStatus"].as_str().is_some_and(|status| ENDED.contains(&status));
    event["source"] == SOURCE && event["detail-type"] == CHANGED && is_ours && has_ended
}

async fn round(lambda: &Lambda, rounds: &AtomicUsize) {
    rounds.fetch_add(1, Ordering::Relaxed);
    // What goes wrong is reported by Lambda.
    let _ = lambda.invoke_and_wait(watch_input().to_string().into()).await;
}
