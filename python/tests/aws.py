"""AWS as moto plays it, with answers that a test can make go wrong."""

import io
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Event, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.core.models import botocore_stubber

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "python/src"))

from ecs_tasks import package, stack  # noqa: E402
from ecs_tasks.commands import run  # noqa: E402
from ecs_tasks.template import Template, is_true  # noqa: E402

REGION = "eu-west-1"
ACCOUNT = "123456789012"
BUCKET = f"ecs-tasks-{ACCOUNT}-{REGION}"
READING = ("Get", "Describe", "List", "Head")


# Each session reads the models of its services from disk otherwise, which takes longer than all else.
MODELS: dict[tuple[Any, ...], Any] = {}
load_service_model = Loader.load_service_model


def load_once(loader: Loader, *arguments: Any, **options: Any) -> Any:
    key = (*arguments, *options.items())
    if key not in MODELS:
        MODELS[key] = load_service_model(loader, *arguments, **options)
    return MODELS[key]


Loader.load_service_model = load_once


class Resource(CloudFormationModel):
    """Any resource. moto's own know too few types and properties, and a deploy is about the stack."""

    # moto files a resource by the module that its class is from.
    __module__ = "moto.awslambda.models"

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "Any::Type::Here"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return f"arn:aws:any:{REGION}:{ACCOUNT}:{self.physical_resource_id}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name: str, *_: Any, **__: Any) -> "Resource":
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: "Resource", *_: Any, **__: Any) -> "Resource":
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        pass

    def delete(self, *_: Any) -> None:
        pass


# Resources that fail, by logical ID, with their reasons.
FAILING: dict[str, str] = {}


def execute_change_set(backend: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """Executes a change set as CloudFormation does: moto applies one to an empty stack without parameters or outputs."""
    change_set = backend.describe_change_set(change_set_name)
    stack = backend.stacks[change_set.stack_id]
    verb = change_set.change_set_type
    stack._add_stack_event(f"{verb}_IN_PROGRESS", resource_status_reason="User Initiated")
    before = stack.template, stack.parameters
    stack.template = change_set.template
    stack.parameters = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in change_set.parameters.items()
    }
    stack._parse_template()
    for name, resource in stack.template_dict["Resources"].items():
        reason = FAILING.get(name)
        for status in ("IN_PROGRESS", "FAILED" if reason else "COMPLETE"):
            event = (stack.stack_id, stack.name, name, f"physical-{name}", resource["Type"], f"{verb}_{status}")
            stack.events.append(Event(*event, reason if status == "FAILED" else None, None))
        if reason and verb == "CREATE":
            stack._add_stack_event("ROLLBACK_IN_PROGRESS", f"The following resource(s) failed to create: [{name}].")
            stack._add_stack_event("ROLLBACK_COMPLETE")
            stack.status, stack.description = "ROLLBACK_COMPLETE", stack.template_description
            return
        if reason:
            stack.template, stack.parameters = before
            stack._parse_template()
            stack._add_stack_event("UPDATE_ROLLBACK_COMPLETE")
            stack.status = "UPDATE_ROLLBACK_COMPLETE"
            return
    stack.resource_map = stack._create_resource_map()
    stack.resource_map.create(stack.template_dict)
    # moto makes every output, whatever its condition.
    stack.template_dict["Outputs"] = outputs_with(Template("", stack.template_dict), stack.parameters)
    stack.output_map = stack._create_output_map()
    stack.description = stack.template_description
    backend.exports |= {export.name: export for export in stack.exports}
    if change_set.tags:
        stack.tags = change_set.tags
    stack._add_stack_event(f"{verb}_COMPLETE")
    stack.status = f"{verb}_COMPLETE"


def outputs_with(template: Template, parameters: dict[str, str]) -> dict[str, Any]:
    conditions, values = template.content.get("Conditions", {}), template.defaults() | parameters
    return {
        name: one
        for name, one in template.content.get("Outputs", {}).items()
        if "Condition" not in one or is_true({"Condition": one["Condition"]}, conditions, values)
    }


def list_imports(response: CloudFormationResponse) -> None:
    """moto has no such call. What no stack imports CloudFormation calls invalid."""
    raise ValidationError(message=f"Export '{response._get_param('ExportName')}' is not imported by any stack.")


