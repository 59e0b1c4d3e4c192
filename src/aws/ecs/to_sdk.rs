//! Requests to ECS, from our types into those of the SDK.
#![expect(
    deprecated,
    reason = "Elastic Inference is gone, but the API still has the member, and ECS should say so itself"
)]

use aws_sdk_ecs::{
    config::http::HttpRequest,
    error::BuildError,
    types::{
        AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, EbsTagSpecification,
        EnvironmentFile, EphemeralStorage, InferenceAcceleratorOverride, KeyValuePair,
        NetworkConfiguration, NvidiaMpsAllocation, PlacementConstraint, PlacementStrategy,
        ResourceRequirement, SharingStrategy, Tag, TaskManagedEbsVolumeConfiguration,
        TaskManagedEbsVolumeTerminationPolicy, TaskOverride, TaskVolumeConfiguration,
    },
};
use serde_json::Value;

use super::Launch;
use crate::{aws::CallError, properties::run_task as ours};

/// The arguments that RunTask and StartTask share.
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
        let own = launch
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags: Vec<Tag> = properties
            .tags
            .iter()
            .flatten()
            .map(tag)
            .chain(own)
            .collect();
        Ok(Self {
            overrides: built(properties.overrides.as_ref().map(task_override).transpose())?,
            network_configuration: built(
                properties
                    .network_configuration
                    .as_ref()
                    .map(network_configuration)
                    .transpose(),
            )?,
            volume_configurations: built(
                volumes
                    .map(|all| all.iter().map(volume_configuration).collect())
                    .transpose(),
            )?,
            tags: (!tags.is_empty()).then_some(tags),
        })
    }
}

/// Turns the SDK's complaint about a missing required member into a call error. The properties'
/// shapes rule it out.
fn built<T>(structure: Result<T, BuildError>) -> Result<T, CallError> {
    structure.map_err(|error| CallError::unbuilt("ecs:RunTask", &error))
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
            containers
                .map(|all| all.iter().map(container_override).collect())
                .transpose()?,
        )
        .set_cpu(overrides.cpu.clone())
        .set_memory(overrides.memory.clone())
        .set_task_role_arn(overrides.task_role_arn.clone())
        .set_execution_role_arn(overrides.execution_role_arn.clone())
        .set_ephemeral_storage(overrides.ephemeral_storage.as_ref().map(|storage| {
            EphemeralStorage::builder()
                .size_in_gib(storage.size_in_gib)
                .build()
        }))
        .set_inference_accelerator_overrides(
            accelerators.map(|all| all.iter().map(accelerator).collect()),
        )
        .build())
}

fn container_override(
    container: &ours::ContainerOverride,
) -> Result<ContainerOverride, BuildError> {
    let variable = |pair: &ours::KeyValuePair| {
        KeyValuePair::builder()
            .name(&pair.name)
            .value(&pair.value)
            .build()
    };
    let file = |file: &ours::EnvironmentFile| {
        EnvironmentFile::builder()
            .value(&file.value)
            .r#type(file.kind.as_str().into())
            .build()
    };
    let files = container.environment_files.as_ref();
    let requirements = container.resource_requirements.as_ref();
    Ok(ContainerOverride::builder()
        .name(&container.name)
        .set_command(container.command.clone())
        .set_environment(
            container
                .environment
                .as_ref()
                .map(|all| all.iter().map(variable).collect()),
        )
        .set_environment_files(
            files
                .map(|all| all.iter().map(file).collect())
                .transpose()?,
        )
        .set_cpu(container.cpu)
        .set_memory(container.memory)
        .set_memory_reservation(container.memory_reservation)
        .set_resource_requirements(
            requirements
                .map(|all| all.iter().map(resource_requirement).collect())
                .transpose()?,
        )
        .build())
}

fn resource_requirement(
    one: &ours::ResourceRequirement,
) -> Result<ResourceRequirement, BuildError> {
    ResourceRequirement::builder()
        .set_value(one.value.clone())
        .r#type(one.kind.as_str().into())
        .set_sharing_strategy(
            one.sharing_strategy
                .as_ref()
                .map(sharing_strategy)
                .transpose()?,
        )
        .build()
}

