"""Packs the Python package `ecs-tasks` as a wheel, from zips and binaries that are built already.

    wheel.py OUT --zips FOLDER --rehearse BINARY --licences FILE [--functions FOLDER] [--platform TAG] [--url URL]

FOLDER has a folder for each architecture, with ecsTasks.zip and ecsEvents.zip in it. The functions that `rehearse` runs are
the ones in the zips for the architecture of REHEARSE; on another system than Linux --functions has them, built for it. The
wheel's platform is read from the binaries: the oldest glibc that runs all of them.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from package import needed_glibc

ROOT = Path(__file__).parents[1]
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
ZIPS = {"ecs_tasks": "ecsTasks.zip", "ecs_events": "ecsEvents.zip"}
# Libraries that every Linux with glibc has, as manylinux lists them.
LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libgcc_s.so.1"}
LOADERS = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
OLDEST_GLIBC = (2, 17)
LIMIT = 40_000_000


class Problem(Exception):
    """Something that the person who builds has to mend."""


def architecture_of(binary: Path) -> str:
    """As the zips' folders are called."""
    with binary.open("rb") as file:
        machine = ELFFile(file).get_machine_arch()
    return {"x64": "x86_64", "AArch64": "arm64"}[machine]


def platform_of(binaries: list[Path]) -> str:
    """The tag of a Linux that runs all of these binaries."""
    for binary in binaries:
        with binary.open("rb") as file:
            sections = [one for one in ELFFile(file).iter_sections() if isinstance(one, DynamicSection)]
            needed = {tag.needed for one in sections for tag in one.iter_tags("DT_NEEDED")}
        if foreign := needed - LIBRARIES - LOADERS:
            raise Problem(f"{binary} needs {', '.join(sorted(foreign))}, which not every Linux has")
    machine = ARCHITECTURES[architecture_of(binaries[0])]
    glibc = max([OLDEST_GLIBC, *(needed_glibc(binary) for binary in binaries)])
    tag = f"manylinux_{glibc[0]}_{glibc[1]}_{machine}"
    return f"{tag}.manylinux2014_{machine}" if glibc == OLDEST_GLIBC else tag


def stage(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Lays the package's sources together; its binaries."""
    shutil.copytree(ROOT / "python", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tests", "__pycache__", ".*"))
    shutil.copy(ROOT / "Cargo.toml", folder)
    shutil.copy(ROOT / "LICENSE", folder)
    shutil.copy(options.licences, folder / "THIRD-PARTY-LICENSES")
    data = folder / "src/ecs_tasks/data"
    for name in ("provider.yml", "monitor.yml", "alert.yml"):
        copy(ROOT / "cfn" / name, data / "cfn" / name)
    for file in sorted((ROOT / "cfn/lint").iterdir()):
        if file.is_file():
            copy(file, data / "lint" / file.name)
    architectures = [one for one in ARCHITECTURES if (options.zips / one).is_dir()]
    if not architectures:
        raise Problem(f"{options.zips} has no folder arm64 or x86_64: make build ARCH=x86_64 BUILD={options.zips}/x86_64")
    for architecture in architectures:
        for name in ZIPS.values():
            copy(options.zips / architecture / name, data / "zips" / architecture / name)
    binaries = [copy(options.rehearse, data / "bin/rehearse")]
    for name, zip_name in ZIPS.items():
        target = data / "bin" / name
        if options.functions:
            copy(options.functions / name, target)
        else:
            archive = options.zips / architecture_of(options.rehearse) / zip_name
            if not archive.is_file():
                raise Problem(f"rehearse needs {archive}: make build for its architecture, too")
            with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as opened:
                target.write_bytes(opened.read("bootstrap"))
        binaries.append(target)
    for binary in binaries:
        binary.chmod(0o755)
    if options.url:
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[project.urls]\nRepository = "{options.url}"\n')
    return binaries


def copy(source: Path, target: Path) -> Path:
    if not source.is_file():
        raise Problem(f"there is no {source}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def wheel(options: argparse.Namespace) -> Path:
    """The file that was written."""
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        binaries = stage(Path(directory), options)
        platform = options.platform or platform_of(binaries)
        # The same files make the same wheel: Hatch dates all of them by this.
        environment = os.environ | {"WHEEL_PLATFORM": platform, "SOURCE_DATE_EPOCH": "315532800"}
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Problem(f"hatchling failed: {done.stderr or done.stdout}")
        [made] = Path(directory, "dist").glob("*.whl")
        for old in options.out.glob(f"ecs_tasks-*_{platform.rsplit('_', 1)[-1]}.whl"):
            old.unlink()
        return Path(shutil.copy(made, options.out))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name in ("zips", "rehearse", "licences"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--functions", type=Path)
    parser.add_argument("--platform")
    parser.add_argument("--url")
    try:
        made = wheel(parser.parse_args(arguments))
    except Problem as problem:
        print(f"wheel: {problem}", file=sys.stderr)
        return 1
    size = made.stat().st_size
    print(f"=> {made}: {size:,} bytes")
    if size > LIMIT:
        print(f"wheel: {made.name} is larger than {LIMIT:,} bytes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
