//! The lifecycle hooks of a template's services: which of them are the function's, and what is wrong
//! with them.

use serde_json::{Value, json};

use super::{Account, Stack, account::imported};
use crate::{
    config::arn,
    service::ecs::{LIFECYCLE_STAGES, hook_details},
    template::{
        Resource, TemplateError,
        nearest::did_you_mean,
        node::{Node, NodeKind},
        resolve::Scope,
    },
};
use ecs_tasks::properties::Properties;

/// The list of hooks below a service's properties.
const HOOKS: &str = "DeploymentConfiguration.LifecycleHooks";
/// The member of a hook's details that only the function reads.
const DETAIL: &str = "ECSTask";

impl Account {
    /// True if a hook of a service invokes the function.
    pub(super) fn has_our_hook(&self, resource: &Resource, scope: &Scope<'_>) -> bool {
        hooks(resource, scope)
            .iter()
            .any(|hook| self.is_our_hook(hook, scope))
    }

    fn is_our_hook(&self, hook: &Node, scope: &Scope<'_>) -> bool {
        let Some(target) = hook.field("HookTargetArn") else {
            return false;
        };
        // As the type Custom::ECSTask says it of a resource, whatever its ServiceToken.
        let has_task = || hook.field("HookDetails").is_some_and(names_task);
        self.is_function(Some(target), scope) || self.service_token.is_none() && has_task()
    }

    /// A service's properties in which the function's hooks have this target. The stage needs no
    /// value of what they import.
    pub(super) fn aimed(&self, node: &Node, scope: &Scope<'_>, function_arn: &str) -> Node {
        let text = |text: &str| NodeKind::Text(text.to_owned());
        let is_ours = self.is_our_hook(node, scope);
        let kind = match &node.kind {
            NodeKind::List(items) => {
                let items = items
                    .iter()
                    .map(|item| self.aimed(item, scope, function_arn));
                NodeKind::List(items.collect())
            }
            NodeKind::Map(fields) => {
                let field = |(name, value): &(String, Node)| {
                    let is_import = imported(value, scope)
                        .is_some_and(|name| !scope.external.exports.contains_key(&name));
                    let kind = match name.as_str() {
                        "HookTargetArn" if is_ours => text(function_arn),
                        "RoleArn" if is_ours && is_import => text(&arn("iam", "role/hook")),
                        _ => self.aimed(value, scope, function_arn).kind,
                    };
                    let line = value.line;
                    (name.clone(), Node { line, kind })
                };
                NodeKind::Map(fields.iter().map(field).collect())
            }
            other => other.clone(),
        };
        let line = node.line;
        Node { line, kind }
    }
}

impl Stack {
    /// The mistakes in the function's hooks of a service, with their lines.
    pub(super) fn refused_hooks(
        &self,
        resource: &Resource,
        properties: &Value,
        scope: &Scope<'_>,
    ) -> Vec<TemplateError> {
        let id = &resource.logical_id;
        let function_arn = json!(self.stage.lambda.function_arn());
        let mut refused = Vec::new();
        let hooks = properties["DeploymentConfiguration"]["LifecycleHooks"].as_array();
        for (index, hook) in hooks.into_iter().flatten().enumerate() {
            if hook["HookTargetArn"] != function_arn {
                continue;
            }
            let path = |member: &str| format!("{HOOKS}[{index}].{member}");
            let mut refuse = |member: &str, problem: String| {
                let path = path(member);
                let written = scope.written_at(&resource.properties, &path);
                refused.push(written.node.error(format!("{id}: {path} {problem}")));
            };
            let details = hook_details(&hook["HookDetails"]);
            if let Err(problem) = &details {
                refuse("HookDetails", problem.clone());
            }
            let stages = hook["LifecycleStages"].as_array().into_iter().flatten();
            for stage in stages.filter_map(Value::as_str) {
                if !LIFECYCLE_STAGES.contains(&stage) {
                    let hint = did_you_mean(stage, LIFECYCLE_STAGES);
                    refuse("LifecycleStages", format!("has no stage {stage}{hint}"));
                }
            }
            let task = details.ok().flatten();
            let task = task.as_ref().and_then(|details| details.get(DETAIL));
            let errors = task.and_then(|task| Properties::read_for_hook(task).err());
            for error in errors.into_iter().flat_map(|errors| errors.0) {
                let path = path(&format!("HookDetails.{DETAIL}.{}", error.place));
                let written = scope.written_at(&resource.properties, &path);
                if written.resource.is_none() || error.is_about_a_name() {
                    refused.push(written.node.error(format!("{id}: {DETAIL}: {error}")));
                }
            }
        }
        // The run takes its definition from the service.
        if let Some(definition) = properties["TaskDefinition"].as_str()
            && self.account.has_our_hook(resource, scope)
            && !self.is_known(definition, scope)
        {
            refused.push(self.unknown_definition(resource, definition, scope));
        }
        refused
    }
}

/// The hooks of a service, as they are written.
pub(super) fn hooks<'n>(resource: &'n Resource, scope: &Scope<'_>) -> Vec<&'n Node> {
    if resource.resource_type != "AWS::ECS::Service" {
        return Vec::new();
    }
    let list = scope.branch(scope.written_at(&resource.properties, HOOKS).node);
    match &list.kind {
        NodeKind::List(hooks) => hooks.iter().map(|hook| scope.branch(hook)).collect(),
        _ => Vec::new(),
    }
}

/// True if details name the function's own member, as a key or within a text.
fn names_task(details: &Node) -> bool {
    match &details.kind {
        NodeKind::Null => false,
        NodeKind::Text(text) => text.contains(DETAIL),
        NodeKind::List(items) => items.iter().any(names_task),
        NodeKind::Map(fields) => fields
            .iter()
            .any(|(name, value)| name.as_str() == DETAIL || names_task(value)),
    }
}
