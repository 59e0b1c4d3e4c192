//! Between ECS's types in the SDK and ours.
#![expect(
    deprecated,
    reason = "Elastic Inference is gone, but the API still has the member, and ECS should say so itself"
)]

use aws_sdk_ecs::{
    config::http::{HttpRequest, HttpResponse},
    error::{BuildError, SdkError},
    primitives::DateTime,
    types::{
        AwsVpcConfiguration, CapacityProviderStrategyItem, Container, ContainerDefinition, ContainerOverride,
        EbsTagSpecification, EnvironmentFile, EphemeralStorage, InferenceAcceleratorOverride, KeyValuePair,
        LogDriver, NetworkConfiguration, PlacementConstraint, PlacementStrategy, ResourceRequirement,
        Service, Tag, Task, TaskDefinition, TaskManagedEbsVolumeConfiguration,
        TaskManagedEbsVolumeTerminationPolicy, TaskOverride, TaskVolumeConfiguration,
    },
};
use serde_json::Value;
use time::OffsetDateTime;

use super::Launch;
use crate::{
    aws::CallError,
    properties::{run_task as ours, service::ServicePlacement},
    task,
};

/// What RunTask and StartTask have in common.
pub(super) struct Common {
    pub(super) overrides: Option<TaskOverride>,
    pub(super) network_configuration: Option<NetworkConfiguration>,
    pub(super) volume_configurations: Option<Vec<TaskVolumeConfiguration>>,
    pub(super) tags: Option<Vec<Tag>>,
}

impl Common {
    pub(super) fn of(launch: &Launch<'_>) -> Result<Self, CallError> {
        let properties = launch.properties;
        let volumes = properties.volume_configurations.as_ref();
        let own = launch.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags: Vec<Tag> = properties.tags.iter().flatten().map(tag).chain(own).collect();
        Ok(Self {
            overrides: built(properties.overrides.as_ref().map(task_override).transpose())?,
            network_configuration: built(
                properties.network_configuration.as_ref().map(network_configuration).transpose(),
            )?,
            volume_configurations: built(
                volumes.map(|all| all.iter().map(volume_configuration).collect()).transpose(),
            )?,
            tags: (!tags.is_empty()).then_some(tags),
        })
    }
}

/// A structure that the SDK refuses to build: a required member is missing, which the properties' shapes rule
/// out.
fn built<T>(structure: Result<T, BuildError>) -> Result<T, CallError> {
    structure.map_err(|error| CallError::unbuilt("ecs:RunTask", &error))
}

