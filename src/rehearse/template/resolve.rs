//! Intrinsic functions. One that is not known is named, never guessed.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Template, TemplateError,
    node::{Node, NodeKind},
};
use crate::rehearse::setting::{ACCOUNT, REGION};

/// What there is to refer to.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The template, for its conditions and mappings.
    pub template: &'a Template,
    /// Values of its parameters.
    pub parameters: &'a BTreeMap<String, Value>,
    /// The resources that exist.
    pub resources: &'a BTreeMap<String, Referable>,
    /// The stack's ARN.
    pub stack_id: &'a str,
}

/// What Ref and Fn::GetAtt give of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Referable {
    /// What Ref gives.
    pub reference: String,
    /// What Fn::GetAtt gives, by name.
    pub attributes: BTreeMap<String, Value>,
    /// Made-up attributes for a resource that the stage does not play: any name has a value.
    pub made_up: bool,
}

/// The names that a node refers to, by Ref, Fn::GetAtt or Fn::Sub.
pub fn references(node: &Node, names: &mut BTreeSet<String>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Text(_) => {}
        NodeKind::List(items) => items.iter().for_each(|item| references(item, names)),
        NodeKind::Map(fields) => {
            match node.single() {
                Some(("Ref", argument)) => names.extend(argument.text().map(str::to_owned)),
                Some(("Fn::GetAtt", argument)) => {
                    names.extend(attribute(argument).map(|(resource, _)| resource))
                }
                Some(("Fn::Sub", argument)) => {
                    let text = argument.text().or_else(|| match &argument.kind {
                        NodeKind::List(items) => items.first()?.text(),
                        _ => None,
                    });
                    for part in substitutions(text.unwrap_or_default()) {
                        if let Part::Name(name) = part {
                            names.insert(name.split('.').next().unwrap_or(name).to_owned());
                        }
                    }
                }
                _ => {}
            }
            fields.iter().for_each(|(_, value)| references(value, names));
        }
    }
}

