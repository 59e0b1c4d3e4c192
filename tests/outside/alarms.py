"""CloudWatch's arithmetic of an alarm, computed from the template.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html leaves open how far back CloudWatch
looks for data points in place of missing ones. So an alarm is read in two ways: `strict` looks at the evaluation periods
alone, `eager` also at as many before them. It goes off if the strict reading does, and is silent if the eager one is.
"""

import collections
import json
import math
import re

COMPARISONS = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def percentile(values: list, percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


STATISTICS = {"Sum": sum, "Maximum": max, "Minimum": min, "SampleCount": len, "Average": lambda of: sum(of) / len(of)}


def statistic(name: str, values: list) -> float:
    """A statistic of the values of one period."""
    return percentile(values, float(name[1:])) if name.startswith("p") else STATISTICS[name](values)


class Metrics:
    """Values of metrics, minute by minute."""

    def __init__(self):
        self.values = collections.defaultdict(lambda: collections.defaultdict(list))

    def put(self, minute: int, namespace: str, name: str, value: float, dimensions=None):
        """One value in that minute."""
        self.values[key(namespace, name, dimensions or {})][minute].append(value)

    def put_line(self, minute: int, line: dict):
        """Takes a line in the embedded metric format, as CloudWatch does.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    given = line[metric["Name"]]
                    for value in given if isinstance(given, list) else [given]:
                        self.put(minute, directive["Namespace"], metric["Name"], value, dimensions)

    def period(self, metric: dict, name: str, seconds: int, index: int):
        """The statistic of a period; nothing where it has no values."""
        of = self.values.get(key(metric["Namespace"], metric["MetricName"], dimensions_of(metric)))
        minutes = seconds // 60
        values = [value for minute in range(index * minutes, (index + 1) * minutes) for value in (of or {}).get(minute, ())]
        return statistic(name, values) if values else None


def key(namespace: str, name: str, dimensions: dict) -> tuple:
    """What tells metrics apart; a dimension's value can be a reference of the template."""
    return namespace, name, json.dumps(dimensions, sort_keys=True)


def dimensions_of(metric: dict) -> dict:
    """The dimensions that a template gives; what it leaves out is chosen away."""
    given = [one for one in metric.get("Dimensions", []) if "Name" in one]
    return {one["Name"]: one["Value"] for one in given}


def period_of(alarm: dict) -> int:
    """The seconds of one of its periods."""
    metrics = [one["MetricStat"]["Period"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
    return metrics[0] if metrics else alarm["Period"]


def datapoint(alarm: dict, metrics: Metrics, index: int):
    """What the alarm compares in a period."""
    if "Metrics" not in alarm:
        return metrics.period(alarm, alarm.get("Statistic") or alarm["ExtendedStatistic"], alarm["Period"], index)
    found, [returned] = {}, [one for one in alarm["Metrics"] if one.get("ReturnData", True)]
    for one in alarm["Metrics"]:
        if "MetricStat" in one:
            stat = one["MetricStat"]
            found[one["Id"]] = metrics.period(stat["Metric"], stat["Stat"], stat["Period"], index)
    # The one expression that our alarms use: a sum in which a metric without values counts as another number.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    terms = re.findall(r"FILL\((\w+), *(\d+)\)", returned["Expression"])
    if " + ".join(f"FILL({name}, {number})" for name, number in terms) != returned["Expression"]:
        raise ValueError(f"the expression {returned['Expression']} is not understood")
    # FILL fills between values; where no metric of the expression has any there is nothing to fill.
    if all(found[name] is None for name, _ in terms):
        return None
    return sum(float(number) if found[name] is None else found[name] for name, number in terms)


def breaches(alarm: dict, value) -> bool:
    """Whether a data point breaches the threshold."""
    return COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])


def is_in_alarm(alarm: dict, points: list, eager: bool) -> bool:
    """The state after the last of these data points."""
    periods = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", periods)
    missing = {"notBreaching": False, "breaching": True}[alarm["TreatMissingData"]]
    window = points[-2 * periods :] if eager else points[-periods:]
    real = [breaches(alarm, value) for value in window if value is not None][-periods:]
    return sum(real) + (periods - len(real)) * missing >= needed


def history(alarm: dict, metrics: Metrics, minutes: int, eager: bool) -> list:
    """Whether it is in alarm after each of its periods; the hour before had the same kind of day as the first minute."""
    points, states = [], []
    for index in range(minutes * 60 // period_of(alarm)):
        points.append(datapoint(alarm, metrics, index))
        # An alarm that has seen fewer periods than it looks at has insufficient data.
        states.append(len(points) >= alarm["EvaluationPeriods"] and is_in_alarm(alarm, points, eager))
    return states


def goes_off(alarm: dict, metrics: Metrics, minutes: int) -> bool:
    """Whether it goes off in these minutes, however CloudWatch reads it."""
    return any(history(alarm, metrics, minutes, eager=False))


def is_silent(alarm: dict, metrics: Metrics, minutes: int) -> bool:
    """Whether it stays silent in these minutes, however CloudWatch reads it."""
    return not any(history(alarm, metrics, minutes, eager=True))
