"""Puts a zip into an S3 bucket, and shows its URL and object version.

    publish.py ZIP BUCKET

Credentials, region and endpoint come from where the AWS CLI has them, too. The bucket must have versioning: without an
object version CloudFormation does not notice that a zip has changed, and goes on running the old one.
"""

import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class Problem(Exception):
    """Something that the person who publishes has to mend."""


def publish(zip_file: Path, bucket: str) -> str:
    """The object version of what was published."""
    if not bucket:
        raise Problem("no bucket: say make publish S3_BUCKET=my-bucket")
    if not zip_file.is_file():
        raise Problem(f"there is no {zip_file}: make build first")
    s3 = boto3.client("s3")
    if versioning(s3, bucket) == "off":
        raise Problem(
            f"nothing was published: bucket {bucket} has no versioning, so CloudFormation would not notice a new zip. "
            f"Enable it: aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
    print(f"=> Publishing {zip_file.name} to s3://{bucket}...", flush=True)
    with zip_file.open("rb") as body:
        answer = s3.put_object(Bucket=bucket, Key=zip_file.name, Body=body)
    version = answer.get("VersionId")
    if version in (None, "null"):
        raise Problem(f"{zip_file.name} was published, but bucket {bucket} gave it no version: enable versioning")
    print(f"=> Published to S3 URL: https://s3.amazonaws.com/{bucket}/{zip_file.name}")
    print(f"=> S3 Object Version: {version}")
    return version


def versioning(s3, bucket: str) -> str:
    """on, off, or unknown where asking is denied; then the upload shows it."""
    try:
        return "on" if s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled" else "off"
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "403"):
            return "unknown"
        raise


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        publish(Path(arguments[0]), arguments[1])
    except (Problem, BotoCoreError, ClientError) as problem:
        print(f"publish: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
