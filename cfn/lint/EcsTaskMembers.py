"""A rule for cfn-lint: members of a Custom::ECSTask that the function refuses for what they say together."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

# The function adds tags of its own, which begin so.
OWN_TAG_PREFIX = "ecs-tasks:"


class EcsTaskMembers(CloudFormationLintRule):
    """What the schema cannot say."""

    id = "E9109"
    shortdesc = "Check UpdateCriteria and Tags of Custom::ECSTask"
    description = "The function refuses criteria that compare nothing, and tags whose keys begin with ecs-tasks:"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            found = {
                message: path
                for case in task.cases("UpdateCriteria", "Tags")
                for path, message in mistakes(case)
            }
            for message, path in found.items():
                yield RuleMatch(task.path(*path), message)


def mistakes(case):
    """Path and message of each mistake in one combination of conditions."""
    for index, criterion in items(case, "UpdateCriteria"):
        compares_image = str(criterion.get("Image", "")).lower() not in ("", "false", "no")
        if not compares_image and criterion.get("EnvironmentKeys") is None:
            message = f"UpdateCriteria[{index}] compares nothing: set EnvironmentKeys or Image: true"
            yield ("UpdateCriteria", index), message
    for index, tag in items(case, "Tags"):
        key = ecs.member(tag, "Key")
        if isinstance(key, str) and key.startswith(OWN_TAG_PREFIX):
            message = f"the tag {key} begins with {OWN_TAG_PREFIX}, which is for the function's own tags: rename it"
            yield ("Tags", index, "Key"), message


def items(case, name):
    """The objects in a list, each with its index."""
    values = case.get(name)
    return [
        (index, value)
        for index, value in enumerate(values if isinstance(values, list) else [])
        if isinstance(value, dict) and not any(key == "Ref" or key.startswith("Fn::") for key in value)
    ]
