//! ECS, as far as one-off tasks need it: its API over tasks whose containers are processes of this
//! machine or run on a container engine.

mod api;
mod container_settings;
mod definition;
mod dependency;
mod deployment;
mod engine;
mod event;
mod fargate;
mod hook;
mod job;
mod life;
mod placement;
mod process;
mod refusal;
mod registration;
mod revision;
mod run;
mod spelling;
mod task;
pub mod token;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;

pub use self::{
    container_settings::{ContainerSettings, HealthCheck, MountPoint},
    definition::{ContainerSpec, Revision},
    deployment::{Deployment, FailedDeployment},
    engine::{Engine, EngineError, LeftBehind},
    hook::{LIFECYCLE_STAGES, hook_details},
    placement::Misplaced,
    registration::{Refusal, Refusals},
};
use self::{placement::Cluster, revision::ServiceRevision, task::StageTask, token::ClientTokens};
use super::logs::Logs;
use crate::{
    config::{Pace, arn, random_digits},
    protocol::{AwsError, lock},
    report::Reporter,
};

/// Time between two looks at the tasks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Time limit for killed containers to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// ECS on this machine.
#[derive(Clone)]
pub struct Ecs {
    inner: Arc<EcsInner>,
}

/// Receives the events of tasks' changes.
pub(crate) type TaskEvents = Arc<dyn Fn(Value) + Send + Sync>;

struct EcsInner {
    engine: Engine,
    pace: Pace,
    logs: Arc<Logs>,
    reporter: Reporter,
    events: Option<TaskEvents>,
    /// Changes with each step of a task to its end.
    task_ends: watch::Sender<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<String, Cluster>,
    /// All revisions by family.
    definitions: BTreeMap<String, Vec<Revision>>,
    /// Services by cluster and name, reduced to the members that say where their tasks run.
    services: BTreeMap<(String, String), Value>,
    /// The revisions of all services, in the order in which they were made.
    revisions: Vec<ServiceRevision>,
    tasks: Vec<StageTask>,
    /// The ARNs of the tasks of each token.
    tokens: ClientTokens<Vec<String>>,
    /// Made-up secrets that have been reported.
    noted_secrets: BTreeSet<String>,
    /// Notes on images that the engine ignores. Each is reported once.
    ignored_images: BTreeSet<String>,
    injects: bool,
}

impl Ecs {
    pub(crate) fn new(
        engine: Engine,
        pace: Pace,
        logs: Arc<Logs>,
        reporter: Reporter,
        events: Option<TaskEvents>,
    ) -> Self {
        Self {
            inner: Arc::new(EcsInner {
                engine,
                pace,
                logs,
                reporter,
                events,
                task_ends: watch::Sender::default(),
                state: Mutex::default(),
            }),
        }
    }

    /// Creates a cluster and returns its ARN.
    pub fn create_cluster(&self, name: &str) -> String {
        lock(&self.inner.state)
            .clusters
            .entry(name.to_owned())
            .or_default();
        arn("ecs", &format!("cluster/{name}"))
    }

    /// Deletes a cluster. Its tasks run on.
    pub fn delete_cluster(&self, name: &str) {
        lock(&self.inner.state).clusters.remove(name);
    }

    /// Registers a revision of a task definition and returns its ARN. `Err` names every rule that
    /// it breaks.
    pub fn register(&self, definition: &Value) -> Result<String, Refusals> {
        let mut definition = Revision::registered(definition)?;
        let mut state = lock(&self.inner.state);
        let revisions = state
            .definitions
            .entry(definition.family.clone())
            .or_default();
        // A deregistered revision keeps its number, as on ECS.
        definition.revision = revisions.iter().map(|one| one.revision).max().unwrap_or(0) + 1;
        definition.arn = arn(
            "ecs",
            &format!(
                "task-definition/{}:{}",
                definition.family, definition.revision
            ),
        );
        let arn = definition.arn.clone();
        revisions.push(definition);
        Ok(arn)
    }

    /// Adds a definition that lives elsewhere, as DescribeTaskDefinition returns it. `Err` says
    /// what it lacks.
    pub fn register_given(&self, described: &Value) -> Result<(), String> {
        let mut definition = Revision::read(described)?;
        let nowhere = || {
            format!(
                "task definition {} has no revision or no taskDefinitionArn",
                definition.family
            )
        };
        (definition.revision, definition.arn) = definition.external_place().ok_or_else(nowhere)?;
        let mut state = lock(&self.inner.state);
        state
            .definitions
            .entry(definition.family.clone())
            .or_default()
            .push(definition);
        Ok(())
    }

    /// True if there is a cluster with this name or ARN.
    pub fn has_cluster(&self, cluster: &str) -> bool {
        lock(&self.inner.state)
            .clusters
            .contains_key(short(cluster))
    }

    /// True if there is a task definition of this family, family:revision or ARN.
    pub fn has_definition(&self, definition: &str) -> bool {
        lock(&self.inner.state).definition(definition).is_ok()
    }

    /// True if a cluster has a service with this name or ARN.
    pub fn has_service(&self, cluster: &str, service: &str) -> bool {
        let key = (short(cluster).to_owned(), short(service).to_owned());
        lock(&self.inner.state).services.contains_key(&key)
    }

    /// Sets a cluster's capacity providers from a template's properties.
    pub fn set_capacity_providers(&self, cluster: &str, properties: &Value) {
        if let Some(cluster) = lock(&self.inner.state).clusters.get_mut(short(cluster)) {
            cluster.set_providers(&spelling::normal(properties, ""));
        }
    }

