"""Checkpoints: a ledger's name, size and root, signed. See https://c2sp.org/tlog-checkpoint.

Must never know where the tree lies or what its leaves say.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from rightface.errors import LedgerError
from rightface.keys import Signer
from rightface.ledger.merkle import EMPTY_ROOT, HASH
from rightface.ledger.note import NoteKey, decode_base64, open_note, sign_note

SIZE_LIMIT = 1 << 63


@dataclass(frozen=True)
class Checkpoint:
    """The state of a ledger: `root` (32 bytes) over its first `size` leaves, with its signature."""

    origin: str
    size: int
    root: bytes
    note: bytes
    """The signed note, as it lies in the file `checkpoint`."""

    @classmethod
    def sign(cls, key: NoteKey, size: int, root: bytes, signer: Signer) -> Checkpoint:
        """A new checkpoint of the ledger that `key` names. Ed25519: same state, same bytes."""
        text = f"{key.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        return cls(key.name, size, root, sign_note(text, key, signer))

    @classmethod
    def open(cls, note: bytes, keys: Sequence[NoteKey]) -> Checkpoint:
        """The checkpoint in a signed note. Its origin must be the name of one of `keys`.

        Raises:
            LedgerError: not signed by them, not a checkpoint, or another ledger's.
        """
        lines = open_note(note, keys).split("\n")[:-1]
        if len(lines) < 3 or not all(lines):
            raise LedgerError("This is not a checkpoint.", why="It has fewer than three lines.")
        origin, size, root = lines[0], _size(lines[1]), decode_base64(lines[2])
        if root is None or len(root) != HASH:
            raise LedgerError("This is not a checkpoint.", why="Its root is not a SHA-256 digest.")
        if size == 0 and root != EMPTY_ROOT:
            raise LedgerError("This is not a checkpoint.", why="An empty tree has a fixed root.")
        if origin not in {key.name for key in keys}:
            raise LedgerError("The checkpoint is another ledger's.", why=f"Its name: {origin}")
        return cls(origin, size, root, note)


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or (text != "0" and text[0] == "0"):
        raise LedgerError("This is not a checkpoint.", why="Its size is not a plain number.")
    if len(text) > 19 or int(text) >= SIZE_LIMIT:
        raise LedgerError("This is not a checkpoint.", why="Its size is beyond all reason.")
    return int(text)
