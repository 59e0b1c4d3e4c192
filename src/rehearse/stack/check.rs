//! What is wrong with a template, told before anything starts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CUSTOM_TYPE, Parameters, Stack};
use crate::{
    properties::Properties,
    rehearse::template::{
        Resource, TemplateError,
        node::{Node, NodeKind},
        resolve::{Referable, Scope},
    },
};

impl Stack {
    /// Resolves everything once with made-up resources, so that every mistake is told before anything starts: what
    /// cannot be resolved, and properties that the function would refuse.
    pub fn check(&self, parameters: &Parameters) -> Result<(), Vec<TemplateError>> {
        let included = self.included(parameters).map_err(|error| vec![error])?;
        let made_up = |resource: &&Resource| {
            let referable =
                Referable { reference: resource.logical_id.clone(), made_up: true, ..Referable::default() };
            (resource.logical_id.clone(), referable)
        };
        let resources: BTreeMap<String, Referable> = included.iter().map(made_up).collect();
        let scope = self.scope(parameters, &resources);
        let mut errors = Vec::new();
        for resource in included.iter().filter(|resource| is_played(&resource.resource_type)) {
            match scope.resolve(&without_service_token(&resource.properties)) {
                Ok(properties) if resource.resource_type == CUSTOM_TYPE => {
                    let properties = self.with_service_token(resource, properties.unwrap_or_default());
                    errors.extend(refused(resource, &properties, &scope));
                }
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// A ServiceToken of whatever kind becomes the ARN of the stage's function; one that is missing stays so.
    pub(super) fn with_service_token(&self, resource: &Resource, mut properties: Value) -> Value {
        let given =
            resource.properties.fields("Properties").is_ok_and(|fields| fields.iter().any(is_service_token));
        if resource.resource_type == CUSTOM_TYPE && given && properties.is_object() {
            properties["ServiceToken"] = json!(self.stage.lambda.function_arn());
        }
        properties
    }
}

/// Whether the stage plays resources of this type; the others only have an id and made-up attributes.
pub(super) fn is_played(resource_type: &str) -> bool {
    matches!(
        resource_type,
        "AWS::ECS::Cluster" | "AWS::ECS::TaskDefinition" | "AWS::ECS::Service" | CUSTOM_TYPE
    )
}

/// The function on the stage serves every Custom::ECSTask, whatever its ServiceToken imports from elsewhere.
pub(super) fn without_service_token(properties: &Node) -> Node {
    let kind = match &properties.kind {
        NodeKind::Map(fields) => {
            NodeKind::Map(fields.iter().filter(|field| !is_service_token(field)).cloned().collect())
        }
        other => other.clone(),
    };
    Node { line: properties.line, kind }
}

fn is_service_token((name, _): &(String, Node)) -> bool {
    name == "ServiceToken"
}

/// What the function would refuse of a resource's properties, each with its line. A value that comes of another
/// resource is made up as yet, so it cannot be wrong.
fn refused(resource: &Resource, properties: &Value, scope: &Scope<'_>) -> Vec<TemplateError> {
    let Err(errors) = Properties::read(properties) else { return Vec::new() };
    let told = errors.0.iter().filter_map(|error| {
        let node = scope.written_at(&resource.properties, &error.place)?;
        Some(node.error(format!("{}: {error}", resource.logical_id)))
    });
    told.collect()
}
