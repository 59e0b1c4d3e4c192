"""A rule for cfn-lint: launch type, network and task definition of a Custom::ECSTask that do not fit each other."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

LAUNCH_TYPES = ["FARGATE", "EC2", "EXTERNAL", "MANAGED_INSTANCES"]
PUBLIC_IP = ["ENABLED", "DISABLED"]
KEYS = (
    "Cluster", "CapacityProviderStrategy", "Instances", "LaunchType", "NetworkConfiguration", "PlacementConstraints",
    "PlacementStrategy", "PlatformVersion", "Service",
)  # fmt: skip
NOT_WITH_INSTANCES = (
    "LaunchType", "PlatformVersion", "CapacityProviderStrategy", "PlacementConstraints", "PlacementStrategy",
)  # fmt: skip


class EcsTaskLaunch(CloudFormationLintRule):
    """Finds what RunTask would refuse."""

    id = "E9104"
    shortdesc = "Check launch type, network and task definition of Custom::ECSTask"
    description = "ECS refuses to run a task whose launch type, network and definition do not fit each other"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            found = {message: path for case in task.cases(*KEYS) for path, message in mistakes(cfn, case)}
            for message, path in found.items():
                yield RuleMatch(task.path(*path), message)


def mistakes(cfn, case):
    """Path and text of each mistake in one combination of conditions."""
    yield from misspelt(case)
    yield from with_instances(case)
    yield from without_subnets(case)
    # What a Service has is known to ECS alone, and StartTask asks for no launch type.
    if "Service" in case or case.get("Instances"):
        return
    launch_type = launches_on(cfn, case)
    yield from unfit_platform(case, launch_type)
    definition = case.get("definition")
    if definition is None:
        if launch_type == "FARGATE" and "NetworkConfiguration" not in case:
            yield (), "a task on Fargate needs NetworkConfiguration with subnets: add it, or Service to take a service's"
        return
    yield from unfit_network(case, launch_type)
    yield from unfit_definition(case, launch_type)


def misspelt(case):
    """Values that RunTask does not know."""
    network = ("NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp")
    for path, known in [(("LaunchType",), LAUNCH_TYPES), (network, PUBLIC_IP)]:
        value = ecs.member(case, *path)
        if isinstance(value, str) and value not in known:
            yield path, f"{path[-1]} {value} is unknown" + (ecs.hint(value, known) or ": give " + " or ".join(known))


def with_instances(case):
    """Properties that StartTask does not have."""
    for name in NOT_WITH_INSTANCES if case.get("Instances") else ():
        if name in case:
            yield (name,), f"{name} cannot be given together with Instances: StartTask has no such parameter"


def without_subnets(case):
    """Only a Service can make up for missing subnets."""
    network = ecs.member(case, "NetworkConfiguration", "AwsvpcConfiguration")
    if isinstance(network, dict) and "Service" not in case and ecs.spelling(network, "Subnets") not in network:
        if not any(key == "Ref" or key.startswith("Fn::") for key in network):
            yield ("NetworkConfiguration",), "NetworkConfiguration has no Subnets: add them, or Service to take a service's"


def launches_on(cfn, case):
    """Where the task would run: a launch type, None where that cannot be known."""
    if "LaunchType" in case:
        return case["LaunchType"] if case["LaunchType"] in LAUNCH_TYPES else None
    if "CapacityProviderStrategy" in case:
        items = case["CapacityProviderStrategy"]
        providers = [ecs.member(item, "CapacityProvider") for item in items] if isinstance(items, list) else []
        return "FARGATE" if providers and all(str(name).startswith("FARGATE") for name in providers) else None
    # Without either ECS takes the cluster's default strategy, and EC2 where the cluster has none.
    clusters = ecs.resources(cfn, "AWS::ECS::Cluster", among=ecs.references(case.get("Cluster")))
    has_default = ecs.resources(cfn, "AWS::ECS::ClusterCapacityProviderAssociations") or any(
        ecs.member(cluster, "Properties", "DefaultCapacityProviderStrategy") for cluster in clusters.values()
    )
    return "EC2" if clusters and not has_default else None


def unfit_platform(case, launch_type):
    """Fargate alone has platform versions."""
    if "PlatformVersion" in case and launch_type not in (None, "FARGATE"):
        why = f"LaunchType {launch_type} has none" if "LaunchType" in case else "without LaunchType ECS takes EC2"
        yield ("PlatformVersion",), f"PlatformVersion is for Fargate alone, and {why}: leave it out, or set LaunchType: FARGATE"


def unfit_network(case, launch_type):
    """The network mode awsvpc needs NetworkConfiguration, the others refuse it."""
    definition, name = case["definition"], ecs.definition_name(case["TaskDefinition"])
    mode = ecs.member(definition, "NetworkMode") or "bridge"
    if mode == "awsvpc" and "NetworkConfiguration" not in case:
        yield (), (
            f"{name} has the network mode awsvpc, which needs NetworkConfiguration with subnets: add it, or Service to "
            "take a service's"
        )
    elif mode in ("bridge", "host", "none", "default") and "NetworkConfiguration" in case and launch_type != "FARGATE":
        yield ("NetworkConfiguration",), (
            f"NetworkConfiguration is for the network mode awsvpc alone, and {name} has {mode}: leave it out, or set "
            f"NetworkMode: awsvpc in {name}"
        )


def unfit_definition(case, launch_type):
    """A definition says where it can run, and Fargate wants some of its properties."""
    definition, name = case["definition"], ecs.definition_name(case["TaskDefinition"])
    wants = ecs.member(definition, "RequiresCompatibilities")
    known = isinstance(wants, list) and wants and all(isinstance(item, str) for item in wants)
    if launch_type and known and launch_type not in wants:
        there = "LaunchType" if "LaunchType" in case or launch_type == "FARGATE" else ()
        takes = f"the task would run on {launch_type}"
        if launch_type == "EC2" and "LaunchType" not in case:
            takes = "without LaunchType ECS takes EC2"
        yield (there,) if there else (), (
            f"{name} is made for {' and '.join(wants)} (RequiresCompatibilities), but {takes}: set LaunchType: {wants[0]}, "
            f"or add {launch_type} to RequiresCompatibilities"
        )
    elif launch_type == "FARGATE":
        mode = ecs.member(definition, "NetworkMode") or "bridge"
        if isinstance(mode, str) and mode != "awsvpc":
            yield ("LaunchType",), f"Fargate needs the network mode awsvpc, {name} has {mode}: set NetworkMode: awsvpc in {name}"
        for size in ("Cpu", "Memory"):
            if ecs.member(definition, size) is None:
                yield ("LaunchType",), f"Fargate needs {size} of the whole task, {name} has none: set {size} in {name}"