impl Scope<'_> {
    /// The value of a node; none for AWS::NoValue, which takes away what holds it.
    pub fn resolve(&self, node: &Node) -> Result<Option<Value>, TemplateError> {
        match &node.kind {
            NodeKind::Null => Ok(Some(Value::Null)),
            NodeKind::Text(text) => Ok(Some(Value::from(text.as_str()))),
            NodeKind::List(items) => {
                let items: Vec<Option<Value>> =
                    items.iter().map(|item| self.resolve(item)).collect::<Result<_, _>>()?;
                Ok(Some(items.into_iter().flatten().collect()))
            }
            NodeKind::Map(fields) => {
                if let Some((name, argument)) = node.single()
                    && (name == "Ref"
                        || name.starts_with("Fn::")
                        || name == "Condition" && argument.text().is_some())
                {
                    return self.call(name, argument, node);
                }
                let mut object = Map::new();
                for (name, value) in fields {
                    if let Some(value) = self.resolve(value)? {
                        object.insert(name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
        }
    }

    /// Whether a condition holds: its name, or an expression.
    pub fn holds(&self, condition: &Node) -> Result<bool, TemplateError> {
        self.holds_within(condition, 0)
    }

    fn call(&self, name: &str, argument: &Node, node: &Node) -> Result<Option<Value>, TemplateError> {
        match name {
            "Ref" => self.reference(self.text_of(argument, "Ref")?.as_str(), node),
            "Fn::GetAtt" => {
                let wrong = || node.error("Fn::GetAtt takes a resource and an attribute");
                let (resource, name) = attribute(argument).ok_or_else(wrong)?;
                self.attribute(&resource, &name, node).map(Some)
            }
            "Fn::Sub" => self.substitute(argument, node).map(Some),
            "Fn::Join" => {
                let [delimiter, list] = self.arguments(argument, name)?;
                let delimiter = self.text_of(delimiter, name)?;
                let items: Vec<String> = self.list_of(list, name)?.iter().map(shown).collect();
                Ok(Some(items.join(&delimiter).into()))
            }
            "Fn::If" => {
                let [condition, then, otherwise] = self.arguments(argument, name)?;
                self.resolve(if self.holds(condition)? { then } else { otherwise })
            }
            "Fn::Select" => {
                let [index, list] = self.arguments(argument, name)?;
                let (index, list) = (self.text_of(index, name)?, self.list_of(list, name)?);
                let item = index.parse::<usize>().ok().and_then(|index| list.get(index).cloned());
                let wrong =
                    || node.error(format!("Fn::Select has no item {index} in a list of {}", list.len()));
                item.ok_or_else(wrong).map(Some)
            }
            "Fn::Split" => {
                let [delimiter, text] = self.arguments(argument, name)?;
                let (delimiter, text) = (self.text_of(delimiter, name)?, self.text_of(text, name)?);
                Ok(Some(text.split(&delimiter).map(Value::from).collect()))
            }
            "Fn::FindInMap" => {
                let [map, top, second] = self.arguments(argument, name)?;
                let path = [self.text_of(map, name)?, self.text_of(top, name)?, self.text_of(second, name)?];
                let step = |node: &Node, key: &str| -> Option<Node> {
                    let fields = node.fields("").ok()?;
                    fields.iter().find(|(name, _)| name == key).map(|(_, node)| node.clone())
                };
                let found = self
                    .template
                    .mappings
                    .get(&path[0])
                    .and_then(|map| step(&step(map, &path[1])?, &path[2]));
                let wrong = || node.error(format!("Fn::FindInMap finds nothing at {}", path.join(".")));
                self.resolve(&found.ok_or_else(wrong)?)
            }
            "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                Ok(Some(Value::from(self.holds(node)?.to_string())))
            }
            other => Err(node.error(format!("the rehearsal does not know the intrinsic function {other}"))),
        }
    }

    fn holds_within(&self, condition: &Node, depth: usize) -> Result<bool, TemplateError> {
        if depth > 50 {
            return Err(condition.error("the conditions need each other in a circle"));
        }
        if let Some(name) = condition.text() {
            let unknown = || condition.error(format!("the template has no condition {name}"));
            return self.holds_within(self.template.conditions.get(name).ok_or_else(unknown)?, depth + 1);
        }
        let wrong = || condition.error("a condition is Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition");
        let (name, argument) = condition.single().ok_or_else(wrong)?;
        let all = |argument: &Node| -> Result<Vec<bool>, TemplateError> {
            argument.items(name)?.iter().map(|one| self.holds_within(one, depth + 1)).collect()
        };
        match name {
            "Condition" => self.holds_within(argument, depth + 1),
            "Fn::Equals" => {
                let [one, other] = self.arguments(argument, name)?;
                Ok(self.resolve(one)? == self.resolve(other)?)
            }
            "Fn::And" => Ok(all(argument)?.iter().all(|holds| *holds)),
            "Fn::Or" => Ok(all(argument)?.iter().any(|holds| *holds)),
            "Fn::Not" => {
                let [one] = self.arguments(argument, name)?;
                Ok(!self.holds_within(one, depth + 1)?)
            }
            other => {
                Err(condition.error(format!("the rehearsal does not know the condition function {other}")))
            }
        }
    }

    fn reference(&self, name: &str, node: &Node) -> Result<Option<Value>, TemplateError> {
        let stack_name = self.stack_id.split('/').nth(1).unwrap_or_default();
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => Some(ACCOUNT),
            "AWS::Region" => Some(REGION),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackId" => Some(self.stack_id),
            "AWS::StackName" => Some(stack_name),
            _ => None,
        };
        if let Some(pseudo) = pseudo {
            return Ok(Some(pseudo.into()));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        if let Some(resource) = self.resources.get(name) {
            return Ok(Some(resource.reference.as_str().into()));
        }
        Err(node.error(format!(
            "Ref {name}: the template has no such parameter or resource (or its condition is false)"
        )))
    }

    fn attribute(&self, resource: &str, name: &str, node: &Node) -> Result<Value, TemplateError> {
        let Some(referable) = self.resources.get(resource) else {
            return Err(node.error(format!(
                "Fn::GetAtt {resource}.{name}: the template has no such resource (or its condition is false)"
            )));
        };
        match referable.attributes.get(name) {
            Some(value) => Ok(value.clone()),
            None if referable.made_up => Ok(format!("{}.{name}", referable.reference).into()),
            None => {
                let known: Vec<&str> = referable.attributes.keys().map(String::as_str).collect();
                let message = format!("{resource} has no attribute {name}; it has {}", known.join(", "));
                Err(node.error(message))
            }
        }
    }

    fn substitute(&self, argument: &Node, node: &Node) -> Result<Value, TemplateError> {
        let (text, own) = match &argument.kind {
            NodeKind::Text(text) => (text.clone(), &[][..]),
            NodeKind::List(items) if items.len() == 2 => {
                let text = items[0].text().ok_or_else(|| node.error("Fn::Sub takes a text first"))?;
                (text.to_owned(), items[1].fields("the variables of Fn::Sub")?)
            }
            _ => return Err(node.error("Fn::Sub takes a text, or a text and variables")),
        };
        let mut substituted = String::new();
        for part in substitutions(&text) {
            match part {
                Part::Text(text) => substituted.push_str(text),
                Part::Literal(name) => substituted.push_str(&format!("${{{name}}}")),
                Part::Name(name) => {
                    let value = match (own.iter().find(|(key, _)| key == name), name.split_once('.')) {
                        (Some((_, value)), _) => self.resolve(value)?,
                        (None, Some((resource, attribute))) => {
                            Some(self.attribute(resource, attribute, node)?)
                        }
                        (None, None) => self.reference(name, node)?,
                    };
                    substituted.push_str(&value.as_ref().map(shown).unwrap_or_default());
                }
            }
        }
        Ok(substituted.into())
    }

    pub(super) fn arguments<'n, const N: usize>(
        &self,
        node: &'n Node,
        name: &str,
    ) -> Result<[&'n Node; N], TemplateError> {
        let items: Vec<&Node> = node.items(&format!("the argument of {name}"))?.iter().collect();
        let count = items.len();
        items.try_into().map_err(|_| node.error(format!("{name} takes {N} arguments, not {count}")))
    }

    fn text_of(&self, node: &Node, name: &str) -> Result<String, TemplateError> {
        match self.resolve(node)? {
            Some(Value::String(text)) => Ok(text),
            _ => Err(node.error(format!("{name} needs a text here"))),
        }
    }

    fn list_of(&self, node: &Node, name: &str) -> Result<Vec<Value>, TemplateError> {
        match self.resolve(node)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(node.error(format!("{name} needs a list here"))),
        }
    }
}

/// `[resource, attribute]`, or `resource.attribute`.
fn attribute(argument: &Node) -> Option<(String, String)> {
    match &argument.kind {
        NodeKind::Text(text) => {
            text.split_once('.').map(|(resource, name)| (resource.to_owned(), name.to_owned()))
        }
        NodeKind::List(items) => match items.as_slice() {
            [resource, name] => Some((resource.text()?.to_owned(), name.text()?.to_owned())),
            _ => None,
        },
        _ => None,
    }
}

enum Part<'t> {
    Text(&'t str),
    /// `${Name}`
    Name(&'t str),
    /// `${!Name}`, which stands for `${Name}` itself.
    Literal(&'t str),
}

fn substitutions(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        parts.push(Part::Text(&rest[..start]));
        let name = &rest[start + 2..start + length];
        parts.push(match name.strip_prefix('!') {
            Some(literal) => Part::Literal(literal),
            None => Part::Name(name.trim()),
        });
        rest = &rest[start + length + 1..];
    }
    parts.push(Part::Text(rest));
    parts
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
