"""A rule for cfn-lint: containers that the task definition does not have."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402
from _ecs_containers import unknown  # noqa: E402


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
                name = ecs.definition_name(case.get("TaskDefinition"))
                for path, message in unknown(case, name, case.get("definition")):
                    found[task.name, path, message] = RuleMatch(task.path(*path), message)
        return list(found.values())
