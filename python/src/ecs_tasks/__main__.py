"""`python -m ecs_tasks` is the command `ecs-tasks`."""

import sys

from ecs_tasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
