"""The monitor against DynamoDB, SNS, SQS and CloudWatch Logs as moto plays them, and an OpenSearch that checks signatures."""

import hashlib
import json
import re
import threading
import time
import unittest

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import (
    ACCOUNT,
    KEY,
    REGION,
    ROOT,
    SECRET,
    Aws,
    Function,
    Server,
    batch,
    event,
    notification,
    service_event,
    tick,
)


class OpenSearch:
    """Takes `_bulk` as OpenSearch does, if its signature is right."""

    def __init__(self):
        self.documents, self.problems, self.status, self.templates = {}, [], 200, {}
        self.refused = {}
        self.asked, self.answering = 0, threading.Event()
        self.answering.set()
        self.server = Server(self.bulk)

    def bulk(self, request, body):
        self.asked += 1
        self.answering.wait()
        if self.status != 200:
            return request.answer(self.status, b'{"error": "as the test wants it"}')
        problem = self.wrong_signature(request, body)
        if problem:
            self.problems.append(problem)
            return request.answer(403, json.dumps({"message": problem}).encode())
        if request.command == "PUT" and request.path.startswith("/_index_template/"):
            self.templates[request.path.rsplit("/")[-1]] = json.loads(body)
            return request.answer(200, b'{"acknowledged": true}')
        if request.path != "/_bulk" or not body.endswith(b"\n"):
            self.problems.append("not a _bulk request")
            return request.answer(400, b"{}")
        lines = [json.loads(line) for line in body.splitlines()]
        items = []
        for action, document in zip(lines[::2], lines[1::2]):
            target = action["index"]
            if target["_id"] in self.refused:
                status, error = self.refused[target["_id"]]
                items.append({"index": {"_id": target["_id"], "status": status, "error": {"type": error}}})
                continue
            self.documents[(target["_index"], target["_id"])] = document
            items.append({"index": {"_id": target["_id"], "status": 201}})
        return request.answer(200, json.dumps({"errors": False, "items": items}).encode())

    def wrong_signature(self, request, body):
        given = request.headers.get("authorization", "")
        signed = given.split("SignedHeaders=")[-1].split(",")[0].split(";")
        if hashlib.sha256(body).hexdigest() != request.headers.get("x-amz-content-sha256"):
            return "the body is not the one that was signed"
        again = AWSRequest(request.command, f"http://{self.server.address}{request.path}", data=body)
        for name in signed:
            again.headers[name] = request.headers[name]
        signer = SigV4Auth(Credentials(KEY, SECRET), "es", REGION)
        again.context["timestamp"] = request.headers["x-amz-date"]
        canonical = signer.canonical_request(again)
        signature = signer.signature(signer.string_to_sign(again, canonical), again)
        return None if f"Signature={signature}" in given else f"the signature is not {signature}: {given}"


