"""Writes the licences of all that is compiled into the binaries, as each crate itself gives them.

    licences.py FILE

Cargo says which crates are compiled into ecs_tasks, ecs_events and rehearse; the texts stand in their sources.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin")
NAMES = ("licen", "copying", "copyright", "notice", "unlicense")
HEAD = "Licences of what is compiled into ecs_tasks, ecs_events and rehearse\n"


class Problem(Exception):
    """Something that the person who builds has to mend."""


def metadata(target: str) -> dict:
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"cargo metadata failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compiled(known: dict) -> set[str]:
    """IDs of the packages that the workspace's binaries are made of, without build scripts' and tests'."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    found, pending = set(), list(known["workspace_members"])
    while pending:
        one = pending.pop()
        if one in found:
            continue
        found.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                pending.append(dependency["pkg"])
    return found - set(known["workspace_members"])


def packages() -> list[dict]:
    """The crates that are compiled in on any target, by name and version."""
    found = {}
    for target in TARGETS:
        known = metadata(target)
        ids = compiled(known)
        found |= {one["id"]: one for one in known["packages"] if one["id"] in ids}
    return sorted(found.values(), key=lambda one: (one["name"], one["version"]))


def texts(package: dict) -> list[str]:
    """The licence files of a crate."""
    folder = Path(package["manifest_path"]).parent
    files = sorted(one for one in folder.iterdir() if one.is_file() and one.name.lower().startswith(NAMES))
    if not files and package.get("license_file"):
        files = [folder / package["license_file"]]
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in files]


def licences() -> str:
    """Each text once, with the crates that have it."""
    having: dict[str, list[str]] = {}
    listed = []
    for package in packages():
        name = f"{package['name']} {package['version']}"
        listed.append(f"  {name}: {package['license'] or 'see its text'}")
        found = texts(package)
        if not found and not package["license"]:
            raise Problem(f"{name} says nothing about its licence")
        for text in found:
            having.setdefault(text, []).append(name)
    parts = [HEAD, *listed]
    for text, names in having.items():
        parts += ["", "=" * 80, ", ".join(names), "-" * 80, text]
    return "\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        text = licences()
    except Problem as problem:
        print(f"licences: {problem}", file=sys.stderr)
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    print(f"=> {file}: {len(text):,} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
