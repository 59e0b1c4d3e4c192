//! ECS: starts tasks, describes them, lists them and stops them.

mod from_sdk;
mod to_sdk;

use aws_sdk_ecs::{
    config::retry::RetryConfig,
    operation::{
        describe_service_revisions::DescribeServiceRevisionsOutput,
        describe_task_definition::DescribeTaskDefinitionOutput,
        list_tasks::builders::ListTasksFluentBuilder, run_task::RunTaskError,
        start_task::StartTaskOutput,
    },
    types::{DesiredStatus, Failure, TaskField},
};

use super::{Aws, CallError, CallErrorKind};
use crate::{
    properties::{Properties, hook::ServiceRevision, service::ServicePlacement},
    task::{LaunchFailure, Observation, Task, TaskArn, TaskDefinition, cluster_name},
};

/// The most tasks that one DescribeTasks takes.
pub const DESCRIBE_AT_ONCE: usize = 100;

/// The arguments of RunTask or StartTask.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// The task to run, and its placement.
    pub properties: &'a Properties,
    /// The mark that all tasks of one resource share.
    pub started_by: &'a str,
    /// Tags for every task.
    pub tags: &'a [(String, String)],
    /// The number of tasks that RunTask starts.
    pub count: usize,
}

/// The answer of RunTask or StartTask.
#[derive(Clone, Debug, PartialEq)]
pub enum Launched {
    /// Tasks that started, and the reasons why others did not.
    Answer {
        /// Started.
        tasks: Vec<Task>,
        /// One entry for each task that did not start: AWS's reason, with the resource and details
        /// if AWS gives them.
        failures: Vec<LaunchFailure>,
    },
    /// An earlier call used this client token with other parameters. Holds the tasks of that call.
    Conflict(Vec<TaskArn>),
}

impl Aws {
    /// Starts tasks on any capacity of the cluster. ECS starts tasks only once for each client
    /// token.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>
    pub async fn run_task(
        &self,
        launch: &Launch<'_>,
        client_token: &str,
    ) -> Result<Launched, CallError> {
        let properties = launch.properties;
        let common = to_sdk::Common::of(launch)?;
        let given = properties.capacity_provider_strategy.clone();
        let constraints = properties.placement_constraints.as_deref();
        let strategy = properties.placement_strategy.as_deref();
        let call = self
            .ecs
            .run_task()
            .cluster(&properties.cluster)
            .task_definition(&properties.task_definition)
            .count(i32::try_from(launch.count).unwrap_or(i32::MAX))
            .started_by(launch.started_by)
            .client_token(client_token)
            .set_launch_type(properties.launch_type.as_deref().map(Into::into))
            .set_platform_version(properties.platform_version.clone())
            .set_capacity_provider_strategy(to_sdk::capacity_providers(given.as_deref())?)
            .set_placement_constraints(
                constraints.map(|all| all.iter().map(to_sdk::placement_constraint).collect()),
            )
            .set_placement_strategy(
                strategy.map(|all| all.iter().map(to_sdk::placement_strategy).collect()),
            )
            .set_overrides(common.overrides)
            .set_network_configuration(common.network_configuration)
            .set_volume_configurations(common.volume_configurations)
            .set_tags(common.tags)
            .set_group(properties.group.clone())
            .set_propagate_tags(properties.propagate_tags.as_deref().map(Into::into))
            .set_enable_ecs_managed_tags(properties.enable_ecs_managed_tags)
            .set_enable_execute_command(properties.enable_execute_command)
            .customize()
            // The caller retries, because it knows the deadline and shares the rate limit with
            // other starts.
            .config_override(one_attempt())
            .mutate_request(to_sdk::without_zeroes_that_nobody_gave(
                given.unwrap_or_default(),
            ))
            .mutate_request(to_sdk::without_values_that_nobody_gave(
                properties.overrides.as_ref(),
            ));
        match call.send().await {
            Ok(output) => Ok(launched(output.tasks(), output.failures())),
            Err(error) => match error.as_service_error() {
                Some(RunTaskError::ConflictException(conflict))
                    if !conflict.resource_ids().is_empty() =>
                {
                    Ok(Launched::Conflict(
                        conflict
                            .resource_ids()
                            .iter()
                            .cloned()
                            .map(TaskArn)
                            .collect(),
                    ))
                }
                // The first call with this token is still running. ECS names its tasks soon.
                Some(RunTaskError::ConflictException(_)) => {
                    let error = CallError::of("ecs:RunTask", error);
                    Err(CallError {
                        kind: CallErrorKind::Transient,
                        ..error
                    })
                }
                _ => Err(CallError::of("ecs:RunTask", error)),
            },
        }
    }

