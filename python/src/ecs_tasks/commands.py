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
from ecs_tasks.account import connect
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
        account = connect(options.profile, region)
        region = account.region
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
        return fail(terminal, command, f"the bucket is not there a minute after it was made: {error}", 1)
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
        epilog="Exit status: 0 done, or nothing to do; 1 AWS refused or failed; 2 refused before anything was done; "
        "130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--monitor", action="store_true", help="the monitor's stack instead of the provider's")
    parser.add_argument("--stack-name", type=stack_name, metavar="NAME", help="default: ecs-tasks, or ecs-monitor")
    parser.add_argument("--region", help="default: as the AWS CLI finds it")
    parser.add_argument("--profile", help="a profile of the AWS CLI's configuration")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show all of it, change nothing")
    return parser


def deploy_parser() -> argparse.ArgumentParser:
    parser = common(
        "deploy",
        "Deploys the function behind Custom::ECSTask as a CloudFormation stack. Shows first what it will make, and asks. "
        "Run again, it updates the stack: parameters that you do not give keep their values.",
    )
    parser.add_argument(
        "--bucket",
        metavar="NAME",
        help="a bucket of yours in the region, for the zip; default: ecs-tasks-ACCOUNT-REGION, which is made",
    )
    parser.add_argument(
        "--parameter", "-p", action="append", default=[], type=assignment, metavar="NAME=VALUE", help="of the template"
    )
    parser.add_argument(
        "--tag", action="append", default=[], type=assignment, metavar="KEY=VALUE", help="of the stack and what it makes"
    )
    parser.add_argument(
        "--capability",
        action="append",
        default=[],
        choices=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        help="given to CloudFormation besides the one that the template needs, which deploy tells and gives by itself",
    )
    parser.add_argument("--arch", choices=package.ARCHITECTURES, help="default: x86_64, or what the stack has")
    return parser


def destroy_parser() -> argparse.ArgumentParser:
    parser = common(
        "destroy",
        "Deletes the stack, its zips, and the bucket if deploy made it and nothing else is in it. Shows first what it will "
        "remove, and what stays, and asks.",
    )
    parser.add_argument("--bucket", metavar="NAME", help="where the zips are; default: as the stack says")
    return parser


def assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def stack_name(text: str) -> str:
    if not STACK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a stack's name has letters, digits and hyphens, a letter first")
    return text
