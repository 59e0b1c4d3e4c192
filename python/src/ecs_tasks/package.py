"""The files that the package carries: binaries, zips, templates, lint rules."""

from pathlib import Path

DATA = Path(__file__).with_name("data")
ARCHITECTURES = ("arm64", "x86_64")


def binary(name: str) -> Path:
    """A program for this machine."""
    return DATA / "bin" / name


def code(architecture: str, zip_name: str) -> Path:
    """A function's zip, as `make build` made it."""
    return DATA / "zips" / architecture / zip_name


def template(name: str) -> Path:
    return DATA / "cfn" / name


def lint_rules() -> Path:
    return DATA / "lint"