    /// Starts one task on each of these instances. StartTask has no client token: an attempt
    /// without an answer may have started them, so the SDK must not retry.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StartTask.html>
    pub async fn start_task(
        &self,
        launch: &Launch<'_>,
        instances: &[String],
    ) -> Result<Launched, CallError> {
        let properties = launch.properties;
        let common = to_sdk::Common::of(launch)?;
        let call = self
            .ecs
            .start_task()
            .cluster(&properties.cluster)
            .task_definition(&properties.task_definition)
            .set_container_instances(Some(instances.to_vec()))
            .started_by(launch.started_by)
            .set_overrides(common.overrides)
            .set_network_configuration(common.network_configuration)
            .set_volume_configurations(common.volume_configurations)
            .set_tags(common.tags)
            .set_group(properties.group.clone())
            .set_propagate_tags(properties.propagate_tags.as_deref().map(Into::into))
            .set_enable_ecs_managed_tags(properties.enable_ecs_managed_tags)
            .set_enable_execute_command(properties.enable_execute_command)
            .customize()
            .config_override(one_attempt())
            .mutate_request(to_sdk::without_values_that_nobody_gave(
                properties.overrides.as_ref(),
            ));
        let output: StartTaskOutput = call
            .send()
            .await
            .map_err(|error| CallError::of("ecs:StartTask", error))?;
        Ok(launched(output.tasks(), output.failures()))
    }

    /// The placement of a service's tasks. `None` if the cluster has no active service of that
    /// name.
    pub async fn describe_service(
        &self,
        cluster: &str,
        name: &str,
    ) -> Result<Option<ServicePlacement>, CallError> {
        let call = self.ecs.describe_services().cluster(cluster).services(name);
        let output = call
            .send()
            .await
            .map_err(|error| CallError::of("ecs:DescribeServices", error))?;
        // A deleted service stays visible for a while, as INACTIVE.
        let active = output
            .services()
            .iter()
            .find(|service| service.status() != Some("INACTIVE"));
        if active.is_some_and(from_sdk::awaits_its_primary) {
            let why = format!("service {name} has no PRIMARY task set, which says where it runs");
            return Err(CallError::refused("ecs:DescribeServices", &why));
        }
        Ok(active.map(from_sdk::service_placement))
    }

    /// A service revision. `None` if ECS does not know it.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceRevisions.html>
    pub async fn describe_service_revision(
        &self,
        arn: &str,
    ) -> Result<Option<ServiceRevision>, CallError> {
        let call = self
            .ecs
            .describe_service_revisions()
            .service_revision_arns(arn);
        let call = call.customize().config_override(one_attempt());
        let output: DescribeServiceRevisionsOutput = call
            .send()
            .await
            .map_err(|error| CallError::of("ecs:DescribeServiceRevisions", error))?;
        Ok(output
            .service_revisions()
            .first()
            .map(from_sdk::service_revision))
    }

