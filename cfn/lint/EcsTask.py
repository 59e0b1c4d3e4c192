"""A rule for cfn-lint: the properties of Custom::ECSTask, checked before a deploy.

    cfn-lint --append-rules cfn/lint TEMPLATE

The schema beside this file is made from the types that the function itself reads properties by.
"""

import json
from pathlib import Path

from cfnlint.rules.jsonschema.CfnLintJsonSchema import CfnLintJsonSchema

SCHEMA = Path(__file__).with_name("ecs_task.schema.json")


class EcsTask(CfnLintJsonSchema):
    """Applies the schema to every Custom::ECSTask; cfn-lint itself passes over resources of types that are not AWS's."""

    id = "E9101"
    shortdesc = "Check the properties of Custom::ECSTask"
    description = "Misspelt, missing and wrong properties of Custom::ECSTask fail the deploy"
    tags = ["resources", "ecs", "custom"]

    def __init__(self):
        super().__init__(keywords=["Resources/Custom::ECSTask/Properties"], all_matches=True)
        self._schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        self._use_schema_arg = False
