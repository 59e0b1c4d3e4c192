"""A template as moto's CloudFormation takes it."""

import json
import re

from cfnlint.decode.cfn_yaml import load

from harness import ROOT


def read(name: str) -> dict:
    """The template cfn/<name>.yml."""
    return json.loads(json.dumps(load(str(ROOT / "cfn" / f"{name}.yml"))))


def pattern(template: dict, clusters: str = "*", rule: str = "Rule", service: str = "", container: str = "") -> dict:
    """The pattern of one of the template's rules as CloudFormation fills it in."""
    written = template["Resources"][rule]["Properties"]["EventPattern"]
    known = {"AWS::Partition": "aws", "Clusters": clusters, "Service": service, "Container": container}
    given = {"HasService": service, "HasContainer": container, "AllClusters": clusters == "*"}

    def filled(node):
        """What CloudFormation makes of a node."""
        if isinstance(node, list):
            return [one for one in map(filled, node) if one is not None]
        if not isinstance(node, dict):
            return node
        if "Ref" in node:
            return known.get(node["Ref"])
        if "Fn::If" in node:
            condition, then, otherwise = node["Fn::If"]
            return filled(then if given[condition] else otherwise)
        if "Fn::Sub" in node:
            text, more = node["Fn::Sub"] if isinstance(node["Fn::Sub"], list) else (node["Fn::Sub"], {})
            names = {**known, **{name: filled(value) for name, value in more.items()}}
            return re.sub(r"\$\{([\w:]+)\}", lambda name: names[name[1]], text)
        return {name: filled(one) for name, one in node.items()}

    made = filled(written)
    return json.loads(made) if isinstance(made, str) else made


def chosen(node, **conditions):
    """What `Fn::If` chooses under these conditions; nothing where it is AWS::NoValue. moto does not list alarms."""
    if isinstance(node, list):
        return [chosen(one, **conditions) for one in node]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, then, otherwise = node["Fn::If"]
        return chosen(then if conditions.get(condition, False) else otherwise, **conditions)
    return None if node == {"Ref": "AWS::NoValue"} else {name: chosen(one, **conditions) for name, one in node.items()}


def alarm_actions(template: dict, **conditions) -> dict:
    """Whom each alarm of a template notifies under these conditions."""
    alarms = {name: one for name, one in template["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    return {name: chosen(one["Properties"]["AlarmActions"], **conditions) for name, one in alarms.items()}


def without_aliases(template: dict) -> dict:
    """The template with the function in place of its aliases: moto's CloudFormation makes no AWS::Lambda::Alias."""
    text = json.dumps(template)
    for alias in [name for name, one in template["Resources"].items() if one["Type"] == "AWS::Lambda::Alias"]:
        arn = {"Fn::GetAtt": [template["Resources"][alias]["Properties"]["FunctionName"]["Ref"], "Arn"]}
        text = text.replace(json.dumps({"Ref": alias}), json.dumps(arn)).replace(f'"DependsOn": "{alias}", ', "")
    made = json.loads(text)
    made["Resources"] = {name: one for name, one in made["Resources"].items() if one["Type"] != "AWS::Lambda::Alias"}
    return made


def holds(template: dict, condition, values: dict) -> bool:
    """Whether a condition holds with these parameters."""
    if isinstance(condition, str):
        return holds(template, template["Conditions"][condition], values)
    [(function, operands)] = condition.items()
    if function == "Condition":
        return holds(template, operands, values)
    if function == "Fn::Equals":
        one, other = (values.get(operand["Ref"]) if isinstance(operand, dict) else operand for operand in operands)
        return str(one) == str(other)
    return {"Fn::Not": lambda all: not all[0], "Fn::And": all, "Fn::Or": any}[function](
        [holds(template, one, values) for one in operands]
    )


def without_outputs(template: dict, parameters: dict) -> dict:
    """The template without the outputs whose condition does not hold: moto's CloudFormation makes all of them."""
    values = {name: one.get("Default") for name, one in template.get("Parameters", {}).items()} | parameters
    outputs = {
        name: one
        for name, one in template.get("Outputs", {}).items()
        if "Condition" not in one or holds(template, one["Condition"], values)
    }
    return template | {"Outputs": outputs}


def deploy(aws, name: str, **parameters) -> dict:
    """Deploys the template; the stack. moto does not read a pattern that is given as text, as CloudFormation does."""
    template = without_outputs(without_aliases(read(name)), parameters)
    for rule, resource in template["Resources"].items():
        if "Fn::Sub" in resource["Properties"].get("EventPattern", {}):
            resource["Properties"]["EventPattern"] = pattern(template, rule=rule)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    client = aws.client("cloudformation")
    client.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Parameters=given, Capabilities=["CAPABILITY_IAM"]
    )
    [stack] = client.describe_stacks(StackName=name)["Stacks"]
    stack["Values"] = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    return stack


def statements_without_comment(name: str) -> list:
    """The Sids of a template that no comment stands before."""
    lines = (ROOT / "cfn" / f"{name}.yml").read_text().splitlines()
    bare = []
    for number, line in enumerate(lines):
        sid = re.match(r" *- Sid: (\w+)", line)
        above = [one for one in lines[:number] if not re.fullmatch(r" *(- !If|- (Has|Create)\w+)", one)]
        if sid and not above[-1].lstrip().startswith("#"):
            bare.append(sid[1])
    return bare
