//! Checks a template before anything starts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    CUSTOM_TYPE, Stack, account::token_in_words, hooks::hooks, is_custom,
    properties::refused_properties,
};
use crate::template::{
    Parameters, Resource, TemplateError, TemplateErrors,
    external::Origin,
    nearest::{did_you_mean, nearest},
    node::Node,
    referable::Referable,
    resolve::Scope,
};
use ecs_tasks::{properties::Properties, task::family};

impl Stack {
    /// Resolves everything once with made-up resources. `Err` names every mistake: values that
    /// cannot be resolved, properties that the function would refuse, and things elsewhere that
    /// cannot be played.
    pub fn check(&self, parameters: &Parameters) -> Result<(), TemplateErrors> {
        let mut errors = self.template.unknown_names();
        let nothing = BTreeMap::new();
        errors.take(self.scope(parameters, &nothing).check_rules());
        let included = errors.take(self.included(parameters)).unwrap_or_default();
        let mut resources = BTreeMap::new();
        let (trial, mut run) = (self.stage.ecs.trial(), Vec::new());
        for resource in included {
            let scope = self.scope(parameters, &resources);
            let is_ours = self.account.is_ours(resource, &scope);
            let properties = errors.take(self.properties(resource, is_ours, &scope));
            let misspelt = refused_properties(resource, &scope);
            // ECS would only refuse what is missing because of it.
            let is_misspelt = !misspelt.is_empty();
            for error in misspelt {
                errors.add(error);
            }
            if let Some(properties) = properties.as_ref().filter(|_| is_ours) {
                for error in self.refused(resource, properties, &scope) {
                    errors.add(error);
                }
            }
            let mut expected = self.expected(
                resource,
                is_ours,
                properties.as_ref().unwrap_or(&Value::Null),
            );
            if let Some(properties) = properties.filter(|_| !is_misspelt) {
                errors.take(self.try_out(&trial, (resource, &properties), &mut expected, &scope));
                for error in self.refused_hooks(resource, &properties, &scope) {
                    errors.add(error);
                }
                if is_ours || resource.resource_type == "AWS::ECS::Service" {
                    self.ask_for_definition(&properties, &resources);
                    run.push((resource, properties));
                }
            }
            // Kept after an error, too: resources that refer to this one are not wrong because of
            // it.
            resources.insert(resource.logical_id.clone(), expected);
        }
        // Only now are all capacity providers of a cluster known.
        let scope = self.scope(parameters, &resources);
        for (resource, properties) in run {
            for error in self.refused_by_ecs(&trial, (resource, &properties), &scope) {
                errors.add(error);
            }
            if let Some(error) = self.unheard(resource, &scope) {
                errors.add(error);
            }
        }
        errors.take(self.resolved_outputs(&self.scope(parameters, &resources)));
        if let Some(fail) = &self.account.fail
            && self.template.resource(fail).is_none()
        {
            errors.add(TemplateError {
                line: None,
                message: format!("--fail: there is no resource {fail}"),
            });
        }
        errors.or(())
    }

    /// The reason why the function serves nothing in this template; `None` if it serves something.
    pub fn nothing_to_rehearse(&self, parameters: &Parameters) -> Option<String> {
        if !self.our_resources(parameters).is_empty() {
            return None;
        }
        let excluded: Vec<String> = self
            .ours_if_included(parameters)
            .into_iter()
            .map(|one| {
                let name = one.condition.as_ref().and_then(Node::text);
                let name = name.map_or_else(String::new, |name| format!(" {name}"));
                format!(
                    "the condition{name} of {} (line {})",
                    one.logical_id, one.line
                )
            })
            .collect();
        let why = match excluded.as_slice() {
            [] => self.none_is_ours(parameters),
            [one] => format!("with these parameters {one} is false"),
            several => format!("with these parameters {} are false", several.join(" and ")),
        };
        Some(format!("there is nothing to rehearse: {why}"))
    }

    /// Names the custom resources of a template in which the function serves none.
    fn none_is_ours(&self, parameters: &Parameters) -> String {
        let nothing = BTreeMap::new();
        let scope = self.scope(parameters, &nothing);
        let token = self.account.service_token.as_deref();
        let customs = self
            .template
            .resources
            .iter()
            .filter(|one| is_custom(&one.resource_type));
        let named: Vec<String> = customs
            .map(|one| {
                let (id, line, kind) = (&one.logical_id, one.line, &one.resource_type);
                match token {
                    Some(desired) => {
                        let (has, name) = token_in_words(one, &scope);
                        format!(
                            "{id} (line {line}), which {has} {name}{}",
                            did_you_mean(desired, [name.as_str()])
                        )
                    }
                    None => {
                        // The beginning of all types is alike, so only the last part can be
                        // compared.
                        let own =
                            |kind: &str| kind.rsplit("::").next().unwrap_or_default().to_owned();
                        let is_near = nearest(&own(kind), [own(CUSTOM_TYPE).as_str()]).is_some();
                        let hint = if is_near {
                            format!(" (did you mean {CUSTOM_TYPE}?)")
                        } else {
                            String::new()
                        };
                        format!("{id} (line {line}) of type {kind}{hint}")
                    }
                }
            })
            .collect();
        let desired = match token {
            Some(token) => format!("custom resource with the ServiceToken {token}"),
            None => format!("resource of type {CUSTOM_TYPE}"),
        };
        let mut others = match named.as_slice() {
            [] => "it has no custom resources".to_owned(),
            named => format!("its custom resources are {}", named.join("; ")),
        };
        let is_hooked = |one: &&Resource| !hooks(one, &scope).is_empty();
        let hooked = self.template.resources.iter().filter(is_hooked);
        let hooked: Vec<&str> = hooked.map(|one| one.logical_id.as_str()).collect();
        if !hooked.is_empty() {
            others.push_str(&format!(
                ", and the lifecycle hooks of {} target other functions",
                hooked.join(", ")
            ));
        }
        let how = match token {
            None if !named.is_empty() => " (choose those to rehearse with --service-token)",
            _ => "",
        };
        format!("the template has no {desired}; {others}{how}")
    }

