"""The verifier: a good ledger passes; a changed byte, wherever it is, is found and named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.errors import LedgerError
from rightface.keys import KeyRing
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.merkle import leaf_hash, root
from rightface.ledger.note import NoteKey
from rightface.ledger.publish import Publisher
from rightface.ledger.tiles import pack, unpack
from rightface.ledger.verify import verify

from .conftest import Published
from .sample import ORIGIN, all_files, flipped, served


def places(ledger: Published) -> set[str]:
    return {problem.where for problem in verify(ledger.directory, ledger.vkey).problems}


@contextmanager
def replaced(path: Path, content: bytes | None) -> Iterator[None]:
    good = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(good)


def test_a_good_ledger_passes(large: Published) -> None:
    found = verify(large.directory, large.vkey)
    last = large.publisher.last()
    assert last is not None
    assert (found.ok, found.pinned, found.remarks) == (True, True, ())
    assert (found.origin, found.size, found.root) == (ORIGIN, 70_000, last.root)
    assert verify(str(large.directory), large.vkey) == found


def test_without_a_pinned_key_it_says_so(small: Published) -> None:
    found = verify(small.directory)
    assert found.ok
    assert not found.pinned
    assert found.vkey == small.vkey
    assert "not pinned" in found.remarks[0]


def test_over_http(small: Published) -> None:
    with served(small.directory) as address:
        assert verify(address, small.vkey).ok
        assert verify(f"{address}/", small.vkey).ok
        assert verify(address).ok
        with flipped(small.directory / "tile/entries/001", 40):
            found = verify(address, small.vkey)
        assert [(p.where, p.entry) for p in found.problems] == [("tile/entries/001", 256)]


def test_over_http_old_partial_tiles_may_be_gone(large: Published) -> None:
    # A checkpoint from before: its partial tiles have grown full since, and are cut to fit.
    old = Checkpoint.sign(
        NoteKey(ORIGIN, large.keyring.signer("ledger").public_bytes),
        66_000,
        root(b"".join(_hashes(large.directory, 66_000))),
        large.keyring.signer("ledger"),
    )
    with replaced(large.directory / "checkpoint", old.note), served(large.directory) as address:
        found = verify(address, large.vkey)
    assert found.ok, found.problems
    assert found.size == 66_000


def _hashes(directory: Path, size: int) -> list[bytes]:
    hashes: list[bytes] = []
    for path in sorted((directory / "tile/entries").rglob("*")):
        if path.is_file():
            hashes += [leaf_hash(entry) for entry in unpack(path.read_bytes())[0]]
    return hashes[:size]


# ---------------------------------------------------------------- one byte, every class of place
def place_of(ledger: Published, path: str, entry: int, within: int) -> int:
    """The offset of byte `within` of an entry (its two length bytes first) in its bundle."""
    entries, _ = unpack((ledger.directory / path).read_bytes())
    return sum(2 + len(each) for each in entries[: entry % 256]) + within


ENTRY_PLACES = {
    "first_entry_long_length": (0, 0),
    "first_entry_short_length": (0, 1),
    "first_entry_first_byte": (0, 2),
    "entry_in_the_middle": (130, 50),
    "entry_in_the_middle_long_length": (130, 0),
    "entry_in_the_middle_short_length": (130, 1),
    "last_entry_of_a_full_bundle": (255, 20),
    "last_entry_of_a_full_bundle_length": (255, 1),
    "first_entry_of_the_second_bundle": (256, 2),
    "entry_of_the_partial_bundle": (555, 30),
    "entry_of_the_partial_bundle_length": (555, 0),
    "last_entry_of_all": (599, 60),
}


@pytest.mark.parametrize("name", ENTRY_PLACES)
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_a_flipped_byte_in_an_entry(small: Published, name: str, mask: int) -> None:
    entry, within = ENTRY_PLACES[name]
    path = f"tile/entries/{entry // 256:03d}" + (".p/88" if entry >= 512 else "")
    with flipped(small.directory / path, place_of(small, path, entry, within), mask):
        problems = verify(small.directory, small.vkey).problems
    assert [(problem.where, problem.entry) for problem in problems] == [(path, entry)]


TILE_PLACES = {
    "first_hash_of_a_full_tile": ("tile/0/000", 0, 0),
    "last_byte_of_a_full_tile": ("tile/0/001", 8191, 511),
    "partial_tile": ("tile/0/002.p/88", 32 * 87, 599),
    "level_1": ("tile/1/000.p/2", 40, None),
}


@pytest.mark.parametrize("name", TILE_PLACES)
def test_a_flipped_byte_in_a_tile(small: Published, name: str) -> None:
    path, offset, entry = TILE_PLACES[name]
    with flipped(small.directory / path, offset):
        problems = verify(small.directory, small.vkey).problems
    assert [(problem.where, problem.entry) for problem in problems] == [(path, entry)]
    assert f"Hash {offset % 8192 // 32} " in problems[0].what


@pytest.mark.parametrize(
    ("path", "offset"), [("tile/1/000", 255 * 32), ("tile/1/001.p/17", 3), ("tile/2/000.p/1", 31)]
)
def test_a_flipped_byte_in_the_upper_tiles_of_a_large_ledger(
    large: Published, path: str, offset: int
) -> None:
    with flipped(large.directory / path, offset):
        assert places(large) == {path}


@pytest.mark.parametrize("path", ["tile/0/002.p/78", "tile/entries/002.p/78"])
def test_a_flipped_byte_in_an_old_partial_file(small: Published, path: str) -> None:
    with flipped(small.directory / path, 5):
        assert places(small) == {path}


def test_a_flipped_byte_in_the_checkpoint(small: Published) -> None:
    for offset in range(len((small.directory / "checkpoint").read_bytes())):
        with flipped(small.directory / "checkpoint", offset):
            assert places(small) == {"checkpoint"}, offset


def test_a_flipped_byte_in_the_published_key(small: Published) -> None:
    for offset in range(len((small.directory / "vkey").read_bytes())):
        with flipped(small.directory / "vkey", offset):
            assert places(small) == {"vkey"}, offset
            assert {problem.where for problem in verify(small.directory).problems} == {"vkey"}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_flipped_byte_in_any_file_is_found_and_named(
    small: Published, data: st.DataObject
) -> None:
    files = all_files(small.directory)
    path = data.draw(st.sampled_from(sorted(files)))
    offset = data.draw(st.integers(0, len(files[path]) - 1))
    with flipped(small.directory / path, offset, data.draw(st.integers(1, 255))):
        assert places(small) == {path}
    assert verify(small.directory, small.vkey).ok


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_in_two_files_is_found_in_both(small: Published, data: st.DataObject) -> None:
    files = all_files(small.directory)
    names = sorted(path for path in files if path.startswith("tile/"))
    first, second = data.draw(st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True))
    at = [data.draw(st.integers(0, len(files[path]) - 1)) for path in (first, second)]
    with flipped(small.directory / first, at[0]), flipped(small.directory / second, at[1]):
        found = places(small)
    # Two damaged files that speak for each other can hide which is which, never that one is.
    assert found & {first, second}
    assert found <= {first, second} or len(found) >= 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_other_content_of_any_file_is_found(small: Published, data: st.DataObject) -> None:
    files = all_files(small.directory)
    path = data.draw(st.sampled_from(sorted(files)))
    cut = data.draw(st.integers(0, len(files[path])))
    content = files[path][:cut] + data.draw(st.binary(max_size=50))
    if content == files[path]:
        return
    with replaced(small.directory / path, content):
        assert places(small) == {path}


NEEDED = ["checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/entries/001", "tile/1/000.p/2"]


@pytest.mark.parametrize("path", NEEDED)
def test_a_missing_file_is_named(small: Published, path: str) -> None:
    with replaced(small.directory / path, None):
        problems = verify(small.directory, small.vkey).problems
    assert [problem.where for problem in problems] == [path]
    assert "missing" in problems[0].what


def test_a_file_that_is_far_too_large_is_not_read_to_the_end(small: Published) -> None:
    path = small.directory / "tile/0/000"
    with replaced(path, b"x" * 10_000_000):
        problems = verify(small.directory, small.vkey).problems
    assert [problem.where for problem in problems] == ["tile/0/000"]
    assert "too large" in problems[0].what


# ---------------------------------------------------------------- more than a byte
def rewritten(source: Path, target: Path, entry: int) -> None:
    """An entry changed together with its level-0 tile."""
    shutil.copytree(source, target)
    bundle = target / f"tile/entries/{entry // 256:03d}"
    tile = target / f"tile/0/{entry // 256:03d}"
    entries, _ = unpack(bundle.read_bytes())
    entries[entry % 256] = entries[entry % 256].replace(b'"deny"', b'"allow"')
    bundle.write_bytes(pack(entries))
    tile.write_bytes(b"".join(leaf_hash(each) for each in entries))


def test_an_entry_rewritten_with_its_tile_does_not_fit_the_tree(
    small: Published, tmp_path: Path
) -> None:
    rewritten(small.directory, tmp_path / "copy", 300)
    problems = verify(tmp_path / "copy", small.vkey).problems
    assert [problem.where for problem in problems] == ["tile/entries/001"]
    assert "Entries 256 to 511" in problems[0].what


def test_an_entry_rewritten_up_to_the_root_does_not_fit_the_signature(
    small: Published, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    rewritten(small.directory, copy, 300)
    first = (copy / "tile/1/000.p/2").read_bytes()[:32]
    (copy / "tile/1/000.p/2").write_bytes(first + root((copy / "tile/0/001").read_bytes()))
    problems = verify(copy, small.vkey).problems
    assert [problem.where for problem in problems] == ["checkpoint"]
    assert small_root(small).hex() in problems[0].what


def small_root(small: Published) -> bytes:
    last = small.publisher.last()
    assert last is not None
    return last.root


def test_a_ledger_signed_anew_by_a_stranger(small: Published, tmp_path: Path) -> None:
    stranger = KeyRing.create(tmp_path / "keys").signer("ledger")
    forged = Publisher(small.database, tmp_path / "forged", stranger, ORIGIN)
    forged.publish()
    assert verify(tmp_path / "forged").ok  # the files fit each other: that is all it shows
    assert not verify(tmp_path / "forged").pinned
    found = verify(tmp_path / "forged", small.vkey)
    assert [problem.where for problem in found.problems] == ["checkpoint"]


def test_another_ledger_of_the_same_key(small: Published, tmp_path: Path) -> None:
    signer = small.keyring.signer("ledger")
    Publisher(small.database, tmp_path / "other", signer, "example.com/other").publish()
    assert verify(tmp_path / "other").ok
    assert [p.where for p in verify(tmp_path / "other", small.vkey).problems] == ["checkpoint"]


def test_a_claimed_size_without_files_ends_soon(tmp_path: Path) -> None:
    signer = KeyRing.create(tmp_path / "keys").signer("ledger")
    key = NoteKey(ORIGIN, signer.public_bytes)
    public = tmp_path / "ledger"
    public.mkdir()
    checkpoint = Checkpoint.sign(key, (1 << 63) - 1, bytes(32), signer)
    (public / "checkpoint").write_bytes(checkpoint.note)
    problems = verify(public, key.vkey).problems
    assert len(problems) == 101
    assert "stopped" in problems[-1].what


def test_what_is_no_ledger(tmp_path: Path, small: Published) -> None:
    with pytest.raises(LedgerError, match="not a directory"):
        verify(tmp_path / "nothing", small.vkey)
    with pytest.raises(LedgerError, match="http"):
        verify("file:///etc", small.vkey)
    with pytest.raises(LedgerError, match="public key"):
        verify(small.directory, "not a key")
    (tmp_path / "empty").mkdir()
    assert [p.where for p in verify(tmp_path / "empty").problems] == ["vkey"]
    assert [p.where for p in verify(tmp_path / "empty", small.vkey).problems] == ["checkpoint"]


def test_an_address_where_nobody_answers(small: Published) -> None:
    with served(small.directory) as address:
        pass
    with pytest.raises(LedgerError, match="could not be fetched"):
        verify(address, small.vkey)


def test_leftovers_of_a_crash_do_no_harm(small: Published, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small.directory, copy)
    (copy / "tile/0/.003.new").write_bytes(b"half a ti")
    (copy / "tile/0/002.p/99").write_bytes(b"beyond the checkpoint")
    (copy / "tile/0/009").write_bytes(b"beyond the checkpoint")
    assert verify(copy, small.vkey).ok
