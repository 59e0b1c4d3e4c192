"""The account, the region and the clients, from where the AWS CLI has them."""

import os
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

# boto3 makes its clients at run time; type checkers know nothing of their methods.
Client = Any


@dataclass
class Account:
    id: str
    arn: str
    region: str
    partition: str
    s3: Client
    cloudformation: Client


def session_of(profile: str | None, region: str | None) -> boto3.Session:
    """The credentials and the Region that the AWS CLI would use."""
    # boto3 knows AWS_DEFAULT_REGION and the profile's region, but not AWS_REGION, which the AWS CLI reads first.
    session = boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)
    if not session.region_name:
        raise NoRegionError()
    return session


def connect(session: boto3.Session) -> Account:
    """Asks STS who the caller is, which also shows whether the credentials are good."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 8},
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra="ecs-tasks",
    )
    caller = session.client("sts", config=config).get_caller_identity()
    return Account(
        id=caller["Account"],
        arn=caller["Arn"],
        region=session.region_name,
        partition=caller["Arn"].split(":")[1],
        s3=session.client("s3", config=config),
        cloudformation=session.client("cloudformation", config=config),
    )
