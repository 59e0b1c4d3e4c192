"""The same lives of stacks in ministack's CloudFormation and in `rehearse`, side by side."""

import dataclasses
import json
import re
import subprocess

from harness import ACCOUNT, ALARMS, CODE, DEBUG, REGION, Aws, Operation, template, until

# The rehearsal's line of an event: time, status, resource, reason.
LINE = re.compile(r"\d\d:\d\d:\d\d  ([A-Z_]+)\s+(\S+)\s*(.*)")
# CloudFormation puts this before an answer's Reason, ministack does not.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
PREFIX = "Received response status [FAILED] from custom resource. Message returned: "
OURS = ("Custom::ECSTask", "AWS::CloudFormation::WaitCondition")


@dataclasses.dataclass
class Step:
    """An operation on a stack: its parameters, and the template if it is another one."""

    name: str
    parameters: dict
    body: dict


@dataclasses.dataclass
class Row:
    """One line of the table."""

    template: str
    operation: str
    judge: str
    differences: list


def replaced(of: dict) -> dict:
    """The template with a cluster of another name, which CloudFormation makes anew and then deletes the old one."""
    made = json.loads(json.dumps(of))
    made["Resources"]["Cluster"].setdefault("Properties", {})["ClusterName"] = "another"
    return made


def released(of: dict) -> dict:
    """The next release of cfn/long.yml, as its own comment says."""
    return json.loads(json.dumps(of).replace("MigrateV1", "MigrateV2"))


def failing(of: dict) -> dict:
    """The template of a long migration that fails."""
    return json.loads(json.dumps(of).replace("sleep 1", "exit 3"))


def lives() -> list:
    """Each life: its name, the template's name, and its operations after which the stack is deleted."""
    example, long = template("example"), template("long")
    first = {"SchemaVersion": "1"}
    return [
        ("updates", "example", [Step("create", first, example), Step("update", {"SchemaVersion": "2"}, example)]),
        (
            "rolls-back",
            "example",
            [Step("create", first, example), Step("failing update", {"SchemaVersion": "1", "FailAt": "1"}, example)],
        ),
        ("replaces", "example", [Step("create", first, example), Step("replacement", first, replaced(example))]),
        ("fails", "example", [Step("failing create", {"FailAt": "1"}, example)]),
        ("long", "long", [Step("create", {}, long), Step("update", {}, released(long))]),
        ("long-fails", "long", [Step("failing create", {}, failing(long))]),
    ]


