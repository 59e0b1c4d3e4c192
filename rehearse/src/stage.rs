//! The stage: one loopback address that answers for all services, and for the response bucket.

mod route;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    config::Pace,
    protocol::{Fault, lock},
    report::{Report, Reporter},
    service::{
        cloudformation::CloudFormation,
        dynamodb::{self, DynamoDb},
        ecs::{Ecs, Engine, TaskEvents},
        events::{self, EventBridge},
        lambda::{Function, Lambda},
        logs::Logs,
        opensearch::OpenSearch,
        rules::RunnerRules,
        sns::Sns,
    },
};

/// How the stage is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The function that custom resources are sent to.
    pub runner: Function,
    /// The function that ECS's events are sent to, if anybody wants them.
    pub monitor: Option<Function>,
    /// How fast the stage's ECS and Lambda are.
    pub pace: Pace,
    /// Where containers run.
    pub engine: Engine,
    /// How often the watch comes round that the ledger rests on; without one the function has no ledger.
    pub watch: Option<Duration>,
}

/// The services, and what has been asked of them.
pub struct Stage {
    /// ECS.
    pub ecs: Ecs,
    /// CloudWatch Logs.
    pub logs: Arc<Logs>,
    /// Lambda with the runner.
    pub lambda: Lambda,
    /// EventBridge with the monitor behind it, if there is one.
    pub events: Option<Arc<EventBridge>>,
    /// EventBridge's rules in front of the runner, if it has a ledger.
    pub rules: Option<Arc<RunnerRules>>,
    /// The monitor's table, and the ledger.
    pub dynamodb: DynamoDb,
    /// The monitor's index.
    pub opensearch: OpenSearch,
    sns: Sns,
    /// CloudFormation, as far as custom resources go.
    pub cloudformation: CloudFormation,
    endpoint: String,
    reporter: Reporter,
    requests: Mutex<Vec<NotedCall>>,
    faults: Mutex<HashMap<String, Vec<Fault>>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// A call that a service got.
struct NotedCall {
    operation: String,
    body: Value,
    /// It was one of DynamoDB.
    is_to_table: bool,
}

impl Stage {
    /// Opens the stage on a free port of loopback.
    pub async fn open(mut config: Config, reporter: Reporter) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let logs = Arc::new(Logs::default());
        let retries = config.pace.retries;
        let event_bridge = config.monitor.map(|mut function| {
            // First, so that what the function is set up with stands.
            function.environment.insert(0, ("OPENSEARCH_ENDPOINT".to_owned(), endpoint.clone()));
            let reporter = events::reporter(Arc::clone(&reporter));
            Arc::new(EventBridge::new(Lambda::new(function, retries, endpoint.clone(), reporter)))
        });
        if config.watch.is_some() {
            config.runner.environment.push(("LEDGER_TABLE".to_owned(), dynamodb::LEDGER.to_owned()));
        }
        let lambda = Lambda::new(config.runner.clone(), retries, endpoint.clone(), Arc::clone(&reporter));
        // In instances of their own, so that what requests bring about can be told apart.
        let woken = config.runner.clone();
        let woken = || Lambda::new(woken, retries, endpoint.clone(), Arc::clone(&reporter));
        let rules = config.watch.map(|_| Arc::new(RunnerRules::new(woken())));
        let task_events = task_events(rules.clone(), event_bridge.clone());
        let stage = Arc::new(Self {
            ecs: Ecs::new(config.engine, config.pace, Arc::clone(&logs), Arc::clone(&reporter), task_events),
            logs,
            events: event_bridge,
            dynamodb: DynamoDb::new(Arc::clone(&reporter)),
            opensearch: OpenSearch::default(),
            sns: Sns::new(Arc::clone(&reporter)),
            lambda,
            rules,
            reporter,
            cloudformation: CloudFormation::new(endpoint.clone()),
            endpoint,
            requests: Mutex::default(),
            faults: Mutex::default(),
            server: Mutex::default(),
        });
        let router = Router::new()
            .fallback(route::serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&stage));
        let server = tokio::spawn(async move {
            // The server ends with the stage; an error of a connection is reported by the client.
            let _ = axum::serve(listener, router).await;
        });
        *lock(&stage.server) = Some(server);
        if let (Some(rules), Some(period)) = (&stage.rules, config.watch) {
            rules.watch(period).await;
        }
        Ok(stage)
    }

    /// The address that answers for all services.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Reports something to whoever watches.
    pub fn report(&self, report: Report) {
        (self.reporter)(report);
    }

    /// How often each operation has been called.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        count(lock(&self.requests).iter())
    }

    /// The same without those of DynamoDB, and how many those were.
    pub fn calls_beside_table(&self) -> (BTreeMap<String, usize>, usize) {
        let calls = lock(&self.requests);
        let beside = count(calls.iter().filter(|call| !call.is_to_table));
        (beside, calls.iter().filter(|call| call.is_to_table).count())
    }

    /// What an operation has been called with, in order; for those that take JSON.
    pub fn requests(&self, operation: &str) -> Vec<Value> {
        lock(&self.requests)
            .iter()
            .filter(|call| call.operation == operation)
            .map(|call| call.body.clone())
            .collect()
    }

    /// Gives these answers to the next calls of an operation, one each, in place of its own.
    pub fn fault(&self, operation: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).entry(operation.to_owned()).or_default().extend(faults);
    }

    /// Ends the function's processes, all tasks, and the server.
    pub fn close(&self) {
        if let Some(rules) = &self.rules {
            rules.close();
        }
        self.lambda.close();
        if let Some(events) = &self.events {
            events.lambda.close();
        }
        self.ecs.close();
        if let Some(server) = lock(&self.server).take() {
            server.abort();
        }
    }

    /// Waits until nothing that was closed is left, on disk neither.
    pub async fn closed(&self) {
        self.ecs.closed().await;
    }

    /// Notes a call; the answer to it that a test wants instead of the stage's own.
    fn note(&self, operation: &str, body: Value) -> Option<Fault> {
        self.note_call(operation, body, false)
    }

    fn note_call(&self, operation: &str, body: Value, is_to_table: bool) -> Option<Fault> {
        lock(&self.requests).push(NotedCall { operation: operation.to_owned(), body, is_to_table });
        let mut faults = lock(&self.faults);
        let queue = faults.get_mut(operation).filter(|queue| !queue.is_empty())?;
        Some(queue.remove(0))
    }
}

fn count<'c>(calls: impl Iterator<Item = &'c NotedCall>) -> BTreeMap<String, usize> {
    calls.fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(call.operation.clone()).or_default() += 1;
        counts
    })
}

/// Who wants to know of the events of ECS.
fn task_events(rules: Option<Arc<RunnerRules>>, monitor: Option<Arc<EventBridge>>) -> Option<TaskEvents> {
    if rules.is_none() && monitor.is_none() {
        return None;
    }
    Some(Arc::new(move |event| {
        if let Some(rules) = &rules {
            rules.take(&event);
        }
        if let Some(monitor) = &monitor {
            monitor.take(event);
        }
    }))
}
