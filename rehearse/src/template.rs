//! A CloudFormation template, read from YAML (short forms included) or JSON, with the place of everything in
//! it.
//!
//! Nothing here knows of a stage: [`resolve::Scope`] gives the value of any part of a template, given what
//! exists.

mod cidr;
mod condition;
pub mod dynamic;
mod error;
pub mod external;
mod for_each;
mod functions;
pub mod nearest;
pub mod node;
mod parameter;
mod place;
pub mod placeholders;
pub mod referable;
pub(super) mod reference;
pub mod resolve;
mod resource;
pub mod stubs;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use self::{
    error::{TemplateError, TemplateErrors},
    parameter::Parameter,
    resource::Resource,
};
use self::{external::External, node::Node, resolve::Scope};

/// Values of a template's parameters.
pub type Parameters = BTreeMap<String, Value>;

/// Transforms that are played, as far as a rehearsal needs them.
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
const SERVERLESS: &str = "AWS::Serverless::";
/// Transforms that change nothing of what a rehearsal plays.
const IGNORED_TRANSFORMS: [&str; 3] =
    ["AWS::Serverless-2016-10-31", "AWS::CodeDeployBlueGreen", "AWS::SecretsManager-2020-07-23"];

/// A template.
#[derive(Debug, Default)]
pub struct Template {
    /// Parameters by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Conditions by name.
    pub conditions: BTreeMap<String, Node>,
    /// Mappings by name.
    pub mappings: BTreeMap<String, Node>,
    /// Rules by name.
    pub rules: BTreeMap<String, Node>,
    /// Resources, each after those that it needs.
    pub resources: Vec<Resource>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, Node>,
    /// Whether it is written in AWS::LanguageExtensions.
    has_extensions: bool,
}

impl Template {
    /// Reads a template whose loops, if it has any, run over literal lists or defaults of parameters.
    pub fn read(text: &str) -> Result<Self, TemplateErrors> {
        Self::read_given(text, &BTreeMap::new(), &External::default())
    }

