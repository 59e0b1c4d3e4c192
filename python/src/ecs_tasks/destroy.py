"""`ecs-tasks destroy`: removes what `deploy` created, and names what stays."""

import time
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from ecs_tasks import bucket as buckets
from ecs_tasks import stack as stacks
from ecs_tasks.account import Account
from ecs_tasks.deploy import Pause, consent
from ecs_tasks.function import MONITOR, Function
from ecs_tasks.problem import Problem, Refused, code, is_denied, message
from ecs_tasks.stack import Stack, Watch
from ecs_tasks.terminal import BOLD, GREEN, RED, Terminal


@dataclass
class Options:
    """The command line."""

    function: Function
    stack: str
    bucket: str | None
    is_dry_run: bool
    is_yes: bool


@dataclass
class Plan:
    account: Account
    name: str
    stack: Stack | None
    # Resources that the stack leaves behind: logical ID, and name or ARN.
    kept: dict[str, str]
    # None where there is none, or none that can be seen.
    bucket: str | None
    objects: list[dict[str, str]] = field(default_factory=list)
    # The reason for which the bucket itself stays; None if it is deleted.
    bucket_stays: str | None = None


def destroy(account: Account, options: Options, terminal: Terminal, pause: Pause = time.sleep) -> int:
    plan = look(account, options)
    if plan.stack is None and not plan.objects and (plan.bucket is None or plan.bucket_stays):
        terminal.say(
            f"Nothing to remove: there is no stack {plan.name} in {account.region}, and no zip of it"
            + (f" in bucket {plan.bucket}." if plan.bucket else ".")
        )
        return 0
    show(plan, terminal)
    if options.is_dry_run:
        terminal.say("\nDry run: nothing was removed.")
        return 0
    if not options.is_yes and not consent(terminal, "Remove this?"):
        terminal.say("Nothing was removed.")
        return 2
    removed: list[str] = []
    try:
        act(plan, removed, terminal, pause)
    except BaseException:
        terminal.say()
        terminal.say(f"Removed so far: {', '.join(removed) or 'nothing'}.", RED)
        again = " --monitor" if options.function is MONITOR else ""
        terminal.say(
            f"To continue, run: ecs-tasks destroy{again} --stack-name {plan.name} --region {account.region}"
            + (f" --bucket {plan.bucket}" if plan.bucket and plan.bucket != buckets.default_name(account) else "")
        )
        raise
    for logical_id, physical_id in plan.kept.items():
        terminal.say(f"Kept, as its template asks: {logical_id} ({physical_id}). Delete it yourself if you no longer need it")
    return 0


def look(account: Account, options: Options) -> Plan:
    """Finds the stack, its zips and its bucket. Makes no call that writes."""
    stack = stacks.describe(account, options.stack)
    if stack is not None:
        check(stack, options, account)
    used = stack.parameters.get("CodeBucket") if stack else None
    name = options.bucket or used or buckets.default_name(account)
    bucket = buckets.look(account, name) if options.bucket or used else seen(account, name)
    kept = kept_of(account, stack, options.function) if stack else {}
    if bucket is None or not bucket.exists:
        return Plan(account, options.stack, stack, kept, None)
    # Only this stack's own: another one may have its zip in the same bucket.
    own = buckets.versions(account, name, f"{buckets.PREFIX}/{options.stack}/")
    objects = [one for one in own if one["Key"].endswith(f"/{options.function.zip_name}")]
    stays = None
    if not bucket.is_ours:
        stays = "deploy did not create it"
    elif len(buckets.versions(account, name, "")) > len(objects):
        stays = "it also holds other objects"
    return Plan(account, options.stack, stack, kept, name, objects, stays)


def seen(account: Account, name: str) -> buckets.Bucket | None:
    """The bucket that deploy would have created. Another account's of that name is no reason to stop."""
    try:
        return buckets.look(account, name)
    except Refused:
        return None


