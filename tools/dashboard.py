"""Draws the dashboard of cfn/provider.yml, from its own JSON and with invented figures.

    dashboard.py PICTURE.svg

The same dashboard makes the same picture. A widget, metric or field that this file has no figures for is an error, so that
nothing of the dashboard is left out of the picture.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from random import Random

import matplotlib
from cfnlint.decode.cfn_yaml import load
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

TEMPLATE = Path(__file__).parents[1] / "cfn/provider.yml"
STACK = "ecs-tasks"
NAMES = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-west-2",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": STACK,
    "Function": f"{STACK}-ecsTasks",
    "LogGroup": f"/aws/lambda/{STACK}-ecsTasks",
    "Undelivered.QueueName": f"{STACK}-Undelivered",
}

# A day of figures, one each quarter of an hour: the usual height of each metric, and how far it rises by day.
STEPS = 96
FIGURES = {
    "Runs": (1.5, 9),
    "RunsFailed": (0, 0.6),
    "RunSeconds": (70, 50),
    "StartSeconds": (18, 8),
    "AnswerLagSeconds": (0.4, 0.3),
    "OpenWaits": (0.5, 6),
    "Overdue": (0, 0),
    "Parked": (0.3, 4),
    "Throttled": (0, 0.8),
    "Undelivered": (0, 0),
    "ApproximateNumberOfMessagesVisible": (0, 0),
    "Throttles": (0, 0.1),
    "Invocations": (10, 30),
    "Errors": (0, 0.05),
    "ConcurrentExecutions": (1, 3),
    "Duration": (25, 30),
}
# How much of the failures each class has.
CLASSES = {"container": 0.7, "start": 0.4, "timeout": 0.3, "refused": 0.2, "own_fault": 0}
# The share of the failures that are of lifecycle hooks.
HOOKS = 0.5
# Of these a value is no whole number, and each quarter of an hour has one.
MEASURED = ("RunSeconds", "StartSeconds", "AnswerLagSeconds", "Duration")
FAILURES = [
    {
        "@timestamp": "2026-11-27 16:42:09",
        "stack_or_service": "shop-prod",
        "resource_or_deployment": "Migrate",
        "request_or_stage": "Update",
        "reason": "Container app exited with code 3",
    },
    {
        "@timestamp": "2026-11-27 14:05:51",
        "stack_or_service": "search-test",
        "resource_or_deployment": "Reindex",
        "request_or_stage": "Create",
        "reason": "Timeout of 600 s is over: the task was stopped",
    },
    {
        "@timestamp": "2026-11-27 11:18:30",
        "stack_or_service": "…service/prod/billing",
        "resource_or_deployment": "…service-deployment/prod/billing/NCWGC2ZR",
        "request_or_stage": "PRE_SCALE_UP",
        "reason": "The image cannot be pulled",
    },
]
COLUMNS = 24
INCH = 0.5
# On a dark page, light and dark change places and the hues stay.
DARK = "@media (prefers-color-scheme:dark){svg{filter:invert(0.93) hue-rotate(180deg)}}"
COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b"]


class Unknown(Exception):
    """Something on the dashboard that this file cannot draw."""


def dashboard(template: Path = TEMPLATE) -> dict:
    """The dashboard as CloudFormation makes it of the template's defaults."""

    def filled(node):
        if isinstance(node, str):
            return node
        [(function, argument)] = node.items()
        if function == "Fn::If":
            return filled(argument[1])
        text, more = argument if isinstance(argument, list) else (argument, {})
        names = NAMES | {name: filled(value) for name, value in more.items()}
        return re.sub(r"\$\{([\w:.]+)\}", lambda name: names[name[1]], text)

    return json.loads(filled(load(str(template))["Resources"]["Overview"]["Properties"]["DashboardBody"]))


def metrics(properties: dict) -> list:
    """The metrics of a widget: namespace, name, dimensions and options of each, with its short forms written out."""
    full, before = [], []
    for entry in properties["metrics"]:
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        names = [part for part in entry if not isinstance(part, dict)]
        if names[0] == "...":
            names = before[: len(before) - len(names) + 1] + names[1:]
        names = [before[at] if part == "." else part for at, part in enumerate(names)]
        before = names
        full.append((names[0], names[1], tuple(names[2:]), properties | options))
    return full


def figures(namespace: str, name: str, dimensions: tuple, stat: str) -> list:
    """A day of one metric."""
    if name not in FIGURES:
        raise Unknown(f"no figures are invented for the metric {namespace} {name}")
    if name == "RunsFailed" and not dimensions:
        return [sum(values) for values in zip(*(figures(namespace, name, ("Class", one), stat) for one in CLASSES))]
    usual, rise = FIGURES[name]
    random = Random(f"{namespace} {name} {dimensions} {stat}")
    share = CLASSES[dimensions[1]] if "Class" in dimensions else HOOKS if "Kind" in dimensions else 1
    day = []
    for step in range(STEPS):
        hour = step * 24 / STEPS
        height = (usual + rise * max(0.0, 1 - abs(hour - 13.5) / 6.5)) * share
        if name in MEASURED:
            day.append(height * random.uniform(0.8, 1.2) * (random.uniform(2, 3.5) if stat == "p99" else 1))
        else:
            whole = int(height * random.uniform(0.6, 1.4))
            day.append(float(whole + (random.random() < height * 0.6 - int(height * 0.6))))
    return day


