//! ResourceProperties, parsed once into a typed and valid value; later code cannot meet a bad one.
//!
//! Pure. All errors of one request are gathered, so that a template is mended in one round.

mod read;
pub mod run_task;
pub mod shape;

use std::fmt;

use serde_json::Value;

use self::{
    run_task::{CapacityProviderStrategyItem, NetworkConfiguration, TaskOverride},
    shape::{Field, Rule, Shape, structure},
};

/// The most characters that ECS takes for a task's overrides, as JSON.
const MAX_OVERRIDES: usize = 8192;

structure! {
    /// The properties of Custom::ECSTask.
    Properties {
        /// The function's ARN; CloudFormation has used it by the time that we read it.
        "ServiceToken" service_token: String = Rule::required(Shape::NAME);
        /// CloudFormation's own time limit, in seconds.
        "ServiceTimeout" service_timeout: u32 = Rule::or("3600", Shape::integer(1, 3600));
        /// Name or ARN of the cluster.
        "Cluster" cluster: String = Rule::required(Shape::NAME);
        /// family, family:revision or ARN.
        "TaskDefinition" task_definition: String = Rule::required(Shape::NAME);
        /// How many tasks; with Instances one each. 0 runs nothing.
        "Count" count: u32 = Rule::or("1", Shape::integer(0, 10));
        /// Container instances to run on, by StartTask.
        "Instances" instances: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, 10));
        /// Seconds to wait for success; 0 starts the tasks and answers at once.
        "Timeout" timeout: u32 = Rule::or("290", Shape::integer(0, 3600));
        /// Seconds between looks; adaptive where absent.
        "PollInterval" poll_interval: Option<u32> = Rule::optional(Shape::integer(1, 60));
        /// Whether an Update runs.
        "RunOnUpdate" run_on_update: bool = Rule::or("true", Shape::Boolean);
        /// Whether an Update that is part of a rollback runs.
        "RunOnRollback" run_on_rollback: bool = Rule::or("true", Shape::Boolean);
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
        "EnvironmentKeys" environment_keys: Option<Vec<String>> = Rule::optional(Shape::list(&Shape::NAME, usize::MAX));
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
}

/// All that is wrong with a request's properties; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyErrors(pub Vec<PropertyError>);

impl Properties {
    /// Reads ResourceProperties, with every scalar as a string or in its native type.
    pub fn read(value: &Value) -> Result<Self, PropertyErrors> {
        let mut errors = Vec::new();
        let read = read::read(value, &Self::SHAPE, "", &mut errors);
        refuse_dynamic_references(value, "", &mut errors);
        let properties = read.and_then(|read| {
            check_size(&read, &mut errors);
            let parsed: Result<Self, serde_json::Error> = serde_json::from_value(read);
            // The shape has let it pass, so only a shape that disagrees with its type can get here.
            parsed.map_err(|error| errors.push(PropertyError::whole(error.to_string()))).ok()
        });
        if let Some(properties) = &properties {
            properties.check_combinations(&mut errors);
        }
        properties.filter(|_| errors.is_empty()).ok_or(PropertyErrors(errors))
    }

    /// The instances to start on, if there are any: an empty list is as good as none.
    pub fn instances(&self) -> Option<&[String]> {
        self.instances.as_deref().filter(|instances| !instances.is_empty())
    }

    /// The criteria that an Update must meet, if there are any.
    pub fn update_criteria(&self) -> Option<&[UpdateCriterion]> {
        self.update_criteria.as_deref().filter(|criteria| !criteria.is_empty())
    }

    /// How many tasks a run has.
    pub fn tasks(&self) -> usize {
        match self.instances() {
            Some(instances) if self.count > 0 => instances.len(),
            _ => self.count as usize,
        }
    }

    fn check_combinations(&self, errors: &mut Vec<PropertyError>) {
        let mut refuse = |path: &str, problem: &str| {
            errors.push(PropertyError { path: path.to_owned(), problem: problem.to_owned() });
        };
        if self.launch_type.is_some() && self.capacity_provider_strategy.is_some() {
            refuse("LaunchType", "cannot be given together with CapacityProviderStrategy: leave one of them out");
        }
        if self.instances().is_some() {
            let unsuited = [
                ("LaunchType", self.launch_type.is_some()),
                ("PlatformVersion", self.platform_version.is_some()),
                ("CapacityProviderStrategy", self.capacity_provider_strategy.is_some()),
            ];
            for (name, _) in unsuited.iter().filter(|(_, given)| *given) {
                refuse(name, "cannot be given together with Instances: StartTask has no such parameter");
            }
        }
        for (index, criterion) in self.update_criteria().unwrap_or_default().iter().enumerate() {
            if criterion.environment_keys.as_ref().is_none_or(Vec::is_empty) && !criterion.image {
                refuse(&format!("UpdateCriteria[{index}]"), "compares nothing: give EnvironmentKeys or Image: true");
            }
        }
    }
}

impl PropertyError {
    fn whole(problem: String) -> Self {
        Self { path: String::new(), problem }
    }

    fn unknown(path: &str, name: &str, nearest: Option<String>) -> Self {
        // A name is what somebody wrote, so it can be of any length.
        let name: String = name.chars().take(80).collect();
        let hint = nearest.map_or_else(String::new, |nearest| format!(", did you mean {nearest}?"));
        let within = if path.is_empty() { String::new() } else { format!(" in {path}") };
        Self::whole(format!("unknown property {name}{within}{hint}"))
    }
}

fn check_size(read: &Value, errors: &mut Vec<PropertyError>) {
    let size = read.get("Overrides").map_or(0, |overrides| overrides.to_string().chars().count());
    if size > MAX_OVERRIDES {
        let problem = format!("has {size} characters as JSON, ECS takes at most {MAX_OVERRIDES}");
        errors.push(PropertyError { path: "Overrides".to_owned(), problem });
    }
}

/// CloudFormation does not resolve these in custom resources: the task would get the reference's text for its value.
fn refuse_dynamic_references(value: &Value, path: &str, errors: &mut Vec<PropertyError>) {
    match value {
        Value::String(text) if text.contains("{{resolve:secretsmanager") || text.contains("{{resolve:ssm-secure") => {
            let problem = "holds a dynamic reference, which CloudFormation does not resolve in a custom resource: \
                           put the secret into `secrets` of the container in the task definition";
            errors.push(PropertyError { path: path.to_owned(), problem: problem.to_owned() });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                refuse_dynamic_references(item, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Object(object) => {
            for (name, item) in object {
                let within = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                refuse_dynamic_references(item, &within, errors);
            }
        }
        _ => {}
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
        if self.path.is_empty() { f.write_str(&self.problem) } else { write!(f, "{} {}", self.path, self.problem) }
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
