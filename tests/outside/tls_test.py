"""The release's own TLS: the zip's function over HTTPS, with a certificate that it trusts and one that it does not."""

import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import zipfile
from pathlib import Path

from harness import ACCOUNT, BUILD, REGION

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
TASK = {
    "taskArn": f"{ARN}:task/prod/{'0' * 32}",
    "taskDefinitionArn": f"{ARN}:task-definition/app:1",
    "clusterArn": f"{ARN}:cluster/prod",
    "lastStatus": "STOPPED",
    "stopCode": "EssentialContainerExited",
    "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": 0}],
}
ANSWERS = {
    "RunTask": {"tasks": [TASK], "failures": []},
    "DescribeTasks": {"tasks": [TASK], "failures": []},
    "ListTasks": {"taskArns": []},
    "DescribeTaskDefinition": {
        "taskDefinition": {"taskDefinitionArn": f"{ARN}:task-definition/app:1", "containerDefinitions": [{"name": "app"}]}
    },
}
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecs-tasks"


class Server(http.server.ThreadingHTTPServer):
    """Answers with what `reply` makes of a method, a path, headers and a body."""

    def __init__(self, reply):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers, sent = reply(self.command, self.path, self.headers, body)
                self.send_response(200)
                for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        # A client that refuses the certificate or is killed leaves an error here.
        self.handle_error = lambda *_: None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Tls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for authority in ("known", "unknown"):
            self.certify(authority)
        with zipfile.ZipFile(BUILD / "ecsTasks.zip") as archive:
            archive.extract("bootstrap", self.folder)
        (self.folder / "bootstrap").chmod(0o755)

    def openssl(self, line: str):
        subprocess.run(["openssl", *line.split()], cwd=self.folder, check=True, capture_output=True)

    def certify(self, authority: str):
        """Makes an authority and its certificate for localhost."""
        (self.folder / "extensions").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n", encoding="utf-8")
        new = "-newkey rsa:2048 -nodes"
        self.openssl(f"req -x509 {new} -keyout {authority}.ca.key -out {authority}.ca -days 2 -subj /CN={authority}")
        self.openssl(f"req {new} -keyout {authority}.key -out request -subj /CN=localhost")
        self.openssl(
            f"x509 -req -in request -CA {authority}.ca -CAkey {authority}.ca.key -CAcreateserial -days 2 "
            f"-extfile extensions -out {authority}.crt"
        )

    def request(self, authority: str) -> tuple[list, list, str]:
        """One Create: the calls that came over HTTPS, the answers to CloudFormation, and the function's log."""
        calls, answered, over = [], [], threading.Event()

        def aws(method, _path, headers, body):
            if method == "PUT":
                answered.append(json.loads(body))
                return {}, b""
            operation = headers["X-Amz-Target"].split(".")[1]
            calls.append(operation)
            return {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(ANSWERS[operation]).encode()

        secure = Server(aws)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{authority}.crt", self.folder / f"{authority}.key")
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        address = f"https://localhost:{secure.server_port}"
        event = {
            "RequestType": "Create",
            "ResponseURL": f"{address}/answer?signature=hidden",
            "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/1",
            "RequestId": "1",
            "ResourceType": "Custom::ECSTask",
            "LogicalResourceId": "Migrate",
            "ResourceProperties": {"ServiceToken": FUNCTION, "Cluster": "prod", "TaskDefinition": "app:1", "Timeout": "10"},
        }
        pending = [json.dumps(event).encode()]

        def runtime(method, _path, _headers, _body):
            if method == "GET" and pending:
                deadline = int((time.time() + 20) * 1000)
                told = {
                    "Lambda-Runtime-Aws-Request-Id": "1",
                    "Lambda-Runtime-Deadline-Ms": str(deadline),
                    "Lambda-Runtime-Invoked-Function-Arn": FUNCTION,
                }
                return told, pending.pop()
            over.set()
            threading.Event().wait(60 if method == "GET" else 0)
            return {}, b""

        lambda_ = Server(runtime)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{lambda_.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "ecs-tasks",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "SSL_CERT_FILE": str(self.folder / "known.ca"),
            "PATH": os.environ["PATH"],
        }
        function = subprocess.Popen(
            [self.folder / "bootstrap"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        over.wait(60)
        function.kill()
        log, _ = function.communicate()
        for server in (secure, lambda_):
            server.shutdown()
            server.server_close()
        return calls, answered, log

    def test_a_whole_request_goes_over_https(self):
        calls, answered, log = self.request("known")
        self.assertIn("RunTask", calls, log)
        self.assertEqual([one["Status"] for one in answered], ["SUCCESS"], log)

    def test_a_certificate_of_an_unknown_authority_gets_no_request_and_no_answer(self):
        calls, answered, log = self.request("unknown")
        self.assertEqual((calls, answered), ([], []), log)
        self.assertIn("invalid peer certificate", log)
        self.assertNotIn("hidden", log)


if __name__ == "__main__":
    unittest.main()
