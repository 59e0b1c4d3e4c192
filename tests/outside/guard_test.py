"""cfn/guard: what of the rules of cfn/lint Guard can say, over the same templates as tools/lint_test.py."""

import json
import re
import tempfile
import unittest
from pathlib import Path

import cdk_app
from cloudformation_validate import CompositeEngine, CompositeEngineConfig, ValidateConfig, file_to_external_rule_source
from harness import ROOT

RULES = ROOT / "cfn" / "guard" / "ecs-task.guard"
LINT = ROOT / "tests" / "lint"
# The templates in whose mistakes Guard can have a say, and what it must say.
FOUND = {
    "hook": [
        "HookDetails is an object",
        "cannot run at a stage that shifts traffic",
        "a property that only a custom resource has",
    ],
    "members": "Tags that begin with ecs-tasks:",
    "network": "Fargate needs NetworkConfiguration",
    "properties": "no such property",
    "secrets": "does not resolve secretsmanager",
    "timeout": "Timeout is above 3600 s",
    "type": "The type is Custom::ECSTask",
    "wait-handle": "nothing waits for the task",
}


class GuardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = CompositeEngine(CompositeEngineConfig(guard_rules=[file_to_external_rule_source(RULES)]))

    def findings(self, template) -> list:
        """What the rules say of a template."""
        report = self.engine.validate_template(template, ValidateConfig(disable_builtin_rules=True))
        return [one.message for one in report.diagnostics]

    def test_a_mistake_that_guard_can_say_is_found(self):
        for name, words in FOUND.items():
            with self.subTest(template=name):
                found = "\n".join(self.findings(LINT / f"{name}.found.yml"))
                for one in [words] if isinstance(words, str) else words:
                    self.assertIn(one, found)

    def test_a_template_without_a_mistake_is_left_alone(self):
        for template in sorted([*LINT.glob("*.left.yml"), *ROOT.glob("cfn/*.yml")]):
            with self.subTest(template=template.name):
                self.assertEqual(self.findings(template), [])

    def test_in_a_cdk_synth_a_mistake_is_found_and_the_example_is_left_alone(self):
        template = cdk_app.synthesized() / f"{cdk_app.STACK}.template.json"
        self.assertEqual(self.findings(template), [])
        grave = [
            one for one in self.engine.validate_template(template).diagnostics if one.severity.name in ("FATAL", "ERROR")
        ]
        self.assertEqual([f"{one.rule_id}: {one.message}" for one in grave], [])
        made = cdk_app.template()
        task = made["Resources"][cdk_app.named(made, "Custom::ECSTask")]
        task["Properties"]["Overides"] = task["Properties"].pop("Overrides", {})
        with tempfile.TemporaryDirectory() as folder:
            mistaken = Path(folder, "mistaken.json")
            mistaken.write_text(json.dumps(made), encoding="utf-8")
            self.assertIn("no such property", "\n".join(self.findings(mistaken)))

    def test_the_rules_know_every_property(self):
        schema = json.loads((ROOT / "cfn" / "lint" / "ecs_task.schema.json").read_text(encoding="utf-8"))
        rules = RULES.read_text(encoding="utf-8")
        self.assertEqual([name for name in schema["properties"] if f"'{name}'" not in rules], [])

    def test_the_rules_know_what_only_a_custom_resource_has(self):
        rules, source = RULES.read_text(encoding="utf-8"), ROOT / "src" / "properties" / "hook.rs"
        refused = source.read_text(encoding="utf-8").split("NOT_FOR_HOOKS: [")[1].split("];")[0]
        names = re.findall(r'\(\s*"(\w+)",', refused)
        [pattern] = re.findall(r'HookDetails != /"\(([\w|]+)\)"', rules)
        self.assertEqual(sorted(names), pattern.split("|"))


if __name__ == "__main__":
    unittest.main()
