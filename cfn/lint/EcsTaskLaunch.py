"""A rule for cfn-lint: launch type, network and task definition of a Custom::ECSTask must fit each other."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

LAUNCH_TYPES = ["FARGATE", "EC2", "EXTERNAL", "MANAGED_INSTANCES"]
PUBLIC_IP = ["ENABLED", "DISABLED"]
NOT_WITH_INSTANCES = [
    "LaunchType",
    "PlatformVersion",
    "CapacityProviderStrategy",
    "PlacementConstraints",
    "PlacementStrategy",
]
KEYS = ["Cluster", "Instances", "NetworkConfiguration", "Service", *NOT_WITH_INSTANCES]


class EcsTaskLaunch(CloudFormationLintRule):
    """Finds what RunTask would refuse."""

    id = "E9104"
    shortdesc = "Check launch type, network and task definition of Custom::ECSTask"
    description = "ECS refuses to run a task whose launch type, network and definition do not fit each other"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            # The same mistake in several combinations of conditions is reported once.
            found = {message: path for case in task.cases(*KEYS) for path, message in mistakes(cfn, case)}
            for message, path in found.items():
                yield RuleMatch(task.path(*path), message)


def mistakes(cfn, case):
    """Path and message of each mistake in one combination of conditions."""
    yield from misspelt(case)
    yield from with_instances(case)
    yield from without_subnets(case)
    # Only ECS knows what a service has.
    if "Service" in case:
        return
    launch_type = launch_type_of(cfn, case)
    yield from unfit_platform(case, launch_type)
    yield from unfit_network(case, launch_type)
    if "definition" in case:
        yield from unfit_definition(case, launch_type)


def misspelt(case):
    """Values that RunTask does not know."""
    network = ("NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp")
    for path, known in [(("LaunchType",), LAUNCH_TYPES), (network, PUBLIC_IP)]:
        value = ecs.member(case, *path)
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, str) and value not in known:
            meant = ecs.hint(value, known) or ": use " + " or ".join(known)
            yield path, f"{path[-1]} {value} is unknown{meant}"


def with_instances(case):
    """Properties that StartTask does not have."""
    for name in NOT_WITH_INSTANCES if case.get("Instances") else ():
        if name in case:
            message = f"{name} cannot be given together with Instances: leave one of them out (with Instances"
            yield (name,), f"{message} the function calls StartTask, which has no {name})"


def without_subnets(case):
    """A network configuration without subnets; a function in its place may have some."""
    network = ecs.member(case, "NetworkConfiguration", "AwsvpcConfiguration")
    if not isinstance(network, dict) or any(key == "Ref" or key.startswith("Fn::") for key in network):
        return
    if "Service" not in case and ecs.spelling(network, "Subnets") not in network:
        message = "NetworkConfiguration has no Subnets: add them, or Service to take them from a service"
        yield ("NetworkConfiguration",), message


def launch_type_of(cfn, case):
    """The launch type that ECS uses, or None if it cannot be known; StartTask has none."""
    if case.get("Instances"):
        return None
    if "LaunchType" in case:
        return case["LaunchType"] if case["LaunchType"] in LAUNCH_TYPES else None
    if "CapacityProviderStrategy" in case:
        items = case["CapacityProviderStrategy"]
        providers = (
            [ecs.member(item, "CapacityProvider") for item in items] if isinstance(items, list) else []
        )
        return (
            "FARGATE"
            if providers and all(name in ("FARGATE", "FARGATE_SPOT") for name in providers)
            else None
        )
    # Without either ECS uses the cluster's default strategy, or EC2 if the cluster has none.
    clusters = ecs.resources(cfn, "AWS::ECS::Cluster", among=ecs.references(case.get("Cluster")))
    has_default = ecs.resources(cfn, "AWS::ECS::ClusterCapacityProviderAssociations") or any(
        ecs.member(cluster, "Properties", "DefaultCapacityProviderStrategy") for cluster in clusters.values()
    )
    return "EC2" if clusters and not has_default else None


def unfit_platform(case, launch_type):
    """Only Fargate has platform versions."""
    if "PlatformVersion" in case and launch_type not in (None, "FARGATE"):
        why = f"LaunchType is {launch_type}" if "LaunchType" in case else "without LaunchType ECS uses EC2"
        message = f"only Fargate has a PlatformVersion, but {why}: leave it out, or set LaunchType: FARGATE"
        yield ("PlatformVersion",), message


def unfit_network(case, launch_type):
    """The network mode awsvpc needs NetworkConfiguration, the others refuse it."""
    name, mode = ecs.definition_name(case.get("TaskDefinition")), mode_of(case)
    has_network = "NetworkConfiguration" in case
    needs = None
    if not has_network and mode == "awsvpc":
        needs = f"{name} has the network mode awsvpc, which needs"
    elif not has_network and launch_type == "FARGATE" and mode is None:
        needs = "a task on Fargate needs"
    if needs:
        yield (), f"{needs} NetworkConfiguration with Subnets: add it, or Service to take it from a service"
    # On Fargate the network mode is what is wrong.
    if has_network and mode in ("bridge", "host", "none", "default") and launch_type != "FARGATE":
        message = f"only the network mode awsvpc takes NetworkConfiguration, but {name} has {mode}"
        yield ("NetworkConfiguration",), f"{message}: leave it out, or set NetworkMode: awsvpc in {name}"


def mode_of(case):
    """The network mode of the definition; None if it is not in this template, or made up by a function."""
    if "definition" not in case:
        return None
    mode = ecs.member(case["definition"], "NetworkMode") or "bridge"
    return mode if isinstance(mode, str) else None


def unfit_definition(case, launch_type):
    """A definition names the launch types that it is made for, and Fargate needs some of its properties."""
    definition, name = case["definition"], ecs.definition_name(case["TaskDefinition"])
    place = ("LaunchType",) if "LaunchType" in case else ()
    made_for = ecs.member(definition, "RequiresCompatibilities")
    known = isinstance(made_for, list) and made_for and all(isinstance(item, str) for item in made_for)
    if known and launch_type and launch_type not in made_for:
        why = f"LaunchType is {launch_type}" if place else f"without LaunchType ECS uses {launch_type}"
        if "CapacityProviderStrategy" in case:
            why = f"the capacity providers are those of {launch_type}"
        message = f"{name} requires {' and '.join(made_for)} (RequiresCompatibilities), but {why}"
        change = f"set LaunchType: {made_for[0]}, or add {launch_type} to RequiresCompatibilities"
        yield place, f"{message}: {change}"
    elif launch_type == "FARGATE":
        mode = mode_of(case)
        if mode not in (None, "awsvpc"):
            change = f"set NetworkMode: awsvpc in {name}"
            yield place, f"Fargate needs the network mode awsvpc, but {name} has {mode}: {change}"
        for size in ("Cpu", "Memory"):
            if ecs.member(definition, size) is None:
                yield (
                    place,
                    f"Fargate needs {size} for the whole task, but {name} has none: set {size} in {name}",
                )
