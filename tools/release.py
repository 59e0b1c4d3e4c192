"""Puts templates beside the zips of a release, and the sums of all of it.

    release.py FOLDER RUNNER.zip

FOLDER has one folder for each architecture, with both zips in it: RUNNER.zip and ecsEvents.zip. Each gets provider.yml and
monitor.yml, whose code is the zip beside them: `aws cloudformation package` puts it into any bucket. What they ask about the
code otherwise (bucket, key, version, architecture) they no longer ask. All of an architecture is an archive, too: a page of
releases shows files without folders.
"""

import gzip
import io
import re
import sys
import tarfile
from pathlib import Path

from publish import sums

CFN = Path(__file__).parents[1] / "cfn"
ARCHITECTURES = ("arm64", "x86_64")
PARAMETERS = ("CodeBucket", "CodeKey", "CodeVersion", "Architecture")
CODE = """      Code:
        S3Bucket: !Ref CodeBucket
        S3Key: !Ref CodeKey
        S3ObjectVersion: !If [HasCodeVersion, !Ref CodeVersion, !Ref AWS::NoValue]
"""


class Problem(Exception):
    """Something that the person who releases has to mend."""


def with_code(template: str, architecture: str, zip_name: str) -> str:
    """A template whose code is this zip."""
    for parameter in PARAMETERS:
        template = once(rf"^  {parameter}:\n(?:    .*\n)+", "", template)
    template = once(r"^  HasCodeVersion: .*\n", "", template)
    template = once(r"!Ref Architecture\b", architecture, template)
    return once(re.escape(CODE), f"      Code: {zip_name}\n", template)


def once(pattern: str, replacement: str, text: str) -> str:
    """The text with the one place that matches replaced."""
    changed, places = re.subn(pattern, replacement, text, flags=re.M)
    if places != 1:
        raise Problem(f"the template has {places} places like {pattern!r}, not one: change tools/release.py with it")
    return changed


def release(folder: Path, runner: str) -> None:
    """Writes templates and sums into the folder."""
    for architecture in ARCHITECTURES:
        for template, zip_name in [("provider", runner), ("monitor", "ecsEvents.zip")]:
            if not (folder / architecture / zip_name).is_file():
                raise Problem(f"there is no {folder / architecture / zip_name}: make release builds it")
            text = (CFN / f"{template}.yml").read_text(encoding="utf-8")
            (folder / architecture / f"{template}.yml").write_text(
                with_code(text, architecture, zip_name), encoding="utf-8"
            )
    (folder / "alert.yml").write_text((CFN / "alert.yml").read_text(encoding="utf-8"), encoding="utf-8")
    for architecture in ARCHITECTURES:
        archive(folder, architecture)
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    files.pop("SHA256SUMS", None)
    (folder / "SHA256SUMS").write_text(sums(files), encoding="utf-8")


def archive(folder: Path, architecture: str) -> None:
    """Packs a folder, and the licences: the same files make the same bytes."""
    licences = [folder / name for name in ("LICENSE", "THIRD-PARTY-LICENSES")]
    with (folder / f"ecs-tasks-{architecture}.tar.gz").open("wb") as target:
        with gzip.GzipFile("", "wb", mtime=0, fileobj=target) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archived:
                for file in [*sorted((folder / architecture).iterdir()), *filter(Path.is_file, licences)]:
                    content = file.read_bytes()
                    # Not beside the folder: who unpacks it in a repository has a LICENSE of their own.
                    entry = tarfile.TarInfo(f"{architecture}/{file.name}")
                    entry.size = len(content)
                    archived.addfile(entry, io.BytesIO(content))


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        release(folder, arguments[1])
    except Problem as problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    print(f"=> {folder}/SHA256SUMS:\n{(folder / 'SHA256SUMS').read_text(encoding='utf-8')}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
