"""`ecs-tasks deploy` and `destroy`, against the AWS that moto plays."""

import json
import unittest
from typing import Any
from unittest import mock

import boto3

from aws import ACCOUNT, BUCKET, FAILING, REGION, ROOT, World, lay, package, world
from ecs_tasks import function
from ecs_tasks.template import Template

DENIED = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: {} on resource: arn:aws:x because no policy"


class Case(unittest.TestCase):
    def setUp(self) -> None:
        entered = world()
        self.world: World = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        self.addCleanup(FAILING.clear)

    def must(self, line: str, answer: str | None = None) -> Any:
        done = self.world.run(line, answer)
        self.assertEqual((done.status, done.error), (0, ""), done.out)
        return done

    def stack(self, name: str = "ecs-tasks") -> dict[str, Any]:
        [stack] = self.world.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return dict(stack)

    def parameters(self, name: str = "ecs-tasks") -> dict[str, str]:
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack(name)["Parameters"]}

    def set_status(self, status: str, name: str = "ecs-tasks") -> None:
        from moto.cloudformation.models import cloudformation_backends

        for stack in cloudformation_backends[ACCOUNT][REGION].stacks.values():
            if stack.name == name:
                stack.status = status

    def objects(self, bucket: str = BUCKET) -> list[str]:
        found = self.world.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        return [one["Key"] for one in found]

    def buckets(self) -> list[str]:
        return [one["Name"] for one in self.world.client("s3").list_buckets()["Buckets"]]


