//! The border between the runner's clients and the world: the SDK's HTTP client and the PUT to the
//! bucket, with every fault that a network and a service can have.

use std::{
    fmt,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use ecs_tasks::{
    aws::Aws,
    callback::Callback,
    function::clock::Clock,
    runner::{Runner, ledger::Ledger},
};
use rehearse::service::{cloudformation::described_stack, dynamodb::LEDGER};
use serde_json::Value;
use time::OffsetDateTime;
use tower::{BoxError, service_fn};

use crate::{
    calls,
    ecs::Seconds,
    ledger::{CURSED, is_of_table},
    life::Fault,
    sabotage::{self, Sabotage},
    world::{Call, Delivery, EPOCH, World, error},
};

/// Makes the real runner, with all calls ending in this world.
pub(crate) fn runner(world: &Arc<World>) -> Runner {
    let bucket = Arc::clone(world);
    let callback = Callback::over(service_fn(move |request| put(Arc::clone(&bucket), request)));
    let config = config(Connector(Arc::clone(world)));
    let ledger = world.ledger.as_ref().map(|_| Ledger::new(&config, LEDGER));
    Runner::new(Aws::new(config), callback).with_ledger(ledger)
}

/// Makes the configuration of clients whose calls all end here.
pub(crate) fn config(connector: impl HttpConnector + 'static) -> SdkConfig {
    // The SDK counts its retries by service and region, in one place for the whole process. Every
    // life has a region of its own, so that the troubles of one do not cost another its retries.
    static LIVES: AtomicU64 = AtomicU64::new(1);
    let region = Region::new(format!("us-west-{}", LIVES.fetch_add(1, Ordering::Relaxed)));
    let connector = SharedHttpConnector::new(connector);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .endpoint_url("http://world.localhost")
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .time_source(SharedTimeSource::new(VirtualTime(Clock::at(epoch()))))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDEXAMPLE",
            "example",
            None,
            None,
            "sim",
        )))
        .build()
}

/// The life's own time for the SDK: with the machine's time, its retries would depend on how fast
/// the machine is.
#[derive(Debug)]
struct VirtualTime(Clock);

impl TimeSource for VirtualTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

fn epoch() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(EPOCH).unwrap()
}

struct Connector(Arc<World>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let (operation, body) = read(&request);
            let response = answer(&world, &operation, &body).await?;
            calls::record(&request, &response);
            Ok(response)
        })
    }
}

/// Returns the operation of a request, and its body.
fn read(request: &HttpRequest) -> (String, Value) {
    let bytes = request.body().bytes().unwrap_or_default();
    if let Some(target) = request.headers().get("x-amz-target") {
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        return (operation, serde_json::from_slice(bytes).unwrap_or_default());
    }
    match request.uri().contains("/functions/") {
        true => (
            "Invoke".to_owned(),
            serde_json::from_slice(bytes).unwrap_or_default(),
        ),
        false => ("DescribeStacks".to_owned(), Value::Null),
    }
}

async fn answer(
    world: &Arc<World>,
    operation: &str,
    body: &Value,
) -> Result<HttpResponse, ConnectorError> {
    let world = &place_of(world, operation, body);
    let mut fault = world.fault(operation);
    panic_if(world, fault, operation, body).await;
    tokio::time::sleep(world.latency()).await;
    if world
        .account
        .as_ref()
        .is_some_and(|account| !account.lets_through(operation, body, world.now()))
    {
        fault = Some(Fault::Throttled);
    }
    let body = sabotage::on_the_way_out(world, operation, body.clone());
    let mut call = Call {
        at: 0.0,
        delivery: Delivery::under_way(),
        operation: match body["desiredStatus"].as_str() {
            Some(status) => format!("{operation} {status}"),
            None => operation.to_owned(),
        },
        cluster: body["cluster"].as_str().unwrap_or_default().to_owned(),
        task: body["task"].as_str().map(str::to_owned),
        ok: false,
    };
    let (status, answer) = match fault {
        Some(Fault::Throttled) => (400, error("ThrottlingException", "Rate exceeded")),
        Some(Fault::Fails) => (500, error("ServerException", "Service Unavailable")),
        Some(Fault::Cut | Fault::Hangs) => (0, Value::Null),
        _ => match denied(world, operation) {
            Some(denied) => (400, denied),
            None => {
                call.ok = !matches!(
                    fault,
                    Some(Fault::FailsAfter | Fault::CutAfter | Fault::HangsAfter)
                );
                let (status, answer) = world.effect(operation, &body);
                call.ok &= operation != "DescribeTaskDefinition" || status < 400;
                (status, answer)
            }
        },
    };
    if operation == "Invoke" && (!call.ok || fault == Some(Fault::Slow)) && status == 202 {
        // The function cannot know that two of it now run, or that one runs although it has given
        // up.
        world.asked(&call.delivery.request, |asked| asked.disturbed = true);
    }
    call.at = world.now();
    // A slow answer gets through if the function still waits for it then.
    let arrives = std::mem::take(&mut call.ok);
    let number = {
        let calls = &mut world.state().calls;
        calls.push(call);
        calls.len() - 1
    };
    if !matches!(
        operation,
        "DescribeTasks" | "ListTasks" | "DescribeTaskDefinition" | "Query" | "BatchGetItem"
    ) || fault.is_some()
        || status >= 400
    {
        let task = match body["task"].as_str() {
            Some(task) => task[task.len() - 2..].to_owned(),
            None => row_written(&body),
        };
        let fault = fault.map_or_else(String::new, |fault| format!(" [{fault:?}]"));
        world.note(format!("{operation} {task} → {status}{fault}"));
    }
    let answer = sabotage::on_the_way_in(world, operation, answer);
    let arrived = arrive(fault, status, &answer).await;
    world.state().calls[number].ok = arrives;
    arrived
}

