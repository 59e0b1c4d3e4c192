//! Intrinsic functions, except those that make conditions.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    LANGUAGE_EXTENSIONS, cidr,
    error::TemplateErrors,
    nearest::misspelt,
    node::{Node, NodeKind},
    not_played,
    resolve::{Resolved, Scope, arguments, function, shown},
};
use crate::config::REGION;

/// The names that a misspelt one can mean.
const FUNCTIONS: [&str; 20] = [
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::ForEach",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::GetStackOutput",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
];

impl Scope<'_> {
    /// The value of the function `name` at `node`.
    pub(super) fn call(&self, name: &str, argument: &Node, node: &Node) -> Resolved {
        match name {
            "Ref" => self.reference(self.text_of(argument, "Ref")?.as_str(), node),
            "Fn::GetAtt" => self.get_att(argument, node),
            "Fn::Sub" => self.substitute(argument, node),
            "Fn::Join" => {
                let [delimiter, list] = arguments(argument, name)?;
                let delimiter = self.text_of(delimiter, name)?;
                let items: Vec<String> = self.list_of(list, name)?.iter().map(shown).collect();
                Ok(Some(items.join(&delimiter).into()))
            }
            "Fn::If" => {
                let [condition, then, otherwise] = arguments(argument, name)?;
                self.resolve(if self.holds(condition)? {
                    then
                } else {
                    otherwise
                })
            }
            "Fn::Select" => self.select(argument, node),
            "Fn::Split" => {
                let [delimiter, text] = arguments(argument, name)?;
                let (delimiter, text) = (self.text_of(delimiter, name)?, self.text_of(text, name)?);
                Ok(Some(text.split(&delimiter).map(Value::from).collect()))
            }
            "Fn::FindInMap" => self.find_in_map(argument, node),
            "Fn::ImportValue" => Ok(Some(
                self.external.export(&self.text_of(argument, name)?).into(),
            )),
            "Fn::GetStackOutput" => self.stack_output(argument, node),
            "Fn::GetAZs" => {
                // To CloudFormation a missing value is an empty text, which means the stack's
                // own Region.
                let region = match argument.kind {
                    NodeKind::Null => String::new(),
                    _ => self.text_of(argument, name)?,
                };
                let region = if region.is_empty() { REGION } else { &region };
                Ok(Some(
                    ["a", "b", "c"]
                        .into_iter()
                        .map(|zone| Value::from(format!("{region}{zone}")))
                        .collect(),
                ))
            }
            "Fn::Cidr" => self.cidr(argument, node),
            "Fn::Base64" => Ok(Some(STANDARD.encode(self.text_of(argument, name)?).into())),
            "Fn::Length" => {
                self.needs_extensions(name, node)?;
                Ok(Some(self.list_of(argument, name)?.len().to_string().into()))
            }
            "Fn::ToJsonString" => {
                self.needs_extensions(name, node)?;
                Ok(Some(
                    self.resolve(argument)?
                        .unwrap_or_default()
                        .to_string()
                        .into(),
                ))
            }
            "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                Ok(Some(Value::from(self.holds(node)?.to_string())))
            }
            "Fn::Transform" => Err(node.error(not_played(argument)).into()),
            // A guess could hide a mistake until the deploy.
            other => {
                let problem = match misspelt(other, FUNCTIONS) {
                    Some(known) => {
                        format!("there is no intrinsic function {other} (did you mean {known}?)")
                    }
                    None => {
                        format!("the rehearsal does not support the intrinsic function {other}")
                    }
                };
                Err(node.error(problem).into())
            }
        }
    }

    fn get_att(&self, argument: &Node, node: &Node) -> Resolved {
        let wrong = || node.error("Fn::GetAtt takes a resource and an attribute");
        let (resource, name) = match argument.text() {
            Some(text) => {
                let (resource, name) = text.split_once('.').ok_or_else(wrong)?;
                (resource.to_owned(), name.to_owned())
            }
            None => {
                let [resource, name] = arguments(argument, "Fn::GetAtt").map_err(|_| wrong())?;
                (
                    self.text_of(resource, "Fn::GetAtt")?,
                    self.text_of(name, "Fn::GetAtt")?,
                )
            }
        };
        self.attribute(&resource, &name, node).map(Some)
    }

    /// An output of another stack, which need not export it.
    fn stack_output(&self, argument: &Node, node: &Node) -> Resolved {
        let name = "Fn::GetStackOutput";
        let field = |field: &str| {
            let missing = || node.error(format!("{name} needs {field}"));
            self.text_of(argument.field(field).ok_or_else(missing)?, name)
        };
        let output = format!("{}.{}", field("StackName")?, field("OutputName")?);
        Ok(Some(self.external.export(&output).into()))
    }

    fn select(&self, argument: &Node, node: &Node) -> Resolved {
        let [index, list_node] = arguments(argument, "Fn::Select")?;
        let (index, list) = (
            self.text_of(index, "Fn::Select")?,
            self.list_of(list_node, "Fn::Select")?,
        );
        let number = index.parse::<usize>().ok();
        let item = number.and_then(|index| list.get(index).cloned());
        // A made-up value has no delimiter, and its real one may.
        let is_made_up = matches!(function(list_node), Some(("Fn::Split", split)) if calls(split));
        let item = item.or_else(|| {
            list.last()
                .filter(|_| is_made_up && number.is_some())
                .cloned()
        });
        let wrong = || {
            node.error(format!(
                "Fn::Select: index {index} is out of range for a list of {}",
                list.len()
            ))
        };
        Ok(Some(item.ok_or_else(wrong)?))
    }

    /// `[map, top, second]`, and with the language extensions `{DefaultValue: …}` after them.
    fn find_in_map(&self, argument: &Node, node: &Node) -> Resolved {
        let items = argument.items("the argument of Fn::FindInMap")?;
        let default = items
            .get(3)
            .and_then(|options| options.field("DefaultValue"));
        let [map, top, second] = match items {
            [map, top, second] => [map, top, second],
            [map, top, second, _] if default.is_some() => [map, top, second],
            _ => {
                let count = items.len();
                return Err(node
                    .error(format!("Fn::FindInMap takes 3 arguments, not {count}"))
                    .into());
            }
        };
        if default.is_some() {
            self.needs_extensions("the DefaultValue of Fn::FindInMap", node)?;
        }
        let name = "Fn::FindInMap";
        let path = [
            self.text_of(map, name)?,
            self.text_of(top, name)?,
            self.text_of(second, name)?,
        ];
        let found = self.template.mappings.get(&path[0]);
        let found = found
            .and_then(|map| map.field(&path[1])?.field(&path[2]))
            .or(default);
        let wrong = || node.error(format!("Fn::FindInMap: no value at {}", path.join(".")));
        self.resolve(found.ok_or_else(wrong)?)
    }

    fn cidr(&self, argument: &Node, node: &Node) -> Resolved {
        let items = argument.items("the argument of Fn::Cidr")?;
        let mut texts = Vec::new();
        for item in items {
            texts.push(self.text_of(item, "Fn::Cidr")?);
        }
        let blocks = match texts.as_slice() {
            [block, count] => {
                // CloudFormation's default is 32 bits, which fits IPv6 only.
                cidr::blocks(block, count, "32")
            }
            [block, count, bits] => cidr::blocks(block, count, bits),
            _ => Err(format!(
                "Fn::Cidr takes a range, a count and a number of bits, not {} arguments",
                texts.len()
            )),
        };
        let blocks = blocks.map_err(|problem| node.error(problem))?;
        Ok(Some(blocks.into_iter().map(Value::from).collect()))
    }

    fn needs_extensions(&self, what: &str, node: &Node) -> Result<(), TemplateErrors> {
        match self.template.has_extensions {
            true => Ok(()),
            false => Err(node
                .error(format!("{what} needs `Transform: {LANGUAGE_EXTENSIONS}`"))
                .into()),
        }
    }
}

/// A function's value is part of the node, so the rehearsal may have made it up.
fn calls(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Null | NodeKind::Text(_) => false,
        NodeKind::List(items) => items.iter().any(calls),
        NodeKind::Map(fields) => {
            function(node).is_some_and(|(name, _)| name != "Fn::Join" && name != "Fn::If")
                || fields.iter().any(|(_, value)| calls(value))
        }
    }
}
