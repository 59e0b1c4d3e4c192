//! Values of a template's parts, given what exists. An unknown function is an error, never a guess.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Parameters, Template,
    error::{TemplateError, TemplateErrors},
    external::External,
    nearest::did_you_mean,
    node::{Node, NodeKind},
    not_played,
    referable::Referable,
    reference::{self, Part, parts, sub},
    stubs,
};
use crate::config::{ACCOUNT, REGION};

/// Everything to which a template can refer.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The template, for its conditions and mappings.
    pub template: &'a Template,
    /// Values of its parameters.
    pub parameters: &'a Parameters,
    /// The resources that exist.
    pub resources: &'a BTreeMap<String, Referable>,
    /// The stack's ARN.
    pub stack_id: &'a str,
    /// Values from elsewhere.
    pub external: &'a External,
}

/// A value; `None` for AWS::NoValue, which removes the member or item that holds it.
pub(super) type Resolved = Result<Option<Value>, TemplateErrors>;

impl Scope<'_> {
    /// The value of a node; `None` for AWS::NoValue, which removes the member or item that holds
    /// it.
    pub fn resolve(&self, node: &Node) -> Resolved {
        let mut errors = TemplateErrors::default();
        match &node.kind {
            NodeKind::Null => Err(node
                .error(
                    "'null' values are not allowed in templates: leave the member out, or set it to \
                     !Ref AWS::NoValue",
                )
                .into()),
            NodeKind::Text(text) => Ok(Some(Value::from(text.as_str()))),
            NodeKind::List(items) => {
                let resolved = items
                    .iter()
                    .filter_map(|item| errors.take(self.resolve(item)).flatten());
                let resolved: Value = resolved.collect();
                errors.or(Some(resolved))
            }
            NodeKind::Map(fields) => {
                if let Some((name, argument)) = function(node) {
                    return self.call(name, argument, node);
                }
                let mut object = Map::new();
                for (name, value) in fields {
                    if name == "Fn::Transform" {
                        errors.add(value.error(not_played(value)));
                        continue;
                    }
                    if let Some(resolved) = errors.take(self.resolve(value)).flatten() {
                        let is_list = is_plural(name) && self.may_be_list(value);
                        object.insert(
                            name.clone(),
                            if is_list { listed(resolved) } else { resolved },
                        );
                    }
                }
                errors.or(Some(Value::Object(object)))
            }
        }
    }

    pub(super) fn reference(&self, name: &str, node: &Node) -> Resolved {
        let stack_name = self.stack_id.split('/').nth(1).unwrap_or_default();
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => Some(ACCOUNT),
            "AWS::Region" => Some(REGION),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackId" => Some(self.stack_id),
            "AWS::StackName" => Some(stack_name),
            "AWS::NotificationARNs" => return Ok(Some(Value::Array(Vec::new()))),
            _ => None,
        };
        if let Some(pseudo) = pseudo {
            return Ok(Some(pseudo.into()));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        match self
            .resources
            .get(name)
            .cloned()
            .or_else(|| self.generated(name))
        {
            Some(resource) => Ok(Some(resource.reference.into())),
            None => Err(self.template.unknown(name, None, node).into()),
        }
    }

    pub(super) fn attribute(
        &self,
        resource: &str,
        name: &str,
        node: &Node,
    ) -> Result<Value, TemplateErrors> {
        let referable = self
            .resources
            .get(resource)
            .cloned()
            .or_else(|| self.generated(resource));
        let referable =
            &referable.ok_or_else(|| self.template.unknown(resource, Some(name), node))?;
        match referable.attributes.get(name) {
            Some(value) => Ok(value.clone()),
            None if referable.is_open => Ok(stubs::attribute(referable, name)),
            None => {
                let known: Vec<&str> = referable.attributes.keys().map(String::as_str).collect();
                let hint = did_you_mean(name, known.iter().copied());
                let known = match known.is_empty() {
                    true => format!("; it has none, so write !Ref {resource}"),
                    false if hint.is_empty() => format!("; it has {}", known.join(", ")),
                    false => hint,
                };
                Err(node
                    .error(format!("{resource} has no attribute {name}{known}"))
                    .into())
            }
        }
    }

    /// A resource that SAM's transform would add, with made-up values; `None` for any other name.
    fn generated(&self, name: &str) -> Option<Referable> {
        let resource_type = self.template.generated_type(name)?;
        let stack_name = self.stack_id.split('/').nth(1).unwrap_or_default();
        let physical_name = format!("{stack_name}-{}", name.replace('.', ""));
        let made_up = stubs::referable(resource_type, &physical_name, &Value::Null);
        self.external.note_generated(name, &made_up.reference);
        Some(made_up)
    }

    pub(super) fn substitute(&self, argument: &Node, node: &Node) -> Resolved {
        let takes = || node.error("Fn::Sub takes a string, or a string and variables");
        match &argument.kind {
            NodeKind::Text(_) => {}
            NodeKind::List(items) => match items.as_slice() {
                [text, variables] => {
                    text.text()
                        .ok_or_else(|| node.error("the first item of Fn::Sub must be a string"))?;
                    variables.fields("the variables of Fn::Sub")?;
                }
                _ => return Err(takes().into()),
            },
            _ => return Err(takes().into()),
        }
        let (text, own) = sub(argument);
        let mut substituted = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => substituted.push_str(text),
                Part::Literal(name) => substituted.push_str(&format!("${{{name}}}")),
                Part::Name(name) => {
                    let value = match (
                        own.iter().find(|(key, _)| key == name),
                        name.split_once('.'),
                    ) {
                        (Some((_, value)), _) => self.resolve(value)?,
                        (None, Some((resource, attribute))) => {
                            Some(self.attribute(resource, attribute, node)?)
                        }
                        (None, None) => self.reference(name, node)?,
                    };
                    match value {
                        Some(Value::Array(_) | Value::Object(_)) => {
                            return Err(node
                                .error(format!("${{{name}}} in Fn::Sub is not a string"))
                                .into());
                        }
                        value => {
                            substituted.push_str(&value.as_ref().map(shown).unwrap_or_default())
                        }
                    }
                }
            }
        }
        Ok(Some(substituted.into()))
    }

    /// True if a node is an attribute with a made-up value that may be a list: one of a custom
    /// resource, or one of AWS's with a plural name.
    fn may_be_list(&self, node: &Node) -> bool {
        let mut may_be = false;
        if let Some(("Fn::GetAtt", _)) = function(node) {
            reference::each(node, &mut |found| {
                let Some(resource) = self.resources.get(found.name) else {
                    return;
                };
                let kind = resource.resource_type.as_str();
                let is_custom = kind == "AWS::CloudFormation::CustomResource"
                    || resource.is_open && !kind.starts_with("AWS::");
                // The template itself gives an attribute with the name of a property.
                let is_made_up =
                    |name: &str| resource.is_open && !resource.attributes.contains_key(name);
                let attribute = found.attribute;
                may_be |=
                    is_custom || attribute.is_some_and(|name| is_made_up(name) && is_plural(name));
            });
        }
        may_be
    }

    pub(super) fn text_of(&self, node: &Node, name: &str) -> Result<String, TemplateErrors> {
        match self.resolve(node)? {
            Some(Value::String(text)) => Ok(text),
            _ => Err(node.error(format!("{name} needs a string here")).into()),
        }
    }

    pub(super) fn list_of(&self, node: &Node, name: &str) -> Result<Vec<Value>, TemplateErrors> {
        match self.resolve(node)? {
            Some(Value::Array(items)) => Ok(items),
            Some(made_up @ Value::String(_)) if self.may_be_list(node) => match listed(made_up) {
                Value::Array(items) => Ok(items),
                _ => Ok(Vec::new()),
            },
            _ => Err(node.error(format!("{name} needs a list here")).into()),
        }
    }
}

