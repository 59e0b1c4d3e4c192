"""What the roles of the templates may do and may not, by an evaluator of IAM that is not ours."""

import functools
import json
import urllib.parse

import cdk_app
import models
from harness import ACCOUNT, ALARMS, CODE, REGION, Aws, template
from iam import Questions, arn, ask, distinct, policy_of, question
from lives import Row, ended

KEY = arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab")
# The provider and the monitor as a company has them: with every parameter that bounds them.
COMPANY = {
    "provider": {
        "Clusters": "prod-*",
        "TaskRoles": "tasks/*",
        "TaskLogGroups": "/ecs/prod*",
        "AlarmTopic": ALARMS,
        "KmsKey": KEY,
        "VpcSubnets": "subnet-0123456789abcdef0",
        "VpcSecurityGroups": "sg-0123456789abcdef0",
    },
    "monitor": {
        "KmsKey": KEY,
        "VpcSubnets": "subnet-0123456789abcdef0",
        "VpcSecurityGroups": "sg-0123456789abcdef0",
        "AlertTopicKey": KEY,
        "EventsLogGroup": "failed-tasks",
        "OpenSearchEndpoint": "https://search.example.com",
    },
}
BOTH = ("DescribeTaskDefinition", "GetLogEvents")


def role(name: str) -> str:
    """A role of the account."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def judge(aws: Aws, flows: list, lived: list) -> list:
    """The rows about both roles."""
    provider = Questions("ecs-tasks-requests", "ecs-tasks-ecsTasks", ALARMS)
    for call in flows + lived:
        provider.learn(call)
    of_provider = [one for call in flows if not is_monitor_s(call) for one in provider.of(call)]
    of_provider += [one for call in lived for one in provider.of(call)]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in aws.describe("ecs-events")["Outputs"]}
    monitor = Questions(outputs["AuditTable"], "ecs-events")
    of_monitor = [one for call in flows if is_monitor_s(call) or call.operation in BOTH for one in monitor.of(call)]
    rows = allowed(aws, "provider", "ecs-tasks", of_provider + by_aws("provider", "ecs-tasks", aws))
    rows += allowed(aws, "monitor", "ecs-events", of_monitor + by_aws("monitor", "ecs-events", aws))
    for name, more in COMPANY.items():
        stack = f"company-{name}"
        rows.append(
            Row(
                name,
                "create with a company's rules",
                "ministack",
                ended(aws.operate(stack, template(name), CodeBucket=CODE, **more), "CREATE_COMPLETE"),
            )
        )
        asked = by_aws(name, stack, aws) + bounded(name, stack)
        rows += allowed(aws, name, stack, asked, partly=True)
        rows.append(denied(aws, name, stack))
        if name == "provider":
            rows += hook_role(aws, stack)
        rows.append(Row(name, "delete with a company's rules", "ministack", ended(aws.operate(stack), "DELETE_COMPLETE")))
    return rows + unused()


class OfCdk:
    """The function's role in the CDK app's stack, with the policies that each operation of a life has left it."""

    def __init__(self, aws: Aws):
        resources = cdk_app.template()["Resources"]
        only = functools.partial(cdk_app.named, cdk_app.template())
        self.aws, self.role = aws, only("AWS::IAM::Role", "EcsTaskProviderRole")
        table = resources[only("AWS::DynamoDB::Table")]["Properties"]["TableName"]
        function = resources[only("AWS::Lambda::Function")]["Properties"]["FunctionName"]
        self.questions, self.policy, self.asked = Questions(table, function), None, {}

    def note(self, calls: list):
        """Takes the calls of an operation. A stack that is gone, or rolled back, had the policies of the operation before."""
        stack = self.aws.find(cdk_app.STACK)
        if stack and not stack["StackStatus"].endswith("ROLLBACK_COMPLETE"):
            self.policy = json.dumps(policy_of(self.aws, cdk_app.STACK, self.role))
        for call in calls:
            self.questions.learn(call)
        own = [call for call in calls if call.service in models.JUDGED and not is_monitor_s(call)]
        self.asked.setdefault(self.policy, []).extend(one for call in own for one in self.questions.of(call))

    def judge(self) -> list:
        """The rows: what EcsTask grants is enough for each call, and it is for one task in one cluster."""
        refused, number = [], 0
        for policy, asked in self.asked.items():
            asked = distinct(asked)
            number += len(asked)
            refused += denials(answered(json.loads(policy), asked))
        policy, asked = next(iter(self.asked.items()))
        may_not = elsewhere(asked)
        return [
            Row("cdk", f"every call of its lives: {number} questions", "iam-simulate", refused),
            Row(
                "cdk",
                f"what must be denied: {len(may_not)} questions",
                "iam-simulate",
                granted(answered(json.loads(policy), may_not)),
            ),
        ]


def elsewhere(asked: list) -> list:
    """What is one step away from the start of the CDK app's task."""
    start = next(one for one in asked if one["action"] == "ecs:RunTask")
    passed = next(one for one in asked if one["action"] == "iam:PassRole")
    cluster, other = start["context"]["ecs:cluster"], arn("ecs", "cluster/other")
    return [
        *(question(action, start["resource"], ecs__cluster=other) for action in ("ecs:RunTask", "ecs:StartTask")),
        question("ecs:RunTask", start["resource"]),
        question("ecs:RunTask", arn("ecs", "task-definition/other:1"), ecs__cluster=cluster),
        question("ecs:TagResource", arn("ecs", f"task/other/{'0' * 32}"), ecs__CreateAction="RunTask"),
        question("ecs:TagResource", arn("ecs", f"task/{cluster.rsplit('/', 1)[-1]}/{'0' * 32}")),
        question("iam:PassRole", role("other"), iam__PassedToService="ecs-tasks.amazonaws.com"),
        question("iam:PassRole", passed["resource"], iam__PassedToService="lambda.amazonaws.com"),
        question("dynamodb:PutItem", arn("dynamodb", "table/other")),
        question("lambda:InvokeFunction", arn("lambda", "function:other")),
        question("ecs:UpdateService", arn("ecs", f"service/{cluster.rsplit('/', 1)[-1]}/web"), ecs__cluster=cluster),
    ]


