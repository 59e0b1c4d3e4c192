"""examples/migrations: each tool on a real PostgreSQL, through create, update, failed updates and delete.

A container is a local process here, so a program with the tool's name stands in for the image: it changes
into a folder with the files of that release and runs the real tool.
"""

import shutil
import stat
import tempfile
import unittest
from pathlib import Path

from harness import EXAMPLES, TOOLS, findings, rehearse
from postgres import Postgres

FOLDER = EXAMPLES / "migrations"
# What a rollback would run into, were RunOnRollback true.
LATER = """
  Later:
    Type: Custom::ECSTask
    DependsOn: Migrate
    Properties:
      ServiceToken: !ImportValue ecs-tasks-FunctionArn
      Cluster: !Ref Cluster
      TaskDefinition: !Ref LaterTaskDefinition
      LaunchType: FARGATE
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: !Ref Subnets } }
  LaterTaskDefinition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ContainerDefinitions: [{ Name: later, Image: app, Command: [test, !Ref Release, "=", "1"] }]

Outputs:"""


class MigrationsTest:
    """What holds for each tool."""

    tool = driver = program = broken = refusal = ""
    after_failure = []

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.close)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.template = FOLDER / cls.tool / "template.yml"
        for release in ("1", "2", "3"):
            cls.image(release)
        program = cls.folder / "bin" / cls.tool
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\ncd "{cls.folder}/$RELEASE" && exec {cls.program} "$@"\n', encoding="utf-8"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @classmethod
    def image(cls, release):
        """Makes the files of a release: 1 has no second migration, 3 has a third one that fails."""
        image = cls.folder / release
        shutil.copytree(
            FOLDER / cls.tool, image, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
        modules = FOLDER / cls.tool / "node_modules"
        if modules.exists():
            (image / "node_modules").symlink_to(modules)
        [second] = (image / "migrations").rglob("0002_email.*")
        if release == "1":
            second.unlink()
        if release == "3":
            second.with_stem("0003_names").write_text(cls.broken, encoding="utf-8")

    def life(self, template, *options):
        """Rehearses on a database of its own, which is called as the test is."""
        self.database = self._testMethodName[:60]
        url = self.driver + self.postgres.database(self.database)
        return rehearse(template, *options, DATABASE_URL=url, PATH=str(self.folder / "bin"))

    def columns(self):
        columns = "from information_schema.columns where table_name = 'users' order by ordinal_position"
        return self.postgres.query(self.database, f"select column_name {columns}")

    def failing_later(self, runs_on_rollback=False):
        """The template with a resource after the migration that fails in release 2."""
        text = self.template.read_text(encoding="utf-8").replace("\nOutputs:", LATER)
        if runs_on_rollback:
            text = text.replace("      UpdateCriteria:", "      RunOnRollback: true\n      UpdateCriteria:")
        template = self.folder / "later.yml"
        template.write_text(text, encoding="utf-8")
        return template

    def test_no_rule_finds_anything(self):
        self.assertEqual(findings(self.template), "")

    def test_a_release_migrates_and_the_data_outlives_the_stack(self):
        life = self.life(self.template, "--update", "Release=2")
        self.assertEqual(life.code, 0, life.text)
        self.assertEqual(self.columns(), ["id", "name", "email"])

    def test_a_failing_migration_fails_the_deploy_and_is_rolled_back(self):
        life = self.life(self.template, "--update", "Release=3")
        self.assertEqual(life.code, 1, life.text)
        self.assertIn('column "nickname" does not exist', life.reason("UPDATE_FAILED", "Migrate"))
        self.assertTrue(life.has("UPDATE_ROLLBACK_COMPLETE", "template"), life.text)
        # What stays of the run before the failure, release 1 goes on with.
        self.assertEqual(self.columns(), self.after_failure)

    def test_a_deploy_that_fails_after_its_migration_is_rolled_back(self):
        life = self.life(self.failing_later(), "--update", "Release=2")
        self.assertEqual(life.code, 1, life.text)
        self.assertTrue(life.has("UPDATE_ROLLBACK_COMPLETE", "later"), life.text)
        self.assertEqual(self.columns(), ["id", "name", "email"])

    def test_with_run_on_rollback_the_old_image_meets_the_new_schema_and_the_stack_is_stuck(self):
        life = self.life(self.failing_later(runs_on_rollback=True), "--update", "Release=2")
        self.assertEqual(life.code, 1, life.text)
        self.assertTrue(life.has("UPDATE_ROLLBACK_FAILED", "later"), life.text)
        self.assertIn(self.refusal, life.text)


class AlembicTest(MigrationsTest, unittest.TestCase):
    tool, driver, program = "alembic", "postgresql+psycopg", str(TOOLS / "alembic")
    # Each migration is a transaction: the second one stays.
    after_failure = ["id", "name", "email"]
    refusal = "Can't locate revision identified by '0002'"
    broken = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("alter table users add column initials text")
    op.execute("update users set initials = nickname")
"""


class KnexTest(MigrationsTest, unittest.TestCase):
    tool, driver, program = "knex", "postgresql", str(FOLDER / "knex/node_modules/.bin/knex")
    # The whole run is a transaction.
    after_failure = ["id", "name"]
    refusal = "The migration directory is corrupt"
    broken = """
export async function up(knex) {
  await knex.raw('alter table users add column initials text');
  await knex.raw('update users set initials = nickname');
}
export async function down() {}
"""


if __name__ == "__main__":
    unittest.main()
