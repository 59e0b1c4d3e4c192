"""A stack of CloudFormation: its state, its change set, and its events as they come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from ecs_tasks.account import Account, Client
from ecs_tasks.problem import (
    AWS_ERRORS,
    Problem,
    Refused,
    code,
    explain,
    is_denied,
    may_pass,
    message,
    missing_permission,
)
from ecs_tasks.template import Template
from ecs_tasks.terminal import BOLD, GREEN, RED, YELLOW, Terminal, lasted

Answer = TypeVar("Answer")

# Seconds between two looks.
PAUSE = 3.0
# So many looks in a row may fail before the watching ends.
PATIENCE = 20
READY_TO_UPDATE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)
# A create that failed leaves a stack that holds nothing and can only be deleted.
EMPTY_LEFTOVER = "ROLLBACK_COMPLETE"
UNEXECUTED = "REVIEW_IN_PROGRESS"
# The description of every change set of `ecs-tasks deploy`.
CHANGE_SET_MARK = "ecs-tasks deploy"
SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE")


@dataclass
class Stack:
    name: str
    id: str
    status: str
    reason: str = ""
    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    is_protected: bool = False


def describe(account: Account, name_or_id: str) -> Stack | None:
    try:
        [one] = account.cloudformation.describe_stacks(StackName=name_or_id)["Stacks"]
    except ClientError as error:
        if code(error) == "ValidationError" and "does not exist" in message(error):
            return None
        raise
    outputs = one.get("Outputs", [])
    return Stack(
        name=one["StackName"],
        id=one["StackId"],
        status=one["StackStatus"],
        reason=one.get("StackStatusReason") or "",
        description=(one.get("Description") or "").strip(),
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in one.get("Parameters", [])},
        outputs={each["OutputKey"]: each["OutputValue"] for each in outputs},
        exports={each["OutputKey"]: each["ExportName"] for each in outputs if each.get("ExportName")},
        tags={each["Key"]: each["Value"] for each in one.get("Tags", [])},
        is_protected=bool(one.get("EnableTerminationProtection")),
    )


def template_of(account: Account, stack: Stack) -> Template | None:
    """The template that the stack has; None if it cannot be read."""
    try:
        body = account.cloudformation.get_template(StackName=stack.id, TemplateStage="Original")["TemplateBody"]
    except ClientError as error:
        if is_denied(error):
            return None
        raise
    return Template.parse(body) if isinstance(body, str) else Template("", dict(body))


def refuse_state(stack: Stack, account: Account) -> None:
    """Raises an error with the way out of a state in which no deploy can begin."""
    aws = f"--stack-name {stack.name} --region {account.region}"
    begin = f"stack {stack.name} is {stack.status}"
    match stack.status:
        case "UPDATE_ROLLBACK_FAILED":
            step = f"fix the cause in its events, then run: aws cloudformation continue-update-rollback {aws}"
        case "UPDATE_FAILED":
            step = f"roll it back: aws cloudformation rollback-stack {aws}"
        case "CREATE_FAILED" | "ROLLBACK_FAILED" | "DELETE_FAILED":
            step = f"delete it (its events show what prevents that), then deploy again: aws cloudformation delete-stack {aws}"
        case status if status.endswith("_IN_PROGRESS"):
            step = (
                "another operation is in progress. Wait until it ends, then run the same command. "
                f"Follow it with: aws cloudformation describe-stack-events {aws}"
            )
        case _:
            step = (
                "CloudFormation cannot update a stack in this state. Look at it with: "
                f"aws cloudformation describe-stacks {aws}"
            )
    why = f" ({stack.reason})" if stack.reason else ""
    raise Refused(f"{begin}{why}: {step}")


def refuse_foreign_change_sets(account: Account, stack: Stack) -> None:
    """A stack that was never executed holds nothing and may have no description: its change sets say whose it is."""
    pages = account.cloudformation.get_paginator("list_change_sets").paginate(StackName=stack.id)
    summaries = [one for page in pages for one in page["Summaries"]]
    foreign = [one["ChangeSetName"] for one in summaries if one.get("Description") != CHANGE_SET_MARK]
    if foreign:
        raise Refused(
            f"stack {stack.name} is REVIEW_IN_PROGRESS with the change set {foreign[0]}, which deploy did not create. "
            "The stack was left unchanged: choose another name with --stack-name"
        )


@dataclass
class Change:
    action: str
    logical_id: str
    type: str
    replacement: str

    @property
    def loses(self) -> bool:
        """True if the content of the resource may be lost."""
        return self.action == "Remove" or self.replacement == "True"

    def __str__(self) -> str:
        replaced = {"True": ", replaced by a new one", "Conditional": ", perhaps replaced by a new one"}
        return f"{self.action.lower()} {self.logical_id} ({self.type}){replaced.get(self.replacement, '')}"


NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def request_changes(account: Account, name: str, request: dict[str, Any]) -> tuple[str, str] | None:
    """The IDs of the change set and of its stack, at once: CloudFormation has not computed it yet. None: nothing differs."""
    try:
        answer = account.cloudformation.create_change_set(StackName=name, **request)
    except ClientError as error:
        if any(words in message(error) for words in NO_CHANGES):
            return None
        raise
    return str(answer["Id"]), str(answer["StackId"])


def changes_of(
    account: Account, change_set: str, pause: Callable[[float], None], terminal: Terminal
) -> list[Change] | None:
    """Waits until CloudFormation has computed the change set. None: nothing differs. Without a change of a resource the
    outputs may differ.
    """
    began = terminal.now()
    while True:
        answer = patiently(
            lambda: account.cloudformation.describe_change_set(ChangeSetName=change_set), account, pause, terminal
        )
        if answer["Status"] == "CREATE_COMPLETE":
            break
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason") or ""
            if any(words in reason for words in NO_CHANGES):
                return None
            raise Problem(f"CloudFormation cannot compute the changes: {reason or 'it does not say why'}")
        terminal.progress(f"CloudFormation is computing the changes, {lasted(terminal.now() - began)}")
        pause(PAUSE)
    found = list(answer["Changes"])
    while token := answer.get("NextToken"):
        answer = account.cloudformation.describe_change_set(ChangeSetName=change_set, NextToken=token)
        found += answer["Changes"]
    changes = []
    for one in (each["ResourceChange"] for each in found if each.get("Type", "Resource") == "Resource"):
        kind = (one["Action"], one["LogicalResourceId"], one["ResourceType"])
        changes.append(Change(*kind, replacement=one.get("Replacement") or ""))
    return changes


class Watch:
    """Shows the events of one operation, and tells when it is over."""

    def __init__(
        self, account: Account, stack_id: str, terminal: Terminal, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.account, self.stack_id, self.terminal, self.pause = account, stack_id, terminal, pause
        self.seen: set[str] = set()
        self.cause: str | None = None
        self.can_see_events = True
        # The status in the newest event of the stack itself.
        self.status: str | None = None
        self.began = terminal.now()
        self.started: dict[str, float] = {}
        self.seen = {event["EventId"] for event in self.new_events(is_first=True)}

    def new_events(self, is_first: bool = False) -> list[dict[str, Any]]:
        """The oldest first. The first look takes one page: all before it is an earlier operation's."""
        if not self.can_see_events:
            return []
        fresh: list[dict[str, Any]] = []
        try:
            for page in pages(self.account.cloudformation, self.stack_id):
                fresh += (event for event in page if event["EventId"] not in self.seen)
                if is_first or any(event["EventId"] in self.seen for event in page):
                    break
        except ClientError as error:
            if not is_denied(error):
                raise
            self.can_see_events = False
            self.terminal.say(
                "  (Cannot show events without cloudformation:DescribeStackEvents; showing only the stack's status.)"
            )
        return fresh[::-1]

    def wait(self) -> Stack:
        """The stack at the end of the operation."""
        looks_at_end = 0
        while True:
            for event in patiently(self.new_events, self.account, self.pause, self.terminal):
                self.show(event)
            stack = patiently(lambda: describe(self.account, self.stack_id), self.account, self.pause, self.terminal)
            if stack is None:
                return Stack(self.stack_id, self.stack_id, "DELETE_COMPLETE")
            # CloudFormation may still show the state before the operation; an event of the stack shows that it began.
            is_over = not stack.status.endswith("_IN_PROGRESS")
            looks_at_end = looks_at_end + 1 if is_over else 0
            if is_over and (self.status == stack.status or looks_at_end > PATIENCE):
                self.terminal.clear()
                return stack
            self.terminal.progress(f"{stack.status}, {lasted(self.terminal.now() - self.began)}{self.under_way()}")
            self.pause(PAUSE)

    def under_way(self) -> str:
        names = sorted(self.started, key=self.started.__getitem__)
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return f": {shown}" if shown else ""

    def show(self, event: dict[str, Any]) -> None:
        self.seen.add(event["EventId"])
        status, name = event.get("ResourceStatus", ""), event.get("LogicalResourceId", "")
        reason = event.get("ResourceStatusReason") or ""
        took = ""
        if event.get("PhysicalResourceId") == self.stack_id:
            self.status = status
        elif status.endswith("_IN_PROGRESS"):
            self.started.setdefault(name, self.terminal.now())
        elif name in self.started:
            took = lasted(self.terminal.now() - self.started.pop(name))
        # CloudFormation cancels other resources after the first failure.
        if status.endswith("_FAILED") and self.cause is None and "cancelled" not in reason.lower():
            self.cause = f"{name} ({event.get('ResourceType', '')}): {reason or status}"
        style = RED if "FAILED" in status or "ROLLBACK" in status else GREEN if status.endswith("COMPLETE") else YELLOW
        at = event["Timestamp"].astimezone().strftime("%H:%M:%S")
        padded = self.terminal.styled(f"{status:<28}", style)
        line = f"  {at}  {padded}  {name}"
        is_told = reason and reason not in ("User Initiated", "Resource creation Initiated")
        self.terminal.say(line + (f"  {took}" if took not in ("", "0 s") else "") + (f"  {reason}" if is_told else ""))


