"""The layout of C2SP tlog-tiles: which files a tree of a given size has, and their bytes.

A tile holds up to 256 hashes of one level; an entry bundle holds the entries under a level-0 tile.
See https://c2sp.org/tlog-tiles. Must never know SQL, keys or where the files lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rightface.errors import LedgerError
from rightface.ledger.merkle import HASH, fold, root

WIDTH = 256  # hashes in a full tile, entries in a full bundle
TILE_BYTES = WIDTH * HASH
ENTRY_LIMIT = 65_535  # bytes; the length prefix is a uint16
BUNDLE_BYTES = WIDTH * (2 + ENTRY_LIMIT)
ENTRIES = -1  # the "level" of entry bundles

_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, order=True)
class Tile:
    """One tile (level 0 to 63), or the entry bundle (level `ENTRIES`), number `index`."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the ledger's prefix, for example `tile/0/x001/234.p/17`."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        number = f"{self.index % 1000:03d}"
        rest = self.index // 1000
        while rest:
            number = f"x{rest % 1000:03d}/{number}"
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{number}{partial}"

    @property
    def full(self) -> Tile:
        """The same tile when it is full."""
        return Tile(self.level, self.index)

    @property
    def byte_limit(self) -> int:
        """No file of this tile is larger."""
        return BUNDLE_BYTES if self.level == ENTRIES else TILE_BYTES


def parse_path(path: str) -> Tile | None:
    """The tile that a path names; None if it names none, or not in the one right way."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = ENTRIES if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", "") + match[3])
    tile = Tile(level, index, int(match[4]) if match[4] else WIDTH)
    return tile if tile.path == path and level <= 63 and tile.width <= WIDTH else None


def hashes_at(level: int, size: int) -> int:
    """How many hashes level `level` has in a tree of `size` leaves."""
    return size >> (8 * max(level, 0))


def levels(size: int) -> int:
    """How many levels of tiles a tree of `size` leaves has."""
    return (max(size.bit_length() - 1, 0)) // 8 + 1 if size else 0


def tile_at(level: int, index: int, size: int) -> Tile:
    """Tile `index` of a level as a tree of `size` leaves has it (its width is at least 1)."""
    return Tile(level, index, min(WIDTH, hashes_at(level, size) - index * WIDTH))


def tiles_of(level: int, size: int, start: int = 0) -> Iterator[Tile]:
    """The tiles of a level in a tree of `size` leaves, from the one that holds hash `start`."""
    for index in range(start // WIDTH, -(-hashes_at(level, size) // WIDTH)):
        yield tile_at(level, index, size)


def edge_of(size: int) -> list[Tile]:
    """The partial tiles on the tree's right edge, the topmost level first."""
    tiles = (
        tile_at(level, hashes_at(level, size) // WIDTH, size)
        for level in reversed(range(levels(size)))
        if hashes_at(level, size) % WIDTH
    )
    return list(tiles)


def edge_root(parts: Iterable[bytes]) -> bytes:
    """The tree's root from the contents of its right-edge tiles, the topmost level first."""
    return fold([peak for part in parts for peak in _peaks(part)])


def _peaks(part: bytes) -> Iterator[bytes]:
    # The perfect subtrees within one partial tile, largest first.
    start, left = 0, len(part) // HASH
    while left:
        width = 1 << (left.bit_length() - 1)
        yield root(part[start * HASH : (start + width) * HASH])
        start += width
        left -= width


def pack(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length as a big-endian uint16."""
    try:
        return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])
    except OverflowError:
        raise LedgerError(f"An entry is longer than {ENTRY_LIMIT} bytes.") from None


def unpack(bundle: bytes) -> tuple[list[bytes], bool]:
    """The entries of a bundle, and whether it ended where an entry ends.

    Reads what it can: a damaged bundle yields the entries before the damage.
    """
    entries: list[bytes] = []
    at, end = 0, len(bundle)
    while at + 2 <= end:
        length = int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 + length > end:
            return entries, False
        entries.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    return entries, at == end


def beginning(tile: Tile, content: bytes) -> bytes:
    """The bytes of a partial tile or bundle, from those of one that has grown since."""
    if tile.level == ENTRIES:
        return pack(unpack(content)[0][: tile.width])
    return content[: tile.width * HASH]
