"""`ecs-tasks deploy`: a bucket, a zip in it, and a stack that runs it.

`look` reads the account, `show` tells the plan, `act` carries it out after a yes. `act` remembers what it creates, so that
an error or Ctrl-C can list it.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ecs_tasks import bucket as buckets
from ecs_tasks import package
from ecs_tasks import stack as stacks
from ecs_tasks.account import Account
from ecs_tasks.bucket import Bucket, Code
from ecs_tasks.function import MONITOR, Function
from ecs_tasks.problem import Problem, Refused
from ecs_tasks.stack import Change, Stack, Watch
from ecs_tasks.template import OWN_PARAMETERS, Template, counted, differences
from ecs_tasks.terminal import BOLD, DIM, GREEN, RED, Terminal

Pause = Callable[[float], None]


@dataclass
class Options:
    """The command line."""

    function: Function
    stack: str
    bucket: str | None
    architecture: str | None
    parameters: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]
    is_dry_run: bool
    is_yes: bool


@dataclass
class Plan:
    """The work of one deploy, as `look` found it."""

    account: Account
    function: Function
    name: str
    # None where there is none yet.
    stack: Stack | None
    old: Template | None
    bucket: Bucket
    code: Code
    is_uploaded: bool
    values: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]

    @property
    def is_new(self) -> bool:
        return self.stack is None or self.stack.status in (stacks.UNEXECUTED, stacks.EMPTY_LEFTOVER)

    @property
    def changed_values(self) -> dict[str, str]:
        before = {} if self.is_new or self.stack is None else self.stack.parameters
        defaults = {} if self.is_new else self.function.template.defaults()
        return {name: value for name, value in self.values.items() if before.get(name, defaults.get(name)) != value}

    @property
    def template_changes(self) -> list[str]:
        return differences(self.old, self.function.template) if self.old else []

    @property
    def has_nothing_to_do(self) -> bool:
        """CloudFormation would say the same; this asks for no permission to write."""
        if self.is_new or self.stack is None or self.old is None or not self.bucket.is_ready:
            return False
        is_same = self.old.content == self.function.template.content and self.tags == self.stack.tags
        return is_same and self.is_uploaded and not self.changed_values


def deploy(account: Account, options: Options, terminal: Terminal, pause: Pause = time.sleep) -> int:
    plan = look(account, options)
    show(plan, terminal)
    if plan.has_nothing_to_do:
        terminal.say(f"\nNothing to change: stack {plan.name} is up to date.", GREEN)
        conclude(plan, terminal)
        return 0
    if options.is_dry_run:
        terminal.say("\nDry run: nothing was created or changed.")
        return 0
    if not options.is_yes and not consent(terminal, "Deploy this?"):
        terminal.say("Nothing was created or changed.")
        return 2
    made: list[str] = []
    try:
        act(plan, made, terminal, options, pause)
    except BaseException:
        terminal.say()
        leave(plan, made, terminal)
        raise
    conclude(plan, terminal)
    return 0


def consent(terminal: Terminal, question: str) -> bool:
    if not terminal.can_ask():
        raise Refused("cannot ask for confirmation without a terminal: use --yes to continue, or --dry-run to see the plan")
    terminal.say()
    return terminal.ask(question)


def look(account: Account, options: Options) -> Plan:
    """Compares the account with the command line. Makes no call that writes."""
    template = options.function.template
    given = template.checked(options.parameters)
    stack = stacks.describe(account, options.stack)
    if stack is not None:
        check_ownership(stack, options, account)
    before = stack.parameters if stack and stack.status in stacks.READY_TO_UPDATE else {}
    architecture = options.architecture or before.get("Architecture") or template.defaults()["Architecture"]
    name = options.bucket or before.get("CodeBucket") or buckets.default_name(account)
    bucket = buckets.look(account, name)
    if not bucket.exists and name != buckets.default_name(account):
        whose = "" if options.bucket else ", where the stack's zip was"
        raise Refused(
            f"there is no bucket {name}{whose}: create it in {account.region}, or use --bucket "
            f"{buckets.default_name(account)}, which deploy creates"
        )
    path = package.code(architecture, options.function.zip_name)
    if not path.is_file():
        raise Refused(f"this package has no {path.name} for {architecture}: install ecs-tasks from PyPI, which has both")
    code = Code.read(path, options.stack)
    own = {"CodeBucket": name, "CodeKey": code.key, "CodeVersion": "", "Architecture": architecture}
    kept = {key: value for key, value in before.items() if key in template.parameters}
    needed = [template.capability] if template.capability else []
    return Plan(
        account=account,
        function=options.function,
        name=options.stack,
        stack=stack,
        old=stacks.template_of(account, stack) if stack and before else None,
        bucket=bucket,
        code=code,
        is_uploaded=buckets.has(account, bucket, code),
        values=kept | given | own,
        tags=(stack.tags if stack and before else {}) | options.tags,
        capabilities=list(dict.fromkeys([*needed, *options.capabilities])),
    )


def check_ownership(stack: Stack, options: Options, account: Account) -> None:
    """Refuses a stack that is not ours or not ready."""
    if stack.status == stacks.UNEXECUTED:
        stacks.refuse_foreign_change_sets(account, stack)
        return
    if not options.function.made(stack.description):
        about = f' ("{stack.description[:60]}")' if stack.description else ""
        raise Refused(
            f"stack {stack.name}{about} was not created from {options.function.template_name} and was left "
            "unchanged: choose another name with --stack-name"
        )
    if stack.status not in (*stacks.READY_TO_UPDATE, stacks.EMPTY_LEFTOVER):
        stacks.refuse_state(stack, account)


def show(plan: Plan, terminal: Terminal) -> None:
    account, values = plan.account, plan.values

    def row(name: str, text: str) -> None:
        terminal.say(f"{terminal.styled(f'{name:<11}', BOLD)} {text}")

    row("Account", f"{account.id} as {account.arn}")
    row("Region", account.region)
    row("Bucket", f"{plan.bucket.name}: {bucket_words(plan.bucket)}")
    size = f"{len(plan.code.content) / 1e6:.1f} MB, {values['Architecture']}"
    row("Zip", f"{plan.code.key} ({size}): {'already uploaded' if plan.is_uploaded else 'upload'}")
    row("Stack", f"{plan.name}: {stack_words(plan)}")
    if plan.is_new:
        types = list(plan.function.template.resources_with(values).values())
        row("Resources", f"{len(types)}: {counted(types)}")
    for line in plan.template_changes:
        row("", line)
    shown = {name: value for name, value in plan.changed_values.items() if name not in OWN_PARAMETERS}
    for name, value in shown.items():
        row("Parameter", f"{name}={value}")
    if "Architecture" in plan.changed_values:
        row("Parameter", f"Architecture={values['Architecture']}")
    if plan.capabilities:
        row("IAM", f"the stack creates IAM roles (deploy passes {', '.join(plan.capabilities)})")
    if plan.tags:
        row("Tags", ", ".join(f"{name}={value}" for name, value in plan.tags.items()))


def bucket_words(bucket: Bucket) -> str:
    settings = "versioned, encrypted, no public access, objects owned by the account"
    if not bucket.exists:
        return f"create ({settings})"
    return "use" if bucket.is_ready else f"finish the setup that an interrupted deploy began ({settings})"


def stack_words(plan: Plan) -> str:
    if plan.stack is None:
        return f"create, from {plan.function.template_name}"
    if plan.stack.status == stacks.EMPTY_LEFTOVER:
        return "delete the empty stack of a failed create (ROLLBACK_COMPLETE), then create"
    if plan.is_new:
        return "create (it has a change set that was never executed)"
    if plan.old is None:
        return "update (cannot compare templates without cloudformation:GetTemplate)"
    return "unchanged" if plan.has_nothing_to_do else "update"


def act(plan: Plan, made: list[str], terminal: Terminal, options: Options, pause: Pause) -> None:
    account = plan.account
    terminal.say()
    if not plan.bucket.is_ready:
        terminal.progress(f"Creating bucket {plan.bucket.name}")
        buckets.make(account, plan.bucket, made)
        terminal.say(f"Created bucket {plan.bucket.name}")
    if not plan.is_uploaded:
        terminal.progress(f"Uploading {plan.code.path.name}")
        buckets.put(account, plan.bucket, plan.code, made)
        terminal.say(f"Uploaded {plan.code.path.name}")
    if plan.stack is not None and plan.stack.status == stacks.EMPTY_LEFTOVER:
        replace_leftover(plan.stack, account, terminal, pause)
    watch = apply(plan, made, terminal, options, pause)
    if watch is None:
        terminal.say("CloudFormation reports no changes.", GREEN)
        return
    end = watch.wait()
    if end.status not in stacks.SUCCEEDED:
        made[:] = [one for one in made if not one.startswith("stack ")]
        raise stacks.failed(end, watch, account)
    terminal.say(f"Stack {plan.name} is {end.status}.", GREEN)


def replace_leftover(stack: Stack, account: Account, terminal: Terminal, pause: Pause) -> None:
    watch = Watch(account, stack.id, terminal, pause)
    account.cloudformation.delete_stack(StackName=stack.id)
    end = watch.wait()
    if end.status != "DELETE_COMPLETE":
        raise stacks.failed(end, watch, account)


def apply(plan: Plan, made: list[str], terminal: Terminal, options: Options, pause: Pause) -> Watch | None:
    """Has the changes computed, asks again where something is lost, and lets CloudFormation begin. None: no changes."""
    cloudformation = plan.account.cloudformation
    name = f"ecs-tasks-{uuid.uuid4().hex[:12]}"
    # Before the answer, which can be lost.
    made.append(f"change set {name} of stack {plan.name}, not executed")
    try:
        requested = stacks.request_changes(plan.account, plan.name, request(plan, name))
    except ClientError:
        made.pop()
        raise
    if requested is None:
        made.pop()
        return None
    change_set, stack_id = requested
    try:
        changes = stacks.changes_of(plan.account, change_set, pause, terminal)
        if changes and not plan.is_new:
            terminal.say("Changes:")
            stacks.show_changes(terminal, changes)
            agree_to_losses(changes, options, terminal)
    except BaseException:
        drop(plan, change_set, stack_id, made)
        raise
    if changes is None:
        drop(plan, change_set, stack_id, made)
        return None
    watch = Watch(plan.account, stack_id, terminal, pause)
    doing = "creating" if plan.is_new else "updating"
    # Before the answer, which can be lost.
    made[-1] = f"stack {plan.name}, which CloudFormation may be {doing}"
    cloudformation.execute_change_set(ChangeSetName=change_set, ClientRequestToken=name)
    made[-1] = f"stack {plan.name}, which CloudFormation is {doing}"
    return watch


def agree_to_losses(changes: list[Change], options: Options, terminal: Terminal) -> None:
    lost = [change for change in changes if change.loses]
    if not lost or options.is_yes:
        return
    names = ", ".join(change.logical_id for change in lost)
    if not consent(terminal, f"This removes or replaces {names}, including their contents. Continue?"):
        raise Refused("nothing was changed in the stack")


def request(plan: Plan, name: str) -> dict[str, Any]:
    """The change set that CloudFormation is asked for."""
    before = {} if plan.is_new or plan.stack is None else plan.stack.parameters
    parameters: list[dict[str, Any]] = []
    for key, value in plan.values.items():
        is_kept = key in before and before[key] == value
        how: dict[str, Any] = {"UsePreviousValue": True} if is_kept else {"ParameterValue": value}
        parameters.append({"ParameterKey": key} | how)
    tags = [{"Key": key, "Value": value} for key, value in plan.tags.items()]
    return {
        "ChangeSetName": name,
        "ChangeSetType": "CREATE" if plan.is_new else "UPDATE",
        "ClientToken": name,
        "Description": stacks.CHANGE_SET_MARK,
        "TemplateBody": plan.function.template.body,
        "Parameters": parameters,
        "Capabilities": plan.capabilities,
    } | ({"Tags": tags} if tags else {})


def drop(plan: Plan, change_set: str, stack_id: str, made: list[str]) -> None:
    """Removes a change set that is not executed, and the empty stack around it."""
    cloudformation = plan.account.cloudformation
    try:
        if plan.is_new and (plan.stack is None or plan.stack.status == stacks.EMPTY_LEFTOVER):
            cloudformation.delete_stack(StackName=stack_id)
        else:
            cloudformation.delete_change_set(ChangeSetName=change_set)
    except (ClientError, KeyboardInterrupt):
        # `leave` names it.
        return
    made.pop()


def leave(plan: Plan, made: list[str], terminal: Terminal) -> None:
    """Says what is there now, after an error or Ctrl-C."""
    if not made:
        terminal.say("Nothing new was created.", RED)
        return
    terminal.say("Created so far (not removed):" if plan.is_new else "Begun so far (not undone):", RED)
    for one in made:
        terminal.say(f"  {one}")
    if any(one.startswith("stack ") for one in made):
        terminal.say(
            "CloudFormation continues without this command. Follow it with: aws cloudformation describe-stack-events "
            f"--stack-name {plan.name} --region {plan.account.region}"
        )
    terminal.say("To continue, run the same command again.")
    # After an update, it would remove a function that others use.
    if plan.is_new:
        monitor = " --monitor" if plan.function is MONITOR else ""
        where = f"{monitor} --stack-name {plan.name} --region {plan.account.region}"
        terminal.say(f"To undo it: ecs-tasks destroy{where}")


def conclude(plan: Plan, terminal: Terminal) -> None:
    """Shows the lines that templates need, or the monitor's outputs."""
    stack = stacks.describe(plan.account, plan.name)
    if stack is None:
        raise Problem(f"stack {plan.name} no longer exists: somebody has deleted it in the meantime")
    terminal.say()
    if plan.function is MONITOR:
        for name, value in stack.outputs.items():
            terminal.say(f"{name}: {value}")
        return
    export, arn = stack.exports.get("FunctionArn"), stack.outputs.get("FunctionArn")
    if export:
        terminal.say("In your templates, in this account and Region, write")
        terminal.say(f"\n    ServiceToken: !ImportValue {export}\n", BOLD)
    hook_export, hook_arn = stack.exports.get("HookRoleArn"), stack.outputs.get("HookRoleArn")
    if export and hook_export:
        terminal.say("In a lifecycle hook of a service, write")
        terminal.say(f"\n    HookTargetArn: !ImportValue {export}\n    RoleArn: !ImportValue {hook_export}\n", BOLD)
    if not export:
        terminal.say("The stack exports no FunctionArn: take the function's ARN from its outputs, in the console", DIM)
    if arn:
        terminal.say(f"The function's ARN: {arn}", DIM)
    if hook_arn:
        terminal.say(f"The hook role's ARN: {hook_arn}", DIM)
