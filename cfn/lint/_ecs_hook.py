"""Lifecycle hooks of services that the function serves, and the JSON in their HookDetails."""

import json
import re

import _ecs_task as ecs

WITHIN = ("DeploymentConfiguration", "LifecycleHooks")
# These stand around the name of a value that only CloudFormation knows. JSON takes them within a string.
OPEN, CLOSE = "\ue000", "\ue001"
FUNCTION = re.compile(r"Ref|Fn::\w+")
VARIABLE = re.compile(r"\$\{([^!}]+)\}")


class Hook:
    """A hook in one combination of the template's conditions."""

    def __init__(self, cfn, service, index, hook, case):
        self.cfn, self.service, self.hook, self.case = cfn, service, hook, case
        self.index = index
        self.given = hook.get("HookDetails")
        # The problem with the text, and what it holds if there is none; both None where a function makes it.
        self.problem, self.details = None, None
        self.read()

    @property
    def is_object(self):
        """Whether the details are given as an object."""
        return isinstance(self.given, dict) and not is_function(self.given)

    def read(self):
        """Reads HookDetails."""
        if self.is_object:
            self.details = marked(self.given)
        elif is_function(self.given) and "Fn::ToJsonString" in self.given:
            self.details = marked(self.given["Fn::ToJsonString"])
        else:
            self.parse(text_of(self.cfn, self.given) if is_function(self.given) else self.given)

    def parse(self, text):
        """Reads the text, if it is one."""
        if not isinstance(text, str):
            return
        try:
            self.details = json.loads(text)
        except json.JSONDecodeError as error:
            self.problem = f"{error.msg[:1].lower()}{error.msg[1:]}, line {error.lineno}, column {error.colno}"

    @property
    def task(self):
        """The properties of the task; None if there are none, or if they cannot be known."""
        task = self.details.get("ECSTask") if isinstance(self.details, dict) else None
        return task if isinstance(task, dict) else None

    @property
    def is_ours(self):
        """By the function that ECS invokes, or by the details."""
        if self.hook.get("TargetType") == "PAUSE":
            return False
        target = self.hook.get("HookTargetArn")
        if (with_defaults(self.cfn, ecs.imported(target) or "")).endswith(ecs.EXPORT):
            return True
        functions = ecs.resources(self.cfn, "AWS::Lambda::Function", among=ecs.references(target)).values()
        if any(str(ecs.member(one, "Properties", "Description")).startswith(ecs.TYPE) for one in functions):
            return True
        return isinstance(self.details, dict) and "ECSTask" in self.details

    def path(self, *within):
        """The path of a member, as far as the template has it."""
        properties = ecs.member(ecs.section(self.cfn, "Resources").get(self.service), "Properties")
        return ecs.place(["Resources", self.service, "Properties"], properties, (*WITHIN, self.index, *within))

    def definition(self):
        """The logical id and the properties of the task definition, if it is in this template."""
        name = ecs.definition_name(self.case.get("TaskDefinition"))
        if "TaskDefinition" in (self.task or {}):
            variable = re.fullmatch(f"{OPEN}(.*){CLOSE}", str(self.task["TaskDefinition"]))
            name = variable[1].split(".")[0] if variable else None
        found = ecs.resources(self.cfn, "AWS::ECS::TaskDefinition", among={name}).values()
        properties = next((one.get("Properties") for one in found), None)
        return name, ecs.resolve(self.cfn, properties, self.case["scenario"])


def hooks(cfn):
    """Each hook that the function serves, in each combination of conditions that can occur."""
    for name, service in ecs.resources(cfn, "AWS::ECS::Service").items():
        properties = service.get("Properties")
        properties = properties if isinstance(properties, dict) else {}
        given = {key: properties[key] for key in (WITHIN[0], "TaskDefinition") if key in properties}
        names = ecs.conditions(given)
        for one in ecs.resources(cfn, "AWS::ECS::TaskDefinition", among=ecs.references(given)).values():
            names |= ecs.conditions(one.get("Properties")) | ecs.conditions_of(one)
        for scenario in ecs.scenarios(cfn, names, service):
            case = ecs.resolve(cfn, given, scenario)
            listed = ecs.member(case, *WITHIN)
            for index, one in enumerate(listed if isinstance(listed, list) else []):
                if isinstance(one, dict) and not is_function(one):
                    hook = Hook(cfn, name, index, one, case | {"scenario": scenario})
                    if hook.is_ours:
                        yield hook


def is_function(value):
    """Whether CloudFormation makes the value."""
    return isinstance(value, dict) and len(value) == 1 and FUNCTION.fullmatch(str(next(iter(value)))) is not None


def is_unknown(value):
    """Whether a value of the details is known to CloudFormation alone."""
    return OPEN in str(value)


def marked(value):
    """A value with a mark in the place of each function."""
    if is_function(value):
        return mark(ecs.definition_name(value) or "")
    if isinstance(value, dict):
        return {str(key): marked(item) for key, item in value.items()}
    return [marked(item) for item in value] if isinstance(value, list) else value


def mark(name):
    return f"{OPEN}{name}{CLOSE}"


def text_of(cfn, value):
    """The text that Fn::Sub or Fn::Join makes, with marks for what is not known; None for any other function."""
    parts = None
    if "Fn::Sub" in value:
        parts = parts_of_sub(cfn, value["Fn::Sub"])
    elif "Fn::Join" in value:
        join = value["Fn::Join"]
        if isinstance(join, list) and len(join) == 2 and isinstance(join[0], str) and isinstance(join[1], list):
            parts = []
            for item in join[1]:
                parts += [join[0]] * bool(parts) + [item]
    if parts is None:
        return None
    text = ""
    for part in parts:
        if isinstance(part, (str, int)):
            text += str(part)
        else:
            name = mark(ecs.definition_name(part) or "")
            text += name if ends_in_string(text) else f'"{name}"'
    return text


def parts_of_sub(cfn, argument):
    """The texts and values that Fn::Sub puts together; None if it is none."""
    text, given = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(text, str) or not isinstance(given, dict):
        return None
    parts = []
    for index, part in enumerate(VARIABLE.split(text)):
        if index % 2 == 0:
            parts.append(part.replace("${!", "${"))
        else:
            parts.append(given.get(part, ecs.resolve(cfn, {"Ref": part}, {})))
    return parts


def with_defaults(cfn, text):
    """A text of Fn::Sub with the defaults of its parameters."""
    parts = parts_of_sub(cfn, text)
    return "".join(str(part) for part in parts if isinstance(part, (str, int)))


def ends_in_string(text):
    """Whether the end of some JSON is within a string."""
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', text)) % 2 == 1
