"""examples/sam: validated by SAM's CLI with our rules, rehearsed."""

import json
import tempfile
import time
import unittest
from pathlib import Path

from harness import EXAMPLES, ROOT, rehearse, run

SAM = ROOT / ".venv/sam/bin/sam"
FOLDER = EXAMPLES / "sam"
TEMPLATE = FOLDER / "template.yml"


def validate(template):
    """`sam validate --lint`, which finds our rules by .cfnlintrc."""
    with tempfile.TemporaryDirectory() as home:
        # It has just looked for a newer version of itself, so it asks nobody now.
        state = {"telemetryEnabled": False, "lastVersionCheck": time.time()}
        Path(home, "metadata.json").write_text(json.dumps(state), encoding="utf-8")
        command = [SAM, "validate", "--lint", "--region", "us-west-2", "--template", template]
        return run(command, cwd=FOLDER, SAM_CLI_TELEMETRY="0", __SAM_CLI_APP_DIR=home)


class SamTest(unittest.TestCase):
    def test_sam_finds_it_valid(self):
        done = validate(TEMPLATE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("is a valid SAM Template", done.stdout)

    def test_sam_finds_what_our_rules_find(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as broken:
            broken.write(TEMPLATE.read_text(encoding="utf-8").replace("Timeout: 600", "Timeout: 1200"))
            broken.flush()
            done = validate(broken.name)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("Timeout (1200 s) is longer than ServiceTimeout (900 s)", done.stdout)

    def test_a_new_catalog_is_loaded_by_an_update(self):
        life = rehearse(TEMPLATE, "--update", "Catalog=2026-12")
        self.assertEqual(life.code, 0, life.text)
        self.assertIn("loading catalog 2026-12", life.text)

    def test_a_catalog_that_is_not_there_takes_the_deploy_back(self):
        life = rehearse(TEMPLATE, "--update", "Catalog=next")
        self.assertEqual(life.code, 1, life.text)
        self.assertIn("no catalog next: give a month", life.reason("UPDATE_FAILED", "Seed"))
        self.assertTrue(life.has("UPDATE_ROLLBACK_COMPLETE", "template"), life.text)


if __name__ == "__main__":
    unittest.main()
