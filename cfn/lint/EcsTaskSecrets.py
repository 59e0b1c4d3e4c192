"""A rule for cfn-lint: references to secrets, which CloudFormation does not resolve in a custom resource."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

MESSAGE = (
    "CloudFormation does not resolve this reference to a secret (secretsmanager or ssm-secure) in a custom "
    "resource: put the secret into Secrets of the container in the task definition"
)
REFERENCES = ("{{resolve:secretsmanager", "{{resolve:ssm-secure")


class EcsTaskSecrets(CloudFormationLintRule):
    """The task would get the text of the reference in place of the secret."""

    id = "E9107"
    shortdesc = "Check Custom::ECSTask for references to secrets"
    description = "CloudFormation does not resolve secretsmanager and ssm-secure in custom resources"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            for path in places(cfn, task.properties, task.path()):
                yield RuleMatch(path, MESSAGE)


def places(cfn, value, path):
    """Where a reference begins, within functions and in the defaults of parameters, too."""
    if isinstance(value, str):
        # Join is the one function that puts a reference together, and its first part has this beginning.
        if any(reference in value for reference in REFERENCES):
            yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(cfn, item, [*path, index])
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                item = ecs.member(ecs.section(cfn, "Parameters"), item, "Default")
            yield from places(cfn, item, [*path, key])
