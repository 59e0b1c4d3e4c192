"""The rules for Custom::ECSTask as a plug-in, which a .cfnlintrc names so:

append_rules: [ecs_tasks.cfn_lint_rules]
"""

from cfnlint.helpers import load_plugins

from ecs_tasks import package

# cfn-lint takes every rule class that it finds in the module.
globals().update({type(rule).__name__: type(rule) for rule in load_plugins(str(package.lint_rules()))})
