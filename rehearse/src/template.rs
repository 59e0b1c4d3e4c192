//! A CloudFormation template, read from YAML (short forms included) or JSON, with the line of every
//! part.
//!
//! A template does not know the stage: [`resolve::Scope`] gives the value of any part of it, given
//! what exists.

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
mod yaml11;

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

/// Transforms that the rehearsal simulates as far as it needs them.
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
const SERVERLESS: &str = "AWS::Serverless::";
const SERVERLESS_TRANSFORM: &str = "AWS::Serverless-2016-10-31";
/// Transforms that change nothing in a rehearsal.
const IGNORED_TRANSFORMS: [&str; 3] = [
    SERVERLESS_TRANSFORM,
    "AWS::CodeDeployBlueGreen",
    "AWS::SecretsManager-2020-07-23",
];

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
    /// Notes on scalars and transforms that CloudFormation treats in another way than a reader
    /// expects.
    pub notes: Vec<String>,
    /// True with the transform AWS::LanguageExtensions.
    has_extensions: bool,
    /// True if SAM's transform adds resources.
    is_serverless: bool,
}

impl Template {
    /// Reads a template without values of its parameters: its loops run over literal lists or
    /// defaults.
    pub fn read(text: &str) -> Result<Self, TemplateErrors> {
        Self::read_given(text, &BTreeMap::new(), &External::default())
    }

