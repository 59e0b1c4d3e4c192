//! The structures of RunTask that a template can set, with ECS's names and limits.
//!
//! An absent member is not sent. Enumerations stay open strings, because ECS adds to them.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>

use std::fmt;

use super::shape::{Field, Rule, Shape, structure};

structure! {
    /// Changes to the task definition for this run.
    TaskOverride {
        /// Overrides by container.
        "containerOverrides" container_overrides: Option<Vec<ContainerOverride>> =
            Rule::optional(Shape::list(&ContainerOverride::SHAPE, usize::MAX));
        /// CPU units of the task, a string in the API: `256` or `.25 vCPU`.
        "cpu" cpu: Option<String> = Rule::optional(Shape::TEXT);
        /// Memory of the task, a string in the API: `512` or `0.5 GB`.
        "memory" memory: Option<String> = Rule::optional(Shape::TEXT);
        /// The role that the containers' code has.
        "taskRoleArn" task_role_arn: Option<String> = Rule::optional(Shape::TEXT);
        /// The role that the agent has.
        "executionRoleArn" execution_role_arn: Option<String> = Rule::optional(Shape::TEXT);
        /// Size of the task's own storage.
        "ephemeralStorage" ephemeral_storage: Option<EphemeralStorage> =
            Rule::optional(EphemeralStorage::SHAPE);
        /// Elastic Inference accelerators.
        "inferenceAcceleratorOverrides" inference_accelerator_overrides:
            Option<Vec<InferenceAcceleratorOverride>> =
            Rule::optional(Shape::list(&InferenceAcceleratorOverride::SHAPE, usize::MAX));
    }
}

structure! {
    /// Changes to one container of the task definition.
    ContainerOverride {
        /// The container's name in the task definition.
        "name" name: String = Rule::required(Shape::NAME);
        /// Replaces its command.
        "command" command: Option<Vec<String>> = Rule::optional(Shape::TEXTS);
        /// Adds variables, or replaces those of the same name.
        "environment" environment: Option<Vec<KeyValuePair>> =
            Rule::optional(Shape::list(&KeyValuePair::SHAPE, usize::MAX));
        /// Files of variables in S3.
        "environmentFiles" environment_files: Option<Vec<EnvironmentFile>> =
            Rule::optional(Shape::list(&EnvironmentFile::SHAPE, 10));
        /// CPU units.
        "cpu" cpu: Option<i32> = Rule::optional(Shape::NUMBER);
        /// Hard limit in MiB.
        "memory" memory: Option<i32> = Rule::optional(Shape::NUMBER);
        /// Soft limit in MiB.
        "memoryReservation" memory_reservation: Option<i32> = Rule::optional(Shape::NUMBER);
        /// GPUs, Neuron devices or inference accelerators.
        "resourceRequirements" resource_requirements: Option<Vec<ResourceRequirement>> =
            Rule::optional(Shape::list(&ResourceRequirement::SHAPE, usize::MAX));
    }
}

structure! {
    /// An environment variable. Its value can be a secret, so `Debug` shows its name alone.
    KeyValuePair {
        /// Its name.
        "name" name: String = Rule::required(Shape::NAME);
        /// Its value, as it is.
        "value" value: String = Rule::required(Shape::TEXT);
    }
}

structure! {
    /// A file of variables.
    #[derive(Debug)]
    EnvironmentFile {
        /// ARN of the S3 object.
        "value" value: String = Rule::required(Shape::NAME);
        /// `s3`
        "type" kind: String = Rule::required(Shape::NAME);
    }
}

structure! {
    /// A GPU, a Neuron device or an inference accelerator.
    #[derive(Debug)]
    ResourceRequirement {
        /// A number, names, or `ALL`. Required without sharingStrategy.
        "value" value: Option<String> = Rule::optional(Shape::NAME);
        /// `GPU`, `NeuronDevice` or `InferenceAccelerator`
        "type" kind: String = Rule::required(Shape::NAME);
        /// The way in which containers share a GPU.
        "sharingStrategy" sharing_strategy: Option<SharingStrategy> =
            Rule::optional(SharingStrategy::SHAPE);
    }
}

