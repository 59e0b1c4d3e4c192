//! ResourceProperties, parsed once into a typed and valid value; later code cannot meet a bad one.
//!
//! Pure. All errors of one request are gathered, so that a template is mended in one round.

mod check;
mod read;
pub mod run_task;
pub mod service;
pub mod shape;

use std::fmt;

use serde_json::Value;

use self::{
    run_task::{
        CapacityProviderStrategyItem, NetworkConfiguration, PlacementConstraint, PlacementStrategy, Tag,
        TaskOverride, TaskVolumeConfiguration,
    },
    shape::{Field, Rule, Shape, structure},
};

/// The longest that CloudFormation waits for a custom resource, in seconds, and what it takes where none is
/// given.
pub const MAX_SERVICE_TIMEOUT: u32 = 3600;
/// The longest that CloudFormation waits for a WaitCondition, in seconds.
pub const MAX_WAIT: u32 = 43_200;
/// ECS takes 50, of which the function needs five.
const MAX_TAGS: usize = 45;
/// What ServiceTimeout may be.
const SERVICE_TIMEOUT: Shape = Shape::integer(1, MAX_SERVICE_TIMEOUT as i64);
/// The function's own tags begin so.
pub const OWN_TAG_PREFIX: &str = "ecs-tasks:";

structure! {
    /// The properties of Custom::ECSTask.
    Properties {
        /// The function's ARN; CloudFormation has used it by the time that we read it.
        "ServiceToken" service_token: String = Rule::required(Shape::NAME);
        /// CloudFormation's own time limit, in seconds.
        "ServiceTimeout" service_timeout: u32 = Rule::or("3600", SERVICE_TIMEOUT);
        /// Name or ARN of the cluster.
        "Cluster" cluster: String = Rule::required(Shape::NAME);
        /// family, family:revision or ARN.
        "TaskDefinition" task_definition: String = Rule::required(Shape::NAME);
        /// How many tasks; with Instances one each. 0 runs nothing.
        "Count" count: u32 = Rule::or("1", Shape::integer(0, 10));
        /// Container instances to run on, by StartTask.
        "Instances" instances: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, 10));
        /// Seconds to wait for success; 0 starts the tasks and answers at once. More than 3600 needs
        /// WaitHandle.
        "Timeout" timeout: u32 = Rule::or("290", Shape::integer(0, MAX_WAIT as i64));
        /// Seconds between looks; adaptive where absent.
        "PollInterval" poll_interval: Option<u32> = Rule::optional(Shape::integer(1, 60));
        /// Whether an Update runs.
        "RunOnUpdate" run_on_update: bool = Rule::or("true", Shape::Boolean);
        /// Whether an Update that is part of a rollback runs. A rollback brings back the old task definition,
        /// and the old image of a migration refuses the new schema: the stack would end in
        /// UPDATE_ROLLBACK_FAILED. Unless it is true the function asks CloudFormation for the stack's status.
        "RunOnRollback" run_on_rollback: bool = Rule::or("false", Shape::Boolean);
        /// An Update runs only if one of these differs between the old and the new task definition.
        "UpdateCriteria" update_criteria: Option<Vec<UpdateCriterion>> =
            Rule::optional(Shape::list(&UpdateCriterion::SHAPE, usize::MAX));
        /// What differs from the task definition.
        "Overrides" overrides: Option<TaskOverride> = Rule::optional(TaskOverride::SHAPE);
        /// `FARGATE`, `EC2` or `EXTERNAL`.
        "LaunchType" launch_type: Option<String> = Rule::optional(Shape::NAME);
        /// A Fargate platform version, `LATEST` where absent.
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
        /// How instances are chosen.
        "PlacementStrategy" placement_strategy: Option<Vec<PlacementStrategy>> =
            Rule::optional(Shape::list(&PlacementStrategy::SHAPE, 5));
        /// The task group.
        "Group" group: Option<String> = Rule::optional(Shape::NAME);
        /// Tags of the tasks, beside the function's own five.
        "Tags" tags: Option<Vec<Tag>> = Rule::optional(Shape::list(&Tag::SHAPE, MAX_TAGS));
        /// `TASK_DEFINITION`: its tags become the task's.
        "PropagateTags" propagate_tags: Option<String> = Rule::optional(Shape::NAME);
        /// Whether ECS adds tags of its own.
        "EnableECSManagedTags" enable_ecs_managed_tags: Option<bool> = Rule::optional(Shape::Boolean);
        /// Whether ECS Exec works in the tasks.
        "EnableExecuteCommand" enable_execute_command: Option<bool> = Rule::optional(Shape::Boolean);
        /// An EBS volume for each task.
        "VolumeConfigurations" volume_configurations: Option<Vec<TaskVolumeConfiguration>> =
            Rule::optional(Shape::list(&TaskVolumeConfiguration::SHAPE, 1));
        /// The name of a service in the cluster: NetworkConfiguration, PlatformVersion and
        /// CapacityProviderStrategy or LaunchType are taken from it, member by member, where they are not
        /// given.
        "Service" service: Option<String> = Rule::optional(Shape::NAME);
        /// Only these containers decide; without it the essential ones of the task definition do. `["*"]`:
        /// every container of the task definition.
        "WatchContainers" watch_containers: Option<Vec<String>> =
            Rule::optional(Shape::list(&Shape::NAME, usize::MAX));
        /// The exit codes that are a success.
        "SuccessExitCodes" success_exit_codes: Vec<i64> =
            Rule::or("[0]", Shape::filled_list(&Shape::integer(0, 255), 256));
        /// How often a run is started anew when no container of it ever ran: an image that could not be
        /// pulled, no network interface, a host lost before the start.
        "StartRetries" start_retries: u32 = Rule::or("0", Shape::integer(0, 5));
        /// How many log lines of a failed container the Reason shows at most.
        "LogLines" log_lines: u32 = Rule::or("10", Shape::integer(0, 50));
        /// Whether CloudFormation masks the attributes.
        "NoEcho" no_echo: bool = Rule::or("false", Shape::Boolean);
        /// `!Ref` of an AWS::CloudFormation::WaitConditionHandle: the resource is complete when its tasks
        /// have started, and how they end is signalled to the handle.
        "WaitHandle" wait_handle: Option<String> = Rule::optional(Shape::NAME);
        /// Whether the last line that a container logged becomes the attribute Output: the container that
        /// ExitCode is of, in the first task where there are several. The function waits for the line for up
        /// to 3 s after the task's end. Give NoEcho, too, where not everybody who can read the stack may read
        /// the line.
        "ReturnOutput" return_output: bool = Rule::or("false", Shape::Boolean);
        /// Not looked at: a change in it makes CloudFormation send an Update.
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
        /// Whether its image is compared.
        "Image" image: bool = Rule::or("false", Shape::Boolean);
    }
}

