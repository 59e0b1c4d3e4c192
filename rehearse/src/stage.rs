//! The stage: one loopback address for all services and the response bucket.

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

/// The configuration of a stage.
#[derive(Clone, Debug)]
pub struct Config {
    /// The function behind custom resources.
    pub runner: Function,
    /// The function behind ECS's events, if anybody wants them.
    pub monitor: Option<Function>,
    /// The pace of ECS and Lambda.
    pub pace: Pace,
    /// The engine that runs containers.
    pub engine: Engine,
    /// The period of the watch. Without one the function has no ledger.
    pub watch: Option<Duration>,
}

/// The services, and the calls that they got.
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
    /// CloudFormation, as far as custom resources and wait conditions need it.
    pub cloudformation: CloudFormation,
    endpoint: String,
    reporter: Reporter,
    requests: Mutex<Vec<NotedCall>>,
    faults: Mutex<HashMap<String, Vec<Fault>>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// A call to a service.
struct NotedCall {
    operation: String,
    body: Value,
    /// True for a call to DynamoDB.
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
            // First in the list, so that a variable of the function's own wins.
            function
                .environment
                .insert(0, ("OPENSEARCH_ENDPOINT".to_owned(), endpoint.clone()));
            let reporter = events::reporter(Arc::clone(&reporter));
            Arc::new(EventBridge::new(Lambda::new(
                function,
                retries,
                endpoint.clone(),
                reporter,
            )))
        });
        if config.watch.is_some() {
            config
                .runner
                .environment
                .push(("LEDGER_TABLE".to_owned(), dynamodb::LEDGER.to_owned()));
        }
        let lambda = Lambda::new(
            config.runner.clone(),
            retries,
            endpoint.clone(),
            Arc::clone(&reporter),
        );
        // Lambdas of their own, so that the invocations by requests are counted separately.
        let woken = config.runner.clone();
        let woken = || Lambda::new(woken, retries, endpoint.clone(), Arc::clone(&reporter));
        let rules = config.watch.map(|_| Arc::new(RunnerRules::new(woken())));
        let task_events = task_events(rules.clone(), event_bridge.clone());
        let stage = Arc::new(Self {
            ecs: Ecs::new(
                config.engine,
                config.pace,
                Arc::clone(&logs),
                Arc::clone(&reporter),
                task_events,
            ),
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
            // A batch of DynamoDB or OpenSearch may be larger than axum's default limit of 2 MB.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&stage));
        let server = tokio::spawn(async move {
            // The server ends with the stage, and clients report errors of their connections.
            let _ = axum::serve(listener, router).await;
        });
        *lock(&stage.server) = Some(server);
        // The function parks waits only after a heartbeat, so the watch comes before any request.
        if let (Some(rules), Some(period)) = (&stage.rules, config.watch) {
            rules.watch(period).await;
        }
        Ok(stage)
    }

    /// The address that answers for all services.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends a report to the reporter.
    pub fn report(&self, report: Report) {
        (self.reporter)(report);
    }

    /// The number of calls of each operation.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        count(lock(&self.requests).iter())
    }

    /// The same without DynamoDB's operations, and the number of calls to those.
    pub fn calls_beside_table(&self) -> (BTreeMap<String, usize>, usize) {
        let calls = lock(&self.requests);
        let beside = count(calls.iter().filter(|call| !call.is_to_table));
        (beside, calls.iter().filter(|call| call.is_to_table).count())
    }

    /// The bodies of an operation's calls, in order, for operations that take JSON.
    pub fn requests(&self, operation: &str) -> Vec<Value> {
        lock(&self.requests)
            .iter()
            .filter(|call| call.operation == operation)
            .map(|call| call.body.clone())
            .collect()
    }

    /// Answers the next calls of an operation with these, one each.
    pub fn fault(&self, operation: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults)
            .entry(operation.to_owned())
            .or_default()
            .extend(faults);
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

    /// Waits until nothing is left of a closed stage, on disk neither.
    pub async fn closed(&self) {
        self.ecs.closed().await;
    }

    /// Notes a call. Returns the answer that a test wants in place of the stage's own.
    fn note(&self, operation: &str, body: Value) -> Option<Fault> {
        self.note_call(operation, body, false)
    }

    fn note_call(&self, operation: &str, body: Value, is_to_table: bool) -> Option<Fault> {
        lock(&self.requests).push(NotedCall {
            operation: operation.to_owned(),
            body,
            is_to_table,
        });
        let mut faults = lock(&self.faults);
        let queue = faults
            .get_mut(operation)
            .filter(|queue| !queue.is_empty())?;
        Some(queue.remove(0))
    }
}

fn count<'c>(calls: impl Iterator<Item = &'c NotedCall>) -> BTreeMap<String, usize> {
    calls.fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(call.operation.clone()).or_default() += 1;
        counts
    })
}

/// The receiver of ECS's events, if anybody wants them.
fn task_events(
    rules: Option<Arc<RunnerRules>>,
    monitor: Option<Arc<EventBridge>>,
) -> Option<TaskEvents> {
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