def check(stack: Stack, options: Options, account: Account) -> None:
    if stack.status == stacks.UNEXECUTED:
        stacks.refuse_foreign_change_sets(account, stack)
    elif not options.function.made(stack.description):
        about = f' ("{stack.description[:60]}")' if stack.description else ""
        other = "" if options.function is MONITOR else "; the monitor's stack needs --monitor"
        raise Refused(
            f"stack {stack.name}{about} was not created from {options.function.template_name} and was left "
            f"unchanged: pass your stack's name with --stack-name{other}"
        )
    if stack.status.endswith("_IN_PROGRESS") and stack.status != stacks.UNEXECUTED:
        stacks.refuse_state(stack, account)
    if stack.is_protected:
        raise Refused(
            f"stack {stack.name} has termination protection. Turn it off first: aws cloudformation "
            f"update-termination-protection --no-enable-termination-protection --stack-name {stack.name} "
            f"--region {account.region}"
        )
    for export in stack.exports.values():
        if importers := importers_of(account, export):
            raise Refused(
                f"stack {stack.name} cannot be deleted: its export {export} is imported by {', '.join(importers)}. First "
                "deploy them without the Custom::ECSTask resources and lifecycle hooks that import it"
            )


def importers_of(account: Account, export: str) -> list[str]:
    try:
        pages = account.cloudformation.get_paginator("list_imports").paginate(ExportName=export)
        return [name for page in pages for name in page["Imports"]]
    except ClientError as error:
        # CloudFormation itself refuses to delete an export that is in use.
        if code(error) == "ValidationError" and "not imported" in message(error) or is_denied(error):
            return []
        raise


def kept_of(account: Account, stack: Stack, function: Function) -> dict[str, str]:
    """Names of the resources whose DeletionPolicy keeps them."""
    template = stacks.template_of(account, stack) or function.template
    kept = {}
    for logical_id in template.kept(stack.parameters):
        try:
            answer = account.cloudformation.describe_stack_resource(StackName=stack.id, LogicalResourceId=logical_id)
            kept[logical_id] = answer["StackResourceDetail"].get("PhysicalResourceId") or "no name yet"
        except ClientError as error:
            if code(error) != "ValidationError" and not is_denied(error):
                raise
            # A create failed before it reached the resource, or its name cannot be read.
            if is_denied(error):
                kept[logical_id] = "its name cannot be read"
    return kept


def show(plan: Plan, terminal: Terminal) -> None:
    def row(name: str, text: str) -> None:
        terminal.say(f"{terminal.styled(f'{name:<11}', BOLD)} {text}")

    row("Account", f"{plan.account.id} as {plan.account.arn}")
    row("Region", plan.account.region)
    row("Stack", f"{plan.name}: " + (f"delete (it is {plan.stack.status})" if plan.stack else "there is none"))
    for logical_id, physical_id in plan.kept.items():
        row("", f"{logical_id} stays, as its template asks: {physical_id}")
    if plan.bucket:
        keys = {one["Key"] for one in plan.objects}
        row("Zips", f"delete {len(keys)} (object versions: {len(plan.objects)})")
        row("Bucket", f"{plan.bucket}: " + (f"stays, {plan.bucket_stays}" if plan.bucket_stays else "delete"))


def act(plan: Plan, removed: list[str], terminal: Terminal, pause: Pause) -> None:
    account = plan.account
    terminal.say()
    if plan.stack is not None:
        watch = Watch(account, plan.stack.id, terminal, pause)
        account.cloudformation.delete_stack(StackName=plan.stack.id)
        removed.append(f"stack {plan.name}, which CloudFormation is still deleting")
        end = watch.wait()
        removed.pop()
        if end.status != "DELETE_COMPLETE":
            cause = watch.cause or end.reason or "see its events"
            raise Problem(f"stack {plan.name} is {end.status}, not deleted. Cause: {cause}")
        removed.append(f"stack {plan.name}")
        terminal.say(f"Deleted stack {plan.name}", GREEN)
    if plan.bucket and plan.objects:
        buckets.remove_objects(account, plan.bucket, plan.objects)
        removed.append(f"its zips in {plan.bucket}")
        terminal.say("Deleted its zips")
    if plan.bucket and not plan.bucket_stays:
        buckets.remove(account, plan.bucket)
        removed.append(f"bucket {plan.bucket}")
        terminal.say(f"Deleted bucket {plan.bucket}")