/// Where a property is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyError {
    /// `Overrides.containerOverrides[0].cpu`; empty for the whole.
    pub path: String,
    /// `must be a whole number from 0 to 2147483647, not "x"`
    pub problem: String,
    /// The path of what is there: where a member is missing, of what it is missing in.
    pub place: String,
}

/// All that is wrong with a request's properties; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyErrors(pub Vec<PropertyError>);

impl Properties {
    /// Reads ResourceProperties, with every scalar as a string or in its native type.
    pub fn read(value: &Value) -> Result<Self, PropertyErrors> {
        let mut errors = Vec::new();
        let read = read::read(value, &Self::SHAPE, "", &mut errors);
        check::refuse_dynamic_references(value, "", &mut errors);
        let properties = read.and_then(|read| {
            check::check_size(&read, &mut errors);
            let parsed: Result<Self, serde_json::Error> = serde_json::from_value(read);
            // The shape has let it pass, so only a shape that disagrees with its type can get here.
            parsed.map_err(|error| errors.push(PropertyError::at("", error.to_string()))).ok()
        });
        if let Some(properties) = &properties {
            properties.check_combinations(&mut errors);
        }
        properties.filter(|_| errors.is_empty()).ok_or(PropertyErrors(errors))
    }

    /// NoEcho, read without any of the rest: a request whose other properties are wrong must not be echoed,
    /// either.
    pub fn no_echo_of(value: &Value) -> bool {
        value.get("NoEcho").and_then(read::boolean).unwrap_or(false)
    }

    /// ServiceTimeout in seconds, read without any of the rest: a Delete brings the properties that made its
    /// Create fail.
    pub fn service_timeout_of(value: &Value) -> u32 {
        let given = value
            .get("ServiceTimeout")
            .and_then(|given| read::read(given, &SERVICE_TIMEOUT, "", &mut Vec::new()));
        given.and_then(|seconds| seconds.as_u64()?.try_into().ok()).unwrap_or(MAX_SERVICE_TIMEOUT)
    }

    /// Whether Timeout is 0, so that nobody waits for the tasks; read without any of the rest.
    pub fn is_fire_and_forget(value: &Value) -> bool {
        value.get("Timeout").and_then(read::integer) == Some(0)
    }

    /// The instances to start on, if there are any: an empty list is as good as none.
    pub fn instances(&self) -> Option<&[String]> {
        self.instances.as_deref().filter(|instances| !instances.is_empty())
    }

    /// The criteria that an Update must meet, if there are any.
    pub fn update_criteria(&self) -> Option<&[UpdateCriterion]> {
        self.update_criteria.as_deref().filter(|criteria| !criteria.is_empty())
    }

    /// The containers that alone decide, `*` standing for all. None means that the essential ones do.
    pub fn watch_containers(&self) -> &[String] {
        self.watch_containers.as_deref().unwrap_or_default()
    }

    /// How many tasks a run has.
    pub fn tasks(&self) -> usize {
        match self.instances() {
            Some(instances) if self.count > 0 => instances.len(),
            _ => self.count as usize,
        }
    }
}

impl PropertyError {
    /// Whether it is about a name, which is unknown or missing, and not about a value.
    pub fn is_about_a_name(&self) -> bool {
        self.path != self.place
    }

    fn at(path: &str, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into(), place: path.to_owned() }
    }

    fn missing(within: &str, path: &str) -> Self {
        Self { place: within.to_owned(), ..Self::at(path, "is missing") }
    }

    fn unknown(within: &str, place: &str, name: &str, hint: &str) -> Self {
        // A name is what somebody wrote, so it can be of any length.
        let name: String = name.chars().take(80).collect();
        let within = if within.is_empty() { String::new() } else { format!(" in {within}") };
        Self { place: place.to_owned(), ..Self::at("", format!("unknown property {name}{within}{hint}")) }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("cluster", &self.cluster)
            .field("task_definition", &self.task_definition)
            .field("overrides", &self.overrides)
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
