"""The same app in Python, from the wheel in an empty virtual environment."""

import sys
import unittest

from install import in_folder, must, wheel
from harness import rehearse

APP = """
from aws_cdk import App, CfnParameter, Stack, aws_ecs as ecs
from cdk_ecs_tasks import EcsTask

app = App(outdir="cdk.out")
stack = Stack(app, "Shop")
step = CfnParameter(stack, "Step", default="exit 0").value_as_string
cluster = ecs.Cluster(stack, "Cluster")
definition = ecs.FargateTaskDefinition(stack, "Definition")
definition.add_container("app", image=ecs.ContainerImage.from_registry("busybox"), logging=ecs.LogDrivers.aws_logs(stream_prefix="app"))
service = ecs.FargateService(stack, "Service", cluster=cluster, task_definition=definition, min_healthy_percent=100)
EcsTask(stack, "Migrate", cluster=cluster, task_definition=definition, command=["sh", "-c", step], execute_before=[service])
app.synth()
"""

MISTAKE = APP.replace("execute_before=[service]", "count=11")


class PythonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = in_folder(cls)
        must([sys.executable, "-m", "venv", "v"], cls.app)
        must(["v/bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel()], cls.app)
        (cls.app / "app.py").write_text(APP, encoding="utf-8")
        must(["v/bin/python", "app.py"], cls.app)
        cls.template = cls.app / "cdk.out/Shop.template.json"

    def test_it_is_created_updated_and_deleted(self):
        life = rehearse(self.template, "--update", "Step=echo step two")
        self.assertEqual(life.code, 0, life.text)
        self.assertIn("step two", life.text)

    def test_a_failing_update_is_rolled_back_and_says_why(self):
        life = rehearse(self.template, "--update", "Step=echo the schema is wrong; exit 3")
        self.assertEqual(life.code, 1, life.text)
        self.assertIn("the schema is wrong", life.reason("UPDATE_FAILED", "Migrate"))

    def test_a_mistake_is_an_error_with_the_path_of_the_construct(self):
        (self.app / "mistake.py").write_text(MISTAKE, encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, r"\[Shop/Migrate\] count must be a whole number from 0 to 10, not 11"):
            must(["v/bin/python", "mistake.py"], self.app)


if __name__ == "__main__":
    unittest.main()
