"""A terminal as SVG: docs/rehearsal.svg, what a rehearsal prints.

The same run makes the same picture: times, ids and counts that differ from run to run have values of their own here.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from svg import MONO, WIDTH, style, svg

ROOT = Path(__file__).parents[1]
COMMAND = ["cfn/example.yml", "--parameter", "FailAt=2", "--quiet"]
COLUMNS, CELL, LINE_HEIGHT, PADDING = 104, 7.8, 19, 20
ANSI = {"31": "t-red", "32": "t-green", "33": "t-yellow", "36": "t-cyan"}
STARTED, FAILED, SECONDS = "18:43:59", "18:44:04", "4.7 s"
ID = "7d12d4bfd762659d9e123ae8b0c45f16"


class Run(NamedTuple):
    """A piece of a line in one colour."""

    column: int
    kind: str
    text: str


def rehearsed(rehearse: str) -> str:
    """What the command prints on a terminal with colours."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"CLICOLOR_FORCE": "1"}
    done = subprocess.run([rehearse, *COMMAND], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 1:
        raise SystemExit(f"pictures: rehearse {' '.join(COMMAND)} ended with {done.returncode}, not 1:\n{done.stdout}{done.stderr}")
    return done.stdout


def normal(printed: str) -> list[str]:
    """Its lines, the same after each run."""
    lines, clock = [], STARTED
    for line in printed.splitlines():
        if re.match(r"\s*… .*_IN_PROGRESS for ", line):
            continue
        if "_FAILED" in line:
            clock = FAILED
        line = re.sub(r"^\d\d:\d\d:\d\d", clock, line)
        line = re.sub(r"\b(?!123456789012\b)[0-9a-f]{12,32}\b", lambda found: ID[: len(found[0])], line)
        line = re.sub(r" in [\d.]+ s; .*", f" in {SECONDS}; …", line)
        lines.append(line)
    return lines


def runs(line: str) -> list[Run]:
    """The pieces of a line, without its escape sequences. Wide gaps are left out: each piece has its column."""
    pieces, column, kind = [], 0, "t"
    for part in re.split(r"(\x1b\[\d+m|\s{2,})", line):
        if code := re.fullmatch(r"\x1b\[(\d+)m", part):
            kind = ANSI.get(code[1], "t")
            continue
        if text := part.strip():
            pieces.append(Run(column + len(part) - len(part.lstrip()), kind, text))
        column += len(part)
    return pieces


def wrapped(pieces: list[Run]) -> list[list[Run]]:
    """The pieces in lines of COLUMNS, broken between words; a longer word is broken anywhere."""
    lines: list[list[Run]] = [[]]
    for piece in pieces:
        column, text = piece.column, piece.text
        while column + len(text) > COLUMNS:
            room = COLUMNS - column
            at = text.rfind(" ", 0, room + 1)
            at = at if at > 0 else room
            lines[-1].append(Run(column, piece.kind, text[:at]))
            lines.append([])
            column, text = 0, text[at:].lstrip()
        lines[-1].append(Run(column, piece.kind, text))
    return lines


def draw(printed: str) -> str:
    """The terminal with a command and what it prints."""
    title = f"ecs-tasks rehearse {' '.join(COMMAND)}"
    command = [Run(0, "t2", "$"), Run(2, "t", title)]
    lines = [command, *(line for one in normal(printed) for line in wrapped(runs(one)))]
    height = 2 * PADDING + LINE_HEIGHT * len(lines)
    shapes = [f'<rect class="window" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>']
    for at, line in enumerate(lines):
        for column, kind, text in line:
            x, y = PADDING + 4 + column * CELL, PADDING + LINE_HEIGHT * at + 14
            # The columns hold in whatever font there is.
            width = f'textLength="{len(text) * CELL:.1f}" lengthAdjust="spacingAndGlyphs"'
            shapes.append(f'<text class="{kind}" x="{x:.1f}" y="{y}" {width}>{escape(text)}</text>')
    description = "CREATE_FAILED for Migrate with its Reason, then the stack rolls back and is deleted."
    return svg(height, title, description, style(MONO, 13), shapes)