    /// Reads a template, given values of its parameters: its loops may run over them.
    pub fn read_given(
        text: &str,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Self, TemplateErrors> {
        let root = Node::read(text)?;
        root.fields("the template")?;
        let mut errors = TemplateErrors::default();
        let mut template = Self { has_extensions: has_extensions(&root, &mut errors), ..Self::default() };
        for (name, node) in section(&root, "Parameters", &mut errors) {
            if let Some(parameter) = errors.take(Parameter::read(&name, &node)) {
                template.parameters.insert(name, parameter);
            }
        }
        template.mappings = section(&root, "Mappings", &mut errors).into_iter().collect();
        template.rules = section(&root, "Rules", &mut errors).into_iter().collect();
        let root = match for_each::is_in(&root) {
            true => template.without_loops(&root, given, external)?,
            false => root,
        };
        template.conditions = section(&root, "Conditions", &mut errors).into_iter().collect();
        template.outputs = section(&root, "Outputs", &mut errors).into_iter().collect();
        if root.field("Resources").is_none() {
            errors.add(root.error("the template has no Resources"));
        }
        let resources = section(&root, "Resources", &mut errors);
        let names: BTreeSet<&str> = resources.iter().map(|(name, _)| name.as_str()).collect();
        let read = |(name, node): &(String, Node)| errors.take(Resource::read(name, node, &names));
        let read: Vec<Resource> = resources.iter().filter_map(read).collect();
        template.resources = errors.take(resource::in_order(read)).unwrap_or_default();
        errors.or(template)
    }

    /// The values of all parameters, given these. Names that the template does not have, values that are
    /// missing and values that it does not allow are errors.
    pub fn parameter_values(
        &self,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Parameters, TemplateErrors> {
        let mut errors = TemplateErrors::default();
        for unknown in given.keys().filter(|name| !self.parameters.contains_key(*name)) {
            let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            errors.add(TemplateError::given(format!(
                "the template has no parameter {unknown}; it has {known}"
            )));
        }
        let value = |(name, parameter): (&String, &Parameter)| {
            let value = errors.take(parameter.value(name, given.get(name), external))?;
            Some((name.clone(), value))
        };
        let values = self.parameters.iter().filter_map(value).collect();
        errors.or(values)
    }

    /// The resource of this name.
    pub fn resource(&self, logical_id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.logical_id == logical_id)
    }

    /// Every name that a Ref, Fn::GetAtt or Fn::Sub anywhere in the template refers to and that it does not
    /// have: an error for CloudFormation, whichever way the conditions go.
    pub fn unknown_names(&self) -> TemplateErrors {
        let mut errors = TemplateErrors::default();
        let known: BTreeSet<&str> = self.resources.iter().map(|one| one.logical_id.as_str()).collect();
        let nodes = self.resources.iter().map(|resource| &resource.properties).chain(self.outputs.values());
        for node in nodes {
            reference::each(node, &mut |found| {
                let is_parameter = found.attribute.is_none() && self.parameters.contains_key(found.name);
                if !known.contains(found.name) && !is_parameter && !found.name.starts_with("AWS::") {
                    errors.add(self.unknown(found.name, found.attribute, found.node));
                }
            });
        }
        errors
    }

    /// The error of a reference to what is not there.
    fn unknown(&self, name: &str, attribute: Option<&str>, node: &Node) -> TemplateError {
        let is_serverless = |one: &Resource| one.resource_type.starts_with(SERVERLESS);
        let mut serverless = self.resources.iter().filter(|one| is_serverless(one));
        let is_generated = serverless.clone().next().is_some() && name.starts_with("Serverless")
            || serverless.any(|one| name.starts_with(&one.logical_id));
        let hint = if is_generated { "; SAM generates it, which the rehearsal does not" } else { "" };
        node.error(match attribute {
            Some(attribute) => format!(
                "Fn::GetAtt {name}.{attribute}: the template has no such resource (or its condition is \
                 false){hint}"
            ),
            None => format!(
                "Ref {name}: the template has no such parameter or resource (or its condition is false){hint}"
            ),
        })
    }

    fn without_loops(
        &self,
        root: &Node,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Node, TemplateErrors> {
        if !self.has_extensions {
            return Err(root.error(format!("Fn::ForEach needs `Transform: {LANGUAGE_EXTENSIONS}`")).into());
        }
        let given = given.iter().filter(|(name, _)| self.parameters.contains_key(*name));
        let given = given.map(|(name, text)| (name.clone(), text.clone())).collect();
        let parameters = self.parameter_values(&given, external)?;
        let nothing = BTreeMap::new();
        let scope =
            Scope { template: self, parameters: &parameters, resources: &nothing, stack_id: "", external };
        for_each::expanded(root, &scope)
    }
}

/// That a transform or a macro is not played: its name, or an object with it.
fn not_played(transform: &Node) -> String {
    let name = transform.text().or_else(|| transform.field("Name")?.text()).unwrap_or("Fn::Transform");
    format!(
        "the rehearsal does not play the transform {name}: give the template that CloudFormation makes of \
         it, as `aws cloudformation get-template --template-stage Processed` shows it"
    )
}

/// The fields of a section, if the template has it.
fn section(root: &Node, name: &str, errors: &mut TemplateErrors) -> Vec<(String, Node)> {
    let Some(node) = root.field(name) else { return Vec::new() };
    let fields = errors.take(node.fields(name)).unwrap_or_default();
    let (transforms, fields): (Vec<_>, Vec<_>) =
        fields.iter().cloned().partition(|(name, _)| name == "Fn::Transform");
    for (_, transform) in transforms {
        errors.add(transform.error(not_played(&transform)));
    }
    fields
}

/// Whether the template declares the language extensions; a transform that cannot be played is an error.
fn has_extensions(root: &Node, errors: &mut TemplateErrors) -> bool {
    let Some(transform) = root.field("Transform") else { return false };
    let declared: Vec<&Node> =
        transform.items("Transform").map_or_else(|_| vec![transform], |items| items.iter().collect());
    for node in &declared {
        let is_played = |name: &str| name == LANGUAGE_EXTENSIONS || IGNORED_TRANSFORMS.contains(&name);
        if !node.text().is_some_and(is_played) {
            errors.add(node.error(not_played(node)));
        }
    }
    declared.iter().any(|node| node.text() == Some(LANGUAGE_EXTENSIONS))
}

#[cfg(test)]
mod tests;
