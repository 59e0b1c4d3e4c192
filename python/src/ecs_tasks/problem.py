"""Errors as a person reads them: the cause, and the next step."""

import os
import re

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

# The errors that a call to AWS raises.
AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)

# Operations of S3 whose IAM action has another name; of all others it is SERVICE:OPERATION.
S3_ACTIONS = {
    "CreateBucket": "s3:CreateBucket",
    "DeleteObjects": "s3:DeleteObjectVersion",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjectVersions": "s3:ListBucketVersions",
    "PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
INVALID = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
THROTTLED = {
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
AUTHORIZED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)(?: on resource:? (\S+))?")
SIGN_IN = "Sign in again (aws sso login, or new keys), then run the same command"


class Problem(Exception):
    """The command could not do its work."""

    exit_status = 1


class Refused(Problem):
    """The command line or the account's state is such that nothing was begun."""

    exit_status = 2


def code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")).strip()


def is_denied(error: ClientError) -> bool:
    return code(error) in DENIED


def may_pass(error: Exception) -> bool:
    """True for throttling, faults of AWS and a broken network: the same call can succeed a moment later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code(error) in THROTTLED or status >= 500
    return isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError, ResponseParserError))


def missing_permission(text: str) -> str | None:
    """`s3:CreateBucket on arn:…`, from a sentence of AWS."""
    if found := AUTHORIZED.search(text):
        resource = (found[2] or "").rstrip(".,")
        return f"{found[1]} on {resource}" if resource else found[1]
    return None


def explain(error: Exception, region: str | None) -> str:
    """An error of AWS, or of something on the way to it, in words."""
    if isinstance(error, ClientError):
        return explain_answer(error, region)
    if isinstance(error, ResponseParserError):
        return (
            f"This response did not come from AWS; {endpoint() or 'a proxy or login page'} may have sent it. The error: "
            f"{str(error).splitlines()[-1][:100]}"
        )
    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return (
                f"{str(error).rstrip('.')}. Provide them as you do for the AWS CLI: --profile NAME, AWS_PROFILE, "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws configure"
            )
        case exceptions.ProfileNotFound():
            return f"{error}. `aws configure list-profiles` lists the profiles that exist"
        case exceptions.SSOError() | exceptions.TokenRetrievalError() | exceptions.CredentialRetrievalError():
            return f"The credentials cannot be read: {str(error).rstrip('.')}. {SIGN_IN}"
        case exceptions.NoRegionError():
            return "No Region: pass --region, set AWS_REGION, or run aws configure"
        case exceptions.InvalidRegionError():
            return f"{region!r} is not a Region: use one such as eu-west-1"
        case exceptions.EndpointConnectionError() | exceptions.ConnectTimeoutError():
            what = endpoint() or f"the Region {region}"
            return f"{str(error).rstrip('.')}. Check the network, and that {what} exists"
    return str(error)


def endpoint() -> str | None:
    """The address that stands in for AWS, if the environment names one."""
    url = os.environ.get("AWS_ENDPOINT_URL")
    return f"AWS_ENDPOINT_URL ({url})" if url else None


def explain_answer(error: ClientError, region: str | None) -> str:
    operation, name, text = error.operation_name, code(error), message(error)
    if is_denied(error):
        permission = missing_permission(text) or action(error)
        return f"Permission denied: {permission}. AWS's answer to {operation}: {text or name}"
    if name in EXPIRED:
        return f"The credentials have expired ({operation}: {name}). {SIGN_IN}"
    if name in INVALID:
        return (
            f"AWS does not accept the credentials in {region} ({operation}: {name}: {text}). Check them, and that "
            "the Region is enabled for the account"
        )
    if name in THROTTLED:
        return f"AWS throttled {operation} ({name}), and retries did not help. Run the same command again in a minute"
    if may_pass(error):
        return f"AWS could not answer {operation} ({name}: {text}). Run the same command again"
    return f"{operation}: {name}: {text}" if text else f"{operation}: {name}"


def action(error: ClientError) -> str:
    """The IAM action of the operation that was denied."""
    operation = error.operation_name
    if operation in S3_ACTIONS:
        return S3_ACTIONS[operation]
    services = {"Bucket": "s3", "Object": "s3", "Stack": "cloudformation", "ChangeSet": "cloudformation"}
    services |= {"Import": "cloudformation", "Template": "cloudformation"}
    service = next((services[part] for part in services if part in operation), None)
    return f"{service}:{operation}" if service else f"the permission for {operation}"
