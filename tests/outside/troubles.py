"""The function in trouble: what its alarms see of it, and what it costs the account."""

import contextlib
import json
import time
import uuid

from alarms import Metrics, goes_off, key
from alarms_test import ALARMS
from harness import ACCOUNT, REGION, Aws, until
from lives import Row

FUNCTION = "ecs-tasks-ecsTasks"
MONITOR = "ecs-events"
TABLE = "ecs-tasks-requests"
MINUTES = 8
# CloudFormation's other stacks ask ECS, too: a bucket of 100 calls, filled with 20 a second.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
BURST = 100


def request(kind: str, url: str, cluster: str, definition: str, **more) -> dict:
    """A request as CloudFormation sends it."""
    return {
        "RequestType": kind,
        "RequestId": str(uuid.uuid4()),
        "ResponseURL": url,
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/trouble/{uuid.uuid4()}",
        "LogicalResourceId": "Migrate",
        "ResourceType": "Custom::ECSTask",
        "ResourceProperties": {"ServiceToken": "function", "Cluster": cluster, "TaskDefinition": definition},
        **more,
    }


class World:
    """The function of the provider's stack, driven by hand."""

    def __init__(self, aws: Aws):
        self.aws, self.seen, self.every = aws, set(), []
        ecs = aws.client("ecs")
        ecs.create_cluster(clusterName="trouble")
        container = {"name": "app", "image": "busybox", "entryPoint": ["sh", "-c"], "command": ["sleep 2"]}
        made = ecs.register_task_definition(family="trouble", containerDefinitions=[container])
        self.definition = made["taskDefinition"]["taskDefinitionArn"]

    def invoke(self, payload: dict, function: str = FUNCTION):
        """Invokes it and waits for the end."""
        self.aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload))

    def watch(self):
        """The watch comes round."""
        self.invoke({"Watch": {}}, f"{FUNCTION}:woken")

    def measured(self, function: str = FUNCTION) -> list:
        """The metrics' lines since the last time, from a function's log."""
        pages = self.aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
        # Each invocation has a stream of its own here, which is complete when the invocation has ended.
        new = [one for page in pages for one in page["events"] if one["logStreamName"] not in self.seen]
        self.seen.update(one["logStreamName"] for one in new)
        lines = [json.loads(one["message"]) for one in new if '"_aws"' in one["message"]]
        self.every += lines
        return lines

    def row(self, event: dict) -> dict:
        """The request's row in the ledger."""
        rows = self.aws.client("dynamodb").scan(TableName=TABLE)["Items"]
        return next((row for row in rows if event["RequestId"] in row["request"]["S"]), None)

    def forget(self, event: dict):
        """Takes the row away: nobody will ever take its answer."""
        row = self.row(event)
        key = {name: row[name] for name in ("resource", "request")}
        self.aws.client("dynamodb").delete_item(TableName=TABLE, Key=key)

    def later(self, event: dict, **milliseconds):
        """Changes the row's times, in place of letting time pass."""
        row = self.row(event)
        row.update({name: {"N": str(value)} for name, value in milliseconds.items()})
        self.aws.client("dynamodb").put_item(TableName=TABLE, Item=row)


@contextlib.contextmanager
def without_schedule(aws: Aws):
    """No watch comes round but those that are driven by hand."""
    events = aws.client("events")
    [rule] = [
        one["Name"] for one in events.list_rules()["Rules"] if one.get("ScheduleExpression") and "ecs-tasks" in one["Name"]
    ]
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def refused_answer(world: World) -> list:
    """A parked wait whose answer is refused, minute by minute."""
    with without_schedule(world.aws):
        return refused_minutes(world)


def refused_minutes(world: World) -> list:
    """The same, with every round of the watch in our hand."""
    world.watch()
    world.measured()
    url = f"http://127.0.0.1:{world.aws.recorder.port}/refused/answer"
    event = request("Create", url, "trouble", world.definition)
    world.invoke(event)
    until(lambda: (world.row(event) or {}).get("state", {}).get("S") == "answering", "the answer is refused", 30)
    metrics, overdue = Metrics(), []
    for minute in range(60, 60 + MINUTES):
        began = int(time.time() * 1000)
        if minute == 60:
            world.later(event, deadline=began - 60_000, next_look=began)
        else:
            # A minute has passed for the row since the watch came round the last time.
            world.later(event, next_look=int(world.row(event)["next_look"]["N"]) - 60_000 + (began - came_round))
        came_round = int(time.time() * 1000)
        world.watch()
        time.sleep(0.3)
        lines = world.measured()
        for line in lines:
            metrics.put_line(minute, line)
        overdue.append(sum("Overdue" in line for line in lines))
    world.forget(event)
    return [
        Row("provider", "a parked wait's answer is refused", "alarm undelivered", off("provider.undelivered", metrics)),
        Row("provider", "a parked wait's answer is refused", "alarm overdue", off("provider.overdue", metrics)),
        Row(
            "provider",
            "a parked wait's answer is refused",
            "sent again each minute",
            [] if all(overdue) else [f"the watch found it in the minutes {overdue}"],
        ),
    ]


