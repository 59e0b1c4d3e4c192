"""The wheel as a user installs it: an empty folder, nothing but Python, and what the user types. WHEEL names the wheel."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

WHEEL = Path(os.environ["WHEEL"]).resolve()
ROOT = Path(__file__).parents[2]
LIMIT = 40_000_000
TEMPLATE = """
Parameters:
  Version: { Type: String, Default: "1" }
  FailAt: { Type: String, Default: "0" }
Resources:
  Shop: { Type: AWS::ECS::Cluster }
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: sts:AssumeRole }]
  Log: { Type: AWS::Logs::LogGroup }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop-migrate
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ExecutionRoleArn: !GetAtt Role.Arn
      ContainerDefinitions:
        - Name: app
          Image: shop:1
          Command: [sh, -c, !Sub 'echo "to version ${Version}"; if [ ${FailAt} = 1 ]; then echo "no such column" >&2; exit 3; fi']
          LogConfiguration:
            LogDriver: awslogs
            Options: { awslogs-group: !Ref Log, awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: app }
  Migrate:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: !ImportValue ecs-tasks-FunctionArn
      Cluster: !Ref Shop
      TaskDefinition: !Ref Definition
      LaunchType: FARGATE
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [subnet-1], SecurityGroups: [sg-1] } }
      Timeout: 60
      RunOnRollback: false