    /// Lets a cluster have container instances from now on.
    pub fn add_instances(&self, cluster: &str) {
        if let Some(cluster) = lock(&self.inner.state).clusters.get_mut(short(cluster)) {
            cluster.has_instances = true;
        }
    }

    /// Creates a service that lives elsewhere, in a place where tasks of this definition can run.
    pub fn play_service(&self, cluster: &str, name: &str, definition: &str) {
        let vpc = json!({"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"],
            "assignPublicIp": "DISABLED"});
        let service = match lock(&self.inner.state).definition(definition) {
            Ok(definition) if definition.is_for_fargate => {
                json!({"launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": vpc}})
            }
            Ok(definition) if definition.network_mode == "awsvpc" => {
                json!({"launchType": "EC2", "networkConfiguration": {"awsvpcConfiguration": vpc}})
            }
            _ => json!({"launchType": "EC2"}),
        };
        self.create_service(cluster, name, &service);
    }

    /// Adds a container to every task from now on that is not in its definition and never has an
    /// exit code, as GuardDuty does.
    pub fn inject_containers(&self) {
        lock(&self.inner.state).injects = true;
    }

    /// Creates a service, which runs no task here, without its hooks, and returns its ARN. `service`
    /// has ECS's or CloudFormation's spelling.
    pub fn create_service(&self, cluster: &str, name: &str, service: &Value) -> String {
        self.deploy(cluster, name, service).0
    }

    /// Creates a task set of a service with an EXTERNAL deployment controller and returns its id.
    /// Its status is ACTIVE.
    pub fn create_task_set(&self, properties: &Value) -> String {
        let id = format!("ecs-svc/{}", random_digits(19));
        let said = spelling::normal(properties, "");
        let mut json = placed(&said);
        json["id"] = id.as_str().into();
        json["status"] = "ACTIVE".into();
        if let Some(service) = lock(&self.inner.state)
            .services
            .get_mut(&service_key(&said))
            && let Some(sets) = service["taskSets"].as_array_mut()
        {
            sets.push(json);
        }
        id
    }

    /// Makes a task set the PRIMARY one of its service.
    pub fn set_primary_task_set(&self, properties: &Value) {
        let said = spelling::normal(properties, "");
        let mut state = lock(&self.inner.state);
        let service = state.services.get_mut(&service_key(&said));
        for set in service
            .and_then(|service| service["taskSets"].as_array_mut())
            .into_iter()
            .flatten()
        {
            let is_primary = set["id"] == said["taskSetId"];
            set["status"] = if is_primary { "PRIMARY" } else { "ACTIVE" }.into();
        }
    }

    /// Deletes a service.
    pub fn delete_service(&self, arn: &str) {
        lock(&self.inner.state)
            .services
            .retain(|_, service| service["serviceArn"] != arn);
    }

    /// Marks a revision INACTIVE.
    pub fn deregister(&self, arn: &str) {
        let mut state = lock(&self.inner.state);
        if let Some(definition) = state
            .definitions
            .values_mut()
            .flatten()
            .find(|definition| definition.arn == arn)
        {
            definition.active = false;
        }
    }

    /// ARN and last status of every task, in the order in which they were started.
    pub fn tasks(&self) -> Vec<(String, String)> {
        let state = lock(&self.inner.state);
        state
            .tasks
            .iter()
            .map(|task| (task.arn.clone(), task.last_status.to_owned()))
            .collect()
    }

    /// The time at which all containers of a task had ended; `None` before.
    pub fn ended_at(&self, arn: &str) -> Option<OffsetDateTime> {
        lock(&self.inner.state)
            .tasks
            .iter()
            .find(|task| task.arn == arn)?
            .execution_stopped_at
    }

    /// Waits until every task that stops is STOPPED.
    pub async fn settled(&self) {
        let stopping =
            |task: &StageTask| task.desired_status == "STOPPED" && task.last_status != "STOPPED";
        while lock(&self.inner.state).tasks.iter().any(stopping) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Kills every container.
    pub fn close(&self) {
        for task in &lock(&self.inner.state).tasks {
            task.kill();
        }
    }

    /// Waits up to 10 s until every container has ended and is cleaned up. Call [`Self::close`]
    /// before.
    pub async fn closed(&self) {
        let runs = |task: &StageTask| {
            task.containers
                .iter()
                .any(|container| container.handle.is_some())
        };
        let gone = async {
            while lock(&self.inner.state).tasks.iter().any(runs) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // A container that cannot be killed must not hold up the end of the rehearsal.
        let _ = tokio::time::timeout(CLOSE_LIMIT, gone).await;
    }

    /// Answers an operation of the API. `Err` is ECS's error.
    pub fn call(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        api::call(&self.inner, operation, body)
    }
}

/// The members of a service or task set that say where its tasks run.
fn placed(said: &Value) -> Value {
    let mut json = json!({});
    for name in [
        "capacityProviderStrategy",
        "launchType",
        "networkConfiguration",
        "platformVersion",
    ] {
        if !said[name].is_null() {
            json[name] = said[name].clone();
        }
    }
    json
}

/// The cluster and the service of a task set.
fn service_key(said: &Value) -> (String, String) {
    let name = |member: &str| short(said[member].as_str().unwrap_or("default")).to_owned();
    (name("cluster"), name("service"))
}

/// The name at the end of an ARN.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
