"""A rule for cfn-lint: migrations that run again, by the old image, in a rollback."""

import json
import re
import sys
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

MIGRATES = re.compile(
    r"migrat|alembic|flyway|liquibase|sqitch|dbmate|db:setup|schema.?upgrade", re.IGNORECASE
)


class EcsTaskRollback(CloudFormationLintRule):
    """A rollback runs the old task definition, after the new one has changed the schema."""

    id = "I9101"
    shortdesc = "Check that a migration does not run in a rollback"
    description = (
        "The old image's migration against the new schema leaves the stack in UPDATE_ROLLBACK_FAILED"
    )
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        for task in ecs.tasks(cfn):
            runs_in_rollback = str(task.properties.get("RunOnRollback", "")).lower() in ("true", "yes")
            runs_on_update = str(task.properties.get("RunOnUpdate", "")).lower() not in ("false", "no")
            if runs_in_rollback and runs_on_update and migrates(task):
                message = (
                    f"{task.name} seems to migrate a database, and RunOnRollback is true. A rollback would run "
                    "the old image's migration against the new schema. Many migration tools refuse that, and the stack "
                    "ends in UPDATE_ROLLBACK_FAILED: leave RunOnRollback out if yours is one of them"
                )
                yield RuleMatch(task.path("RunOnRollback"), message)


def migrates(task):
    """By its name, and by what it runs."""
    seen = [task.name, task.properties.get("TaskDefinition"), task.properties.get("Overrides")]
    for definition in task.definitions():
        containers = ecs.member(definition, "Properties", "ContainerDefinitions")
        seen.append(ecs.member(definition, "Properties", "Family"))
        for container in containers if isinstance(containers, list) else []:
            seen += [ecs.member(container, key) for key in ("Name", "Image", "Command", "EntryPoint")]
    return MIGRATES.search(json.dumps(seen, default=str)) is not None