"""


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        subprocess.run([sys.executable, "-m", "venv", "v"], cwd=cls.folder, check=True)
        pip = ["v/bin/pip", "--disable-pip-version-check", "install", "--quiet", str(WHEEL)]
        subprocess.run(pip, cwd=cls.folder, check=True)
        (cls.folder / "shop.yml").write_text(TEMPLATE, encoding="utf-8")
        server = Path(__file__).with_name("server.py")
        cls.server = subprocess.Popen(
            [sys.executable, "-W", "ignore", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        cls.addClassCleanup(cls.stop)
        cls.address = cls.server.stdout.readline().strip()

    @classmethod
    def stop(cls) -> None:
        cls.server.communicate(timeout=30)

    def environment(self, **more: str) -> dict[str, str]:
        # Nothing of this machine's: a user has no more than a path, a home and credentials.
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.address,
            **more,
        }

    def type(self, line: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            f"v/bin/{line}",
            shell=True,
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def check(self, line: str, status: int, *texts: str) -> str:
        done = self.type(line)
        told = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, told)
        for text in texts:
            self.assertIn(text, told)
        return told

    def test_help_and_version(self):
        self.check("ecs-tasks", 0, "deploy", "destroy", "rehearse", "lint")
        self.check("ecs-tasks --version", 0, "ecs-tasks 0.")
        self.check("ecs-tasks rehears", 2, "did you mean rehearse?")
        for command in ("deploy", "destroy", "rehearse", "lint"):
            self.check(f"ecs-tasks {command} --help", 0)

    def test_rehearse_starts_before_anything_heavy_is_imported(self):
        code = (
            "import os, sys; os.execv = lambda *_: sys.exit(int(any(one in sys.modules for one in "
            "('boto3', 'botocore', 'cfnlint', 'yaml', 'argparse')))); import ecs_tasks.cli; ecs_tasks.cli.main(['rehearse'])"
        )
        done = subprocess.run([self.folder / "v/bin/python", "-c", code], cwd=self.folder, check=False)
        self.assertEqual(done.returncode, 0)

    def test_a_template_that_is_not_ours_is_rehearsed(self):
        self.check("ecs-tasks rehearse shop.yml --update Version=2", 0, "Migrate")
        self.check("ecs-tasks rehearse shop.yml --parameter FailAt=1", 1, "exited with code 3", "no such column")
        self.check("ecs-tasks rehearse nothing.yml", 2, "nothing.yml")

    def test_the_functions_that_are_rehearsed_are_those_that_are_deployed(self):
        with zipfile.ZipFile(WHEEL) as wheel:
            data = "ecs_tasks/data"
            machine = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
            for name, zip_name in [("ecs_tasks", "ecsTasks"), ("ecs_events", "ecsEvents")]:
                with wheel.open(f"{data}/zips/{machine}/{zip_name}.zip") as file, zipfile.ZipFile(file) as zipped:
                    self.assertEqual(zipped.read("bootstrap"), wheel.read(f"{data}/bin/{name}"))
            names = wheel.namelist()
            for name in ("provider.yml", "monitor.yml", "alert.yml"):
                self.assertEqual(wheel.read(f"{data}/cfn/{name}"), (ROOT / "cfn" / name).read_bytes())
        self.assertLess(WHEEL.stat().st_size, LIMIT)
        for text in ("licenses/LICENSE", "licenses/THIRD-PARTY-LICENSES"):
            self.assertTrue(any(name.endswith(text) for name in names), text)
        self.assertRegex(WHEEL.name, r"-py3-none-manylinux_2_\d+_(x86_64|aarch64)(\.manylinux2014_\w+)?\.whl$")

    def test_lint_finds_a_mistake_and_a_cfnlintrc_can_name_the_rules(self):
        wrong = TEMPLATE.replace("      Timeout: 60", "      Timout: 60")
        (self.folder / "wrong.yml").write_text(wrong, encoding="utf-8")
        self.check("ecs-tasks lint shop.yml", 0)
        self.check("ecs-tasks lint wrong.yml", 2, "E9101", "unknown property Timout (did you mean Timeout?)")
        other = self.folder / "other"
        other.mkdir()
        shutil.copy(self.folder / "wrong.yml", other)
        (other / ".cfnlintrc").write_text("append_rules: [ecs_tasks.cfn_lint_rules]\n", encoding="utf-8")
        for command in ("cfn-lint", "ecs-tasks lint"):
            line = f"cd other && ../v/bin/{command} wrong.yml"
            done = subprocess.run(line, shell=True, cwd=self.folder, env=self.environment(), capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout.count("E9101")), (2, 1), f"{line}\n{done.stdout}{done.stderr}")

    def test_deploy_and_destroy(self):
        self.check("ecs-tasks deploy --dry-run", 0, "123456789012", "eu-west-1", "create (versioned", "Dry run")
        self.check("ecs-tasks destroy --yes", 0, "Nothing to remove")
        self.check("ecs-tasks deploy", 2, "use --yes")
        self.check("ecs-tasks deploy --yes", 0, "CREATE_COMPLETE", "ServiceToken: !ImportValue ecs-tasks-FunctionArn")
        self.check("ecs-tasks deploy --yes", 0, "Nothing to change")
        self.check("ecs-tasks deploy --yes --parameter Ledger=false", 0, "UPDATE_COMPLETE")
        self.check("ecs-tasks deploy --yes --monitor", 0, "AlertTopicArn")
        self.check("ecs-tasks destroy --yes", 0, "Deleted stack ecs-tasks")
        self.check("ecs-tasks destroy --yes --monitor", 0, "Audit", "Deleted bucket")

    def test_on_a_terminal_it_asks_and_ctrl_c_is_an_answer(self):
        for typed, status in [("n\n", 2), ("\x03", 130), ("\x04", 2)]:
            told, ended = self.on_terminal("v/bin/ecs-tasks deploy --stack-name asked", typed)
            self.assertEqual(ended, status, told)
            self.assertNotIn("Traceback", told)
            self.assertNotIn("Created so far", told)
        self.check("ecs-tasks destroy --stack-name asked --yes", 0, "Nothing to remove")

    def on_terminal(self, line: str, typed: str) -> tuple[str, int]:
        """Types this at the question of a command on a terminal; its output and exit status."""
        child, screen = pty.fork()
        if child == 0:
            # A shell's job in the background, as which these tests may run, ignores Ctrl-C.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(self.folder)
            os.execve("/bin/sh", ["sh", "-c", f"exec {line}"], self.environment(TERM="xterm"))
        told, has_typed = "", False
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if not select.select([screen], [], [], 5)[0]:
                # A signal that comes between the question and the read is lost, so a person would press it again.
                if has_typed:
                    os.write(screen, typed.encode())
                continue
            try:
                part = os.read(screen, 4096)
            except OSError:
                break
            if not part:
                break
            told += part.decode(errors="replace")
            if not has_typed and re.search(r"\[y/N\] ", told):
                os.write(screen, typed.encode())
                has_typed = True
        _, ended = os.waitpid(child, 0)
        os.close(screen)
        return told, os.waitstatus_to_exitcode(ended)

    def test_no_credentials_is_no_traceback(self):
        done = self.type("ecs-tasks deploy --dry-run", AWS_ACCESS_KEY_ID="", AWS_EC2_METADATA_DISABLED="true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--profile NAME", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
