"""Judges that others wrote: prints template × operation × judge, and fails on a difference that is not listed.

Its variables: SIMULATE is the command that lives SEEDS simulated lives and writes their calls into the file CALLS.
"""

import collections
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cdk_app
import lives
import models
import roles
import troubles
from differences import LISTED
from harness import Aws, Call, operation, service
from lives import Row


def calls_of(path: Path):
    """The calls of the simulated lives."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            headers, body = told["headers"], told["body"].encode()
            named = operation(headers, told["method"], told["path"], body)
            yield Call(
                service(headers),
                named,
                told["method"],
                told["path"],
                headers,
                body,
                told["status"],
                {},
                told["answer"].encode(),
            )


def judged(source: str, calls, answers: set) -> tuple:
    """Rows of botocore's judgement on these calls, and the calls that IAM is to be asked about."""
    requests, replies = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    counted, telling = collections.Counter(), {}
    for call in calls:
        if call.service not in models.JUDGED:
            continue
        counted[call.service] += 1
        requests[call.service].update(models.request_objections(call))
        if call.service in answers:
            replies[call.service].update(models.answer_objections(call))
        # A role is asked once about calls that differ in nothing but their ids.
        about = call.body if call.service in ("ecs", "logs") else (call.body[:60], b"IndexName" in call.body)
        telling.setdefault((call.service, call.operation, call.path, about), call)
    rows = []
    for name in sorted(counted):
        rows.append(Row(source, f"{counted[name]} requests to {name}", "botocore", told(requests[name])))
        if name in answers:
            rows.append(Row(source, f"their answers by {name}", "botocore", told(replies[name])))
    return rows, list(telling.values())


def told(found: collections.Counter) -> list:
    """Each objection once, with its number."""
    return [f"{count} × {objection}" for objection, count in found.most_common()]


def table(rows: list) -> tuple:
    """Prints the rows; the differences that are not listed, and what is listed and was not found."""
    unlisted, seen = [], set()
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("template", "operation", "judge")]
    for row in rows:
        verdict = []
        for difference in row.differences:
            entry = next((one for one in LISTED if one.covers(row, difference)), None)
            verdict.append(f"{entry.whose} ({entry.name})" if entry else "DIFFERS")
            seen.add(entry)
            if not entry:
                unlisted.append(f"{row.template}, {row.operation}, {row.judge}: {difference}")
        columns = zip((row.template, row.operation, row.judge), widths)
        print(
            "  ".join(text.ljust(width) for text, width in columns), ", ".join(dict.fromkeys(verdict)) or "holds", sep="  "
        )
    return unlisted, [entry.name for entry in LISTED if entry not in seen]


def main() -> int:
    """The judgement."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ecs-tasks-calls-") as folder:
        calls = Path(folder) / "calls.jsonl"
        simulation = subprocess.Popen(
            shlex.split(os.environ["SIMULATE"]),
            env={**os.environ, "CALLS": str(calls)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        aws = Aws()
        try:
            rows = lives.deploy(aws)
            world = troubles.World(aws)
            world.watch()
            for life in lives.lives():
                rows += lives.live(aws, life)
            own = len(aws.recorder.calls)
            cdk_app.publish(aws)
            of_cdk = roles.OfCdk(aws)
            for life in lives.lives_of_cdk():
                rows += lives.live(aws, life, of_cdk.note)
            of_cdk_s = slice(own, len(aws.recorder.calls))
            rows += lives.monitored(aws)
            rows += troubles.beside_service(world) + troubles.refused_answer(world) + troubles.many_clusters(world)
            rows += troubles.emitted(world)
            # The CDK app has a function of its own, whose role is asked about its calls.
            cdk_calls = aws.recorder.calls[of_cdk_s]
            del aws.recorder.calls[of_cdk_s]
            found, flows = judged("flows", aws.recorder.calls, {"ecs"})
            rows += found + judged("cdk", cdk_calls, {"ecs"})[0] + of_cdk.judge()
            said, _ = simulation.communicate(timeout=300)
            if simulation.returncode:
                raise AssertionError(f"the simulation:\n{said}")
            found, lived = judged(f"{int(os.environ['SEEDS']):,} lives", calls_of(calls), {"ecs", "dynamodb", "logs", "lambda"})
            rows += found
            rows += roles.judge(aws, flows, lived)
            rows += lives.update_deployed(aws) + lives.delete_deployed(aws)
        except BaseException:
            print(aws.text()[-20_000:], file=sys.stderr)
            raise
        finally:
            aws.close()
            if simulation.poll() is None:
                simulation.kill()
                simulation.wait()
    unlisted, stale = table(rows)
    for entry in LISTED:
        print(f"\n{entry.name}: {entry.whose}. {entry.evidence}")
    for difference in unlisted:
        print(f"\nDIFFERS: {difference}")
    for name in stale:
        print(f"\nListed in tests/outside/differences.py and not found any more: {name}")
    print(f"\n{len(rows)} judgements in {time.monotonic() - began:.0f} s, {len(unlisted)} differences that are not listed")
    return 1 if unlisted or stale else 0


if __name__ == "__main__":
    sys.exit(main())
