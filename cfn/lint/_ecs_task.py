"""What the rules in this folder share: a template's ECSTasks, their definitions, conditions, dependencies.

cfn-lint loads every file of a folder as rules, except those whose names begin with an underscore.
"""

import difflib
import json
import re
from pathlib import Path

import networkx

SCHEMA = json.loads(Path(__file__).with_name("ecs_task.schema.json").read_text(encoding="utf-8"))
ATTRIBUTES = [pointer.removeprefix("/properties/") for pointer in SCHEMA["readOnlyProperties"]]
TYPE = "Custom::ECSTask"
# A stack called ecs-tasks, made from cfn/provider.yml, exports the function's ARN by this name.
EXPORT = "ecs-tasks-FunctionArn"


class Task:
    """A resource that the function serves."""

    def __init__(self, cfn, name, resource):
        self.cfn, self.name, self.resource = cfn, name, resource
        properties = resource.get("Properties")
        self.properties = properties if isinstance(properties, dict) else {}

    def path(self, *within):
        """The path of a property as far as the template has it: a function may stand in its place."""
        return place(["Resources", self.name, "Properties"], self.properties, within)

    def cases(self, *keys):
        """These properties, and TaskDefinition, in each combination of conditions that can occur.

        If the task definition is in this template, its properties are there too, as "definition".
        """
        given = {key: self.properties[key] for key in {*keys, "TaskDefinition"} if key in self.properties}
        names = conditions(given)
        for definition in self.definitions():
            names |= conditions(definition.get("Properties")) | conditions_of(definition)
        for scenario in scenarios(self.cfn, names, self.resource):
            case = resolve(self.cfn, given, scenario)
            name = definition_name(case.get("TaskDefinition"))
            for definition in resources(self.cfn, "AWS::ECS::TaskDefinition", among={name}).values():
                case["definition"] = resolve(self.cfn, definition.get("Properties", {}), scenario)
            yield case

    def definitions(self):
        """The task definitions of this template that can run."""
        return resources(
            self.cfn, "AWS::ECS::TaskDefinition", among=references(self.properties.get("TaskDefinition"))
        ).values()

    def waits_for(self, name):
        """Whether CloudFormation makes this resource before the task starts."""
        return depends(self.cfn, self.name, name)


def place(path, value, within):
    """The path of a member, from the path of the value that holds it, as far as the template has it."""
    path = list(path)
    for key in within:
        key = spelling(value, key) if isinstance(value, dict) and isinstance(key, str) else key
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
        path.append(key)
    return path


def tasks(cfn):
    """All resources that the function serves."""
    for name, resource in section(cfn, "Resources").items():
        if isinstance(resource, dict) and is_ours(resource):
            yield Task(cfn, name, resource)


def section(cfn, name):
    """A section of the template; an empty one if it is not there or is no section."""
    value = cfn.template.get(name)
    return value if isinstance(value, dict) else {}


def is_ours(resource):
    """By its type, or by the ServiceToken: the CDK writes AWS::CloudFormation::CustomResource by default."""
    if resource.get("Type") == TYPE:
        return True
    kind, properties = resource.get("Type"), resource.get("Properties")
    is_custom = kind == "AWS::CloudFormation::CustomResource" or str(kind).startswith("Custom:")
    token = properties.get("ServiceToken") if is_custom and isinstance(properties, dict) else None
    return (imported(token) or "").endswith(EXPORT)


def imported(value):
    """The name of the export that a value imports, with the variables that it has; None for any other value."""
    export = value.get("Fn::ImportValue") if isinstance(value, dict) else None
    if isinstance(export, dict):
        export = export.get("Fn::Sub")
    return export if isinstance(export, str) else None


def resources(cfn, *types, among=None):
    """The resources of these types."""
    return {
        name: resource
        for name, resource in section(cfn, "Resources").items()
        if isinstance(resource, dict) and resource.get("Type") in types and (among is None or name in among)
    }


def depends(cfn, one, other):
    """Whether one resource depends on the other, directly or through others."""
    graph = cfn.graph.graph if cfn.graph else networkx.DiGraph()
    return one in graph and other in graph and networkx.has_path(graph, one, other)


def spelling(value, name):
    """The key of a member as this value spells it: `subnets` as ECS, or `Subnets` as CloudFormation."""
    other = name[:1].swapcase() + name[1:]
    return other if name not in value and other in value else name


def member(value, *names):
    """A member at this path, in either spelling."""
    for name in names:
        value = value.get(spelling(value, name)) if isinstance(value, dict) else None
    return value


