"""cfn/provider.yml: deployed on moto's CloudFormation, with the ledger and without."""

import unittest

from harness import ACCOUNT, REGION, Aws
from template import deploy, read

TEMPLATE = read("provider")
CODE = {"CodeBucket": "code"}


class ProviderTemplateTest(unittest.TestCase):
    def setUp(self):
        self.aws = Aws()
        self.addCleanup(self.aws.close)
        self.aws.client("s3").create_bucket(Bucket="code")
        self.aws.client("s3").put_object(Bucket="code", Key="ecsTasks.zip", Body=b"PK\x05\x06" + bytes(18))

    def function(self) -> dict:
        [function] = self.aws.client("lambda").list_functions()["Functions"]
        return function

    def policy(self) -> str:
        [role] = self.aws.client("iam").list_roles()["Roles"]
        policy = self.aws.client("iam").get_role_policy(RoleName=role["RoleName"], PolicyName="ecsTasks")
        return policy["PolicyDocument"]

    def test_by_default_it_has_a_ledger_and_rules_that_invoke_the_function(self):
        stack = deploy(self.aws, "provider", **CODE)
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        name = self.function()["Environment"]["Variables"]["LEDGER_TABLE"]
        self.assertEqual(name, stack["Values"]["LedgerTable"])
        table = self.aws.client("dynamodb").describe_table(TableName=name)["Table"]
        # The role and the table's own policy name it by hand.
        self.assertIn(f"table/{name}'", str(self.policy()))
        self.assertIn(f"{table['TableArn']}/index/Open", str(self.policy()))
        arn = self.function()["FunctionArn"]
        events = self.aws.client("events")
        targets = [events.list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in events.list_rules()["Rules"]]
        self.assertEqual([target["Arn"] for [target] in targets], [arn, arn])

    def test_the_table_s_own_policy_names_the_table_and_its_index_and_spares_the_role_alone(self):
        deploy(self.aws, "provider", **CODE)
        table = self.aws.client("dynamodb").describe_table(TableName="provider-requests")["Table"]
        [deny] = TEMPLATE["Resources"]["Requests"]["Properties"]["ResourcePolicy"]["PolicyDocument"]["Statement"]
        known = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": "provider"}
        arns = [resource["Fn::Sub"] for resource in deny["Resource"]]
        for name, value in known.items():
            arns = [arn.replace(f"${{{name}}}", value) for arn in arns]
        self.assertEqual(arns, [table["TableArn"], f"{table['TableArn']}/index/*"])
        self.assertEqual(deny["Condition"], {"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["Role", "Arn"]}}})

    def test_without_the_ledger_it_is_a_function_that_polls(self):
        stack = deploy(self.aws, "provider", **CODE, Ledger="false")
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        self.assertNotIn("LEDGER_TABLE", self.function()["Environment"]["Variables"])
        self.assertEqual(self.aws.client("dynamodb").list_tables()["TableNames"], [])
        self.assertEqual(self.aws.client("events").list_rules()["Rules"], [])
        self.assertNotIn("dynamodb", str(self.policy()))

    def test_what_a_company_asks_for_is_there_and_by_default_is_not(self):
        deploy(self.aws, "provider", **CODE)
        self.assertNotRegex(str(self.policy()), "kms:|ec2:")
        self.assertFalse(self.function().get("VpcConfig", {}).get("SubnetIds"))

    def test_a_key_and_a_boundary_are_used(self):
        key = self.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
        boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
        deploy(self.aws, "provider", **CODE, KmsKey=key, PermissionsBoundary=boundary)
        [role] = self.aws.client("iam").list_roles()["Roles"]
        role = self.aws.client("iam").get_role(RoleName=role["RoleName"])["Role"]
        self.assertEqual(role["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
        self.assertIn(f"'Resource': '{key}'", str(self.policy()))
        sqs = self.aws.client("sqs")
        [queue] = sqs.list_queues()["QueueUrls"]
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        self.assertEqual(attributes["KmsMasterKeyId"], key)

    def test_a_vpc_and_reserved_concurrency_are_used(self):
        subnet = self.aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        [group] = self.aws.client("ec2").describe_security_groups()["SecurityGroups"]
        given = {"VpcSubnets": subnet, "VpcSecurityGroups": group["GroupId"], "ReservedConcurrency": "10"}
        deploy(self.aws, "provider", **CODE, **given)
        function = self.function()
        self.assertEqual(function["VpcConfig"]["SubnetIds"], [subnet])
        self.assertIn("ec2:CreateNetworkInterface", str(self.policy()))
        concurrency = self.aws.client("lambda").get_function_concurrency(FunctionName=function["FunctionName"])
        self.assertEqual(concurrency["ReservedConcurrentExecutions"], 10)


if __name__ == "__main__":
    unittest.main()
