"""A rule for cfn-lint: time limits of a Custom::ECSTask that do not fit each other."""

import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402


class EcsTaskTimes(CloudFormationLintRule):
    """Timeout is ours, ServiceTimeout is CloudFormation's."""

    id = "E9106"
    shortdesc = "Check Timeout and ServiceTimeout of Custom::ECSTask"
    description = "A Timeout longer than ServiceTimeout is never reached: CloudFormation stops waiting first"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        properties = ecs.SCHEMA["properties"]
        for task in ecs.tasks(cfn):
            for case in task.cases("Timeout", "ServiceTimeout", "WaitHandle"):
                timeout = ecs.number(case.get("Timeout"))
                limit = ecs.number(case.get("ServiceTimeout", properties["ServiceTimeout"]["maximum"]))
                # With a WaitHandle the answer does not wait for the task; a Timeout out of range is E9101's.
                if (
                    "WaitHandle" in case
                    or None in (timeout, limit)
                    or timeout > properties["Timeout"]["maximum"]
                ):
                    continue
                longest = properties["ServiceTimeout"]["maximum"]
                if timeout > longest:
                    message = (
                        f"Timeout ({timeout} s) exceeds {longest} s, the longest that CloudFormation waits for a "
                        "custom resource: lower it, or use WaitHandle with a WaitCondition"
                    )
                    yield RuleMatch(task.path("Timeout"), message)
                    break
                if timeout > limit:
                    message = (
                        f"Timeout ({timeout} s) is longer than ServiceTimeout ({limit} s), so CloudFormation stops "
                        f"waiting before the task ends: raise ServiceTimeout to at least {min(timeout + 30, 3600)}"
                    )
                    yield RuleMatch(task.path("Timeout"), message)
                    break
