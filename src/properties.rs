//! ResourceProperties, parsed once into a typed and valid value. Later code cannot meet an invalid
//! one.
//!
//! Pure. Reports all errors of a request together, so that one deploy is enough to correct a
//! template.

mod check;
pub mod hook;
mod read;
pub mod run_task;
pub mod service;
pub mod shape;

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use self::{
    run_task::{
        CapacityProviderStrategyItem, NetworkConfiguration, PlacementConstraint, PlacementStrategy,
        Tag, TaskOverride, TaskVolumeConfiguration,
    },
    shape::{Field, Rule, Shape, structure},
};

/// The longest time that CloudFormation waits for a custom resource, in seconds, and the default of
/// ServiceTimeout.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html>
pub const MAX_SERVICE_TIMEOUT: u32 = 3600;
/// The longest time that CloudFormation waits for a WaitCondition, in seconds.
pub const MAX_WAIT: u32 = 43_200;
/// The limit for a template's tags: ECS allows 50, and the function adds five.
const MAX_TAGS: usize = 45;
const SERVICE_TIMEOUT: Shape = Shape::integer(1, MAX_SERVICE_TIMEOUT as i64);
/// The prefix of the function's own tags.
pub const OWN_TAG_PREFIX: &str = "ecs-tasks:";

structure! {
    /// The properties of Custom::ECSTask.
    Properties {
        /// The function's ARN.
        "ServiceToken" service_token: String = Rule::required(Shape::NAME);
        /// CloudFormation's own time limit, in seconds.
        "ServiceTimeout" service_timeout: u32 = Rule::or("3600", SERVICE_TIMEOUT);
        /// Name or ARN of the cluster.
        "Cluster" cluster: String = Rule::required(Shape::NAME);
        /// family, family:revision or ARN.
        "TaskDefinition" task_definition: String = Rule::required(Shape::NAME);
        /// The number of tasks. With Instances, one task on each. 0 runs no task.
        "Count" count: u32 = Rule::or("1", Shape::integer(0, 10));
        /// The container instances on which StartTask starts the tasks.
        "Instances" instances: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, 10));
        /// Time limit for success, in seconds. 0 starts the tasks and answers at once. More than
        /// 3600 needs WaitHandle.
        "Timeout" timeout: u32 = Rule::or("290", Shape::integer(0, MAX_WAIT as i64));
        /// Seconds between two checks of the tasks. Adaptive by default.
        "PollInterval" poll_interval: Option<u32> = Rule::optional(Shape::integer(1, 60));
        /// Run on an Update.
        "RunOnUpdate" run_on_update: bool = Rule::or("true", Shape::Boolean);
        /// Run on an Update in a rollback. The rollback brings back the old task definition, whose
        /// migration refuses the new schema, and the stack ends in UPDATE_ROLLBACK_FAILED. Unless
        /// this is true, the function asks CloudFormation for the stack's status.
        "RunOnRollback" run_on_rollback: bool = Rule::or("false", Shape::Boolean);
        /// An Update runs only if one of these differs between the old and the new task definition.
        "UpdateCriteria" update_criteria: Option<Vec<UpdateCriterion>> =
            Rule::optional(Shape::list(&UpdateCriterion::SHAPE, usize::MAX));
        /// Changes to the task definition for this run.
        "Overrides" overrides: Option<TaskOverride> = Rule::optional(TaskOverride::SHAPE);
        /// `FARGATE`, `EC2` or `EXTERNAL`.
        "LaunchType" launch_type: Option<String> = Rule::optional(Shape::NAME);
        /// A Fargate platform version, `LATEST` by default.
        "PlatformVersion" platform_version: Option<String> = Rule::optional(Shape::NAME);
        /// Subnets and security groups, for the network mode awsvpc.
        "NetworkConfiguration" network_configuration: Option<NetworkConfiguration> =
            Rule::optional(NetworkConfiguration::SHAPE);
        /// Capacity providers in place of a launch type.
        "CapacityProviderStrategy" capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>> =
            Rule::optional(Shape::list(&CapacityProviderStrategyItem::SHAPE, 20));
        /// Rules that an instance must satisfy.
        "PlacementConstraints" placement_constraints: Option<Vec<PlacementConstraint>> =
            Rule::optional(Shape::list(&PlacementConstraint::SHAPE, 10));
        /// Rules by which ECS chooses instances.
        "PlacementStrategy" placement_strategy: Option<Vec<PlacementStrategy>> =
            Rule::optional(Shape::list(&PlacementStrategy::SHAPE, 5));
        /// The task group.
        "Group" group: Option<String> = Rule::optional(Shape::NAME);
        /// Tags of the tasks, in addition to the function's own five.
        "Tags" tags: Option<Vec<Tag>> = Rule::optional(Shape::list(&Tag::SHAPE, MAX_TAGS));
        /// `TASK_DEFINITION`: its tags become the task's.
        "PropagateTags" propagate_tags: Option<String> = Rule::optional(Shape::NAME);
        /// ECS adds its own tags.
        "EnableECSManagedTags" enable_ecs_managed_tags: Option<bool> = Rule::optional(Shape::Boolean);
        /// Allow ECS Exec in the tasks.
        "EnableExecuteCommand" enable_execute_command: Option<bool> = Rule::optional(Shape::Boolean);
        /// An EBS volume for each task.
        "VolumeConfigurations" volume_configurations: Option<Vec<TaskVolumeConfiguration>> =
            Rule::optional(Shape::list(&TaskVolumeConfiguration::SHAPE, 1));
        /// A service of the cluster. Its NetworkConfiguration, PlatformVersion and
        /// CapacityProviderStrategy or LaunchType fill in each member that you leave out.
        "Service" service: Option<String> = Rule::optional(Shape::NAME);
        /// Only these containers decide; without it the essential ones of the task definition do. `["*"]`:
        /// every container of the task definition.
        "WatchContainers" watch_containers: Option<Vec<String>> =
            Rule::optional(Shape::list(&Shape::NAME, usize::MAX));
        /// The exit codes that are a success.
        "SuccessExitCodes" success_exit_codes: Vec<i64> =
            Rule::or("[0]", Shape::filled_list(&Shape::integer(0, 255), 256));
        /// Further starts if no container ever ran: an image that could not be pulled, no network
        /// interface, a host lost before the start.
        "StartRetries" start_retries: u32 = Rule::or("0", Shape::integer(0, 5));
        /// The maximum number of log lines of a failed container in the Reason.
        "LogLines" log_lines: u32 = Rule::or("10", Shape::integer(0, 50));
        /// CloudFormation masks the attributes.
        "NoEcho" no_echo: bool = Rule::or("false", Shape::Boolean);
        /// `!Ref` of an AWS::CloudFormation::WaitConditionHandle: the resource is complete when its
        /// tasks have started, and the function signals their end to the handle.
        "WaitHandle" wait_handle: Option<String> = Rule::optional(Shape::NAME);
        /// The last line of the container whose code is ExitCode becomes the attribute Output, of
        /// the first task if there are several. The function waits for the line for up to 3 s after
        /// the container's end. Set NoEcho if some who can read the stack must not see
        /// the line.
        "ReturnOutput" return_output: bool = Rule::or("false", Shape::Boolean);
        /// Ignored. A change in it makes CloudFormation send an Update.
        "Triggers" triggers: Option<Value> = Rule::optional(Shape::Anything);
    }
}

