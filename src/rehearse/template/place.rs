//! Where in a template a value was written.

use super::{
    node::{Node, NodeKind},
    reference,
    resolve::{Scope, arguments, function},
};

/// Where a property's value was written.
pub struct WrittenAt<'n> {
    /// The value, or the function that gives it.
    pub node: &'n Node,
    /// It comes of a resource, so that it is known only once that exists.
    pub is_of_resource: bool,
}

impl Scope<'_> {
    /// Where a property's value was written: `Overrides.containerOverrides[0].cpu` below `node`, through the
    /// branch of each Fn::If that counts.
    pub fn written_at<'n>(&self, node: &'n Node, path: &str) -> WrittenAt<'n> {
        let mut node = node;
        for step in
            path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty())
        {
            node = self.branch(node);
            let below = match &node.kind {
                NodeKind::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => node.field(step),
            };
            // What stands in an intrinsic function is reported at the function.
            let Some(below) = below else { break };
            node = below;
        }
        let mut is_of_resource = false;
        if function(self.branch(node)).is_some() {
            reference::each(node, &mut |found| is_of_resource |= self.resources.contains_key(found.name));
        }
        WrittenAt { node, is_of_resource }
    }

    fn branch<'n>(&self, node: &'n Node) -> &'n Node {
        match node.single() {
            Some(("Fn::If", argument)) => match arguments(argument, "Fn::If") {
                Ok([condition, then, otherwise]) => {
                    self.branch(if self.holds(condition).unwrap_or(true) { then } else { otherwise })
                }
                Err(_) => node,
            },
            _ => node,
        }
    }
}
