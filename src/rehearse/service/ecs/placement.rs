//! Where a task may run: what ECS refuses of RunTask, StartTask and services, given the task definition and
//! the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Revision, refusal::invalid};
use crate::rehearse::wire::AwsError;

const LAUNCH_TYPES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];

/// What is known of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    /// The capacity providers that it has; none where that is not known, as for a cluster that lives
    /// elsewhere.
    providers: Option<BTreeSet<String>>,
    has_default_strategy: bool,
}

impl Cluster {
    /// Takes over what AWS::ECS::Cluster or AWS::ECS::ClusterCapacityProviderAssociations says, in ECS's
    /// spelling.
    pub(super) fn set_providers(&mut self, properties: &Value) {
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        self.providers.get_or_insert_default().extend(texts(&properties["capacityProviders"]));
        let strategy = &properties["defaultCapacityProviderStrategy"];
        self.has_default_strategy |= strategy.as_array().is_some_and(|strategy| !strategy.is_empty());
    }
}

/// Checks where a task is to run, as RunTask or CreateService say it.
pub(super) fn check(definition: &Revision, cluster: &Cluster, request: &Value) -> Result<(), AwsError> {
    let given = request["launchType"].as_str();
    if let Some(other) = given.filter(|given| !LAUNCH_TYPES.contains(given)) {
        return Err(invalid(&format!(
            "launchType should be one of [{}], not {other}.",
            LAUNCH_TYPES.join(", ")
        )));
    }
    let providers: Vec<&str> = request["capacityProviderStrategy"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["capacityProvider"].as_str())
        .collect();
    if let Some(known) = &cluster.providers
        && let Some(unknown) = providers.iter().find(|provider| !known.contains(**provider))
    {
        return Err(invalid(&format!(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the \
             cluster: {unknown}."
        )));
    }
    let launch_type = launch_type(given, &providers, cluster);
    if let Some(launch_type) = launch_type.filter(|one| !definition.supports(one)) {
        return Err(invalid(&format!("Task definition does not support launch_type {launch_type}.")));
    }
    if request["platformVersion"].is_string() && matches!(launch_type, Some("EC2" | "EXTERNAL")) {
        return Err(invalid(&format!(
            "The platform version must be null when specifying an {} launch type.",
            launch_type.unwrap_or_default()
        )));
    }
    check_network(definition, launch_type, &request["networkConfiguration"])
}

/// EC2, FARGATE, …; none where it cannot be known.
fn launch_type<'r>(given: Option<&'r str>, providers: &[&str], cluster: &Cluster) -> Option<&'r str> {
    let is_known = cluster.providers.is_some() && !cluster.has_default_strategy;
    match (given, providers) {
        (Some(given), _) => Some(given),
        (None, []) => is_known.then_some("EC2"),
        (None, providers) => providers.iter().all(|one| one.starts_with("FARGATE")).then_some("FARGATE"),
    }
}

fn check_network(
    definition: &Revision,
    launch_type: Option<&str>,
    configuration: &Value,
) -> Result<(), AwsError> {
    match (definition.network_mode.as_str(), configuration.is_object()) {
        ("awsvpc", false) => {
            return Err(invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            ));
        }
        ("bridge" | "host" | "none", true) => {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            ));
        }
        _ => {}
    }
    let vpc = &configuration["awsvpcConfiguration"];
    if configuration.is_object() && vpc["subnets"].as_array().is_none_or(Vec::is_empty) {
        return Err(invalid("subnets can not be empty."));
    }
    match vpc["assignPublicIp"].as_str() {
        Some("ENABLED") if launch_type == Some("EC2") => {
            Err(invalid("Assign public IP is not supported for this launch type."))
        }
        None | Some("ENABLED" | "DISABLED") => Ok(()),
        Some(other) => {
            Err(invalid(&format!("assignPublicIp should be one of [ENABLED, DISABLED], not {other}.")))
        }
    }
}