def off(name: str, metrics: Metrics) -> list:
    """Whether an alarm goes off by what the function has measured."""
    return [] if goes_off(ALARMS[name], metrics, 60 + max(MINUTES, 10)) else [f"{name} is silent"]


def beside_service(world: World) -> list:
    """A task that runs where a service does, with a volume that a role of its own makes."""
    ecs = world.aws.client("ecs")
    container = {"name": "app", "image": "busybox", "entryPoint": ["sh", "-c"], "command": ["exit 0"]}
    volume = {"name": "data", "configuredAtLaunch": True}
    made = ecs.register_task_definition(
        family="service",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        taskRoleArn=f"arn:aws:iam::{ACCOUNT}:role/task",
        executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/execution",
        containerDefinitions=[container],
        volumes=[volume],
    )["taskDefinition"]["taskDefinitionArn"]
    network = {"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}}
    ecs.create_service(
        cluster="trouble", serviceName="web", taskDefinition=made, launchType="FARGATE", networkConfiguration=network
    )
    url = f"http://127.0.0.1:{world.aws.recorder.port}/taken/answer"
    event = request("Create", url, "trouble", made)
    ebs = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/volumes", "SizeInGiB": "20"}
    event["ResourceProperties"].update(Service="web", VolumeConfigurations=[{"Name": "data", "ManagedEBSVolume": ebs}])
    world.invoke(event)
    answered = lambda: next((one for one in world.aws.recorder.answers if one.get("RequestId") == event["RequestId"]), None)
    answer = until(answered, "the task beside a service is answered", 30)
    return [
        Row(
            "provider",
            "Service and VolumeConfigurations",
            "ministack",
            [] if answer["Status"] == "SUCCESS" else [answer["Reason"]],
        )
    ]


def many_clusters(world: World, count: int = 200) -> list:
    """A Delete in an account with many clusters."""
    stage = world.aws.stage
    for number in range(count):
        stage.learn(f"cluster/other-{number}", {"cluster": f"other-{number}"})
    before = len(world.aws.recorder.calls)
    url = f"http://127.0.0.1:{world.aws.recorder.port}/taken/answer"
    world.invoke(request("Delete", url, "trouble", world.definition, PhysicalResourceId="trouble-Migrate"))
    calls = [call for call in world.aws.recorder.calls[before:] if call.service == "ecs"]
    found = [f"{len(calls)} calls to ECS"] if len(calls) > BURST else []
    return [Row("provider", f"delete beside {count} clusters", "ECS's limits", found)]


def emitted(world: World) -> list:
    """Each alarm over a metric of ours looks at one that a function has emitted so; the monitor's go off by what it emits."""
    resources = world.aws.client("cloudformation").describe_stack_resources(StackName=MONITOR)["StackResources"]
    [queue] = [one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == "Events"]
    world.aws.client("sqs").send_message(QueueUrl=queue, MessageBody="no event of ECS")
    lines = []

    def has_dropped() -> bool:
        lines.extend(world.measured(f"{MONITOR}-ecsEvents"))
        return any("EventsDropped" in line for line in lines)

    until(has_dropped, "the monitor drops what is no event", 30)
    metrics = Metrics()
    for line in lines:
        metrics.put_line(60, line)
    rows = [
        Row("monitor", "a task fails, a message is no event", f"alarm {name}", off(f"monitor.{name}", metrics))
        for name in ("task-failed", "events-dropped")
    ]
    for line in world.every:
        metrics.put_line(60, line)
    silent = [
        f"{name} looks at {metric['MetricName']}, which nobody has emitted without dimensions"
        for name, alarm in ALARMS.items()
        for metric in metrics_of(alarm)
        if metric["Namespace"] == "ECSTasks" and key("ECSTasks", metric["MetricName"], {}) not in metrics.values
    ]
    return [*rows, Row("all", "the metrics of each alarm are emitted", "embedded metric format", silent)]


def metrics_of(alarm: dict) -> list:
    """All metrics that an alarm looks at."""
    return [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