/// Unwinds through the runner from its call, as a bug in it would. A runner without a guard dies of
/// that, and its invocation ends.
async fn panic_if(world: &Arc<World>, fault: Option<Fault>, operation: &str, body: &Value) {
    if fault != Some(Fault::Panics) && body["cluster"] != CURSED {
        return;
    }
    world.note(format!("{operation}: the runner panics"));
    let delivery = Delivery::under_way();
    world.asked(&delivery.request, |asked| asked.disturbed = true);
    if world.sabotage == Some(Sabotage::HasNoGuard) {
        world.state().dead.push(delivery);
        return pending().await;
    }
    // Without `panic!`, whose hook would print thousands of them.
    std::panic::resume_unwind(Box::new("a bug of the runner"));
}

/// Returns the stack that a call of the watch is about, if the account has many.
fn place_of(world: &Arc<World>, operation: &str, body: &Value) -> Arc<World> {
    let Some(account) = world.account.as_ref().filter(|_| world.is_hub()) else {
        return Arc::clone(world);
    };
    let place = match operation {
        "StopTask" => account.stack_of_task(body["task"].as_str().unwrap_or_default()),
        "Invoke" => account.stack_of(
            body["Wait"]["reply_to"]["stack_id"]
                .as_str()
                .unwrap_or_default(),
        ),
        _ => None,
    };
    place.unwrap_or_else(|| Arc::clone(world))
}

/// Returns the row that a call writes, and its state.
fn row_written(body: &Value) -> String {
    let part = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
    let state = ["state", "answering", "ended"]
        .map(|name| part(&body["ExpressionAttributeValues"][format!(":{name}")]));
    match body["Key"].is_object() {
        true => format!("{} {}", part(&body["Key"]["request"]), state.join("")),
        false => part(&body["Item"]["request"]),
    }
}

/// Lets an answer arrive, or not.
pub(crate) async fn arrive(
    fault: Option<Fault>,
    status: u16,
    answer: &Value,
) -> Result<HttpResponse, ConnectorError> {
    match fault {
        Some(Fault::Hangs | Fault::HangsAfter) => pending().await,
        Some(Fault::Cut | Fault::CutAfter) => {
            Err(ConnectorError::io("connection reset by peer".into()))
        }
        Some(Fault::FailsAfter) => Ok(response(500, &error("ServerException", "Internal error"))),
        Some(Fault::Slow) => {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(response(status, answer))
        }
        _ => Ok(response(status, answer)),
    }
}

fn denied(world: &World, operation: &str) -> Option<Value> {
    let trouble = &world.life.trouble;
    let now = world.now();
    let missing = trouble.denied == Some(operation)
        || now < trouble.fresh_role
        || operation == "DescribeTaskDefinition" && now < trouble.definitions_denied
        || is_of_table(operation) && world.trouble().denies(now);
    missing.then(|| {
        error(
            "AccessDeniedException",
            "User is not authorized to perform this action",
        )
    })
}