def is_monitor_s(call) -> bool:
    """Whether the monitor has made this call, and not the runner."""
    if call.service == "sns":
        return dict(urllib.parse.parse_qsl(call.body.decode()))["TopicArn"] != ALARMS
    if call.operation in ("BatchWriteItem", "TransactWriteItems"):
        return True
    return call.service == "dynamodb" and "Audit" in call.json().get("TableName", "")


USED = {"provider": set(), "monitor": set()}
WRITTEN = {"provider": set(), "monitor": set()}


def allowed(aws: Aws, name: str, stack: str, questions: list, partly: bool = False) -> list:
    """Everything that is asked must be allowed; notes which statements did."""
    policy, questions = policy_of(aws, stack), distinct(questions)
    answers = answered(policy, questions)
    WRITTEN[name] |= {one["Sid"] for one in policy["Statement"]}
    for _, answer in answers:
        USED[name].update(answer["by"])
    what = "what a company's role must do" if partly else "every call of flows and lives"
    return [Row(name, f"{what}: {len(questions)} questions", "iam-simulate", denials(answers))]


def unused() -> list:
    """Each statement is used by a call, or goes."""
    found = []
    for name, written in WRITTEN.items():
        idle = sorted(written - USED[name])
        found.append(
            Row(name, f"{len(written)} statements are used", "iam-simulate", [f"{sid} is used by no call" for sid in idle])
        )
    return found


