"""Which group each face of an index is in: a number per slot, a name per number.

A group is there as long as a face is in it. Knows nothing of vectors and ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.gallery.table import Table

Numbers = NDArray[np.int32]  # 0: of no group
Slots = NDArray[np.int64]


class Groups:
    """Group numbers by slot, 0 … n−1, and the groups' names."""

    def __init__(self) -> None:
        self._of = Table((), np.int32)
        self._members = Table((), np.int32)  # by number: how many faces
        self._names: list[str] = []  # by number
        self._numbers: dict[str, int] = {}
        self._vacant: list[int] = []  # numbers whose group is gone
        self._grouped = 0
        self._start()

    def __len__(self) -> int:
        return len(self._numbers)

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
        """Faces by group number; 0 for a number that is vacant. A view, as `of`."""
        return self._members.rows[: len(self._members)]

    @property
    def nbytes(self) -> int:
        """Bytes reserved, about: a name is 85 bytes and its entry in the dictionary 105."""
        return self._of.nbytes + self._members.nbytes + 190 * len(self._names)

    def name(self, number: int) -> str:
        """The name of a group."""
        return self._names[number]

    def append(self, count: int) -> None:
        """Give so many new faces the next slots; they are of no group."""
        self._of.append(np.zeros(count, np.int32))

    def put(self, slots: Slots, names: Sequence[str | None]) -> None:
        """Put the faces of some slots into groups; None: into none."""
        for slot, name in zip(slots.tolist(), names, strict=True):
            before = int(self._of.rows[slot])
            self._of.rows[slot] = after = self._enter(name)
            self._grouped += (after > 0) - (before > 0)
            self._leave(before)

    def move_last(self, target: int) -> None:
        """The face of slot `target` goes; the last slot's takes its place."""
        before = int(self._of.rows[target])
        self._grouped -= before > 0
        self._leave(before)
        self._of.move_last(target)

    def clear(self) -> None:
        """Forget every face and group."""
        self._of.clear()
        self._members.clear()
        self._start()

    def _start(self) -> None:
        self._members.append(np.zeros(1, np.int32))
        self._names, self._numbers, self._vacant, self._grouped = [""], {}, [], 0

    def _enter(self, name: str | None) -> int:
        if name is None:
            return 0
        number = self._numbers.get(name)
        if number is None:
            if self._vacant:
                number = self._vacant.pop()
                self._names[number] = name
            else:
                number = len(self._names)
                self._names.append(name)
                self._members.append(np.zeros(1, np.int32))
            self._numbers[name] = number
        self._members.rows[number] += 1
        return number

    def _leave(self, number: int) -> None:
        if not number:
            return
        self._members.rows[number] -= 1
        if not self._members.rows[number]:
            del self._numbers[self._names[number]]
            self._names[number] = ""
            self._vacant.append(number)
