"""AWS as others wrote it: ministack with our zips, our stage as its ECS, and a recorder between them."""

import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import boto3
from botocore.config import Config
from cfnlint.decode.cfn_yaml import load

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BUILD = Path(os.environ.get("OUTSIDE_BUILD", ROOT / "build"))
DEBUG = Path(os.environ.get("OUTSIDE_TARGET", ROOT / "target")) / "debug"
MINISTACK = Path(os.environ.get("OUTSIDE_MINISTACK", ROOT / ".venv" / "ministack")) / "bin" / "python"
# The stage's own.
REGION = "us-west-2"
ACCOUNT = "123456789012"
PATIENCE = 90
CODE = "code"
# Where the provider's alarms go, and the Reasons of failed hooks.
ALARMS = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
# The secret of examples/cdk. The stage and `rehearse` read the value of a secret from a variable of the same name.
SECRETS = {"DATABASE_PASSWORD": "rehearsed"}


@dataclasses.dataclass
class Call:
    """A request that the function sent, and its answer."""

    service: str
    operation: str
    method: str
    path: str
    headers: dict
    body: bytes
    status: int = 0
    answer_headers: dict = dataclasses.field(default_factory=dict)
    answer: bytes = b""

    def json(self) -> dict:
        """The request's body."""
        return json.loads(self.body or b"{}")


def template(name: str) -> dict:
    """The template cfn/<name>.yml with the long form of every function."""
    return json.loads(json.dumps(load(str(ROOT / "cfn" / f"{name}.yml"))))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(holds, what: str, patience: float = PATIENCE):
    """What `holds` returns once it is true."""
    by = time.monotonic() + patience
    while time.monotonic() < by:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {patience} s")


