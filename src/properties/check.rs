//! What the shape of the properties cannot say: how they fit each other, and what no text of them may hold.
//!
//! Pure.

use serde_json::Value;

use super::{MAX_SERVICE_TIMEOUT, MAX_WAIT, OWN_TAG_PREFIX, Properties, PropertyError};

/// The most characters that ECS takes for a task's overrides, as JSON.
pub(super) const MAX_OVERRIDES: usize = 8192;

impl Properties {
    /// What properties that are each valid say together.
    pub(super) fn check_combinations(&self, errors: &mut Vec<PropertyError>) {
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
                ("CapacityProviderStrategy", self.capacity_provider_strategy.is_some()),
                ("PlacementConstraints", self.placement_constraints.is_some()),
                ("PlacementStrategy", self.placement_strategy.is_some()),
            ];
            for (name, _) in unsuited.iter().filter(|(_, given)| *given) {
                refuse(name, "cannot be given together with Instances: StartTask has no such parameter");
            }
        }
        self.check_wait(&mut refuse);
        let network = self.network_configuration.as_ref().map(|network| &network.awsvpc_configuration);
        if self.service.is_none() && network.is_some_and(|network| network.subnets.is_none()) {
            refuse(
                "NetworkConfiguration.awsvpcConfiguration.subnets",
                "is missing: it can be left out only with Service",
            );
        }
        let containers = self.overrides.iter().flat_map(|one| one.container_overrides.iter().flatten());
        for (index, container) in containers.enumerate() {
            for (number, one) in container.resource_requirements.iter().flatten().enumerate() {
                if one.value.is_none() && one.sharing_strategy.is_none() {
                    let path =
                        format!("Overrides.containerOverrides[{index}].resourceRequirements[{number}].value");
                    refuse(&path, "is missing: it can be left out only with sharingStrategy");
                }
            }
        }
        for (index, tag) in self.tags.iter().flatten().enumerate() {
            if tag.key.starts_with(OWN_TAG_PREFIX) {
                let problem = format!("begins with {OWN_TAG_PREFIX}, which the function keeps for itself");
                refuse(&format!("Tags[{index}].key"), &problem);
            }
        }
        for (index, criterion) in self.update_criteria().unwrap_or_default().iter().enumerate() {
            if criterion.environment_keys.is_none() && !criterion.image {
                refuse(
                    &format!("UpdateCriteria[{index}]"),
                    "compares nothing: give EnvironmentKeys or Image: true",
                );
            }
        }
    }

    /// What a wait takes that is longer than CloudFormation's for a custom resource.
    fn check_wait(&self, refuse: &mut impl FnMut(&str, &str)) {
        if self.wait_handle.is_none() {
            if self.timeout > MAX_SERVICE_TIMEOUT {
                let problem = format!(
                    "must be at most {MAX_SERVICE_TIMEOUT}, which is as long as CloudFormation waits for a \
                     custom resource; with WaitHandle it may be up to {MAX_WAIT}"
                );
                refuse("Timeout", &problem);
            }
            return;
        }
        if self.timeout == 0 {
            refuse("Timeout", "must not be 0 with WaitHandle: nobody would signal it");
        }
        if self.start_retries > 0 {
            let problem = "cannot be given together with WaitHandle: the resource is complete when its tasks \
                           have started, and nothing is kept to start them from again";
            refuse("StartRetries", problem);
        }
    }
}

pub(super) fn check_size(read: &Value, errors: &mut Vec<PropertyError>) {
    let size = read.get("Overrides").map_or(0, |overrides| overrides.to_string().chars().count());
    if size > MAX_OVERRIDES {
        let problem = format!("has {size} characters as JSON, ECS takes at most {MAX_OVERRIDES}");
        errors.push(PropertyError::at("Overrides", problem));
    }
}

/// CloudFormation does not resolve these in custom resources: the task would get the reference's text for its
/// value.
pub(super) fn refuse_dynamic_references(value: &Value, path: &str, errors: &mut Vec<PropertyError>) {
    match value {
        Value::String(text)
            if text.contains("{{resolve:secretsmanager") || text.contains("{{resolve:ssm-secure") =>
        {
            let problem = "holds a dynamic reference, which CloudFormation does not resolve in a custom \
                           resource: put the secret into `secrets` of the container in the task definition";
            errors.push(PropertyError::at(path, problem));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                // A variable says more by its name than by its place.
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