fn response(status: u16, body: &Value) -> HttpResponse {
    // CloudFormation answers in XML; its own text is a JSON string here.
    let text = body
        .as_str()
        .map_or_else(|| body.to_string(), str::to_owned);
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(text))
}

/// The bucket: S3 accepts an answer, or does not.
async fn put(world: Arc<World>, request: reqwest::Request) -> Result<reqwest::Response, BoxError> {
    let stack = world
        .account
        .as_ref()
        .and_then(|account| account.stack_of(request.url().path()));
    let world = stack.unwrap_or(world);
    let fault = world.fault("PUT");
    panic_if(&world, fault, "PUT", &Value::Null).await;
    tokio::time::sleep(world.latency()).await;
    let expired = request
        .url()
        .query_pairs()
        .find(|(key, _)| key == "X-Amz-Date")
        .is_some_and(|_| {
            let key = request
                .url()
                .path()
                .rsplit("%7C")
                .next()
                .unwrap_or_default()
                .to_owned();
            world
                .state()
                .requests
                .iter()
                .any(|asked| asked.id == key && world.now() >= asked.sent + 7200.0)
        });
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .unwrap_or_default()
        .to_vec();
    let now = world.now();
    let fails = |(from, long): (Seconds, Seconds)| (from..from + long).contains(&now);
    let status = match fault {
        Some(Fault::Throttled | Fault::Fails) => 503,
        _ if world.life.trouble.bucket_fails.is_some_and(fails) => 503,
        Some(Fault::Cut | Fault::Hangs) => 0,
        _ if world.life.trouble.bucket_refuses || expired => 403,
        _ if world.sabotage == Some(Sabotage::SwallowsTheAnswer) => 200,
        _ => {
            world.take_answer(&body);
            200
        }
    };
    let fault_text = fault.map_or_else(String::new, |fault| format!(" [{fault:?}]"));
    world.note(format!(
        "PUT → {status}{fault_text}: {}",
        String::from_utf8_lossy(&body)
    ));
    match fault {
        Some(Fault::Hangs | Fault::HangsAfter) => pending().await,
        Some(Fault::Cut | Fault::CutAfter) => Err("connection reset by peer".into()),
        Some(Fault::FailsAfter) => Ok(http::Response::builder().status(500).body("")?.into()),
        Some(Fault::Slow) => {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(http::Response::builder().status(status).body("")?.into())
        }
        _ => Ok(http::Response::builder().status(status).body("")?.into()),
    }
}
impl World {
    fn latency(&self) -> Duration {
        Duration::from_millis(self.state().rng.u64(5..120))
    }

    /// Returns the fault of this call.
    fn fault(&self, operation: &str) -> Option<Fault> {
        let trouble = &self.life.trouble;
        let now = self.now();
        if trouble
            .outage
            .is_some_and(|(from, length)| (from..from + length).contains(&now))
            && operation != "PUT"
        {
            return Some(Fault::Fails);
        }
        if is_of_table(operation)
            && let Some(fault) = self.trouble().fault(now)
        {
            return Some(fault);
        }
        let mut state = self.state();
        let nth = state.counted.entry(operation.to_owned()).or_default();
        *nth += 1;
        let nth = *nth;
        let any = state.counted.entry("*".to_owned()).or_default();
        *any += 1;
        let is_planned = |(planned, at, _): &&(&str, usize, Fault)| {
            *planned == operation && *at == nth || *planned == "*" && *at == *any
        };
        if let Some((.., fault)) = self.life.planned.iter().find(is_planned) {
            return Some(*fault);
        }
        if self.life.always_panics == Some(operation) {
            return Some(Fault::Panics);
        }
        // A self-invocation that takes effect although it seemed to fail doubles the wait, and each
        // of those doubles again.
        let rate = if operation == "Invoke" {
            trouble.rate / 5.0
        } else {
            trouble.rate
        };
        if trouble.faults.is_empty() || state.rng.f64() >= rate {
            return None;
        }
        state.rng.choice(&trouble.faults).copied()
    }

    fn effect(self: &Arc<Self>, operation: &str, body: &Value) -> (u16, Value) {
        match operation {
            "Invoke" => {
                self.hop(body.clone());
                (202, Value::String(String::new()))
            }
            "DescribeStacks" => (200, Value::String(self.stacks())),
            _ => self.perform(operation, body),
        }
    }

    fn stacks(&self) -> String {
        described_stack(&self.stack_id(), self.state().stack_status)
    }
}