structure! {
    /// The way in which containers share a GPU.
    #[derive(Debug)]
    SharingStrategy {
        /// By NVIDIA's Multi-Process Service.
        "nvidiaMps" nvidia_mps: NvidiaMpsAllocation = Rule::required(NvidiaMpsAllocation::SHAPE);
    }
}

structure! {
    /// A container's share of a GPU.
    #[derive(Debug, Default)]
    NvidiaMpsAllocation {
        /// MiB of the GPU's memory.
        "memory" memory: i32 = Rule::required(Shape::integer(1, i32::MAX as i64));
        /// The maximum share of the GPU's computing capacity, in percent; 100 by default.
        "maxComputePercent" max_compute_percent: Option<i32> = Rule::optional(Shape::integer(1, 100));
    }
}

structure! {
    /// Storage that lives as long as the task.
    #[derive(Debug)]
    EphemeralStorage {
        /// 21 to 200 GiB, Fargate's limits.
        "sizeInGiB" size_in_gib: i32 = Rule::required(Shape::integer(21, 200));
    }
}

structure! {
    /// An Elastic Inference accelerator.
    #[derive(Debug)]
    InferenceAcceleratorOverride {
        /// Its name in the task definition.
        "deviceName" device_name: Option<String> = Rule::optional(Shape::TEXT);
        /// Its type.
        "deviceType" device_type: Option<String> = Rule::optional(Shape::TEXT);
    }
}

structure! {
    /// The place of a task's network interface, for the network mode awsvpc alone.
    #[derive(Debug)]
    NetworkConfiguration {
        /// Subnets, security groups, public address.
        "awsvpcConfiguration" awsvpc_configuration: AwsVpcConfiguration =
            Rule::required(AwsVpcConfiguration::SHAPE);
    }
}

structure! {
    /// Subnets and security groups of a task.
    #[derive(Debug, Default)]
    AwsVpcConfiguration {
        /// At most 16, all of one VPC. Required without Service.
        "subnets" subnets: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, 16));
        /// At most 5; the VPC's default one if you name none.
        "securityGroups" security_groups: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, 5));
        /// `ENABLED` or `DISABLED`
        "assignPublicIp" assign_public_ip: Option<String> = Rule::optional(Shape::NAME);
    }
}

structure! {
    /// A share of the tasks for one capacity provider.
    #[derive(Debug)]
    CapacityProviderStrategyItem {
        /// `FARGATE`, `FARGATE_SPOT`, or one of the cluster's own.
        "capacityProvider" capacity_provider: String = Rule::required(Shape::NAME);
        /// Its relative share.
        "weight" weight: Option<i32> = Rule::optional(Shape::integer(0, 1000));
        /// The minimum number of its tasks.
        "base" base: Option<i32> = Rule::optional(Shape::integer(0, 100_000));
    }
}

structure! {
    /// A rule that an instance must satisfy.
    #[derive(Debug)]
    PlacementConstraint {
        /// `distinctInstance` or `memberOf`
        "type" kind: String = Rule::required(Shape::NAME);
        /// In the cluster query language, for `memberOf`.
        "expression" expression: Option<String> = Rule::optional(Shape::Text { min: 1, max: 2000 });
    }
}

structure! {
    /// Rules by which ECS chooses instances.
    #[derive(Debug)]
    PlacementStrategy {
        /// `random`, `spread` or `binpack`
        "type" kind: String = Rule::required(Shape::NAME);
        /// The attribute to spread over or pack by.
        "field" field: Option<String> = Rule::optional(Shape::NAME);
    }
}

structure! {
    /// A tag.
    #[derive(Debug)]
    Tag {
        /// Its key.
        "key" key: String = Rule::required(Shape::Text { min: 1, max: 128 });
        /// Its value.
        "value" value: Option<String> = Rule::optional(Shape::Text { min: 0, max: 256 });
    }
}

