"""The ids of an index: UUIDs as 16 bytes each, found again through a table of 4-byte slots.

A Python dictionary would take some 150 bytes per face; this takes 16 and 5.3 to 10.7 more. Open
addressing with linear probing; UUIDs of version 4 are random, so that their own bits are the hash.
Knows nothing of vectors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.errors import GalleryError
from rightface.gallery.table import Table

Keys = NDArray[np.uint64]  # shape (n, 2): a UUID's bytes as two big-endian numbers
_FREE, _GONE = -1, -2
_FULL = 0.75  # share of the table in use before it is made anew
_ROOMY = 0.7  # at most so much is in use after that
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def keys_of(ids: Sequence[str]) -> Keys:
    """UUIDs in canonical text (lower case, hyphens) as keys.

    Raises:
        GalleryError: an id is no such UUID.
    """
    for face_id in ids:
        if not isinstance(face_id, str) or _UUID.fullmatch(face_id) is None:
            raise GalleryError("A face id is a UUID in lower case.")
    content = bytes.fromhex("".join(ids).replace("-", ""))
    return np.frombuffer(content, ">u8").reshape(-1, 2).astype(np.uint64)


def id_of(key: NDArray[np.uint64]) -> str:
    """The canonical text of one key."""
    text = f"{int(key[0]):016x}{int(key[1]):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class FaceIds:
    """Slot → id and id → slot, for slots 0 … n−1."""

    def __init__(self) -> None:
        self._keys = Table((2,), np.uint64)
        self._slots = np.full(64, _FREE, np.int32)
        self._taken = 0  # entries that are not free, those of removed ids included

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return self._keys.nbytes + self._slots.nbytes

    @property
    def keys(self) -> Keys:
        """All keys by slot. A view: do not keep it past a change."""
        return self._keys.rows[: len(self._keys)]

    def find(self, key: NDArray[np.uint64]) -> int:
        """The slot of an id, or −1."""
        entry = self._entry(key)
        return -1 if entry < 0 else int(self._slots[entry])

    def present(self, keys: Keys) -> Keys:
        """Those of the keys that are here."""
        return keys[self.slots(keys) >= 0]

    def slots(self, keys: Keys) -> NDArray[np.int64]:
        """The slot of each key, or −1."""
        mask = np.int64(len(self._slots) - 1)
        entries = _first_entries(keys, mask)
        open_, found = np.arange(len(keys)), np.full(len(keys), -1, np.int64)
        while len(open_):
            slots = self._slots[entries]
            equal = slots >= 0
            equal[equal] = (self._keys.rows[slots[equal]] == keys[open_[equal]]).all(axis=1)
            found[open_[equal]] = slots[equal]
            onward = ~equal & (slots != _FREE)
            open_, entries = open_[onward], (entries[onward] + 1) & mask
        return found

    def append(self, keys: Keys) -> None:
        """Give new ids (none of them present) the next slots, in order."""
        first = len(self._keys)
        self._keys.append(keys)
        if self._taken + len(keys) > _FULL * len(self._slots):
            self._make_anew()
            return
        self._enter(keys, np.arange(first, first + len(keys), dtype=np.int32))
        self._taken += len(keys)

    def remove(self, key: NDArray[np.uint64]) -> int:
        """Forget a present id; the last slot's id takes its slot, which is returned."""
        entry = self._entry(key)
        slot, last = int(self._slots[entry]), len(self._keys) - 1
        if slot != last:
            self._slots[self._entry(self._keys.rows[last])] = slot
        self._slots[entry] = _GONE
        self._keys.move_last(slot)
        return slot

    def clear(self) -> None:
        """Forget every id."""
        self._keys.clear()
        self._slots = np.full(64, _FREE, np.int32)
        self._taken = 0

    def _entry(self, key: NDArray[np.uint64]) -> int:
        # Where the table holds this id, or -1. The loop ends: the table is never full.
        mask = len(self._slots) - 1
        entry = int(key[0]) >> 16 & mask
        while (slot := int(self._slots[entry])) != _FREE:
            if slot >= 0 and bool((self._keys.rows[slot] == key).all()):
                return entry
            entry = entry + 1 & mask
        return -1

    def _enter(self, keys: Keys, slots: NDArray[np.int32]) -> None:
        mask = np.int64(len(self._slots) - 1)
        entries = _first_entries(keys, mask)
        while len(slots):
            free = self._slots[entries] == _FREE
            self._slots[entries[free]] = slots[free]  # where several want one entry, the last wins
            waiting = self._slots[entries] != slots
            slots, entries = slots[waiting], (entries[waiting] + 1) & mask

    def _make_anew(self) -> None:
        size = 64
        while len(self._keys) > _ROOMY * size:
            size *= 2
        self._slots = np.full(size, _FREE, np.int32)
        self._enter(self.keys, np.arange(len(self._keys), dtype=np.int32))
        self._taken = len(self._keys)


def _first_entries(keys: Keys, mask: np.int64) -> NDArray[np.int64]:
    # Where probing begins; the lowest 16 bits of the first half hold the UUID's version.
    return (keys[:, 0] >> np.uint64(16)).astype(np.int64) & mask
