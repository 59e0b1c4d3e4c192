//! The checks that shapes cannot express: properties that exclude each other, and texts that no
//! property may hold.
//!
//! Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{MAX_SERVICE_TIMEOUT, MAX_WAIT, OWN_TAG_PREFIX, Properties, PropertyError};

/// The most characters of a task's overrides, as JSON, that ECS accepts.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>
pub(super) const MAX_OVERRIDES: usize = 8192;

impl Properties {
    /// Refuses combinations of properties that are valid one by one. The `faulty` ones have an error
    /// of their own and count as absent.
    pub(super) fn check_combinations(
        &self,
        faulty: &BTreeSet<String>,
        errors: &mut Vec<PropertyError>,
    ) {
        // A property that may be there must not be missed.
        let has_no_service = self.service.is_none() && !faulty.contains("Service");
        let has_no_handle = self.wait_handle.is_none() && !faulty.contains("WaitHandle");
        let mut refuse = |path: &str, problem: &str| {
            errors.push(PropertyError::at(path, problem));
        };
        if self.launch_type.is_some() && self.capacity_provider_strategy.is_some() {
            refuse(
                "LaunchType",
                "cannot be given together with CapacityProviderStrategy: leave one of them out",
            );
        }
        if self.instances().is_some() {
            let unsuited = [
                ("LaunchType", self.launch_type.is_some()),
                ("PlatformVersion", self.platform_version.is_some()),
                (
                    "CapacityProviderStrategy",
                    self.capacity_provider_strategy.is_some(),
                ),
                ("PlacementConstraints", self.placement_constraints.is_some()),
                ("PlacementStrategy", self.placement_strategy.is_some()),
            ];
            for (name, _) in unsuited.iter().filter(|(_, given)| *given) {
                let problem = format!(
                    "cannot be given together with Instances: leave one of them out (with Instances the function \
                     calls StartTask, which has no {name})"
                );
                refuse(name, &problem);
            }
        }
        self.check_wait(has_no_handle, &mut refuse);
        let network = self
            .network_configuration
            .as_ref()
            .map(|network| &network.awsvpc_configuration);
        if has_no_service && network.is_some_and(|network| network.subnets.is_none()) {
            refuse(
                "NetworkConfiguration.AwsvpcConfiguration.Subnets",
                "is missing: only a resource with Service may leave it out",
            );
        }
        let containers = self
            .overrides
            .iter()
            .flat_map(|one| one.container_overrides.iter().flatten());
        for (index, container) in containers.enumerate() {
            for (number, one) in container.resource_requirements.iter().flatten().enumerate() {
                if one.value.is_none() && one.sharing_strategy.is_none() {
                    let path = format!(
                        "Overrides.ContainerOverrides[{index}].ResourceRequirements[{number}].Value"
                    );
                    refuse(
                        &path,
                        "is missing: it can be left out only with SharingStrategy",
                    );
                }
            }
        }
        for (index, tag) in self.tags.iter().flatten().enumerate() {
            // These tags say which request started a task. A template's own would make a task look
            // like another request's.
            if tag.key.starts_with(OWN_TAG_PREFIX) {
                let problem = format!(
                    "begins with {OWN_TAG_PREFIX}, which is reserved for the function's own tags"
                );
                refuse(&format!("Tags[{index}].Key"), &problem);
            }
        }
        for (index, criterion) in self
            .update_criteria()
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            if criterion.environment_keys.is_none() && !criterion.image {
                refuse(
                    &format!("UpdateCriteria[{index}]"),
                    "compares nothing: set EnvironmentKeys or Image: true",
                );
            }
        }
    }

    /// Checks Timeout and StartRetries: a WaitHandle allows a longer Timeout than CloudFormation
    /// does for a custom resource, and no other starts.
    fn check_wait(&self, has_no_handle: bool, refuse: &mut impl FnMut(&str, &str)) {
        if self.wait_handle.is_none() {
            if has_no_handle && self.timeout > MAX_SERVICE_TIMEOUT {
                let problem = format!(
                    "must be at most {MAX_SERVICE_TIMEOUT}, the longest that CloudFormation waits for a custom \
                     resource; with WaitHandle it may be up to {MAX_WAIT}"
                );
                refuse("Timeout", &problem);
            }
            return;
        }
        if self.timeout == 0 {
            refuse(
                "Timeout",
                "must not be 0 with WaitHandle: nothing would signal the handle",
            );
        }
        // With a handle the request is answered first, and a continuation holds no properties to
        // start from.
        if self.start_retries > 0 {
            let problem = "cannot be given together with WaitHandle: the resource is complete as soon as its tasks \
                           have started, and the function does not store what it would need to start them again";
            refuse("StartRetries", problem);
        }
    }
}

pub(super) fn check_size(read: &Value, errors: &mut Vec<PropertyError>) {
    let size = read
        .get("Overrides")
        .map_or(0, |overrides| overrides.to_string().chars().count());
    if size > MAX_OVERRIDES {
        let problem =
            format!("has {size} characters of JSON, but ECS accepts at most {MAX_OVERRIDES}");
        errors.push(PropertyError::at("Overrides", problem));
    }
}

/// Refuses dynamic references to secrets. CloudFormation does not resolve them in custom resources,
/// so the task would receive the reference's text as its value.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>
pub(super) fn refuse_dynamic_references(
    value: &Value,
    path: &str,
    errors: &mut Vec<PropertyError>,
) {
    match value {
        Value::String(text)
            // CloudFormation resolves {{resolve:ssm:…}} in custom resources, so that one may stand.
            if text.contains("{{resolve:secretsmanager") || text.contains("{{resolve:ssm-secure") =>
        {
            let problem = "holds a dynamic reference to a secret (secretsmanager or ssm-secure), which CloudFormation \
                           does not resolve in a custom resource: put the secret into Secrets of the container in the \
                           task definition";
            errors.push(PropertyError::at(path, problem));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                // A variable is easier to find by its name than by its position.
                let name = ["name", "Name"].iter().find_map(|name| item.get(name)?.as_str());
                let place = name.map_or_else(|| index.to_string(), str::to_owned);
                refuse_dynamic_references(item, &format!("{path}[{place}]"), errors);
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
