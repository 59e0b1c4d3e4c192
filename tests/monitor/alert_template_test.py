"""cfn/alert.yml: deployed on moto's CloudFormation, and its rule's pattern by EventBridge's rules."""

import json
import re
import unittest

from harness import ACCOUNT, REGION, Aws, event
from rules import matches
from template import alarm_actions, deploy, pattern, read, statements_without_comment

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

    def check(self, expected: bool, changed: dict, clusters: str = "*", **filters):
        rules = [pattern(TEMPLATE, clusters, rule, **filters) for rule in ("Rule", "Unhealthy")]
        times = [matches(rule, changed) for rule in rules].count(True)
        self.assertEqual(times, 1 if expected else 0, json.dumps(changed["detail"]))

    def test_it_deploys_with_a_rule_that_tells_the_topic(self):
        self.assertEqual(self.stack["StackStatus"], "CREATE_COMPLETE")
        self.assertEqual([target["Arn"] for target in self.targets], [self.topic])

    def test_every_statement_says_which_call_it_serves(self):
        self.assertEqual(statements_without_comment("alert"), [])

    def test_the_pattern_is_as_long_as_eventbridge_takes(self):
        for rule in ("Rule", "Unhealthy"):
            longest = pattern(TEMPLATE, "a" * 255, rule, service="b" * 255, container="c" * 255)
            self.assertLessEqual(len(json.dumps(longest)), 2048)

    def test_failed_tasks_are_reported(self):
        for name in ["task-stopped-exit-1", "task-failed-to-start"]:
            self.check(True, event(name))
        self.check(True, stopped([{"name": "a", "exitCode": 0}, {"name": "b", "exitCode": 2}]))
        self.check(True, stopped([{"name": "a"}]))
        self.check(True, stopped([{"name": "a", "exitCode": 1}], stoppedReason=None))
        self.check(True, stopped([{"name": "a", "exitCode": 137}], stopCode="EssentialContainerExited"))
        self.check(True, stopped([{"name": "a", "exitCode": 0}, {"name": "b", "reason": "CannotPullContainerError"}]))
        self.check(True, stopped([{"name": "a"}], stopCode="TaskFailedToStart"))
        self.check(True, stopped([{"name": "a", "exitCode": 1}, {"name": "b"}], stopCode="TaskFailedToStart"))
        self.check(True, stopped([], stopCode="TaskFailedToStart"))
        self.check(True, stopped([{"name": "a", "exitCode": 1}], stopCode="ServiceSchedulerInitiated"))

    def test_what_is_nobodys_problem_is_not_reported(self):
        self.check(False, event("task-drained"))
        self.check(False, stopped([{"name": "a", "exitCode": 0}]))
        over = [{"name": "a", "exitCode": 0}, {"name": "b"}]
        self.check(False, stopped(over, stopCode="TaskFailedToStart"))
        self.check(False, stopped(over[:1], stoppedReason="Task stopped during instance draining."))
        self.check(False, stopped([{"name": "a", "exitCode": 0}], stoppedReason=None))
        self.check(False, event("task-stopped-exit-1", lastStatus="RUNNING"))
        self.check(False, stopped([{"name": "a", "exitCode": 1}], stoppedReason="Scaling activity initiated by (x)"))
        self.check(False, stopped([{"name": "a", "exitCode": 143}], stopCode="ServiceSchedulerInitiated"))
        self.check(False, {**event("task-stopped-exit-1"), "source": "aws.ec2"})

    def test_health_checks_are_reported_once_whatever_the_exit_codes(self):
        for reason in [
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/web/1)",
            "Task failed container health checks",
        ]:
            for code in [0, 1, 137, 143]:
                self.check(
                    True,
                    stopped([{"name": "a", "exitCode": code}], stopCode="ServiceSchedulerInitiated", stoppedReason=reason),
                )

    def test_one_service_and_one_container_can_be_watched(self):
        failed = stopped([{"name": "app", "exitCode": 1}, {"name": "log", "exitCode": 0}], group="service:web-blue")
        self.check(True, failed, service="web-*", container="app")
        self.check(True, failed, service="web-blue")
        self.check(False, failed, service="web")
        self.check(False, failed, container="other")
        unhealthy = {"stoppedReason": "Task failed container health checks"}
        self.check(True, stopped([{"name": "app", "exitCode": 0}], group="service:web", **unhealthy), service="web")
        self.check(False, stopped([{"name": "app", "exitCode": 0}], group="service:web", **unhealthy), service="api")

    def test_a_topic_that_is_made_is_encrypted_by_a_key_that_eventbridge_may_use(self):
        attributes = self.aws.client("sns").get_topic_attributes(TopicArn=self.topic)["Attributes"]
        self.assertIn(attributes["KmsMasterKeyId"], [one["KeyId"] for one in self.aws.client("kms").list_keys()["Keys"]])
        policy = json.dumps(TEMPLATE["Resources"]["Key"]["Properties"]["KeyPolicy"])
        self.assertIn("events.amazonaws.com", policy)

    def test_a_fifo_topic_is_refused(self):
        allowed = TEMPLATE["Parameters"]["AlertTopic"]["AllowedPattern"]
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
        self.assertTrue(re.search(allowed, topic) and not re.search(allowed, f"{topic}.fifo"))

    def test_the_alarm_about_failed_tasks_does_not_tell_the_topic_of_the_alerts(self):
        actions = alarm_actions(TEMPLATE, CreateTopic=True)
        self.assertEqual(actions, {"TaskFailed": None, "UndeliveredAlarm": [{"Ref": "Topic"}]})
        metrics = json.dumps(TEMPLATE["Resources"]["TaskFailed"]["Properties"]["Metrics"])
        self.assertEqual(metrics.count("TriggeredRules"), 2)

    def test_clusters_can_be_left_out(self):
        failed = event("task-stopped-exit-1", clusterArn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod-blue")
        self.check(True, failed, "prod-*")
        self.check(True, failed, "prod-blue")
        self.check(False, failed, "prod")

    def test_what_a_rule_cannot_say(self):
        # The monitor finds this one; a rule sees a list of exit codes that are all 0.
        self.check(False, stopped([{"name": "a", "exitCode": 0}, {"name": "b"}]))


class GivenTopicTest(unittest.TestCase):
    def test_a_topic_can_be_given(self):
        aws = Aws()
        self.addCleanup(aws.close)
        mine = aws.client("sns").create_topic(Name="mine")["TopicArn"]
        stack = deploy(aws, "alert", AlertTopic=mine)
        self.assertEqual((stack["StackStatus"], stack["Values"]["TopicArn"]), ("CREATE_COMPLETE", mine))
        self.assertEqual(len(aws.client("sns").list_topics()["Topics"]), 1)


if __name__ == "__main__":
    unittest.main()
