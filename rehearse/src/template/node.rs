//! YAML or JSON as nodes that know their line. A scalar is the text that CloudFormation would send;
//! a short form (`!Ref x`) is its long form (`Ref: x`).

use saphyr::{MarkedYaml, Scalar, ScalarStyle, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser};

use super::{error::TemplateError, yaml11};

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line of its beginning, from 1.
    pub line: usize,
    /// Its kind, with its content.
    pub kind: NodeKind,
}

/// The kinds of nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`, `~` or nothing.
    Null,
    /// Any scalar, as CloudFormation delivers it.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object, in its own order.
    Map(Vec<(String, Node)>),
}

/// The error of a template with aliases.
const ALIASES: &str = "CloudFormation does not allow YAML aliases (*name) or merge keys (<<): pass a template \
                       without them, such as the output of `aws cloudformation package`";

impl Node {
    /// Reads the first document of a text. JSON is YAML, so it needs no reader of its own.
    ///
    /// CloudFormation accepts no aliases and no merge keys: "YAML aliases are not allowed in
    /// CloudFormation templates". A tool that resolves them before the deploy can write a template
    /// for this.
    pub fn read(text: &str) -> Result<Self, TemplateError> {
        if let Some(line) = first_alias(text) {
            return Err(TemplateError {
                line: Some(line),
                message: ALIASES.to_owned(),
            });
        }
        let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
        // YAML's types would lose the written texts, which `yaml11` needs.
        loader.early_parse(false);
        // CloudFormation uses the last of two equal keys.
        loader.allow_duplicate_keys(true);
        let loaded = Parser::new_from_str(text).load(&mut loader, true);
        let error = loaded.err().or_else(|| loader.error().cloned());
        if let Some(error) = error {
            return Err(TemplateError {
                line: Some(error.marker().line()),
                message: format!("not YAML: {}", error.info()),
            });
        }
        let documents = loader.into_documents();
        let document = documents
            .first()
            .ok_or_else(|| TemplateError::given("the template is empty"))?;
        Self::of(document)
    }

    /// The fields of an object. `what` names the node in the error for any other kind.
    pub fn fields(&self, what: &str) -> Result<&[(String, Self)], TemplateError> {
        match &self.kind {
            NodeKind::Map(fields) => Ok(fields),
            _ => Err(self.error(format!("{what} must be an object"))),
        }
    }

    /// A field of an object; `None` for any other node.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Map(fields) => fields
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The items of a list. `what` names the node in the error for any other kind.
    pub fn items(&self, what: &str) -> Result<&[Self], TemplateError> {
        match &self.kind {
            NodeKind::List(items) => Ok(items),
            _ => Err(self.error(format!("{what} must be a list"))),
        }
    }

    /// The text of a scalar; `None` for any other node.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The only field of an object; `None` for any other node.
    pub fn single(&self) -> Option<(&str, &Self)> {
        match &self.kind {
            NodeKind::Map(fields) => match fields.as_slice() {
                [(name, node)] => Some((name, node)),
                _ => None,
            },
            _ => None,
        }
    }

    /// An error about this node.
    pub fn error(&self, message: impl Into<String>) -> TemplateError {
        TemplateError {
            line: Some(self.line),
            message: message.into(),
        }
    }

    fn of(yaml: &MarkedYaml<'_>) -> Result<Self, TemplateError> {
        let line = yaml.span.start.line();
        let node = |kind| Self { line, kind };
        match &yaml.data {
            YamlData::Representation(text, style, tag) => {
                let is_untagged = tag.is_none();
                let scalar = node(scalar(text, *style, is_untagged));
                match tag.as_ref().filter(|tag| tag.handle == "!") {
                    Some(tag) => Ok(scalar.in_long_form(&tag.suffix)),
                    None => Ok(scalar),
                }
            }
            YamlData::Value(Scalar::String(text)) => Ok(node(NodeKind::Text(text.to_string()))),
            YamlData::Value(Scalar::Null) => Ok(node(NodeKind::Null)),
            YamlData::Sequence(items) => Ok(node(NodeKind::List(
                items
                    .iter()
                    .map(Self::of)
                    .collect::<Result<_, TemplateError>>()?,
            ))),
            YamlData::Mapping(entries) => {
                let mut fields = Vec::new();
                for (key, value) in entries {
                    let key = Self::of(key)?;
                    let name = key
                        .text()
                        .ok_or_else(|| key.error("a key must be a string"))?
                        .to_owned();
                    fields.push((name, Self::of(value)?));
                }
                Ok(node(NodeKind::Map(fields)))
            }
            YamlData::Tagged(tag, inner) => {
                let inner = Self::of(inner)?;
                Ok(if tag.handle == "!" {
                    inner.in_long_form(&tag.suffix)
                } else {
                    inner
                })
            }
            _ => Err(node(NodeKind::Null).error("this cannot be read as YAML")),
        }
    }

    fn in_long_form(self, tag: &str) -> Self {
        let name = if matches!(tag, "Ref" | "Condition") {
            tag.to_owned()
        } else {
            format!("Fn::{tag}")
        };
        Self {
            line: self.line,
            kind: NodeKind::Map(vec![(name, self)]),
        }
    }
}

/// The line of the first alias, such as the one that a merge key (`<<: *name`) has.
fn first_alias(text: &str) -> Option<usize> {
    let mut events = Parser::new_from_str(text).map_while(Result::ok);
    events
        .find(|(event, _)| matches!(event, Event::Alias(_)))
        .map(|(_, span)| span.start.line())
}

fn scalar(text: &str, style: ScalarStyle, is_untagged: bool) -> NodeKind {
    let plain = style == ScalarStyle::Plain;
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => NodeKind::Null,
        _ if plain && is_untagged => {
            NodeKind::Text(yaml11::delivered(text).unwrap_or_else(|| text.to_owned()))
        }
        _ => NodeKind::Text(text.to_owned()),
    }
}
