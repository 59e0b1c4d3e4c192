"""A rule for cfn-lint: the properties of Custom::ECSTask, one by one, before a deploy.

    cfn-lint --append-rules cfn/lint TEMPLATE

The schema beside this file is generated from the types that the function reads its properties by, and the
messages are worded as the function words them.
"""

import sys
from pathlib import Path

from cfnlint.helpers import FUNCTIONS
from cfnlint.rules.jsonschema.CfnLintJsonSchema import CfnLintJsonSchema

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402
from _ecs_messages import say  # noqa: E402


class EcsTask(CfnLintJsonSchema):
    """Applies the schema to every ECSTask. cfn-lint itself accepts any property of a custom resource."""

    id = "E9101"
    shortdesc = "Check the properties of Custom::ECSTask"
    description = "Misspelt, missing and wrong properties of Custom::ECSTask fail the deploy"
    tags = ["resources", "ecs", "custom"]

    def __init__(self):
        super().__init__(keywords=["Resources/*"], all_matches=True)
        self._schema = ecs.SCHEMA
        self._use_schema_arg = False

    def validate(self, validator, keywords, instance, schema):
        """Checks one resource; instance is all of it."""
        if not isinstance(instance, dict) or not ecs.is_ours(instance):
            return
        context = validator.context
        context = context.evolve(
            functions=list(FUNCTIONS),
            strict_types=False,
            conditions=context.conditions.evolve(dict.fromkeys(ecs.conditions_of(instance), True)),
            path=context.path.descend(path="Properties"),
        )
        properties = instance.get("Properties", {})
        for error in super().validate(validator.evolve(context=context), keywords, properties, schema):
            # A member that is given in both spellings is reported at each; once is enough.
            if error.validator == "requiredXor" and error.path and error.path[-1] == error.validator_value[1]:
                continue
            error.message = say(error)
            error.path.appendleft("Properties")
            yield error
