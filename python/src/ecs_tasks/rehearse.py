"""Becomes the program `rehearse`, which runs the functions that this package deploys."""

import os
import sys

from ecs_tasks import package


def rehearse(arguments: list[str]) -> int:
    """Replaces this process, so that signals and the exit status are the program's own."""
    program = package.binary("rehearse")
    try:
        os.execv(program, ["ecs-tasks rehearse", *arguments])
    except OSError as error:
        print(
            f"ecs-tasks: cannot start {program}: {error.strerror}. Install the package again with pip or pipx; "
            "its wheel is for Linux with glibc, or for macOS",
            file=sys.stderr,
        )
        return 2
