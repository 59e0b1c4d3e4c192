//! Places in a template at which values are written.

use super::{
    node::{Node, NodeKind},
    reference,
    resolve::{Scope, arguments, function},
};

/// The place of a property's value.
pub struct WrittenAt<'n> {
    /// The value, or the function that gives it.
    pub node: &'n Node,
    /// The resource that gives the value, which is known only once that exists.
    pub resource: Option<&'n str>,
}

impl Scope<'_> {
    /// The place of a property's value: `Overrides.containerOverrides[0].cpu` below `node`, through
    /// the chosen branch of each Fn::If.
    pub fn written_at<'n>(&self, node: &'n Node, path: &str) -> WrittenAt<'n> {
        let mut node = node;
        for step in path
            .split(['.', '['])
            .map(|step| step.trim_end_matches(']'))
            .filter(|step| !step.is_empty())
        {
            node = self.branch(node);
            let below = match &node.kind {
                NodeKind::List(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index)),
                NodeKind::Map(fields) => {
                    // The function accepts structures of ECS in ECS's spelling, too.
                    let is_meant = |(name, _): &&(String, Node)| name.eq_ignore_ascii_case(step);
                    node.field(step)
                        .or_else(|| fields.iter().find(is_meant).map(|(_, below)| below))
                }
                _ => None,
            };
            // An error inside an intrinsic function is reported at the function.
            let Some(below) = below else { break };
            node = below;
        }
        let mut resource = None;
        if function(self.branch(node)).is_some() {
            reference::each(node, &mut |found| {
                if self.resources.contains_key(found.name) {
                    resource.get_or_insert(found.name);
                }
            });
        }
        WrittenAt { node, resource }
    }

    /// The chosen branch of an Fn::If; any other node as it is.
    pub(crate) fn branch<'n>(&self, node: &'n Node) -> &'n Node {
        match node.single() {
            Some(("Fn::If", argument)) => match arguments(argument, "Fn::If") {
                Ok([condition, then, otherwise]) => {
                    self.branch(if self.holds(condition).unwrap_or(true) {
                        then
                    } else {
                        otherwise
                    })
                }
                Err(_) => node,
            },
            _ => node,
        }
    }
}
