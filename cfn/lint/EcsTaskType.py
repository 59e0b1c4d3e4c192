"""A rule for cfn-lint: types that are nearly Custom::ECSTask."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402


class EcsTaskType(CloudFormationLintRule):
    """With our ServiceToken such a resource works, but these rules and `rehearse` pass over it."""

    id = "E9103"
    shortdesc = "Check types that are nearly Custom::ECSTask"
    description = "A misspelt type hides the resource from these rules and from a rehearsal"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for name, resource in ecs.section(cfn, "Resources").items():
            kind = resource.get("Type") if isinstance(resource, dict) else None
            if not isinstance(kind, str) or kind == ecs.TYPE or not nearly(kind):
                continue
            if not asks_another_function(cfn, resource):
                yield RuleMatch(
                    ["Resources", name, "Type"], f"{name} has the type {kind} (did you mean {ecs.TYPE}?)"
                )


def nearly(kind):
    """Whether one letter is wrong, missing or too many, capitals aside."""
    one, other = sorted([kind.lower(), ecs.TYPE.lower()], key=len)
    if len(other) - len(one) > 1:
        return False
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    return one[same + (len(one) == len(other)) :] == other[same + 1 :]


def asks_another_function(cfn, resource):
    """Whether the ServiceToken is a resource of this template, a function with types of its own."""
    properties = resource.get("Properties")
    token = ecs.references(properties.get("ServiceToken")) if isinstance(properties, dict) else set()
    return bool(token & ecs.section(cfn, "Resources").keys())
