"""Builds the CDK construct library: an npm tarball, a wheel and an sdist, the same bytes wherever it is built.

    construct.py FOLDER [--repository URL] ARCHITECTURE=ZIP...
"""

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The first moment that a zip can have.
EPOCH = 315532800
MEGABYTE = 1_000_000
LARGEST = 10 * MEGABYTE
NOT_SOURCE = shutil.ignore_patterns("node_modules", "lib", "dist", "lambda", "assets", ".jsii*", "tsconfig.json", "test")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repository", default="", help="the address that a release has in its packages")
    parser.add_argument("zips", nargs="+", metavar="ARCHITECTURE=ZIP")
    arguments = parser.parse_args()
    zips = [zip.split("=", 1) for zip in arguments.zips]
    for architecture, zip in zips:
        if not Path(zip).is_file():
            parser.error(f"the zip for {architecture} is not there, {zip}: make build ARCH={architecture} makes one")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    stage = arguments.folder / "stage"
    package = staged(stage, arguments.repository)
    node(package, "node", "scripts/assets.mjs", *(f"{architecture}={Path(zip).resolve()}" for architecture, zip in zips))
    node(package, "node_modules/.bin/jsii", "--silence-warnings=reserved-word")
    node(package, "node_modules/.bin/jsii-pacmak", "--targets", "js", "python", "--outdir", "dist")
    for made in collected(package / "dist", arguments.folder):
        size = made.stat().st_size
        if size > LARGEST:
            raise SystemExit(f"{made.name} has {size / MEGABYTE:.1f} MB, at most {LARGEST / MEGABYTE:.0f} are allowed")
        print(f"=> Built {made} ({size / MEGABYTE:.1f} MB)")
    shutil.rmtree(stage)


def staged(stage, repository):
    """A copy of the sources, so that a build changes none of them."""
    package = stage / "cdk"
    shutil.copytree(ROOT / "cdk", package, ignore=NOT_SOURCE)
    (package / "node_modules").symlink_to(ROOT / "cdk/node_modules")
    (stage / "cfn").mkdir()
    shutil.copy(ROOT / "cfn/provider.yml", stage / "cfn")
    shutil.copy(ROOT / "LICENSE", stage)
    if repository:
        manifest = package / "package.json"
        content = json.loads(manifest.read_text(encoding="utf-8"))
        content["repository"]["url"] = repository
        manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return package


def node(package, *command):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
    environment["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "1"
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def collected(dist, folder):
    """The packages, by the names that their registries give them."""
    manifest = json.loads((dist.parent / "package.json").read_text(encoding="utf-8"))
    [tarball] = (dist / "js").glob("*.tgz")
    shutil.move(tarball, folder / f"{manifest['name']}-{manifest['version']}.tgz")
    [wheel] = (dist / "python").glob("*.whl")
    shutil.move(wheel, folder)
    [sdist] = (dist / "python").glob("*.tar.gz")
    (folder / sdist.name).write_bytes(without_times(sdist))
    return sorted(path for path in folder.iterdir() if path.is_file())


def without_times(archive):
    """A tar.gz with the same content, in which nothing tells when and by whom it was made."""
    content = io.BytesIO()
    with (
        tarfile.open(archive) as source,
        gzip.GzipFile(fileobj=content, mode="wb", filename="", mtime=EPOCH) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = EPOCH, 0, 0, "", ""
            member.mode, member.pax_headers = (0o755 if member.isdir() else 0o644), {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return content.getvalue()


if __name__ == "__main__":
    main()
