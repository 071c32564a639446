"""Tile paths, widths and bundles, against the examples of C2SP tlog-tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.errors import LedgerError
from rightface.ledger.tiles import (
    ENTRIES,
    Tile,
    beginning,
    edge_of,
    levels,
    pack,
    parse_path,
    tiles_of,
    unpack,
)

from .conftest import Published
from .sample import all_files


def test_the_specification_s_paths() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(0, 999).path == "tile/0/999"
    assert Tile(0, 1000).path == "tile/0/x001/000"
    assert Tile(ENTRIES, 1234067, 8).path == "tile/entries/x001/x234/067.p/8"
    assert Tile(63, 0, 255).path == "tile/63/000.p/255"


def test_the_specification_s_tree_of_70_000(large: Published) -> None:
    assert [tile.path for tile in tiles_of(0, 70_000)][-1] == "tile/0/273.p/112"
    paths = set(all_files(large.directory))
    full = {tile.path for level in (0, 1) for tile in tiles_of(level, 70_000)}
    assert len([path for path in full if path.startswith("tile/0/")]) == 274
    expected = full | {"tile/2/000.p/1", "checkpoint", "vkey"}
    expected |= {path.replace("tile/0/", "tile/entries/") for path in full if "/0/" in path}
    assert expected <= paths
    assert {"tile/1/000", "tile/1/001.p/17"} <= full
    # Published at 66,000 too; those partial tiles went when the full ones came, but for level 1.
    assert paths - expected == {"tile/1/001.p/1"}


def test_a_tree_of_256_has_a_level_above() -> None:
    assert levels(255) == 1
    assert levels(256) == 2
    assert edge_of(256) == [Tile(1, 0, 1)]
    assert list(tiles_of(0, 256)) == [Tile(0, 0)]
    assert edge_of(0) == []


@given(st.integers(-1, 63), st.integers(0, 2**60), st.integers(1, 256))
def test_a_path_names_its_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/data/001",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/300",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001/",
        "tile/0/001\n",
        "tile/0/٠٠١",
        "/tile/0/001",
        "../tile/0/001",
    ],
)
def test_what_is_no_path(path: str) -> None:
    assert parse_path(path) is None


@given(st.text())
def test_no_text_crashes_the_reader_of_paths(text: str) -> None:
    parse_path(text)
    parse_path(f"tile/{text}")


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_bundles_survive(entries: list[bytes]) -> None:
    bundle = pack(entries)
    assert unpack(bundle) == (entries, True)
    assert beginning(Tile(ENTRIES, 0, 3), bundle) == pack(entries[:3])
    for cut in range(len(bundle)):
        found, ended = unpack(bundle[:cut])
        assert found == entries[: len(found)]
        assert not ended or pack(found) == bundle[:cut]


def test_lengths_are_big_endian() -> None:
    assert pack([b"a", b"b" * 258]) == b"\x00\x01a" + b"\x01\x02" + b"b" * 258


def test_an_entry_that_no_length_can_tell_is_refused() -> None:
    assert len(pack([b"x" * 65_535])) == 65_537
    with pytest.raises(LedgerError):
        pack([b"x" * 65_536])
