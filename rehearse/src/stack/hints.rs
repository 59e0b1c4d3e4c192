//! Hints about orders of resources in which a deploy fails, although each resource is right, and
//! about values that may not be meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stack, account::referred, is_custom, properties::unknown_properties};
use crate::template::{
    Parameters, Resource,
    node::{Node, NodeKind},
    resolve::Scope,
};

impl Stack {
    /// A hint for each task that runs too late, or may start too early, and for each property of an
    /// ECS resource that nobody knows.
    pub fn hints(&self, parameters: &Parameters) -> Vec<String> {
        let (ours, included) = (
            self.our_resources(parameters),
            self.included_ids(parameters),
        );
        let all = || {
            self.template
                .resources
                .iter()
                .filter(|one| included.contains(&one.logical_id))
        };
        let nothing = BTreeMap::new();
        let scope = self.scope(parameters, &nothing);
        let mut hints: Vec<String> = all()
            .flat_map(|one| unknown_properties(one, &scope))
            .collect();
        let definitions = all().filter(|one| one.resource_type == "AWS::ECS::TaskDefinition");
        hints.extend(definitions.flat_map(|one| unknown_protocols(one, &scope)));
        // A service's own hook runs before the service is stable.
        let is_task =
            |one: &&Resource| ours.contains(&one.logical_id) && is_custom(&one.resource_type);
        for task in all().filter(is_task) {
            let (id, before) = (&task.logical_id, self.needed_by(task));
            let services = all().filter(|one| one.resource_type == "AWS::ECS::Service");
            for service in services.filter(|one| before.contains(&one.logical_id)) {
                // The same family means the same image: the service must become stable with it
                // before the task may run.
                if !self.families(task).is_disjoint(&self.families(service)) {
                    let service = &service.logical_id;
                    let instead = match task.properties.field("Service") {
                        Some(_) => format!(
                            ". In {id}, set LaunchType and NetworkConfiguration instead of Service, because the \
                             literal name of a service works only once the service exists"
                        ),
                        None => String::new(),
                    };
                    hints.push(format!(
                        "{id} waits until {service} is stable with the new image of the same task definition. If \
                         that image needs what {id} does (a migration), {service} never becomes stable, and {id} \
                         never runs. Add DependsOn: {id} to {service}{instead}"
                    ));
                }
            }
            let associations = all()
                .filter(|one| one.resource_type == "AWS::ECS::ClusterCapacityProviderAssociations");
            for one in
                associations.filter(|_| task.properties.field("CapacityProviderStrategy").is_some())
            {
                let is_of_cluster = !named(task, "Cluster").is_disjoint(&named(one, "Cluster"));
                // Without an order between the two, CloudFormation may create the task first.
                let is_late =
                    !before.contains(&one.logical_id) && !self.needed_by(one).contains(id);
                if is_of_cluster && is_late {
                    let association = &one.logical_id;
                    hints.push(format!(
                        "{id} can start before its cluster has the capacity providers of {association}, and \
                         ECS would then refuse the task: add DependsOn: {association} to {id}"
                    ));
                }
            }
        }
        hints
    }

    /// The resources that CloudFormation creates before this one.
    fn needed_by(&self, resource: &Resource) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        let mut next: Vec<&String> = resource.needs.iter().collect();
        while let Some(id) = next.pop() {
            if needed.insert(id.clone()) {
                next.extend(
                    self.template
                        .resource(id)
                        .into_iter()
                        .flat_map(|one| &one.needs),
                );
            }
        }
        needed
    }

    /// The task definitions that a resource refers to, and the families that it names.
    fn families(&self, resource: &Resource) -> BTreeSet<String> {
        let mut families = named(resource, "TaskDefinition");
        for id in families.clone() {
            let definition = self.template.resource(&id);
            families.extend(
                definition
                    .and_then(|one| one.properties.field("Family")?.text())
                    .map(|family| format!("family {family}")),
            );
        }
        families
    }
}

/// The resources that a property refers to, or the name that it gives.
fn named(resource: &Resource, property: &str) -> BTreeSet<String> {
    let Some(node) = resource.properties.field(property) else {
        return BTreeSet::new();
    };
    let short = |text: &str| {
        let name = text.rsplit('/').next().unwrap_or(text);
        format!("family {}", name.split(':').next().unwrap_or(name))
    };
    match node.text() {
        Some(text) => BTreeSet::from([short(text)]),
        None => references(node),
    }
}

fn references(node: &Node) -> BTreeSet<String> {
    let logical_id = |name: String| name.split('.').next().unwrap_or_default().to_owned();
    referred(node).into_iter().map(logical_id).collect()
}

/// A note for each protocol of a port that ECS treats as tcp, although it has another name.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>
fn unknown_protocols(definition: &Resource, scope: &Scope<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, container) in items(&definition.properties, "ContainerDefinitions", scope) {
        for (mapping, port) in items(container, "PortMappings", scope) {
            let Some(protocol) = port.field("Protocol").map(|node| scope.branch(node)) else {
                continue;
            };
            let text = protocol.text().unwrap_or("tcp");
            if !matches!(text, "tcp" | "udp") && !text.eq_ignore_ascii_case("tcp") {
                notes.push(format!(
                    "line {}: {}: ContainerDefinitions[{index}].PortMappings[{mapping}].Protocol is {text}, which \
                     ECS treats as tcp: it knows tcp and udp, in lower case",
                    protocol.line, definition.logical_id
                ));
            }
        }
    }
    notes
}

/// The items of a list in an object, through the chosen branch of each Fn::If.
fn items<'n>(
    node: &'n Node,
    name: &str,
    scope: &Scope<'_>,
) -> impl Iterator<Item = (usize, &'n Node)> {
    let list = node.field(name).map(|list| &scope.branch(list).kind);
    let items: &[Node] = match list {
        Some(NodeKind::List(items)) => items,
        _ => &[],
    };
    let items: Vec<&Node> = items.iter().map(|item| scope.branch(item)).collect();
    items.into_iter().enumerate()
}
