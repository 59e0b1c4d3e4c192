//! The rules of EventBridge in front of the runner: `Ended`, by which ECS's events wake a parked wait, and `Watch`,
//! which comes round by the clock.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::lambda::Lambda;
use crate::rehearse::wire::lock;

/// The statuses that the rule `Ended` names.
const ENDED: [&str; 4] = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];
/// How `startedBy` begins in it.
const STARTED_BY: &str = "ecs-tasks/";

/// The two rules.
pub struct RunnerRules {
    lambda: Lambda,
    watch: Mutex<Option<JoinHandle<()>>>,
}

impl RunnerRules {
    /// The rules in front of this function.
    pub(in crate::rehearse) fn new(lambda: Lambda) -> Self {
        Self { lambda, watch: Mutex::default() }
    }

    /// Lets the watch come round, now and then so often.
    pub(in crate::rehearse) async fn watch(&self, period: Duration) {
        let lambda = self.lambda.clone();
        // What goes wrong is told by Lambda.
        let _ = round(&lambda).await;
        let rounds = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let _ = round(&lambda).await;
            }
        });
        *lock(&self.watch) = Some(rounds);
    }

    /// Sends an event to the function if the rule `Ended` matches it.
    pub(in crate::rehearse) fn take(&self, event: &Value) {
        if ended_matches(event) {
            self.lambda.invoke_event(event);
        }
    }

    /// Takes the rule of the watch away.
    pub(in crate::rehearse) fn close(&self) {
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
    event["detail-type"] == "ECS Task State Change" && is_ours && has_ended
}

async fn round(lambda: &Lambda) -> Result<(), String> {
    lambda.invoke_and_wait(json!({ "Watch": {} }).to_string().into()).await.map(|_| ())
}
