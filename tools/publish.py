"""Puts zips and their SHA256SUMS into an S3 bucket, and shows each zip's URL and object version, and the sums.

    publish.py BUCKET ZIP...

Credentials, region and endpoint come from where the AWS CLI has them, too. The bucket must have versioning: without an
object version CloudFormation does not notice that a zip has changed, and goes on running the old one.
"""

import hashlib
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class Problem(Exception):
    """Something that the person who publishes has to mend."""


def publish(bucket: str, zip_files: list[Path]) -> None:
    """Publishes all of them, or none if something is missing."""
    if not bucket:
        raise Problem("no bucket: say make publish S3_BUCKET=my-bucket")
    for zip_file in zip_files:
        if not zip_file.is_file():
            raise Problem(f"there is no {zip_file}: make build first")
    s3 = boto3.client("s3")
    if versioning(s3, bucket) == "off":
        raise Problem(
            f"nothing was published: bucket {bucket} has no versioning, so CloudFormation would not notice a new zip. "
            f"Enable it: aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
    for zip_file in zip_files:
        print(f"=> Publishing {zip_file.name} to s3://{bucket}...", flush=True)
        version = put(s3, bucket, zip_file.name, zip_file.read_bytes())
        print(f"=> Published to S3 URL: https://s3.amazonaws.com/{bucket}/{zip_file.name}")
        print(f"=> S3 Object Version: {version}")
    listed = sums({zip_file.name: zip_file for zip_file in zip_files})
    put(s3, bucket, "SHA256SUMS", listed.encode())
    print(f"=> SHA256SUMS:\n{listed}", end="")


def put(s3, bucket: str, key: str, body: bytes) -> str:
    """Its object version."""
    version = s3.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId")
    if version in (None, "null"):
        raise Problem(f"{key} was published, but bucket {bucket} gave it no version: enable versioning")
    return version


def sums(files: dict[str, Path]) -> str:
    """What `sha256sum --check` reads, of files by their names."""
    return "".join(f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(files))


def versioning(s3, bucket: str) -> str:
    """on, off, or unknown where asking is denied; then the upload shows it."""
    try:
        return "on" if s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled" else "off"
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "403"):
            return "unknown"
        raise


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    bucket, *zip_files = arguments
    try:
        publish(bucket, [Path(zip_file) for zip_file in zip_files])
    except (Problem, BotoCoreError, ClientError) as problem:
        print(f"publish: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