def nearest(name, names):
    """The known name that was probably meant, or None."""
    known = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.75)
    return known[found[0]] if found else None


def hint(name, names):
    """` (did you mean …?)` where something is near."""
    meant = nearest(name, names)
    return f" (did you mean {meant}?)" if meant else ""


def home(name):
    """`, which belongs in …` for a member that exactly one structure of the highest level has."""
    level = [("", SCHEMA)]
    while level:
        below = []
        for path, schema in level:
            for key, member_schema in schema.get("properties", {}).items():
                one = member_schema.get("items", member_schema)
                if key[:1].isupper() and "properties" in one:
                    below.append((f"{path}.{key}".lstrip(".") + ("[]" if "items" in member_schema else ""), one))
        homes = [path for path, schema in below if name.lower() in map(str.lower, schema["properties"])]
        if homes:
            return f", which belongs in {homes[0]}" if len(homes) == 1 else ""
        level = below
    return ""


def number(value):
    """A whole number, native or as a string; None for what is neither, a function above all."""
    if isinstance(value, (int, str)) and not isinstance(value, bool) and re.fullmatch(r"\d+", str(value)):
        return int(value)
    return None


def references(value):
    """Names of what Ref, GetAtt and Sub lead to, anywhere within a value."""
    found = set()
    if isinstance(value, list):
        for item in value:
            found |= references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                found.add(item)
            elif key == "Fn::GetAtt":
                text = item[0] if isinstance(item, list) and item else item
                if isinstance(text, str):
                    found.add(text.split(".")[0])
            else:
                text = item[0] if isinstance(item, list) and item else item
                if key == "Fn::Sub" and isinstance(text, str):
                    found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
                found |= references(item)
    return found


def definition_name(value):
    """The logical id in `!Ref Definition`, `!GetAtt Definition.TaskDefinitionArn` or `!Sub ${Definition}`."""
    if isinstance(value, dict) and len(value) == 1 and set(value) <= {"Ref", "Fn::GetAtt", "Fn::Sub"}:
        text = value.get("Fn::Sub")
        if text is None or isinstance(text, str) and re.fullmatch(r"\$\{[A-Za-z0-9.]+\}", text):
            return next(iter(references(value)), None)
    return None


def conditions(value):
    """Names of the conditions within a value, except where no rule looks, such as variables and commands."""
    found = set()
    if isinstance(value, list):
        for item in value:
            found |= conditions(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Fn::If" and isinstance(item, list) and item and isinstance(item[0], str):
                found |= {item[0]} | conditions(item[1:])
            elif key[:1].lower() + key[1:] not in IRRELEVANT:
                found |= conditions(item)
    return found


IRRELEVANT = {
    "command", "entryPoint", "environment", "environmentFiles", "healthCheck", "image", "logConfiguration",
    "mountPoints", "portMappings", "secrets", "tags", "volumes",
}  # fmt: skip


def conditions_of(resource):
    """The condition that a resource exists under, as a set."""
    return {resource["Condition"]} if isinstance(resource.get("Condition"), str) else set()


def scenarios(cfn, names, resource):
    """Each combination of these conditions that can come about where the resource exists."""
    wanted = {name: {True, False} for name in names} | {name: {True} for name in conditions_of(resource)}
    return list(cfn.conditions.build_scenarios(wanted)) if wanted else [{}]


def resolve(cfn, value, scenario):
    """A value with its conditions decided, and parameters by their defaults.

    A parameter that a condition looks at stays as it is: its default may contradict the scenario.
    """
    if isinstance(value, list):
        items = [resolve(cfn, item, scenario) for item in value]
        return [item for item in items if item is not None]
    if not isinstance(value, dict):
        return value
    choice = value.get("Fn::If")
    if isinstance(choice, list) and len(choice) == 3 and str(choice[0]) in scenario:
        return resolve(cfn, choice[1 if scenario[str(choice[0])] else 2], scenario)
    name = value.get("Ref")
    if name == "AWS::NoValue":
        return None
    if isinstance(name, str):
        default = member(section(cfn, "Parameters"), name, "Default")
        is_simple = member(section(cfn, "Parameters"), name, "Type") in ("String", "Number")
        decides = name in references(section(cfn, "Conditions"))
        return default if isinstance(default, (str, int)) and is_simple and not decides else value
    fields = {key: resolve(cfn, item, scenario) for key, item in value.items()}
    return {key: item for key, item in fields.items() if item is not None}