pub(super) fn task(task: &Task) -> task::Task {
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    task::Task {
        arn: task::TaskArn(task.task_arn().unwrap_or_default().to_owned()),
        task_definition_arn: task.task_definition_arn().unwrap_or_default().to_owned(),
        last_status: task.last_status().unwrap_or_default().to_owned(),
        desired_status: task.desired_status().unwrap_or_default().to_owned(),
        started_by: task.started_by().map(str::to_owned),
        container_instance_arn: task.container_instance_arn().map(str::to_owned),
        launch_type: task.launch_type().map(|launch_type| launch_type.as_str().to_owned()),
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

/// The tasks of an answer of HTTP status 200 that the SDK could not read: it takes exit codes for 32-bit
/// numbers, and those of Windows can be wider. Going blind for the whole batch would fail runs that
/// succeeded.
pub(super) fn tasks_beyond_the_sdk<E>(error: &SdkError<E, HttpResponse>) -> Option<Vec<task::Task>> {
    let SdkError::ResponseError(unread) = error else { return None };
    let response = unread.raw();
    if !response.status().is_success() {
        return None;
    }
    let answer: Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    Some(answer["tasks"].as_array()?.iter().filter_map(task::Task::read).collect())
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
        arn: definition.task_definition_arn().unwrap_or_default().to_owned(),
        cpu: definition.cpu().map(str::to_owned),
        memory: definition.memory().map(str::to_owned),
        cpu_architecture: definition
            .runtime_platform()
            .and_then(|platform| platform.cpu_architecture())
            .map(|architecture| architecture.as_str().to_owned()),
        containers: definition.container_definitions().iter().map(container_definition).collect(),
    }
}

fn container_definition(container: &ContainerDefinition) -> task::ContainerDefinition {
    let variable =
        |pair: &KeyValuePair| Some((pair.name()?.to_owned(), pair.value().unwrap_or_default().to_owned()));
    let awslogs = container.log_configuration().filter(|logs| *logs.log_driver() == LogDriver::Awslogs);
    let option = |name: &str| awslogs.and_then(|logs| logs.options()?.get(name)).cloned();
    task::ContainerDefinition {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().unwrap_or_default().to_owned(),
        essential: container.essential().unwrap_or(true),
        environment: container.environment().iter().filter_map(variable).collect(),
        secrets: container
            .secrets()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        log_driver: container.log_configuration().map(|logs| logs.log_driver().as_str().to_owned()),
        logs: option("awslogs-group").map(|group| task::AwsLogs {
            group,
            region: option("awslogs-region"),
            stream_prefix: option("awslogs-stream-prefix"),
        }),
    }
}

fn task_override(overrides: &ours::TaskOverride) -> Result<TaskOverride, BuildError> {
    let accelerator = |one: &ours::InferenceAcceleratorOverride| {
        InferenceAcceleratorOverride::builder()
            .set_device_name(one.device_name.clone())
            .set_device_type(one.device_type.clone())
            .build()
    };
    let containers = overrides.container_overrides.as_ref();
    let accelerators = overrides.inference_accelerator_overrides.as_ref();
    Ok(TaskOverride::builder()
        .set_container_overrides(
            containers.map(|all| all.iter().map(container_override).collect()).transpose()?,
        )
        .set_cpu(overrides.cpu.clone())
        .set_memory(overrides.memory.clone())
        .set_task_role_arn(overrides.task_role_arn.clone())
        .set_execution_role_arn(overrides.execution_role_arn.clone())
        .set_ephemeral_storage(
            overrides
                .ephemeral_storage
                .as_ref()
                .map(|storage| EphemeralStorage::builder().size_in_gib(storage.size_in_gib).build()),
        )
        .set_inference_accelerator_overrides(accelerators.map(|all| all.iter().map(accelerator).collect()))
        .build())
}

fn container_override(container: &ours::ContainerOverride) -> Result<ContainerOverride, BuildError> {
    let variable =
        |pair: &ours::KeyValuePair| KeyValuePair::builder().name(&pair.name).value(&pair.value).build();
    let file = |file: &ours::EnvironmentFile| {
        EnvironmentFile::builder().value(&file.value).r#type(file.kind.as_str().into()).build()
    };
    let requirement = |one: &ours::ResourceRequirement| {
        ResourceRequirement::builder().value(&one.value).r#type(one.kind.as_str().into()).build()
    };
    let files = container.environment_files.as_ref();
    let requirements = container.resource_requirements.as_ref();
    Ok(ContainerOverride::builder()
        .name(&container.name)
        .set_command(container.command.clone())
        .set_environment(container.environment.as_ref().map(|all| all.iter().map(variable).collect()))
        .set_environment_files(files.map(|all| all.iter().map(file).collect()).transpose()?)
        .set_cpu(container.cpu)
        .set_memory(container.memory)
        .set_memory_reservation(container.memory_reservation)
        .set_resource_requirements(requirements.map(|all| all.iter().map(requirement).collect()).transpose()?)
        .build())
}

fn network_configuration(network: &ours::NetworkConfiguration) -> Result<NetworkConfiguration, BuildError> {
    let vpc = &network.awsvpc_configuration;
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(vpc.subnets.clone().unwrap_or_default()))
        .set_security_groups(vpc.security_groups.clone())
        .set_assign_public_ip(vpc.assign_public_ip.as_deref().map(Into::into))
        .build()?;
    Ok(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
}

pub(super) fn capacity_providers(
    items: Option<&[ours::CapacityProviderStrategyItem]>,
) -> Result<Option<Vec<CapacityProviderStrategyItem>>, CallError> {
    let item = |item: &ours::CapacityProviderStrategyItem| {
        CapacityProviderStrategyItem::builder()
            .capacity_provider(&item.capacity_provider)
            .set_weight(item.weight)
            .set_base(item.base)
            .build()
    };
    built(items.map(|items| items.iter().map(item).collect()).transpose())
}

/// The SDK writes `weight` and `base` as 0 where they are not given; what is not given is not sent.
pub(super) fn without_zeroes_that_nobody_gave(
    given: Vec<ours::CapacityProviderStrategyItem>,
) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        let Some(body) = request.body().bytes().filter(|_| !given.is_empty()) else { return };
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else { return };
        let sent = body["capacityProviderStrategy"].as_array_mut().into_iter().flatten();
        for (sent, given) in sent.filter_map(Value::as_object_mut).zip(&given) {
            for (name, _) in
                [("weight", given.weight), ("base", given.base)].iter().filter(|(_, value)| value.is_none())
            {
                sent.remove(*name);
            }
        }
        let body = body.to_string();
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = body.into();
    }
}

