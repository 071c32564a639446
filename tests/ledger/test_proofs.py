"""Proofs from public files: good ones check, everything else is refused in plain words."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import LedgerError
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.ledger.merkle import EMPTY_ROOT, leaf_hash
from rightface.ledger.note import NoteKey
from rightface.ledger.proofs import InclusionProof, grown_from
from rightface.ledger.publish import Publisher
from rightface.ledger.tiles import pack, unpack
from rightface.ledger.verify import consistency, prove

from .conftest import Published
from .sample import ORIGIN, a_leaf, flipped, grow, served


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 512, 599])
def test_an_entry_is_proved(small: Published, index: int) -> None:
    proof = prove(small.directory, index, small.vkey)
    assert proof.check()
    assert proof.pinned
    assert (proof.index, proof.size) == (index, 600)
    assert Leaf.parse(proof.entry) == a_leaf(index)


def test_over_http(large: Published) -> None:
    with served(large.directory) as address:
        assert prove(address, 69_999, large.vkey).check()
        assert consistency(address, 1, None, large.vkey).check()


def test_without_a_pinned_key_the_proof_says_so(small: Published) -> None:
    assert not prove(small.directory, 3).pinned
    assert not consistency(small.directory, 3).pinned


@pytest.mark.parametrize("index", [-1, 600, 10**30])
def test_what_is_not_published_is_not_proved(small: Published, index: int) -> None:
    with pytest.raises(LedgerError, match="covers 600 entries"):
        prove(small.directory, index, small.vkey)


def test_the_text_form_is_that_of_c2sp(small: Published) -> None:
    proof = prove(small.directory, 73, small.vkey)
    lines = proof.text().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 73"]
    blank = lines.index("")
    assert [base64.b64decode(line) for line in lines[2:blank]] == list(proof.path)
    assert lines[blank + 1] == ORIGIN
    assert proof.text().endswith((small.directory / "checkpoint").read_text("utf-8"))


def test_the_text_form_is_checked_offline(small: Published) -> None:
    proof = prove(small.directory, 73, small.vkey)
    text = proof.text().encode()
    assert InclusionProof.open(text, proof.entry, small.vkey) == proof
    extra = text.replace(b"@v1\n", b"@v1\nextra AAAA\n")
    assert InclusionProof.open(extra, proof.entry, small.vkey) == proof
    with pytest.raises(LedgerError, match="does not show"):
        InclusionProof.open(text, proof.entry + b" ", small.vkey)
    with pytest.raises(LedgerError):
        InclusionProof.open(text, proof.entry, a_strangers_vkey())


def a_strangers_vkey() -> str:
    return NoteKey(ORIGIN, bytes(31) + b"\x01").vkey


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_proof_passes(small: Published, data: st.DataObject) -> None:
    proof = prove(small.directory, 300, small.vkey)
    changed = bytearray(proof.text().encode())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LedgerError):
        InclusionProof.open(bytes(changed), proof.entry, small.vkey)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_proofs(content: bytes) -> None:
    with pytest.raises(LedgerError):
        InclusionProof.open(content, b"", NoteKey(ORIGIN, bytes(32)).vkey)
    with pytest.raises(LedgerError):
        InclusionProof.open(b"c2sp.org/tlog-proof@v1\n" + content, b"", "x")


@pytest.mark.parametrize(
    ("path", "offset"), [("tile/0/001", 40), ("tile/1/000.p/2", 0), ("tile/entries/001", 40)]
)
def test_damaged_files_prove_nothing(small: Published, path: str, offset: int) -> None:
    with flipped(small.directory / path, offset), pytest.raises(LedgerError, match="verify"):
        prove(small.directory, 256, small.vkey)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/2"])
def test_damaged_files_prove_no_consistency(small: Published, path: str) -> None:
    with flipped(small.directory / path, 40), pytest.raises(LedgerError, match="verify"):
        consistency(small.directory, 257, 590, small.vkey)


@pytest.mark.parametrize(("old", "new"), [(0, 600), (0, 512), (600, 600)])
def test_damaged_files_make_up_no_root(small: Published, old: int, new: int) -> None:
    damaged = flipped(small.directory / "tile/1/000.p/2", 0)
    with damaged, pytest.raises(LedgerError, match="verify"):
        consistency(small.directory, old, new, small.vkey)


def test_missing_files_prove_nothing(small: Published, tmp_path: Path) -> None:
    for path in ("tile/0/000", "tile/entries/000", "tile/1/000.p/2", "tile/0/002.p/88"):
        copy = tmp_path / path.replace("/", "_")
        shutil.copytree(small.directory, copy)
        (copy / path).unlink()
        with pytest.raises(LedgerError, match=f"'{path}' is missing"):
            prove(copy, 0, small.vkey)


@pytest.mark.parametrize(
    ("old", "new"), [(0, 0), (0, 600), (1, 600), (256, 512), (257, 600), (500, 590), (600, 600)]
)
def test_growth_is_proved(small: Published, old: int, new: int) -> None:
    proof = consistency(small.directory, old, new, small.vkey)
    assert proof.check()
    assert (proof.old, proof.new, proof.pinned) == (old, new, True)
    if old == 0:
        assert proof.old_root == EMPTY_ROOT


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4), (0, 601), (601, 602), (601, None)])
def test_what_is_no_growth(small: Published, old: int, new: int | None) -> None:
    with pytest.raises(LedgerError, match="at most 600"):
        consistency(small.directory, old, new, small.vkey)


def test_a_kept_checkpoint_shows_that_the_ledger_only_grew(ledger: Published) -> None:
    grow(ledger.database, 300)
    kept = ledger.publisher.publish().note
    grow(ledger.database, 400)
    ledger.publisher.publish()
    proof = grown_from(ledger.directory, kept, ledger.vkey)
    assert (proof.old, proof.new) == (300, 700)
    assert proof.check()
    assert grown_from(ledger.directory, ledger.publisher.publish().note, ledger.vkey).path == ()


def rewrite(ledger: Published, target: Path, count: int, entry: int | None = None) -> Path:
    """A second history, signed with the ledger's own key: what an operator who cheats can do."""
    target.mkdir()
    database = Database(f"sqlite:///{target / 'other.db'}")
    log.TABLE.create(database.engine)

    def work(session: Session) -> None:
        for index in range(count):
            leaf = a_leaf(index, outcome="allow") if index == entry else a_leaf(index)
            log.append(session, leaf)

    database.write(work)
    signer = ledger.keyring.signer("ledger")
    Publisher(database, target / "ledger", signer, ORIGIN).publish()
    database.close()
    return target / "ledger"