# moto reads !Condition as a function that nothing knows.
Stack.parse_template = staticmethod(lambda body: Template.parse(body).content)
ChangeSet._parse_template = lambda self: setattr(self, "template_dict", Template.parse(self.template).content)
# moto counts a resource whose condition is false as one that is nothing.
Stack.stack_resources = property(lambda self: [one for one in self.resource_map.values() if one is not None])
CloudFormationResponse.list_imports = list_imports
parsing.resource_class_from_type = lambda _type: Resource
CloudFormationBackend.execute_change_set = execute_change_set


class Screen(io.StringIO):
    """The output of the command, as a terminal or as a file."""

    def __init__(self, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Done:
    """The end of a command."""

    status: int
    out: str
    error: str
    calls: list[str]

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith(READING)]


@dataclass
class World:
    """An account. `answers` and `interrupts` name operations, of which the first call of that name goes wrong."""

    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    interrupts: set[str] = field(default_factory=set)
    # False: each answer is given once.
    is_lasting: bool = True
    calls: list[str] = field(default_factory=list)
    # Calls to S3 that do not name the bucket's owner.
    without_owner: set[str] = field(default_factory=set)
    # A change of an operation's answer, as a function of it.
    changed: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    def before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        _, service, operation = event_name.split(".")
        self.calls.append(operation)
        if service == "s3" and "x-amz-expected-bucket-owner" not in request.headers:
            self.without_owner.add(operation)
        if operation in self.interrupts:
            raise KeyboardInterrupt
        if operation not in self.answers:
            return None
        status, code, message = self.answers[operation]
        if not self.is_lasting:
            del self.answers[operation]
        botocore_stubber.enabled = False
        if status == 200:
            body = message
        elif service == "s3":
            body = "" if operation.startswith("Head") else f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        elif service == "sts" or service == "cloudformation":
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        else:
            body = json.dumps({"__type": code, "message": message})
        return AWSResponse(request.url, status, {}, Raw(body))

    @staticmethod
    def after_send(**_: Any) -> None:
        """All handlers of the event are called, moto's too, which would carry out what this world refuses."""
        botocore_stubber.enabled = True

    def after_call(self, parsed: Any, event_name: str, **_: Any) -> None:
        operation = event_name.split(".")[-1]
        if operation in self.changed:
            self.changed[operation](parsed)

    def run(self, line: str, answer: str | None = None, region: str | None = REGION) -> Done:
        """Runs a command line; an answer makes it a terminal's."""
        arguments = line.split()
        out, error = Screen(answer is not None), io.StringIO()
        keyboard = Keyboard(answer) if answer is not None else io.StringIO()
        self.calls.clear()
        session = boto3.Session

        def watched(**options: Any) -> Any:
            made = session(**options)
            made.events.register_first("before-send", self.before_send)
            made.events.register_last("before-send", self.after_send)
            made.events.register("after-call", self.after_call)
            return made

        places = ["--region", region] if region else []
        with (
            mock.patch("sys.stdout", out),
            mock.patch("sys.stderr", error),
            mock.patch("sys.stdin", keyboard),
            mock.patch("boto3.Session", watched),
        ):
            status = run(arguments[0], [*arguments[1:], *places])
        return Done(status, out.getvalue(), error.getvalue(), list(self.calls))


class Raw:
    def __init__(self, body: str) -> None:
        self.body = body.encode()

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.body

    def read(self, *_: Any, **__: Any) -> bytes:
        return self.body


@contextmanager
def world(**options: Any) -> Iterator[World]:
    """An empty account, and a package with zips that are told apart."""
    with tempfile.TemporaryDirectory() as directory, mock_aws():
        data = lay(Path(directory))
        environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": "/none"}
        with (
            mock.patch.object(package, "DATA", data),
            mock.patch.object(stack, "PAUSE", 0),
            mock.patch.dict("os.environ", environment),
            mock.patch("time.sleep"),
        ):
            yield World(**options)


def lay(folder: Path, content: str = "a zip") -> Path:
    """The data of a package, with the project's own templates and rules."""
    (folder / "cfn").symlink_to(ROOT / "cfn")
    (folder / "lint").symlink_to(ROOT / "cfn/lint")
    for architecture in package.ARCHITECTURES:
        for name in ("ecsTasks.zip", "ecsEvents.zip"):
            zip_file = folder / "zips" / architecture / name
            zip_file.parent.mkdir(parents=True, exist_ok=True)
            zip_file.write_text(f"{content} {architecture} {name}", encoding="utf-8")
    return folder
