//! The resources, properties and outputs that the template wants, given what exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Stack, account::service_token, is_custom};
use crate::template::{
    Parameters, Resource, TemplateErrors, dynamic,
    node::{Node, NodeKind},
    referable::Referable,
    resolve::Scope,
};

/// Outputs by name: the value, and the name of its export.
pub(super) type Outputs = BTreeMap<String, [Option<Value>; 2]>;

/// A resource in the state that the template wants.
pub(super) struct Desired {
    pub(super) resource: Resource,
    pub(super) is_ours: bool,
    pub(super) properties: Value,
    /// The ServiceToken of a custom resource, as the template has it.
    pub(super) service_token: Option<String>,
}

impl Desired {
    /// True in the first place if the resource stays when the stack loses it, in the second if it
    /// stays when an update replaces it.
    pub(super) fn policies(&self) -> [bool; 2] {
        [
            &self.resource.deletion_policy,
            &self.resource.replace_policy,
        ]
        .map(|policy| {
            policy
                .as_ref()
                .and_then(Node::text)
                .is_some_and(|policy| policy.starts_with("Retain"))
        })
    }
}

impl Stack {
    /// The resources with a true condition, each after those that it needs. The one that is to fail
    /// comes as late as possible, so that everything else exists.
    pub(super) fn included(
        &self,
        parameters: &Parameters,
    ) -> Result<Vec<&Resource>, TemplateErrors> {
        let nothing = BTreeMap::new();
        let scope = self.scope(parameters, &nothing);
        let mut errors = TemplateErrors::default();
        let mut included = Vec::new();
        for resource in &self.template.resources {
            let holds = resource
                .condition
                .as_ref()
                .map(|condition| scope.holds(condition));
            if holds.is_none_or(|holds| errors.take(holds) == Some(true)) {
                included.push(resource);
            }
        }
        if let Some(fail) = &self.fail {
            let mut late = BTreeSet::from([fail.as_str()]);
            for resource in &included {
                if resource
                    .needs
                    .iter()
                    .any(|need| late.contains(need.as_str()))
                {
                    late.insert(&resource.logical_id);
                }
            }
            included.sort_by_key(|resource| late.contains(resource.logical_id.as_str()));
        }
        errors.or(included)
    }

    pub(super) fn included_ids(&self, parameters: &Parameters) -> Vec<String> {
        let included = self.included(parameters).unwrap_or_default();
        included
            .iter()
            .map(|resource| resource.logical_id.clone())
            .collect()
    }

    /// The resources that the function serves, and the services whose hook it is, with true
    /// conditions or false ones.
    pub(super) fn ours_if_included(&self, parameters: &Parameters) -> Vec<&Resource> {
        let nothing = BTreeMap::new();
        let scope = self.scope(parameters, &nothing);
        self.template
            .resources
            .iter()
            .filter(|one| {
                self.account.is_ours(one, &scope) || self.account.has_our_hook(one, &scope)
            })
            .collect()
    }

    /// The logical ids of the included resources that the function serves.
    pub(super) fn our_resources(&self, parameters: &Parameters) -> BTreeSet<String> {
        let included = self.included_ids(parameters);
        let ours = self
            .ours_if_included(parameters)
            .into_iter()
            .map(|resource| resource.logical_id.clone());
        ours.filter(|id| included.contains(id)).collect()
    }

    /// A resource with its properties resolved, given what exists. `None` if the template has no
    /// resource of this name.
    pub(super) fn desired(
        &self,
        logical_id: &str,
        parameters: &Parameters,
    ) -> Result<Option<Desired>, TemplateErrors> {
        let Some(resource) = self.template.resource(logical_id) else {
            return Ok(None);
        };
        let referables = self.referables(parameters);
        let scope = self.scope(parameters, &referables);
        let is_ours = self.account.is_ours(resource, &scope);
        let properties = self.properties(resource, is_ours, &scope)?;
        let service_token = service_token(resource, &scope);
        Ok(Some(Desired {
            resource: resource.clone(),
            is_ours,
            properties,
            service_token,
        }))
    }

    /// A resource's properties. The ServiceToken of ours becomes the stage's function, and so does
    /// the target of our hooks; a missing one stays missing.
    pub(super) fn properties(
        &self,
        resource: &Resource,
        is_ours: bool,
        scope: &Scope<'_>,
    ) -> Result<Value, TemplateErrors> {
        let written = &resource.properties;
        // The token may import something that nobody has given, and the stage needs no value of it.
        let function_arn = self.stage.lambda.function_arn();
        let aimed;
        let without_token = match &written.kind {
            _ if self.account.has_our_hook(resource, scope) => {
                aimed = self.account.aimed(written, scope, &function_arn);
                &aimed
            }
            NodeKind::Map(fields) if is_ours => {
                let others = fields.iter().filter(|(name, _)| name != "ServiceToken");
                &Node {
                    line: written.line,
                    kind: NodeKind::Map(others.cloned().collect()),
                }
            }
            _ => written,
        };
        let properties = scope.resolve(without_token)?.unwrap_or_else(|| json!({}));
        let is_custom = is_custom(&resource.resource_type);
        // CloudFormation resolves no secrets in the properties of a custom resource.
        let mut properties = dynamic::resolved(properties, !is_custom, &self.account.external);
        if is_ours && written.field("ServiceToken").is_some() {
            properties["ServiceToken"] = json!(function_arn);
        }
        Ok(properties)
    }

    /// The Outputs with a true condition.
    pub(super) fn outputs(&self, parameters: &Parameters) -> Result<Outputs, TemplateErrors> {
        let referables = self.referables(parameters);
        self.resolved_outputs(&self.scope(parameters, &referables))
    }

    pub(super) fn resolved_outputs(&self, scope: &Scope<'_>) -> Result<Outputs, TemplateErrors> {
        let mut errors = TemplateErrors::default();
        let mut outputs = Outputs::new();
        for (name, output) in &self.template.outputs {
            let holds = output
                .field("Condition")
                .map(|condition| scope.holds(condition));
            if holds.is_some_and(|holds| errors.take(holds) != Some(true)) {
                continue;
            }
            let value = match output.field("Value") {
                Some(value) => errors.take(scope.resolve(value)).flatten(),
                None => {
                    errors.add(output.error(format!("output {name} has no Value")));
                    None
                }
            };
            let export = output
                .field("Export")
                .and_then(|export| errors.take(scope.resolve(export)));
            outputs.insert(name.clone(), [value, export.flatten()]);
        }
        errors.or(outputs)
    }

    /// The existing resources to which the template can refer.
    fn referables(&self, parameters: &Parameters) -> BTreeMap<String, Referable> {
        let included: BTreeSet<String> = self.included_ids(parameters).into_iter().collect();
        let live = self.live.iter().filter(|(id, _)| included.contains(*id));
        live.map(|(id, live)| (id.clone(), live.referable.clone()))
            .collect()
    }

    pub(super) fn scope<'a>(
        &'a self,
        parameters: &'a Parameters,
        resources: &'a BTreeMap<String, Referable>,
    ) -> Scope<'a> {
        let external = &self.account.external;
        Scope {
            template: &self.template,
            parameters,
            resources,
            stack_id: &self.id,
            external,
        }
    }
}
