"""Writes the names of all properties of ECS's resource types, as cfn-lint has them from AWS's schemas.

    ecs_properties.py rehearse/src/stack/ecs-properties.json

An object stands for a structure or a list of structures, with a member for each of its properties. null stands for any
other value, such as a text or a map with keys of the user's own; "attribute" for a property that only AWS sets.
"""

import json
import sys
from pathlib import Path

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

# A Region that gets new properties early.
REGION = "us-east-1"


def names(schema, value, above=()):
    """The names below one value of a schema; None if it has no properties of its own."""
    while "$ref" in value or "items" in value:
        if reference := value.get("$ref"):
            if reference in above:
                return None
            above = (*above, reference)
            value = schema["definitions"][reference.rsplit("/", 1)[1]]
        else:
            value = value["items"]
    if "properties" not in value:
        return None
    return {name: names(schema, below, above) for name, below in sorted(value["properties"].items())}


def properties(resource_type):
    """The names of a type's properties."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema
    found = names(schema, schema)
    for pointer in schema.get("readOnlyProperties", ()):
        _, _, name, *below = pointer.split("/")
        if not below:
            found[name] = "attribute"
    return found


def text():
    """The file's content."""
    types = PROVIDER_SCHEMA_MANAGER.get_resource_types(REGION)
    found = {one: properties(one) for one in sorted(types) if one.startswith("AWS::ECS::")}
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