class MonitorTest(unittest.TestCase):
    def setUp(self):
        self.aws = Aws()
        self.addCleanup(self.aws.close)
        self.search = OpenSearch()
        self.addCleanup(self.search.server.close)
        dynamodb = self.aws.client("dynamodb")
        dynamodb.create_table(
            TableName="audit",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "taskDefinitionArn", "KeyType": "HASH"},
                {"AttributeName": "change", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "taskDefinitionArn", "AttributeType": "S"},
                {"AttributeName": "change", "AttributeType": "S"},
            ],
        )
        dynamodb.update_time_to_live(
            TableName="audit", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )
        self.topic = self.aws.client("sns").create_topic(Name="alerts")["TopicArn"]
        self.alerts = self.subscribe(None)
        self.aws.client("logs").create_log_group(logGroupName="/ecs/failed")
        self.functions = []
        self.addCleanup(lambda: [function.close() for function in self.functions])

    def subscribe(self, policy):
        """A queue that the topic's messages go to."""
        sqs, sns = self.aws.client("sqs"), self.aws.client("sns")
        url = sqs.create_queue(QueueName=f"alerts-{time.monotonic_ns()}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"FilterPolicy": json.dumps(policy)} if policy else {}
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def received(self, url=None):
        """The alerts that have come: subject and message."""
        messages = []
        while True:
            more = self.aws.client("sqs").receive_message(QueueUrl=url or self.alerts, MaxNumberOfMessages=10)
            if not more.get("Messages"):
                return messages
            for message in more["Messages"]:
                self.aws.client("sqs").delete_message(
                    QueueUrl=url or self.alerts, ReceiptHandle=message["ReceiptHandle"]
                )
                body = json.loads(message["Body"])
                messages.append((body.get("Subject"), body["Message"]))

    def rows(self, bookkeeping: bool):
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName="audit")
        items = [item for page in pages for item in page["Items"]]
        return [item for item in items if item["taskDefinitionArn"]["S"].startswith("ecs-tasks#") == bookkeeping]

    def items(self):
        return self.rows(bookkeeping=False)

    def a_minute_passes(self):
        """What an invocation that died had leased is free again."""
        for row in self.rows(bookkeeping=True):
            if "lease" in row:
                key = {name: row[name] for name in ("taskDefinitionArn", "change")}
                self.aws.client("dynamodb").update_item(
                    TableName="audit",
                    Key=key,
                    UpdateExpression="SET lease = :past",
                    ExpressionAttributeValues={":past": {"N": "0"}},
                )

    def reported(self):
        """How many failures the alerts that have come stand for, by what they are about."""
        reported = {}
        for subject, _ in self.received():
            what, about = re.match(r"(.*?) failed: (.*?)(?: \(.*\))?$", subject).groups()
            count = re.match(r"\d+", what)
            reported[about] = reported.get(about, 0) + (int(count[0]) if count else 1)
        return reported

    def logged(self):
        logs = self.aws.client("logs")
        streams = logs.describe_log_streams(logGroupName="/ecs/failed")["logStreams"]
        return [
            json.loads(one["message"])
            for stream in streams
            for one in logs.get_log_events(logGroupName="/ecs/failed", logStreamName=stream["logStreamName"])["events"]
        ]

    def function(self, **settings):
        everything = {
            "AUDIT_TABLE": "audit",
            "ALERT_TOPIC_ARN": self.topic,
            "EVENTS_LOG_GROUP": "/ecs/failed",
            "OPENSEARCH_ENDPOINT": f"http://{self.search.server.address}",
        }
        function = Function(self.aws, **{**everything, **settings})
        self.functions.append(function)
        return function

    def test_a_failed_task_reaches_every_sink_once(self):
        function, failed = self.function(), event("task-stopped-exit-1")
        self.assertEqual(function.invoke(failed), ("answer", None))
        self.assertEqual(function.invoke(failed), ("answer", None))
        [(subject, message)] = self.received()
        self.assertTrue(subject.startswith("ECS task failed: wpunconfiguredfail on eventStreamTestCluster"), subject)
        self.assertTrue(message.startswith("Container web exited with code 1"), message)
        [item] = self.items()
        self.assertEqual(item["finding"]["S"], "failed")
        self.assertTrue(item["alerted"]["S"] and item["logged"]["S"])
        self.assertEqual(int(item["ttl"]["N"]) // 86400, int(time.time()) // 86400 + 14)
        self.assertEqual(item["containers"]["L"][0]["M"]["exitCode"], {"N": "1"})
        self.assertEqual(self.logged(), [failed])
        self.assertEqual(list(self.search.documents), [("ecs-events-2016.10", failed["id"])])
        self.assertEqual(self.search.problems, [])
        self.assertEqual(self.search.templates["ecs-events"]["template"]["mappings"]["date_detection"], False)
        metrics = [line for line in function.log() if "_aws" in line]
        self.assertEqual([line["TaskFailed"] for line in metrics], [1])

    def test_excused_and_moving_tasks_are_kept_and_not_reported(self):
        function = self.function()
        excused = event("task-drained")
        moving = event("task-stopped-exit-1", lastStatus="RUNNING", version=2)
        service_action = {**event("task-stopped-exit-1", version=9), "detail-type": "ECS Service Action"}
        answer = function.invoke(batch(excused, moving, service_action))
        self.assertEqual(answer, ("answer", {"batchItemFailures": []}))
        findings = sorted(item.get("finding", {}).get("S", "none") for item in self.items())
        self.assertEqual(findings, ["excused", "moving", "none"])
        self.assertEqual((self.received(), self.logged(), len(self.search.documents)), ([], [], 3))

    def test_what_cannot_be_read_does_not_block_its_batch(self):
        function = self.function()
        large = event("task-stopped-exit-1", stoppedReason="x" * 250_000)
        bad = ["no JSON", "{}", json.dumps({"source": "aws.ecs", "id": "e-1"}), json.dumps([1]), '"text"']
        answer = function.invoke(batch(*bad, large, event("task-failed-to-start", version=4)))
        self.assertEqual(answer, ("answer", {"batchItemFailures": []}))
        self.assertEqual((len(self.received()), len(self.items())), (2, 2))
        self.assertEqual(function.invoke(b"no JSON at all")[0], "answer")
        log = function.log()
        self.assertEqual(sum(line.get("EventsDropped", 0) for line in log), len(bad) + 1)
        dropped = [line["message"] for line in log if line.get("level") == "WARN"]
        self.assertEqual(len(dropped), len(bad) + 1, dropped)
        self.assertIn("dropped: event m-0: its body is not JSON", dropped)
        self.assertIn("dropped: event e-1: it has no detail", dropped)

    def test_a_sink_that_fails_lets_its_event_come_back_and_nothing_is_done_twice(self):
        function = self.function()
        failed, moving = event("task-stopped-exit-1"), event("task-stopped-exit-1", lastStatus="RUNNING", version=2)
        self.search.status = 503
        answer = function.invoke(batch(failed, moving))
        expected = [{"itemIdentifier": "m-0"}, {"itemIdentifier": "m-1"}]
        self.assertEqual(answer, ("answer", {"batchItemFailures": expected}))
        self.assertEqual((len(self.received()), len(self.logged())), (1, 1))
        self.search.status = 200
        self.assertEqual(function.invoke(batch(failed, moving)), ("answer", {"batchItemFailures": []}))
        self.assertEqual((self.received(), len(self.logged()), len(self.search.documents)), ([], 1, 2))

    def test_an_alert_that_sns_refuses_comes_back_and_alone(self):
        function = self.function()
        failed, fine = event("task-stopped-exit-1"), event("task-drained")
        self.aws.failing["Publish"] = (400, "InvalidParameter")
        answer = function.invoke(batch(fine, failed))
        self.assertEqual(answer, ("answer", {"batchItemFailures": [{"itemIdentifier": "m-1"}]}))
        del self.aws.failing["Publish"]
        self.assertEqual(function.invoke(batch(failed)), ("answer", {"batchItemFailures": []}))
        self.assertEqual((len(self.received()), len(self.logged())), (1, 1))

    def test_an_event_without_a_queue_is_repeated_by_lambda(self):
        function = self.function()
        self.aws.failing["BatchWriteItem"] = (400, "AccessDeniedException")
        kind, error = function.invoke(event("task-stopped-exit-1"))
        self.assertEqual(kind, "error")
        self.assertIn("could not complete all its work on the event (audit)", error["errorMessage"])
        self.assertEqual(len(self.received()), 1, "an alert that cannot be kept is still sent")

    def test_a_crash_after_each_step_loses_nothing(self):
        steps = [("UpdateItem", 1), ("BatchWriteItem", 1), ("Publish", 2), ("TransactWriteItems", 1)]
        for number, (step, alerts) in enumerate(steps):
            with self.subTest(step):
                cluster = f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/{step}"
                failed = event("task-stopped-exit-1", clusterArn=cluster)
                function = self.function()
                self.aws.crash_after = step
                self.assertEqual(function.invoke(batch(failed))[0], "crash")
                self.a_minute_passes()
                again = self.function()
                self.assertEqual(again.invoke(batch(failed)), ("answer", {"batchItemFailures": []}))
                self.assertEqual(again.invoke(batch(failed)), ("answer", {"batchItemFailures": []}))
                self.assertEqual(again.invoke(tick(minutes=10 * (number + 1))), ("answer", None))
                self.assertEqual(list(self.reported().values()), [alerts])

    def test_what_another_invocation_is_at_work_on_comes_back(self):
        failed = event("task-stopped-exit-1")
        self.aws.crash_after = "UpdateItem"
        self.assertEqual(self.function().invoke(batch(failed))[0], "crash")
        answer = self.function().invoke(batch(failed))
        self.assertEqual(answer, ("answer", {"batchItemFailures": [{"itemIdentifier": "m-0"}]}))
        self.assertEqual(self.received(), [])

    def test_a_sink_that_hangs_does_not_make_alerts_go_out_again(self):
        failed, function = event("task-stopped-exit-1"), self.function()
        self.search.answering.clear()
        self.addCleanup(self.search.answering.set)
        self.aws.crash_after = "TransactWriteItems"
        self.assertEqual(function.invoke(batch(failed))[0], "crash")
        self.assertLess(self.search.asked, 3, "the mark did not wait for the last attempt at the index")
        self.search.answering.set()
        self.assertEqual(self.function().invoke(batch(failed)), ("answer", {"batchItemFailures": []}))
        self.assertEqual((len(self.received()), len(self.logged()), len(self.search.documents)), (1, 1, 1))

    def test_two_deliveries_in_one_batch_alert_once(self):
        failed = event("task-stopped-exit-1")
        self.assertEqual(self.function().invoke(batch(failed, failed)), ("answer", {"batchItemFailures": []}))
        self.assertEqual((len(self.received()), len(self.logged())), (1, 1))

    def test_two_events_with_one_id_are_both_kept_and_their_task_is_reported_once(self):
        """Copies of one event, edited: what differs is no redelivery."""
        first = event("task-stopped-exit-1")
        second = {**first, "detail": {**first["detail"], "version": 9, "stoppedReason": "another"}}
        self.function().invoke(batch(first, second))
        self.assertEqual((len(self.received()), len(self.items())), (1, 2))

    def test_values_of_environment_variables_are_nowhere(self):
        variables = [{"name": "PASSWORD", "value": "hunter2"}]
        failed = event("task-stopped-exit-1", overrides={"containerOverrides": [{"name": "web", "environment": variables}]})
        function = self.function(ALERT_FORMAT="json", LOG_LEVEL="TRACE")
        function.invoke(failed)
        again = event("task-stopped-exit-1", overrides={"containerOverrides": [{"name": "web", "environment": variables}]})
        function.invoke(again)
        rows = self.rows(bookkeeping=True)
        self.assertTrue(any("latest" in row for row in rows), "one of them was counted")
        reached = [self.received(), self.items(), rows, self.logged(), list(self.search.documents.values())]
        for what in [*reached, function.log()]:
            self.assertTrue(what)
            self.assertNotIn("hunter2", json.dumps(what))

    def test_two_tasks_that_change_in_the_same_second_are_two_items(self):
        tasks = [f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/prod/{number}" for number in range(3)]
        self.function().invoke(batch(*(event("task-stopped-exit-1", taskArn=task) for task in tasks)))
        self.assertEqual(len(self.items()), 3)

    def test_subscriptions_can_filter_by_attributes(self):
        mine = self.subscribe({"stopCode": ["TaskFailedToStart"]})
        self.function().invoke(batch(event("task-stopped-exit-1"), event("task-failed-to-start", version=4)))
        self.assertEqual((len(self.received(mine)), len(self.received())), (1, 2))

    def test_a_topic_can_be_in_another_region(self):
        sns, sqs = self.aws.client("sns", "eu-west-1"), self.aws.client("sqs", "eu-west-1")
        topic, queue = sns.create_topic(Name="far")["TopicArn"], sqs.create_queue(QueueName="far")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        function = self.function(ALERT_TOPIC_ARN=topic)
        self.assertEqual(function.invoke(event("task-stopped-exit-1")), ("answer", None))
        self.assertEqual(len(sqs.receive_message(QueueUrl=queue)["Messages"]), 1)

    def test_json_and_chat_alerts_are_json(self):
        failed = event("task-stopped-exit-1")
        self.function(ALERT_FORMAT="json").invoke(failed)
        body = json.loads(self.received()[0][1])
        self.assertEqual((body["detail"], body["finding"]["result"]), (failed["detail"], "failed"))
        self.function(ALERT_FORMAT="chat").invoke(event("task-failed-to-start"))
        body = json.loads(self.received()[0][1])
        self.assertEqual((body["version"], body["source"]), ("1.0", "custom"))

    def test_every_sink_is_optional(self):
        nothing = {"AUDIT_TABLE": "", "ALERT_TOPIC_ARN": "", "EVENTS_LOG_GROUP": "", "OPENSEARCH_ENDPOINT": ""}
        function = self.function(**nothing)
        self.assertEqual(function.invoke(event("task-stopped-exit-1")), ("answer", None))
        self.assertEqual(self.aws.calls, [])
        self.assertEqual([line["TaskFailed"] for line in function.log() if "_aws" in line], [1])

    def test_the_log_has_the_fields_that_its_page_names(self):
        """docs/logging.md names every field that a line can have, and no line has another."""
        function = self.function()
        self.search.status = 503
        trouble = service_event("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:FARGATE")
        failures = [event("task-failed-to-start"), event("task-stopped-exit-1"), trouble]
        function.invoke(batch("no event", event("task-drained"), *failures))
        lines = [line for line in function.log() if "_aws" not in line]
        fields = {name for line in lines for name in line} - {"level", "timestamp", "message"}
        page = (ROOT / "docs" / "logging.md").read_text().split("## The monitor's log")[1].split("##")[0]
        rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("|")][2:]
        self.assertEqual(fields, {name.strip() for row in rows for name in row.split(",")})

    def test_a_storm_is_a_few_messages_that_add_up(self):
        """The simulation has a storm of a thousand: moto takes 30 ms for each."""
        function = self.function()
        storm = [event("task-stopped-exit-1", group="service:web") for _ in range(300)]
        storm.insert(150, event("task-stopped-exit-1", group="family:other", taskDefinitionArn="task-definition/other:1"))
        for first in range(0, len(storm), 100):
            answer = function.invoke(batch(*storm[first : first + 100]))
            self.assertEqual(answer, ("answer", {"batchItemFailures": []}))
        self.assertEqual(function.invoke(tick(minutes=10)), ("answer", None))
        self.assertEqual(function.invoke(tick(minutes=20)), ("answer", None))
        self.assertLessEqual(self.aws.calls.count("Publish"), 10)
        on = "on eventStreamTestCluster: web exited with code 1"
        self.assertEqual(self.reported(), {f"web {on}": 300, f"other {on}": 1})
        self.assertEqual((len(self.items()), len(self.logged())), (301, 301))
        self.assertEqual(sum(line.get("TaskFailed", 0) for line in function.log()), 301)

    def test_a_count_that_sns_refuses_is_reported_by_the_next_minute(self):
        function = self.function()
        for _ in range(3):
            function.invoke(event("task-stopped-exit-1"))
        self.assertEqual(len(self.received()), 1)
        self.aws.failing["Publish"] = (400, "InvalidParameter")
        self.assertEqual(function.invoke(tick(minutes=10))[0], "error")
        del self.aws.failing["Publish"]
        self.assertEqual(function.invoke(tick(minutes=11)), ("answer", None))
        [(subject, message)] = self.received()
        self.assertTrue(subject.startswith("2 more ECS tasks failed: "), subject)
        self.assertIn(" UTC. The latest:", message.splitlines()[0])

    def test_a_transaction_that_conflicts_makes_no_task_reported_or_measured_twice(self):
        """Others that are at work on one window: DynamoDB cancels a transaction that meets another."""
        function = self.function()
        first, second = event("task-stopped-exit-1"), event("task-stopped-exit-1")
        self.aws.failing["TransactWriteItems"] = (400, "TransactionCanceledException")
        self.assertEqual(function.invoke(batch(first)), ("answer", {"batchItemFailures": []}))
        answer = function.invoke(batch(second))
        self.assertEqual(answer, ("answer", {"batchItemFailures": [{"itemIdentifier": "m-0"}]}))
        del self.aws.failing["TransactWriteItems"]
        self.assertEqual(function.invoke(batch(first, second)), ("answer", {"batchItemFailures": []}))
        self.assertEqual(function.invoke(tick(minutes=10)), ("answer", None))
        self.assertEqual((list(self.reported().values()), len(self.logged())), ([2], 2))
        self.assertTrue(all("alerted" in item and "logged" in item for item in self.items()))
        self.assertEqual([line["TaskFailed"] for line in function.log() if "_aws" in line], [1, 1])

    def test_with_a_window_of_zero_each_failure_is_reported_by_itself(self):
        failures = [event("task-stopped-exit-1") for _ in range(3)]
        self.function(ALERT_WINDOW_SECONDS="0").invoke(batch(*failures))
        self.assertEqual(len(self.received()), 3)

    def test_a_service_in_trouble_is_reported_and_not_measured(self):
        function = self.function()
        trouble = service_event("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:FARGATE")
        well = service_event("INFO", "SERVICE_STEADY_STATE")
        self.assertEqual(function.invoke(batch(trouble, trouble, well)), ("answer", {"batchItemFailures": []}))
        [(subject, message)] = self.received()
        self.assertTrue(subject.startswith("ECS service in trouble: web on prod: service task placement failure"), subject)
        self.assertIn("RESOURCE:FARGATE", message)
        self.assertEqual(len(self.items()), 2)
        self.assertEqual([line for line in function.log() if "_aws" in line], [])

    def defined(self, **options):
        """A task definition whose container web logs to /ecs/app."""
        logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/app", **options}}
        container = {"name": "web", "image": "web:1", "memory": 64, "logConfiguration": logs}
        made = self.aws.client("ecs").register_task_definition(family="web", containerDefinitions=[container])
        return made["taskDefinition"]["taskDefinitionArn"]

    def test_an_alert_has_the_last_log_lines_of_the_container_that_failed(self):
        definition = self.defined(**{"awslogs-stream-prefix": "app"})
        failed = event("task-stopped-exit-1", taskDefinitionArn=definition)
        stream = f"app/web/{failed['detail']['taskArn'].rsplit('/')[-1]}"
        logs = self.aws.client("logs")
        logs.create_log_group(logGroupName="/ecs/app")
        logs.create_log_stream(logGroupName="/ecs/app", logStreamName=stream)
        at = int(time.time() * 1000)
        lines = [{"timestamp": at + number, "message": f"line {number}"} for number in range(30)]
        logs.put_log_events(logGroupName="/ecs/app", logStreamName=stream, logEvents=lines)
        self.function(ALERT_LOG_LINES="2").invoke(failed)
        [(_, message)] = self.received()
        self.assertIn("line 28 | line 29", message)
        self.assertNotIn("line 27", message)
        self.assertIn("#logsV2:log-groups/log-group/$252Fecs$252Fapp/log-events/", message)

    def test_a_log_that_may_not_be_read_keeps_nobody_from_being_reported(self):
        definition = self.defined(**{"awslogs-stream-prefix": "app"})
        self.aws.failing["GetLogEvents"] = (400, "AccessDeniedException")
        self.function().invoke(event("task-stopped-exit-1", taskDefinitionArn=definition))
        self.aws.failing["DescribeTaskDefinition"] = (400, "AccessDeniedException")
        self.function().invoke(event("task-failed-to-start", taskDefinitionArn=definition))
        first, second = self.received()
        self.assertIn("logs:GetLogEvents", first[1])
        self.assertIn("CannotPullContainerError", second[1])

    def test_without_log_lines_nothing_is_read(self):
        self.function(ALERT_LOG_LINES="0").invoke(event("task-stopped-exit-1"))
        self.assertEqual(len(self.received()), 1)
        self.assertFalse({"DescribeTaskDefinition", "GetLogEvents"} & set(self.aws.calls))

    def test_events_come_in_every_envelope(self):
        failed = [event("task-failed-to-start", group=f"service:{name}") for name in "abc"]
        function = self.function()
        self.assertEqual(function.invoke(batch(notification(failed[0]))), ("answer", {"batchItemFailures": []}))
        self.assertEqual(function.invoke(notification(failed[1])), ("answer", None))
        record = {"EventSource": "aws:sns", "Sns": notification(failed[2])}
        self.assertEqual(function.invoke({"Records": [record]}), ("answer", None))
        self.assertEqual(len(self.received()), 3)

    def test_a_document_that_can_never_be_indexed_does_not_come_back(self):
        never, later, fine = (event("task-drained") for _ in range(3))
        self.search.refused = {
            never["id"]: (400, "mapper_parsing_exception"),
            later["id"]: (429, "es_rejected_execution_exception"),
        }
        function = self.function()
        answer = function.invoke(batch(never, later, fine))
        self.assertEqual(answer, ("answer", {"batchItemFailures": [{"itemIdentifier": "m-1"}]}))
        self.assertEqual(len(self.search.documents), 1)
        [left_out] = [line for line in function.log() if "so the function skips it" in line.get("message", "")]
        self.assertEqual(left_out["event_id"], never["id"])

    def test_one_item_that_the_table_does_not_take_does_not_keep_the_others_out(self):
        large = event("task-drained", stoppedReason="Service x: container instance is in DRAINING state " + "x" * 420_000)
        moving = event("task-drained", lastStatus="RUNNING", stoppedReason="x" * 420_000)
        answer = self.function().invoke(batch(event("task-drained"), event("task-drained"), moving, large))
        self.assertEqual(answer, ("answer", {"batchItemFailures": [{"itemIdentifier": "m-2"}, {"itemIdentifier": "m-3"}]}))
        self.assertEqual(len(self.items()), 2)

    def test_without_a_table_every_delivery_alerts(self):
        function, failed = self.function(AUDIT_TABLE=""), event("task-stopped-exit-1")
        function.invoke(failed)
        function.invoke(failed)
        self.assertEqual(len(self.received()), 2)

    def test_a_wrong_environment_ends_the_start_and_says_why(self):
        function = self.function(ALERT_FORMAT="html", RETENTION_DAYS="0")
        self.assertEqual(function.answers.get(timeout=30)[0], "crash")
        text = json.dumps(function.log())
        self.assertIn("ALERT_FORMAT must be text, json or chat", text)
        self.assertIn("RETENTION_DAYS must be a number of days from 1 to 3650", text)


if __name__ == "__main__":
    unittest.main()
