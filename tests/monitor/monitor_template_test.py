"""cfn/monitor.yml: deployed on moto's CloudFormation, with its sinks made, given and left out."""

import json
import re
import unittest

from harness import ACCOUNT, REGION, ROOT, Aws, event
from rules import matches
from template import alarm_actions, deploy, pattern, read, statements_without_comment

TEMPLATE = read("monitor")
CODE = {"CodeBucket": "code"}
SINKS = ["AUDIT_TABLE", "ALERT_TOPIC_ARN", "EVENTS_LOG_GROUP", "OPENSEARCH_ENDPOINT"]


class MonitorTemplateTest(unittest.TestCase):
    def setUp(self):
        self.aws = Aws()
        self.addCleanup(self.aws.close)
        self.aws.client("s3").create_bucket(Bucket="code")
        self.aws.client("s3").put_object(Bucket="code", Key="ecsEvents.zip", Body=b"PK\x05\x06" + bytes(18))

    def environment(self) -> dict:
        [function] = self.aws.client("lambda").list_functions()["Functions"]
        return function["Environment"]["Variables"]

    def test_by_default_it_makes_a_table_and_a_topic(self):
        stack = deploy(self.aws, "monitor", **CODE)
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        variables = self.environment()
        self.assertEqual(variables["ALERT_TOPIC_ARN"], stack["Values"]["AlertTopicArn"])
        table = self.aws.client("dynamodb").describe_table(TableName=variables["AUDIT_TABLE"])["Table"]
        keys = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
        self.assertEqual(keys, {"HASH": "taskDefinitionArn", "RANGE": "change"})
        self.assertEqual((variables["EVENTS_LOG_GROUP"], variables["OPENSEARCH_ENDPOINT"]), ("", ""))
        [mapping] = self.aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        self.assertEqual(mapping["BatchSize"], 100)

    def test_alerts_are_encrypted_with_a_key_that_alarms_may_use(self):
        topic = deploy(self.aws, "monitor", **CODE)["Values"]["AlertTopicArn"]
        key = self.aws.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"]
        self.assertIn(key, [one["KeyId"] for one in self.aws.client("kms").list_keys()["Keys"]])
        policy = TEMPLATE["Resources"]["AlertsKey"]["Properties"]["KeyPolicy"]
        principals = [one["Principal"] for one in policy["Statement"]]
        self.assertIn({"Service": "cloudwatch.amazonaws.com"}, principals)

    def test_a_log_group_can_be_made(self):
        deploy(self.aws, "monitor", **CODE, EventsLogGroup="create")
        made = self.aws.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/events/")["logGroups"]
        self.assertEqual([group["logGroupName"] for group in made], [self.environment()["EVENTS_LOG_GROUP"]])

    def test_a_search_that_is_made_is_written_to_and_allowed(self):
        """moto's CloudFormation makes no OpenSearch domain, so that the template is read instead."""
        resources = TEMPLATE["Resources"]
        self.assertEqual(resources["Search"]["Type"], "AWS::OpenSearchService::Domain")
        variables = resources["Function"]["Properties"]["Environment"]["Variables"]
        condition, made, _ = variables["OPENSEARCH_ENDPOINT"]["Fn::If"]
        self.assertEqual((condition, made), ("CreateOpenSearch", {"Fn::Sub": "https://${Search.DomainEndpoint}"}))
        statements = resources["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        [index] = [one["Fn::If"][1] for one in statements if one.get("Fn::If", [""])[0] == "HasOpenSearch"]
        self.assertEqual(index["Resource"]["Fn::If"][:2], ["CreateOpenSearch", {"Fn::Sub": "${Search.Arn}/*"}])

    def test_sinks_can_be_given(self):
        topic = self.aws.client("sns").create_topic(Name="mine")["TopicArn"]
        search = "https://search-mine.us-east-1.es.amazonaws.com"
        given = {"AuditTable": "mine", "AlertTopic": topic, "EventsLogGroup": "/mine", "OpenSearchEndpoint": search}
        deploy(self.aws, "monitor", **CODE, **given)
        variables = self.environment()
        self.assertEqual([variables[name] for name in SINKS], list(given.values()))
        self.assertEqual(self.aws.client("dynamodb").list_tables()["TableNames"], [])

    def test_sinks_can_be_left_out(self):
        stack = deploy(self.aws, "monitor", **CODE, AuditTable="none", AlertTopic="none")
        variables = self.environment()
        self.assertEqual([variables[name] for name in SINKS], ["", "", "", ""])
        self.assertNotIn("AuditTable", stack["Values"])

    def test_the_rule_lets_ecs_through_and_only_the_clusters_that_are_watched(self):
        failed = event("task-stopped-exit-1")
        check = lambda changed, clusters="*": matches(pattern(TEMPLATE, clusters), changed)
        self.assertTrue(check(failed))
        self.assertTrue(check(failed, "eventStream*"))
        self.assertFalse(check(failed, "prod"))
        self.assertFalse(check({**failed, "source": "aws.ec2"}))
        deployment = {
            "source": "aws.ecs",
            "detail-type": "ECS Deployment State Change",
            "resources": ["arn:aws:ecs:us-east-1:123456789012:service/prod/web"],
            "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED"},
        }
        self.assertTrue(check(deployment) and check(deployment, "prod"))
        self.assertFalse(check(deployment, "test"))

    def test_the_second_rule_lets_through_what_ecs_refused_to_run_and_no_other_call(self):
        call = lambda asked, **more: {
            "source": "aws.ecs",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventName": "RunTask", "requestParameters": asked, **more},
        }
        check = lambda changed, clusters="*": matches(pattern(TEMPLATE, clusters, "Refused"), changed)
        prod = {"cluster": "prod", "taskDefinition": "nightly"}
        arn = {"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/prod"}
        refused = {"responseElements": {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}}
        for asked in (prod, arn):
            for more in (refused, {"errorCode": "AccessDenied"}):
                self.assertTrue(check(call(asked, **more)) and check(call(asked, **more), "pro*"))
                self.assertFalse(check(call(asked, **more), "test"))
            self.assertFalse(check(call(asked, responseElements={"tasks": [{}], "failures": []})))
        self.assertTrue(check(call({}, **refused)))
        self.assertFalse(check(call({}, **refused), "prod"))
        stopped = call(prod, errorCode="AccessDenied")
        stopped["detail"]["eventName"] = "StopTask"
        self.assertFalse(check(stopped))

    def test_the_function_is_given_every_setting_that_it_reads_and_no_other(self):
        settings = (ROOT / "src" / "monitor" / "decide" / "settings.rs").read_text().split("#[cfg(test)]")[0]
        read_by_it = set(re.findall(r'(?:self\.read(?:_if_given)?\(\(?|environment\.boolean\()"([A-Z_]+)"', settings))
        variables = TEMPLATE["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(set(variables), read_by_it)

    def test_the_role_allows_the_calls_that_the_function_makes(self):
        names = ("dynamodb", "dynamodb/read", "sns", "opensearch", "logs", "log_group")
        code = "".join((ROOT / "src" / "aws" / f"{name}.rs").read_text() for name in names)
        called = set(re.findall(r'"((?:dynamodb|sns|es|logs):\w+)"', code)) | {"ecs:DescribeTaskDefinition"}
        # The runner's alone.
        called -= {"dynamodb:BatchGetItem"}
        text = json.dumps(TEMPLATE["Resources"]["Role"])
        allowed = set(re.findall(r'"((?:dynamodb|sns|es|logs|ecs):\w+)"', text))
        self.assertEqual(allowed, called)

    def statements(self, condition: str) -> list:
        """The statements of the role that stand under a condition."""
        all_of_them = TEMPLATE["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        return [one["Fn::If"][1] for one in all_of_them if one.get("Fn::If", [""])[0] == condition]

    def test_a_table_that_is_given_by_its_arn_is_the_resource_as_it_stands(self):
        [audit] = self.statements("HasTable")
        given = audit["Resource"]["Fn::If"][2]["Fn::If"]
        self.assertEqual(given[:2], ["IsTableArn", {"Ref": "AuditTable"}])
        self.assertIn("table/${AuditTable}", given[2]["Fn::Sub"])
        arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/mine"
        deploy(self.aws, "monitor", **CODE, AuditTable=arn)
        self.assertEqual(self.environment()["AUDIT_TABLE"], arn)
        [role] = [one for one in self.aws.client("iam").list_roles()["Roles"] if "SlackRole" not in one["RoleName"]]
        policy = self.aws.client("iam").get_role_policy(RoleName=role["RoleName"], PolicyName="ecsEvents")
        document = str(policy["PolicyDocument"])
        self.assertTrue(f"'Resource': '{arn}'" in document and f"table/{arn}" not in document, document)

    def test_a_key_that_encrypts_a_given_topic_may_be_used(self):
        [encrypt] = self.statements("HasTopicKey")
        self.assertEqual(encrypt["Resource"], {"Ref": "AlertTopicKey"})

    def test_a_fifo_topic_is_refused(self):
        allowed = TEMPLATE["Parameters"]["AlertTopic"]["AllowedPattern"]
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
        self.assertTrue(re.search(allowed, topic) and not re.search(allowed, f"{topic}.fifo"))

    def test_one_failure_does_not_arrive_twice(self):
        made = {"HasTopic": True, "CreateTopic": True, "HasAlarmTopic": True, "CreateAlarmTopic": True}
        actions = alarm_actions(TEMPLATE, **made)
        self.assertEqual(actions.pop("TaskFailed"), None)
        self.assertEqual(set(actions), {"NotSent", "DeadLettersThere", "FunctionErrors", "Dropped"})
        self.assertTrue(all(action == [{"Ref": "Alarms"}] for action in actions.values()), actions)
        values = deploy(self.aws, "monitor", **CODE)["Values"]
        self.assertNotEqual(values["AlarmTopicArn"], values["AlertTopicArn"])

    def test_without_alerts_the_alarm_about_failed_tasks_is_one(self):
        actions = alarm_actions(TEMPLATE, HasAlarmTopic=True)
        self.assertEqual(actions["TaskFailed"], [{"Ref": "AlarmTopic"}])

    def test_every_minute_the_windows_are_looked_through(self):
        deploy(self.aws, "monitor", **CODE)
        events = self.aws.client("events")
        schedules = [one for one in events.list_rules()["Rules"] if one.get("ScheduleExpression") == "rate(1 minute)"]
        [function] = self.aws.client("lambda").list_functions()["Functions"]
        [target] = events.list_targets_by_rule(Rule=schedules[0]["Name"])["Targets"]
        self.assertEqual(target["Arn"], function["FunctionArn"])

    def test_without_windows_there_is_no_schedule(self):
        deploy(self.aws, "monitor", **CODE, AlertWindowSeconds="0")
        rules = self.aws.client("events").list_rules()["Rules"]
        self.assertEqual([one for one in rules if "ScheduleExpression" in one], [])

    def test_slack_gets_both_topics_and_alerts_for_a_chat(self):
        slack = TEMPLATE["Resources"]["Slack"]
        self.assertEqual((slack["Type"], slack["Condition"]), ("AWS::Chatbot::SlackChannelConfiguration", "HasSlack"))
        self.assertEqual(len(slack["Properties"]["SnsTopicArns"]), 2)
        variables = TEMPLATE["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(variables["ALERT_FORMAT"]["Fn::If"], ["HasSlack", "chat", {"Ref": "AlertFormat"}])

    def test_the_rule_can_be_on_a_bus_of_other_accounts(self):
        self.assertEqual(TEMPLATE["Resources"]["Rule"]["Properties"]["EventBusName"], {"Ref": "EventBusName"})
        self.aws.client("events").create_event_bus(Name="others")
        deploy(self.aws, "monitor", **CODE, EventBusName="others")
        self.assertEqual(len(self.aws.client("events").list_rules(EventBusName="others")["Rules"]), 1)

    def test_every_statement_says_which_call_it_serves(self):
        self.assertEqual(statements_without_comment("monitor"), [])


if __name__ == "__main__":
    unittest.main()