class Create(Case):
    def test_the_first_deploy_makes_bucket_zip_and_stack_and_says_what_to_write(self):
        done = self.must("deploy --yes")
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")
        self.assertIn("ServiceToken: !ImportValue ecs-tasks-FunctionArn", done.out)
        self.assertIn("HookTargetArn: !ImportValue ecs-tasks-FunctionArn\n    RoleArn: !ImportValue ecs-tasks-HookRoleArn", done.out)
        self.assertIn("The hook role's ARN: arn:aws:", done.out)
        self.assertIn("CREATE_COMPLETE               Function", done.out)
        [key] = self.objects()
        values = self.parameters()
        self.assertEqual((values["CodeBucket"], values["CodeKey"]), (BUCKET, key))

    def test_without_the_hook_its_lines_are_not_shown(self):
        done = self.must("deploy --yes -p Hook=false")
        self.assertNotIn("HookTargetArn", done.out)
        self.assertIn("ServiceToken: !ImportValue ecs-tasks-FunctionArn", done.out)

    def test_the_bucket_is_versioned_encrypted_private_and_the_account_s(self):
        self.must("deploy --yes")
        s3 = self.world.client("s3")
        self.assertEqual(s3.get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")
        [rule] = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
        block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
        self.assertEqual(set(block.values()), {True})
        [owner] = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
        self.assertEqual(owner["ObjectOwnership"], "BucketOwnerEnforced")
        self.assertEqual(s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], REGION)

    def test_us_east_1_has_no_location_constraint(self):
        done = self.world.run("deploy --yes", region="us-east-1")
        self.assertEqual((done.status, done.error), (0, ""))

    def test_all_of_it_is_said_before_anything_is_made(self):
        done = self.world.run("deploy", "n\n")
        for text in (ACCOUNT, REGION, BUCKET, "create (versioned, encrypted", "ecs-tasks: create", "AWS::DynamoDB::Table", "CAPABILITY_IAM"):
            self.assertIn(text, done.out)
        self.assertEqual((done.status, done.writes), (2, []))

    def test_only_a_yes_is_one(self):
        for answer in ("", "\n", "n\n", "yesterday\n"):
            self.assertEqual(self.world.run("deploy", answer).writes, [], answer)
        self.assertIn("ExecuteChangeSet", self.world.run("deploy", "Yes\n").calls)

    def test_without_a_terminal_and_without_yes_it_refuses(self):
        done = self.world.run("deploy")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("use --yes", done.error)

    def test_parameters_tags_architecture_and_bucket_reach_the_stack(self):
        self.world.client("s3").create_bucket(
            Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.must("deploy --yes --bucket mine --arch arm64 -p Ledger=false --parameter Clusters=prod-* --tag team=a=b")
        values = self.parameters()
        self.assertEqual(
            [values[name] for name in ("CodeBucket", "Architecture", "Ledger", "Clusters")],
            ["mine", "arm64", "false", "prod-*"],
        )
        self.assertEqual(self.stack()["Tags"], [{"Key": "team", "Value": "a=b"}])
        self.assertEqual(self.buckets(), ["mine"])

    def test_conditions_decide_what_is_counted(self):
        without = self.world.run("deploy --dry-run -p Ledger=false -p Dashboard=false").out
        self.assertNotIn("DynamoDB", without)
        self.assertNotIn("Dashboard", without.split("Parameter")[0])
        self.assertIn("DynamoDB", self.world.run("deploy --dry-run").out)

    def test_the_monitor_has_a_stack_and_a_zip_of_its_own(self):
        self.must("deploy --yes")
        done = self.must("deploy --monitor --yes")
        self.assertEqual(self.stack("ecs-monitor")["StackStatus"], "CREATE_COMPLETE")
        self.assertIn("AlertTopicArn: ", done.out)
        self.assertEqual(sorted(key.split("/")[-1] for key in self.objects()), ["ecsEvents.zip", "ecsTasks.zip"])

    def test_colours_are_for_terminals_without_no_color(self):
        self.assertNotIn("\x1b", self.world.run("deploy --dry-run").out)
        self.assertIn("\x1b[1m", self.world.run("deploy --dry-run", "").out)
        with mock.patch.dict("os.environ", {"NO_COLOR": "1"}):
            self.assertNotIn("\x1b[1m", self.world.run("deploy --dry-run", "").out)


class Update(Case):
    def setUp(self) -> None:
        super().setUp()
        self.must("deploy --yes -p Clusters=prod-*")

    def test_a_second_run_has_nothing_to_do_and_writes_nothing(self):
        done = self.must("deploy")
        self.assertIn("Nothing to change", done.out)
        self.assertIn("ServiceToken: !ImportValue", done.out)
        self.assertEqual(done.writes, [])

    def test_a_new_zip_updates_the_stack_and_parameters_stay(self):
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as directory:
            with mock.patch.object(package, "DATA", lay(Path(directory), "a newer zip")):
                done = self.must("deploy --yes")
        self.assertIn("UPDATE_COMPLETE", done.out)
        self.assertEqual(self.parameters()["Clusters"], "prod-*")
        self.assertEqual(len(self.objects()), 2)
        self.assertIn(self.parameters()["CodeKey"], self.objects())

    def test_a_parameter_that_changes_is_shown(self):
        done = self.must("deploy --yes -p LogRetentionInDays=7")
        self.assertIn("Parameter   LogRetentionInDays=7", done.out)
        self.assertEqual((self.parameters()["LogRetentionInDays"], self.parameters()["Clusters"]), ("7", "prod-*"))

    def test_a_template_that_changes_is_shown_resource_by_resource(self):
        old = Template.parse(function.PROVIDER.template.body.replace("MemorySize: 128", "MemorySize: 256"))
        self.world.changed["GetTemplate"] = lambda answer: answer.update(TemplateBody=old.body)
        done = self.world.run("deploy --dry-run")
        self.assertIn("change Function (AWS::Lambda::Function)", done.out)
        self.assertNotIn("change Role", done.out)

    def test_the_bucket_of_the_stack_stays_its_bucket(self):
        self.world.client("s3").create_bucket(
            Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.must("deploy --yes --bucket mine")
        self.must("deploy --yes -p LogLevel=DEBUG")
        self.assertEqual(self.parameters()["CodeBucket"], "mine")

    def test_what_the_update_loses_is_asked_about_once_more(self):
        def lose(answer: dict[str, Any]) -> None:
            change = {"Action": "Modify", "LogicalResourceId": "Requests", "ResourceType": "AWS::DynamoDB::Table"}
            answer["Changes"] = [{"Type": "Resource", "ResourceChange": change | {"Replacement": "True"}}]

        self.world.changed["DescribeChangeSet"] = lose
        done = self.world.run("deploy -p LogLevel=DEBUG", "y\nn\n")
        self.assertIn("This removes or replaces Requests", done.out)
        self.assertEqual(done.status, 2)
        self.assertNotIn("ExecuteChangeSet", done.calls)
        self.assertIn("DeleteChangeSet", done.calls)
        self.assertIn("Nothing new was created.", done.out)

    def test_an_update_that_changes_outputs_alone_is_executed(self):
        self.world.changed["DescribeChangeSet"] = lambda answer: answer.update(Changes=[])
        done = self.must("deploy --yes -p LogLevel=DEBUG")
        self.assertIn("ExecuteChangeSet", done.calls)

    def test_a_change_set_without_changes_is_no_error(self):
        def none(answer: dict[str, Any]) -> None:
            answer.update(Status="FAILED", StatusReason="The submitted information didn't contain changes. Submit …")

        self.world.changed["DescribeChangeSet"] = none
        done = self.must("deploy --yes -p LogLevel=DEBUG")
        self.assertIn("CloudFormation reports no changes", done.out)
        self.assertIn("DeleteChangeSet", done.calls)

    def test_a_change_set_that_fails_says_why(self):
        self.world.changed["DescribeChangeSet"] = lambda answer: answer.update(
            Status="FAILED", StatusReason="Parameter X is odd"
        )
        done = self.world.run("deploy --yes -p LogLevel=DEBUG")
        self.assertEqual(done.status, 1)
        self.assertIn("Parameter X is odd", done.error)
        self.assertIn("DeleteChangeSet", done.calls)


class DryRun(Case):
    LINES = ("deploy", "deploy --yes", "deploy --monitor", "deploy -p Ledger=false --arch arm64", "destroy", "destroy --yes --monitor")

    def check_that_nothing_is_written(self) -> None:
        for line in self.LINES:
            done = self.world.run(f"{line} --dry-run")
            self.assertEqual((done.status, done.writes), (0, []), f"{line}\n{done.out}{done.error}")

    def test_it_writes_nothing_into_an_empty_account(self):
        self.check_that_nothing_is_written()
        self.assertEqual(self.buckets(), [])

    def test_it_writes_nothing_where_there_are_stacks(self):
        self.must("deploy --yes")
        self.must("deploy --yes --monitor")
        self.check_that_nothing_is_written()

    def test_it_writes_nothing_after_a_create_that_failed(self):
        FAILING["Function"] = "no"
        self.assertEqual(self.world.run("deploy --yes").status, 1)
        self.check_that_nothing_is_written()


class States(Case):
    def test_each_state_that_stands_in_the_way_has_its_next_step(self):
        self.must("deploy --yes")
        for status, step in [
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
            ("UPDATE_FAILED", "rollback-stack"),
            ("CREATE_FAILED", "delete-stack"),
            ("ROLLBACK_FAILED", "delete-stack"),
            ("DELETE_FAILED", "delete-stack"),
            ("CREATE_IN_PROGRESS", "Wait until it ends"),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Wait until it ends"),
            ("DELETE_IN_PROGRESS", "Wait until it ends"),
            ("SOMETHING_NEW", "describe-stacks"),
        ]:
            self.set_status(status)
            done = self.world.run("deploy --yes -p LogLevel=DEBUG")
            self.assertEqual((done.status, done.writes), (2, []), status)
            self.assertIn(f"stack ecs-tasks is {status}", done.error)
            self.assertIn(step, done.error)

    def test_a_rolled_back_update_can_be_updated(self):
        self.must("deploy --yes")
        self.set_status("UPDATE_ROLLBACK_COMPLETE")
        self.must("deploy --yes -p LogLevel=DEBUG")

    def test_what_a_failed_create_left_is_replaced(self):
        FAILING["Role"] = "API: iam:CreateRole " + DENIED.format("iam:CreateRole")
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("Cause: Role (AWS::IAM::Role)", done.error)
        self.assertIn("Permission denied: iam:CreateRole", done.error)
        FAILING.clear()
        done = self.must("deploy", "y\n")
        self.assertIn("delete the empty stack of a failed create", done.out)
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")

    def test_a_failed_update_says_the_first_cause_and_that_the_stack_is_as_before(self):
        self.must("deploy --yes")
        FAILING["Function"] = "The code is too new"
        done = self.world.run("deploy --yes -p LogLevel=DEBUG")
        self.assertEqual(done.status, 1)
        self.assertIn("Cause: Function (AWS::Lambda::Function): The code is too new", done.error)
        self.assertIn("as it was before", done.error)

    def test_a_change_set_that_nobody_executed_is_no_hindrance(self):
        self.world.interrupts = {"ExecuteChangeSet"}
        self.assertEqual(self.world.run("deploy --yes").status, 130)
        self.world.interrupts.clear()
        self.assertEqual(self.stack()["StackStatus"], "REVIEW_IN_PROGRESS")
        self.must("deploy --yes")

    def test_a_change_set_of_somebody_else_is_left_alone(self):
        self.world.client("cloudformation").create_change_set(
            StackName="shop",
            ChangeSetName="first",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}),
        )
        for command in ("deploy", "destroy"):
            done = self.world.run(f"{command} --yes --stack-name shop")
            self.assertEqual((done.status, done.writes), (2, []))
            self.assertIn("the change set first, which deploy did not create", done.error)

    def test_a_stack_that_is_not_ours_stays_as_it_is(self):
        body = json.dumps({"Description": "shop", "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
        self.world.client("cloudformation").create_stack(StackName="shop", TemplateBody=body)
        for line in ("deploy --yes --stack-name shop", "destroy --yes --stack-name shop"):
            done = self.world.run(line)
            self.assertEqual((done.status, done.writes), (2, []))
            self.assertIn('stack shop ("shop") was not created from provider.yml', done.error)

    def test_the_monitor_s_stack_is_not_taken_for_the_provider_s(self):
        self.must("deploy --yes --monitor")
        done = self.world.run("destroy --yes --stack-name ecs-monitor")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("--monitor", done.error)


class Denied(Case):
    def test_each_step_names_the_permission_that_is_missing(self):
        steps = [
            ("GetCallerIdentity", "sts:GetCallerIdentity"),
            ("DescribeStacks", "cloudformation:DescribeStacks"),
            ("CreateBucket", "s3:CreateBucket"),
            ("PutBucketTagging", "s3:PutBucketTagging"),
            ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
            ("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
            ("PutBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
            ("PutBucketVersioning", "s3:PutBucketVersioning"),
            ("PutObject", "s3:PutObject"),
            ("CreateChangeSet", "cloudformation:CreateChangeSet"),
            ("DescribeChangeSet", "cloudformation:DescribeChangeSet"),
            ("ExecuteChangeSet", "cloudformation:ExecuteChangeSet"),
        ]
        for operation, permission in steps:
            for message in (DENIED.format(permission), "Access Denied"):
                self.world.answers = {operation: (403, "AccessDenied", message)}
                done = self.world.run("deploy --yes")
                self.assertEqual(done.status, 1, operation)
                if operation == "CreateChangeSet":
                    self.assertNotIn("change set", done.out)
                if operation != "GetCallerIdentity" or message != "Access Denied":
                    self.assertIn(f"Permission denied: {permission}", done.error)
        self.world.answers.clear()
        # It can go on wherever it was stopped.
        self.must("deploy --yes")
        self.assertEqual(self.world.client("s3").get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")

    def test_reading_that_is_denied_stops_nothing(self):
        self.must("deploy --yes")
        self.world.answers = {
            name: (403, "AccessDenied", "no")
            for name in ("GetTemplate", "GetBucketTagging", "HeadObject", "DescribeStackEvents", "ListObjectVersions")
        }
        done = self.must("deploy --yes -p LogLevel=DEBUG")
        self.assertIn("without cloudformation:GetTemplate", done.out)
        self.assertIn("Cannot show events without cloudformation:DescribeStackEvents", done.out)

    def test_destroy_names_it_too(self):
        self.must("deploy --yes")
        self.world.answers = {"DeleteStack": (403, "AccessDenied", DENIED.format("cloudformation:DeleteStack"))}
        done = self.world.run("destroy --yes")
        self.assertIn("Permission denied: cloudformation:DeleteStack on arn:aws:x", done.error)
        self.assertIn("Removed so far: nothing", done.out)


class Hostile(Case):
    def test_credentials_that_are_bad_are_said_to_be(self):
        for code, words in [
            ("ExpiredToken", "have expired"),
            ("ExpiredTokenException", "have expired"),
            ("InvalidClientTokenId", "does not accept the credentials"),
            ("SignatureDoesNotMatch", "does not accept the credentials"),
        ]:
            self.world.answers = {"GetCallerIdentity": (403, code, "The security token is bad")}
            done = self.world.run("deploy --yes")
            self.assertEqual((done.status, done.writes), (1, []))
            self.assertIn(words, done.error)

    def test_the_region_of_the_environment_is_named_like_that_of_the_option(self):
        self.world.answers = {"GetCallerIdentity": (403, "InvalidClientTokenId", "The security token is bad")}
        with mock.patch.dict("os.environ", {"AWS_REGION": "eu-west-1"}):
            done = self.world.run("deploy --yes", region=None)
        self.assertIn("does not accept the credentials in eu-west-1", done.error)

    def test_credentials_that_expire_on_the_way_leave_an_explanation(self):
        self.world.answers = {"PutObject": (400, "ExpiredToken", "The provided token has expired.")}
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn(f"Created so far (not removed):\n  bucket {BUCKET}\n", done.out)
        self.assertIn("The credentials have expired", done.error)

    def test_after_an_update_that_was_refused_nobody_is_told_to_destroy_the_stack(self):
        self.must("deploy --yes")
        self.world.answers = {"ExecuteChangeSet": (400, "ValidationError", "Template error")}
        done = self.world.run("deploy --yes --parameter LogLevel=DEBUG")
        self.assertEqual(done.status, 1)
        self.assertIn("Begun so far (not undone):\n  stack ecs-tasks, which CloudFormation may be updating\n", done.out)
        self.assertIn("To continue, run the same command again.", done.out)
        self.assertNotIn("ecs-tasks destroy", done.out)

    def test_credentials_that_expire_while_cloudformation_works_say_that_it_goes_on(self):
        self.world.changed["GetCallerIdentity"] = lambda _: self.world.answers.clear()

        def expire(_: Any) -> None:
            self.world.answers = {"DescribeStackEvents": (403, "ExpiredToken", "expired")}

        self.world.changed["ExecuteChangeSet"] = expire
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("stack ecs-tasks, which CloudFormation is creating", done.out)
        self.assertIn("CloudFormation continues without this command", done.out)
        self.assertIn("have expired", done.error)

    def test_no_credentials_and_no_region_and_no_profile(self):
        with mock.patch.dict("os.environ", clear=True):
            with mock.patch("botocore.credentials.CredentialResolver.load_credentials", return_value=None):
                self.assertIn("--profile NAME", self.world.run("deploy").error)
            self.assertIn("No Region: pass --region", self.world.run("deploy", region=None).error)
            self.assertIn("list-profiles", self.world.run("deploy --profile nobody").error)

    def test_aws_region_counts_as_for_the_aws_cli(self):
        with mock.patch.dict("os.environ", {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-west-2"}):
            self.assertIn("Region      eu-north-1", self.world.run("deploy --dry-run", region=None).out)

    def test_a_region_that_does_not_exist_is_no_traceback(self):
        done = self.world.run("deploy --dry-run", region="not a region!")
        self.assertEqual(done.status, 1)
        self.assertIn("not a region!", done.error)

    def test_throttling_and_faults_are_tried_again(self):
        self.world.is_lasting = False
        self.world.answers = {
            "DescribeStacks": (400, "Throttling", "Rate exceeded"),
            "CreateChangeSet": (503, "ServiceUnavailable", "later"),
            "DescribeStackEvents": (400, "Throttling", "Rate exceeded"),
        }
        self.must("deploy --yes")

    def test_throttling_that_lasts_ends_in_words(self):
        self.world.answers = {"CreateChangeSet": (400, "Throttling", "Rate exceeded")}
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("AWS throttled CreateChangeSet", done.error)

    def test_a_proxy_that_answers_in_html_is_named(self):
        self.world.answers = {"GetCallerIdentity": (200, "", "<!doctype html><p>Log in")}
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("a proxy or login page", done.error)

    def test_a_bucket_of_somebody_else_is_not_used(self):
        self.world.answers = {"HeadBucket": (403, "403", "Forbidden")}
        done = self.world.run("deploy --yes")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("--bucket", done.error)

    def test_a_name_that_somebody_else_takes_meanwhile_is_an_error_without_a_remnant(self):
        self.world.answers = {"CreateBucket": (409, "BucketAlreadyExists", "taken")}
        done = self.world.run("deploy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("another account owns a bucket", done.error)
        self.assertIn("Nothing new was created.", done.out)

    def test_every_call_to_a_bucket_names_its_owner(self):
        for line in ("deploy --yes", "deploy --yes -p LogLevel=DEBUG", "destroy --yes"):
            self.must(line)
        self.assertEqual(self.world.without_owner, {"CreateBucket"})

    def test_a_bucket_in_another_region_is_refused(self):
        far = boto3.client("s3", region_name="us-west-2")
        far.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        done = self.world.run("deploy --yes --bucket far")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("bucket far is in us-west-2, but Lambda needs the zip in eu-west-1", done.error)

    def test_a_bucket_that_is_not_there_is_refused(self):
        done = self.world.run("deploy --yes --bucket nowhere")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("there is no bucket nowhere: create it", done.error)

    def test_a_stack_whose_bucket_is_gone_can_have_another(self):
        s3 = self.world.client("s3")
        s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.must("deploy --yes --bucket mine")
        s3.delete_object(Bucket="mine", Key=self.objects("mine")[0])
        s3.delete_bucket(Bucket="mine")
        done = self.world.run("deploy --yes")
        self.assertIn("no bucket mine, where the stack's zip was", done.error)
        self.must(f"deploy --yes --bucket {BUCKET}")
        self.assertEqual(self.parameters()["CodeBucket"], BUCKET)

    def test_other_bytes_at_the_zip_s_key_are_replaced(self):
        self.must("deploy --yes")
        [key] = self.objects()
        self.world.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"half a zi")
        done = self.must("deploy --yes")
        self.assertIn("PutObject", done.calls)

    def test_a_half_made_bucket_is_finished(self):
        for operation in ("PutBucketTagging", "PutPublicAccessBlock", "PutBucketVersioning"):
            self.world.interrupts = {operation}
            self.assertEqual(self.world.run("deploy --yes").status, 130)
        self.world.interrupts.clear()
        done = self.must("deploy --yes")
        self.assertIn("finish the setup that an interrupted deploy began", done.out)
        self.assertEqual(self.world.client("s3").get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")
        self.must("destroy --yes")
        self.assertEqual(self.buckets(), [])

    def test_ctrl_c_at_each_step_explains_what_is_left_and_the_next_run_succeeds(self):
        writes = self.must("deploy --yes").writes
        self.must("destroy --yes")
        self.assertGreater(len(writes), 8)
        for operation in [*dict.fromkeys(writes), "DescribeStacks", "DescribeStackEvents"]:
            self.world.interrupts = {operation}
            done = self.world.run("deploy --yes")
            self.assertEqual(done.status, 130, operation)
            self.assertIn("interrupted", done.error)
            self.assertNotIn("Traceback", done.error)
            self.world.interrupts.clear()
            there = set(self.buckets())
            for bucket in there if operation in ("PutObject", "PutBucketTagging", "PutBucketVersioning") else ():
                self.assertIn(f"bucket {bucket}", done.out, operation)
            self.must("deploy --yes")
            self.must("destroy --yes")
            self.assertEqual(self.buckets(), [], operation)

    def test_an_upload_that_breaks_off_is_done_again(self):
        self.world.answers = {"PutObject": (400, "IncompleteBody", "You did not provide the number of bytes")}
        done = self.world.run("deploy --yes")
        self.assertIn("PutObject: IncompleteBody", done.error)
        self.assertEqual(self.objects(), [])
        self.world.answers.clear()
        self.must("deploy --yes")


class CommandLine(Case):
    def test_what_is_wrong_is_said_before_any_call_that_writes(self):
        for line, words in [
            ("deploy -p Legder=false", "no parameter Legder: did you mean Ledger?"),
            ("deploy -p ledger=false", "did you mean Ledger?"),
            ("deploy -p Zzz=1", "no parameter Zzz: it has Clusters"),
            ("deploy -p CodeBucket=mine", "use --bucket"),
            ("deploy -p CodeKey=mine", "leave it out"),
            ("deploy -p Ledger=perhaps", "one of true, false"),
            ("deploy -p AlarmTopic=mail", "AlarmTopic cannot be 'mail'"),
        ]:
            done = self.world.run(line)
            self.assertEqual((done.status, done.writes), (2, []), line)
            self.assertIn(words, done.error)

    def test_an_architecture_that_the_package_lacks_is_refused(self):
        for file in (package.DATA / "zips/arm64").iterdir():
            file.unlink()
        done = self.world.run("deploy --yes --arch arm64")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("no ecsTasks.zip for arm64", done.error)

    def test_argparse_refuses_with_2(self):
        for line in ("deploy -p Ledger", "deploy --arch sparc", "deploy --stack-name 1a", "deploy --capability X", "deploy --dry"):
            with self.assertRaises(SystemExit) as ended, mock.patch("sys.stderr"):
                self.world.run(line)
            self.assertEqual(ended.exception.code, 2, line)


class Destroy(Case):
    def test_it_removes_stack_zips_and_the_bucket_that_deploy_made(self):
        self.must("deploy --yes")
        done = self.must("destroy", "y\n")
        self.assertIn("Deleted stack ecs-tasks", done.out)
        self.assertEqual(self.buckets(), [])
        done = self.must("destroy")
        self.assertIn("Nothing to remove", done.out)

    def test_it_asks_first(self):
        self.must("deploy --yes")
        self.assertEqual(self.world.run("destroy", "n\n").writes, [])
        done = self.world.run("destroy")
        self.assertEqual((done.status, done.writes), (2, []))

    def test_a_bucket_of_yours_stays_with_all_that_is_not_ours(self):
        s3 = self.world.client("s3")
        s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="mine", Key="ecs-tasks/other/ecsTasks.zip", Body=b"another stack's")
        self.must("deploy --yes --bucket mine")
        done = self.must("destroy --yes")
        self.assertIn("mine: stays, deploy did not create it", done.out)
        self.assertEqual(self.objects("mine"), ["ecs-tasks/other/ecsTasks.zip"])

    def test_a_bucket_that_another_stack_uses_stays_until_that_one_goes(self):
        self.must("deploy --yes")
        self.must("deploy --yes --monitor")
        self.assertIn("stays, it also holds other objects", self.must("destroy --yes").out)
        self.assertEqual([key.split("/")[-1] for key in self.objects()], ["ecsEvents.zip"])
        done = self.must("destroy --yes --monitor")
        self.assertIn("Audit stays, as its template asks", done.out)
        self.assertIn("Kept, as its template asks: Audit (", done.out)
        self.assertEqual(self.buckets(), [])

    def test_a_protected_stack_and_an_imported_one_stay(self):
        self.must("deploy --yes")
        self.world.changed["DescribeStacks"] = lambda answer: answer["Stacks"][0].update(EnableTerminationProtection=True)
        self.assertIn("termination protection", self.world.run("destroy --yes").error)
        self.world.changed.clear()
        self.world.answers["ListImports"] = (
            200,
            "",
            "<ListImportsResponse><ListImportsResult><Imports><member>shop</member></Imports></ListImportsResult>"
            "</ListImportsResponse>",
        )
        done = self.world.run("destroy --yes")
        self.assertEqual((done.status, done.writes), (2, []))
        self.assertIn("ecs-tasks-FunctionArn is imported by shop", done.error)

    def test_ctrl_c_says_what_is_gone_and_can_be_gone_on_with(self):
        for operation in ("DeleteStack", "DeleteObjects", "DeleteBucket"):
            self.must("deploy --yes")
            self.world.interrupts = {operation}
            done = self.world.run("destroy --yes")
            self.assertEqual(done.status, 130)
            self.assertIn("To continue, run: ecs-tasks destroy", done.out)
            self.world.interrupts.clear()
            self.must("destroy --yes")
            self.assertEqual(self.buckets(), [])

    def test_a_stack_that_does_not_go_says_why(self):
        self.must("deploy --yes")

        def stays(answer: dict[str, Any]) -> None:
            answer["Stacks"][0].update(StackStatus="DELETE_FAILED", StackStatusReason="The table is in use")

        from moto.cloudformation.models import Stack

        with mock.patch.object(Stack, "delete", lambda stack: stack._add_stack_event("DELETE_FAILED", "in use")):
            deleting = self.world.before_send

            def then(request: Any, event_name: str, **more: Any) -> Any:
                if event_name.endswith("DeleteStack"):
                    self.world.changed["DescribeStacks"] = stays
                return deleting(request, event_name, **more)

            with mock.patch.object(self.world, "before_send", then):
                done = self.world.run("destroy --yes")
        self.assertEqual(done.status, 1)
        self.assertIn("not deleted. Cause:", done.error)


class Templates(unittest.TestCase):
    def test_the_templates_fit_into_a_call_and_are_known_by_their_descriptions(self):
        for one in (function.PROVIDER, function.MONITOR):
            body = (ROOT / "cfn" / one.template_name).read_text(encoding="utf-8")
            self.assertLessEqual(len(body.encode()), 51_200, one.template_name)
            self.assertTrue(one.made(Template.parse(body).description), one.template_name)
            self.assertEqual(Template.parse(body).capability, "CAPABILITY_IAM")

    def test_the_conditions_of_the_templates_are_decided(self):
        with world():
            provider = function.Function.template.func(function.PROVIDER)
            monitor = function.Function.template.func(function.MONITOR)
        self.assertIn("Requests", provider.resources_with({}))
        self.assertNotIn("Requests", provider.resources_with({"Ledger": "false"}))
        by_default = monitor.resources_with({})
        for name in ("Audit", "Alerts", "AlertsKey"):
            self.assertIn(name, by_default)
        for name in ("Mail", "Search", "Slack", "FailedTasks"):
            self.assertNotIn(name, by_default)
        self.assertIn("AlarmMail", monitor.resources_with({"AlertEmail": "a@example.com"}))


if __name__ == "__main__":
    unittest.main()
