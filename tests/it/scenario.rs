//! A stage with one cluster, and the properties that a template would give a task on it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rehearse::{
    config::{Pace, arn},
    report::Report,
    service::{
        cloudformation::{Ask, Settled},
        ecs::Engine,
        lambda::Function,
    },
    stage::{Config, Stage},
};
use serde_json::{Value, json};

pub(crate) const CLUSTER: &str = "prod";
/// Time limit of a life: none of these tests takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(100);
pub(crate) const LOGICAL_ID: &str = "Migrate";

/// A stage, and a stack with one Custom::ECSTask.
pub(crate) struct Scenario {
    pub(crate) stage: Arc<Stage>,
    pub(crate) stack_id: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Scenario {
    /// Makes a scenario with a function that has all the time it needs.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Makes a scenario with a function that has this time limit.
    pub(crate) async fn with_lambda_timeout(seconds: u64) -> Self {
        Self::with(|config| config.runner.timeout = Duration::from_secs(seconds)).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            runner: Function {
                timeout: Duration::from_secs(60),
                environment: vec![("LOG_LEVEL".to_owned(), "DEBUG".to_owned())],
                recursive_loop_allowed: false,
                ..Function::runner(env!("CARGO_BIN_EXE_ecs_tasks").into())
            },
            monitor: None,
            pace: Pace {
                start: Duration::from_millis(20),
                deprovision: Duration::from_millis(300),
                retries: [Duration::from_millis(200), Duration::from_millis(400)],
            },
            engine: Engine::default(),
            watch: crate::WATCH,
        };
        change(&mut config);
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let reporter = move |report| {
            let line = match report {
                Report::Line { container, text } => format!("{container} | {text}"),
                Report::Log(line) | Report::Note(line) => line,
                Report::Audited { .. } | Report::Alerted { .. } => return,
            };
            sink.lock().unwrap().push(line);
        };
        let stage = Stage::open(config, Arc::new(reporter)).await.unwrap();
        stage.ecs.create_cluster(CLUSTER);
        let stack_id = arn(
            "cloudformation",
            "stack/shop/12947b30-d31a-11e6-93df-503acbd4dc61",
        );
        stage
            .cloudformation
            .set_status(&stack_id, "UPDATE_IN_PROGRESS");
        Self {
            stage,
            stack_id,
            log,
        }
    }

    /// Registers a task definition of the family `app` whose one container, `app`, runs a script;
    /// returns its ARN.
    pub(crate) fn script(&self, script: &str) -> String {
        self.definition(json!([container("app", script)]))
    }

    /// Registers a task definition of the family `app` with these containers; returns its ARN.
    pub(crate) fn definition(&self, containers: Value) -> String {
        self.stage
            .ecs
            .register(&json!({"family": "app", "containerDefinitions": containers}))
            .unwrap()
    }

    /// Creates the resource, as a new stack would.
    pub(crate) async fn create(&self, properties: &Value) -> Settled {
        self.request("Create", None, properties, None).await
    }

    pub(crate) async fn update(&self, old: &Value, new: &Value) -> Settled {
        self.request("Update", Some("shop-Migrate-0123456789ab"), new, Some(old))
            .await
    }

    pub(crate) async fn delete(&self, properties: &Value) -> Settled {
        self.request(
            "Delete",
            Some("shop-Migrate-0123456789ab"),
            properties,
            None,
        )
        .await
    }

    async fn request(
        &self,
        request_type: &str,
        id: Option<&str>,
        properties: &Value,
        old: Option<&Value>,
    ) -> Settled {
        let ask = self.ask(request_type, id, properties, old);
        let settling = self.stage.cloudformation.request(&ask, &self.stage.lambda);
        let settled = tokio::time::timeout(PATIENCE, settling)
            .await
            .expect("an answer in time");
        if !settled.succeeded {
            // A test that fails shows this.
            println!("{request_type}: {}", settled.reason);
        }
        settled
    }

    /// Makes a request, without sending it.
    pub(crate) fn ask<'a>(
        &'a self,
        request_type: &'a str,
        physical_id: Option<&'a str>,
        properties: &'a Value,
        old_properties: Option<&'a Value>,
    ) -> Ask<'a> {
        Ask {
            request_type,
            stack_id: &self.stack_id,
            logical_id: LOGICAL_ID,
            resource_type: "Custom::ECSTask",
            physical_id,
            properties,
            old_properties,
        }
    }

    /// Returns how often an operation was called.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.stage.calls().get(operation).copied().unwrap_or(0)
    }

    /// Returns everything that the containers, the function and the stage have written.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Returns the lines that the container `app` printed.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.log()
            .iter()
            .filter_map(|line| line.strip_prefix("app | ").map(str::to_owned))
            .collect()
    }

    /// Waits until something holds. A test that waits in vain fails by its own time limit.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let result = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            result.is_ok(),
            "it never came to hold; the log:\n{}",
            self.log().join("\n")
        );
    }

    /// Waits for so many answers.
    pub(crate) async fn answered(&self, answers: usize) {
        self.until(|scenario| scenario.stage.cloudformation.answers().len() >= answers)
            .await;
    }

    /// Returns the last status of every task.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.stage
            .ecs
            .tasks()
            .into_iter()
            .map(|(_, status)| status)
            .collect()
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        self.stage.close();
        if std::thread::panicking() {
            println!("the log:\n{}", self.log().join("\n"));
        }
    }
}

/// Makes a container definition whose process runs a script.
pub(crate) fn container(name: &str, script: &str) -> Value {
    json!({
        "name": name,
        "image": "busybox",
        "memory": 128,
        "essential": true,
        "entryPoint": ["sh", "-c"],
        "command": [script],
        "stopTimeout": 2,
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": "/ecs/app", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "run",
        }},
    })
}

/// Makes the properties of a run, with those that the test adds.
pub(crate) fn properties(task_definition: &str, more: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": arn("lambda", "function:ecsTasks"),
        "Cluster": CLUSTER,
        "TaskDefinition": task_definition,
    });
    properties
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    properties
}
