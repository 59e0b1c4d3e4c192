//! The account around a template: which custom resources are ours, what lives elsewhere, and which
//! resource is to fail.

use std::sync::Arc;

use serde_json::Value;

use super::Stack;
use crate::template::{
    Resource, TemplateError,
    external::{External, Origin},
    nearest::misspelt,
    node::Node,
    reference,
    resolve::Scope,
};

/// The resource type that the function serves.
pub const CUSTOM_TYPE: &str = "Custom::ECSTask";
/// The end of the name of the export by which cfn/provider.yml gives the function's ARN.
const EXPORT: &str = "ecs-tasks-FunctionArn";

/// The account around a template.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Exports and SSM parameters.
    pub external: Arc<External>,
    /// The ServiceToken of our resources, in place of the type Custom::ECSTask.
    pub service_token: Option<String>,
    /// Task definitions that live elsewhere, as DescribeTaskDefinition returns them.
    pub definitions: Vec<Value>,
    /// The resource that is to fail.
    pub fail: Option<String>,
    /// True with DisableRollback: a failed operation leaves everything as it is.
    pub keeps_failures: bool,
}

impl Account {
    /// True if the function serves a resource.
    pub fn is_ours(&self, resource: &Resource, scope: &Scope<'_>) -> bool {
        if !is_custom(&resource.resource_type) {
            return false;
        }
        let is_of_type = self.service_token.is_none() && resource.resource_type == CUSTOM_TYPE;
        self.is_function(resource.properties.field("ServiceToken"), scope) || is_of_type
    }

    /// True if a ServiceToken or a hook's target is the function.
    pub(super) fn is_function(&self, token: Option<&Node>, scope: &Scope<'_>) -> bool {
        let import = token.and_then(|token| imported(token, scope));
        // Noted, so that an --import of this name does not count as unused.
        if let Some(import) = &import {
            self.external.ask(Origin::Export, import);
        }
        match &self.service_token {
            Some(desired) => token.is_some_and(|token| {
                import.as_ref() == Some(desired)
                    || is_attribute(token, desired)
                    || scope
                        .resolve(token)
                        .is_ok_and(|value| value == Some(desired.as_str().into()))
            }),
            None => import.is_some_and(|import| import.ends_with(EXPORT)),
        }
    }
}

/// True for a type of custom resources.
pub fn is_custom(resource_type: &str) -> bool {
    resource_type.starts_with("Custom::") || resource_type == "AWS::CloudFormation::CustomResource"
}

/// The name of the export in a node's Fn::ImportValue.
pub(super) fn imported(node: &Node, scope: &Scope<'_>) -> Option<String> {
    let (name, argument) = node.single()?;
    (name == "Fn::ImportValue").then_some(())?;
    scope.resolve(argument).ok()??.as_str().map(str::to_owned)
}

/// A custom resource's ServiceToken. If it imports a value that was not given, the export's name.
pub(super) fn service_token(resource: &Resource, scope: &Scope<'_>) -> Option<String> {
    if !is_custom(&resource.resource_type) {
        return None;
    }
    let token = resource.properties.field("ServiceToken")?;
    let import = imported(token, scope).filter(|name| !scope.external.exports.contains_key(name));
    import.or_else(|| scope.resolve(token).ok()??.as_str().map(str::to_owned))
}

/// Everything that a node refers to in any way: resources, parameters, and attributes as
/// `Name.Attribute`.
pub(super) fn referred(node: &Node) -> Vec<String> {
    let mut referred = Vec::new();
    reference::each(node, &mut |found| {
        if !found.name.starts_with("AWS::") {
            let attribute = found
                .attribute
                .map_or_else(String::new, |attribute| format!(".{attribute}"));
            referred.push(format!("{}{attribute}", found.name));
        }
    });
    referred
}

/// True if a node refers to this resource, or to this attribute of one.
fn is_attribute(node: &Node, desired: &str) -> bool {
    referred(node)
        .iter()
        .any(|written| written == desired || written.split('.').next() == Some(desired))
}

/// A custom resource's ServiceToken as a verb and a name or value, for an error.
pub(super) fn token_in_words(resource: &Resource, scope: &Scope<'_>) -> (&'static str, String) {
    let Some(token) = resource.properties.field("ServiceToken") else {
        return ("has", "no ServiceToken".to_owned());
    };
    if let Some(import) = imported(token, scope) {
        return ("imports", import);
    }
    match referred(token).into_iter().next() {
        Some(written) => ("refers to", written),
        None => {
            let value = scope.resolve(token).ok().flatten();
            let value = value.as_ref().and_then(Value::as_str).map(str::to_owned);
            (
                "has the ServiceToken",
                value.unwrap_or_else(|| "of a function".to_owned()),
            )
        }
    }
}

impl Stack {
    /// An error if a ServiceToken imports an almost correct name of the provider's export, and
    /// nobody has given that import a value.
    pub(super) fn misspelt_import(
        &self,
        resource: &Resource,
        scope: &Scope<'_>,
    ) -> Option<TemplateError> {
        let token = resource.properties.field("ServiceToken")?;
        let import = imported(token, scope)?;
        let is_near = misspelt(&import, [EXPORT]).is_some();
        let is_meant = self.account.service_token.is_some()
            || import.ends_with(EXPORT)
            || self.account.external.exports.contains_key(&import);
        (is_near && !is_meant).then(|| {
            token.error(format!(
                "{}: ServiceToken imports {import}; did you mean {EXPORT}? If not, set its value with \
                 --import {import}=VALUE",
                resource.logical_id
            ))
        })
    }

    /// Simulates the cluster and the service that a resource names and the template lacks. Replaces an
    /// import by a given task definition.
    pub(super) fn play_external(&self, properties: &mut Value) {
        let text = |properties: &Value, name: &str| {
            properties[name]
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let ecs = &self.stage.ecs;
        if let Some(cluster) =
            text(properties, "Cluster").filter(|cluster| !ecs.has_cluster(cluster))
        {
            ecs.create_cluster(short(&cluster));
            self.note(format!(
                "cluster {} is not in the template, so the rehearsal simulates it",
                short(&cluster)
            ));
        }
        if let Some(definition) = text(properties, "TaskDefinition")
            && !ecs.has_definition(&definition)
            && let [given] = self.account.definitions.as_slice()
        {
            properties["TaskDefinition"] = given["taskDefinitionArn"].clone();
        }
        let [cluster, definition] =
            ["Cluster", "TaskDefinition"].map(|name| text(properties, name).unwrap_or_default());
        let service =
            text(properties, "Service").filter(|service| !ecs.has_service(&cluster, service));
        if let Some(service) = service {
            ecs.play_service(short(&cluster), short(&service), &definition);
            self.note(format!(
                "service {} is not in the template, so the rehearsal simulates it",
                short(&service)
            ));
        }
    }
}

/// The name at the end of an ARN.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
