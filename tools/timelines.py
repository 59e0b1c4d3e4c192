"""Timelines as SVG: docs/run.svg, the data's way through one run, and docs/rollback.svg, an update that fails."""

from typing import NamedTuple
from xml.sax.saxutils import escape

from svg import SANS, WIDTH, style, svg

LEFT, RIGHT = 128, WIDTH - 8
ROW, BAR = 62, 30
SIZE = 12


def width(text: str) -> float:
    """How wide a text is in the widest of the usual fonts."""
    return SIZE * sum(0.7 if char.isupper() or char == "_" else 0.56 for char in text)


class Bar(NamedTuple):
    """Something that lasts, in a lane."""

    lane: int
    left: int
    right: int
    kind: str
    text: str


class Arrow(NamedTuple):
    """From a lane to another, with its text beside it, in the middle unless it is nearer to a lane."""

    x: int
    source: int
    target: int
    text: str
    anchor: str = "start"
    near: int | None = None


class Note(NamedTuple):
    """Text in a lane where nothing happens."""

    lane: int
    x: int
    text: str


class Timeline(NamedTuple):
    """Lanes from top to bottom, time from left to right; not to scale."""

    title: str
    description: str
    lanes: list[tuple[str, str]]
    bars: list[Bar]
    arrows: list[Arrow]
    notes: list[Note]

    @property
    def height(self) -> int:
        return 16 + ROW * len(self.lanes) - (ROW - BAR) + 16

    def top(self, lane: int) -> int:
        return 16 + ROW * lane

    def empty(self, lane: int) -> list[tuple[int, int]]:
        """Where a lane has neither a bar nor a note."""
        full = [(bar.left, bar.right) for bar in self.bars if bar.lane == lane]
        for note in self.notes:
            if note.lane == lane:
                half = int(width(note.text) / 2)
                full.append((note.x - half, note.x + half))
        ends = [LEFT, *(end for one in sorted(full) for end in one), RIGHT]
        return [(left + 6, right - 6) for left, right in zip(ends[::2], ends[1::2]) if right - left > 40]

    def text_of(self, arrow: Arrow) -> tuple[int, int]:
        """Where the text of an arrow begins or ends."""
        down = arrow.source < arrow.target
        lane = arrow.near if arrow.near is not None else arrow.source
        gap = lane if (down if lane == arrow.source else not down) else lane - 1
        middle = self.top(gap) + BAR + (ROW - BAR) // 2
        return arrow.x + (7 if arrow.anchor == "start" else -7), middle + 4

    def draw(self) -> str:
        shapes = []
        for lane, (name, below) in enumerate(self.lanes):
            middle = self.top(lane) + BAR // 2
            shapes.append(f'<text class="t b" x="8" y="{middle - 2}">{escape(name)}</text>')
            shapes.append(f'<text class="t2" x="8" y="{middle + 13}">{escape(below)}</text>')
            for left, right in self.empty(lane):
                shapes.append(f'<path class="line" stroke-dasharray="1 5" d="M{left} {middle}H{right}"/>')
        for bar in self.bars:
            top = self.top(bar.lane)
            size = f'width="{bar.right - bar.left}" height="{BAR}" rx="4"'
            shapes.append(f'<rect class="{bar.kind}" x="{bar.left}" y="{top}" {size}/>')
            center, kind = (bar.left + bar.right) / 2, "t s" if bar.text.isupper() else "t"
            shapes.append(f'<text class="{kind}" x="{center:g}" y="{top + 19}" text-anchor="middle">{escape(bar.text)}</text>')
        for arrow in self.arrows:
            down = 1 if arrow.source < arrow.target else -1
            start = self.top(arrow.source) + (BAR if down > 0 else 0)
            end = self.top(arrow.target) + (0 if down > 0 else BAR)
            shapes.append(f'<path class="line" stroke-width="1.5" d="M{arrow.x} {start}V{end - 5 * down}"/>')
            shapes.append(f'<path class="head" d="M{arrow.x} {end}l-4 {-7 * down}h8z"/>')
            x, y = self.text_of(arrow)
            shapes.append(f'<text class="t" x="{x}" y="{y}" text-anchor="{arrow.anchor}">{escape(arrow.text)}</text>')
        for note in self.notes:
            y = self.top(note.lane) + 19
            shapes.append(f'<text class="t2" x="{note.x}" y="{y}" text-anchor="middle">{escape(note.text)}</text>')
        return svg(self.height, self.title, self.description, style(SANS, SIZE), shapes)