/// True if a name is a plural, or that of a list: `SubnetIds`, not `Address`, `Status` or
/// `GraphQLDns`.
fn is_plural(name: &str) -> bool {
    let ends = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
    ends(&["s", "List"]) && !ends(&["ss", "us", "is", "ias", "Dns"])
}

/// The number of items in a made-up list, enough for the usual indexes of Fn::Select.
const MADE_UP_ITEMS: usize = 6;

/// A made-up value as a list.
fn listed(made_up: Value) -> Value {
    let Value::String(text) = made_up else {
        return made_up;
    };
    let known: Vec<&str> = text.split(',').collect();
    let item = |index: usize| {
        known.get(index).map_or_else(
            || format!("{}-{}", known[0], index + 1),
            |item| (*item).to_owned(),
        )
    };
    (0..known.len().max(MADE_UP_ITEMS))
        .map(|index| Value::from(item(index)))
        .collect()
}

/// The function that a node calls, with its argument.
pub(crate) fn function(node: &Node) -> Option<(&str, &Node)> {
    let (name, argument) = node.single()?;
    let is_function = name == "Ref"
        || name.starts_with("Fn::")
        || name == "Condition" && argument.text().is_some();
    is_function.then_some((name, argument))
}

/// The arguments of a function that takes `N` of them.
pub(super) fn arguments<'n, const N: usize>(
    node: &'n Node,
    name: &str,
) -> Result<[&'n Node; N], TemplateError> {
    let items: Vec<&Node> = node
        .items(&format!("the argument of {name}"))?
        .iter()
        .collect();
    let count = items.len();
    items
        .try_into()
        .map_err(|_| node.error(format!("{name} takes {N} arguments, not {count}")))
}

/// A value within a text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
