"""tools/construct.py: what it refuses, and that an sdist tells nothing of the machine that made it."""

import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import construct


class ConstructTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_zip_that_is_not_there_is_named_with_the_command_that_makes_it(self):
        done = subprocess.run(
            [sys.executable, construct.__file__, self.folder / "out", "arm64=missing.zip"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 2)
        self.assertIn("missing.zip: make build ARCH=arm64 makes one", done.stderr)

    def test_an_sdist_has_the_same_bytes_whenever_it_is_made(self):
        made = [construct.without_times(self.archive(name, times)) for name, times in (("a", [1, 2]), ("b", [3, 4]))]
        self.assertEqual(*made)

    def archive(self, name, times):
        path = self.folder / f"{name}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for file, time in zip(["one", "two"], times, strict=True):
                member = tarfile.TarInfo(file)
                member.mtime, member.uid = time, time
                archive.addfile(member)
        return path


if __name__ == "__main__":
    unittest.main()
