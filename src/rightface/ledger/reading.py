"""Reads a ledger's entries from its public files, in order, held against a root that is signed.

Must never know the database, or what leaves say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rightface.errors import LedgerError
from rightface.ledger.merkle import leaf_hash
from rightface.ledger.merkle import root as root_of
from rightface.ledger.proofs import consistency
from rightface.ledger.source import Source, open_source
from rightface.ledger.tiles import ENTRIES, WIDTH, Tile, beginning, tiles_of, unpack


def signed_entries(
    source: Path | str | Source, size: int, root: bytes, vkey: str | None = None
) -> Iterator[bytes]:
    """The first `size` entries, whose root must be `root` and lie under the signed checkpoint.

    Trust what it yields only once it has ended: the last step is to compare the roots.

    Args:
        source: where the public files are.
        size: how many entries.
        root: the root over them, 32 bytes, kept from before.
        vkey: the ledger's public key, got in another way; without it the published one.

    Raises:
        LedgerError: not signed, damaged, or these are not the entries under `root`.
    """
    files = open_source(source)
    # 1. The signed checkpoint covers a tree that begins with `root`.
    if consistency(files, size, None, vkey).old_root != root:
        raise LedgerError(
            f"The ledger's first {size} entries are not those that the root stands for.",
            mend="Ask for the ledger, and the key, that the root belongs to.",
        )
    # 2. The entries hash to that root.
    hashes = []
    for tile in tiles_of(0, size):
        for entry in _entries(files, Tile(ENTRIES, tile.index, tile.width)):
            hashes.append(leaf_hash(entry))
            yield entry
    if len(hashes) != size or root_of(b"".join(hashes)) != root:
        raise LedgerError(
            "The ledger's entries are not those that were signed.",
            mend="Run: rightface ledger verify. It says what is damaged.",
        )


def _entries(files: Source, bundle: Tile) -> list[bytes]:
    content = files.read(bundle.path, bundle.byte_limit)
    if content is None and bundle.width < WIDTH:  # grown since: the full one begins with it
        full = files.read(bundle.full.path, bundle.byte_limit)
        content = None if full is None else beginning(bundle, full)
    if content is None:
        raise LedgerError(f"The ledger's file '{bundle.path}' is missing.")
    return unpack(content)[0]
