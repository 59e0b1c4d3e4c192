"""What a company may ask of every template that is deployed: cfn/provider.yml, cfn/monitor.yml and cfn/alert.yml."""

import json
import re
import unittest
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

ROOT = Path(__file__).parents[1]
DEPLOYED = ("alert", "monitor", "provider")
NO_VALUE = {"Ref": "AWS::NoValue"}

# What stands in which property of every resource of a type.
BOUNDARY = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, NO_VALUE]}
KEY = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKey"}, NO_VALUE]}
VPC = {
    "SubnetIds": {"Fn::Split": [",", {"Ref": "VpcSubnets"}]},
    "SecurityGroupIds": {"Fn::Split": [",", {"Ref": "VpcSecurityGroups"}]},
}
ASKED = {
    ("AWS::IAM::Role", "PermissionsBoundary"): BOUNDARY,
    ("AWS::Logs::LogGroup", "KmsKeyId"): KEY,
    ("AWS::SQS::Queue", "KmsMasterKeyId"): KEY,
    ("AWS::DynamoDB::Table", "SSESpecification"): {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
    ("AWS::OpenSearchService::Domain", "EncryptionAtRestOptions"): {"Enabled": True, "KmsKeyId": KEY},
    ("AWS::Lambda::Function", "VpcConfig"): {"Fn::If": ["HasVpc", VPC, NO_VALUE]},
    ("AWS::Lambda::Function", "ReservedConcurrentExecutions"): {
        "Fn::If": ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, NO_VALUE]
    },
}
PARAMETERS = {
    "PermissionsBoundary": "AWS::IAM::Role",
    "KmsKey": "AWS::SQS::Queue",
    "VpcSubnets": "AWS::Lambda::Function",
    "VpcSecurityGroups": "AWS::Lambda::Function",
    "ReservedConcurrency": "AWS::Lambda::Function",
}
# The values that leave a parameter out, where it is not the empty text.
NONE = {"VpcSubnets": "subnet-00000000", "VpcSecurityGroups": "sg-00000000"}


def read(name):
    """The template cfn/<name>.yml."""
    return json.loads(json.dumps(load(str(ROOT / "cfn" / f"{name}.yml"))))


class Company(unittest.TestCase):
    def test_every_resource_is_as_the_parameters_ask(self):
        seen = set()
        for name in DEPLOYED:
            for logical_id, resource in read(name)["Resources"].items():
                for (kind, field), asked in ASKED.items():
                    if resource["Type"] == kind:
                        seen.add((kind, field))
                        self.assertEqual(resource["Properties"].get(field), asked, f"{name}.{logical_id}.{field}")
        self.assertEqual(seen, set(ASKED))

    def test_every_topic_is_encrypted_by_the_key_that_is_given_else_by_one_of_its_own(self):
        topics = [
            resource["Properties"]["KmsMasterKeyId"]["Fn::If"]
            for name in DEPLOYED
            for resource in read(name)["Resources"].values()
            if resource["Type"] == "AWS::SNS::Topic"
        ]
        self.assertEqual(len(topics), 3)
        for condition, given, _own in topics:
            self.assertEqual((condition, given), ("HasKmsKey", {"Ref": "KmsKey"}))

    def test_each_is_left_out_by_default_and_is_there_where_it_has_a_use(self):
        for name in DEPLOYED:
            template = read(name)
            types = {resource["Type"] for resource in template["Resources"].values()}
            for parameter, kind in PARAMETERS.items():
                self.assertEqual(parameter in template["Parameters"], kind in types, f"{name}.{parameter}")
                if kind in types:
                    self.assertEqual(template["Parameters"][parameter]["Default"], NONE.get(parameter, ""))

    def test_a_vpc_needs_permissions_that_the_function_s_own_code_has_not(self):
        for name in ("monitor", "provider"):
            [policy] = read(name)["Resources"]["Role"]["Properties"]["Policies"]
            statements = [one["Fn::If"][1] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
            allowed, denied = [one for one in statements if "ec2:CreateNetworkInterface" in one["Action"]]
            self.assertEqual((allowed["Effect"], denied["Effect"]), ("Allow", "Deny"))
            self.assertEqual(allowed["Action"], denied["Action"])
            self.assertEqual(denied["Condition"], {"Null": {"lambda:SourceFunctionArn": "false"}})

    def test_operations_explains_each_parameter(self):
        chapter = (ROOT / "docs/operations.md").read_text(encoding="utf-8").split("## A company's rules")[1]
        for parameter in PARAMETERS:
            self.assertIn(f"`{parameter}`", chapter)


class Checkov(unittest.TestCase):
    def test_each_exception_has_its_reason(self):
        excepted = 0
        for file in (ROOT / "cfn").glob("*.yml"):
            for logical_id, resource in read(file.stem)["Resources"].items():
                for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                    excepted += 1
                    self.assertRegex(skip["id"], r"^CKV2?_AWS_\d+$")
                    self.assertRegex(skip.get("comment", ""), r"^[A-Z].{20,}[^.]$", f"{file.name} {logical_id}")
        self.assertGreater(excepted, 0)


class Alarms(unittest.TestCase):
    def test_operations_says_of_each_alarm_what_it_means_and_what_to_do(self):
        page = (ROOT / "docs/operations.md").read_text(encoding="utf-8").split("## Alarms")[1]
        chapters = dict(re.findall(r"^### ([\w-]+)\n(.*?)(?=^##|\Z)", page, re.M | re.S))
        alarms = [one for one in read("provider")["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
        names = {one["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for one in alarms}
        self.assertEqual(set(chapters), names)
        for chapter in chapters.values():
            self.assertRegex(chapter, r"\*\*It means\*\*: .*\n(.*\n)*\n\*\*Do\*\*: ")

    def test_each_alarm_goes_to_the_topic_that_is_given(self):
        for logical_id, one in read("provider")["Resources"].items():
            if one["Type"] == "AWS::CloudWatch::Alarm":
                actions = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], NO_VALUE]}
                self.assertEqual(one["Properties"]["AlarmActions"], actions, logical_id)


if __name__ == "__main__":
    unittest.main()
