//! The monitor's sinks, behind the SDK's HTTP client: the stage's DynamoDB and SNS, with every
//! fault that a network and a service can have.

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
use rehearse::{
    report::Report,
    service::{dynamodb::DynamoDb, sns::Sns},
};
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
    /// Items are accepted, but not stored.
    Items,
    /// Alerts are accepted, but not sent.
    Alerts,
    /// Records of finished work are accepted, but not written.
    Marks,
    /// Every claim gets a lease.
    Leases,
}

/// The services that the monitor writes to.
pub(super) struct Sinks {
    pub(super) rng: Rng,
    pub(super) rate: f64,
    pub(super) swallowed: Option<Swallowed>,
    /// Number of further calls after which the invocation dies.
    pub(super) dies_after: Option<usize>,
    pub(super) died: Arc<Notify>,
    pub(super) dynamodb: Arc<DynamoDb>,
    sns: Arc<Sns>,
    /// The subjects of the alerts, in order.
    pub(super) subjects: Arc<Mutex<Vec<String>>>,
    /// The tasks that the log group has a line about.
    pub(super) lines: Vec<usize>,
    /// Number of troubles; each may cause one more report.
    pub(super) troubles: usize,
    pub(super) calls: BTreeMap<String, usize>,
    /// The services that never answer.
    pub(super) hangs: &'static [&'static str],
    /// The answer to the next call with this text in its body is lost.
    pub(super) loses_answer: Option<&'static str>,
}

#[derive(Clone)]
pub(super) struct Connector(pub(super) Arc<Mutex<Sinks>>);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sinks = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { answer(&sinks, &request).await })
    }
}

async fn answer(
    sinks: &Mutex<Sinks>,
    request: &HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let bytes = request.body().bytes().unwrap_or_default();
    let (operation, body): (&str, Value) = match request.headers().get("x-amz-target") {
        Some(target) => (
            target.rsplit('.').next().unwrap_or_default(),
            serde_json::from_slice(bytes).unwrap(),
        ),
        None => (
            "Publish",
            url::form_urlencoded::parse(bytes).into_owned().collect(),
        ),
    };
    let (latency, fault) = {
        let mut sinks = lock(sinks);
        *sinks.calls.entry(operation.to_owned()).or_default() += 1;
        let faulty = sinks.rng.f64() < sinks.rate;
        let fault = faulty.then(|| pick(&mut sinks.rng, &FAULTS));
        let fault = if sinks.hangs.contains(&operation) {
            Some(Fault::Hangs)
        } else {
            fault
        };
        let fault = match sinks
            .loses_answer
            .take_if(|part| body.to_string().contains(*part))
        {
            Some(_) => Some(Fault::CutAfter),
            None => fault,
        };
        (Duration::from_millis(sinks.rng.u64(2..40)), fault)
    };
    tokio::time::sleep(latency).await;
    let (status, answer) = {
        let mut sinks = lock(sinks);
        sinks.troubles += usize::from(fault.is_some());
        let happens = !matches!(
            fault,
            Some(Fault::Throttled | Fault::Fails | Fault::Cut | Fault::Hangs)
        );
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
        // SNS answers in XML.
        Some(xml) if fault.is_none() => Ok(HttpResponse::new(
            StatusCode::try_from(status).unwrap(),
            SdkBody::from(xml),
        )),
        _ => wire::arrive(fault, status, &answer).await,
    }
}

impl Sinks {
    pub(super) fn new(rng: Rng, swallowed: Option<Swallowed>) -> Arc<Mutex<Self>> {
        let subjects: Arc<Mutex<Vec<String>>> = Arc::default();
        let alerted = Arc::clone(&subjects);
        let reporter = Arc::new(move |report| {
            if let Report::Alerted { subject, .. } = report {
                alerted.lock().unwrap().push(subject);
            }
        });
        Arc::new(Mutex::new(Self {
            rng,
            rate: 0.0,
            swallowed,
            dies_after: None,
            died: Arc::default(),
            dynamodb: Arc::new(DynamoDb::new(Arc::new(|_| {}))),
            sns: Arc::new(Sns::new(reporter)),
            subjects,
            lines: Vec::new(),
            troubles: 0,
            calls: BTreeMap::new(),
            hangs: &[],
            loses_answer: None,
        }))
    }

    fn effect(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        match (operation, self.swallowed) {
            ("BatchWriteItem" | "PutItem", Some(Swallowed::Items))
            | ("TransactWriteItems", Some(Swallowed::Marks)) => (200, json!({})),
            ("Publish", Some(Swallowed::Alerts)) => (200, PUBLISHED.into()),
            ("Publish", _) => {
                let form = body.as_object().unwrap().iter();
                let form = form
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect();
                (200, self.sns.publish(&form).unwrap().into())
            }
            ("CreateLogStream", _) => (200, json!({})),
            ("PutLogEvents", _) => {
                self.lines
                    .extend(body["logEvents"].as_array().unwrap().iter().map(|line| {
                        let event: Value =
                            serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
                        task_of_arn(event["detail"]["taskArn"].as_str().unwrap())
                    }));
                (200, json!({}))
            }
            (_, swallowed) => {
                let mut body = body.clone();
                if swallowed == Some(Swallowed::Leases)
                    && body["UpdateExpression"].to_string().contains("#lease")
                {
                    body.as_object_mut().unwrap().remove("ConditionExpression");
                }
                match self.dynamodb.call(operation, &body) {
                    Ok(answer) => (200, answer),
                    Err(error) => (400, error.body()),
                }
            }
        }
    }
}

const PUBLISHED: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                         <MessageId>1</MessageId></PublishResult></PublishResponse>";

/// The number of a task, which its ARN ends with.
pub(super) fn task_of_arn(arn: &str) -> usize {
    arn.rsplit('/').next().unwrap().parse().unwrap()
}

pub(super) fn lock(sinks: &Mutex<Sinks>) -> MutexGuard<'_, Sinks> {
    sinks.lock().unwrap()
}
