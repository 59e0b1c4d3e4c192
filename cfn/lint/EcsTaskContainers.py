"""A rule for cfn-lint: containers that the task definition does not have."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402


class EcsTaskContainers(CloudFormationLintRule):
    """Compares container names with those of the task definition, if it is in the same template."""

    id = "E9105"
    shortdesc = "Check the containers of Custom::ECSTask"
    description = "Overrides, WatchContainers and UpdateCriteria name containers of the task definition"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        found = {}
        for task in ecs.tasks(cfn):
            for case in task.cases("Overrides", "WatchContainers", "UpdateCriteria"):
                known = names_of(case.get("definition"))
                for path, name in named(case):
                    if known is not None and name not in known:
                        has = ecs.hint(name, known) or ": it has " + ", ".join(known)
                        definition = ecs.definition_name(case["TaskDefinition"])
                        found[task.name, name, path] = RuleMatch(
                            task.path(*path), f"{definition} has no container {name}{has}"
                        )
        return list(found.values())


def names_of(definition):
    """The container names of a definition; None where one of them cannot be known."""
    containers = ecs.member(definition, "ContainerDefinitions")
    if not isinstance(containers, list):
        return None
    names = [ecs.member(container, "Name") for container in containers]
    return names if all(isinstance(name, str) for name in names) else None


def named(case):
    """Path and name of each container that the properties name."""
    overrides = ecs.member(case.get("Overrides"), "ContainerOverrides")
    lists = [
        (("Overrides", "ContainerOverrides"), overrides, "Name"),
        (("UpdateCriteria",), case.get("UpdateCriteria"), "Container"),
        (("WatchContainers",), case.get("WatchContainers"), None),
    ]
    for path, items, key in lists:
        for index, item in enumerate(items if isinstance(items, list) else []):
            name = ecs.member(item, key) if key else item
            # WatchContainers takes * for every container.
            if isinstance(name, str) and (key or name != "*"):
                yield (*path, index, *([key] if key else [])), name