RUN = Timeline(
    "One run",
    "CloudFormation sends a request to the function. The function saves it in the ledger, starts the task, saves the wait and ends. "
    "ECS's event that the task has stopped invokes it again; it saves the answer and sends it to CloudFormation.",
    [("CloudFormation", "your stack"), ("Ledger", "DynamoDB"), ("ecsTasks", "Lambda"), ("Task", "ECS")],
    [
        Bar(0, LEFT, RIGHT, "grey", "the resource is in progress, and what depends on it waits"),
        Bar(1, 310, 392, "blue", "request"),
        Bar(1, 408, 490, "blue", "wait"),
        Bar(1, 632, 714, "blue", "answer"),
        Bar(2, 136, 496, "orange", "checks the properties, starts the task"),
        Bar(2, 612, RIGHT, "orange", "reads the log, decides"),
        Bar(3, 414, 626, "green", "runs"),
    ],
    [
        Arrow(150, 0, 2, "Create, Update or Delete", near=0),
        Arrow(351, 2, 1, "save"),
        Arrow(428, 2, 3, "RunTask"),
        Arrow(449, 2, 1, "save"),
        Arrow(619, 3, 2, "task-stopped event"),
        Arrow(673, 2, 1, "save"),
        Arrow(840, 2, 0, "SUCCESS, or FAILED with a Reason", "end", near=0),
    ],
    [Note(2, 554, "idle")],
)

ROLLBACK = Timeline(
    "An update whose migration fails",
    "The update runs the new image's migration, which fails. Migrate becomes UPDATE_FAILED and the stack rolls back. Nothing runs in "
    "the rollback, the service runs its old image all the time, and the schema stays as far as the migration got.",
    [
        ("Stack", "CloudFormation"),
        ("Migrate", "Custom::ECSTask"),
        ("Task", "ECS"),
        ("Web service", "waits for Migrate"),
        ("Schema", "your database"),
    ],
    [
        Bar(0, LEFT, 412, "blue", "UPDATE_IN_PROGRESS"),
        Bar(0, 416, 644, "orange", "UPDATE_ROLLBACK_IN_PROGRESS"),
        Bar(0, 648, RIGHT, "grey", "UPDATE_ROLLBACK_COMPLETE"),
        Bar(1, 136, 292, "blue", "UPDATE_IN_PROGRESS"),
        Bar(1, 296, 412, "red", "UPDATE_FAILED"),
        Bar(1, 432, 628, "green", "UPDATE_COMPLETE"),
        Bar(2, 164, 292, "red", "exit code 3"),
        Bar(3, LEFT, RIGHT, "grey", "the old image runs all the time"),
        Bar(4, LEFT, 220, "grey", "old version"),
        Bar(4, 224, RIGHT, "orange", "stays as far as the migration got"),
    ],
    [
        Arrow(150, 0, 1, "Update"),
        Arrow(178, 1, 2, "RunTask"),
        Arrow(280, 2, 1, "stopped"),
        Arrow(310, 1, 0, "FAILED: Reason"),
        Arrow(446, 0, 1, "Update"),
        Arrow(614, 1, 0, "SUCCESS", "end"),
    ],
    [Note(2, 530, "RunOnRollback is false: nothing runs")],
)

DRAWN = {"run": RUN, "rollback": ROLLBACK}
