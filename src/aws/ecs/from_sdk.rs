//! ECS's answers, from the SDK's types into ours.

use aws_sdk_ecs::{
    config::http::HttpResponse,
    error::SdkError,
    primitives::DateTime,
    types::{
        CapacityProviderStrategyItem, Container, ContainerDefinition, DeploymentController,
        DeploymentControllerType, KeyValuePair, LaunchType, LogDriver, NetworkConfiguration,
        Service, ServiceRevision, Tag, Task, TaskDefinition,
    },
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    properties::{hook, run_task as ours, service::ServicePlacement},
    task,
};

pub(super) fn task(task: &Task) -> task::Task {
    let tag = |tag: &Tag| {
        Some((
            tag.key()?.to_owned(),
            tag.value().unwrap_or_default().to_owned(),
        ))
    };
    task::Task {
        arn: task::TaskArn(task.task_arn().unwrap_or_default().to_owned()),
        task_definition_arn: task.task_definition_arn().unwrap_or_default().to_owned(),
        last_status: task.last_status().unwrap_or_default().to_owned(),
        desired_status: task.desired_status().unwrap_or_default().to_owned(),
        started_by: task.started_by().map(str::to_owned),
        container_instance_arn: task.container_instance_arn().map(str::to_owned),
        launch_type: task
            .launch_type()
            .map(|launch_type| launch_type.as_str().to_owned()),
        capacity_provider: task.capacity_provider_name().map(str::to_owned),
        stop_code: task.stop_code().map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        containers: task.containers().iter().map(container).collect(),
        created_at: task.created_at().and_then(time),
        started_at: task.started_at().and_then(time),
        execution_stopped_at: task.execution_stopped_at().and_then(time),
        stopped_at: task.stopped_at().and_then(time),
        tags: task.tags().iter().filter_map(tag).collect(),
    }
}

/// The tasks of an answer with HTTP status 200 that the SDK could not read: it takes exit codes for
/// 32-bit numbers, and those of Windows can be wider. Losing the whole batch would fail runs that
/// succeeded.
pub(super) fn tasks_beyond_the_sdk<E>(
    error: &SdkError<E, HttpResponse>,
) -> Option<Vec<task::Task>> {
    let SdkError::ResponseError(unread) = error else {
        return None;
    };
    let response = unread.raw();
    if !response.status().is_success() {
        return None;
    }
    let answer: Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    Some(
        answer["tasks"]
            .as_array()?
            .iter()
            .filter_map(task::Task::read)
            .collect(),
    )
}

fn container(container: &Container) -> task::Container {
    task::Container {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().map(str::to_owned),
        last_status: container.last_status().unwrap_or_default().to_owned(),
        exit_code: container.exit_code().map(i64::from),
        reason: container.reason().map(str::to_owned),
        runtime_id: container.runtime_id().map(str::to_owned),
    }
}

fn time(time: &DateTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos()).ok()
}

pub(super) fn task_definition(definition: &TaskDefinition) -> task::TaskDefinition {
    task::TaskDefinition {
        arn: definition
            .task_definition_arn()
            .unwrap_or_default()
            .to_owned(),
        cpu: definition.cpu().map(str::to_owned),
        memory: definition.memory().map(str::to_owned),
        cpu_architecture: definition
            .runtime_platform()
            .and_then(|platform| platform.cpu_architecture())
            .map(|architecture| architecture.as_str().to_owned()),
        containers: definition
            .container_definitions()
            .iter()
            .map(container_definition)
            .collect(),
    }
}

fn container_definition(container: &ContainerDefinition) -> task::ContainerDefinition {
    let variable = |pair: &KeyValuePair| {
        Some((
            pair.name()?.to_owned(),
            pair.value().unwrap_or_default().to_owned(),
        ))
    };
    let awslogs = container
        .log_configuration()
        .filter(|logs| *logs.log_driver() == LogDriver::Awslogs);
    let option = |name: &str| awslogs.and_then(|logs| logs.options()?.get(name)).cloned();
    task::ContainerDefinition {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().unwrap_or_default().to_owned(),
        // ECS's own default: a container is essential unless the definition says otherwise.
        essential: container.essential().unwrap_or(true),
        environment: container
            .environment()
            .iter()
            .filter_map(variable)
            .collect(),
        secrets: container
            .secrets()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        log_driver: container
            .log_configuration()
            .map(|logs| logs.log_driver().as_str().to_owned()),
        logs: option("awslogs-group").map(|group| task::AwsLogs {
            group,
            region: option("awslogs-region"),
            stream_prefix: option("awslogs-stream-prefix"),
        }),
        firelens_group: container
            .log_configuration()
            .filter(|logs| *logs.log_driver() == LogDriver::Awsfirelens)
            .and_then(|logs| logs.options()?.get("log_group_name"))
            .cloned(),
    }
}

/// The service leaves its placement to task sets, and none of them is PRIMARY yet.
pub(super) fn awaits_its_primary(service: &Service) -> bool {
    let controller = service
        .deployment_controller()
        .map(DeploymentController::r#type);
    controller == Some(&DeploymentControllerType::External)
        && !service
            .task_sets()
            .iter()
            .any(|one| one.status() == Some("PRIMARY"))
}

/// The placement of a service's tasks. With an EXTERNAL deployment controller the PRIMARY task set
/// holds it.
pub(super) fn service_placement(service: &Service) -> ServicePlacement {
    match service
        .task_sets()
        .iter()
        .find(|one| one.status() == Some("PRIMARY"))
    {
        Some(primary) => placement(
            primary.network_configuration(),
            primary.platform_version(),
            primary.capacity_provider_strategy(),
            primary.launch_type(),
        ),
        None => placement(
            service.network_configuration(),
            service.platform_version(),
            service.capacity_provider_strategy(),
            service.launch_type(),
        ),
    }
}

pub(super) fn service_revision(revision: &ServiceRevision) -> hook::ServiceRevision {
    hook::ServiceRevision {
        cluster: revision.cluster_arn().unwrap_or_default().to_owned(),
        task_definition: revision.task_definition().unwrap_or_default().to_owned(),
        placement: placement(
            revision.network_configuration(),
            revision.platform_version(),
            revision.capacity_provider_strategy(),
            revision.launch_type(),
        ),
        created_at: revision.created_at().and_then(time),
    }
}

fn placement(
    network: Option<&NetworkConfiguration>,
    platform_version: Option<&str>,
    strategy: &[CapacityProviderStrategyItem],
    launch_type: Option<&LaunchType>,
) -> ServicePlacement {
    let network = network.and_then(NetworkConfiguration::awsvpc_configuration);
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let item = |item: &CapacityProviderStrategyItem| ours::CapacityProviderStrategyItem {
        capacity_provider: item.capacity_provider().to_owned(),
        weight: Some(item.weight()),
        base: Some(item.base()),
    };
    let strategy: Vec<_> = strategy.iter().map(item).collect();
    ServicePlacement {
        network: network.map(|network| ours::AwsVpcConfiguration {
            subnets: some(network.subnets()),
            security_groups: some(network.security_groups()),
            assign_public_ip: network
                .assign_public_ip()
                .map(|assign| assign.as_str().to_owned()),
        }),
        platform_version: platform_version.map(str::to_owned),
        capacity_provider_strategy: (!strategy.is_empty()).then_some(strategy),
        launch_type: launch_type.map(|launch_type| launch_type.as_str().to_owned()),
    }
}
