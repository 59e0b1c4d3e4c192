"""A template as moto's CloudFormation takes it."""

import json
import re

from cfnlint.decode.cfn_yaml import load

from harness import ROOT


def read(name: str) -> dict:
    """The template cfn/<name>.yml."""
    return json.loads(json.dumps(load(str(ROOT / "cfn" / f"{name}.yml"))))


def pattern(template: dict, clusters: str = "*") -> dict:
    """The pattern of the template's rule as CloudFormation fills it in."""
    filled = json.dumps(template["Resources"]["Rule"]["Properties"]["EventPattern"])
    filled = filled.replace("${AWS::Partition}", "aws").replace("${Clusters}", clusters)
    filled = json.loads(filled, object_hook=lambda node: node.get("Fn::Sub", node))
    return json.loads(filled) if isinstance(filled, str) else filled


def deploy(aws, name: str, **parameters) -> dict:
    """Deploys the template; the stack. moto does not read a pattern that is given as text, as CloudFormation does."""
    template = read(name)
    rule = template["Resources"]["Rule"]["Properties"]
    if "Fn::Sub" in rule["EventPattern"]:
        rule["EventPattern"] = pattern(template)
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