def by_aws(name: str, stack: str, aws: Aws) -> list:
    """What Lambda and others do with the function's role, and calls that the flows have no sink for.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    suffix = "ecsTasks" if name == "provider" else "ecsEvents"
    log = arn("logs", f"log-group:/aws/lambda/{stack}-{suffix}:log-stream:2026/11/20/[$LATEST]0")
    asked = [question("logs:CreateLogStream", log), question("logs:PutLogEvents", log)]
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    made = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
    queue = lambda logical_id: arn("sqs", made[logical_id].rsplit("/", 1)[-1])
    if name == "provider":
        asked.append(question("sqs:SendMessage", queue("Undelivered")))
    else:
        actions = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        asked += [question(f"sqs:{action}", queue("Events")) for action in actions]
        table = arn("dynamodb", f"table/{made['Audit']}")
        # A repeated delivery, and windows that end: tests/monitor has them.
        asked += [question(f"dynamodb:{action}", table) for action in ("PutItem", "Query", "DeleteItem")]
        key = arn("kms", f"key/{made['AlertsKey']}") if "AlertsKey" in made else KEY
        asked += [question(f"kms:{action}", key) for action in ("GenerateDataKey", "Decrypt")]
    if not stack.startswith("company"):
        return asked
    if name == "monitor":
        asked += [question("logs:PutLogEvents", arn("logs", "log-group:failed-tasks:log-stream:2026-11-20"))]
        domain = arn("es", "domain/ecs-events")
        asked += [
            question("es:ESHttpPost", f"{domain}/_bulk"),
            question("es:ESHttpPut", f"{domain}/_index_template/ecs-events"),
        ]
    services = [f"dynamodb.{REGION}.amazonaws.com", f"sqs.{REGION}.amazonaws.com"]
    if name == "provider":
        # The key of the topic that the Reasons of failed hooks go to.
        services.append(f"sns.{REGION}.amazonaws.com")
    asked += [
        question(f"kms:{action}", KEY, kms__ViaService=one) for action in ("Decrypt", "GenerateDataKey") for one in services
    ]
    return (
        asked
        + [question(f"ec2:{action}", "*") for action in ("DescribeNetworkInterfaces", "DescribeSubnets")]
        + [question("ec2:CreateNetworkInterface", arn("ec2", "network-interface/*"))]
    )


def bounded(name: str, stack: str) -> list:
    """Within the bounds that a company sets."""
    if name == "monitor":
        return []
    cluster = arn("ecs", "cluster/prod-a")
    return [
        question("ecs:RunTask", arn("ecs", "task-definition/app:3"), ecs__cluster=cluster),
        question("ecs:StartTask", arn("ecs", "task-definition/app:3"), ecs__cluster=cluster),
        question("ecs:StopTask", arn("ecs", "task/prod-a/0"), ecs__cluster=cluster),
        question("ecs:ListTasks", "*", ecs__cluster=cluster),
        question("ecs:DescribeServices", arn("ecs", "service/prod-a/web"), ecs__cluster=cluster),
        # A hook: what the deployment brings, and why it failed.
        question("ecs:DescribeServiceRevisions", arn("ecs", "service-revision/prod-a/web/1"), ecs__cluster=cluster),
        question("sns:Publish", ALARMS),
        question("iam:PassRole", role("tasks/migrate"), iam__PassedToService="ecs-tasks.amazonaws.com"),
        # VolumeConfigurations.
        question("iam:PassRole", role("tasks/volumes"), iam__PassedToService="ecs.amazonaws.com"),
        question("logs:GetLogEvents", arn("logs", "log-group:/ecs/prod-app:log-stream:run/app/0")),
        question("lambda:InvokeFunction", arn("lambda", f"function:{stack}-ecsTasks:woken")),
    ]


@functools.cache
def must_be_denied(name: str, stack: str) -> tuple:
    """What nobody may do by the role of a company's function."""
    other, own = arn("ecs", "cluster/test"), arn("ecs", "cluster/prod-a")
    function = arn("lambda", f"function:{stack}-ecsTasks")
    everywhere = (
        question("iam:PassRole", role("tasks/migrate"), iam__PassedToService="lambda.amazonaws.com"),
        question("iam:PassRole", role("Admin"), iam__PassedToService="ecs-tasks.amazonaws.com"),
        question("dynamodb:PutItem", arn("dynamodb", "table/another")),
        question("dynamodb:DeleteTable", arn("dynamodb", f"table/{stack}-requests")),
        question("lambda:InvokeFunction", arn("lambda", "function:another")),
        question("lambda:UpdateFunctionCode", function),
        question("sqs:SendMessage", arn("sqs", "another")),
        question("logs:PutLogEvents", arn("logs", "log-group:/aws/lambda/another:log-stream:0")),
        question("kms:Decrypt", KEY.replace("1234abcd", "deadbeef")),
        # The function's own code may not do what Lambda does for its VPC.
        question("ec2:CreateNetworkInterface", arn("ec2", "network-interface/*"), lambda__SourceFunctionArn=function),
        question("ecs:RunTask", arn("ecs", "task-definition/app:3"), ecs__cluster=other),
    )
    if name == "monitor":
        return everywhere + (
            question("sns:Publish", arn("sns", "another")),
            question("ecs:StopTask", arn("ecs", "task/prod-a/0"), ecs__cluster=own),
            question("es:ESHttpPost", arn("es", "domain/another/_bulk")),
        )
    return everywhere + (
        question("ecs:StartTask", arn("ecs", "task-definition/app:3"), ecs__cluster=other),
        question("ecs:RunTask", arn("ecs", "task-definition/app:3")),
        question("ecs:StopTask", arn("ecs", "task/test/0"), ecs__cluster=other),
        question("ecs:ListTasks", "*", ecs__cluster=other),
        question("ecs:DescribeServices", arn("ecs", "service/test/web"), ecs__cluster=other),
        question("ecs:DescribeServiceRevisions", arn("ecs", "service-revision/test/web/1"), ecs__cluster=other),
        question("ecs:UpdateService", arn("ecs", "service/prod-a/web"), ecs__cluster=own),
        question("ecs:TagResource", arn("ecs", "task/prod-a/0"), ecs__CreateAction="CreateCluster"),
        question("ecs:TagResource", arn("ecs", "task/prod-a/0")),
        question("ecs:DeleteCluster", own),
        question("ecs:RegisterTaskDefinition", "*"),
        question("logs:GetLogEvents", arn("logs", "log-group:/ecs/test:log-stream:run/app/0")),
        question("dynamodb:Scan", arn("dynamodb", f"table/{stack}-requests")),
        question("dynamodb:DeleteItem", arn("dynamodb", f"table/{stack}-requests")),
        question("cloudformation:UpdateStack", arn("cloudformation", "stack/shop/0")),
        question("sns:Publish", arn("sns", "another")),
    )


