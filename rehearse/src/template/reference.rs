//! References in a node, by Ref, Fn::GetAtt or Fn::Sub, in every branch of its conditions.

use super::node::{Node, NodeKind};

/// A reference.
pub(crate) struct Reference<'n> {
    /// The parameter's or the resource's name.
    pub(crate) name: &'n str,
    /// The attribute, of Fn::GetAtt and of `${Name.Attribute}`.
    pub(crate) attribute: Option<&'n str>,
    /// The node that refers.
    pub(super) node: &'n Node,
}

/// Part of Fn::Sub's text.
pub(super) enum Part<'t> {
    Text(&'t str),
    /// `${Name}`
    Name(&'t str),
    /// `${!Name}`, which stands for `${Name}` itself.
    Literal(&'t str),
}

/// Calls `take` with every reference in a node, except names that Fn::Sub defines itself.
pub(crate) fn each<'n>(node: &'n Node, take: &mut impl FnMut(Reference<'n>)) {
    match &node.kind {
        NodeKind::Null | NodeKind::Text(_) => {}
        NodeKind::List(items) => items.iter().for_each(|item| each(item, take)),
        NodeKind::Map(fields) => {
            match node.single() {
                Some(("Ref", argument)) => {
                    if let Some(name) = argument.text() {
                        take(Reference {
                            name,
                            attribute: None,
                            node,
                        });
                    }
                }
                Some(("Fn::GetAtt", argument)) => {
                    if let Some((name, attribute)) = attribute(argument) {
                        take(Reference {
                            name,
                            attribute,
                            node,
                        });
                    }
                }
                Some(("Fn::Sub", argument)) => {
                    let (text, own) = sub(argument);
                    for part in parts(text) {
                        let Part::Name(name) = part else { continue };
                        if own.iter().any(|(key, _)| key == name) {
                            continue;
                        }
                        let (name, attribute) = name
                            .split_once('.')
                            .map_or((name, None), |(name, rest)| (name, Some(rest)));
                        take(Reference {
                            name,
                            attribute,
                            node,
                        });
                    }
                }
                _ => {}
            }
            fields.iter().for_each(|(_, value)| each(value, take));
        }
    }
}

/// Fn::GetAtt's `[resource, attribute]`, or `resource.attribute`; the attribute may be a function.
fn attribute(argument: &Node) -> Option<(&str, Option<&str>)> {
    match &argument.kind {
        NodeKind::Text(text) => text
            .split_once('.')
            .map(|(resource, name)| (resource, Some(name))),
        NodeKind::List(items) => match items.as_slice() {
            [resource, name] => Some((resource.text()?, name.text())),
            _ => None,
        },
        _ => None,
    }
}

/// The text and the variables of Fn::Sub.
pub(super) fn sub(argument: &Node) -> (&str, &[(String, Node)]) {
    match &argument.kind {
        NodeKind::Text(text) => (text, &[]),
        NodeKind::List(items) => match items.as_slice() {
            [
                text,
                Node {
                    kind: NodeKind::Map(own),
                    ..
                },
            ] => (text.text().unwrap_or_default(), own),
            _ => ("", &[]),
        },
        _ => ("", &[]),
    }
}

/// The parts of Fn::Sub's text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
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
