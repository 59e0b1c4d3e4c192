"""AWS's own offline validator over every template of ours."""

import unittest
from pathlib import Path

from cloudformation_validate import CompositeEngine

ROOT = Path(__file__).parents[2]
TEMPLATES = [
    *ROOT.glob("cfn/*.yml"),
    ROOT / "examples" / "sam" / "template.yml",
    *ROOT.glob("examples/migrations/*/template.yml"),
]


class ValidateTest(unittest.TestCase):
    def test_no_template_has_a_fatal_or_an_error(self):
        self.assertGreater(len(TEMPLATES), 5)
        engine = CompositeEngine()
        for path in TEMPLATES:
            with self.subTest(template=path.name):
                found = engine.validate_template(path).diagnostics
                grave = [one for one in found if one.severity.name in ("FATAL", "ERROR")]
                self.assertEqual([f"{one.severity.name} {one.rule_id}: {one.message}" for one in grave], [])


if __name__ == "__main__":
    unittest.main()
