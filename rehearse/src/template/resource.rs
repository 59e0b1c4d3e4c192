//! A resource as the template declares it.

use std::collections::BTreeSet;

use super::{
    error::TemplateError,
    nearest::misspelt,
    node::{Node, NodeKind},
    not_played, reference,
};

/// The attributes of a resource.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-product-attribute-reference.html>
const ATTRIBUTES: [&str; 9] = [
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
];

/// A resource in a template.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its condition, if it has one.
    pub condition: Option<Node>,
    /// Its properties.
    pub properties: Node,
    /// The DeletionPolicy (`Delete`, `Retain`, …), for when the stack or an update removes the
    /// resource.
    pub deletion_policy: Option<Node>,
    /// The UpdateReplacePolicy, for the old resource when an update replaces it.
    pub replace_policy: Option<Node>,
    /// The resources that it needs, by DependsOn, Ref, Fn::GetAtt or Fn::Sub.
    pub needs: BTreeSet<String>,
    /// The line that it starts on.
    pub line: usize,
}

impl Resource {
    pub(super) fn read(
        name: &str,
        node: &Node,
        names: &BTreeSet<&str>,
    ) -> Result<Self, TemplateError> {
        node.fields(&format!("resource {name}"))?;
        if let Some(transform) = node.field("Fn::Transform") {
            return Err(transform.error(not_played(transform)));
        }
        for (attribute, _) in node.fields(&format!("resource {name}"))? {
            if let Some(known) = misspelt(attribute, ATTRIBUTES).filter(|known| known != attribute)
            {
                return Err(node.error(format!(
                    "resource {name} has no attribute {attribute} (did you mean {known}?)"
                )));
            }
        }
        let resource_type = node.field("Type").and_then(Node::text).map(str::to_owned);
        let empty = Node {
            line: node.line,
            kind: NodeKind::Map(Vec::new()),
        };
        let properties = node
            .field("Properties")
            .filter(|node| node.kind != NodeKind::Null)
            .unwrap_or(&empty);
        let properties = properties.clone();
        properties.fields(&format!("the Properties of resource {name}"))?;
        let mut needs = BTreeSet::new();
        match node.field("DependsOn").map(|node| &node.kind) {
            Some(NodeKind::Text(other)) => needs.extend([other.clone()]),
            Some(NodeKind::List(others)) => needs.extend(
                others
                    .iter()
                    .filter_map(|one| one.text().map(str::to_owned)),
            ),
            _ => {}
        }
        if let Some(unknown) = needs.iter().find(|other| !names.contains(other.as_str())) {
            return Err(node.error(format!(
                "resource {name} depends on {unknown}, which the template does not have"
            )));
        }
        reference::each(&properties, &mut |found| {
            needs.insert(found.name.to_owned());
        });
        needs.retain(|other| names.contains(other.as_str()) && other != name);
        Ok(Self {
            logical_id: name.to_owned(),
            resource_type: resource_type
                .ok_or_else(|| node.error(format!("resource {name} has no Type")))?,
            condition: node.field("Condition").cloned(),
            properties,
            deletion_policy: node.field("DeletionPolicy").cloned(),
            replace_policy: node.field("UpdateReplacePolicy").cloned(),
            needs,
            line: node.line,
        })
    }
}

/// Sorts resources so that each follows those that it needs, else in the template's order.
pub(super) fn in_order(mut waiting: Vec<Resource>) -> Result<Vec<Resource>, TemplateError> {
    let mut ordered: Vec<Resource> = Vec::new();
    // A resource that could not be read must not make the others look like a circle.
    let known: BTreeSet<String> = waiting
        .iter()
        .map(|resource| resource.logical_id.clone())
        .collect();
    while !waiting.is_empty() {
        let is_ready = |resource: &Resource| {
            let mut needs = resource.needs.iter().filter(|need| known.contains(*need));
            needs.all(|need| ordered.iter().any(|ready| ready.logical_id == *need))
        };
        match waiting.iter().position(is_ready) {
            Some(index) => ordered.push(waiting.remove(index)),
            None => {
                let circle: Vec<&str> = waiting
                    .iter()
                    .map(|resource| resource.logical_id.as_str())
                    .collect();
                return Err(TemplateError {
                    line: Some(waiting[0].line),
                    message: format!(
                        "circular dependency between resources: {}",
                        circle.join(", ")
                    ),
                });
            }
        }
    }
    Ok(ordered)
}
