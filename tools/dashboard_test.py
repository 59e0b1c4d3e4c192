"""dashboard.py: the picture shows the whole dashboard, and the one in docs is of today's."""

import copy
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import dashboard

DOCS = Path(__file__).parents[1] / "docs"


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.body = dashboard.dashboard()

    def drawn(self, body):
        with tempfile.TemporaryDirectory() as directory:
            picture = Path(directory, "picture.svg")
            dashboard.draw(body, picture)
            return picture.read_text(encoding="utf-8")

    def test_the_picture_shows_every_widget_and_every_line_of_it_and_is_the_same_each_time(self):
        picture = self.drawn(self.body)
        self.assertEqual(picture, self.drawn(self.body))
        self.assertIn("prefers-color-scheme:dark", picture)
        shown = set(re.findall(r"<!-- (.*?) -->", picture))
        for widget in self.body["widgets"]:
            properties = widget["properties"]
            said = [properties["title"]]
            said += [f"{arn.split(':alarm:')[1]}: OK" for arn in properties.get("alarms", [])]
            said += [options["label"] for *_, options in dashboard.metrics(properties)] if "metrics" in properties else []
            said += properties["query"].split("| display ")[1].split(", ") if "query" in properties else []
            self.assertLessEqual(set(said), shown)

    def test_the_picture_in_docs_is_of_this_dashboard(self):
        picture = (DOCS / "dashboard.svg").read_text(encoding="utf-8")
        self.assertIn(dashboard.digest(self.body), picture, "make dashboard draws it anew")
        self.assertIn("dashboard.svg", (DOCS / "operations.md").read_text(encoding="utf-8"))

    def test_what_has_no_figures_is_an_error(self):
        for widget, field, value, problem in [
            (1, "metrics", [["ECSTasks", "New", {"label": "new"}]], "the metric ECSTasks New"),
            (-1, "query", "fields a | display a", "the field a"),
        ]:
            body = copy.deepcopy(self.body)
            body["widgets"][widget]["properties"][field] = value
            with self.assertRaisesRegex(dashboard.Unknown, problem):
                self.drawn(body)
        body = copy.deepcopy(self.body)
        body["widgets"][0]["type"] = "explorer"
        with self.assertRaisesRegex(dashboard.Unknown, "type explorer"):
            self.drawn(body)

    def test_short_forms_of_metrics_are_written_out(self):
        written = [["A", "M", "D", "1", {}], [".", "N", ".", "."], ["...", "2", {"stat": "p99"}], ["...", {"label": "l"}]]
        full = [(namespace, name, *dimensions) for namespace, name, dimensions, _ in dashboard.metrics({"metrics": written})]
        self.assertEqual(full, [("A", "M", "D", "1"), ("A", "N", "D", "1"), ("A", "N", "D", "2"), ("A", "N", "D", "2")])

    def test_the_widgets_fill_the_page_and_none_lies_on_another(self):
        taken = set()
        for widget in self.body["widgets"]:
            columns = range(widget["x"], widget["x"] + widget["width"])
            cells = {(x, y) for x in columns for y in range(widget["y"], widget["y"] + widget["height"])}
            self.assertFalse(cells & taken, widget["properties"]["title"])
            taken |= cells
        self.assertEqual({x for x, _ in taken}, set(range(dashboard.COLUMNS)))
        self.assertEqual(len(taken) % dashboard.COLUMNS, 0)

    def test_every_alarm_is_on_it_and_the_log_is_the_function_s(self):
        resources = dashboard.load(str(dashboard.TEMPLATE))["Resources"].values()
        alarms = [one["Properties"]["AlarmName"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
        text = json.dumps(self.body)
        for name in alarms:
            self.assertIn(f":alarm:{name['Fn::Sub'].replace('${AWS::StackName}', dashboard.STACK)}\"", text)
        self.assertIn("SOURCE '/aws/lambda/ecs-tasks-ecsTasks'", text)


if __name__ == "__main__":
    unittest.main()
