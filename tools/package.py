"""Packs a binary into the zip that Lambda takes, if Amazon Linux 2023 can run it.

    package.py BINARY ZIP

The zip holds `bootstrap` alone. The same binary makes the same zip: its time stamp is fixed. A binary that names folders of
this machine is packed and reported: built elsewhere it would be another.
"""

import os
import sys
from datetime import datetime
from pathlib import Path

import deflate
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from stream_zip import ZIP_32, stream_zip

# The glibc of the runtime provided.al2023.
NEWEST_GLIBC = (2, 34)


def needed_glibc(binary: Path) -> tuple[int, ...]:
    """The newest version of glibc that the binary's symbols ask for."""
    needed = (0,)
    with binary.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not isinstance(section, GNUVerNeedSection):
                continue
            for _, versions in section.iter_versions():
                for version in versions:
                    if version.name.startswith("GLIBC_"):
                        number = version.name.removeprefix("GLIBC_")
                        if number[0].isdigit():
                            needed = max(needed, tuple(int(part) for part in number.split(".")))
    return needed


def folders_named(binary: Path, folders: list[Path]) -> list[str]:
    """Which of these folders the binary names."""
    content = binary.read_bytes()
    return [str(folder) for folder in folders if f"{folder}/".encode() in content]


def folders_of_the_build() -> list[Path]:
    """Where sources are compiled from: Cargo's registry, the toolchain's library, this project."""
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    return [cargo, rustup, Path.cwd()]


class Smallest:
    """libdeflate's best level, in the shape of zlib's compressor: 3.5 % smaller than zlib's best."""

    def __init__(self) -> None:
        self.content = b""

    def compress(self, part: bytes) -> bytes:
        self.content += part
        return b""

    def flush(self) -> bytes:
        return deflate.deflate_compress(self.content, 12)


def package(binary: Path, target: Path) -> None:
    """Writes the zip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    entry = ("bootstrap", datetime(1980, 1, 1), 0o100755, ZIP_32, [binary.read_bytes()])
    with target.open("wb") as file:
        file.writelines(stream_zip([entry], get_compressobj=Smallest, extended_timestamps=False))


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    binary, target = map(Path, arguments)
    glibc = needed_glibc(binary)
    shown = ".".join(map(str, glibc))
    if glibc > NEWEST_GLIBC:
        newest = ".".join(map(str, NEWEST_GLIBC))
        print(f"{binary} needs glibc {shown}, but Amazon Linux 2023 has {newest}: it would not start", file=sys.stderr)
        return 1
    package(binary, target)
    for folder in folders_named(binary, folders_of_the_build()):
        print(f"warning: {binary} names {folder}: built elsewhere, {target.name} has other bytes", file=sys.stderr)
    print(f"=> {target}: {target.stat().st_size:,} bytes, needs glibc {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
