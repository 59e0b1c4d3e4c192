"""Each alarm of each template: a day on which it goes off, and one on which it is silent."""

import unittest

from alarms import Metrics, dimensions_of, goes_off, is_silent, key, period_of
from harness import template

TEMPLATES = ("alert", "monitor", "provider")
DAY = 24 * 60
ON_DEFAULT_BUS = {"IsDefaultBus": True}


def chosen(node):
    """What the template chooses on the default bus."""
    if isinstance(node, list):
        return [one for one in map(chosen, node) if one is not None]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, then, otherwise = node["Fn::If"]
        return chosen(then if ON_DEFAULT_BUS.get(condition, False) else otherwise)
    return None if node == {"Ref": "AWS::NoValue"} else {name: chosen(one) for name, one in node.items()}


def alarms() -> dict:
    """The properties of all alarms, by template and the alarm's own name."""
    found = {}
    for name in TEMPLATES:
        for one in template(name)["Resources"].values():
            if one["Type"] == "AWS::CloudWatch::Alarm":
                properties = chosen(one["Properties"])
                suffix = properties["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
                found[f"{name}.{suffix}"] = properties
    return found


ALARMS = alarms()


def metric_of(alarm: dict, number: int = 0) -> dict:
    """The metric that an alarm looks at, or one of them."""
    stats = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
    if not stats and number:
        raise LookupError(f"{alarm['AlarmName']} looks at one metric")
    return stats[number] if stats else alarm


def put(metrics: Metrics, alarm: dict, minutes, value: float, number: int = 0):
    """Values of an alarm's metric in these minutes."""
    metric = metric_of(alarm, number)
    for minute in minutes:
        metrics.put(minute, metric["Namespace"], metric["MetricName"], value, dimensions_of(metric))


def quiet_day(alarm: dict) -> Metrics:
    """What the function and AWS report where nothing is wrong."""
    metrics = Metrics()
    for number in range(max(1, sum("MetricStat" in one for one in alarm.get("Metrics", [])))):
        name = metric_of(alarm, number)["MetricName"]
        values = {
            # SQS reports a queue that is used each five minutes, the other services what has happened.
            "ApproximateNumberOfMessagesVisible": (range(0, DAY, 5), 0),
            "Errors": (range(0, DAY, 7), 0),
            "Throttles": (range(0, DAY, 7), 0),
            "FailedInvocations": ((), 0),
            "TriggeredRules": ((), 0),
            # As src/runner/render/metrics.rs has them.
            "Undelivered": (range(0, DAY, 7), 0),
            "AnswerLagSeconds": (range(0, DAY, 7), 2.5),
            "OpenWaits": (range(DAY), 0),
            "Overdue": ((), 0),
            # And the monitor's.
            "TaskFailed": ((), 0),
            "EventsDropped": ((), 0),
        }[name]
        put(metrics, alarm, *values, number)
    return metrics


# What each alarm is for: how many minutes it takes at most, and the metric's values in the minutes from the first on.
GOES_OFF = {
    "alert.task-failed": [(2, [1], 0), (2, [1], 1)],
    "alert.undelivered": [(10, [1], 0), (10, [1], 1)],
    "monitor.task-failed": [(2, [1], 0)],
    "monitor.events-not-sent": [(10, [1], 0)],
    "monitor.dead-letters": [(10, [1] * 5, 0)],
    "monitor.function-errors": [(10, [1], 0)],
    "monitor.events-dropped": [(10, [1], 0)],
    # A message in the queue, and an answer that was refused and never gets into the queue.
    "provider.undelivered": [(2, [1], 0), (2, [1], 1)],
    "provider.errors": [(10, [1], 0)],
    "provider.throttles": [(6, [1, 1, 1], 0), (6, [5, None, 5, None, 5], 0)],
    "provider.lag": [(120, [90] + [None] * 39 + [90], 0)],
    "provider.watch-silent": [(6, [None] * 6, 0)],
    # The watch finds an overdue wait again each minute, every other minute, or, while another invocation stops its tasks,
    # after three.
    "provider.overdue": [(6, [1] * 6, 0), (10, [1, None] * 5, 0), (12, [1, None, None, None] * 3, 0)],
}

# What happens on a day on which nothing is wrong, and must not alarm anybody.
SILENT = {
    "provider.throttles": [[5], [1, 1]],
    "provider.lag": [[90]],
    # A schedule is late by a minute now and then.
    "provider.watch-silent": [[None], [None, None, None, None]],
    # A task is stopped at its deadline, and takes two minutes to end.
    "provider.overdue": [[1], [1, 1]],
    "provider.undelivered": [[0]],
}


class AlarmsTest(unittest.TestCase):
    def test_each_alarm_has_a_day_on_which_it_goes_off(self):
        self.assertEqual(set(GOES_OFF), set(ALARMS))
        for name, cases in GOES_OFF.items():
            alarm = ALARMS[name]
            for patience, values, number in cases:
                with self.subTest(alarm=name, values=values):
                    metrics = quiet_day(alarm)
                    self.drive(metrics, alarm, 60, values, number)
                    self.assertTrue(goes_off(alarm, metrics, 60 + max(patience, 2 * period_of(alarm) // 60)))

    def test_each_alarm_is_silent_on_a_quiet_day(self):
        for name, alarm in ALARMS.items():
            with self.subTest(alarm=name):
                self.assertTrue(is_silent(alarm, quiet_day(alarm), DAY))

    def test_what_passes_by_itself_alarms_nobody(self):
        for name, cases in SILENT.items():
            for values in cases:
                with self.subTest(alarm=name, values=values):
                    metrics = quiet_day(ALARMS[name])
                    self.drive(metrics, ALARMS[name], 60, values, 0)
                    self.assertTrue(is_silent(ALARMS[name], metrics, DAY))

    def drive(self, metrics: Metrics, alarm: dict, start: int, values: list, number: int):
        """Puts values in place of the quiet day's."""
        metric = metric_of(alarm, number)
        for minute, value in enumerate(values, start):
            of = metrics.values[key(metric["Namespace"], metric["MetricName"], dimensions_of(metric))]
            of.pop(minute, None)
            if value is not None:
                of[minute] = [value]


if __name__ == "__main__":
    unittest.main()
