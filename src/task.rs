//! The vocabulary of ECS: tasks, their containers, and their task definition.
//!
//! Pure. The answers of DescribeTasks and the events of EventBridge become the same [`Task`], so
//! the same rules apply to both. Statuses and stop codes stay open strings, because ECS may add to
//! them.

pub mod read;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The ARN of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskArn(pub String);

/// The stop code of a task with a container that could not be started.
pub const FAILED_TO_START: &str = "TaskFailedToStart";
/// The stop code of a task whose essential container ended.
pub const CONTAINER_EXITED: &str = "EssentialContainerExited";
/// The stop code of a task that somebody stopped with StopTask.
pub const STOPPED_BY_USER: &str = "UserInitiated";
/// The exit codes of a container that a signal ended: SIGKILL and SIGTERM.
pub const ENDED_BY_SIGNAL: [i64; 2] = [137, 143];

/// One task as ECS last described it.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The task's ARN.
    pub arn: TaskArn,
    /// The revision of its task definition; empty if a replayed answer left it out.
    pub task_definition_arn: String,
    /// PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED
    /// or DELETED.
    pub last_status: String,
    /// RUNNING, or STOPPED once ECS or somebody wants it to end; empty if unknown.
    pub desired_status: String,
    /// `startedBy` of RunTask or StartTask; marks the tasks of one resource.
    pub started_by: Option<String>,
    /// The container instance that it runs on, if any.
    pub container_instance_arn: Option<String>,
    /// FARGATE, EC2 or EXTERNAL.
    pub launch_type: Option<String>,
    /// The capacity provider that it runs on, if any.
    pub capacity_provider: Option<String>,
    /// ECS's code for the end: TaskFailedToStart, EssentialContainerExited, UserInitiated, …
    pub stop_code: Option<String>,
    /// ECS's text for the end, or the reason that StopTask was given.
    pub stopped_reason: Option<String>,
    /// Its containers, including those that AWS injected.
    pub containers: Vec<Container>,
    /// The time of RunTask or StartTask.
    pub created_at: Option<OffsetDateTime>,
    /// The time at which its containers had started.
    pub started_at: Option<OffsetDateTime>,
    /// The time at which its containers had ended. On Fargate the removal of the network interface
    /// takes some 20 s more.
    pub execution_stopped_at: Option<OffsetDateTime>,
    /// The time at which it was STOPPED.
    pub stopped_at: Option<OffsetDateTime>,
    /// Its tags, if the call asked for them.
    pub tags: BTreeMap<String, String>,
}

/// One container of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The name in the task definition.
    pub name: String,
    /// The image, if ECS names it.
    pub image: Option<String>,
    /// PENDING, RUNNING or STOPPED.
    pub last_status: String,
    /// The exit code. It is absent until the container ends, and for ever if it never ran or its
    /// host was lost.
    pub exit_code: Option<i64>,
    /// The agent's text about it: a pull that failed, memory that ran out.
    pub reason: Option<String>,
    /// The container runtime's id. It exists once the container has been created.
    pub runtime_id: Option<String>,
}

/// The answer of DescribeTasks about some tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Tasks that ECS knows, in the order of the request.
    pub tasks: Vec<Task>,
    /// Tasks that ECS does not know: MISSING.
    pub missing: Vec<TaskArn>,
}

/// One entry of `failures` in an answer of RunTask or StartTask, whose HTTP status is 200: the
/// reason why a task did not start.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchFailure {
    /// `RESOURCE:MEMORY`, `AGENT`, `Capacity is unavailable at this time…`
    pub reason: String,
    /// The resource that the reason is about: a container instance, a cluster.
    pub arn: Option<String>,
    /// Further details.
    pub detail: Option<String>,
}

/// The parts of a task definition that this crate needs. The environment can hold secrets, so
/// `Debug` shows names alone.
///
/// The ledger stores it inside a wait, without its environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskDefinition {
    /// family:revision as an ARN.
    pub arn: String,
    /// CPU units of a whole task, if the definition sets them.
    pub cpu: Option<String>,
    /// MiB of a whole task, if the definition sets them.
    pub memory: Option<String>,
    /// `X86_64` or `ARM64`, if the definition asks for one.
    pub cpu_architecture: Option<String>,
    /// Its containers, in the definition's order.
    pub containers: Vec<ContainerDefinition>,
}

