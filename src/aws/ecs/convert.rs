//! Between ECS's types in the SDK and ours.
#![expect(
    deprecated,
    reason = "Elastic Inference is gone, but the API still has the member, and ECS should say so itself"
)]

use aws_sdk_ecs::{
    config::http::HttpRequest,
    error::BuildError,
    primitives::DateTime,
    types::{
        AwsVpcConfiguration, CapacityProviderStrategyItem, Container, ContainerDefinition, ContainerOverride,
        EnvironmentFile, EphemeralStorage, InferenceAcceleratorOverride, KeyValuePair, LogDriver, NetworkConfiguration,
        ResourceRequirement, Tag, Task, TaskDefinition, TaskOverride,
    },
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    aws::{Error, Kind},
    properties::run_task as ours,
    task,
};

/// A structure that the SDK refuses to build: a required member is missing, which the properties' shapes rule out.
pub(super) fn built<T>(structure: Result<T, BuildError>) -> Result<T, Error> {
    structure.map_err(|error| Error {
        operation: "ecs:RunTask",
        code: "BuildError".to_owned(),
        message: error.to_string(),
        kind: Kind::Final,
    })
}

pub(super) fn task(task: &Task) -> task::Task {
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    task::Task {
        arn: task::TaskArn(task.task_arn().unwrap_or_default().to_owned()),
        task_definition_arn: task.task_definition_arn().unwrap_or_default().to_owned(),
        last_status: task.last_status().unwrap_or_default().to_owned(),
        stop_code: task.stop_code().map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        containers: task.containers().iter().map(container).collect(),
        started_at: task.started_at().and_then(time),
        execution_stopped_at: task.execution_stopped_at().and_then(time),
        stopped_at: task.stopped_at().and_then(time),
        tags: task.tags().iter().filter_map(tag).collect(),
    }
}

fn container(container: &Container) -> task::Container {
    task::Container {
        name: container.name().unwrap_or_default().to_owned(),
        last_status: container.last_status().unwrap_or_default().to_owned(),
        exit_code: container.exit_code(),
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
        containers: definition.container_definitions().iter().map(container_definition).collect(),
    }
}

fn container_definition(container: &ContainerDefinition) -> task::ContainerDefinition {
    let variable = |pair: &KeyValuePair| Some((pair.name()?.to_owned(), pair.value().unwrap_or_default().to_owned()));
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
        logs: option("awslogs-group").map(|group| task::AwsLogs {
            group,
            region: option("awslogs-region"),
            stream_prefix: option("awslogs-stream-prefix"),
        }),
    }
}

pub(super) fn task_override(overrides: &ours::TaskOverride) -> Result<TaskOverride, BuildError> {
    let accelerator = |one: &ours::InferenceAcceleratorOverride| {
        InferenceAcceleratorOverride::builder()
            .set_device_name(one.device_name.clone())
            .set_device_type(one.device_type.clone())
            .build()
    };
    let containers = overrides.container_overrides.as_ref();
    let accelerators = overrides.inference_accelerator_overrides.as_ref();
    Ok(TaskOverride::builder()
        .set_container_overrides(containers.map(|all| all.iter().map(container_override).collect()).transpose()?)
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
    let variable = |pair: &ours::KeyValuePair| KeyValuePair::builder().name(&pair.name).value(&pair.value).build();
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

pub(super) fn network_configuration(network: &ours::NetworkConfiguration) -> Result<NetworkConfiguration, BuildError> {
    let vpc = &network.awsvpc_configuration;
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(vpc.subnets.clone()))
        .set_security_groups(vpc.security_groups.clone())
        .set_assign_public_ip(vpc.assign_public_ip.as_deref().map(Into::into))
        .build()?;
    Ok(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
}

pub(super) fn capacity_provider(
    item: &ours::CapacityProviderStrategyItem,
) -> Result<CapacityProviderStrategyItem, BuildError> {
    let item = CapacityProviderStrategyItem::builder()
        .capacity_provider(&item.capacity_provider)
        .set_weight(item.weight)
        .set_base(item.base);
    item.build()
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

pub(super) fn tags(tags: &[(String, String)]) -> Option<Vec<Tag>> {
    let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build();
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}
