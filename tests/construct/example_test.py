"""examples/cdk with the package of `make construct`: synthesized, linted, rehearsed."""

import json
import shutil
import unittest

from install import QUIET, in_folder, must, tarball
from harness import EXAMPLES, findings, rehearse, run

SECRET = {"DATABASE_PASSWORD": "rehearsed"}


class ExampleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        app = in_folder(cls) / "cdk"
        shutil.copytree(EXAMPLES / "cdk", app, ignore=shutil.ignore_patterns("node_modules", "cdk.out"))
        must(["npm", "install", "--silent", tarball()], app)
        cls.checked = run(["npm", "run", "check"], cwd=app)
        cls.synthesized = run(["npm", "run", "synth"], cwd=app, **QUIET)
        cls.template = app / "cdk.out/Shop.template.json"
        cls.resources = json.loads(cls.template.read_text(encoding="utf-8"))["Resources"]

    def only(self, kind):
        [(name, resource)] = [(name, one) for name, one in self.resources.items() if one["Type"] == kind]
        return name, resource

    def test_its_types_are_right(self):
        self.assertEqual(self.checked.returncode, 0, self.checked.stdout)

    def test_it_synthesizes(self):
        self.assertEqual(self.synthesized.returncode, 0, self.synthesized.stderr)

    def test_no_rule_finds_anything(self):
        self.assertEqual(findings(self.template), "")

    def test_the_task_waits_for_all_that_it_needs_and_the_service_for_the_task(self):
        name, task = self.only("Custom::ECSTask")
        waits_for = {self.resources[other]["Type"] for other in task["DependsOn"]}
        wanted = {"AWS::IAM::Policy", "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation"}
        self.assertLessEqual({*wanted, "AWS::EC2::SecurityGroupIngress", "AWS::RDS::DBInstance"}, waits_for)
        _, service = self.only("AWS::ECS::Service")
        self.assertIn(name, service["DependsOn"])

    def test_without_these_dependencies_the_rules_warn(self):
        template = json.loads(self.template.read_text(encoding="utf-8"))
        name, _ = self.only("Custom::ECSTask")
        del template["Resources"][name]["DependsOn"]
        broken = self.template.with_name("broken.json")
        broken.write_text(json.dumps(template), encoding="utf-8")
        found = findings(broken)
        self.assertIn("W9101", found)
        self.assertIn("W9102", found)

    def test_a_release_migrates_and_ends(self):
        life = rehearse(self.template, "--update", "Release=2", **SECRET)
        self.assertEqual(life.code, 0, life.text)
        self.assertIn("the schema is that of release 1", life.text)
        self.assertIn("the schema is that of release 2", life.text)

    def test_a_failed_migration_takes_the_deploy_back_and_runs_nothing_in_the_rollback(self):
        life = rehearse(self.template, "--update", "Release=2", "--update", "MigrationFails=yes", **SECRET)
        self.assertEqual(life.code, 1, life.text)
        self.assertIn(
            'column "email" already exists', life.reason("UPDATE_FAILED", "Migrate")
        )
        self.assertTrue(life.has("UPDATE_ROLLBACK_COMPLETE", "Shop-template"), life.text)
        self.assertEqual(life.text.count("migrating to release 1"), 1, life.text)


if __name__ == "__main__":
    unittest.main()
