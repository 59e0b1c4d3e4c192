"""A rule for cfn-lint: a task that can start before its subnets have their routes."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

ASSOCIATION = "AWS::EC2::SubnetRouteTableAssociation"


class EcsTaskRoutes(CloudFormationLintRule):
    """A reference to a subnet waits for the subnet only, not for its routes."""

    id = "W9102"
    shortdesc = "Check that Custom::ECSTask waits for the routes of its subnets"
    description = "A task that starts before its subnets have routes cannot pull its image"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            late = sorted(
                name
                for name in ways(cfn, subnets(cfn, task))
                if not task.waits_for(name) and not ecs.depends(cfn, name, task.name)
            )
            if late:
                names = ", ".join(late)
                message = (
                    f"{task.name} can start before its subnets have their routes ({names}), so the task may be unable "
                    f"to pull its image or reach its database. Add {names} to DependsOn of {task.name}"
                )
                yield RuleMatch(["Resources", task.name], message)


def subnets(cfn, task):
    """The subnets of this template that the task runs in, by its own properties or those of its Service."""
    services = ecs.resources(cfn, "AWS::ECS::Service", among=ecs.references(task.properties.get("Service")))
    values = [task.properties.get("NetworkConfiguration")]
    values += [ecs.member(service, "Properties", "NetworkConfiguration") for service in services.values()]
    return ecs.resources(cfn, "AWS::EC2::Subnet", among=ecs.references(values)).keys()


def ways(cfn, names):
    """The route table associations of these subnets, and the routes in their route tables."""
    associations = {
        name: ecs.member(association, "Properties", "RouteTableId")
        for name, association in ecs.resources(cfn, ASSOCIATION).items()
        if ecs.references(ecs.member(association, "Properties", "SubnetId")) & names
    }
    tables = ecs.references(list(associations.values()))
    routes = {
        name
        for name, route in ecs.resources(cfn, "AWS::EC2::Route").items()
        if ecs.references(ecs.member(route, "Properties", "RouteTableId")) & tables
    }
    # Without routes the association changes nothing for the task.
    return {*associations, *routes} if routes else set()