def hook_role(aws: Aws, stack: str) -> list:
    """The rows about the role by which ECS invokes the function: it may do that and nothing else."""
    function = arn("lambda", f"function:{stack}-ecsTasks")
    may = [question("lambda:InvokeFunction", function), question("lambda:InvokeFunction", f"{function}:woken")]
    may_not = [
        question("lambda:InvokeFunction", arn("lambda", "function:another")),
        question("lambda:InvokeFunction", f"{function}-2"),
        question("lambda:UpdateFunctionCode", function),
        question("ecs:RunTask", arn("ecs", "task-definition/app:3"), ecs__cluster=arn("ecs", "cluster/prod-a")),
        question("iam:PassRole", role("tasks/migrate"), iam__PassedToService="ecs-tasks.amazonaws.com"),
        question("sns:Publish", ALARMS),
    ]
    policy = policy_of(aws, stack, "HookRole")
    refused = denials(answered(policy, may))
    return [
        Row("provider", f"what the hook's role must do: {len(may)} questions", "iam-simulate", refused),
        Row(
            "provider",
            f"what the hook's role may not: {len(may_not)} questions",
            "iam-simulate",
            granted(answered(policy, may_not)),
        ),
    ]


def answered(policy: dict, questions: list) -> list:
    """Each question with its answer."""
    return list(zip(questions, ask(policy, list(questions))))


def denials(answers: list) -> list:
    """Whatever of that is denied."""
    return [
        f"{one['action']} on {one['resource']} {one['context']} is denied {answer.get('errors', '')}"
        for one, answer in answers
        if not answer["allowed"]
    ]


def granted(answers: list) -> list:
    """Whatever of that is allowed, and questions that the evaluator does not understand."""
    found = [
        f"{one['action']} on {one['resource']} {one['context']} is allowed" for one, answer in answers if answer["allowed"]
    ]
    return found + [
        f"{one['action']} on {one['resource']}: {answer['errors']}" for one, answer in answers if answer.get("errors")
    ]


def denied(aws: Aws, name: str, stack: str) -> Row:
    """All of that is denied, and no question is one that the evaluator does not understand."""
    answers = answered(policy_of(aws, stack), must_be_denied(name, stack))
    for _, answer in answers:
        USED[name].update(answer["by"])
    return Row(name, f"what must be denied: {len(answers)} questions", "iam-simulate", granted(answers))
