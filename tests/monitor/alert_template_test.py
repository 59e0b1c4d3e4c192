"""cfn/alert.yml: deployed on moto's CloudFormation, and its rule's pattern by EventBridge's rules."""

import json
import unittest

from harness import ACCOUNT, REGION, Aws, event
from rules import matches
from template import deploy, pattern, read, statements_without_comment

TEMPLATE = read("alert")


def stopped(containers: list, **detail) -> dict:
    """An event of a task that has stopped with these containers."""
    changed = event("task-stopped-exit-1", containers=containers, **detail)
    changed["detail"] = {name: value for name, value in changed["detail"].items() if value is not None}
    return changed


class RulesTest(unittest.TestCase):
    """What is known of EventBridge's matcher."""

    def test_a_missing_field_is_missing_in_all_elements(self):
        pattern = {"containers": {"exitCode": [{"anything-but": 0}, {"exists": False}]}}
        for containers, expected in [
            ([{"exitCode": 0}], False),
            ([{"exitCode": 1}], True),
            ([{"exitCode": 0}, {"exitCode": 1}], True),
            ([{"name": "a"}], True),
            ([{"exitCode": 0}, {"name": "a"}], False),
        ]:
            self.assertEqual(matches(pattern, {"containers": containers}), expected, containers)

    def test_numbers_are_no_texts_and_two_anything_buts_always_match(self):
        self.assertFalse(matches({"code": ["1"]}, {"code": 1}))
        self.assertTrue(matches({"code": [{"anything-but": 0}, {"anything-but": 1}]}, {"code": 1}))


class AlertTemplateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.aws = Aws()
        cls.addClassCleanup(cls.aws.close)
        cls.stack = deploy(cls.aws, "alert", AlertEmail="ops@example.com")
        events = cls.aws.client("events")
        cls.targets = events.list_targets_by_rule(Rule=cls.stack["Values"]["RuleName"])["Targets"]
        cls.topic = cls.stack["Values"]["TopicArn"]

    def check(self, expected: bool, changed: dict, clusters: str = "*"):
        self.assertEqual(matches(pattern(TEMPLATE, clusters), changed), expected, json.dumps(changed["detail"]))

    def test_it_deploys_with_a_rule_that_tells_the_topic(self):
        self.assertEqual(self.stack["StackStatus"], "CREATE_COMPLETE")
        self.assertEqual([target["Arn"] for target in self.targets], [self.topic])

    def test_every_statement_says_which_call_it_serves(self):
        self.assertEqual(statements_without_comment("alert"), [])

    def test_the_pattern_is_as_long_as_eventbridge_takes(self):
        self.assertLessEqual(len(json.dumps(pattern(TEMPLATE, "a" * 255), indent=2)), 2048)

    def test_failed_tasks_are_told(self):
        for name in ["task-stopped-exit-1", "task-failed-to-start"]:
            self.check(True, event(name))
        self.check(True, stopped([{"name": "a", "exitCode": 0}, {"name": "b", "exitCode": 2}]))
        self.check(True, stopped([{"name": "a"}]))
        self.check(True, stopped([{"name": "a", "exitCode": 1}], stoppedReason=None))
        self.check(True, stopped([{"name": "a", "exitCode": 137}], stopCode="EssentialContainerExited"))
        self.check(True, stopped([{"name": "a", "exitCode": 0}, {"name": "b", "reason": "CannotPullContainerError"}]))
        self.check(True, stopped([{"name": "a", "exitCode": 0}], stopCode="TaskFailedToStart"))
        self.check(True, stopped([{"name": "a", "exitCode": 1}], stopCode="ServiceSchedulerInitiated"))

    def test_what_is_nobodys_problem_is_not_told(self):
        self.check(False, event("task-drained"))
        self.check(False, stopped([{"name": "a", "exitCode": 0}]))
        self.check(False, stopped([{"name": "a", "exitCode": 0}], stoppedReason=None))
        self.check(False, event("task-stopped-exit-1", lastStatus="RUNNING"))
        self.check(False, stopped([{"name": "a", "exitCode": 1}], stoppedReason="Scaling activity initiated by (x)"))
        self.check(False, stopped([{"name": "a", "exitCode": 143}], stopCode="ServiceSchedulerInitiated"))
        self.check(False, {**event("task-stopped-exit-1"), "source": "aws.ec2"})

    def test_clusters_can_be_left_out(self):
        failed = event("task-stopped-exit-1", clusterArn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod-blue")
        self.check(True, failed, "prod-*")
        self.check(True, failed, "prod-blue")
        self.check(False, failed, "prod")

    def test_what_a_rule_cannot_say(self):
        # The monitor finds this one; a rule sees a list of exit codes that are all 0.
        self.check(False, stopped([{"name": "a", "exitCode": 0}, {"name": "b"}]))


if __name__ == "__main__":
    unittest.main()
