"""Installs the packages of `make construct` into empty folders, as their users would."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/examples"))
from harness import run  # noqa: E402

CONSTRUCT = Path(os.environ.get("CONSTRUCT", ROOT / "build/construct"))
QUIET = {"CDK_DISABLE_CLI_TELEMETRY": "1", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}


def package(pattern):
    """The one package of this kind; `make construct` makes it."""
    found = list(CONSTRUCT.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"{len(found)} of {CONSTRUCT / pattern}, one is needed: run make construct")
    return found[0].resolve()


def tarball():
    return package("*.tgz")


def wheel():
    return package("*.whl")


def in_folder(case):
    """An empty folder, as long as the tests of this class run."""
    folder = tempfile.TemporaryDirectory()
    case.addClassCleanup(folder.cleanup)
    return Path(folder.name)


def must(command, cwd, **environment):
    """Runs a step that everything after it needs."""
    done = run(command, cwd=cwd, **QUIET, **environment)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done
