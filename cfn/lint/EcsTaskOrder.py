"""A rule for cfn-lint: a task that runs after the service whose new image needs its work."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402


class EcsTaskOrder(CloudFormationLintRule):
    """CloudFormation goes on from a service when its new tasks are stable."""

    id = "W9103"
    shortdesc = "Check that Custom::ECSTask runs before the service of the same task definition"
    description = "A task that depends on a service of the same image runs only after that service is stable, or never"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            for name, service in ecs.resources(cfn, "AWS::ECS::Service").items():
                if task.waits_for(name) and runs_the_same(cfn, task, service):
                    by_name = name in ecs.references(task.properties.get("Service"))
                    message = (
                        f"{task.name} waits until {name} is stable with the new image of the same task definition. "
                        f"If that image needs what {task.name} does (a migration), {name} never becomes stable, and "
                        f"{task.name} never runs. Add DependsOn: {task.name} to {name}"
                    )
                    if by_name:
                        message += (
                            f". In {task.name}, set LaunchType and NetworkConfiguration instead of Service, because the "
                            "literal name of a service works only once the service exists"
                        )
                    yield RuleMatch(task.path("Service") if by_name else ["Resources", task.name], message)


def runs_the_same(cfn, task, service):
    """Whether a service runs the task's definition, or one of its family."""
    own, other = task.properties.get("TaskDefinition"), ecs.member(service, "Properties", "TaskDefinition")
    return bool(families(cfn, own) & families(cfn, other))


def families(cfn, definition):
    """The logical ids of the definitions that a value refers to, and the families that it names."""
    known = ecs.resources(cfn, "AWS::ECS::TaskDefinition", among=ecs.references(definition))
    names = [ecs.member(one, "Properties", "Family") for one in known.values()]
    if isinstance(definition, str):
        names.append(definition.split("/")[-1].split(":")[0])
    return set(known) | {name for name in names if isinstance(name, str)}
