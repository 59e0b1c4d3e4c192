"""Runs cfn-lint with the rules for Custom::ECSTask."""

import glob
import sys

import cfnlint.runner.cli
from cfnlint.rules import Rules

from ecs_tasks import package


class Runner(cfnlint.runner.cli.Runner):  # type: ignore[misc] # it has no types of its own
    """Adds our rules to those that .cfnlintrc and the command line name, where they are missing."""

    def __init__(self, config: object) -> None:
        super().__init__(config)
        for rule_id, rule in Rules.create_from_directory(str(package.lint_rules())).items():
            # cfn-lint refuses a rule that it has already.
            if rule_id not in self.rules:
                self.rules[rule_id] = rule


def lint(arguments: list[str]) -> int:
    """Takes every option of cfn-lint, and has its exit statuses."""
    # An option may take names of files that need not exist.
    templates = [] if any(argument.startswith("-") for argument in arguments) else arguments
    missing = [name for name in templates if name and not glob.glob(name, recursive=True)]
    if missing:
        print(f"ecs-tasks lint: there is no file {missing[0]}", file=sys.stderr)
        return 2
    sys.argv = ["ecs-tasks lint", *arguments]
    cfnlint.runner.cli.Runner = Runner
    cfnlint.runner.cli.main()
    return 0
