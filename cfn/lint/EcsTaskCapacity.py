"""A rule for cfn-lint: a task that can start before its cluster has its capacity providers."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

ASSOCIATIONS = "AWS::ECS::ClusterCapacityProviderAssociations"


class EcsTaskCapacity(CloudFormationLintRule):
    """A reference to a cluster waits for the cluster only, not for its capacity providers."""

    id = "W9104"
    shortdesc = "Check that Custom::ECSTask waits for the capacity providers of its cluster"
    description = "RunTask refuses a capacity provider that is not associated with the cluster yet"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            if "CapacityProviderStrategy" not in task.properties:
                continue
            clusters = named(task.properties.get("Cluster"))
            for name, one in ecs.resources(cfn, ASSOCIATIONS).items():
                of_cluster = clusters & named(ecs.member(one, "Properties", "Cluster"))
                if of_cluster and not task.waits_for(name) and not ecs.depends(cfn, name, task.name):
                    message = (
                        f"{task.name} can start before its cluster has the capacity providers of {name}, and ECS "
                        f"would then refuse the task: add DependsOn: {name} to {task.name}"
                    )
                    yield RuleMatch(task.path("CapacityProviderStrategy"), message)


def named(cluster):
    """The names that a cluster is given by, or the resources that it refers to."""
    return ecs.references(cluster) | ({cluster.split("/")[-1]} if isinstance(cluster, str) else set())
