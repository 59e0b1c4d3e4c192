"""The bucket that CloudFormation reads a function's zip from.

Every call names the account that must own the bucket: whoever knows account and region can compute the name, and could have
taken it first.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_tasks.account import Account
from ecs_tasks.problem import Problem, Refused, code, is_denied

# The tag of a bucket that a deploy created; its value says how far the deploy came.
TAG = "ecs-tasks:bucket"
BEGUN, READY = "begun", "ready"
PREFIX = "ecs-tasks"


@dataclass
class Bucket:
    name: str
    exists: bool
    # Created by an earlier deploy, which may have been interrupted.
    is_ours: bool = False
    is_ready: bool = True


@dataclass
class Code:
    """A function's zip, at a key that its content decides: another zip is another key, which CloudFormation notices."""

    path: Path
    key: str
    content: bytes
    digest: bytes

    @classmethod
    def read(cls, path: Path, stack: str) -> "Code":
        content = path.read_bytes()
        digest = hashlib.sha256(content)
        return cls(path, f"{PREFIX}/{stack}/{digest.hexdigest()}/{path.name}", content, digest.digest())

    @property
    def checksum(self) -> str:
        return base64.b64encode(self.digest).decode()


def default_name(account: Account) -> str:
    return f"ecs-tasks-{account.id}-{account.region}"


def look(account: Account, name: str) -> Bucket:
    """Reads only. Refuses a bucket that a deploy could not use."""
    try:
        head = account.s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if code(error) in ("404", "NoSuchBucket"):
            return Bucket(name, exists=False, is_ready=False)
        if is_denied(error):
            raise Refused(
                f"bucket {name} exists, but account {account.id} does not own it, or you lack s3:ListBucket on it. "
                "Choose another one with --bucket"
            ) from error
        if code(error) in ("301", "PermanentRedirect"):
            raise Refused(elsewhere(name, "another Region", account)) from error
        raise
    region = head.get("BucketRegion") or header(head, "x-amz-bucket-region")
    if region and region != account.region:
        raise Refused(elsewhere(name, region, account))
    if name != default_name(account):
        return Bucket(name, exists=True)
    tags = tags_of(account, name)
    if TAG in tags:
        return Bucket(name, exists=True, is_ours=True, is_ready=tags[TAG] == READY)
    # A deploy that was interrupted before it could put the tag leaves a bucket with nothing in it.
    is_unmarked = tags == {} and is_empty(account, name)
    return Bucket(name, exists=True, is_ours=is_unmarked, is_ready=not is_unmarked)


def elsewhere(name: str, region: str, account: Account) -> str:
    return (
        f"bucket {name} is in {region}, but Lambda needs the zip in {account.region}. "
        f"Pass a bucket in {account.region} with --bucket"
    )


def header(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(name)
    return str(value) if value else None


def tags_of(account: Account, name: str) -> dict[str, str]:
    try:
        answer = account.s3.get_bucket_tagging(Bucket=name, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if code(error) == "NoSuchTagSet":
            return {}
        if is_denied(error):
            # Whose it is stays unknown, so it is used as it is.
            return {"": ""}
        raise
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def is_empty(account: Account, name: str) -> bool:
    try:
        answer = account.s3.list_object_versions(Bucket=name, MaxKeys=1, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if is_denied(error):
            return False
        raise
    return not answer.get("Versions") and not answer.get("DeleteMarkers")


def make(account: Account, bucket: Bucket, made: list[str]) -> None:
    """Creates the bucket, or finishes one that was begun. Each step can be done twice."""
    s3, owned = account.s3, {"Bucket": bucket.name, "ExpectedBucketOwner": account.id}
    if not bucket.exists:
        create(account, bucket, made)
    s3.put_bucket_tagging(**owned, Tagging=tagging(BEGUN))
    s3.put_public_access_block(
        **owned,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(**owned, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_ownership_controls(
        **owned, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_versioning(**owned, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(**owned, Tagging=tagging(READY))


def create(account: Account, bucket: Bucket, made: list[str]) -> None:
    place: dict[str, Any] = {}
    # S3 does not take us-east-1 as a constraint.
    if account.region != "us-east-1":
        place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    try:
        # Before the answer, which can be lost.
        made.append(f"bucket {bucket.name}")
        account.s3.create_bucket(Bucket=bucket.name, **place)
    except ClientError as error:
        if code(error) == "BucketAlreadyOwnedByYou":
            return
        made.pop()
        if code(error) == "BucketAlreadyExists":
            raise Problem(
                f"another account owns a bucket called {bucket.name}: pass one of yours with --bucket"
            ) from error
        if code(error) == "OperationAborted":
            raise Problem(
                f"S3 is still creating or deleting a bucket called {bucket.name}: run the same command again in a minute"
            ) from error
        raise
    waiter = account.s3.get_waiter("bucket_exists")
    waiter.wait(
        Bucket=bucket.name, ExpectedBucketOwner=account.id, WaiterConfig={"Delay": 2, "MaxAttempts": 30}
    )


def tagging(state: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": TAG, "Value": state}]}


def has(account: Account, bucket: Bucket, zip_file: Code) -> bool:
    """True if the bucket has these very bytes at the zip's key."""
    if not bucket.exists:
        return False
    try:
        head = account.s3.head_object(
            Bucket=bucket.name, Key=zip_file.key, ChecksumMode="ENABLED", ExpectedBucketOwner=account.id
        )
    except ClientError as error:
        # Without s3:ListBucket S3 calls a missing object forbidden.
        if code(error) in ("404", "NoSuchKey") or is_denied(error):
            return False
        raise
    return bool(head.get("ChecksumSHA256") == zip_file.checksum)


def put(account: Account, bucket: Bucket, zip_file: Code, made: list[str]) -> None:
    """S3 keeps the object whole or not at all, and checks its sum."""
    # Before the answer, which can be lost.
    made.append(f"object s3://{bucket.name}/{zip_file.key}")
    try:
        account.s3.put_object(
            Bucket=bucket.name,
            Key=zip_file.key,
            Body=zip_file.content,
            ContentType="application/zip",
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=zip_file.checksum,
            ExpectedBucketOwner=account.id,
        )
    except ClientError:
        made.pop()
        raise


def versions(account: Account, name: str, prefix: str) -> list[dict[str, str]]:
    """Key and version of all objects, and of the marks of those that were deleted."""
    found = []
    pages = account.s3.get_paginator("list_object_versions").paginate(
        Bucket=name, Prefix=prefix, ExpectedBucketOwner=account.id
    )
    for page in pages:
        for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            found.append({"Key": one["Key"], "VersionId": one["VersionId"]})
    return found


def remove_objects(account: Account, name: str, objects: list[dict[str, str]]) -> None:
    for first in range(0, len(objects), 1000):
        answer = account.s3.delete_objects(
            Bucket=name,
            Delete={"Objects": objects[first : first + 1000], "Quiet": True},
            ExpectedBucketOwner=account.id,
        )
        for error in answer.get("Errors", []):
            raise Problem(
                f"s3://{name}/{error['Key']} could not be deleted: {error.get('Code')}: {error.get('Message')}. "
                "That needs s3:DeleteObject and s3:DeleteObjectVersion"
            )


def remove(account: Account, name: str) -> None:
    account.s3.delete_bucket(Bucket=name, ExpectedBucketOwner=account.id)
