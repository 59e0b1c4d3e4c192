"""package.py on binaries of this machine."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import package


class Package(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.zip = Path(directory.name, "build", "ecsTasks.zip")
        self.binary = Path(sys.executable).resolve()

    def test_the_zip_holds_an_executable_bootstrap_and_is_the_same_every_time(self):
        package.package(self.binary, self.zip)
        first = self.zip.read_bytes()
        package.package(self.binary, self.zip)
        self.assertEqual(first, self.zip.read_bytes())
        with zipfile.ZipFile(self.zip) as archive:
            (entry,) = archive.infolist()
            self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))
            self.assertEqual(archive.read(entry), self.binary.read_bytes())

    def test_a_binary_that_names_folders_of_this_machine_is_reported(self):
        binary = self.zip.parents[1] / "binary"
        binary.write_bytes(self.binary.read_bytes() + b"\0/home/me/.cargo/registry/src/serde/lib.rs\0/cargo/registry\0")
        told = io.StringIO()
        with (
            mock.patch.dict(os.environ, {"CARGO_HOME": "/home/me/.cargo", "RUSTUP_HOME": "/home/me/.rustup"}),
            contextlib.redirect_stderr(told),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            self.assertEqual(package.main([str(binary), str(self.zip)]), 0)
        self.assertIn("names /home/me/.cargo: built elsewhere, ecsTasks.zip has other bytes", told.getvalue())
        self.assertNotIn(".rustup", told.getvalue())

    def test_a_binary_that_needs_a_newer_glibc_is_refused(self):
        self.assertGreater(package.needed_glibc(self.binary), (2, 0))
        told = io.StringIO()
        with mock.patch.object(package, "NEWEST_GLIBC", (2, 1)), contextlib.redirect_stderr(told):
            self.assertEqual(package.main([str(self.binary), str(self.zip)]), 1)
        self.assertIn("but Amazon Linux 2023 has 2.1: it would not start", told.getvalue())
        self.assertFalse(self.zip.exists())


if __name__ == "__main__":
    unittest.main()
