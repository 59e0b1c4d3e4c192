"""The monitor's real binary between a Runtime API and real counterparts of its sinks.

moto plays DynamoDB, SNS, SQS and CloudWatch Logs. A gate stands before it, where a test can make calls fail and kill
the function after a call, as a crash would.
"""

import collections
import copy
import datetime
import functools
import http.client
import http.server
import json
import logging
import os
import queue
import subprocess
import threading
import urllib.parse
import uuid
from pathlib import Path

import boto3
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.server import ThreadedMotoServer

# moto's server logs every request otherwise, and its CloudFormation each type that it does not play.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
logging.getLogger("moto").setLevel(logging.ERROR)

# The items that the transaction under way is about.
touched = set()
transact = DynamoDBBackend.transact_write_items


def transact_write_items(backend, transact_items):
    """moto copies whole tables before a transaction, which takes seconds where a thousand tasks are in them."""
    keys = [change.get("Key") or change["Item"] for item in transact_items for change in item.values()]
    touched.clear()
    touched.update((key["taskDefinitionArn"]["S"], key["change"]["S"]) for key in keys)
    return transact(backend, transact_items)


def copy_what_is_touched(table, memo):
    """A copy of the table with copies of the items that the transaction can change."""
    made = copy.copy(table)
    made.items = collections.defaultdict(dict)
    for partition, items in table.items.items():
        made.items[partition] = {
            sort: copy.deepcopy(item, memo) if (partition.value, sort.value) in touched else item
            for sort, item in items.items()
        }
    return made


write = DynamoHandler.transact_write_items
# The tokens of the transactions that have been made, with their answers.
made_by = {}
one_at_a_time = threading.Lock()


def write_once(handler):
    """moto ignores a transaction's token, and would count twice what a slow machine makes the function send again."""
    token = handler.body["ClientRequestToken"]
    with one_at_a_time:
        if token not in made_by:
            made_by[token] = write(handler)
        return made_by[token]


DynamoDBBackend.transact_write_items = transact_write_items
DynamoHandler.transact_write_items = write_once
Table.__deepcopy__ = copy_what_is_touched

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "events"
BINARY = Path(os.environ.get("ECS_EVENTS", ROOT / "target" / "debug" / "ecs_events"))
REGION = "us-east-1"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = "123456789012"


def event(name: str, **changes) -> dict:
    """A recorded event with an id and a task of its own; `changes` are made in its detail."""
    recorded = json.loads((EVENTS / f"{name}.json").read_text())
    recorded["id"] = str(uuid.uuid4())
    recorded["detail"]["taskArn"] = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/prod/{uuid.uuid4().hex}"
    recorded["detail"].update(changes)
    return recorded


def service_event(kind: str, name: str, **detail) -> dict:
    """An event of the service web."""
    return {
        "id": str(uuid.uuid4()),
        "source": "aws.ecs",
        "detail-type": "ECS Service Action",
        "time": "2026-11-20T10:15:00Z",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/prod/web"],
        "detail": {"eventType": kind, "eventName": name, **detail},
    }


def tick(minutes: int = 0) -> dict:
    """The schedule's event, so many minutes from now."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return {
        "id": str(uuid.uuid4()),
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": then.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "detail": {},
    }


def notification(body: dict) -> dict:
    """What SNS sends of an event."""
    return {"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": "x", "Message": json.dumps(body)}


def batch(*bodies) -> dict:
    """An SQS batch of these events, or of bodies that are text."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"messageId": f"m-{number}", "body": text} for number, text in enumerate(texts)]}


class Server:
    """An HTTP server on a loopback port, for as long as the test lasts."""

    def __init__(self, handler):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise the body of each answer waits 40 ms for the other side to confirm its headers.
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_any(self):
                length = int(self.headers.get("content-length", 0))
                handler(self, self.rfile.read(length))

            do_GET = do_POST = do_PUT = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A function that is killed breaks its connections.
        self.server.handle_error = lambda *_: None
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        # close() waits until the server has looked once more whether it is to end.
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@functools.cache
def moto() -> ThreadedMotoServer:
    """The one moto of all tests: it keeps its state for the process, and each test resets it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return server


class Aws:
    """moto behind a gate."""

    def __init__(self):
        self.host, self.port = moto().get_host_and_port()
        reset = http.client.HTTPConnection(self.host, self.port)
        reset.request("POST", "/moto-api/reset")
        reset.getresponse().read()
        self.calls, self.failing, self.crash_after, self.function = [], {}, None, None
        # moto's transactions copy tables that other threads change meanwhile.
        self.one_at_a_time = threading.Lock()
        self.gate = Server(self.pass_on)
        session = boto3.Session(KEY, SECRET, region_name=REGION)
        address = f"http://{self.host}:{self.port}"
        self.client = lambda service, region=REGION: session.client(service, region, endpoint_url=address)

    def pass_on(self, request, body):
        target = request.headers.get("x-amz-target")
        operation = target.rsplit(".")[-1] if target else dict(urllib.parse.parse_qsl(body.decode())).get("Action")
        self.calls.append(operation)
        if operation in self.failing:
            status, code = self.failing[operation]
            error = json.dumps({"__type": code, "message": "as the test wants it"}).encode()
            if not target:
                error = f"<ErrorResponse><Error><Code>{code}</Code><Message>x</Message></Error></ErrorResponse>".encode()
            return request.answer(status, error)
        upstream = http.client.HTTPConnection(self.host, self.port)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        with self.one_at_a_time:
            upstream.request(request.command, request.path, body, headers)
            response = upstream.getresponse()
            answer = response.read()
        if self.crash_after == operation:
            self.crash_after = None
            self.function.kill()
            return None
        kept = [(name, value) for name, value in response.getheaders() if name.lower() in ("content-type", "x-amzn-errortype")]
        return request.answer(response.status, answer, kept)

    def close(self):
        self.gate.close()


class Function:
    """The function, driven through the Runtime API. A crash is seen as Lambda sees it: no answer comes."""

    def __init__(self, aws: Aws, **settings):
        self.invocations, self.answers = queue.Queue(), queue.Queue()
        self.api = Server(self.runtime_api)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "ecsEvents",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_ENDPOINT_URL": f"http://{aws.gate.address}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            **settings,
        }
        self.process = subprocess.Popen(
            [BINARY], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()
        aws.function = self.process
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        self.process.wait()
        self.reader.join()
        self.answers.put(("crash", None))

    def runtime_api(self, request, body):
        if request.path.endswith("/invocation/next"):
            payload = self.invocations.get()
            headers = [
                ("lambda-runtime-aws-request-id", str(uuid.uuid4())),
                ("lambda-runtime-deadline-ms", "9999999999999"),
                ("lambda-runtime-invoked-function-arn", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecsEvents"),
            ]
            return request.answer(200, payload, headers)
        kind = "answer" if request.path.endswith("/response") else "error"
        self.answers.put((kind, json.loads(body) if body else None))
        return request.answer(202)

    def invoke(self, payload) -> tuple:
        """("answer", value), ("error", what it said) or ("crash", None)."""
        self.invocations.put(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        return self.answers.get(timeout=60)

    def log(self) -> list:
        """Ends the function; all that it has written: JSON lines, those of the embedded metric format among them.

        An answer and a line take two ways to the test: only when the pipe has ended is every line known to be here.
        """
        self.end()
        return [json.loads(line) for line in self.lines]

    def end(self):
        self.process.kill()
        self.reader.join()

    def close(self):
        self.end()
        self.process.stdout.close()
        self.api.close()