pub(super) fn placement_constraint(constraint: &ours::PlacementConstraint) -> PlacementConstraint {
    PlacementConstraint::builder()
        .r#type(constraint.kind.as_str().into())
        .set_expression(constraint.expression.clone())
        .build()
}

pub(super) fn placement_strategy(strategy: &ours::PlacementStrategy) -> PlacementStrategy {
    PlacementStrategy::builder()
        .r#type(strategy.kind.as_str().into())
        .set_field(strategy.field.clone())
        .build()
}

fn volume_configuration(
    volume: &ours::TaskVolumeConfiguration,
) -> Result<TaskVolumeConfiguration, BuildError> {
    let managed = volume.managed_ebs_volume.as_ref().map(managed_ebs_volume).transpose()?;
    TaskVolumeConfiguration::builder().name(&volume.name).set_managed_ebs_volume(managed).build()
}

fn managed_ebs_volume(
    volume: &ours::TaskManagedEbsVolumeConfiguration,
) -> Result<TaskManagedEbsVolumeConfiguration, BuildError> {
    let specification = |one: &ours::EbsTagSpecification| {
        EbsTagSpecification::builder()
            .resource_type(one.resource_type.as_str().into())
            .set_tags(one.tags.as_ref().map(|tags| tags.iter().map(tag).collect()))
            .set_propagate_tags(one.propagate_tags.as_deref().map(Into::into))
            .build()
    };
    let specifications = volume.tag_specifications.as_ref();
    let termination = volume.termination_policy.as_ref().map(|policy| {
        TaskManagedEbsVolumeTerminationPolicy::builder()
            .delete_on_termination(policy.delete_on_termination)
            .build()
    });
    TaskManagedEbsVolumeConfiguration::builder()
        .set_encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key_id.clone())
        .set_volume_type(volume.volume_type.clone())
        .set_size_in_gib(volume.size_in_gib)
        .set_snapshot_id(volume.snapshot_id.clone())
        .set_volume_initialization_rate(volume.volume_initialization_rate)
        .set_iops(volume.iops)
        .set_throughput(volume.throughput)
        .set_tag_specifications(
            specifications.map(|all| all.iter().map(specification).collect()).transpose()?,
        )
        .role_arn(&volume.role_arn)
        .set_termination_policy(termination.transpose()?)
        .set_filesystem_type(volume.filesystem_type.as_deref().map(Into::into))
        .build()
}

fn tag(tag: &ours::Tag) -> Tag {
    Tag::builder().key(&tag.key).set_value(tag.value.clone()).build()
}

pub(super) fn service_placement(service: &Service) -> ServicePlacement {
    let network = service.network_configuration().and_then(NetworkConfiguration::awsvpc_configuration);
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let item = |item: &CapacityProviderStrategyItem| ours::CapacityProviderStrategyItem {
        capacity_provider: item.capacity_provider().to_owned(),
        weight: Some(item.weight()),
        base: Some(item.base()),
    };
    let strategy: Vec<_> = service.capacity_provider_strategy().iter().map(item).collect();
    ServicePlacement {
        network: network.map(|network| ours::AwsVpcConfiguration {
            subnets: some(network.subnets()),
            security_groups: some(network.security_groups()),
            assign_public_ip: network.assign_public_ip().map(|assign| assign.as_str().to_owned()),
        }),
        platform_version: service.platform_version().map(str::to_owned),
        capacity_provider_strategy: (!strategy.is_empty()).then_some(strategy),
        launch_type: service.launch_type().map(|launch_type| launch_type.as_str().to_owned()),
    }
}
