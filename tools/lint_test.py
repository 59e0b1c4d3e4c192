"""cfn/lint: the rule for cfn-lint, on templates that are right and on one that is wrong in every way."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lint(template):
    """Line and message of each finding of our rule."""
    command = [Path(sys.executable).with_name("cfn-lint"), "--format", "json", "--append-rules", ROOT / "cfn/lint", "--"]
    done = subprocess.run([*command, ROOT / template], capture_output=True, text=True, check=False)
    findings = json.loads(done.stdout)
    return [
        (finding["Location"]["Start"]["LineNumber"], finding["Message"])
        for finding in findings
        if finding["Rule"]["Id"] == "E9101"
    ]


class Lint(unittest.TestCase):
    def test_right_templates_have_no_findings(self):
        for template in ("tests/lint/good.yml", "cfn/example.yml"):
            self.assertEqual(lint(template), [])

    def test_every_mistake_is_found_at_its_line(self):
        findings = lint("tests/lint/bad.yml")
        expected = [
            (5, "'TaskDefinition' is a required property"),
            (8, "Additional properties are not allowed ('Overides' was unexpected. Did you mean 'Overrides'?)"),
            (9, "11 is greater than the maximum of 10"),
            (10, "'x' is not of type 'integer'"),
            (11, "'maybe' does not match"),
            # Within Fn::If.
            (12, "0 is less than the minimum of 1"),
            (15, "Only one of ['name', 'Name'] is a required property"),
            (17, "'CapacityProviderStrategy' should not be included with 'LaunchType'"),
            (17, "9999 is greater than the maximum of 1000"),
        ]
        self.assertEqual(len(findings), len(expected), findings)
        for (line, message), (expected_line, beginning) in zip(findings, expected):
            self.assertEqual(line, expected_line, message)
            self.assertTrue(message.startswith(beginning), message)


if __name__ == "__main__":
    unittest.main()