def test_a_rewritten_history_is_caught_by_who_kept_a_checkpoint(
    small: Published, tmp_path: Path
) -> None:
    kept = (small.directory / "checkpoint").read_bytes()
    changed = rewrite(small, tmp_path / "changed", 650, entry=5)
    with pytest.raises(LedgerError, match="first 600 entries are not those"):
        grown_from(changed, kept, small.vkey)
    shorter = rewrite(small, tmp_path / "shorter", 550)
    with pytest.raises(LedgerError, match="now signs 550 entries; it signed 600"):
        grown_from(shorter, kept, small.vkey)
    longer = rewrite(small, tmp_path / "longer", 650)
    assert grown_from(longer, kept, small.vkey).check()


def test_a_strangers_checkpoint_shows_nothing(small: Published, tmp_path: Path) -> None:
    stranger = KeyRing.create(tmp_path / "keys").signer("ledger")
    Publisher(small.database, tmp_path / "forged", stranger, ORIGIN).publish()
    kept = (tmp_path / "forged/checkpoint").read_bytes()
    with pytest.raises(LedgerError):
        grown_from(small.directory, kept, small.vkey)
    with pytest.raises(LedgerError):
        grown_from(tmp_path / "forged", (small.directory / "checkpoint").read_bytes(), small.vkey)


def test_an_entry_is_what_the_bundle_holds(small: Published) -> None:
    entries, _ = unpack((small.directory / "tile/entries/000").read_bytes())
    path = small.directory / "tile/entries/000"
    good = path.read_bytes()
    path.write_bytes(pack(entries[:10]))
    try:
        with pytest.raises(LedgerError, match="breaks off before entry 20"):
            prove(small.directory, 20, small.vkey)
        assert leaf_hash(prove(small.directory, 9, small.vkey).entry) == leaf_hash(entries[9])
    finally:
        path.write_bytes(good)
