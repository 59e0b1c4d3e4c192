"""wheel.py and licences.py: what a wheel says of itself, and whose licences it carries."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import licences
import wheel


class Platform(unittest.TestCase):
    def test_the_platform_is_the_oldest_linux_that_runs_the_binary(self):
        self.assertRegex(wheel.platform_of([Path("/bin/true")]), r"^manylinux_2_\d+_(x86_64|aarch64)")

    def test_a_library_that_not_every_linux_has_is_refused(self):
        with self.assertRaisesRegex(wheel.Problem, "/bin/ls needs libselinux"):
            wheel.platform_of([Path("/bin/ls")])

    def test_what_is_missing_is_named_with_what_builds_it(self):
        with tempfile.TemporaryDirectory() as folder:
            told = io.StringIO()
            line = [folder, "--zips", folder, "--rehearse", "/bin/true", "--licences", "LICENSE"]
            with contextlib.redirect_stderr(told):
                self.assertEqual(wheel.main(line), 1)
        self.assertIn("has no folder arm64 or x86_64: make build", told.getvalue())


class Licences(unittest.TestCase):
    def test_what_is_compiled_in_has_its_licence_and_what_tests_need_has_not(self):
        names = {one["name"] for one in licences.packages()}
        self.assertLessEqual({"serde", "tokio", "clap", "aws-sdk-ecs", "rustls"}, names)
        self.assertFalse({"proptest", "insta", "plotters", "ecs-tasks", "rehearse"} & names)
        text = licences.licences()
        for name in ("serde", "tokio", "aws-sdk-ecs"):
            self.assertRegex(text, rf"\n  {name} \d")
        self.assertIn("Apache License", text)


if __name__ == "__main__":
    unittest.main()
