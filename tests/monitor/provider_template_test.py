"""cfn/provider.yml: deployed on moto's CloudFormation, with the ledger and without."""

import ast
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

    def roles(self) -> dict:
        """The roles, by the service that assumes them."""
        roles = self.aws.client("iam").list_roles()["Roles"]
        return {one["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]: one for one in roles}

    def policy(self, service: str = "lambda.amazonaws.com", name: str = "ecsTasks") -> str:
        role = self.roles()[service]["RoleName"]
        return self.aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

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

    def test_by_default_ecs_has_a_role_that_may_invoke_the_function_and_nothing_else(self):
        stack = deploy(self.aws, "provider", **CODE)
        self.assertEqual(stack["Values"]["HookRoleArn"], self.roles()["ecs.amazonaws.com"]["Arn"])
        [invoke] = ast.literal_eval(str(self.policy("ecs.amazonaws.com", "invoke")))["Statement"]
        arn = self.function()["FunctionArn"]
        self.assertEqual((invoke["Action"], invoke["Resource"]), ("lambda:InvokeFunction", [arn, f"{arn}:*"]))
        self.assertIn("ecs:DescribeServiceRevisions", str(self.policy()))
        self.assertNotIn("sns:", str(self.policy()))
        self.assertNotIn("ALARM_TOPIC", self.function()["Environment"]["Variables"])
        exports = self.aws.client("cloudformation").list_exports()["Exports"]
        self.assertEqual({one["Name"] for one in exports}, {"provider-FunctionArn", "provider-HookRoleArn"})

    def test_with_a_topic_the_function_may_publish_why_a_hook_failed(self):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
        deploy(self.aws, "provider", **CODE, AlarmTopic=topic)
        self.assertEqual(self.function()["Environment"]["Variables"]["ALARM_TOPIC"], topic)
        self.assertIn(f"'Action': 'sns:Publish', 'Resource': '{topic}'", str(self.policy()))

    def test_without_the_hook_nothing_of_it_is_there(self):
        stack = deploy(self.aws, "provider", **CODE, Hook="false", AlarmTopic=f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms")
        self.assertNotIn("HookRoleArn", stack["Values"])
        self.assertEqual(list(self.roles()), ["lambda.amazonaws.com"])
        self.assertNotRegex(str(self.policy()), "sns:|ServiceRevisions")
        self.assertNotIn("ALARM_TOPIC", self.function()["Environment"]["Variables"])

    def test_what_a_company_asks_for_is_there_and_by_default_is_not(self):
        deploy(self.aws, "provider", **CODE)
        self.assertNotRegex(str(self.policy()), "kms:|ec2:")
        self.assertFalse(self.function().get("VpcConfig", {}).get("SubnetIds"))

    def test_a_key_and_a_boundary_are_used(self):
        key = self.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
        boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
        deploy(self.aws, "provider", **CODE, KmsKey=key, PermissionsBoundary=boundary)
        for role in self.roles().values():
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
