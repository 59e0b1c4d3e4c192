"""A rule for cfn-lint: a task that can start before its roles have their policies."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

POLICIES = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
ROLES = ("ExecutionRoleArn", "TaskRoleArn")


class EcsTaskRole(CloudFormationLintRule):
    """A reference to a role waits for the role only, not for policies that are resources of their own."""

    id = "W9101"
    shortdesc = "Check that Custom::ECSTask waits for the policies of its roles"
    description = "A task that starts before its roles have their policies may be unable to pull its image or read its secrets"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            late = sorted(
                name
                for name, policy in ecs.resources(cfn, *POLICIES).items()
                if belongs(policy, roles_of(cfn, task))
                and not task.waits_for(name)
                # A policy that depends on the task cannot come first.
                and not ecs.depends(cfn, name, task.name)
            )
            if late:
                names = ", ".join(late)
                message = (
                    f"{task.name} can start before its roles have their policies ({names}), so the task may be unable "
                    f"to pull its image, read its secrets or do its work. Add {names} to DependsOn of {task.name}"
                )
                yield RuleMatch(["Resources", task.name], message)


def roles_of(cfn, task):
    """The roles of this template that the task has."""
    values = [ecs.member(task.properties, "Overrides", role) for role in ROLES]
    values += [
        ecs.member(definition, "Properties", role) for definition in task.definitions() for role in ROLES
    ]
    return ecs.resources(cfn, "AWS::IAM::Role", among=ecs.references(values))


def belongs(policy, roles):
    """Whether a policy is attached to one of these roles."""
    attached = [ecs.member(policy, "Properties", name) for name in ("RoleName", "Roles")]
    names = {ecs.member(role, "Properties", "RoleName") for role in roles.values() if is_named(role)}
    listed = attached[1] if isinstance(attached[1], list) else []
    texts = {text for text in [attached[0], *listed] if isinstance(text, str)}
    return bool(ecs.references(attached) & roles.keys() or texts & names)


def is_named(role):
    return isinstance(ecs.member(role, "Properties", "RoleName"), str)