def pages(cloudformation: Client, stack_id: str) -> Any:
    paginator = cloudformation.get_paginator("describe_stack_events")
    return (page["StackEvents"] for page in paginator.paginate(StackName=stack_id))


def patiently(
    call: Callable[[], Answer], account: Account, pause: Callable[[float], None], terminal: Terminal
) -> Answer:
    """Rides out throttling and a network that fails for a minute: the operation continues meanwhile."""
    for _ in range(PATIENCE):
        try:
            return call()
        except AWS_ERRORS as error:
            if not may_pass(error):
                raise
            terminal.progress(f"AWS does not respond; trying again. {explain(error, account.region)}")
            pause(PAUSE)
    return call()


def failed(stack: Stack, watch: Watch, account: Account) -> Problem:
    """The cause of the failure, and the next step."""
    cause = watch.cause or stack.reason or "see its events"
    lines = [f"stack {stack.name} is {stack.status}. Cause: {cause}"]
    if permission := missing_permission(cause):
        lines.append(f"Permission denied: {permission}. CloudFormation uses your permissions, or the stack's service role if it has one")
    if stack.status == EMPTY_LEFTOVER:
        lines.append(
            "CloudFormation deleted the resources that it had created. Fix the cause and run the same command, which "
            "replaces the empty stack"
        )
    elif stack.status == "UPDATE_ROLLBACK_COMPLETE":
        lines.append("The stack is as it was before. Fix the cause and run the same command")
    else:
        try:
            refuse_state(stack, account)
        except Refused as next_step:
            lines.append(str(next_step))
    return Problem(". ".join(lines))


def show_changes(terminal: Terminal, changes: list[Change]) -> None:
    for change in changes:
        terminal.say(f"  {change}", BOLD if change.loses else None)
