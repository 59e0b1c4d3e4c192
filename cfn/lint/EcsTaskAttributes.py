"""A rule for cfn-lint: attributes of a Custom::ECSTask that the function does not return."""

import re
import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402


class EcsTaskAttributes(CloudFormationLintRule):
    """cfn-lint itself accepts any attribute of a custom resource."""

    id = "E9102"
    shortdesc = "Check the attributes of Custom::ECSTask"
    description = "An attribute that the function does not return fails the deploy after the task has run"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        tasks = {task.name: task for task in ecs.tasks(cfn)}
        for path, name, attribute in [*get_atts(cfn), *subs(cfn)]:
            if name in tasks and attribute not in ecs.ATTRIBUTES:
                known = ecs.hint(attribute, ecs.ATTRIBUTES) or ": it has " + ", ".join(ecs.ATTRIBUTES)
                yield RuleMatch(path, f"{name} has no attribute {attribute}{known}")
            elif name in tasks and attribute == "Output" and (why := never_returns(tasks[name])):
                yield RuleMatch(path, f"Output of {name} is always empty, because {why}")


def never_returns(task):
    """Why a task has no Output under any combination of conditions; none if it may have one."""
    reasons = {returns_nothing(case) for case in task.cases("ReturnOutput", "Timeout", "WaitHandle")}
    return None if None in reasons else min(reasons, default=None)


def returns_nothing(case):
    """Why there is no Output in one combination of conditions."""
    if str(case.get("ReturnOutput", "false")).lower() in ("false", "no"):
        return "it does not set ReturnOutput: true"
    if ecs.number(case.get("Timeout")) == 0:
        return "Timeout 0 does not wait for the task: raise it"
    if "WaitHandle" in case:
        return "with WaitHandle the resource is complete before the task ends: read Data of the WaitCondition"
    return None


def get_atts(cfn):
    """Path, resource and attribute of each Fn::GetAtt."""
    for *path, value in cfn.search_deep_keys("Fn::GetAtt"):
        parts = value.split(".", 1) if isinstance(value, str) else value
        if isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts):
            yield path, *parts


def subs(cfn):
    """The same of each ${Resource.Attribute} in Fn::Sub."""
    for *path, value in cfn.search_deep_keys("Fn::Sub"):
        text = value[0] if isinstance(value, list) and value else value
        if isinstance(text, str):
            for name, attribute in re.findall(r"\$\{([A-Za-z0-9]+)\.([^}]+)\}", text):
                yield path, name, attribute
