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
STAGES = (
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "RECONCILE_SERVICE",
    "POST_TEST_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
)
# The stages that ECS invokes more than once in a deployment.
REPEATED = {
    "TEST_TRAFFIC_SHIFT": "ECS invokes it again in a rollback",
    "PRE_PRODUCTION_TRAFFIC_SHIFT": "ECS invokes it at each step of the traffic shift",
    "PRODUCTION_TRAFFIC_SHIFT": "ECS invokes it at each step of the traffic shift, and in a rollback",
}
# A minute less than the day for which ECS waits.
LONGEST = 86_340
# A task that is stopped at its Timeout may take its stopTimeout of up to 120 s to end.
STOPPING = 300
LONGEST_HOOK = 1440
# The properties that a hook cannot have, and why: src/properties/hook.rs has the same.
REFUSED = {
    "ServiceToken": "HookTargetArn names the function",
    "ServiceTimeout": "ECS waits as long as TimeoutConfiguration of the hook says",
    "RunOnUpdate": "a hook runs in every deployment",
    "RunOnRollback": "ECS does not invoke the stage in a rollback",
    "UpdateCriteria": "there are no old properties to compare with: a hook runs in every deployment",
    "WaitHandle": "ECS waits for the hook itself",
    "Triggers": "a hook runs in every deployment",
    "NoEcho": "a hook has no attributes",
    "ReturnOutput": "a hook has no attributes",
    "Service": "the task takes network and launch type from the service that is deployed",
    "Instances": "StartTask has no client token, so a second invocation would start a second task",
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
        if isinstance(stage, str) and stage in REPEATED:
            message = f"a task cannot run at the stage {stage}, because {REPEATED[stage]}"
            yield ("LifecycleStages", index), f"{message}: use one of {', '.join(STAGES)}"


def in_details(hook):
    """What is wrong with the text, and around the task."""
    details = hook.details
    if hook.given is None:
        yield f"HookDetails is missing: add HookDetails: {EXAMPLE}"
    elif hook.problem:
        yield f"HookDetails is not valid JSON: {hook.problem}"
    elif hook.is_object:
        yield "HookDetails is an object, but ECS takes a JSON string: put it in quotes, or below HookDetails: |"
    if details is None or is_unknown(details) and not isinstance(details, dict):
        return
    if not isinstance(details, dict):
        yield f"HookDetails must be a JSON object: write HookDetails: {EXAMPLE}"
    elif "ECSTask" not in details:
        meant = next((hint for name in details if (hint := ecs.hint(name, ["ECSTask"]))), "")
        yield f"HookDetails has no ECSTask{meant or f': write HookDetails: {EXAMPLE}'}"
    elif hook.task is None and not is_unknown(details["ECSTask"]):
        yield f"ECSTask must be an object, not {json.dumps(details['ECSTask'])}"


def in_task(hook):
    """What is wrong with the properties of the task."""
    for name, why in REFUSED.items():
        if hook.task.get(name) is not None:
            yield f"ECSTask: {name} cannot be given to a hook: {why}"
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
        yield path, f"TimeoutInMinutes ({minutes}) exceeds {LONGEST_HOOK}, the longest that ECS waits for a function"
    elif timeout is not None and hook.task is not None and minutes * 60 < timeout:
        enough = min(-(-(timeout + STOPPING) // 60), LONGEST_HOOK)
        message = f"TimeoutInMinutes ({minutes}) is shorter than Timeout ({timeout} s), so ECS stops waiting before the task ends"
        yield path, f"{message}. Raise it to {enough}, because a task can take some minutes to stop"
