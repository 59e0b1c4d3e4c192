//! ECS's rules about the place of a task: the refusals of RunTask, StartTask and CreateService,
//! given the task definition and the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Revision, fargate, refusal::invalid, registration::is_true};
use crate::{protocol::AwsError, template::nearest::did_you_mean};

const LAUNCH_TYPES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];
/// Sources of a task's tags. SERVICE is for the tasks of a service.
const PROPAGATE_TAGS: [&str; 3] = ["TASK_DEFINITION", "NONE", "SERVICE"];

/// Types of placement constraints and strategies.
const CONSTRAINTS: [&str; 2] = ["distinctInstance", "memberOf"];
const STRATEGIES: [&str; 3] = ["random", "spread", "binpack"];

/// A cluster, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    /// The cluster's capacity providers; `None` if they are not known, as for a cluster that lives
    /// elsewhere.
    providers: Option<BTreeSet<String>>,
    has_default_strategy: bool,
    /// True if the cluster may have container instances.
    pub(super) has_instances: bool,
}

/// A placement that ECS refuses.
#[derive(Debug)]
pub struct Misplaced {
    /// The property that is wrong or missing, in CloudFormation's spelling.
    pub property: &'static str,
    /// ECS's own words, as near as they are known, without the full stop.
    pub message: String,
    /// The next step, with its punctuation in front; empty if there is none.
    pub hint: String,
}

impl From<Misplaced> for AwsError {
    fn from(misplaced: Misplaced) -> Self {
        invalid(&format!("{}.", misplaced.message))
    }
}

impl Cluster {
    /// Adds the capacity providers of an AWS::ECS::Cluster or
    /// AWS::ECS::ClusterCapacityProviderAssociations, in ECS's spelling.
    pub(super) fn set_providers(&mut self, properties: &Value) {
        let texts = |list: &Value| -> Vec<String> {
            list.as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        };
        self.providers
            .get_or_insert_default()
            .extend(texts(&properties["capacityProviders"]));
        let strategy = &properties["defaultCapacityProviderStrategy"];
        self.has_default_strategy |= strategy
            .as_array()
            .is_some_and(|strategy| !strategy.is_empty());
    }
}

/// Checks the source of a task's tags.
pub(super) fn check_tags(request: &Value, is_of_service: bool) -> Result<(), Misplaced> {
    // RunTask refuses NONE and SERVICE.
    let known = if is_of_service {
        &PROPAGATE_TAGS[..]
    } else {
        &PROPAGATE_TAGS[..1]
    };
    match request["propagateTags"]
        .as_str()
        .filter(|given| !known.contains(given))
    {
        None => Ok(()),
        Some(other) => Err(Misplaced {
            property: "PropagateTags",
            message: format!(
                "propagateTags should be one of [{}], not {other}",
                known.join(", ")
            ),
            hint: did_you_mean(other, known.iter().copied()),
        }),
    }
}

/// Checks a request of RunTask or CreateService.
pub(super) fn check(
    definition: &Revision,
    cluster: &Cluster,
    request: &Value,
) -> Result<(), Misplaced> {
    let refuse = |property, message: String| Misplaced {
        property,
        message,
        hint: String::new(),
    };
    let given = request["launchType"].as_str();
    if let Some(other) = given.filter(|given| !LAUNCH_TYPES.contains(given)) {
        let message = format!(
            "launchType should be one of [{}], not {other}",
            LAUNCH_TYPES.join(", ")
        );
        return Err(Misplaced {
            hint: did_you_mean(other, LAUNCH_TYPES),
            ..refuse("LaunchType", message)
        });
    }
    let providers = providers(request);
    // A cluster that lives elsewhere may have any provider.
    if let Some(known) = &cluster.providers
        && let Some(unknown) = providers
            .iter()
            .find(|provider| !known.contains(**provider))
    {
        let message = format!(
            "The specified capacity provider strategy cannot contain a capacity provider that is not \
             associated with the cluster: {unknown}"
        );
        return Err(refuse("CapacityProviderStrategy", message));
    }
    let launch_type = launch_type(given, &providers, cluster);
    if let Some(launch_type) = launch_type.filter(|one| !definition.supports(one)) {
        return Err(refuse(
            "LaunchType",
            format!("Task definition does not support launch_type {launch_type}"),
        ));
    }
    // Without a known launch type the cluster's strategy may still lead to Fargate.
    if request["platformVersion"].is_string() && matches!(launch_type, Some("EC2" | "EXTERNAL")) {
        let message = format!(
            "The platform version must be null when specifying an {} launch type",
            launch_type.unwrap_or_default()
        );
        return Err(refuse("PlatformVersion", message));
    }
    check_constraints(launch_type, request)?;
    if launch_type == Some("FARGATE") {
        let sizes = fargate::check_overrides(definition.json(), &request["overrides"]);
        sizes.map_err(|message| refuse("Overrides", message.trim_end_matches('.').to_owned()))?;
    }
    let role = |from: &Value| {
        from["taskRoleArn"]
            .as_str()
            .is_some_and(|role| !role.is_empty())
    };
    if is_true(&request["enableExecuteCommand"])
        && !role(definition.json())
        && !role(&request["overrides"])
    {
        let message = "The execute command failed because a valid task role is not being used. Specify a valid task \
                       role in your task definition or as a task override and try again";
        return Err(Misplaced {
            hint: " (ECS Exec needs TaskRoleArn)".to_owned(),
            ..refuse("EnableExecuteCommand", message.to_owned())
        });
    }
    check_network(definition, launch_type, &request["networkConfiguration"])?;
    let is_by_default = given.is_none() && request["containerInstances"].is_null();
    // ECS chooses EC2 without a strategy, and this task can never find an instance: a common
    // mistake.
    if launch_type == Some("EC2")
        && is_by_default
        && definition.requires_fargate()
        && !cluster.has_instances
    {
        let hint = ": without LaunchType and CapacityProviderStrategy the launch type is EC2, as the cluster \
                    has no default strategy; set LaunchType: FARGATE";
        let message = "No Container Instances were found in your cluster".to_owned();
        return Err(Misplaced {
            hint: hint.to_owned(),
            ..refuse("LaunchType", message)
        });
    }
    Ok(())
}

