//! EventBridge with one rule, and the monitor behind it. Events reach the function one by one in
//! their order, so that its lines about one stand before the next.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use tokio::{sync::mpsc, task::JoinHandle};

use super::lambda::Lambda;
use crate::{
    config::now,
    protocol::lock,
    report::{Report, Reporter},
};

/// EventBridge with one rule, whose target is the monitor.
pub struct EventBridge {
    /// The monitor's function.
    pub lambda: Lambda,
    way: Mutex<Option<Way>>,
    taken: AtomicUsize,
}

struct Way {
    events: mpsc::UnboundedSender<Value>,
    deliveries: JoinHandle<()>,
}

impl EventBridge {
    pub(crate) fn new(lambda: Lambda) -> Self {
        let (events, mut coming) = mpsc::unbounded_channel::<Value>();
        let function = lambda.clone();
        let deliveries = tokio::spawn(async move {
            while let Some(event) = coming.recv().await {
                deliver(&function, &event).await;
            }
        });
        Self {
            lambda,
            way: Mutex::new(Some(Way { events, deliveries })),
            taken: AtomicUsize::new(0),
        }
    }

    /// Delivers an event, and waits until the function has handled it. False if it could not.
    pub async fn deliver(&self, event: Value) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed);
        deliver(&self.lambda, &event).await
    }

    /// Queues an event for the function.
    pub fn take(&self, event: Value) {
        if let Some(way) = &*lock(&self.way) {
            self.taken.fetch_add(1, Ordering::Relaxed);
            // The receiver lives as long as this channel.
            let _ = way.events.send(event);
        }
    }

    /// Lets a day pass, so that the windows of the monitor's alerts close and their counts are
    /// reported.
    pub async fn tick(&self) {
        let time = (now() + time::Duration::DAY)
            .format(&Rfc3339)
            .unwrap_or_default();
        let event = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "time": time, "detail": {} });
        deliver(&self.lambda, &event).await;
    }

    /// Waits until every event is handled and the function's log is reported. Returns the number of
    /// events. No event is accepted afterwards.
    pub async fn finish(&self) -> usize {
        let way = lock(&self.way).take();
        if let Some(Way { events, deliveries }) = way {
            drop(events);
            // The task ends once it has delivered every event.
            let _ = deliveries.await;
        }
        // The last windows are still open.
        self.tick().await;
        self.lambda.finish().await;
        self.taken.load(Ordering::Relaxed)
    }
}

/// Lambda reports a failed invocation itself.
async fn deliver(function: &Lambda, event: &Value) -> bool {
    let invoked = function.invoke_and_wait(event.to_string().into()).await;
    invoked.is_ok()
}

/// Reports the monitor's warnings and errors as notes, and its other lines as log lines.
pub(crate) fn reporter(reporter: Reporter) -> Reporter {
    Arc::new(move |report| {
        let Report::Log(line) = report else {
            return reporter(report);
        };
        let json: Value = serde_json::from_str(&line).unwrap_or_default();
        reporter(match (json["level"].as_str(), json["message"].as_str()) {
            (Some("WARN" | "ERROR"), Some(message)) => Report::Note(message.to_owned()),
            _ => Report::Log(line),
        });
    })
}
