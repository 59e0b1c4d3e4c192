"""A CloudFormation template, as far as a deploy must know it before CloudFormation does."""

import difflib
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from ecs_tasks.problem import Refused

# Parameters that deploy sets itself, and the options to use instead.
OWN_PARAMETERS = {"CodeBucket": "--bucket", "CodeKey": "", "CodeVersion": "", "Architecture": "--arch"}
NO_VALUE = {"Ref": "AWS::NoValue"}


# The one in C is ten times as fast, and not in every build of PyYAML.
class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads `!Ref` as `{"Ref": …}`, and `!Sub` and the others likewise."""


def short_form(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


@dataclass
class Template:
    body: str
    content: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, body: str) -> "Template":
        """CloudFormation returns a template in its original form, which may be JSON: YAML reads both."""
        content = yaml.load(body, Loader)
        return cls(body, content if isinstance(content, dict) else {})

    @property
    def description(self) -> str:
        return str(self.content.get("Description") or "").strip()

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return dict(self.content.get("Parameters") or {})

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        return dict(self.content.get("Resources") or {})

    @cached_property
    def capability(self) -> str | None:
        """The capability that CloudFormation asks for."""
        roles = [one for one in self.resources.values() if one.get("Type", "").startswith("AWS::IAM::")]
        names = ("RoleName", "UserName", "GroupName", "ManagedPolicyName")
        if any(name in (one.get("Properties") or {}) for one in roles for name in names):
            return "CAPABILITY_NAMED_IAM"
        return "CAPABILITY_IAM" if roles else None

    def checked(self, given: dict[str, str]) -> dict[str, str]:
        """These values, if the template has such parameters and they allow them."""
        choices = [name for name in self.parameters if name not in OWN_PARAMETERS]
        for name, value in given.items():
            if name in OWN_PARAMETERS:
                instead = OWN_PARAMETERS[name]
                raise Refused(f"{name} is deploy's own parameter: {f'use {instead}' if instead else 'leave it out'}")
            if name not in choices:
                near = difflib.get_close_matches(name.lower(), {one.lower(): one for one in choices}, n=1, cutoff=0.6)
                meant = next((one for one in choices if near and one.lower() == near[0]), None)
                hint = f"did you mean {meant}?" if meant else "it has " + ", ".join(choices)
                raise Refused(f"the template has no parameter {name}: {hint}")
            rule = self.parameters[name]
            allowed = [str(one) for one in rule.get("AllowedValues", [])]
            if allowed and value not in allowed:
                raise Refused(f"{name} cannot be {value!r}: it must be one of {', '.join(allowed)}")
            pattern = rule.get("AllowedPattern")
            if pattern and not re.fullmatch(pattern, value):
                raise Refused(f"{name} cannot be {value!r}. {rule.get('Description', '')} (it must match {pattern})")
        return given

    def defaults(self) -> dict[str, str]:
        return {name: str(rule["Default"]) for name, rule in self.parameters.items() if "Default" in rule}

    def resources_with(self, values: dict[str, str]) -> dict[str, str]:
        """Type of each resource that the stack has with these parameters, by its logical ID."""
        conditions = self.content.get("Conditions") or {}
        return {
            name: str(resource.get("Type"))
            for name, resource in self.resources.items()
            if "Condition" not in resource
            or is_true({"Condition": resource["Condition"]}, conditions, self.defaults() | values)
        }

    def kept(self, values: dict[str, str]) -> list[str]:
        """Logical IDs of what stays when the stack is deleted."""
        return [
            name
            for name in self.resources_with(values)
            if str(self.resources[name].get("DeletionPolicy", "Delete")).startswith("Retain")
        ]


def is_true(condition: Any, conditions: dict[str, Any], values: dict[str, str]) -> bool:
    """Decides a condition. One that depends on something else than parameters counts as true: better named than hidden."""

    def value(part: Any) -> Any:
        match part:
            case {"Ref": name}:
                return values[name]
            case {"Fn::Join": [str(separator), items]}:
                return separator.join(as_list(value(items)))
            case {"Fn::Split": [str(separator), text]}:
                return str(value(text)).split(separator)
            case {"Fn::Select": [index, items]}:
                return as_list(value(items))[int(index)]
            case str() | int() | list():
                return part
        raise KeyError

    try:
        match condition:
            case {"Condition": name}:
                return is_true(conditions[name], conditions, values)
            case {"Fn::Not": [one]}:
                return not is_true(one, conditions, values)
            case {"Fn::And": several}:
                return all(is_true(one, conditions, values) for one in several)
            case {"Fn::Or": several}:
                return any(is_true(one, conditions, values) for one in several)
            case {"Fn::Equals": [one, other]}:
                return str(value(one)) == str(value(other))
    except (KeyError, IndexError, ValueError):
        pass
    return True


def as_list(value: Any) -> list[str]:
    """A list parameter arrives as one string with commas."""
    return [str(one) for one in value] if isinstance(value, list) else str(value).split(",")


def counted(types: list[str]) -> str:
    """`6 AWS::CloudWatch::Alarm, AWS::IAM::Role`."""
    return ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in sorted(Counter(types).items()))


def differences(old: Template, new: Template) -> list[str]:
    """The resources that an update adds, removes and changes, one line each."""
    lines = []
    for name in [*new.resources, *(one for one in old.resources if one not in new.resources)]:
        before, after = old.resources.get(name), new.resources.get(name)
        if before == after:
            continue
        sign = "add" if before is None else "remove" if after is None else "change"
        kind = (after or before or {}).get("Type")
        lines.append(f"{sign} {name} ({kind})")
    return lines
