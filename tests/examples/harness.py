"""Lints and rehearses a template as its reader would, and reads what comes out."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TOOLS = ROOT / ".venv/bin"
# Cargo may build elsewhere; `make examples` says where.
REHEARSE = Path(os.environ.get("REHEARSE", ROOT / "target/debug/rehearse"))


class Rehearsed:
    """What a rehearsal printed, and how it ended."""

    def __init__(self, done):
        self.text, self.code = done.stdout + done.stderr, done.returncode
        # One line a change of state: time, status, logical id, reason.
        self.events = re.findall(r"^\d\d:\d\d:\d\d +([A-Z_]+) +(\S+) *(.*)$", done.stdout, re.MULTILINE)

    def reason(self, status, name):
        """Why a resource came to this state; the name may have the eight digits that the CDK adds."""
        found = (
            reason
            for state, id, reason in self.events
            if state == status and re.fullmatch(f"{name}[0-9A-F]*", id)
        )
        return next(found, None)

    def has(self, status, name):
        return self.reason(status, name) is not None


def run(command, cwd=ROOT, **environment):
    """A command's end; other variables of this process it has too, and this project's tools."""
    path = f"{environment.pop('PATH', '')}:{TOOLS}:{os.environ['PATH']}".lstrip(":")
    environment = {**os.environ, **environment, "PATH": path}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def rehearse(template, *options, **environment):
    """The template's whole life."""
    return Rehearsed(run([REHEARSE, template, *options], **environment))


def findings(template):
    """What cfn-lint and its rules for Custom::ECSTask say of a template, information included."""
    done = run(
        [TOOLS / "cfn-lint", "--include-checks", "I", "--append-rules", ROOT / "cfn/lint", "--", template]
    )
    return done.stdout + done.stderr