fn sharing_strategy(strategy: &ours::SharingStrategy) -> Result<SharingStrategy, BuildError> {
    let mps = &strategy.nvidia_mps;
    let mps = NvidiaMpsAllocation::builder()
        .memory(mps.memory)
        .set_max_compute_percent(mps.max_compute_percent)
        .build()?;
    Ok(SharingStrategy::NvidiaMps(mps))
}

fn network_configuration(
    network: &ours::NetworkConfiguration,
) -> Result<NetworkConfiguration, BuildError> {
    let vpc = &network.awsvpc_configuration;
    let vpc = AwsVpcConfiguration::builder()
        // Empty only if Service has no subnets either. ECS then says so.
        .set_subnets(Some(vpc.subnets.clone().unwrap_or_default()))
        .set_security_groups(vpc.security_groups.clone())
        .set_assign_public_ip(vpc.assign_public_ip.as_deref().map(Into::into))
        .build()?;
    Ok(NetworkConfiguration::builder()
        .awsvpc_configuration(vpc)
        .build())
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
    built(
        items
            .map(|items| items.iter().map(item).collect())
            .transpose(),
    )
}

/// Removes `weight` and `base` of 0 that the template does not give: the SDK always sends them.
pub(super) fn without_zeroes_that_nobody_gave(
    given: Vec<ours::CapacityProviderStrategyItem>,
) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        let Some(body) = request.body().bytes().filter(|_| !given.is_empty()) else {
            return;
        };
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let sent = body["capacityProviderStrategy"]
            .as_array_mut()
            .into_iter()
            .flatten();
        for (sent, given) in sent.filter_map(Value::as_object_mut).zip(&given) {
            for (name, _) in [("weight", given.weight), ("base", given.base)]
                .iter()
                .filter(|(_, value)| value.is_none())
            {
                sent.remove(*name);
            }
        }
        replace_body(request, &body);
    }
}

/// Removes a resource requirement's empty `value`: the SDK sends one even if sharingStrategy takes
/// its place.
pub(super) fn without_values_that_nobody_gave(
    overrides: Option<&ours::TaskOverride>,
) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let containers = overrides.and_then(|overrides| overrides.container_overrides.as_deref());
    let mut requirements = containers
        .into_iter()
        .flatten()
        .flat_map(|one| one.resource_requirements.iter().flatten());
    let shares = requirements.any(|one| one.value.is_none());
    move |request| {
        let Some(body) = request.body().bytes().filter(|_| shares) else {
            return;
        };
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let containers = body["overrides"]["containerOverrides"]
            .as_array_mut()
            .into_iter()
            .flatten();
        for requirements in containers.filter_map(|one| one["resourceRequirements"].as_array_mut())
        {
            for requirement in requirements.iter_mut().filter_map(Value::as_object_mut) {
                requirement.retain(|name, value| name != "value" || *value != "");
            }
        }
        replace_body(request, &body);
    }
}

fn replace_body(request: &mut HttpRequest, body: &Value) {
    // The SDK signs the request after this, so the signature covers the new body.
    let body = body.to_string();
    request
        .headers_mut()
        .insert("content-length", body.len().to_string());
    *request.body_mut() = body.into();
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
    let managed = volume
        .managed_ebs_volume
        .as_ref()
        .map(managed_ebs_volume)
        .transpose()?;
    TaskVolumeConfiguration::builder()
        .name(&volume.name)
        .set_managed_ebs_volume(managed)
        .build()
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
            specifications
                .map(|all| all.iter().map(specification).collect())
                .transpose()?,
        )
        .role_arn(&volume.role_arn)
        .set_termination_policy(termination.transpose()?)
        .set_filesystem_type(volume.filesystem_type.as_deref().map(Into::into))
        .build()
}

fn tag(tag: &ours::Tag) -> Tag {
    Tag::builder()
        .key(&tag.key)
        .set_value(tag.value.clone())
        .build()
}
