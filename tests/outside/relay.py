#!/usr/bin/env python3
"""A Lambda function that passes each event on to EVENTS_TO: ECS's events on their way from the stage to EventBridge."""

import os
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"

while True:
    with urllib.request.urlopen(f"{API}/next") as invocation:
        request_id, event = invocation.headers["lambda-runtime-aws-request-id"], invocation.read()
    urllib.request.urlopen(urllib.request.Request(os.environ["EVENTS_TO"], event, method="POST")).close()
    urllib.request.urlopen(urllib.request.Request(f"{API}/{request_id}/response", b"null", method="POST")).close()
