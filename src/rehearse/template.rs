//! A CloudFormation template, read from YAML (short forms included) or JSON, with the place of everything in it.

pub mod node;
mod place;
pub mod resolve;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Value, json};

use self::node::{Node, NodeKind};

/// A template.
#[derive(Debug)]
pub struct Template {
    /// Parameters by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Conditions by name.
    pub conditions: BTreeMap<String, Node>,
    /// Mappings by name.
    pub mappings: BTreeMap<String, Node>,
    /// Resources in the template's order.
    pub resources: Vec<Resource>,
}

/// A parameter as the template declares it.
#[derive(Debug)]
pub struct Parameter {
    line: usize,
    kind: String,
    default: Option<String>,
    allowed: Vec<String>,
    range: [Option<f64>; 2],
    length: [Option<usize>; 2],
}

/// A resource as the template declares it.
#[derive(Debug)]
pub struct Resource {
    /// Its logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its condition, if it has one.
    pub condition: Option<Node>,
    /// Its properties.
    pub properties: Node,
    /// The resources that it needs, by DependsOn, Ref, Fn::GetAtt or Fn::Sub.
    pub needs: BTreeSet<String>,
    /// The line that it starts on.
    pub line: usize,
}

/// What is wrong with a template or with the parameters that it was given, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The line, from 1; none where it is not the template's fault.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Template {
    /// Reads a template.
    pub fn read(text: &str) -> Result<Self, TemplateError> {
        let root = Node::read(text)?;
        let sections = root.fields("the template")?;
        let section = |name: &str| -> Result<BTreeMap<String, Node>, TemplateError> {
            let Some((_, node)) = sections.iter().find(|(key, _)| key == name) else {
                return Ok(BTreeMap::new());
            };
            Ok(node.fields(name)?.iter().cloned().collect())
        };
        let parameters = section("Parameters")?
            .into_iter()
            .map(|(name, node)| Parameter::read(&name, &node).map(|parameter| (name, parameter)))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let Some((_, resources)) = sections.iter().find(|(key, _)| key == "Resources") else {
            return Err(root.error("the template has no Resources"));
        };
        let resources = resources.fields("Resources")?;
        let names: BTreeSet<&str> = resources.iter().map(|(name, _)| name.as_str()).collect();
        let resources: Vec<Resource> = resources
            .iter()
            .map(|(name, node)| Resource::read(name, node, &names))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            parameters,
            conditions: section("Conditions")?,
            mappings: section("Mappings")?,
            resources: in_order(resources)?,
        })
    }

    /// The values of all parameters, given these. Names that the template does not have, values that are missing and
    /// values that it does not allow are errors.
    pub fn parameter_values(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Value>, TemplateError> {
        if let Some(unknown) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(TemplateError::given(format!(
                "the template has no parameter {unknown}; it has {known}"
            )));
        }
        let value = |(name, parameter): (&String, &Parameter)| {
            let text = given.get(name).or(parameter.default.as_ref()).ok_or_else(|| TemplateError {
                line: Some(parameter.line),
                message: format!("parameter {name} has no default: give it with --parameter {name}=VALUE"),
            })?;
            Ok((name.clone(), parameter.value(name, text)?))
        };
        self.parameters.iter().map(value).collect()
    }
}

impl Parameter {
    fn read(name: &str, node: &Node) -> Result<Self, TemplateError> {
        let fields = node.fields(&format!("parameter {name}"))?;
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        let text = |name: &str| field(name).and_then(Node::text).map(str::to_owned);
        let kind = text("Type").ok_or_else(|| node.error(format!("parameter {name} has no Type")))?;
        let default = match field("Default").map(|node| &node.kind) {
            Some(NodeKind::List(_) | NodeKind::Map(_)) => {
                return Err(node.error(format!("the Default of parameter {name} must be a text")));
            }
            _ => text("Default"),
        };
        Ok(Self {
            line: node.line,
            kind,
            default,
            allowed: field("AllowedValues")
                .map(|node| node.items("AllowedValues"))
                .transpose()?
                .unwrap_or_default()
                .iter()
                .filter_map(|node| node.text().map(str::to_owned))
                .collect(),
            range: ["MinValue", "MaxValue"].map(|name| text(name).and_then(|text| text.parse().ok())),
            length: ["MinLength", "MaxLength"].map(|name| text(name).and_then(|text| text.parse().ok())),
        })
    }

    fn value(&self, name: &str, text: &str) -> Result<Value, TemplateError> {
        let refuse = |problem: String| TemplateError {
            line: Some(self.line),
            message: format!("parameter {name} {problem}"),
        };
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed == text) {
            return Err(refuse(format!("is \"{text}\", but must be one of {}", self.allowed.join(", "))));
        }
        if self.kind == "Number" {
            let number: f64 =
                text.parse().map_err(|_| refuse(format!("is \"{text}\", but must be a number")))?;
            let [min, max] = self.range;
            if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                return Err(refuse(format!("is {text}, which is out of its range")));
            }
        }
        let [min, max] = self.length;
        let length = text.chars().count();
        if min.is_some_and(|min| length < min) || max.is_some_and(|max| length > max) {
            return Err(refuse(format!("has {length} characters, which is too short or too long")));
        }
        if self.kind == "CommaDelimitedList" || self.kind.starts_with("List<") {
            let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            return Ok(json!(items));
        }
        Ok(json!(text))
    }
}

impl Resource {
    fn read(name: &str, node: &Node, names: &BTreeSet<&str>) -> Result<Self, TemplateError> {
        let fields = node.fields(&format!("resource {name}"))?;
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        let resource_type = field("Type").and_then(Node::text).map(str::to_owned);
        let empty = Node { line: node.line, kind: NodeKind::Map(Vec::new()) };
        let properties = field("Properties").unwrap_or(&empty).clone();
        let mut needs = BTreeSet::new();
        match field("DependsOn").map(|node| &node.kind) {
            Some(NodeKind::Text(other)) => needs.extend([other.clone()]),
            Some(NodeKind::List(others)) => {
                needs.extend(others.iter().filter_map(|one| one.text().map(str::to_owned)))
            }
            _ => {}
        }
        if let Some(unknown) = needs.iter().find(|other| !names.contains(other.as_str())) {
            return Err(
                node.error(format!("resource {name} depends on {unknown}, which the template does not have"))
            );
        }
        resolve::references(&properties, &mut needs);
        needs.retain(|other| names.contains(other.as_str()) && other != name);
        Ok(Self {
            logical_id: name.to_owned(),
            resource_type: resource_type.ok_or_else(|| node.error(format!("resource {name} has no Type")))?,
            condition: field("Condition").cloned(),
            properties,
            needs,
            line: node.line,
        })
    }
}

/// Every resource after those that it needs, else in the template's order.
fn in_order(mut waiting: Vec<Resource>) -> Result<Vec<Resource>, TemplateError> {
    let mut ordered: Vec<Resource> = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |resource: &Resource| {
            resource.needs.iter().all(|need| ordered.iter().any(|ready| ready.logical_id == *need))
        };
        match waiting.iter().position(is_ready) {
            Some(index) => ordered.push(waiting.remove(index)),
            None => {
                let circle: Vec<&str> = waiting.iter().map(|resource| resource.logical_id.as_str()).collect();
                return Err(TemplateError {
                    line: Some(waiting[0].line),
                    message: format!("the resources need each other in a circle: {}", circle.join(", ")),
                });
            }
        }
    }
    Ok(ordered)
}

impl TemplateError {
    fn given(message: String) -> Self {
        Self { line: None, message }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests;
