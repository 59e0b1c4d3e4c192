"""A rule for cfn-lint: unquoted scalars that YAML reads as something else."""

import re
import sys
from pathlib import Path

import yaml
from cfnlint.rules import CloudFormationLintRule, RuleMatch

sys.path.append(str(Path(__file__).parent))
import _ecs_task as ecs  # noqa: E402

# A number that is no longer what is written: octal, hexadecimal, binary, in groups, to the base 60.
CHANGED = re.compile(r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*|[1-9][0-9_]*(:[0-5]?[0-9])+)")
# A floating-point number ends with its last digit that counts.
FRACTION = re.compile(r"[-+]?[0-9]+\.[0-9]+0")
WORDS = re.compile(r"yes|no|on|off", re.IGNORECASE)
# More digits than a floating-point number has.
LONG = re.compile(r"[1-9][0-9]{16,}")


class EcsTaskScalars(CloudFormationLintRule):
    """CloudFormation reads YAML 1.1, and delivers the value that it has read."""

    id = "W9105"
    shortdesc = "Check that YAML does not change the values of tasks"
    description = "An unquoted 012345670123 is an octal number, and yes is true"
    tags = ["resources", "ecs", "custom"]

    def match(self, cfn):
        names = {task.name for task in ecs.tasks(cfn)}
        definitions = ecs.resources(cfn, "AWS::ECS::TaskDefinition")
        for path, text in scalars(cfn) if names else ():
            if len(path) > 2 and path[0] == "Resources" and path[1] in names | set(definitions) and changes(path, text):
                message = f"{text} is not quoted, so YAML reads it as another value: quote it if you mean a string"
                yield RuleMatch(path, message)


def changes(path, text):
    """Whether a plain scalar arrives changed; a word is a boolean where no boolean can be meant."""
    if CHANGED.fullmatch(text) or LONG.fullmatch(text) or FRACTION.fullmatch(text):
        return not re.fullmatch(r"[-+]?[0-9]+\.0", text)
    is_value = str(path[-1]).lower() == "value" or "ommand" in "".join(str(key) for key in path[-2:])
    return bool(WORDS.fullmatch(text)) and is_value


def scalars(cfn):
    """Every unquoted scalar of a YAML template, with its path."""
    try:
        text = Path(cfn.filename).read_text(encoding="utf-8")
        root = None if text.lstrip().startswith("{") else yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, TypeError, UnicodeDecodeError, yaml.YAMLError):
        return
    yield from below(root, [])


def below(node, path):
    """The unquoted scalars at and below a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from below(value, [*path, key.value])
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from below(value, [*path, index])
    elif isinstance(node, yaml.ScalarNode) and node.style is None and not node.tag.startswith("!"):
        yield path, node.value
