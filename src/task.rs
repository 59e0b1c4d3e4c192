//! The vocabulary of ECS: tasks, their containers, and the definition that they ran from.
//!
//! Pure. DescribeTasks and the events of EventBridge become the same [`Task`], so that both are judged alike.
//! Statuses and stop codes stay open strings, as ECS may add to them.

pub mod read;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The ARN of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskArn(pub String);

/// One task as ECS last described it.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its ARN.
    pub arn: TaskArn,
    /// The revision that it runs from; empty where a replayed answer left it out.
    pub task_definition_arn: String,
    /// PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED or
    /// DELETED.
    pub last_status: String,
    /// RUNNING, or STOPPED from when ECS or somebody wants its end; empty where it is not known.
    pub desired_status: String,
    /// `startedBy` of RunTask or StartTask; marks the tasks of one resource.
    pub started_by: Option<String>,
    /// The container instance that it runs on, if it runs on one.
    pub container_instance_arn: Option<String>,
    /// FARGATE, EC2 or EXTERNAL.
    pub launch_type: Option<String>,
    /// The capacity provider that it runs on, if it runs on one.
    pub capacity_provider: Option<String>,
    /// Why ECS stopped it: TaskFailedToStart, EssentialContainerExited, UserInitiated, …
    pub stop_code: Option<String>,
    /// The same in ECS's words, or the reason that was given to StopTask.
    pub stopped_reason: Option<String>,
    /// Its containers, also those that AWS injected.
    pub containers: Vec<Container>,
    /// When RunTask or StartTask made it.
    pub created_at: Option<OffsetDateTime>,
    /// When its containers had started.
    pub started_at: Option<OffsetDateTime>,
    /// When its containers had ended; on Fargate the network interface takes some 20 s more.
    pub execution_stopped_at: Option<OffsetDateTime>,
    /// When it was STOPPED.
    pub stopped_at: Option<OffsetDateTime>,
    /// Its tags, where they were asked for.
    pub tags: BTreeMap<String, String>,
}

/// One container of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name in the task definition.
    pub name: String,
    /// Its image, where ECS names it.
    pub image: Option<String>,
    /// PENDING, RUNNING or STOPPED.
    pub last_status: String,
    /// Absent until it ends, and for good when it never ran or its host was lost.
    pub exit_code: Option<i64>,
    /// What the agent says of it: a pull that failed, memory that ran out.
    pub reason: Option<String>,
    /// The container runtime's id, there once it has been created.
    pub runtime_id: Option<String>,
}

/// What DescribeTasks showed of some tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Those that ECS knows, in the order in which they were asked for.
    pub tasks: Vec<Task>,
    /// Those that it does not know: MISSING.
    pub missing: Vec<TaskArn>,
}

/// Why a task did not start: an entry of `failures` in the answer of RunTask or StartTask, whose HTTP status is 200.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchFailure {
    /// `RESOURCE:MEMORY`, `AGENT`, `Capacity is unavailable at this time…`
    pub reason: String,
    /// What it is about: a container instance, a cluster.
    pub arn: Option<String>,
    /// More of it.
    pub detail: Option<String>,
}

/// What is read of a task definition. Its environment can hold secrets, so `Debug` shows names alone.
///
/// Serialized without its environment, in a wait that the ledger keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskDefinition {
    /// family:revision as an ARN.
    pub arn: String,
    /// CPU units of a whole task, where the definition sets them.
    pub cpu: Option<String>,
    /// MiB of a whole task, where the definition sets them.
    pub memory: Option<String>,
    /// `X86_64` or `ARM64`, where the definition asks for one.
    pub cpu_architecture: Option<String>,
    /// Its containers, in its own order.
    pub containers: Vec<ContainerDefinition>,
}

/// One container of a task definition.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerDefinition {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether its end ends the task.
    pub essential: bool,
    /// Plain variables by name.
    #[serde(skip)]
    pub environment: BTreeMap<String, String>,
    /// `secrets` by name: where each value comes from.
    #[serde(skip)]
    pub secrets: BTreeMap<String, String>,
    /// Its log driver, `awslogs` for one.
    pub log_driver: Option<String>,
    /// Where its output goes, if that is CloudWatch Logs.
    pub logs: Option<AwsLogs>,
    /// The log group that the options of the driver awsfirelens name.
    pub firelens_group: Option<String>,
}

