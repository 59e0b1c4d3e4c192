//! Finds ECS's refusals before anything starts, by the stage's own rules on a trial.

use serde_json::Value;

use super::Stack;
use crate::{
    service::ecs::{Ecs, Refusal, Refusals},
    template::{
        Resource, TemplateError, TemplateErrors, nearest::did_you_mean, node::Node,
        referable::Referable, resolve::Scope,
    },
};
use ecs_tasks::outcome::EVERY_CONTAINER;

/// Properties that decide whether a task definition can be registered at all.
const DECIDE: [&str; 4] = ["Cpu", "Memory", "NetworkMode", "RequiresCompatibilities"];

impl Stack {
    /// Makes a resource for a trial, if ECS has its type. `expected` gets its ARN.
    pub(super) fn try_out(
        &self,
        trial: &Ecs,
        (resource, properties): (&Resource, &Value),
        expected: &mut Referable,
        scope: &Scope<'_>,
    ) -> Result<(), TemplateErrors> {
        match resource.resource_type.as_str() {
            "AWS::ECS::Cluster" => {
                self.create_cluster(trial, &expected.reference, properties);
            }
            "AWS::ECS::ClusterCapacityProviderAssociations" => {
                trial.set_capacity_providers(
                    properties["Cluster"].as_str().unwrap_or_default(),
                    properties,
                );
            }
            "AWS::ECS::TaskDefinition" => {
                let definition = self.with_family(&resource.logical_id, properties);
                match trial.register(&definition) {
                    Ok(arn) => {
                        expected
                            .attributes
                            .insert("TaskDefinitionArn".to_owned(), arn.as_str().into());
                        expected.reference = arn;
                    }
                    Err(refusals) => {
                        return self.refused_definition(resource, properties, refusals, scope);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Errors for the rules of RegisterTaskDefinition that a definition breaks. A value from
    /// another resource or from elsewhere is still made up, so it breaks no rule.
    fn refused_definition(
        &self,
        resource: &Resource,
        properties: &Value,
        refusals: Refusals,
        scope: &Scope<'_>,
    ) -> Result<(), TemplateErrors> {
        let mut errors = TemplateErrors::default();
        let is_known = |path: &str| {
            let made_up = |value: &Value| {
                has_text(value, &|text: &str| self.account.external.is_made_up(text))
            };
            scope
                .written_at(&resource.properties, path)
                .resource
                .is_none()
                && !made_up(value_at(properties, path))
        };
        for Refusal { path, message } in refusals.0 {
            let decides = DECIDE.iter().all(|name| is_known(name));
            if decides && (path.is_empty() || is_known(&path)) {
                let written = scope.written_at(&resource.properties, &path).node;
                errors.add(written.error(format!("{}: {message}", resource.logical_id)));
            }
        }
        errors.or(())
    }

    /// ECS's refusals of the place of a task or service, and containers that the task definition
    /// lacks.
    pub(super) fn refused_by_ecs(
        &self,
        trial: &Ecs,
        (resource, properties): (&Resource, &Value),
        scope: &Scope<'_>,
    ) -> Vec<TemplateError> {
        let id = &resource.logical_id;
        let error = |node: &Node, problem: String| node.error(format!("{id}: {problem}"));
        let mut refused = unknown_containers(trial, (resource, properties), scope);
        // With Service the function reads the place from ECS at the run, so it is unknown here.
        let is_service = resource.resource_type == "AWS::ECS::Service";
        let is_placed_by_service = properties["Service"].is_string() && !is_service;
        if is_placed_by_service || properties["Count"] == "0" {
            return refused;
        }
        if let Err(misplaced) = trial.check_placement(properties, is_service) {
            let written = scope.written_at(&resource.properties, misplaced.property);
            // A value of another resource is still made up, so it cannot be wrong.
            if written.resource.is_none() {
                let problem = format!("ECS refuses it: {}{}", misplaced.message, misplaced.hint);
                refused.push(error(written.node, problem));
            }
        }
        refused
    }
}

/// The value at a path such as `ContainerDefinitions[0].Name`, or null.
fn value_at<'v>(value: &'v Value, path: &str) -> &'v Value {
    let mut value = value;
    for step in path
        .split(['.', '['])
        .map(|step| step.trim_end_matches(']'))
        .filter(|step| !step.is_empty())
    {
        value = match (value, step.parse::<usize>()) {
            (Value::Array(items), Ok(index)) => items.get(index).unwrap_or(&Value::Null),
            (other, _) => member(other, step).map_or(&Value::Null, |(_, below)| below),
        };
    }
    value
}

/// True if a value is such a text, or a list with one.
fn has_text(value: &Value, is_it: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_it(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, is_it)),
        _ => false,
    }
}

/// Errors for containers in Overrides, UpdateCriteria and WatchContainers that the task definition
/// lacks.
fn unknown_containers(
    trial: &Ecs,
    (resource, properties): (&Resource, &Value),
    scope: &Scope<'_>,
) -> Vec<TemplateError> {
    let definition = properties["TaskDefinition"].as_str().unwrap_or_default();
    let Some(known) = trial.container_names(definition) else {
        return Vec::new();
    };
    let unknown = named_containers(properties)
        .into_iter()
        .filter(|(_, name)| !known.contains(name));
    let error = |(path, name): (String, String)| {
        let written = scope.written_at(&resource.properties, &path);
        let hint = did_you_mean(&name, known.iter().map(String::as_str));
        let known = if hint.is_empty() {
            format!("; it has {}", known.join(", "))
        } else {
            hint
        };
        let id = &resource.logical_id;
        written.resource.is_none().then(|| {
            written.node.error(format!(
                "{id}: {path} is {name}, which the task definition does not have{known}"
            ))
        })
    };
    unknown.filter_map(error).collect()
}

/// The names of containers in properties, each with its path.
fn named_containers(properties: &Value) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let mut add = |path: String, name: &Value| {
        if let Some(name) = name.as_str() {
            named.push((path, name.to_owned()));
        }
    };
    let watched = items(&properties["WatchContainers"]);
    for (index, name) in watched.filter(|(_, name)| *name != EVERY_CONTAINER) {
        add(format!("WatchContainers[{index}]"), name);
    }
    for (index, criterion) in items(&properties["UpdateCriteria"]) {
        if let Some((key, name)) = member(criterion, "Container") {
            add(format!("UpdateCriteria[{index}].{key}"), name);
        }
    }
    if let Some((list, overrides)) = member(&properties["Overrides"], "ContainerOverrides") {
        for (index, one) in items(overrides) {
            if let Some((key, name)) = member(one, "Name") {
                add(format!("Overrides.{list}[{index}].{key}"), name);
            }
        }
    }
    named
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}

/// A member in CloudFormation's or ECS's spelling, with its key as written.
fn member<'v>(object: &'v Value, name: &str) -> Option<(&'v String, &'v Value)> {
    object
        .as_object()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
}
