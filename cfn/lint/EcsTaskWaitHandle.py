"""A rule for cfn-lint: a WaitHandle of a Custom::ECSTask, and the condition that waits for it."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

HANDLE, CONDITION = "AWS::CloudFormation::WaitConditionHandle", "AWS::CloudFormation::WaitCondition"


class EcsTaskWaitHandle(CloudFormationLintRule):
    """With a WaitHandle the resource completes when its task has started; the condition waits for its end."""

    id = "E9108"
    shortdesc = "Check WaitHandle of Custom::ECSTask"
    description = "Without a WaitCondition nothing waits for the task, and the deploy succeeds even if the task fails"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            names = ecs.references(task.properties.get("WaitHandle"))
            for name in sorted(names & ecs.section(cfn, "Resources").keys()):
                for message in mistakes(cfn, task, name):
                    yield RuleMatch(task.path("WaitHandle"), message)


# A task that is stopped at its Timeout may take its stopTimeout of up to 120 s to end.
STOPPING = 300
# The longest that a condition waits.
LONGEST = 43_200


def enough(timeout):
    """How long a condition waits for a task with this Timeout, also where the task is stopped at it."""
    return timeout and min(timeout + STOPPING, LONGEST)


def mistakes(cfn, task, handle):
    """What is wrong with this handle and its condition."""
    if not ecs.resources(cfn, HANDLE, among={handle}):
        yield f"WaitHandle is {handle}, which is not an {HANDLE}: set it to !Ref of one"
        return
    timeout = ecs.number(task.properties.get("Timeout", 290))
    waiting = {
        name: ecs.member(condition, "Properties", "Timeout")
        for name, condition in ecs.resources(cfn, CONDITION).items()
        if handle in ecs.references(ecs.member(condition, "Properties", "Handle"))
    }
    if not waiting:
        yield (
            f"no {CONDITION} waits for {handle}, so the deploy continues while the task still runs: add one "
            f"with Handle: !Ref {handle}, DependsOn: {task.name} and Timeout: {enough(timeout) or 'that of the task'}"
        )
    for name, condition_timeout in waiting.items():
        limit = ecs.number(condition_timeout)
        if limit is not None and timeout is not None and limit < timeout:
            wanted = f"raise it to {enough(timeout)}, because a task can take some minutes to stop and to be reported"
            yield f"Timeout of {name} is {limit} s, below the {timeout} s of {task.name}: {wanted}"
        if not ecs.depends(cfn, name, task.name):
            yield f"{name} can start to wait before {task.name} has started: add DependsOn: {task.name} to {name}"
