"""Known weaknesses of what is depended on: pip-audit over constraints.txt, npm audit over the lock.

Fails on a known weakness that `.ci/audit.toml` does not allow, and on an entry there whose end has
come. Where no advisory database answers, it says so, plainly, and does not fail: that nothing was
asked is not that nothing was found. pip-audit has a virtual environment of its own, `.venv-audit`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".venv-audit" / "bin" / "pip-audit"
NODE = ROOT / "tests" / "conformance" / "node"
SECONDS = 300
# How pip-audit says that a package's page did not come from PyPI: then nobody was asked about it.
_NOT_ASKED = "could not be audited"


def main() -> int:
    """0: nothing known, or nobody to ask; 1: a weakness, or an exception that has ended."""
    allowed, ended = allowances((ROOT / ".ci" / "audit.toml").read_text("utf-8"))
    found = python(allowed) + node(allowed)
    for each in ended:
        print(f"audit: the exception for {each} has ended; mend it, or say why not")
    for each in found:
        print(f"audit: {each}")
    return 1 if found or ended else 0


def allowances(text: str) -> tuple[frozenset[str], list[str]]:
    """The ids that are allowed today, and those whose end has come."""
    today = datetime.now(UTC).date()
    entries = tomllib.loads(text).get("allowed", [])
    for entry in entries:
        if not entry["reason"].strip():
            raise SystemExit(f"audit: {entry['id']} is allowed without a reason")
    standing = frozenset(entry["id"] for entry in entries if entry["until"] >= today)
    return standing, [entry["id"] for entry in entries if entry["until"] < today]


def python(allowed: frozenset[str]) -> list[str]:
    """What is known of the pinned Python packages."""
    command = [TOOL, "--disable-pip", "--no-deps", "--progress-spinner=off", "--format=json"]
    told = _asked([*command, "--requirement", ROOT / "constraints.txt"], ROOT)
    if told is None:
        pins = (ROOT / "constraints.txt").read_text("utf-8").split()
        print(f"audit: Python: {len(pins)} of {len(pins)} not audited: {_NOBODY}")
        return []
    found, asked, line = weaknesses_of_python(told, allowed)
    print(f"audit: Python: {line}")
    return found if asked else []


_NOBODY = "no advisory database answers from here"


def weaknesses_of_python(
    told: dict[str, Any], allowed: frozenset[str]
) -> tuple[list[str], int, str]:
    """pip-audit's answer: what is known and not allowed, how many were asked about, and a line."""
    packages = told["dependencies"]
    asked = [each for each in packages if _NOT_ASKED not in each.get("skip_reason", "")]
    found = [
        f"{each['name']} {each['version']}: {weakness['id']}"
        for each in asked
        for weakness in each.get("vulns", ())
        if allowed.isdisjoint({weakness["id"], *weakness.get("aliases", ())})
    ]
    missing = len(packages) - len(asked)
    line = f"{len(asked)} packages audited, {len(found)} weaknesses known"
    if missing:
        why = _NOBODY if not asked else "the database does not know them"
        line = f"{missing} of {len(packages)} not audited: {why}" + ("; " + line) * bool(asked)
    return found, len(asked), line


def node(allowed: frozenset[str]) -> list[str]:
    """What is known of the JavaScript packages of the conformance tests."""
    if shutil.which("npm") is None:
        print("audit: Node: not audited: npm is not here")
        return []
    told = _asked(["npm", "audit", "--json", "--package-lock-only"], NODE)
    if told is None or "vulnerabilities" not in told:
        lock = json.loads((NODE / "package-lock.json").read_text("utf-8"))
        count = len(lock["packages"]) - 1  # the first is our own
        print(f"audit: Node: {count} of {count} not audited: {_NOBODY}")
        return []
    found = weaknesses_of_node(told, allowed)
    print(f"audit: Node: {len(found)} weaknesses known")
    return found


def weaknesses_of_node(told: dict[str, Any], allowed: frozenset[str]) -> list[str]:
    """npm's answer: what is known and not allowed, by its GHSA id."""
    found = {
        f"{via['name']}: {via['url'].rpartition('/')[2]}"
        for package in told["vulnerabilities"].values()
        for via in package["via"]
        if isinstance(via, dict) and via["url"].rpartition("/")[2] not in allowed
    }
    return sorted(found)


def _asked(command: list[Any], where: Path) -> dict[str, Any] | None:
    # Both tools exit with 1 where something is known, so what they say counts, not how they end.
    try:
        done = subprocess.run(  # noqa: S603  # fixed words
            [str(word) for word in command],
            cwd=where,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"},
        )
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return told if isinstance(told, dict) else None


if __name__ == "__main__":
    sys.exit(main())
