"""The same lives of stacks in ministack's CloudFormation and in `rehearse`, side by side."""

import dataclasses
import json
import os
import re
import subprocess

import cdk_app
from harness import ACCOUNT, ALARMS, CODE, DEBUG, REGION, SECRETS, Aws, Operation, template, until

# The rehearsal's line of an event: time, status, resource, reason.
LINE = re.compile(r"\d\d:\d\d:\d\d  ([A-Z_]+)\s+(\S+)\s*(.*)")
# CloudFormation puts this before an answer's Reason, ministack does not.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
PREFIX = "Received response status [FAILED] from custom resource. Message returned: "
OURS = ("Custom::ECSTask", "AWS::CloudFormation::WaitCondition")


@dataclasses.dataclass
class Step:
    """An operation on a stack: its parameters and its template, which a delete has not."""

    name: str
    parameters: dict
    body: dict | None


@dataclasses.dataclass
class Life:
    """Operations on a stack, after which it is deleted. The stack has the life's name if it has none of its own."""

    name: str
    template: str
    steps: list
    stack: str = ""

    def __post_init__(self):
        self.stack = self.stack or self.name


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
    made["Resources"][cdk_app.named(of, "AWS::ECS::Cluster")].setdefault("Properties", {})["ClusterName"] = "another"
    return made


def released(of: dict) -> dict:
    """The next release of cfn/long.yml, as its own comment says."""
    return json.loads(json.dumps(of).replace("MigrateV1", "MigrateV2"))


def failing(of: dict) -> dict:
    """The template of a long migration that fails."""
    return json.loads(json.dumps(of).replace("sleep 1", "exit 3"))


def lives() -> list:
    """The lives of our templates."""
    example, long = template("example"), template("long")
    first = {"SchemaVersion": "1"}
    return [
        Life("updates", "example", [Step("create", first, example), Step("update", {"SchemaVersion": "2"}, example)]),
        Life(
            "rolls-back",
            "example",
            [Step("create", first, example), Step("failing update", {"SchemaVersion": "1", "FailAt": "1"}, example)],
        ),
        Life("replaces", "example", [Step("create", first, example), Step("replacement", first, replaced(example))]),
        Life("fails", "example", [Step("failing create", {"FailAt": "1"}, example)]),
        Life("long", "long", [Step("create", {}, long), Step("update", {}, released(long))]),
        Life("long-fails", "long", [Step("failing create", {}, failing(long))]),
    ]


def lives_of_cdk() -> list:
    """The lives of the CDK app. Physical names have the name of its stack, so the stack is the same in each life."""
    shop = cdk_app.template()
    create, fails = Step("create", {}, shop), {"MigrationFails": "yes"}
    lives = {
        "cdk-updates": [create, Step("update", {"Release": "2"}, shop)],
        "cdk-rolls-back": [create, Step("failing update", {"Release": "2", **fails}, shop)],
        "cdk-fails": [Step("failing create", fails, shop)],
        # The cluster alone is no criterion of the app for a migration.
        "cdk-replaces": [create, Step("replacement", {"Release": "2"}, replaced(shop))],
    }
    return [Life(name, "cdk", steps, cdk_app.STACK) for name, steps in lives.items()]


class Rehearsed:
    """What `rehearse` says of a life."""

    def __init__(self, folder, life: Life):
        first, *next_steps = life.steps
        folder = folder / life.name
        folder.mkdir()
        # The file gives the stack its name.
        path = folder / f"{life.stack}.json"
        path.write_text(json.dumps(first.body), encoding="utf-8")
        arguments = [DEBUG / "rehearse", path, *options("--parameter", first.parameters)]
        for step in next_steps:
            again = folder / "next.json"
            again.write_text(json.dumps(step.body), encoding="utf-8")
            changed = {key: value for key, value in step.parameters.items() if first.parameters.get(key) != value}
            arguments += ["--update-template", again, *options("--update", changed)]
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **SECRETS}
        )
        self.life = life

    def read(self):
        """Waits for its end, and splits what it says into operations."""
        self.text, _ = self.process.communicate(timeout=120)
        if self.process.returncode not in (0, 1):
            raise AssertionError(f"rehearse {self.life.name}:\n{self.text}")
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


def live(aws: Aws, life: Life, after_each=lambda _calls: None) -> list:
    """Lives it in both worlds; the rows of its operations. `after_each` gets the calls of each operation."""
    rehearsed = Rehearsed(aws.folder, life)
    done = []
    try:
        for step in [*life.steps, Step("delete", {}, None)]:
            before = len(aws.recorder.calls)
            operation = aws.operate(life.stack, step.body, **step.parameters)
            done.append((step.name, step.body or life.steps[-1].body, operation))
            after_each(aws.recorder.calls[before:])
    finally:
        rehearsed.read()
    rows = [
        Row(life.template, f"{life.name}: {step}", "ministack", compare(aws, operation, body, rehearsed, number))
        for number, (step, body, operation) in enumerate(done)
    ]
    tasks = sum(len(operation.tasks) for _, _, operation in done)
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


def compare(aws: Aws, operation: Operation, body: dict, rehearsed: Rehearsed, number: int) -> list:
    """Where the two worlds differ about one operation."""
    found = []
    said = rehearsed.operations[number]
    stack = rehearsed.life.stack
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
    if operation.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        found += compare_outputs(aws, operation, said["printed"])
    return found


def compare_outputs(aws: Aws, operation: Operation, printed: list) -> list:
    """Where the attributes that a template puts out differ from the tasks, and from what these printed in the rehearsal."""
    found, outputs = [], operation.outputs
    last, task = printed[-1] if printed else "", operation.tasks[-1] if operation.tasks else ""
    if outputs.get("MigratedTo", last) != last:
        found.append(f"Output is {outputs['MigratedTo']!r}, and {last!r} was printed last in the rehearsal")
    if outputs.get("MigrationTask", task) != task:
        found.append(f"TaskArn is {outputs['MigrationTask']!r}, and the task is {task!r}")
    if "MigrationLog" in outputs:
        group, stream = outputs["MigrationLog"].split(" ")
        logged = aws.logged(group, stream) if stream else []
        if logged != printed:
            found.append(f"the log {group} {stream} has {logged}, and {printed} was printed in the rehearsal")
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
    """Failed tasks are alerted: ECS's events by EventBridge and SQS, the alert by SNS.

    Those of one kind are one message (docs/monitor.md, A storm is one message). The lives of the CDK app have one cluster.
    """
    reasons = [one["Reason"] for one in aws.recorder.answers if one.get("Status") in ("FAILED", "FAILURE")]
    kinds = {re.search(r"exited with code \d+.*\btask/([\w-]+)/", reason, re.DOTALL) for reason in reasons}
    failed = len({kind[1] for kind in kinds if kind})
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
            [] if alerts == failed else [f"{alerts} alerts about failed tasks in {failed} clusters"],
        )
    ]
