"""Rows of one kind in memory that grow without leaving copies of their content behind.

A vector that was removed must be gone from memory, so that even moving to a larger piece of memory
wipes the old one. Knows nothing of what the rows mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# From here on glibc gives each array a mapping of its own (M_MMAP_THRESHOLD is at most 32 MiB) and
# enlarging moves pages, not bytes: no copy, and none left behind.
_MAPPED = 64 << 20
_STEP = 16_384  # rows added at a time when large: 1.6 % of a million


class Table:
    """`rows[:len(table)]` are in use; what lies beyond is zero."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.rows: NDArray[Any] = np.zeros((0, *shape), dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return self.rows.nbytes

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end. Nobody may hold a view of `rows` meanwhile."""
        needed = self._used + len(rows)
        if needed > len(self.rows):
            self._grow(max(needed, self._used + min(max(self._used // 32, 64), _STEP)))
        self.rows[self._used : needed] = rows
        self._used = needed

    def move_last(self, target: int) -> None:
        """Overwrite row `target` with the last one, zero the last and give it up."""
        last = self._used - 1
        self.rows[target] = self.rows[last]
        self.rows[last] = np.zeros((), self.rows.dtype)
        self._used = last

    def clear(self) -> None:
        """Zero every row and give all of them up."""
        self.rows[...] = np.zeros((), self.rows.dtype)
        self.rows = np.zeros((0, *self.rows.shape[1:]), self.rows.dtype)
        self._used = 0

    def _grow(self, capacity: int) -> None:
        if self.rows.nbytes >= _MAPPED:
            self.rows.resize((capacity, *self.rows.shape[1:]), refcheck=False)
            return
        larger = np.zeros((capacity, *self.rows.shape[1:]), self.rows.dtype)
        larger[: self._used] = self.rows[: self._used]
        self.rows[...] = np.zeros((), self.rows.dtype)
        self.rows = larger