class Stage:
    """The stage's ECS, in a process of its own."""

    def __init__(self, events_to: str, log):
        environment = {"PATH": os.environ["PATH"], "EVENTS_TO": events_to, **SECRETS}
        self.process = subprocess.Popen(
            [DEBUG / "examples" / "stage", HERE / "relay.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        self.address = self.process.stdout.readline().strip().removeprefix("http://")
        self.one_at_a_time = threading.Lock()
        self.known = set()

    def learn(self, key: str, told: dict):
        """Lets it know a cluster or a task definition, once."""
        with self.one_at_a_time:
            if key in self.known:
                return
            self.process.stdin.write(json.dumps(told) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
            if answer != "known":
                raise AssertionError(f"the stage on {key}: {answer}")
            self.known.add(key)

    def close(self):
        """Its input's end is its own."""
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


class Recorder:
    """Stands between the function and AWS: notes every call, and sends those of ECS to the stage."""

    def __init__(self):
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise the body of each answer waits 40 ms for the other side to confirm its headers.
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                call = recorder.pass_on(self.command, self.path, dict(self.headers.items()), body)
                self.send_response(call.status)
                for name, value in call.answer_headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(call.answer)))
                self.end_headers()
                self.wfile.write(call.answer)

            do_GET = do_POST = do_PUT = any

        self.calls, self.answers = [], []
        self.stage = self.gateway = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A function that is killed breaks its connections.
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, method: str, path: str, headers: dict, body: bytes) -> Call:
        """The call with its answer."""
        lower = {name.lower(): value for name, value in headers.items()}
        call = Call(service(lower), operation(lower, method, path, body), method, path, lower, body)
        if call.service == "cloudformation-response":
            self.answers.append(json.loads(body))
            if path.startswith("/refused"):
                call.status = 403
                return call
        elif call.service == "ecs":
            self.teach(call)
        # Where tasks run they log.
        to_stage = call.service == "ecs" or call.operation == "GetLogEvents"
        self.send(call, self.stage.address if to_stage else self.gateway, headers)
        self.calls.append(call)
        return call

    def send(self, call: Call, address: str, headers: dict):
        """Sends it on, and notes the answer."""
        upstream = http.client.HTTPConnection(address, timeout=PATIENCE)
        kept = {
            name: value for name, value in headers.items() if name.lower() not in ("content-length", "transfer-encoding")
        }
        upstream.request(call.method, call.path, call.body, kept)
        response = upstream.getresponse()
        call.status, call.answer = response.status, response.read()
        wanted = ("content-type", "x-amzn-errortype", "x-amzn-requestid")
        call.answer_headers = {name.lower(): value for name, value in response.getheaders() if name.lower() in wanted}
        upstream.close()

    def teach(self, call: Call):
        """Lets the stage know what ministack's CloudFormation has made in ministack's ECS."""
        body = call.json()
        if "cluster" in body:
            name = body["cluster"].rsplit("/", 1)[-1]
            found = self.ask_ecs("DescribeClusters", {"clusters": [name]}).get("clusters")
            if found:
                self.stage.learn(f"cluster/{name}", {"cluster": name})
        if "taskDefinition" in body:
            found = self.ask_ecs("DescribeTaskDefinition", {"taskDefinition": body["taskDefinition"]}).get("taskDefinition")
            if found:
                self.stage.learn(found["taskDefinitionArn"], found)

        for name in body.get("services", ()):
            for found in self.ask_ecs("DescribeServices", {"cluster": body["cluster"], "services": [name]}).get(
                "services", ()
            ):
                self.stage.learn(found["serviceArn"], found)

    def ask_ecs(self, name: str, body: dict) -> dict:
        """What ministack's ECS says."""
        upstream = http.client.HTTPConnection(self.gateway, timeout=PATIENCE)
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"AmazonEC2ContainerServiceV20141113.{name}",
            "authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261120/{REGION}/ecs/aws4_request, "
            "SignedHeaders=host, Signature=0",
        }
        upstream.request("POST", "/", json.dumps(body), headers)
        answer = upstream.getresponse().read()
        upstream.close()
        return json.loads(answer)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def service(headers: dict) -> str:
    """The service that a request is signed for."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("authorization", ""))
    return scope[1] if scope else "cloudformation-response"


def operation(headers: dict, method: str, path: str, body: bytes) -> str:
    """The operation that a request asks for."""
    if "x-amz-target" in headers:
        return headers["x-amz-target"].rsplit(".", 1)[-1]
    if path.endswith("/invocations"):
        return "Invoke"
    return dict(urllib.parse.parse_qsl(body.decode(errors="replace"))).get("Action", f"{method} {path}")


class Aws:
    """All of it, for as long as a test module lasts."""

    def __init__(self):
        self.ends = contextlib.ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="ecs-tasks-outside-"))
        self.ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.log = self.ends.enter_context(open(self.folder / "log", "w+", encoding="utf-8"))
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Starts the recorder, the stage and ministack."""
        self.recorder = Recorder()
        self.ends.callback(self.recorder.close)
        gateway, events = free_port(), free_port()
        self.stage = Stage(f"http://127.0.0.1:{events}/", self.log)
        self.ends.callback(self.stage.close)
        self.recorder.stage, self.recorder.gateway = self.stage, f"127.0.0.1:{gateway}"
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.folder),
            "HOME": str(self.folder),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(gateway),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            "ANSWERS_PORT": str(self.recorder.port),
            "EVENTS_PORT": str(events),
            # What ministack runs with its functions run with, too.
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.recorder.port}",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
        }
        self.ministack = subprocess.Popen(
            [MINISTACK, HERE / "emulator.py"], env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.ends.callback(self.end_ministack)
        self.session = boto3.Session(ACCOUNT, "secret", region_name=REGION)
        config = Config(retries={"max_attempts": 0}, read_timeout=PATIENCE)
        address = f"http://{self.recorder.gateway}"
        self.client = lambda name: self.session.client(name, endpoint_url=address, config=config)
        until(self.is_up, "ministack answers", 30)
        s3 = self.client("s3")
        s3.create_bucket(Bucket=CODE, CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in ("ecsTasks.zip", "ecsEvents.zip"):
            s3.put_object(Bucket=CODE, Key=name, Body=(BUILD / name).read_bytes())

    def is_up(self) -> bool:
        """Whether ministack is up."""
        if self.ministack.poll() is not None:
            raise AssertionError(f"ministack ended:\n{self.text()}")
        with contextlib.suppress(OSError):
            http.client.HTTPConnection(self.recorder.gateway, timeout=5).request("GET", "/_ministack/health")
            return True
        return False

    def end_ministack(self):
        """Ends it with its functions, which are of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.ministack.pid, 15)
        try:
            self.ministack.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.ministack.pid, 9)
        self.ministack.wait(timeout=10)

    def text(self) -> str:
        """All that the processes wrote."""
        self.log.flush()
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def close(self):
        self.ends.close()

    # Stacks.

    def operate(self, name: str, body: dict | None = None, **parameters) -> "Operation":
        """Creates or updates a stack, or deletes it where there is no template, and waits for the end."""
        cloudformation = self.client("cloudformation")
        stack = self.find(name)
        before = len(self.events(name)) if stack else 0
        runs = len(self.tasks())
        answers = len(self.recorder.answers)
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        told = {"StackName": name, "TemplateBody": json.dumps(body), "Parameters": given}
        told["Capabilities"] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
        if body is None:
            cloudformation.delete_stack(StackName=stack["StackId"])
        elif stack:
            cloudformation.update_stack(**told)
        else:
            stack = cloudformation.create_stack(**told)
        key = stack["StackId"]
        ended = lambda: not self.describe(key)["StackStatus"].endswith("_IN_PROGRESS")
        until(ended, f"{name} ends")
        described = self.describe(key)
        return Operation(
            described["StackStatus"],
            [event for event in self.events(key)[before:]],
            {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
            self.tasks()[runs:],
            self.recorder.answers[answers:],
        )

    def describe(self, name: str) -> dict:
        [stack] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return stack

    def find(self, name: str) -> dict | None:
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return next((one for one in stacks if one["StackName"] == name and one["StackStatus"] != "DELETE_COMPLETE"), None)

    def events(self, name: str) -> list:
        """The stack's events, the first one first."""
        pages = self.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def tasks(self) -> list:
        """The ARNs of all tasks that the function has started."""
        started = [
            call for call in self.recorder.calls if call.operation in ("RunTask", "StartTask") and call.status == 200
        ]
        return list(dict.fromkeys(task["taskArn"] for call in started for task in json.loads(call.answer)["tasks"]))

    def logged(self, group: str, stream: str) -> list:
        """The lines of a container, whose log is the stage's."""
        logs = self.session.client("logs", endpoint_url=f"http://{self.stage.address}")
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]


@dataclasses.dataclass
class Operation:
    """What came of an operation on a stack."""

    status: str
    events: list
    outputs: dict
    tasks: list
    answers: list

    def statuses(self, logical_id: str) -> list:
        """The statuses of a resource, in order."""
        return [event["ResourceStatus"] for event in self.events if event["LogicalResourceId"] == logical_id]

    def reasons(self, logical_id: str) -> list:
        """Why a resource failed."""
        failed = [
            one
            for one in self.events
            if one["LogicalResourceId"] == logical_id and one["ResourceStatus"].endswith("_FAILED")
        ]
        return [event.get("ResourceStatusReason", "") for event in failed]
