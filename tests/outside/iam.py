"""An evaluator of IAM that others wrote, asked about every call of the flows: may the role of the template make it?

What a call needs stands in https://docs.aws.amazon.com/service-authorization/latest/reference/ of its service.
"""

import json
import os
import re
import subprocess
import urllib.parse
from pathlib import Path

from harness import ACCOUNT, REGION, ROOT, Aws, Call

FOLDER = Path(os.environ.get("OUTSIDE_IAM", ROOT / ".venv" / "outside" / "iam"))
NODE = os.environ.get("OUTSIDE_NODE", "node")


def question(action: str, resource: str, **context) -> dict:
    """May it? The context's keys have a double underscore for their colon."""
    return {
        "action": action,
        "resource": resource,
        "context": {key.replace("__", ":"): value for key, value in context.items()},
    }


def arn(service: str, resource: str) -> str:
    """An ARN of our account."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


class Questions:
    """Turns calls into questions, with the names of one provider's stack for those of the simulation."""

    def __init__(self, table: str, function: str, topic: str = ""):
        self.table, self.function, self.topic = table, function, topic
        # What a task definition's roles are, as far as DescribeTaskDefinition has said.
        self.roles = {}

    def learn(self, call: Call):
        """Notes the roles of a task definition, which its starts pass on."""
        if call.operation == "DescribeTaskDefinition" and call.status == 200:
            found = json.loads(call.answer)["taskDefinition"]
            self.roles[found["taskDefinitionArn"]] = [found.get("taskRoleArn"), found.get("executionRoleArn")]

    def of(self, call: Call) -> list:
        """All that IAM is asked about a call."""
        if call.service == "cloudformation-response":
            return []
        ask = self.invoke if call.service == "lambda" else getattr(self, call.service)
        return ask(call.operation, call)

    def ecs(self, operation: str, call: Call) -> list:
        body, answer = call.json(), json.loads(call.answer or b"{}") if call.status == 200 else {}
        cluster = arn("ecs", f"cluster/{body.get('cluster', 'default').rsplit('/', 1)[-1]}")
        name = cluster.rsplit("/", 1)[-1]
        if operation in ("RunTask", "StartTask"):
            return self.start(operation, body, answer, cluster)
        if operation in ("DescribeTasks", "StopTask"):
            tasks = body.get("tasks") or [body["task"]]
            return [
                question(f"ecs:{operation}", arn("ecs", f"task/{name}/{task.rsplit('/', 1)[-1]}"), ecs__cluster=cluster)
                for task in tasks
            ]
        if operation == "ListTasks":
            return [question("ecs:ListTasks", "*", ecs__cluster=cluster)]
        if operation == "DescribeServices":
            return [
                question(
                    "ecs:DescribeServices", arn("ecs", f"service/{name}/{one.rsplit('/', 1)[-1]}"), ecs__cluster=cluster
                )
                for one in body["services"]
            ]
        if operation == "DescribeServiceRevisions":
            return [question("ecs:DescribeServiceRevisions", one) for one in body["serviceRevisionArns"]]
        return [question(f"ecs:{operation}", "*")]

    def start(self, operation: str, body: dict, answer: dict, cluster: str) -> list:
        """The start of tasks, the tags that they get, and the roles that they are given."""
        definitions = {task["taskDefinitionArn"] for task in answer.get("tasks", ()) if "taskDefinitionArn" in task}
        name = cluster.rsplit("/", 1)[-1]
        asked = [question(f"ecs:{operation}", definition, ecs__cluster=cluster) for definition in definitions]
        if body.get("tags"):
            asked.append(question("ecs:TagResource", arn("ecs", f"task/{name}/{'0' * 32}"), ecs__CreateAction=operation))
        overrides = body.get("overrides", {})
        roles = [role for definition in definitions for role in self.roles.get(definition, ())]
        roles += [overrides.get("taskRoleArn"), overrides.get("executionRoleArn")]
        asked += [question("iam:PassRole", role, iam__PassedToService="ecs-tasks.amazonaws.com") for role in roles if role]
        volumes = [one["managedEBSVolume"]["roleArn"] for one in body.get("volumeConfigurations", ())]
        return asked + [question("iam:PassRole", role, iam__PassedToService="ecs.amazonaws.com") for role in volumes]

    def logs(self, operation: str, call: Call) -> list:
        body = call.json()
        group = body.get("logGroupName") or body.get("logGroupIdentifier", "").split(":log-group:")[-1]
        stream = body.get("logStreamName", "*")
        return [question(f"logs:{operation}", arn("logs", f"log-group:{group}:log-stream:{stream}"))]

    def dynamodb(self, operation: str, call: Call) -> list:
        body = call.json()
        table = lambda _: arn("dynamodb", f"table/{self.table}")
        if operation in ("BatchGetItem", "BatchWriteItem"):
            return [question(f"dynamodb:{operation}", table(name)) for name in body["RequestItems"]]
        if operation == "TransactWriteItems":
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
            kinds = {
                "Put": "PutItem",
                "Update": "UpdateItem",
                "Delete": "DeleteItem",
                "ConditionCheck": "ConditionCheckItem",
            }
            changes = [(kind, change) for item in body["TransactItems"] for kind, change in item.items()]
            return [question(f"dynamodb:{kinds[kind]}", table(change["TableName"])) for kind, change in changes]
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        return [question(f"dynamodb:{operation}", table(body["TableName"]) + index)]

    def cloudformation(self, operation: str, call: Call) -> list:
        stack = dict(urllib.parse.parse_qsl(call.body.decode())).get("StackName", "")
        stack = re.sub(r":us-[a-z]+-\d+:", f":{REGION}:", stack)
        return [question(f"cloudformation:{operation}", stack)]

    def invoke(self, _operation: str, call: Call) -> list:
        path = urllib.parse.unquote(call.path.split("/functions/")[1].split("/invocations")[0])
        qualifier = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(call.path).query)).get("Qualifier")
        name, *rest = path.split(":function:")[-1].split(":")
        suffix = rest[0] if rest else qualifier
        return [
            question("lambda:InvokeFunction", arn("lambda", f"function:{self.function}" + (f":{suffix}" if suffix else "")))
        ]

    def sns(self, _operation: str, call: Call) -> list:
        return [question("sns:Publish", self.topic or dict(urllib.parse.parse_qsl(call.body.decode()))["TopicArn"])]


def distinct(questions: list) -> list:
    """Each question once; an id of a task is one of many."""
    found = {}
    for one in questions:
        told = re.sub(r"\b[0-9a-f]{32}\b", "0" * 32, json.dumps(one, sort_keys=True))
        found[re.sub(r"(task/[\w-]+/)[\w-]+", r"\g<1>" + "0" * 32, told)] = one
    return [json.loads(told) for told in found]


def ask(policy: dict, questions: list) -> list:
    """The evaluator's answers: whether it is allowed, and by which statements."""
    told = {"policy": policy, "questions": questions, "account": ACCOUNT, "principal": f"arn:aws:iam::{ACCOUNT}:role/asked"}
    done = subprocess.run(
        [NODE, FOLDER / "ask.mjs"], input=json.dumps(told), capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise AssertionError(f"the evaluator failed: {done.stderr}")
    return json.loads(done.stdout)


def policy_of(aws: Aws, stack: str, logical_id: str = "Role") -> dict:
    """The inline policies of one of the stack's roles in one document, as CloudFormation has filled them in."""
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    [role] = [one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == logical_id]
    iam, statements = aws.client("iam"), []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        read = json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document
        statements += read["Statement"]
    return {"Version": "2012-10-17", "Statement": statements}
