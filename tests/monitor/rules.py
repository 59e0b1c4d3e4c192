"""EventBridge's rules for patterns, as far as the templates use them.

A field matches if one of its values matches one of the conditions. The values of a field under a list are those of all
its elements, so `exists: false` is true only if no element has the field. `$or` stands for one pattern each.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import re


def matches(pattern: dict, event: dict) -> bool:
    """Whether a rule with this pattern lets the event through."""
    return all(holds(name, wanted, event) for name, wanted in pattern.items())


def holds(name, wanted, node) -> bool:
    if name == "$or":
        return any(matches(alternative, node) for alternative in wanted)
    children = values(node, name)
    if isinstance(wanted, dict):
        return matches(wanted, children)
    return any(meets(children, condition) for condition in wanted)


def values(node, name) -> list:
    """All values of a field: of one object, or of all objects of a list."""
    found = []
    for one in node if isinstance(node, list) else [node]:
        if isinstance(one, dict) and name in one:
            found.extend(one[name] if isinstance(one[name], list) else [one[name]])
    return found


def meets(found: list, condition) -> bool:
    if not isinstance(condition, dict):
        return any(type(one) is type(condition) and one == condition for one in found)
    [(operator, operand)] = condition.items()
    if operator == "exists":
        return bool(found) == operand
    if operator == "wildcard":
        return any(is_like(one, operand) for one in found)
    if operator == "anything-but":
        if isinstance(operand, dict):
            [patterns] = operand.values()
            return any(not any(is_like(one, pattern) for pattern in patterns) for one in found)
        unwanted = operand if isinstance(operand, list) else [operand]
        return any(one not in unwanted for one in found)
    raise ValueError(f"no rule of EventBridge is called {operator}")


def is_like(text, pattern: str) -> bool:
    parts = map(re.escape, pattern.split("*"))
    return isinstance(text, str) and re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
