"""Draws the pictures of the pages: docs/run.svg, docs/rollback.svg and, from a real run, docs/rehearsal.svg.

    pictures.py FOLDER REHEARSE
"""

import sys
from pathlib import Path

import terminal
from timelines import DRAWN


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder, rehearse = Path(arguments[0]), str(Path(arguments[1]).resolve())
    pictures = {name: timeline.draw() for name, timeline in DRAWN.items()}
    for name, picture in (pictures | {"rehearsal": terminal.draw(terminal.rehearsed(rehearse))}).items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
        print(f"=> Drawn: {folder / name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
