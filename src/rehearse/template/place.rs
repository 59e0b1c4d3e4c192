//! Where in a template a value was written.

use std::collections::BTreeSet;

use super::{
    node::{Node, NodeKind},
    resolve::{Scope, references},
};

impl Scope<'_> {
    /// The node that a property's value was written at: `Overrides.containerOverrides[0].cpu` below `node`, through the
    /// branch of each Fn::If that counts. None for a value that comes of a resource.
    pub fn written_at<'n>(&self, node: &'n Node, path: &str) -> Option<&'n Node> {
        let mut node = node;
        for step in
            path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty())
        {
            node = self.branch(node);
            let below = match &node.kind {
                NodeKind::Map(fields) => fields.iter().find(|(name, _)| name == step).map(|(_, below)| below),
                NodeKind::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            // What stands in an intrinsic function is told at the function.
            let Some(below) = below else { break };
            node = below;
        }
        let mut names = BTreeSet::new();
        if self.branch(node).single().is_some_and(|(name, _)| name == "Ref" || name.starts_with("Fn::")) {
            references(node, &mut names);
        }
        names.iter().all(|name| !self.resources.contains_key(name)).then_some(node)
    }

    fn branch<'n>(&self, node: &'n Node) -> &'n Node {
        match node.single() {
            Some(("Fn::If", argument)) => match self.arguments(argument, "Fn::If") {
                Ok([condition, then, otherwise]) => {
                    self.branch(if self.holds(condition).unwrap_or(true) { then } else { otherwise })
                }
                Err(_) => node,
            },
            _ => node,
        }
    }
}
