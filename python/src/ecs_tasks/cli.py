"""The command line of `ecs-tasks`. Nothing heavy is imported before it is needed."""

import sys

HELP = """Usage: ecs-tasks COMMAND ...

  deploy     Deploy the function behind Custom::ECSTask, or the monitor, into your AWS account
  destroy    Delete what deploy created
  rehearse   Create, update and delete a template's stack on this machine, without an AWS account
  lint       Check a template with cfn-lint and the rules for Custom::ECSTask

  ecs-tasks COMMAND --help explains a command; ecs-tasks --version shows the version.
"""


def main(arguments: list[str] | None = None) -> int:
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Before a command could begin: each command reports itself what an interruption leaves.
        print("ecs-tasks: interrupted", file=sys.stderr)
        return 130


def run(arguments: list[str]) -> int:
    command, *rest = arguments or ["--help"]
    match command:
        case "rehearse":
            from ecs_tasks.rehearse import rehearse

            return rehearse(rest)
        case "lint":
            from ecs_tasks.lint import lint

            return lint(rest)
        case "deploy" | "destroy":
            from ecs_tasks import commands

            return commands.run(command, rest)
        case "--version" | "-V":
            from importlib.metadata import version

            print(f"ecs-tasks {version('ecs-tasks')}")
            return 0
        case "--help" | "-h" | "help":
            print(HELP, end="")
            return 0
    import difflib

    near = difflib.get_close_matches(command, ["deploy", "destroy", "rehearse", "lint"], n=1)
    hint = f"did you mean {near[0]}?" if near else "ecs-tasks --help lists the commands"
    print(f"ecs-tasks: there is no command {command}: {hint}", file=sys.stderr)
    return 2
