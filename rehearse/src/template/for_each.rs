//! Fn::ForEach of the transform AWS::LanguageExtensions, which repeats a fragment for each item of
//! a collection.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html>

use serde_json::Value;

use super::{
    error::{TemplateError, TemplateErrors},
    node::{Node, NodeKind},
    resolve::Scope,
};

const PREFIX: &str = "Fn::ForEach::";

/// True if a node contains a loop.
pub(super) fn is_in(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Null | NodeKind::Text(_) => false,
        NodeKind::List(items) => items.iter().any(is_in),
        NodeKind::Map(fields) => fields
            .iter()
            .any(|(name, value)| name.starts_with(PREFIX) || is_in(value)),
    }
}

/// A node with all its loops written out.
pub(super) fn expanded(node: &Node, scope: &Scope<'_>) -> Result<Node, TemplateErrors> {
    let kind = match &node.kind {
        NodeKind::Null | NodeKind::Text(_) => node.kind.clone(),
        NodeKind::List(items) => NodeKind::List(
            items
                .iter()
                .map(|item| expanded(item, scope))
                .collect::<Result<_, _>>()?,
        ),
        NodeKind::Map(fields) => {
            let mut written: Vec<(String, Node)> = Vec::new();
            for (name, value) in fields {
                if name.starts_with(PREFIX) {
                    written.extend(repeated(value, scope)?);
                } else {
                    written.push((name.clone(), expanded(value, scope)?));
                }
            }
            if let Some(twice) = twice(&written) {
                return Err(node
                    .error(format!("Fn::ForEach generates {twice} more than once"))
                    .into());
            }
            NodeKind::Map(written)
        }
    };
    Ok(Node {
        line: node.line,
        kind,
    })
}

/// `[Identifier, collection, {key: value}]`, written out.
fn repeated(arguments: &Node, scope: &Scope<'_>) -> Result<Vec<(String, Node)>, TemplateErrors> {
    let wrong = || arguments.error("Fn::ForEach takes an identifier, a collection and an object");
    let [identifier, collection, body] = arguments.items("the argument of Fn::ForEach")? else {
        return Err(wrong().into());
    };
    let identifier = identifier.text().ok_or_else(wrong)?;
    let fields = body.fields("what Fn::ForEach repeats")?;
    let mut written = Vec::new();
    for item in items(collection, scope)? {
        for (key, value) in fields {
            let key = replaced(key, identifier, &item);
            let value = with(value, identifier, &item);
            match key.starts_with(PREFIX) {
                true => written.extend(repeated(&value, scope)?),
                false => written.push((key, expanded(&value, scope)?)),
            }
        }
    }
    Ok(written)
}

fn items(collection: &Node, scope: &Scope<'_>) -> Result<Vec<String>, TemplateErrors> {
    let wrong = || -> TemplateError {
        collection.error("the collection of Fn::ForEach must be a list of strings")
    };
    let Some(Value::Array(items)) = scope.resolve(collection)? else {
        return Err(wrong().into());
    };
    let mut texts = Vec::new();
    for item in items {
        match item {
            Value::String(text) => texts.push(text),
            // An item may refer to a list.
            Value::Array(more) => {
                texts.extend(
                    more.iter()
                        .filter_map(|one| one.as_str().map(str::to_owned)),
                );
            }
            _ => return Err(wrong().into()),
        }
    }
    Ok(texts)
}

/// A node with the identifier replaced: `${Identifier}`, `&{Identifier}` and `Ref: Identifier`.
fn with(node: &Node, identifier: &str, item: &str) -> Node {
    let kind = match &node.kind {
        NodeKind::Null => NodeKind::Null,
        NodeKind::Text(text) => NodeKind::Text(replaced(text, identifier, item)),
        NodeKind::List(items) => NodeKind::List(
            items
                .iter()
                .map(|one| with(one, identifier, item))
                .collect(),
        ),
        NodeKind::Map(_) if is_ref(node, identifier) => NodeKind::Text(item.to_owned()),
        NodeKind::Map(fields) => NodeKind::Map(
            fields
                .iter()
                .map(|(name, value)| {
                    (
                        replaced(name, identifier, item),
                        with(value, identifier, item),
                    )
                })
                .collect(),
        ),
    };
    Node {
        line: node.line,
        kind,
    }
}

fn is_ref(node: &Node, identifier: &str) -> bool {
    node.single()
        .is_some_and(|(name, argument)| name == "Ref" && argument.text() == Some(identifier))
}

fn replaced(text: &str, identifier: &str, item: &str) -> String {
    // `&{…}` drops all other characters, so that it can be part of a logical id.
    let alphanumeric: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
    text.replace(&format!("${{{identifier}}}"), item)
        .replace(&format!("&{{{identifier}}}"), &alphanumeric)
}

fn twice(fields: &[(String, Node)]) -> Option<&str> {
    let is_known = |(index, (name, _)): &(usize, &(String, Node))| {
        fields[..*index].iter().any(|(known, _)| known == name)
    };
    fields
        .iter()
        .enumerate()
        .find(is_known)
        .map(|(_, (name, _))| name.as_str())
}
