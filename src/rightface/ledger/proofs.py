"""Proofs from the public files: that an entry is in the ledger, and that the ledger only grew.

Few files are read: some tiles, one bundle, the checkpoint. A proof is checked before it is handed
out, and can be checked offline by anybody's verifier. Must never know the database or leaves' text.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from rightface.errors import LedgerError
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.merkle import (
    HASH,
    consistency_path,
    extends,
    fold,
    includes,
    inclusion_path,
    leaf_hash,
    perfect_ranges,
    root,
)
from rightface.ledger.note import NOTE_LIMIT, NoteKey, decode_base64
from rightface.ledger.source import Source, open_source
from rightface.ledger.tiles import ENTRIES, WIDTH, Tile, beginning, tile_at, unpack
from rightface.ledger.trust import find_key, read_checkpoint

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, kw_only=True)
class InclusionProof:
    """Proof that `entry` stands at `index` of the ledger whose state `checkpoint` signs."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    """Hashes of 32 bytes, from the entry's sibling up to the root's child (RFC 6962, 2.1.1)."""
    checkpoint: Checkpoint
    pinned: bool
    """Whether the key that the checkpoint was read under was given by the caller."""

    @property
    def size(self) -> int:
        """How many entries the checkpoint covers."""
        return self.checkpoint.size

    def check(self) -> bool:
        """Whether the path leads from the entry to the signed root."""
        leaf = leaf_hash(self.entry)
        return includes(leaf, self.index, self.size, self.path, self.checkpoint.root)

    def text(self) -> str:
        """The proof in the form of C2SP tlog-proof; the entry goes beside it."""
        lines = [_HEADER, f"index {self.index}"]
        lines += [base64.b64encode(step).decode() for step in self.path]
        return "\n".join(lines) + "\n\n" + self.checkpoint.note.decode()

    @classmethod
    def open(cls, text: bytes, entry: bytes, vkey: str) -> InclusionProof:
        """The proof in `text` (C2SP tlog-proof), checked for `entry` under the key `vkey`. Offline.

        Raises:
            LedgerError: malformed, signed by another key, or it does not prove this entry.
        """
        head, blank, note = text[: 2 * NOTE_LIMIT].partition(b"\n\n")
        lines = head.decode("utf-8", "replace").split("\n")
        lines = [line for line in lines if not line.startswith("extra ")]
        path = [decode_base64(line) for line in lines[2:]]
        index = lines[1].removeprefix("index ") if len(lines) > 1 else ""
        numbered = index.isascii() and index.isdigit() and len(index) < 20
        if not blank or lines[0] != _HEADER or not numbered or str(int(index)) != index:
            raise LedgerError("This is not a proof.", why=f"It should begin with '{_HEADER}'.")
        if not all(step is not None and len(step) == HASH for step in path):
            raise LedgerError("This is not a proof.", why="A line is not the base64 of a digest.")
        proof = cls(
            index=int(index),
            entry=entry,
            path=tuple(step for step in path if step),
            checkpoint=Checkpoint.open(note, [NoteKey.parse(vkey.strip())]),
            pinned=True,
        )
        if not proof.check():
            raise LedgerError("The proof does not show that this entry is in the ledger.")
        return proof


@dataclass(frozen=True, kw_only=True)
class ConsistencyProof:
    """Proof that the ledger of `new` entries begins with the ledger of `old` entries."""

    old: int
    old_root: bytes
    new: int
    new_root: bytes
    path: tuple[bytes, ...]
    """Hashes of 32 bytes, in the order of RFC 6962, 2.1.2."""
    checkpoint: Checkpoint
    """The signed state that the tiles were checked against; it covers at least `new` entries."""
    pinned: bool

    def check(self) -> bool:
        """Whether the path shows that the new tree begins with the old one."""
        return extends(self.old, self.old_root, self.new, self.new_root, self.path)


def prove(source: Path | str | Source, index: int, vkey: str | None = None) -> InclusionProof:
    """Prove that entry `index` is in the ledger at `source`, against its checkpoint.

    Raises:
        LedgerError: no such entry, or the files are damaged and no proof can be given.
    """
    tree = _Tree(open_source(source), vkey)
    size = tree.checkpoint.size
    if not 0 <= index < size:
        raise LedgerError(
            f"Entry {index} is not published.", why=f"The checkpoint covers {size} entries."
        )
    proof = InclusionProof(
        index=index,
        entry=tree.entry(index),
        path=inclusion_path(index, size, tree.range_root),
        checkpoint=tree.checkpoint,
        pinned=tree.pinned,
    )
    if not proof.check():
        raise _damaged(f"The files do not prove entry {index}.")
    return proof


def consistency(
    source: Path | str | Source, old: int, new: int | None = None, vkey: str | None = None
) -> ConsistencyProof:
    """Prove that the first `new` entries (all that are signed) begin with the first `old`.

    Compare `old_root` with the root that you kept; `grown_from` does so.

    Raises:
        LedgerError: the sizes are out of order or not published, or the files are damaged.
    """
    tree = _Tree(open_source(source), vkey)
    size, signed = tree.checkpoint.size, tree.checkpoint.root
    new = size if new is None else new
    if not 0 <= old <= new <= size:
        raise LedgerError(
            f"There is no proof from {old} to {new} entries.",
            why=f"It goes from a smaller to a larger ledger, of at most {size} entries.",
        )
    new_root = tree.range_root(0, new)
    proof = ConsistencyProof(
        old=old,
        old_root=tree.range_root(0, old),
        new=new,
        new_root=new_root,
        path=consistency_path(old, new, tree.range_root),
        checkpoint=tree.checkpoint,
        pinned=tree.pinned,
    )
    onward = consistency_path(new, size, tree.range_root)
    if not proof.check() or not extends(new, new_root, size, signed, onward):
        raise _damaged(f"The files do not prove the way from {old} to {new} entries.")
    return proof


def grown_from(source: Path | str | Source, kept: bytes, vkey: str) -> ConsistencyProof:
    """Prove that the ledger at `source` grew from the signed checkpoint that the caller kept.

    Raises:
        LedgerError: one of the two is not signed under `vkey`, or the ledger was rewritten since.
    """
    before = Checkpoint.open(kept, [NoteKey.parse(vkey.strip())])
    files = open_source(source)
    now = read_checkpoint(files, find_key(files, vkey))
    if now.size < before.size:
        raise _rewritten(f"It now signs {now.size} entries; it signed {before.size} before.")
    proof = consistency(files, before.size, now.size, vkey)
    if proof.old_root != before.root:
        raise _rewritten(f"Its first {before.size} entries are not those of the kept checkpoint.")
    return proof


class _Tree:
    """Hashes of the tree under one checkpoint, read from tiles as they are needed."""

    def __init__(self, files: Source, vkey: str | None) -> None:
        trust = find_key(files, vkey)
        self.pinned = trust.pinned
        self.checkpoint = read_checkpoint(files, trust)
        self._files = files
        self._tiles: dict[Tile, bytes] = {}

    def range_root(self, start: int, end: int) -> bytes:
        """See `merkle.RangeRoot`."""
        return fold([self._subtree(*each) for each in perfect_ranges(start, end)])

    def entry(self, index: int) -> bytes:
        tile = tile_at(0, index // WIDTH, self.checkpoint.size)
        bundle = Tile(ENTRIES, tile.index, tile.width)
        entries, _ = unpack(self._content(bundle))
        if index % WIDTH >= len(entries):
            raise _damaged(f"The file '{bundle.path}' breaks off before entry {index}.")
        return entries[index % WIDTH]

    def _subtree(self, start: int, end: int) -> bytes:
        # The root over an aligned power of two of leaves: a run of hashes within one tile.
        height = (end - start).bit_length() - 1
        level = height // 8
        first, count = start >> (8 * level), 1 << (height % 8)
        tile = tile_at(level, first // WIDTH, self.checkpoint.size)
        content = self._content(tile)
        if len(content) != tile.width * HASH:
            raise _damaged(f"The file '{tile.path}' has a wrong length.")
        at = first % WIDTH * HASH
        return root(content[at : at + count * HASH])

    def _content(self, tile: Tile) -> bytes:
        if tile not in self._tiles:
            content = self._files.read(tile.path, tile.byte_limit)
            if content is None and tile.width < WIDTH:  # grown since: the full one begins with it
                full = self._files.read(tile.full.path, tile.byte_limit)
                content = None if full is None else beginning(tile, full)
            if content is None:
                raise _damaged(f"The file '{tile.path}' is missing.")
            self._tiles[tile] = content
        return self._tiles[tile]


def _damaged(what: str) -> LedgerError:
    return LedgerError(what, mend="Run: rightface ledger verify. It says what is damaged.")


def _rewritten(why: str) -> LedgerError:
    return LedgerError(
        "The ledger was rewritten.",
        why=why,
        mend="Keep both checkpoints: together they are the evidence.",
    )
