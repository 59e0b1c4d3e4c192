"""What a mistake against the schema is called, in the words of the function."""

import _ecs_task as ecs

KINDS = {"string": "a string", "integer": "a number", "array": "a list", "object": "an object"}


def say(error):
    """What is wrong, where, and what to do."""
    where, keyword, wanted, value = shown(error.path), error.validator, error.validator_value, error.instance
    # A member that stands twice is reported at itself, and an unknown one too: both are about what holds it.
    within = shown(list(error.path)[:-1])
    match keyword:
        case "required":
            missing = [name for name in wanted if f"'{name}'" in error.message]
            return f"{inside(where)}{missing[0]} is missing: add it"
        case "requiredXor" if not set(wanted) & set(value):
            return f"{inside(where)}{spelt_as(value, wanted, error.path)} is missing: add it"
        case "requiredXor":
            return f"{inside(within)}{wanted[0]} is given twice, also as {wanted[1]}: leave one out"
        case "dependentExcluded":
            [(one, others)] = wanted.items()
            return f"{one} cannot be given together with {others[0]}: leave one of them out"
        case "additionalProperties":
            name = error.path[-1]
            known = [key for key in error.schema["properties"] if key[:1].isupper() == name[:1].isupper()]
            place = f" in {within}" if within else ""
            is_misspelt = name.lower() in map(str.lower, error.schema["properties"])
            belongs = "" if within or is_misspelt else ecs.home(name)
            hint = belongs or ecs.hint(name, known or error.schema["properties"])
            return f"unknown property {name}{place}{hint}"
        case "minimum" | "maximum":
            return f"{where} must be {kind(error.schema)}, not {value}"
        case "pattern":
            return f"{where} must be true or false, not {value}"
        case "type" if error.schema.get("pattern"):
            return f"{where} must be true or false, not {given(value)}"
        case "type":
            return f"{where or 'Properties'} must be {kind(error.schema)}, not {given(value)}"
        case "minItems":
            return f"{where} must have at least one element: add one, or leave the property out"
        case "minLength":
            return f"{where} must not be empty"
        case "maxLength":
            return f"{where} has {len(str(value))} characters, but at most {wanted} are allowed"
        case "maxItems":
            return f"{where} has {len(value)} elements, but at most {wanted} are allowed"
    return error.message


def kind(schema):
    """What a schema wants."""
    if schema.get("type") == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    return KINDS.get(schema.get("type"), "something else")


def given(value):
    """What the template has. The content of a list or an object is not shown, because it can be long."""
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else repr(str(value))


def spelt_as(value, names, path):
    """The one of two spellings that the template uses around the place."""
    beside = next((key for key in [*value, *reversed(path)] if isinstance(key, str)), "")
    upper = beside[:1].isupper()
    return next(name for name in names if name[:1].isupper() == upper)


def inside(where):
    return f"{where}." if where else ""


def shown(path):
    """`Overrides.containerOverrides[0].cpu`, without the functions on the way."""
    text, is_branch = "", False
    for key in path:
        if is_branch:
            is_branch = False
        elif key == "Fn::If":
            is_branch = True
        elif isinstance(key, int):
            text += f"[{key}]"
        elif key == "Ref" or key.startswith("Fn::"):
            break
        else:
            text += f".{key}" if text else key
    return text
