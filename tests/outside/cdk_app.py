"""The CDK app in examples/cdk, synthesized with the npm tarball of `make construct`, as its users would."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from harness import ACCOUNT, BUILD, REGION, ROOT, Aws

EXAMPLE = ROOT / "examples" / "cdk"
FOLDER = BUILD / "outside-cdk"
STACK = "Shop"
# `cdk bootstrap` names them so: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
VERSION = "/cdk-bootstrap/hnb659fds/version"
NEWEST = "32"
NOT_SOURCE = shutil.ignore_patterns("node_modules", "cdk.out")


@functools.cache
def synthesized() -> Path:
    """The output of `cdk synth`. A run with the same app and the same tarball uses the output of the last run."""
    [tarball] = (BUILD / "construct").glob("*.tgz")
    stamp, seal = FOLDER / "stamp", digest(tarball)
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != seal:
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(EXAMPLE, FOLDER, ignore=NOT_SOURCE)
        environment = {**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "1"}
        for step in (["npm", "install", "--silent", tarball.resolve()], ["npm", "run", "synth"]):
            done = subprocess.run(
                step, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                raise AssertionError(f"{' '.join(map(str, step))}:\n{done.stdout}{done.stderr}")
        stamp.write_text(seal, encoding="utf-8")
    return FOLDER / "cdk.out"


def digest(tarball: Path) -> str:
    """Changes with the tarball and with each file of the app."""
    tracked = subprocess.run(["git", "ls-files", "."], cwd=EXAMPLE, capture_output=True, text=True, check=True)
    summed = hashlib.sha256(tarball.read_bytes())
    for name in tracked.stdout.split():
        summed.update(name.encode() + (EXAMPLE / name).read_bytes())
    return summed.hexdigest()


def template() -> dict:
    """The template of the app's stack."""
    return json.loads((synthesized() / f"{STACK}.template.json").read_text(encoding="utf-8"))


def named(of: dict, kind: str, part: str = "") -> str:
    """The logical id of the only resource of this type whose logical id contains `part`."""
    [name] = [name for name, one in of["Resources"].items() if one["Type"] == kind and part in name]
    return name


def publish(aws: Aws):
    """Bootstraps the account and uploads the stack's assets, as `cdk deploy` does."""
    aws.client("ssm").put_parameter(Name=VERSION, Value=NEWEST, Type="String")
    s3 = aws.client("s3")
    assets = json.loads((synthesized() / f"{STACK}.assets.json").read_text(encoding="utf-8"))
    for file in assets["files"].values():
        [to] = file["destinations"].values()
        bucket = to["bucketName"].replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)
        if bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key=to["objectKey"], Body=(synthesized() / file["source"]["path"]).read_bytes())