/// The launch type of a request; `None` if the cluster's strategy decides it.
pub(super) fn launch_type_of<'r>(request: &'r Value, cluster: &Cluster) -> Option<&'r str> {
    launch_type(request["launchType"].as_str(), &providers(request), cluster)
}

fn providers(request: &Value) -> Vec<&str> {
    let strategy = request["capacityProviderStrategy"].as_array();
    let strategy = strategy.into_iter().flatten();
    strategy
        .filter_map(|one| one["capacityProvider"].as_str())
        .collect()
}

/// The launch type; `None` if the cluster's strategy decides it.
fn launch_type<'r>(
    given: Option<&'r str>,
    providers: &[&str],
    cluster: &Cluster,
) -> Option<&'r str> {
    let is_known = cluster.providers.is_some() && !cluster.has_default_strategy;
    match (given, providers) {
        (Some(given), _) => Some(given),
        (None, []) => is_known.then_some("EC2"),
        // Providers with other names are Auto Scaling groups or managed instances.
        (None, providers) => providers
            .iter()
            .all(|one| one.starts_with("FARGATE"))
            .then_some("FARGATE"),
    }
}

/// Checks the types of constraints and strategies, which Fargate does not have.
fn check_constraints(launch_type: Option<&str>, request: &Value) -> Result<(), Misplaced> {
    let kinds = [
        (
            "placementConstraints",
            "PlacementConstraints",
            "constraint",
            &CONSTRAINTS[..],
        ),
        (
            "placementStrategies",
            "PlacementStrategies",
            "strategy",
            &STRATEGIES[..],
        ),
        (
            "placementStrategy",
            "PlacementStrategy",
            "strategy",
            &STRATEGIES[..],
        ),
    ];
    for (member, property, kind, known) in kinds {
        let given: Vec<&Value> = request[member].as_array().into_iter().flatten().collect();
        if !given.is_empty() && launch_type == Some("FARGATE") {
            let plural = if kind == "strategy" {
                "strategies"
            } else {
                "constraints"
            };
            return Err(Misplaced {
                property,
                message: format!("Placement {plural} are not supported with FARGATE launch type"),
                hint: String::new(),
            });
        }
        let types = given.iter().filter_map(|one| one["type"].as_str());
        if let Some(other) = types.into_iter().find(|one| !known.contains(one)) {
            return Err(Misplaced {
                property,
                message: format!(
                    "The type of a placement {kind} should be one of [{}], not {other}",
                    known.join(", ")
                ),
                hint: did_you_mean(other, known.iter().copied()),
            });
        }
    }
    Ok(())
}

fn check_network(
    definition: &Revision,
    launch_type: Option<&str>,
    configuration: &Value,
) -> Result<(), Misplaced> {
    let refuse_at = |property, message: &str, hint: &str| {
        let (message, hint) = (message.to_owned(), hint.to_owned());
        Err(Misplaced {
            property,
            message,
            hint,
        })
    };
    let refuse = |message: &str, hint: &str| refuse_at("NetworkConfiguration", message, hint);
    match (definition.network_mode.as_str(), configuration.is_object()) {
        ("awsvpc", false) => {
            return refuse(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified",
                ": add NetworkConfiguration with Subnets",
            );
        }
        ("bridge" | "host" | "none", true) => {
            return refuse(
                "Network Configuration is not valid for the given networkMode of this task definition",
                &format!(", which is {}", definition.network_mode),
            );
        }
        _ => {}
    }
    let vpc = &configuration["awsvpcConfiguration"];
    if configuration.is_object() && vpc["subnets"].as_array().is_none_or(Vec::is_empty) {
        return refuse_at(
            "NetworkConfiguration.AwsvpcConfiguration.Subnets",
            "subnets can not be empty",
            "",
        );
    }
    let public_ip = "NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp";
    match vpc["assignPublicIp"].as_str() {
        Some("ENABLED") if launch_type == Some("EC2") => refuse_at(
            public_ip,
            "Assign public IP is not supported for this launch type",
            "",
        ),
        None | Some("ENABLED" | "DISABLED") => Ok(()),
        Some(other) => refuse_at(
            public_ip,
            &format!("assignPublicIp should be one of [ENABLED, DISABLED], not {other}"),
            "",
        ),
    }
}