    /// Describes all of these tasks once, with their tags. The caller's next look is the retry.
    pub async fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[TaskArn],
    ) -> Result<Observation, CallError> {
        let mut seen = Observation::default();
        for chunk in tasks.chunks(DESCRIBE_AT_ONCE) {
            let arns = chunk.iter().map(|arn| arn.0.clone()).collect();
            let call = self
                .ecs
                .describe_tasks()
                .cluster(cluster)
                .set_tasks(Some(arns))
                .include(TaskField::Tags);
            match call.customize().config_override(one_attempt()).send().await {
                Ok(output) => seen.tasks.extend(output.tasks().iter().map(from_sdk::task)),
                Err(error) => match from_sdk::tasks_beyond_the_sdk(&error) {
                    Some(tasks) => seen.tasks.extend(tasks),
                    None => return Err(CallError::of("ecs:DescribeTasks", error)),
                },
            }
        }
        // ECS may answer in any order, and the verdict and its Reason must not depend on that. A
        // task that the answer leaves out counts as missing, too.
        let position = |arn: &TaskArn| tasks.iter().position(|task| task == arn);
        seen.tasks.sort_by_key(|task| position(&task.arn));
        let unseen = tasks
            .iter()
            .filter(|arn| !seen.tasks.iter().any(|task| task.arn == **arn))
            .cloned();
        seen.missing = unseen.collect();
        Ok(seen)
    }

    /// The names of the account's clusters in this region.
    pub async fn list_clusters(&self) -> Result<Vec<String>, CallError> {
        let mut pages = self.ecs.list_clusters().into_paginator().items().send();
        let mut clusters = Vec::new();
        while let Some(arn) = pages.next().await {
            let arn = arn.map_err(|error| CallError::of("ecs:ListClusters", error))?;
            clusters.push(cluster_name(&arn).to_owned());
        }
        Ok(clusters)
    }

    /// The tasks of one resource that ECS wants running, those that have not reached RUNNING yet
    /// included.
    pub async fn list_running(
        &self,
        cluster: &str,
        started_by: &str,
    ) -> Result<Vec<TaskArn>, CallError> {
        // No desiredStatus: AWS documents that startedBy must be the only filter
        // (docs/decisions/0005).
        self.list_tasks(
            self.ecs
                .list_tasks()
                .cluster(cluster)
                .started_by(started_by),
        )
        .await
    }

    /// The tasks of a family that ECS wants stopped: those that are stopping, and those that
    /// stopped within the last hour. They can belong to any resource: ListTasks allows no other
    /// filter beside startedBy, so the caller learns it from DescribeTasks.
    pub async fn list_stopped(
        &self,
        cluster: &str,
        family: &str,
    ) -> Result<Vec<TaskArn>, CallError> {
        let call = self.ecs.list_tasks().cluster(cluster).family(family);
        self.list_tasks(call.desired_status(DesiredStatus::Stopped))
            .await
    }

    async fn list_tasks(&self, call: ListTasksFluentBuilder) -> Result<Vec<TaskArn>, CallError> {
        let mut pages = call.into_paginator().items().send();
        let mut tasks = Vec::new();
        while let Some(arn) = pages.next().await {
            tasks.push(TaskArn(
                arn.map_err(|error| CallError::of("ecs:ListTasks", error))?,
            ));
        }
        Ok(tasks)
    }

    /// Asks ECS to stop a task; `reason` becomes its stoppedReason. A task that has already stopped
    /// is not an error.
    pub async fn stop_task(
        &self,
        cluster: &str,
        task: &TaskArn,
        reason: &str,
    ) -> Result<(), CallError> {
        let call = self
            .ecs
            .stop_task()
            .cluster(cluster)
            .task(&task.0)
            .reason(reason);
        call.send()
            .await
            .map_err(|error| CallError::of("ecs:StopTask", error))?;
        Ok(())
    }

    /// Reads a task definition by family, family:revision or ARN. Makes one attempt; the caller
    /// retries.
    pub async fn describe_task_definition(&self, name: &str) -> Result<TaskDefinition, CallError> {
        let call = self.ecs.describe_task_definition().task_definition(name);
        let call = call.customize().config_override(one_attempt());
        let output: DescribeTaskDefinitionOutput = call
            .send()
            .await
            .map_err(|error| CallError::of("ecs:DescribeTaskDefinition", error))?;
        Ok(output
            .task_definition()
            .map(from_sdk::task_definition)
            .unwrap_or_default())
    }
}

fn one_attempt() -> aws_sdk_ecs::config::Builder {
    aws_sdk_ecs::Config::builder().retry_config(RetryConfig::disabled())
}

fn launched(tasks: &[aws_sdk_ecs::types::Task], failures: &[Failure]) -> Launched {
    let failure = |failure: &Failure| LaunchFailure {
        reason: failure.reason().unwrap_or("no reason given").to_owned(),
        arn: failure.arn().map(str::to_owned),
        detail: failure.detail().map(str::to_owned),
    };
    Launched::Answer {
        tasks: tasks.iter().map(from_sdk::task).collect(),
        failures: failures.iter().map(failure).collect(),
    }
}
