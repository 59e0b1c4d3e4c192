"""An app in TypeScript that starts in an empty folder: npm install, cdk synth, a rehearsal."""

import unittest

from install import in_folder, must, tarball
from harness import rehearse

APP = """
import { App, CfnParameter, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { EcsTask } from 'cdk-ecs-tasks';
const stack = new Stack(new App(), 'Shop');
const step = new CfnParameter(stack, 'Step', { default: 'exit 0' }).valueAsString;
const cluster = new ecs.Cluster(stack, 'Cluster');
const taskDefinition = new ecs.FargateTaskDefinition(stack, 'Definition');
taskDefinition.addContainer('app', { image: ecs.ContainerImage.fromRegistry('busybox'), logging: ecs.LogDrivers.awsLogs({ streamPrefix: 'app' }) });
const service = new ecs.FargateService(stack, 'Service', { cluster, taskDefinition, minHealthyPercent: 100 });
new EcsTask(stack, 'Migrate', { cluster, taskDefinition, command: ['sh', '-c', step], executeBefore: [service] });
"""


class TypeScriptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        app = in_folder(cls)
        must(["npm", "init", "--yes"], app)
        must(["npm", "install", "--silent", tarball(), "aws-cdk-lib@2", "constructs@10", "aws-cdk@2", "tsx@4"], app)
        (app / "app.ts").write_text(APP, encoding="utf-8")
        must(["npx", "cdk", "synth", "--quiet", "--app", "npx tsx app.ts"], app)
        cls.template = app / "cdk.out/Shop.template.json"

    def test_it_is_created_updated_and_deleted(self):
        life = rehearse(self.template, "--update", "Step=echo step two")
        self.assertEqual(life.code, 0, life.text)
        self.assertIn("step two", life.text)
        self.assertTrue(life.has("DELETE_COMPLETE", "Shop-template"), life.text)

    def test_a_failing_update_is_rolled_back_and_says_why(self):
        life = rehearse(self.template, "--update", "Step=echo the schema is wrong; exit 3")
        self.assertEqual(life.code, 1, life.text)
        self.assertIn("the schema is wrong", life.reason("UPDATE_FAILED", "Migrate"))
        self.assertTrue(life.has("UPDATE_ROLLBACK_COMPLETE", "Shop-template"), life.text)


if __name__ == "__main__":
    unittest.main()