/// One container of a task definition.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerDefinition {
    /// The container's name.
    pub name: String,
    /// The container's image.
    pub image: String,
    /// True if the container's end ends the task.
    pub essential: bool,
    /// Plain variables by name.
    #[serde(skip)]
    // Skipped: neither a row of the ledger nor a continuation may hold a secret.
    pub environment: BTreeMap<String, String>,
    /// The sources of `secrets`, by the variables' names.
    #[serde(skip)]
    pub secrets: BTreeMap<String, String>,
    /// The log driver, for example `awslogs`.
    pub log_driver: Option<String>,
    /// The options of the awslogs driver, if the output goes to CloudWatch Logs.
    pub logs: Option<AwsLogs>,
    /// The log group in the options of the awsfirelens driver, if they name one.
    pub firelens_group: Option<String>,
}

/// The options of the awslogs driver that lead to a container's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsLogs {
    /// `awslogs-group`
    pub group: String,
    /// `awslogs-region`, if it differs from the function's own Region.
    pub region: Option<String>,
    /// `awslogs-stream-prefix`. Without it the stream is named after the container's runtime id.
    pub stream_prefix: Option<String>,
}

/// True if a signal ended a container with this exit code, and the agent gives no other reason for its
/// end: ECS told it to stop.
pub fn was_signalled(exit_code: Option<i64>, reason: Option<&str>) -> bool {
    exit_code.is_some_and(|code| ENDED_BY_SIGNAL.contains(&code)) && reason.is_none()
}

impl Container {
    /// True if a signal ended it, and the agent gives no other reason.
    pub fn was_signalled(&self) -> bool {
        was_signalled(self.exit_code, self.reason.as_deref())
    }
}

impl TaskArn {
    /// The last part of the ARN, which names the task within its cluster.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The task's cluster. `None` for an ARN of the old format, which does not name it.
    pub fn cluster(&self) -> Option<&str> {
        let mut parts = self.0.rsplit('/').skip(1);
        let cluster = parts.next()?;
        parts.next().map(|_| cluster)
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

    /// The time at which its containers had ended, if known.
    pub fn ended_at(&self) -> Option<OffsetDateTime> {
        self.execution_stopped_at.or(self.stopped_at)
    }

    /// The time that its containers ran, if known.
    ///
    /// Some events have an `executionStoppedAt` earlier than `startedAt`. Such a time says nothing
    /// about the run, so `stoppedAt` takes its place.
    pub fn run_time(&self) -> Option<Duration> {
        let from = self.started_at?;
        let ends = [self.execution_stopped_at, self.stopped_at];
        ends.into_iter()
            .flatten()
            .find(|end| *end >= from)
            .map(|end| end - from)
    }

    /// True if nothing of the task will run any more: it is STOPPED or DELETED, or past RUNNING
    /// with every container stopped.
    ///
    /// The second case saves the wait for the removal of a network interface, some 20 s on Fargate.
    pub fn is_over(&self) -> bool {
        self.is_stopped() || self.is_past_running() && self.all_containers_stopped()
    }

    /// True if the task has released all its resources, its network interface included.
    pub fn is_stopped(&self) -> bool {
        matches!(self.last_status.as_str(), "STOPPED" | "DELETED")
    }

    /// True if the task has been told to stop and a part of it may still run.
    pub fn is_stopping(&self) -> bool {
        !self.is_over() && (self.desired_status == "STOPPED" || self.is_past_running())
    }

    /// True if the container runtime has created any of its containers, or any has an exit code.
    pub fn ever_ran(&self) -> bool {
        self.containers
            .iter()
            .any(|container| container.runtime_id.is_some() || container.exit_code.is_some())
    }

    fn is_past_running(&self) -> bool {
        matches!(
            self.last_status.as_str(),
            "DEACTIVATING" | "STOPPING" | "DEPROVISIONING"
        )
    }

    fn all_containers_stopped(&self) -> bool {
        // `all` is true for an empty list, and a replayed answer of RunTask names no containers.
        !self.containers.is_empty()
            && self
                .containers
                .iter()
                .all(|container| container.last_status == "STOPPED")
    }
}

impl TaskDefinition {
    /// The container of this name, if the definition has one.
    pub fn container(&self, name: &str) -> Option<&ContainerDefinition> {
        self.containers
            .iter()
            .find(|container| container.name == name)
    }
}

impl AwsLogs {
    /// The stream of one container of one task: `prefix/container/task id`. Without a prefix it is
    /// the container's runtime id, which ECS knows once the container has been created.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html>
    pub fn stream(
        &self,
        container: &str,
        task: &TaskArn,
        runtime_id: Option<&str>,
    ) -> Option<String> {
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
