//! What is wrong with a template, reported before anything starts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Stack, is_custom};
use crate::{
    properties::Properties,
    rehearse::template::{
        Parameters, Resource, TemplateError, TemplateErrors, referable::Referable, resolve::Scope,
    },
};

impl Stack {
    /// Resolves everything once with made-up resources, so that every mistake is reported before anything
    /// starts: what cannot be resolved, properties that the function would refuse, and what stands elsewhere
    /// and cannot be played.
    pub fn check(&self, parameters: &Parameters) -> Result<(), TemplateErrors> {
        let mut errors = self.template.unknown_names();
        let nothing = BTreeMap::new();
        errors.take(self.scope(parameters, &nothing).check_rules());
        let included = errors.take(self.included(parameters)).unwrap_or_default();
        let mut resources = BTreeMap::new();
        for resource in included {
            let scope = self.scope(parameters, &resources);
            let is_ours = self.surroundings.is_ours(resource, &scope);
            let properties = errors.take(self.properties(resource, is_ours, &scope));
            if let Some(properties) = properties.as_ref().filter(|_| is_ours) {
                for error in self.refused(resource, properties, &scope) {
                    errors.add(error);
                }
            }
            let expected = self.expected(resource, is_ours, &properties.unwrap_or_default());
            resources.insert(resource.logical_id.clone(), expected);
        }
        errors.take(self.resolved_outputs(&self.scope(parameters, &resources)));
        if let Some(fail) = &self.surroundings.fail
            && self.template.resource(fail).is_none()
        {
            errors.add(TemplateError {
                line: None,
                message: format!("there is no resource {fail}, which --fail names"),
            });
        }
        errors.or(())
    }

    /// The custom resources that the function does not serve, if it serves none.
    pub fn nothing_to_rehearse(&self, parameters: &Parameters) -> Option<String> {
        if !self.our_resources(parameters).is_empty() {
            return None;
        }
        let customs = self.template.resources.iter().filter(|one| is_custom(&one.resource_type));
        let named: Vec<String> = customs
            .map(|one| {
                let likeness = strsim::jaro_winkler(
                    &one.resource_type.to_lowercase(),
                    &super::CUSTOM_TYPE.to_lowercase(),
                );
                let hint = if likeness > 0.9 {
                    format!(", did you mean {}?", super::CUSTOM_TYPE)
                } else {
                    String::new()
                };
                format!("{} (line {}) of type {}{hint}", one.logical_id, one.line, one.resource_type)
            })
            .collect();
        let wanted = match &self.surroundings.service_token {
            Some(token) => format!("custom resource with the ServiceToken {token}"),
            None => format!("resource of type {}", super::CUSTOM_TYPE),
        };
        let others = match named.as_slice() {
            [] => "it has no custom resources".to_owned(),
            named => format!("its custom resources are {}", named.join("; ")),
        };
        let how = match &self.surroundings.service_token {
            None if !named.is_empty() => " (--service-token says which are to be rehearsed)",
            _ => "",
        };
        Some(format!("there is nothing to rehearse: the template has no {wanted}; {others}{how}"))
    }

    /// What is wrong with one of our resources, each with its line. A value that comes of another resource is
    /// made up as yet, so it cannot be wrong.
    fn refused(&self, resource: &Resource, properties: &Value, scope: &Scope<'_>) -> Vec<TemplateError> {
        let id = &resource.logical_id;
        let mut refused: Vec<TemplateError> = match Properties::read(properties) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .0
                .iter()
                .filter_map(|error| {
                    let place = scope.written_at(&resource.properties, &error.place);
                    let is_wrong = !place.is_of_resource || error.is_about_a_name();
                    is_wrong.then(|| place.node.error(format!("{id}: {error}")))
                })
                .collect(),
        };
        if properties["Count"] != "0"
            && let Some(definition) = properties["TaskDefinition"].as_str()
            && !self.has_definition(definition, scope.resources)
        {
            let node = scope.written_at(&resource.properties, "TaskDefinition").node;
            refused.push(node.error(format!(
                "{id}: task definition {definition} is not in the template: give what `aws ecs \
                 describe-task-definition` prints of it with --task-definition FILE"
            )));
        }
        refused
    }

    /// Whether a task definition is in the template, or was given.
    fn has_definition(&self, asked: &str, resources: &BTreeMap<String, Referable>) -> bool {
        let family = |name: &str| -> String {
            let short = name.rsplit('/').next().unwrap_or(name);
            short.split(':').next().unwrap_or(short).to_owned()
        };
        let mut definitions =
            resources.values().filter(|one| one.resource_type == "AWS::ECS::TaskDefinition");
        let is_alias =
            || self.surroundings.definitions.len() == 1 && self.surroundings.elsewhere.is_made_up(asked);
        definitions.any(|one| one.reference == asked || family(&one.reference) == family(asked))
            || self.stage.ecs.has_definition(asked)
            || is_alias()
    }
}
