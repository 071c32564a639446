"""Go's sumdb packages, which run Go's own checksum database, accept our checkpoints, tiles, proofs.

Skipped where Go or the package (Debian: golang-go, golang-golang-x-mod-dev) is not installed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rightface.ledger.verify import consistency, prove

from .conftest import Published
from .sample import flipped, grow

GOPATH = Path("/usr/share/gocode")
SOURCE = Path(__file__).parent / "sumdb" / "main.go"


@pytest.fixture(scope="module")
def sumdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built from Go's packages as Debian ships them."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    home = tmp_path_factory.mktemp("go")
    offline = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "GOPROXY": "off"}
    environment = {"HOME": str(home)} | os.environ | offline
    built = home / "sumdb"
    subprocess.run([go, "build", "-o", built, SOURCE], env=environment, check=True, timeout=280)
    return built


def text(hash_: bytes) -> str:
    return base64.b64encode(hash_).decode()


def ask(sumdb: Path, ledger: Published, count: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the checker over the public files, with `count` proofs of ours of either kind."""
    last = ledger.publisher.last()
    assert last is not None
    size = last.size
    indices = sorted({size * step // count for step in range(count)} if size and count else [])
    inclusion = [
        {"Index": index, "Path": [text(h) for h in prove(ledger.directory, index).path]}
        for index in indices
    ]
    pairs = [(old, new) for new in indices for old in indices if 0 < old <= new]
    grown = [consistency(ledger.directory, old, new) for old, new in pairs]
    growth = [
        {
            "Old": proof.old,
            "New": proof.new,
            "OldRoot": text(proof.old_root),
            "NewRoot": text(proof.new_root),
            "Path": [text(h) for h in proof.path],
        }
        for proof in grown
    ]
    return subprocess.run(
        [sumdb, ledger.directory, ledger.vkey],
        input=json.dumps({"Inclusion": inclusion, "Consistency": growth}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_go_accepts_a_ledger_as_it_grows(sumdb: Path, ledger: Published) -> None:
    for step in (0, 1, 1, 1, 1, 5, 50, 195, 1, 1, 1, 254, 1, 88, 400):
        grow(ledger.database, step)
        ledger.publisher.publish()
        answer = ask(sumdb, ledger, count=14)
        assert answer.returncode == 0, answer.stderr


def test_go_accepts_a_large_ledger(sumdb: Path, large: Published) -> None:
    answer = ask(sumdb, large, count=25)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "70000 entries, 25 inclusion proofs, 300 consistency proofs\n"


@pytest.mark.parametrize(
    ("path", "offset"),
    [("checkpoint", 20), ("tile/0/001", 99), ("tile/entries/002.p/88", 7), ("tile/1/000.p/2", 0)],
)
def test_go_refuses_what_is_damaged(sumdb: Path, small: Published, path: str, offset: int) -> None:
    assert ask(sumdb, small).returncode == 0
    with flipped(small.directory / path, offset):
        answer = subprocess.run(
            [sumdb, small.directory, small.vkey],
            input="{}",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert answer.returncode == 1, answer.stderr
