//! Names, families and clusters, made alike on the stage and in a trial.

use serde_json::{Value, json};

use super::{Live, Stack};
use crate::{config::random_hex, service::ecs::Ecs, template::placeholders};

/// Types that give a cluster container instances.
const INSTANCES: [&str; 4] = [
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::EC2::Instance",
    "AWS::EC2::SpotFleet",
];

impl Stack {
    /// Creates a cluster on the stage or in a trial, and returns its ARN.
    pub(super) fn create_cluster(&self, ecs: &Ecs, name: &str, properties: &Value) -> String {
        let arn = ecs.create_cluster(name);
        ecs.set_capacity_providers(name, properties);
        // Only its user data says which cluster an instance joins, so any instance counts for every
        // cluster.
        if self
            .template
            .resources
            .iter()
            .any(|one| INSTANCES.contains(&one.resource_type.as_str()))
        {
            ecs.add_instances(name);
        }
        arn
    }

    /// A task definition with its own family, or with the one that CloudFormation gives it.
    pub(super) fn with_family(&self, logical_id: &str, properties: &Value) -> Value {
        let mut definition = properties.clone();
        if !definition["Family"].is_string() {
            definition["Family"] = json!(format!("{}-{logical_id}", self.name));
        }
        definition
    }

    /// A name in CloudFormation's form, the same as long as the stack lives.
    pub(super) fn made_up_name(&self, logical_id: &str) -> String {
        let digits = placeholders::digits(&format!("{}/{logical_id}", self.id));
        format!("{}-{logical_id}-{}", self.name, &digits[..12])
    }

    /// The name in a property, else the old one, else a new one in CloudFormation's form.
    pub(super) fn named(&self, logical_id: &str, given: &Value, old: Option<&Live>) -> String {
        let generated = || format!("{}-{logical_id}-{}", self.name, random_hex(12));
        let kept = || old.map_or_else(generated, |old| old.physical_id.clone());
        given.as_str().map_or_else(kept, str::to_owned)
    }
}