structure! {
    /// An EBS volume that is made for the task.
    #[derive(Debug)]
    TaskVolumeConfiguration {
        /// Its name in the task definition.
        "name" name: String = Rule::required(Shape::NAME);
        /// The volume.
        "managedEBSVolume" managed_ebs_volume: Option<TaskManagedEbsVolumeConfiguration> =
            Rule::optional(TaskManagedEbsVolumeConfiguration::SHAPE);
    }
}

structure! {
    /// The volume itself.
    #[derive(Debug)]
    TaskManagedEbsVolumeConfiguration {
        /// Encrypt the volume.
        "encrypted" encrypted: Option<bool> = Rule::optional(Shape::Boolean);
        /// The key that encrypts it.
        "kmsKeyId" kms_key_id: Option<String> = Rule::optional(Shape::NAME);
        /// `gp3`, `io2`, …
        "volumeType" volume_type: Option<String> = Rule::optional(Shape::NAME);
        /// Its size; limits depend on the type.
        "sizeInGiB" size_in_gib: Option<i32> = Rule::optional(Shape::integer(1, 65536));
        /// The snapshot with its content.
        "snapshotId" snapshot_id: Option<String> = Rule::optional(Shape::NAME);
        /// Speed of reading the snapshot, in MiB a second.
        "volumeInitializationRate" volume_initialization_rate: Option<i32> = Rule::optional(Shape::NUMBER);
        /// Operations a second.
        "iops" iops: Option<i32> = Rule::optional(Shape::NUMBER);
        /// MiB a second.
        "throughput" throughput: Option<i32> = Rule::optional(Shape::integer(0, 2000));
        /// Tags of the volume.
        "tagSpecifications" tag_specifications: Option<Vec<EbsTagSpecification>> =
            Rule::optional(Shape::list(&EbsTagSpecification::SHAPE, usize::MAX));
        /// The role with which ECS makes the volume.
        "roleArn" role_arn: String = Rule::required(Shape::NAME);
        /// The end of the volume after the task.
        "terminationPolicy" termination_policy: Option<TerminationPolicy> =
            Rule::optional(TerminationPolicy::SHAPE);
        /// `xfs`, `ext4`, …
        "filesystemType" filesystem_type: Option<String> = Rule::optional(Shape::NAME);
    }
}

structure! {
    /// Tags of a volume.
    #[derive(Debug)]
    EbsTagSpecification {
        /// `volume`
        "resourceType" resource_type: String = Rule::required(Shape::NAME);
        /// The tags.
        "tags" tags: Option<Vec<Tag>> = Rule::optional(Shape::list(&Tag::SHAPE, 50));
        /// `TASK_DEFINITION` or `NONE`
        "propagateTags" propagate_tags: Option<String> = Rule::optional(Shape::NAME);
    }
}

structure! {
    /// The end of a volume after the task.
    #[derive(Debug)]
    TerminationPolicy {
        /// Delete it with the task.
        "deleteOnTermination" delete_on_termination: bool = Rule::required(Shape::Boolean);
    }
}

impl fmt::Debug for KeyValuePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl fmt::Debug for ContainerOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerOverride")
            .field("name", &self.name)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOverride")
            .field("container_overrides", &self.container_overrides)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for NetworkConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vpc = &self.awsvpc_configuration;
        let listed = |names: &Option<Vec<String>>| names.as_deref().unwrap_or_default().join(", ");
        write!(f, "subnets {}", listed(&vpc.subnets))?;
        match vpc.security_groups.as_deref() {
            Some([_, ..]) => write!(f, "{GROUPS}{}", listed(&vpc.security_groups))?,
            _ => f.write_str(", the VPC's default security group")?,
        }
        let is_public = vpc.assign_public_ip.as_deref().unwrap_or("DISABLED");
        write!(f, "{PUBLIC_IP}{is_public}")
    }
}

const GROUPS: &str = ", security groups ";
const PUBLIC_IP: &str = ", AssignPublicIp ";

/// Returns the security groups that a [`NetworkConfiguration`] names, from its text: a continuation
/// has only the text.
pub fn groups_of(network: &str) -> Option<&str> {
    let (_, groups) = network.split_once(GROUPS)?;
    groups.split(PUBLIC_IP).next()
}
