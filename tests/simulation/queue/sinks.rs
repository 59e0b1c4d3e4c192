//! What the monitor writes to, behind the SDK's HTTP client, with every fault that a network and a service can have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    life::{FAULTS, Fault, pick},
    wire,
    world::error,
};

/// Breaks a promise, so that the simulation has something to object to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swallowed {
    /// Items are taken and not kept.
    Items,
    /// Alerts are taken and not sent.
    Alerts,
    /// Marks are taken and not made.
    Marks,
}

/// The services that the monitor writes to.
#[derive(Debug)]
pub(super) struct Sinks {
    pub(super) rng: Rng,
    pub(super) rate: f64,
    pub(super) swallowed: Option<Swallowed>,
    /// After how many more calls the invocation dies.
    pub(super) dies_after: Option<usize>,
    pub(super) died: Arc<Notify>,
    /// By task.
    pub(super) items: BTreeMap<usize, Value>,
    pub(super) alerts: Vec<usize>,
    pub(super) lines: Vec<usize>,
    /// How often something went wrong with an event, which may be told once more for each.
    pub(super) troubles: BTreeMap<usize, usize>,
    /// How often the log group had a fault, which lets the lines of a whole batch come again.
    pub(super) log_troubles: usize,
    pub(super) calls: usize,
    /// What never answers.
    pub(super) hangs: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Connector(pub(super) Arc<Mutex<Sinks>>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sinks = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { answer(&sinks, &request).await })
    }
}

async fn answer(sinks: &Mutex<Sinks>, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let bytes = request.body().bytes().unwrap_or_default();
    let (operation, body) = match request.headers().get("x-amz-target") {
        Some(target) => {
            (target.rsplit('.').next().unwrap_or_default(), serde_json::from_slice(bytes).unwrap())
        }
        None => ("Publish", url::form_urlencoded::parse(bytes).into_owned().collect()),
    };
    let (latency, fault) = {
        let mut sinks = lock(sinks);
        sinks.calls += 1;
        let faulty = sinks.rng.f64() < sinks.rate;
        let fault = faulty.then(|| pick(&mut sinks.rng, &FAULTS));
        let fault = if sinks.hangs == Some(operation) { Some(Fault::Hangs) } else { fault };
        (Duration::from_millis(sinks.rng.u64(2..40)), fault)
    };
    tokio::time::sleep(latency).await;
    let (status, answer) = {
        let mut sinks = lock(sinks);
        if fault.is_some() {
            sinks.trouble(operation, &body);
        }
        let happens = !matches!(fault, Some(Fault::Throttled | Fault::Fails | Fault::Cut | Fault::Hangs));
        let answered = match fault {
            Some(Fault::Throttled) => (400, error("ThrottlingException", "Rate exceeded")),
            Some(Fault::Fails) => (500, error("InternalServerError", "Service Unavailable")),
            _ if happens => sinks.effect(operation, &body),
            _ => (0, Value::Null),
        };
        sinks.dies_after = match sinks.dies_after {
            Some(0) => {
                sinks.died.notify_one();
                None
            }
            calls => calls.map(|calls| calls - 1),
        };
        answered
    };
    match answer.as_str() {
        // SNS answers XML.
        Some(xml) if fault.is_none() => {
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(xml)))
        }
        _ => wire::arrive(fault, status, &answer).await,
    }
}

impl Sinks {
    pub(super) fn new(rng: Rng, swallowed: Option<Swallowed>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            rng,
            rate: 0.0,
            swallowed,
            dies_after: None,
            died: Arc::default(),
            items: BTreeMap::new(),
            alerts: Vec::new(),
            lines: Vec::new(),
            troubles: BTreeMap::new(),
            log_troubles: 0,
            calls: 0,
            hangs: None,
        }))
    }

    fn effect(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let swallowed = self.swallowed;
        match operation {
            "PutItem" => {
                let task = task_of_key(&body["Item"]);
                if let Some(known) = self.items.get(&task) {
                    let mut error =
                        error("ConditionalCheckFailedException", "The conditional request failed");
                    error["Item"] = known.clone();
                    return (400, error);
                }
                if swallowed != Some(Swallowed::Items) {
                    self.items.insert(task, body["Item"].clone());
                }
                (200, json!({}))
            }
            "UpdateItem" => {
                let item = self.items.entry(task_of_key(&body["Key"])).or_insert_with(|| body["Key"].clone());
                let sets = body["UpdateExpression"].as_str().unwrap().trim_start_matches("SET ");
                for mark in sets.split(", ").filter_map(|set| set.split(' ').next()) {
                    if swallowed != Some(Swallowed::Marks) {
                        item[mark] = body["ExpressionAttributeValues"][":at"].clone();
                    }
                }
                (200, json!({}))
            }
            "Publish" => {
                if swallowed != Some(Swallowed::Alerts) {
                    self.alerts.push(task_of_alert(body));
                }
                let xml = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                           <MessageId>1</MessageId></PublishResult></PublishResponse>";
                (200, xml.into())
            }
            "CreateLogStream" => (200, json!({})),
            "PutLogEvents" => {
                self.lines.extend(body["logEvents"].as_array().unwrap().iter().map(|line| {
                    let event: Value = serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
                    task_of_id(event["id"].as_str().unwrap())
                }));
                (200, json!({}))
            }
            other => (400, error("UnknownOperationException", other)),
        }
    }

    fn trouble(&mut self, operation: &str, body: &Value) {
        let task = match operation {
            "PutItem" => task_of_key(&body["Item"]),
            "UpdateItem" => task_of_key(&body["Key"]),
            "Publish" => task_of_alert(body),
            _ => {
                self.log_troubles += 1;
                return;
            }
        };
        *self.troubles.entry(task).or_default() += 1;
    }
}

fn task_of_id(id: &str) -> usize {
    id.trim_start_matches("event-").parse().unwrap()
}

fn task_of_key(key: &Value) -> usize {
    key["change"]["S"].as_str().unwrap().split('#').nth(1).unwrap().parse().unwrap()
}

fn task_of_alert(form: &Value) -> usize {
    let id = form["Message"].as_str().unwrap().lines().find_map(|line| line.strip_prefix("Event: "));
    task_of_id(id.unwrap())
}

pub(super) fn lock(sinks: &Mutex<Sinks>) -> MutexGuard<'_, Sinks> {
    sinks.lock().unwrap()
}