structure! {
    /// Something to compare between the old and the new task definition.
    #[derive(Debug)]
    UpdateCriterion {
        /// The container to compare.
        "Container" container: String = Rule::required(Shape::NAME);
        /// Names of its variables, plain or from `secrets`.
        "EnvironmentKeys" environment_keys: Option<Vec<String>> =
            Rule::optional(Shape::filled_list(&Shape::NAME, usize::MAX));
        /// Compare its image.
        "Image" image: bool = Rule::or("false", Shape::Boolean);
    }
}

/// A wrong property: its path and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyError {
    /// The path, `Overrides.containerOverrides[0].cpu`. Empty for the properties as a whole.
    pub path: String,
    /// The problem: `must be a whole number from 0 to 2147483647, not "x"`.
    pub problem: String,
    /// The path of an existing member. If a member is missing, this is the structure that lacks it.
    pub place: String,
}

/// The names of the properties that have an error.
fn faulty(errors: &[PropertyError]) -> BTreeSet<String> {
    errors
        .iter()
        .map(|error| error.property().to_owned())
        .collect()
}

/// The known properties without those that have an error.
fn sound(value: &Value, faulty: &BTreeSet<String>) -> Value {
    let Shape::Object(fields) = Properties::SHAPE else {
        return Value::Null;
    };
    let given = value.as_object().into_iter().flatten();
    let is_known = |name: &str| fields.iter().any(|field| field.name == name);
    let sound = given.filter(|(name, _)| is_known(name) && !faulty.contains(*name));
    sound
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// All errors in a request's properties. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyErrors(pub Vec<PropertyError>);

impl Properties {
    /// Reads ResourceProperties. A scalar may be a string or have its native type.
    pub fn read(value: &Value) -> Result<Self, PropertyErrors> {
        let mut errors = Vec::new();
        let read = read::read(value, &Self::SHAPE, "", &mut errors);
        let faulty = faulty(&errors);
        // The combinations of the other properties are checked, so that one deploy shows all errors.
        let read =
            read.or_else(|| read::read(&sound(value, &faulty), &Self::SHAPE, "", &mut Vec::new()));
        check::refuse_dynamic_references(value, "", &mut errors);
        let properties = read.and_then(|read| {
            // Measured after the shapes have turned strings into numbers, which is what ECS
            // receives.
            check::check_size(&read, &mut errors);
            let parsed: Result<Self, serde_json::Error> = serde_json::from_value(read);
            // The shape has accepted it, so only a shape that disagrees with its type leads here.
            parsed
                .map_err(|error| errors.push(PropertyError::at("", error.to_string())))
                .ok()
        });
        if let Some(properties) = &properties {
            properties.check_combinations(&faulty, &mut errors);
        }
        properties
            .filter(|_| errors.is_empty())
            .ok_or(PropertyErrors(errors))
    }

    /// NoEcho, read on its own: CloudFormation must mask the answer even if other properties are
    /// wrong.
    pub fn no_echo_of(value: &Value) -> bool {
        value.get("NoEcho").and_then(read::boolean).unwrap_or(false)
    }

    /// ServiceTimeout in seconds, read on its own: a Delete brings the properties that made its
    /// Create fail.
    pub fn service_timeout_of(value: &Value) -> u32 {
        let given = value
            .get("ServiceTimeout")
            .and_then(|given| read::read(given, &SERVICE_TIMEOUT, "", &mut Vec::new()));
        given
            .and_then(|seconds| seconds.as_u64()?.try_into().ok())
            .unwrap_or(MAX_SERVICE_TIMEOUT)
    }

    /// True if Timeout is 0, so that nobody waits for the tasks. Read on its own.
    pub fn is_fire_and_forget(value: &Value) -> bool {
        value.get("Timeout").and_then(read::integer) == Some(0)
    }

    /// The instances to start on. `None` for an empty list, too.
    pub fn instances(&self) -> Option<&[String]> {
        self.instances
            .as_deref()
            .filter(|instances| !instances.is_empty())
    }

    /// The criteria for an Update. `None` for an empty list, too.
    pub fn update_criteria(&self) -> Option<&[UpdateCriterion]> {
        self.update_criteria
            .as_deref()
            .filter(|criteria| !criteria.is_empty())
    }

    /// The containers that decide; `*` stands for all. Empty if the essential ones decide.
    pub fn watch_containers(&self) -> &[String] {
        self.watch_containers.as_deref().unwrap_or_default()
    }

    /// The number of tasks in a run.
    pub fn tasks(&self) -> usize {
        match self.instances() {
            Some(instances) if self.count > 0 => instances.len(),
            _ => self.count as usize,
        }
    }
}

impl PropertyError {
    /// True if the error is an unknown or missing name, false if it is a value.
    pub fn is_about_a_name(&self) -> bool {
        self.path != self.place
    }

    fn at(path: &str, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
            place: path.to_owned(),
        }
    }

    fn missing(within: &str, path: &str) -> Self {
        Self {
            place: within.to_owned(),
            ..Self::at(path, "is missing")
        }
    }

    /// The name of the property that the error is in.
    fn property(&self) -> &str {
        self.place.split(['.', '[']).next().unwrap_or_default()
    }

    fn unknown(within: &str, place: &str, name: &str, hint: &str) -> Self {
        // The name comes from the template, so it can have any length.
        let name: String = name.chars().take(80).collect();
        let within = if within.is_empty() {
            String::new()
        } else {
            format!(" in {within}")
        };
        Self {
            place: place.to_owned(),
            ..Self::at("", format!("unknown property {name}{within}{hint}"))
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("cluster", &self.cluster)
            .field("task_definition", &self.task_definition)
            // No other member: a command in Overrides, Triggers and Tags can hold a secret.
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{} {}", self.path, self.problem)
        }
    }
}

impl fmt::Display for PropertyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
