"""The commands that talk to AWS: their options, and how they end."""

import argparse
import io
import os
import re
import signal
import sys
from types import FrameType
from typing import NoReturn

from botocore.exceptions import WaiterError

from ecs_tasks import deploy, destroy, package, problem
from ecs_tasks.account import connect, session_of
from ecs_tasks.function import MONITOR, PROVIDER
from ecs_tasks.terminal import Terminal

STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


def run(command: str, arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, interrupted)
    for stream in (sys.stdout, sys.stderr):
        # A locale without Unicode must not end a deploy.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = (deploy_parser() if command == "deploy" else destroy_parser()).parse_args(arguments)
    region = options.region
    terminal = Terminal()
    try:
        session = session_of(options.profile, region)
        region = session.region_name
        account = connect(session)
        function = MONITOR if options.monitor else PROVIDER
        name = options.stack_name or function.default_stack
        if command == "destroy":
            asked = destroy.Options(function, name, options.bucket, options.dry_run, options.yes)
            return destroy.destroy(account, asked, terminal)
        wanted = deploy.Options(
            function=function,
            stack=name,
            bucket=options.bucket,
            architecture=options.arch,
            parameters=dict(options.parameter),
            tags=dict(options.tag),
            capabilities=options.capability,
            is_dry_run=options.dry_run,
            is_yes=options.yes,
        )
        return deploy.deploy(account, wanted, terminal)
    except problem.Problem as error:
        return fail(terminal, command, str(error), error.exit_status)
    except WaiterError as error:
        return fail(terminal, command, f"the bucket is still missing a minute after it was created: {error}", 1)
    except problem.AWS_ERRORS as error:
        return fail(terminal, command, problem.explain(error, region), 1)
    except KeyboardInterrupt:
        return fail(terminal, command, "interrupted", 130)
    except BrokenPipeError:
        # Nobody reads any more; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return fail(terminal, command, "the output was closed, so the command ended", 1)


def fail(terminal: Terminal, command: str, text: str, status: int) -> int:
    terminal.clear()
    print(f"ecs-tasks {command}: {text}", file=sys.stderr)
    return status


def interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def common(command: str, what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"ecs-tasks {command}",
        description=what,
        epilog="Exit status: 0 done, or nothing to do; 1 an AWS call or the stack operation failed; 2 the command stopped "
        "before it changed the stack; 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--monitor", action="store_true", help="the monitor's stack instead of the provider's")
    parser.add_argument("--stack-name", type=stack_name, metavar="NAME", help="default: ecs-tasks, or ecs-monitor")
    parser.add_argument("--region", help="default: the Region that the AWS CLI would use")
    parser.add_argument("--profile", help="a profile of the AWS CLI's configuration")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    return parser


def deploy_parser() -> argparse.ArgumentParser:
    parser = common(
        "deploy",
        "Deploys the function behind Custom::ECSTask as a CloudFormation stack. Shows what it will create or change, and "
        "asks before it does so. If you run it again, it updates the stack; parameters that you do not pass keep their "
        "values.",
    )
    parser.add_argument(
        "--bucket",
        metavar="NAME",
        help="your bucket for the zip, in the same Region; default: ecs-tasks-ACCOUNT-REGION, which deploy creates",
    )
    parser.add_argument(
        "--parameter",
        "-p",
        action="append",
        default=[],
        type=assignment,
        metavar="NAME=VALUE",
        help="a parameter of the template; can be repeated",
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        type=assignment,
        metavar="KEY=VALUE",
        help="a tag for the stack and the resources that it creates; can be repeated",
    )
    parser.add_argument(
        "--capability",
        action="append",
        default=[],
        choices=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        help="a capability to pass to CloudFormation in addition to the one that the template needs, which deploy shows "
        "and passes by itself",
    )
    parser.add_argument(
        "--arch",
        choices=package.ARCHITECTURES,
        help="default: the architecture of the stack, or x86_64 for a new one",
    )
    return parser


def destroy_parser() -> argparse.ArgumentParser:
    parser = common(
        "destroy",
        "Deletes the stack, its zips, and the bucket if deploy created it and it holds nothing else. Shows what it will "
        "remove and what stays, and asks first.",
    )
    parser.add_argument(
        "--bucket", metavar="NAME", help="the bucket that holds the zips; default: the one in the stack's parameters"
    )
    return parser


def assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def stack_name(text: str) -> str:
    if not STACK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: a stack name may contain letters, digits and hyphens, and must start with a letter"
        )
    return text
