//! Parameters: their declarations in a template, and their values.

use fancy_regex::Regex;
use serde_json::{Value, json};

use super::{
    error::TemplateError,
    external::{External, Origin},
    node::{Node, NodeKind},
    placeholders,
};

/// A parameter as the template declares it.
#[derive(Debug)]
pub struct Parameter {
    line: usize,
    parameter_type: String,
    default: Option<String>,
    allowed: Vec<String>,
    pattern: Option<Regex>,
    range: [Option<f64>; 2],
    length: [Option<usize>; 2],
}

impl Parameter {
    pub(super) fn read(name: &str, node: &Node) -> Result<Self, TemplateError> {
        node.fields(&format!("parameter {name}"))?;
        let text = |name: &str| node.field(name).and_then(Node::text).map(str::to_owned);
        let parameter_type =
            text("Type").ok_or_else(|| node.error(format!("parameter {name} has no Type")))?;
        let default = match node.field("Default").map(|node| &node.kind) {
            Some(NodeKind::List(_) | NodeKind::Map(_)) => {
                return Err(node.error(format!("the Default of parameter {name} must be a string")));
            }
            Some(NodeKind::Null) => Some(String::new()),
            _ => text("Default"),
        };
        let allowed = node
            .field("AllowedValues")
            .map(|node| node.items("AllowedValues"))
            .transpose()?
            .unwrap_or_default();
        let pattern = text("AllowedPattern").map(|pattern| {
            // CloudFormation wants the whole value to match.
            Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
                node.error(format!(
                    "the AllowedPattern of parameter {name} cannot be read"
                ))
            })
        });
        Ok(Self {
            line: node.line,
            parameter_type,
            default,
            allowed: allowed
                .iter()
                .map(|node| node.text().unwrap_or_default().to_owned())
                .collect(),
            pattern: pattern.transpose()?,
            range: ["MinValue", "MaxValue"]
                .map(|name| text(name).and_then(|text| text.parse().ok())),
            length: ["MinLength", "MaxLength"]
                .map(|name| text(name).and_then(|text| text.parse().ok())),
        })
    }

    /// The value from the given text, or from the default.
    pub(super) fn value(
        &self,
        name: &str,
        given: Option<&String>,
        external: &External,
    ) -> Result<Value, TemplateError> {
        let refuse = |problem: String| TemplateError {
            line: Some(self.line),
            message: format!("parameter {name} {problem}"),
        };
        let text = given.or(self.default.as_ref()).ok_or_else(|| {
            refuse(format!(
                "has no default: set it with --parameter {name}=VALUE"
            ))
        })?;
        if let Some(of) = self
            .parameter_type
            .strip_prefix("AWS::SSM::Parameter::Value<")
        {
            return Ok(ssm_value(
                name,
                text,
                of.trim_end_matches('>'),
                given.is_some(),
                external,
            ));
        }
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed == text) {
            return Err(refuse(format!(
                "is \"{text}\", but must be one of {}",
                self.allowed.join(", ")
            )));
        }
        // A pattern that exceeds the limit of the matcher is left to CloudFormation.
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(text).unwrap_or(true))
        {
            let pattern = self.pattern.as_ref().map_or("", |pattern| pattern.as_str());
            let pattern = pattern.trim_start_matches("^(?:").trim_end_matches(")$");
            return Err(refuse(format!(
                "is \"{text}\", which does not match its AllowedPattern {pattern}"
            )));
        }
        if self.parameter_type == "Number" {
            let number: f64 = text
                .parse()
                .map_err(|_| refuse(format!("is \"{text}\", but must be a number")))?;
            let [min, max] = self.range;
            if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                return Err(refuse(format!("is {text}, which is out of range")));
            }
        }
        let [min, max] = self.length;
        let length = text.chars().count();
        if min.is_some_and(|min| length < min) || max.is_some_and(|max| length > max) {
            return Err(refuse(format!(
                "has {length} characters, which its MinLength or MaxLength does not allow"
            )));
        }
        Ok(if is_list(&self.parameter_type) {
            list(text)
        } else {
            json!(text)
        })
    }
}

/// The value of a parameter with an SSM type. A given text is the value itself, unless it is a
/// path.
fn ssm_value(name: &str, text: &str, of: &str, is_given: bool, external: &External) -> Value {
    let known = [text, name]
        .into_iter()
        .find_map(|name| Some((name, external.ssm.get(name)?)));
    external.ask(Origin::Ssm, known.map_or(text, |(name, _)| name));
    let known = known.map(|(_, value)| value);
    let value = match known {
        Some(value) => value.clone(),
        None if is_given && !text.starts_with('/') => text.to_owned(),
        None => {
            let value = typed(of, name, text);
            external.note(
                &format!("the SSM parameter {text}"),
                &value,
                &format!("--ssm {text}=VALUE"),
            )
        }
    };
    if is_list(of) {
        list(&value)
    } else {
        json!(value)
    }
}

/// A made-up value of a type such as `AWS::EC2::Image::Id` or `List<AWS::EC2::Subnet::Id>`.
fn typed(of: &str, name: &str, text: &str) -> String {
    let item = of.trim_start_matches("List<").trim_end_matches('>');
    let prefix = match item {
        "AWS::EC2::Image::Id" => Some("ami"),
        "AWS::EC2::Instance::Id" => Some("i"),
        "AWS::EC2::SecurityGroup::Id" => Some("sg"),
        "AWS::EC2::Subnet::Id" => Some("subnet"),
        "AWS::EC2::VPC::Id" => Some("vpc"),
        "AWS::EC2::Volume::Id" => Some("vol"),
        _ => None,
    };
    let one = |text: &str| match prefix {
        Some(prefix) => placeholders::id(prefix, text),
        None => match placeholders::value(name) {
            // The parameter's name gives no shape, but the path may.
            own if own == name => placeholders::value(text),
            shaped => shaped,
        },
    };
    let first = one(text);
    if is_list(of) && !first.contains(',') {
        [first, one(&format!("{text}2")), one(&format!("{text}3"))].join(",")
    } else {
        first
    }
}

fn is_list(parameter_type: &str) -> bool {
    parameter_type == "CommaDelimitedList" || parameter_type.starts_with("List<")
}

fn list(text: &str) -> Value {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}