/// The options of the awslogs driver that say where a container's output is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsLogs {
    /// `awslogs-group`
    pub group: String,
    /// `awslogs-region`, where it differs from the function's own.
    pub region: Option<String>,
    /// `awslogs-stream-prefix`; without one the stream has the name of the container's runtime id.
    pub stream_prefix: Option<String>,
}

impl TaskArn {
    /// The last part of the ARN, which names the task within its cluster.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// The name of a cluster, from its ARN or its name.
pub fn cluster_name(cluster: &str) -> &str {
    cluster.rsplit('/').next().unwrap_or(cluster)
}

/// The last part of a task definition's ARN: `app:7`.
pub fn definition_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The family of a task definition, from its ARN or its name.
pub fn family(definition: &str) -> &str {
    let name = definition_name(definition);
    name.split(':').next().unwrap_or(name)
}

impl Task {
    /// A task of which only the ARN is known.
    pub fn unseen(arn: TaskArn) -> Self {
        Self {
            arn,
            task_definition_arn: String::new(),
            last_status: String::new(),
            desired_status: String::new(),
            started_by: None,
            container_instance_arn: None,
            launch_type: None,
            capacity_provider: None,
            stop_code: None,
            stopped_reason: None,
            containers: Vec::new(),
            created_at: None,
            started_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            tags: BTreeMap::new(),
        }
    }

    /// When its containers had ended, as far as that is known.
    pub fn ended_at(&self) -> Option<OffsetDateTime> {
        self.execution_stopped_at.or(self.stopped_at)
    }

    /// For how long its containers ran, as far as that is known.
    ///
    /// Events show tasks whose `executionStoppedAt` is earlier than their `startedAt`. Such a time says nothing
    /// about how long the task ran, so the time of its end stands in for it.
    pub fn run_time(&self) -> Option<Duration> {
        let from = self.started_at?;
        let ends = [self.execution_stopped_at, self.stopped_at];
        ends.into_iter().flatten().find(|end| *end >= from).map(|end| end - from)
    }

    /// Whether nothing of it will run any more: STOPPED, DELETED, or past RUNNING with every container
    /// stopped.
    ///
    /// The latter spares the wait for a network interface to be taken down, some 20 s on Fargate.
    pub fn is_over(&self) -> bool {
        self.is_stopped() || self.is_past_running() && self.all_containers_stopped()
    }

    /// Whether it has let go of all that it held, its network interface included.
    pub fn is_stopped(&self) -> bool {
        matches!(self.last_status.as_str(), "STOPPED" | "DELETED")
    }

    /// Whether it has been told to stop and something of it may still run.
    pub fn is_stopping(&self) -> bool {
        !self.is_over() && (self.desired_status == "STOPPED" || self.is_past_running())
    }

    /// Whether any container was ever created by the container runtime or has ended with an exit code.
    pub fn ever_ran(&self) -> bool {
        self.containers
            .iter()
            .any(|container| container.runtime_id.is_some() || container.exit_code.is_some())
    }

    fn is_past_running(&self) -> bool {
        matches!(self.last_status.as_str(), "DEACTIVATING" | "STOPPING" | "DEPROVISIONING")
    }

    fn all_containers_stopped(&self) -> bool {
        !self.containers.is_empty()
            && self.containers.iter().all(|container| container.last_status == "STOPPED")
    }
}

impl TaskDefinition {
    /// The container of this name, if the definition has one.
    pub fn container(&self, name: &str) -> Option<&ContainerDefinition> {
        self.containers.iter().find(|container| container.name == name)
    }
}

impl AwsLogs {
    /// The stream of one container of one task: `prefix/container/task id`, and without a prefix the
    /// container's id in its runtime, which ECS knows once the container has been created.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html>
    pub fn stream(&self, container: &str, task: &TaskArn, runtime_id: Option<&str>) -> Option<String> {
        match &self.stream_prefix {
            Some(prefix) => Some(format!("{prefix}/{container}/{}", task.id())),
            None => runtime_id.map(str::to_owned),
        }
    }
}

impl fmt::Display for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerDefinition")
            .field("name", &self.name)
            .field("essential", &self.essential)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
