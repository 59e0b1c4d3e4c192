"""release.py: a folder that can be handed to anyone; and the version that a release has."""

import contextlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import unittest
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

sys.path.insert(0, str(Path(__file__).parent))
import release

ROOT = Path(__file__).parents[1]
ZIPS = ("ecsTasks.zip", "ecsEvents.zip")


class Release(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = Path(directory.name)
        for architecture in release.ARCHITECTURES:
            (self.folder / architecture).mkdir()
            for name in ZIPS:
                (self.folder / architecture / name).write_bytes(f"{architecture} {name}".encode())

    def release(self):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            return release.main([str(self.folder), "ecsTasks.zip"]), told.getvalue()

    def test_sums_are_right_and_of_everything_and_the_same_each_time(self):
        status, told = self.release()
        self.assertEqual(status, 0, told)
        sums = (self.folder / "SHA256SUMS").read_text()
        self.assertIn(sums, told)
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=self.folder, check=True, capture_output=True)
        archives = [f"ecs-tasks-{one}.tar.gz" for one in release.ARCHITECTURES]
        both = [f"{one}/{name}" for one in release.ARCHITECTURES for name in (*ZIPS, "monitor.yml", "provider.yml")]
        self.assertEqual([line.split("  ")[1] for line in sums.splitlines()], sorted(["alert.yml", *archives, *both]))
        self.release()
        self.assertEqual((self.folder / "SHA256SUMS").read_text(), sums)

    def test_an_archive_has_all_of_an_architecture_and_the_licences(self):
        (self.folder / "LICENSE").write_text("MIT")
        self.release()
        with tarfile.open(self.folder / "ecs-tasks-arm64.tar.gz") as archive:
            names = archive.getnames()
            template = archive.extractfile("arm64/provider.yml").read()
        self.assertEqual(names, [*sorted(f"arm64/{name}" for name in (*ZIPS, "monitor.yml", "provider.yml")), "arm64/LICENSE"])
        self.assertEqual(template, (self.folder / "arm64/provider.yml").read_bytes())

    def test_the_code_of_each_template_is_the_zip_beside_it(self):
        self.release()
        for architecture in release.ARCHITECTURES:
            for name, zip_name in [("provider", "ecsTasks.zip"), ("monitor", "ecsEvents.zip")]:
                template = load(str(self.folder / architecture / f"{name}.yml"))
                function = template["Resources"]["Function"]["Properties"]
                self.assertEqual((function["Code"], function["Architectures"]), (zip_name, [architecture]))
                self.assertTrue((self.folder / architecture / function["Code"]).is_file())
                given = load(str(ROOT / "cfn" / f"{name}.yml"))["Parameters"]
                self.assertEqual(set(given) - set(template["Parameters"]), set(release.PARAMETERS))

    def test_a_packaged_template_has_no_findings(self):
        self.release()
        for template in self.folder.rglob("*.yml"):
            # What `aws cloudformation package` makes of the path.
            text = re.sub(r"( +)Code: (ecs\w+\.zip)\n", r"\1Code: { S3Bucket: bucket, S3Key: \2 }\n", template.read_text())
            template.write_text(text)
        lint = Path(sys.executable).with_name("cfn-lint")
        templates = sorted(self.folder.rglob("*.yml"))
        done = subprocess.run([lint, "--format", "json", "--", *templates], capture_output=True, text=True, check=False)
        self.assertEqual(json.loads(done.stdout), [])

    def test_what_is_missing_or_has_changed_is_an_error(self):
        (self.folder / "arm64/ecsEvents.zip").unlink()
        status, told = self.release()
        self.assertEqual(status, 1)
        self.assertIn("arm64/ecsEvents.zip: make release builds it", told)
        with self.assertRaisesRegex(release.Problem, "0 places like '.*CodeBucket"):
            release.with_code("Parameters: {}\n", "arm64", "ecsTasks.zip")


class Version(unittest.TestCase):
    def test_the_changelog_begins_with_the_version_that_is_built(self):
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        built = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]
        self.assertEqual(re.search(r"^## (\S+)", changelog, re.M)[1], built)

    def test_everything_that_names_a_version_names_this_one(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]
        rehearse = tomllib.loads((ROOT / "rehearse/Cargo.toml").read_text(encoding="utf-8"))["package"]
        hook = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        action = load(str(ROOT / "action.yml"))["inputs"]["version"]["default"]
        construct, locked = (json.loads((ROOT / "cdk" / name).read_text()) for name in ("package.json", "package-lock.json"))
        self.assertEqual(
            (rehearse["version"], hook["version"], hook["dependencies"], action),
            (version, version, [f"ecs-tasks=={version}"], version),
        )
        self.assertEqual(
            (construct["version"], locked["version"], locked["packages"][""]["version"]), (version, version, version)
        )

    def test_cargo_is_told_the_oldest_rust_that_every_dependency_compiles_with(self):
        command = ["cargo", "metadata", "--locked", "--format-version", "1"]
        known = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)

        def number(package):
            return tuple(int(part) for part in (package["rust_version"] or "0").split("."))

        ours = [one for one in known["packages"] if one["id"] in known["workspace_members"]]
        others = [one for one in known["packages"] if one["id"] not in known["workspace_members"]]
        for package in ours:
            self.assertGreaterEqual(number(package), max(map(number, others)), package["name"])
        toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))["toolchain"]["channel"]
        self.assertGreaterEqual(tuple(map(int, toolchain.split("."))), number(ours[0]))


if __name__ == "__main__":
    unittest.main()
