//! Finds properties of ECS's resource types that CloudFormation refuses.
//!
//! The list of their names ages. A name that is not in it is refused only if it misspells a property
//! that the resource lacks: of the 695 names in the list of 2026-11, 6 are that near to another one. Any
//! other name is noted, because AWS may have added it since.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::template::{
    Resource, TemplateError,
    nearest::{did_you_mean, misspelt},
    node::{Node, NodeKind},
    resolve::{Scope, function},
};

/// The names by type, from AWS's schemas: `tools/ecs_properties.py` writes them and describes the
/// form.
static KNOWN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("ecs-properties.json")).unwrap_or_default());

/// A property that is not in the list, or that no template can set.
struct Unknown<'n> {
    /// The value.
    node: &'n Node,
    /// `ContainerDefinitions[0].Imag`
    path: String,
    cause: Cause,
}

enum Cause {
    /// It misspells this property.
    Misspelt(&'static str),
    /// It is an attribute, which AWS alone sets.
    Attribute,
    /// It is like no other property. Holds a question after the nearest one, or nothing.
    New(String),
}

/// Errors for properties that CloudFormation refuses.
pub(super) fn refused_properties(resource: &Resource, scope: &Scope<'_>) -> Vec<TemplateError> {
    let (id, kind) = (&resource.logical_id, &resource.resource_type);
    let error = |Unknown { node, path, cause }: Unknown<'_>| {
        let problem = match cause {
            Cause::Misspelt(meant) => {
                format!("{kind} has no property {path} (did you mean {meant}?)")
            }
            Cause::Attribute => format!("{path} is an attribute of {kind}, not a property"),
            Cause::New(_) => return None,
        };
        Some(node.error(format!("{id}: CloudFormation refuses it: {problem}")))
    };
    unknown(resource, scope)
        .into_iter()
        .filter_map(error)
        .collect()
}

/// A note for each property that CloudFormation may refuse: it is not in the list.
pub(super) fn unknown_properties(resource: &Resource, scope: &Scope<'_>) -> Vec<String> {
    let (id, kind) = (&resource.logical_id, &resource.resource_type);
    let note = |Unknown { node, path, cause }: Unknown<'_>| match cause {
        Cause::New(hint) => Some(format!(
            "line {}: {id}: rehearse {} does not know the property {path}. CloudFormation refuses it unless \
             AWS has added it to {kind} since{hint}",
            node.line,
            env!("CARGO_PKG_VERSION"),
        )),
        Cause::Misspelt(_) | Cause::Attribute => None,
    };
    unknown(resource, scope)
        .into_iter()
        .filter_map(note)
        .collect()
}

fn unknown<'n>(resource: &'n Resource, scope: &Scope<'_>) -> Vec<Unknown<'n>> {
    let mut found = Vec::new();
    compare(
        &resource.properties,
        &KNOWN[&resource.resource_type],
        String::new(),
        scope,
        &mut found,
    );
    found
}

/// Compares a value with the names that its structure has.
fn compare<'n>(
    node: &'n Node,
    known: &'static Value,
    path: String,
    scope: &Scope<'_>,
    found: &mut Vec<Unknown<'n>>,
) {
    let Value::Object(names) = known else { return };
    let node = scope.branch(node);
    // The value of a function has its own structure.
    if function(node).is_some() {
        return;
    }
    match &node.kind {
        NodeKind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                compare(item, known, format!("{path}[{index}]"), scope, found);
            }
        }
        NodeKind::Map(fields) => {
            for (name, value) in fields {
                let path = match path.as_str() {
                    "" => name.clone(),
                    above => format!("{above}.{name}"),
                };
                let cause = match names.get(name) {
                    Some(Value::String(_)) => Cause::Attribute,
                    Some(below) => {
                        compare(value, below, path, scope, found);
                        continue;
                    }
                    None => cause(name, names, fields),
                };
                if !is_no_value(scope.branch(value)) {
                    found.push(Unknown {
                        node: value,
                        path,
                        cause,
                    });
                }
            }
        }
        NodeKind::Null | NodeKind::Text(_) => {}
    }
}

fn cause(name: &str, names: &'static Map<String, Value>, fields: &[(String, Node)]) -> Cause {
    let properties = || {
        let properties = names.iter().filter(|(_, below)| !below.is_string());
        properties.map(|(known, _)| known.as_str())
    };
    // A property that is given is not what a second name misspells.
    let missing = properties().filter(|known| fields.iter().all(|(given, _)| given != known));
    match misspelt(name, missing) {
        Some(meant) => Cause::Misspelt(meant),
        None => Cause::New(did_you_mean(name, properties())),
    }
}

/// True for `!Ref AWS::NoValue`, which removes the property.
fn is_no_value(node: &Node) -> bool {
    matches!(node.single(), Some(("Ref", name)) if name.text() == Some("AWS::NoValue"))
}
