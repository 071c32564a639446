"""Which group each face of an index is in: a number per slot, an id per number.

A group is there as long as a face is in it; the number and id of an empty one stay until there are
many such, and then all go at once. Knows nothing of vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.gallery.face_ids import FaceIds, id_of, keys_of
from rightface.gallery.table import Table

Numbers = NDArray[np.int32]  # 0: of no group
Slots = NDArray[np.int64]
_EMPTY = 256  # groups without a face that may stay, or …
_SHARE = 8  # … one in so many of all


class Groups:
    """Group numbers by slot, 0 … n−1, and the groups' ids, which are UUIDs."""

    def __init__(self) -> None:
        self._of = Table((), np.int32)
        self._ids = FaceIds()  # by number − 1
        self._members = Table((), np.int32)  # by number: how many faces
        self._members.append(np.zeros(1, np.int32))
        self._empty = 0  # groups without a face
        self._grouped = 0

    def __len__(self) -> int:
        return len(self._ids) - self._empty

    @property
    def grouped(self) -> int:
        """How many faces are in a group."""
        return self._grouped

    @property
    def of(self) -> Numbers:
        """All numbers by slot. A view: do not keep it past a change."""
        return self._of.rows[: len(self._of)]

    @property
    def members(self) -> Numbers:
        """Faces by group number. A view, as `of`."""
        return self._members.rows[: len(self._members)]

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return self._of.nbytes + self._members.nbytes + self._ids.nbytes

    def id(self, number: int) -> str:
        """The id of a group."""
        return id_of(self._ids.keys[number - 1])

    def append(self, count: int) -> None:
        """Give so many new faces the next slots; they are of no group."""
        self._of.append(np.zeros(count, np.int32))

    def put(self, slots: Slots, ids: Sequence[str | None]) -> None:
        """Put the faces of some slots, none twice, into groups; None: into none."""
        numbers = np.zeros(len(slots), np.int32)
        into = np.array([one is not None for one in ids], bool)
        keys = keys_of([one for one in ids if one is not None])
        unknown = keys[self._ids.slots(keys) < 0]
        if len(unknown):
            unknown = np.unique(unknown, axis=0)
            self._ids.append(unknown)
            self._members.append(np.zeros(len(unknown), np.int32))
            self._empty += len(unknown)
        numbers[into] = self._ids.slots(keys) + 1
        before = self.of[slots]
        self._of.rows[slots] = numbers
        self._counted(numbers, 1)
        self._counted(before, -1)
        self._tidy()

    def move_last(self, target: int) -> None:
        """The face of slot `target` goes; the last slot's takes its place."""
        number = int(self._of.rows[target])
        self._of.move_last(target)
        if number:
            self._grouped -= 1
            self._members.rows[number] -= 1
            if not self._members.rows[number]:
                self._empty += 1
                self._tidy()

    def clear(self) -> None:
        """Forget every face and group."""
        for table in (self._of, self._members, self._ids):
            table.clear()
        self._members.append(np.zeros(1, np.int32))
        self._empty = self._grouped = 0

    def _counted(self, numbers: Numbers, change: int) -> None:
        numbers, times = np.unique(numbers[numbers > 0], return_counts=True)
        before = self._members.rows[numbers]
        after = before + np.int32(change) * times.astype(np.int32)
        self._members.rows[numbers] = after
        self._grouped += change * int(times.sum())
        self._empty += int(np.count_nonzero(after == 0)) - int(np.count_nonzero(before == 0))

    def _tidy(self) -> None:
        # Many groups are empty: number the others anew.
        if self._empty <= max(_EMPTY, len(self._ids) // _SHARE):
            return
        members = self.members.copy()
        kept = members > 0
        numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
        keys = self._ids.keys[kept[1:]].copy()
        self.of[...] = numbers[self.of]
        self._ids.clear()
        self._ids.append(keys)
        self._members.clear()
        self._members.append(np.concatenate([np.zeros(1, np.int32), members[kept]]))
        self._empty = 0