def draw_metric(axes, properties: dict) -> None:
    """Lines, or areas on top of each other."""
    hours = [step * 24 / STEPS for step in range(STEPS)]
    right = None
    lines, below = [], [0.0] * STEPS
    for at, (namespace, name, dimensions, options) in enumerate(metrics(properties)):
        values = figures(namespace, name, dimensions, options["stat"])
        looks = {"color": options.get("color", COLORS[at % len(COLORS)]), "label": options["label"]}
        if options.get("stacked"):
            upper = [low + value for low, value in zip(below, values)]
            lines.append(axes.fill_between(hours, below, upper, step="post", linewidth=0, **looks))
            below = upper
            continue
        side = axes
        if options.get("yAxis") == "right":
            side = right = right or axes.twinx()
            side.set_ylim(bottom=0, auto=True)
        lines += side.plot(hours, values, linewidth=1.1, **looks)
    for line in properties.get("annotations", {}).get("horizontal", []):
        lines.append(axes.axhline(line["value"], color="#d62728", linewidth=0.9, linestyle="--", label=line["label"]))
    for side in filter(None, (axes, right)):
        side.set_ylim(0, max(1.0, side.get_ylim()[1]) * 1.05)
        side.tick_params(labelsize=7, length=2)
        side.spines["top"].set_visible(False)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4), [f"{hour:02}:00" for hour in range(0, 25, 4)])
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(
        handles=lines,
        fontsize=7,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.09),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.2,
    )


def draw_alarm(axes, properties: dict) -> None:
    """A box for each alarm."""
    names = [arn.split(":alarm:")[1] for arn in properties["alarms"]]
    axes.set_axis_off()
    for at, name in enumerate(names):
        box = {"boxstyle": "round,pad=0.5", "facecolor": "#e6f4e6", "edgecolor": "#2ca02c", "linewidth": 0.8}
        axes.text((at + 0.5) / len(names), 0.4, f"{name}: OK", fontsize=8, ha="center", va="center", bbox=box)


def draw_log(axes, properties: dict) -> None:
    """A table of what the query displays."""
    fields = re.search(r"\| display (.*)$", properties["query"])[1].split(", ")
    if unknown := [field for field in fields if field not in FAILURES[0]]:
        raise Unknown(f"no values are invented for the field {unknown[0]}")
    axes.set_axis_off()
    cells = [[row[field] for field in fields] for row in FAILURES]
    widths = [max(len(row[at]) for row in [fields, *cells]) + 4 for at in range(len(fields))]
    table = axes.table(
        cellText=cells,
        colLabels=fields,
        colWidths=[width / sum(widths) for width in widths],
        cellLoc="left",
        loc="upper center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.3)
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)


DRAWN = {"alarm": draw_alarm, "log": draw_log, "metric": draw_metric}


def draw(body: dict, picture: Path) -> None:
    """Writes the picture. It says which dashboard it is of, so that a test can see whether it is of today's."""
    widgets = body["widgets"]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    with matplotlib.rc_context({"svg.hashsalt": "ecs-tasks", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(COLUMNS * INCH, rows * INCH), facecolor="white")
        for widget in widgets:
            if widget["type"] not in DRAWN:
                raise Unknown(f"a widget of the type {widget['type']} cannot be drawn")
            left, width = (widget["x"] + 0.9) / COLUMNS, (widget["width"] - 1.9) / COLUMNS
            is_chart = widget["type"] == "metric"
            bottom = 1 - (widget["y"] + widget["height"] - (1.6 if is_chart else 0.2)) / rows
            axes = figure.add_axes((left, bottom, width, (widget["height"] - (2.3 if is_chart else 0.9)) / rows))
            axes.set_title(widget["properties"]["title"], fontsize=9, loc="left", fontweight="bold")
            DRAWN[widget["type"]](axes, widget["properties"])
        description = f"With invented figures. Dashboard {digest(body)}"
        FigureCanvasSVG(figure).print_svg(str(picture), metadata={"Date": None, "Description": description})
    drawn = picture.read_text(encoding="utf-8")
    picture.write_text(drawn.replace("</style>", f"{DARK}</style>", 1), encoding="utf-8")


def digest(body: dict) -> str:
    """Which dashboard this is."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        draw(dashboard(), Path(arguments[0]))
    except Unknown as problem:
        print(f"dashboard: {problem}; add it to tools/dashboard.py", file=sys.stderr)
        return 1
    print(f"=> Drawn: {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
