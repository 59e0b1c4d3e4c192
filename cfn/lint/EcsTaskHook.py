"""A rule for cfn-lint: lifecycle hooks of services that run a task."""

import json
import sys
from pathlib import Path

from cfnlint.jsonschema import CfnTemplateValidator
from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402
from _ecs_containers import unknown  # noqa: E402
from _ecs_hook import hooks, is_unknown  # noqa: E402
from _ecs_messages import say  # noqa: E402

EXAMPLE = """'{"ECSTask": {"Overrides": {"ContainerOverrides": [{"Name": "app", "Command": ["migrate"]}]}}}'"""
STAGES = "PRE_SCALE_UP, POST_SCALE_UP, RECONCILE_SERVICE, POST_TEST_TRAFFIC_SHIFT or POST_PRODUCTION_TRAFFIC_SHIFT"
SHIFTS = ("TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
# A day, less the minute in which the function answers.
LONGEST = 86_340
# A task that is stopped at its Timeout may take its stopTimeout of up to 120 s to end.
STOPPING = 300
LONGEST_HOOK = 1440
EVERY_DEPLOYMENT = "a hook runs in every deployment of its service"
NO_VALUES = "a hook returns no values"
# The properties that a hook does not have, and why.
REFUSED = {
    "Instances": "StartTask has no client token, and an invocation that comes twice would start a second task",
    "NoEcho": NO_VALUES,
    "ReturnOutput": NO_VALUES,
    "RunOnRollback": "ECS decides which stages it invokes in a rollback",
    "RunOnUpdate": EVERY_DEPLOYMENT,
    "Service": "the service is the one that is deployed",
    "ServiceTimeout": "ECS has TimeoutConfiguration of the hook for it",
    "ServiceToken": "HookTargetArn names the function",
    "Triggers": EVERY_DEPLOYMENT,
    "UpdateCriteria": EVERY_DEPLOYMENT,
    "WaitHandle": "ECS waits for a hook for up to a day",
}


def schema():
    """The schema of a hook's task."""
    properties = {name: one for name, one in ecs.SCHEMA["properties"].items() if name not in REFUSED}
    properties["Timeout"] = properties["Timeout"] | {"minimum": 1, "maximum": LONGEST}
    return ecs.SCHEMA | {"properties": properties, "required": []}


SCHEMA = schema()


class EcsTaskHook(CloudFormationLintRule):
    """ECS takes any details, and the function refuses them in the deployment."""

    id = "E9110"
    shortdesc = "Check lifecycle hooks that run a task"
    description = "A hook with wrong details, stages or limits fails the deployments of its service"
    tags = ["resources", "ecs", "hook"]

    def match(self, cfn):
        found = {}
        for hook in hooks(cfn):
            for within, message in mistakes(hook):
                found[hook.service, hook.index, message] = RuleMatch(hook.path(*within), message)
        return list(found.values())


def mistakes(hook):
    """Path and message of each mistake."""
    yield from stages(hook)
    yield from ((("HookDetails",), message) for message in in_details(hook))
    if hook.task is not None:
        yield from ((("HookDetails",), message) for message in in_task(hook))
    yield from limits(hook)


def stages(hook):
    """Stages that the function refuses."""
    listed = hook.hook.get("LifecycleStages")
    for index, stage in enumerate(listed if isinstance(listed, list) else []):
        if stage in SHIFTS:
            message = f"{stage} is invoked again and again while traffic shifts or in a rollback: use {STAGES}"
            yield ("LifecycleStages", index), message


def in_details(hook):
    """What is wrong with the text, and around the task."""
    details = hook.details
    if hook.given is None:
        yield f"HookDetails is missing: give HookDetails: {EXAMPLE}"
    elif hook.problem:
        yield f"HookDetails is no JSON: {hook.problem}"
    elif hook.is_object:
        yield "HookDetails is an object, and ECS takes JSON in a text: put it into quotes, or below HookDetails: |"
    if details is None or is_unknown(details) and not isinstance(details, dict):
        return
    if not isinstance(details, dict):
        yield f"HookDetails must be a JSON object: give HookDetails: {EXAMPLE}"
    elif "ECSTask" not in details:
        meant = next((hint for name in details if (hint := ecs.hint(name, ["ECSTask"]))), "")
        yield f"HookDetails has no ECSTask{meant or f': give HookDetails: {EXAMPLE}'}"
    elif hook.task is None and not is_unknown(details["ECSTask"]):
        yield f"ECSTask must be an object, not {json.dumps(details['ECSTask'])}"


def in_task(hook):
    """What is wrong with the properties of the task."""
    for name in REFUSED:
        if name in hook.task:
            yield f"{name} is not for hooks, since {REFUSED[name]}: leave it out"
    task = {name: value for name, value in hook.task.items() if name not in REFUSED}
    validator = CfnTemplateValidator(SCHEMA)
    validator = validator.evolve(context=validator.context.evolve(strict_types=False))
    for error in validator.iter_errors(task):
        # A member that is given in both spellings is reported at each; once is enough.
        is_second = error.validator == "requiredXor" and error.path and error.path[-1] == error.validator_value[1]
        is_known = isinstance(error.instance, (dict, list)) or not is_unknown(error.instance)
        if is_known and not is_second:
            yield f"ECSTask: {say(error)}"
    name, definition = hook.definition()
    yield from (message for _, message in unknown(task, name, definition))


def limits(hook):
    """A hook that ECS gives up before its task may end."""
    minutes = ecs.number(ecs.member(hook.hook, "TimeoutConfiguration", "TimeoutInMinutes"))
    timeout = ecs.number((hook.task or {}).get("Timeout", SCHEMA["properties"]["Timeout"].get("default", 290)))
    if minutes is None:
        return
    path = ("TimeoutConfiguration", "TimeoutInMinutes")
    if minutes > LONGEST_HOOK:
        yield path, f"TimeoutInMinutes of {minutes} is above {LONGEST_HOOK}, which is as long as ECS waits for a function"
    elif timeout is not None and hook.task is not None and minutes * 60 < timeout:
        enough = min(-(-(timeout + STOPPING) // 60), LONGEST_HOOK)
        message = f"TimeoutInMinutes of {minutes} is below Timeout of {timeout} s: ECS would not wait for the task"
        yield path, f"{message}. Raise it to {enough}, since a task takes some minutes to stop"
