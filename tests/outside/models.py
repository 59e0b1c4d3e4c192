"""botocore's newest models as the judge of every request and answer."""

import functools
import json
import re
import urllib.parse

from botocore import model, parsers, validate
from botocore.loaders import Loader

JUDGED = ("cloudformation", "dynamodb", "ecs", "lambda", "logs", "sns")
# Errors of every service, which no operation's model lists.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
COMMON = {
    "AccessDeniedException",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "ThrottlingException",
    "ValidationError",
    "ValidationException",
}
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
COMMON_OF = {"dynamodb": {"RequestLimitExceeded", "ThrottlingException"}}


@functools.cache
def service_model(service: str) -> model.ServiceModel:
    """The newest model of a service."""
    return model.ServiceModel(Loader().load_service_model(service, "service-2"), service)


@functools.cache
def operation_model(service: str, operation: str) -> model.OperationModel:
    """The model of an operation; raises where the service has none of this name."""
    return service_model(service).operation_model(operation)


def parameters(call) -> dict:
    """What a request asks for, by the model's names."""
    if call.service == "lambda":
        path = re.fullmatch(r"(?:https?://[^/]+)?/2015-03-31/functions/([^/]+)/invocations(?:\?(.*))?", call.path)
        more = dict(urllib.parse.parse_qsl(path[2] or ""))
        kind = call.headers.get("x-amz-invocation-type")
        given = {"FunctionName": urllib.parse.unquote(path[1]), "Payload": call.body, **more}
        return {**given, "InvocationType": kind} if kind else given
    if call.service in ("cloudformation", "sns"):
        return from_form(dict(urllib.parse.parse_qsl(call.body.decode(), keep_blank_values=True)), call)
    return json.loads(call.body or b"{}")


def from_form(form: dict, call) -> dict:
    """The parameters of the query protocol; a map comes as entries with a number."""
    version = form.pop("Version")
    form.pop("Action")
    if version != service_model(call.service).api_version:
        raise ValueError(f"{call.service} has no version {version}")
    made = {}
    for name, value in form.items():
        if ".entry." not in name:
            made[name] = value
            continue
        field, number, *rest = name.replace(".entry.", ".").split(".")
        entry = made.setdefault(field, {}).setdefault(number, {})
        for part in rest[:-1]:
            entry = entry.setdefault(part, {})
        entry[rest[-1]] = value
    return {
        name: {one["Name"]: one["Value"] for one in value.values()} if isinstance(value, dict) else value
        for name, value in made.items()
    }


def request_objections(call) -> list:
    """What the newest model has against a request."""
    try:
        shape = operation_model(call.service, call.operation).input_shape
        given = parameters(call)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    report = validate.ParamValidator().validate(given, shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + limits(shape, given, shape.name)


def limits(shape, value, where: str) -> list:
    """Longest texts and lists, values of an enumeration, patterns: ParamValidator looks at the shortest alone."""
    if shape.type_name == "structure":
        known = [(name, one) for name, one in value.items() if name in shape.members]
        return [bad for name, one in known for bad in limits(shape.members[name], one, f"{where}.{name}")]
    found = []
    most = shape.metadata.get("max")
    size = (
        value
        if shape.type_name in ("integer", "long", "double", "float")
        else len(value) if hasattr(value, "__len__") else 0
    )
    if most is not None and float(size) > float(most):
        found.append(f"{where}: {size} is more than {most}")
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            found.append(f"{where}: {value} is not one of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(translated(pattern), value):
            found.append(f"{where}: {value} does not match {pattern}")
    if shape.type_name == "list":
        found += [bad for one in value for bad in limits(shape.member, one, f"{where}[]")]
    if shape.type_name == "map":
        found += [bad for key, one in value.items() for bad in limits(shape.value, one, f"{where}[{key}]")]
    return found


def translated(pattern: str) -> str:
    """A pattern of the models as Python takes it; a pattern is for the whole text."""
    return f"^(?:{pattern.replace('p{L}', 'w')})$".replace("\\p{Z}", "\\s").replace("\\p{N}", "\\d")


def answer_objections(call) -> list:
    """What the newest model has against an answer; one from 500 on may be a proxy's, and have any form."""
    if call.status >= 500:
        return []
    try:
        operation = operation_model(call.service, call.operation)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    parser = parsers.create_parser(service_model(call.service).metadata["protocol"])
    response = {"status_code": call.status, "headers": call.answer_headers, "body": call.answer}
    try:
        parsed = parser.parse(response, operation.output_shape)
    except Exception as error:
        return [f"cannot be parsed: {error}"]
    if call.status >= 400:
        return error_objections(call, operation, parsed)
    if call.service in ("ecs", "dynamodb", "logs"):
        return unknown(operation.output_shape, json.loads(call.answer or b"{}"), call.operation)
    return missing(operation.output_shape, parsed, call.operation)


def error_objections(call, operation, parsed: dict) -> list:
    """An error must be one that the operation, or every operation, can have."""
    code = parsed.get("Error", {}).get("Code", "")
    listed = {shape.error_code for shape in operation.error_shapes} | {shape.name for shape in operation.error_shapes}
    return (
        [] if code in listed | COMMON | COMMON_OF.get(call.service, set()) else [f"{code} is no error of {call.operation}"]
    )


def unknown(shape, value, where: str) -> list:
    """Members of an answer that the model does not have, or that have another type, or are missing."""
    kind = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool}.get(shape.type_name)
    if value is None:
        return []
    if kind and not isinstance(value, kind):
        return [f"{where} is {type(value).__name__} and not {shape.type_name}"]
    if shape.type_name in ("integer", "long", "timestamp", "double", "float") and (
        isinstance(value, bool) or not isinstance(value, (int, float))
    ):
        return [f"{where} is {type(value).__name__} and not {shape.type_name}"]
    if shape.type_name == "structure":
        members = {one.serialization.get("name", name): one for name, one in shape.members.items()}
        strange = [f"{where}.{name} is unknown" for name in value if name not in members]
        gone = [f"{where}.{name} is missing" for name in shape.required_members if name not in value]
        known = [(name, one) for name, one in value.items() if name in members]
        return strange + gone + [bad for name, one in known for bad in unknown(members[name], one, f"{where}.{name}")]
    if shape.type_name == "list":
        return [bad for one in value for bad in unknown(shape.member, one, f"{where}[]")]
    if shape.type_name == "map":
        return [bad for one in value.values() for bad in unknown(shape.value, one, f"{where}[]")]
    return []


def missing(shape, parsed: dict, where: str) -> list:
    """Members of a parsed answer that must be there and are not."""
    found = []
    for name in shape.required_members if shape else ():
        if name not in parsed:
            found.append(f"{where}.{name} is missing")
    for name, one in (shape.members.items() if shape else ()):
        if one.type_name == "list" and one.member.type_name == "structure":
            for item in parsed.get(name) or ():
                found += [
                    f"{where}.{name}[].{needed} is missing" for needed in one.member.required_members if needed not in item
                ]
    return found