class Rehearsed:
    """What `rehearse` says of a life."""

    def __init__(self, folder, name: str, steps: list):
        first, *next_steps = steps
        path = folder / f"{name}.json"
        path.write_text(json.dumps(first.body), encoding="utf-8")
        arguments = [DEBUG / "rehearse", path, *options("--parameter", first.parameters)]
        for step in next_steps:
            again = folder / f"{name}-next.json"
            again.write_text(json.dumps(step.body), encoding="utf-8")
            changed = {key: value for key, value in step.parameters.items() if first.parameters.get(key) != value}
            arguments += ["--update-template", again, *options("--update", changed)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.name, self.steps = name, steps

    def read(self):
        """Waits for its end, and splits what it says into operations."""
        self.text, _ = self.process.communicate(timeout=120)
        if self.process.returncode not in (0, 1):
            raise AssertionError(f"rehearse {self.name}:\n{self.text}")
        self.operations = []
        for line in self.text.splitlines():
            event = LINE.match(line)
            if event and event[3] == "User Initiated":
                self.operations.append({"events": [], "printed": []})
            if event:
                self.operations[-1]["events"].append(event.groups())
            elif " | " in line:
                self.operations[-1]["printed"].append(line.split(" | ", 1)[1])
        runs = re.search(r"\bRunTask (\d+)", self.text.splitlines()[-1])
        self.tasks = int(runs[1]) if runs else 0

    def of(self, number: int, logical_id: str) -> list:
        """The events of a resource in an operation: status and reason."""
        return [(status, reason) for status, name, reason in self.operations[number]["events"] if name == logical_id]


def options(flag: str, values: dict) -> list:
    """The command line's form of parameters."""
    return [part for key, value in values.items() for part in (flag, f"{key}={value}")]


def plain(reason: str) -> str:
    """A reason without what each world makes up: ids, the names of what it made."""
    reason = reason.removeprefix(PREFIX)
    reason = re.sub(r"\b[0-9a-f]{32}\b", "TASK", reason)
    reason = re.sub(r"(task/)[\w-]+(/TASK)", r"\1CLUSTER\2", reason)
    return re.sub(r"(log group )[^ ,]+", r"\1GROUP", reason)


def live(aws: Aws, name: str, of: str, steps: list) -> list:
    """Lives it in both worlds; the rows of its operations."""
    rehearsed = Rehearsed(aws.folder, name, steps)
    done = []
    try:
        for step in steps:
            done.append((step.name, step.body, aws.operate(name, step.body, **step.parameters)))
        done.append(("delete", steps[-1].body, aws.operate(name)))
    finally:
        rehearsed.read()
    rows = [
        Row(of, f"{name}: {step}", "ministack", compare(operation, body, rehearsed, number))
        for number, (step, body, operation) in enumerate(done)
    ]
    tasks = sum(operation.tasks for _, _, operation in done)
    if tasks != rehearsed.tasks:
        rows[-1].differences.append(f"{tasks} tasks ran, and {rehearsed.tasks} in the rehearsal")
    ids = {
        (one["LogicalResourceId"], one["PhysicalResourceId"])
        for *_, op in done
        for one in op.answers
        if "PhysicalResourceId" in one
    }
    for logical_id in {logical_id for logical_id, _ in ids}:
        if sum(known == logical_id for known, _ in ids) != 1:
            rows[-1].differences.append(f"{logical_id} has changed its physical id: {sorted(ids)}")
    return rows


def compare(operation: Operation, body: dict, rehearsed: Rehearsed, number: int) -> list:
    """Where the two worlds differ about one operation."""
    found = []
    said = rehearsed.operations[number]
    stack = rehearsed.name
    final = [status for status, name, _ in said["events"] if name == stack][-1]
    if operation.status != final:
        found.append(f"the stack is {operation.status}, and {final} in the rehearsal")
    names = {event["LogicalResourceId"] for event in operation.events if event.get("ResourceType") in OURS}
    names |= {name for name, one in body["Resources"].items() if one["Type"] in OURS}
    for name in sorted(names):
        here, there = operation.statuses(name), [status for status, _ in rehearsed.of(number, name)]
        if here != there:
            found.append(f"{name}: {' '.join(here)}, and {' '.join(there)} in the rehearsal")
        reasons = [plain(reason) for reason in operation.reasons(name)]
        expected = [plain(reason) for status, reason in rehearsed.of(number, name) if status.endswith("_FAILED")]
        if reasons != expected:
            found.append(f"{name}: {reasons}, and {expected} in the rehearsal")
    if "MigratedTo" in operation.outputs and operation.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        last = said["printed"][-1] if said["printed"] else ""
        if operation.outputs["MigratedTo"] != last:
            found.append(f"Output is {operation.outputs['MigratedTo']!r}, and {last!r} was printed last in the rehearsal")
    return found


# What is deployed once: the stack, its parameters, those of an update, and what a failing resource comes after.
DEPLOYED = {
    "provider": ("ecs-tasks", {"CodeBucket": CODE, "AlarmTopic": ALARMS}, {"LogLevel": "DEBUG"}, "Errors"),
    "monitor": ("ecs-events", {"CodeBucket": CODE}, {"LogLevel": "DEBUG"}, "FunctionErrors"),
    "alert": ("ecs-alert", {}, {"Clusters": "prod-*"}, "TaskFailed"),
}


def deploy(aws: Aws) -> list:
    """What is deployed once is created and updated; the rows."""
    return [
        Row(name, step, "ministack", ended(aws.operate(stack, template(name), **given, **more), f"{step.upper()}_COMPLETE"))
        for name, (stack, given, changed, _) in DEPLOYED.items()
        for step, more in (("create", {}), ("update", changed))
    ]


def update_deployed(aws: Aws) -> list:
    """An update of each of these that fails when it has come far, and is rolled back."""
    rows = []
    for name, (stack, given, changed, after) in DEPLOYED.items():
        body = template(name)
        function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:missing"
        body["Resources"]["Broken"] = {
            "Type": "Custom::Broken",
            "DependsOn": after,
            "Properties": {"ServiceToken": function},
        }
        operation = aws.operate(stack, body, **given, **{key: "TRACE" if key == "LogLevel" else "*" for key in changed})
        rows.append(Row(name, "failing update", "ministack", ended(operation, "UPDATE_ROLLBACK_COMPLETE")))
    return rows


def delete_deployed(aws: Aws) -> list:
    """The end of each of these."""
    return [
        Row(name, "delete", "ministack", ended(aws.operate(stack), "DELETE_COMPLETE"))
        for name, (stack, *_) in DEPLOYED.items()
    ]


def ended(operation: Operation, status: str) -> list:
    """What is wrong with an operation that should end so."""
    failed = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in operation.events
        if event["ResourceStatus"].endswith("_FAILED") and event["LogicalResourceId"] != "Broken"
    ]
    return failed + ([] if operation.status == status else [f"the stack is {operation.status} and not {status}"])


def monitored(aws: Aws) -> list:
    """Each task that failed is alerted once: ECS's events by EventBridge and SQS, the alert by SNS."""
    failed = sum(
        answer.get("Status") in ("FAILED", "FAILURE") and "exited with code" in answer["Reason"]
        for answer in aws.recorder.answers
    )
    published = lambda: [call for call in aws.recorder.calls if call.service == "sns"]
    try:
        until(lambda: len(published()) >= failed, "the alerts", 20)
    except AssertionError:
        pass
    alerts = len(published())
    return [
        Row(
            "monitor",
            "events of failed tasks",
            "ministack",
            [] if alerts == failed else [f"{alerts} alerts about {failed} failed tasks"],
        )
    ]