    /// Reads a template with the given values of its parameters, over which its loops may run.
    pub fn read_given(
        text: &str,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Self, TemplateErrors> {
        let root = Node::read(text)?;
        root.fields("the template")?;
        let mut errors = TemplateErrors::default();
        let declared = transforms(&root, &mut errors);
        let mut notes = yaml11::notes(text);
        notes.extend(declared.iter().filter_map(|name| unplayed_transform(name)));
        let mut template = Self {
            notes,
            has_extensions: declared.iter().any(|name| name == LANGUAGE_EXTENSIONS),
            is_serverless: declared.iter().any(|name| name == SERVERLESS_TRANSFORM),
            ..Self::default()
        };
        for (name, node) in section(&root, "Parameters", &mut errors) {
            if let Some(parameter) = errors.take(Parameter::read(&name, &node)) {
                template.parameters.insert(name, parameter);
            }
        }
        template.mappings = section(&root, "Mappings", &mut errors)
            .into_iter()
            .collect();
        template.rules = section(&root, "Rules", &mut errors).into_iter().collect();
        let root = match for_each::is_in(&root) {
            true => template.without_loops(&root, given, external)?,
            false => root,
        };
        template.conditions = section(&root, "Conditions", &mut errors)
            .into_iter()
            .collect();
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

    /// The values of all parameters. `Err` names unknown parameters, missing values and values that
    /// the template does not allow.
    pub fn parameter_values(
        &self,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Parameters, TemplateErrors> {
        let mut errors = TemplateErrors::default();
        for unknown in given
            .keys()
            .filter(|name| !self.parameters.contains_key(*name))
        {
            let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
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

    /// The resource with this logical id; `None` if the template has none.
    pub fn resource(&self, logical_id: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.logical_id == logical_id)
    }

    /// Errors for every Ref, Fn::GetAtt or Fn::Sub to a name that the template lacks.
    /// CloudFormation refuses it in every branch of a condition.
    pub fn unknown_names(&self) -> TemplateErrors {
        let mut errors = TemplateErrors::default();
        let known: BTreeSet<&str> = self
            .resources
            .iter()
            .map(|one| one.logical_id.as_str())
            .collect();
        let nodes = self
            .resources
            .iter()
            .map(|resource| &resource.properties)
            .chain(self.outputs.values());
        for node in nodes {
            reference::each(node, &mut |found| {
                let is_parameter =
                    found.attribute.is_none() && self.parameters.contains_key(found.name);
                let is_known =
                    known.contains(found.name) || is_parameter || found.name.starts_with("AWS::");
                if !is_known && self.generated_type(found.name).is_none() {
                    errors.add(self.unknown(found.name, found.attribute, found.node));
                }
            });
        }
        errors
    }

    /// The error of a reference to an unknown name.
    fn unknown(&self, name: &str, attribute: Option<&str>, node: &Node) -> TemplateError {
        node.error(match attribute {
            Some(attribute) => format!(
                "Fn::GetAtt {name}.{attribute}: the template has no such resource (or its condition is false)"
            ),
            None => format!(
                "Ref {name}: the template has no such parameter or resource (or its condition is false)"
            ),
        })
    }

    /// The type of a resource that SAM's transform adds to the template under this name.
    ///
    /// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources.html>
    fn generated_type(&self, name: &str) -> Option<&'static str> {
        if !self.is_serverless {
            return None;
        }
        let implicit = [
            ("ServerlessRestApi", "AWS::ApiGateway::RestApi"),
            ("ServerlessHttpApi", "AWS::ApiGatewayV2::Api"),
            (
                "ServerlessDeploymentApplication",
                "AWS::CodeDeploy::Application",
            ),
            ("CodeDeployServiceRole", "AWS::IAM::Role"),
        ];
        if let Some((_, resource_type)) = implicit.iter().find(|(implicit, _)| *implicit == name) {
            return Some(*resource_type);
        }
        let own = self
            .resources
            .iter()
            .filter(|one| one.resource_type.starts_with(SERVERLESS));
        let mut rests = own
            .filter_map(|one| Some((Some(one), name.strip_prefix(&one.logical_id)?)))
            .chain(
                implicit[..2]
                    .iter()
                    .filter_map(|(api, _)| Some((None, name.strip_prefix(api)?))),
            );
        rests.find_map(|(resource, rest)| {
            let events = resource.and_then(|one| one.properties.field("Events"));
            let events = events
                .and_then(|events| events.fields("Events").ok())
                .unwrap_or_default();
            let is_of_event = events
                .iter()
                .any(|(event, _)| rest.starts_with(event.as_str()));
            match rest.trim_start_matches('.') {
                "" => None,
                rest if rest.ends_with("Role") => Some("AWS::IAM::Role"),
                rest if rest.ends_with("Stage") => Some("AWS::ApiGateway::Stage"),
                rest if rest.starts_with("Alias") => Some("AWS::Lambda::Alias"),
                rest if rest.starts_with("Version") => Some("AWS::Lambda::Version"),
                rest if rest.ends_with("Url") => Some("AWS::Lambda::Url"),
                rest if rest.contains("Deployment")
                    || rest.contains("Permission")
                    || is_of_event =>
                {
                    Some("AWS::Serverless::Generated")
                }
                _ => None,
            }
        })
    }

    fn without_loops(
        &self,
        root: &Node,
        given: &BTreeMap<String, String>,
        external: &External,
    ) -> Result<Node, TemplateErrors> {
        if !self.has_extensions {
            return Err(root
                .error(format!(
                    "Fn::ForEach needs `Transform: {LANGUAGE_EXTENSIONS}`"
                ))
                .into());
        }
        // An unknown name is reported later, with all other mistakes.
        let given = given
            .iter()
            .filter(|(name, _)| self.parameters.contains_key(*name));
        let given = given
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let parameters = self.parameter_values(&given, external)?;
        let nothing = BTreeMap::new();
        let scope = Scope {
            template: self,
            parameters: &parameters,
            resources: &nothing,
            stack_id: "",
            external,
        };
        for_each::expanded(root, &scope)
    }
}

/// The error of a transform or macro that the rehearsal does not support.
fn not_played(transform: &Node) -> String {
    let name = transform
        .text()
        .or_else(|| transform.field("Name")?.text())
        .unwrap_or("Fn::Transform");
    format!(
        "the rehearsal does not support the transform {name}: pass the processed template instead (`aws \
         cloudformation get-template --template-stage Processed`)"
    )
}

/// The fields of a section, if the template has it.
fn section(root: &Node, name: &str, errors: &mut TemplateErrors) -> Vec<(String, Node)> {
    let Some(node) = root.field(name) else {
        return Vec::new();
    };
    let fields = errors.take(node.fields(name)).unwrap_or_default();
    let (transforms, fields): (Vec<_>, Vec<_>) = fields
        .iter()
        .cloned()
        .partition(|(name, _)| name == "Fn::Transform");
    for (_, transform) in transforms {
        errors.add(transform.error(not_played(&transform)));
    }
    fields
}

/// A note on a transform whose resources or properties the rehearsal lacks.
fn unplayed_transform(name: &str) -> Option<String> {
    let missing = match name {
        "AWS::CodeDeployBlueGreen" => "CodeDeploy's blue/green deployment and its hooks do not run",
        "AWS::SecretsManager-2020-07-23" => "the function that rotates secrets does not run",
        _ => return None,
    };
    Some(format!("the transform {name} is not simulated: {missing}"))
}

/// The transforms that the template declares. One that is not supported is an error.
fn transforms(root: &Node, errors: &mut TemplateErrors) -> Vec<String> {
    let Some(transform) = root.field("Transform") else {
        return Vec::new();
    };
    let declared: Vec<&Node> = transform
        .items("Transform")
        .map_or_else(|_| vec![transform], |items| items.iter().collect());
    for node in &declared {
        let is_played =
            |name: &str| name == LANGUAGE_EXTENSIONS || IGNORED_TRANSFORMS.contains(&name);
        if !node.text().is_some_and(is_played) {
            errors.add(node.error(not_played(node)));
        }
    }
    declared
        .iter()
        .filter_map(|node| node.text().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests;
