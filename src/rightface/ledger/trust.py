"""Under which key a ledger's checkpoint is read, and whether that key was pinned.

A pinned key came to the reader by another way than the ledger. Without one the published key is
used, which shows that the files fit each other, not whose they are. Must never know the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightface.errors import LedgerError, LedgerFileError
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.note import NOTE_LIMIT, NoteKey
from rightface.ledger.source import Source

CHECKPOINT = "checkpoint"
VKEY = "vkey"


@dataclass(frozen=True)
class Trust:
    """The key that a checkpoint is read under."""

    key: NoteKey
    pinned: bool


def find_key(source: Source, vkey: str | None) -> Trust:
    """The pinned key if there is one, else the published one.

    Raises:
        LedgerError: `vkey` is no key.
        LedgerFileError: no key is pinned, and the published one is missing or damaged.
    """
    if vkey is not None:
        return Trust(NoteKey.parse(vkey.strip()), pinned=True)
    published = source.read(VKEY, NOTE_LIMIT)
    if published is None:
        raise LedgerFileError(VKEY, "It is missing, and no key was pinned.")
    return Trust(_parse_published(published), pinned=False)


def check_published_key(source: Source, trust: Trust) -> None:
    """Hold the published key, if there is one, against the one in use.

    Raises:
        LedgerFileError: it is damaged, or another one.
    """
    published = source.read(VKEY, NOTE_LIMIT)
    if published is not None and _parse_published(published) != trust.key:
        raise LedgerFileError(VKEY, "It is not the key that was pinned.")


def _parse_published(published: bytes) -> NoteKey:
    try:
        text = published.decode("utf-8")
        key = NoteKey.parse(text.removesuffix("\n"))
    except (UnicodeDecodeError, LedgerError):
        raise LedgerFileError(VKEY, "It is damaged.") from None
    if text != f"{key.vkey}\n":
        raise LedgerFileError(VKEY, "It is damaged.")
    return key


def read_checkpoint(source: Source, trust: Trust) -> Checkpoint:
    """The published checkpoint, signed under the key of `trust`.

    Raises:
        LedgerFileError: missing, malformed, not signed by that key, or another ledger's.
    """
    note = source.read(CHECKPOINT, NOTE_LIMIT)
    if note is None:
        raise LedgerFileError(CHECKPOINT, "It is missing.")
    try:
        return Checkpoint.open(note, [trust.key])
    except LedgerError as error:
        raise LedgerFileError(CHECKPOINT, str(error)) from error