    /// The mistakes in one of our resources, with their lines. A value of another resource is still
    /// made up, so it cannot be wrong.
    fn refused(
        &self,
        resource: &Resource,
        properties: &Value,
        scope: &Scope<'_>,
    ) -> Vec<TemplateError> {
        let id = &resource.logical_id;
        let mut refused: Vec<TemplateError> = match Properties::read(properties) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .0
                .iter()
                .filter_map(|error| {
                    let place = scope.written_at(&resource.properties, &error.place);
                    let is_wrong = place.resource.is_none() || error.is_about_a_name();
                    is_wrong.then(|| place.node.error(format!("{id}: {error}")))
                })
                .collect(),
        };
        refused.extend(self.misspelt_import(resource, scope));
        // With Count 0 nothing runs, so the definition may be missing.
        if properties["Count"] != "0"
            && let Some(definition) = properties["TaskDefinition"].as_str()
            && !self.is_known(definition, scope)
        {
            refused.push(self.unknown_definition(resource, definition, scope));
        }
        refused
    }

    /// An error if no condition waits for a WaitHandle of the template: the stack would be complete
    /// while the task runs.
    fn unheard(&self, resource: &Resource, scope: &Scope<'_>) -> Option<TemplateError> {
        let written = scope.written_at(&resource.properties, "WaitHandle");
        let handle = written.resource.filter(|handle| {
            self.template
                .resource(handle)
                .is_some_and(|one| one.resource_type == "AWS::CloudFormation::WaitConditionHandle")
        })?;
        let waits = |one: &&Resource| {
            one.resource_type == "AWS::CloudFormation::WaitCondition"
                && scope.resources.contains_key(&one.logical_id)
                && scope.written_at(&one.properties, "Handle").resource == Some(handle)
        };
        if self.template.resources.iter().any(|one| waits(&one)) {
            return None;
        }
        let id = &resource.logical_id;
        Some(written.node.error(format!(
            "{id}: no WaitCondition waits for {handle}, so the stack would complete while the task is still \
             running: add one with Handle: !Ref {handle} and DependsOn: {id}"
        )))
    }

    /// Notes that a task or service takes its task definition from elsewhere, if so.
    fn ask_for_definition(&self, properties: &Value, resources: &BTreeMap<String, Referable>) {
        let asked = properties["TaskDefinition"].as_str();
        if let Some(asked) = asked.filter(|asked| !self.is_in_template(asked, resources)) {
            self.account.external.ask(Origin::Definition, asked);
        }
    }

    /// The error of a task definition that is missing or has another type.
    pub(super) fn unknown_definition(
        &self,
        resource: &Resource,
        name: &str,
        scope: &Scope<'_>,
    ) -> TemplateError {
        let id = &resource.logical_id;
        let written = scope.written_at(&resource.properties, "TaskDefinition");
        let other = written.resource.and_then(|of| self.template.resource(of));
        if let Some(other) = other.filter(|other| other.resource_type.starts_with("AWS::ECS::")) {
            let (of, kind) = (&other.logical_id, &other.resource_type);
            return written.node.error(format!(
                "{id}: TaskDefinition refers to {of} (line {}), whose type is {kind}, not \
                 AWS::ECS::TaskDefinition",
                other.line
            ));
        }
        written.node.error(format!(
            "{id}: task definition {name} is not in the template: save the output of `aws ecs \
             describe-task-definition` for it to a file, and pass --task-definition FILE"
        ))
    }

    /// True if this task definition is in the template or was given.
    pub(super) fn is_known(&self, definition: &str, scope: &Scope<'_>) -> bool {
        self.is_in_template(definition, scope.resources) || self.is_given(definition)
    }

    /// True if the template has this task definition.
    fn is_in_template(&self, asked: &str, resources: &BTreeMap<String, Referable>) -> bool {
        let mut definitions = resources
            .values()
            .filter(|one| one.resource_type == "AWS::ECS::TaskDefinition");
        definitions.any(|one| one.reference == asked || family(&one.reference) == family(asked))
    }

    /// True if this task definition was given. A single given one is used for any made-up name.
    fn is_given(&self, asked: &str) -> bool {
        let is_alias =
            || self.account.definitions.len() == 1 && self.account.external.is_made_up(asked);
        self.stage.ecs.has_definition(asked) || is_alias()
    }
}
