"""The highest impostor comparisons, one by one, in bounded memory.

Whatever the order they come in, the same ones are kept: all that scored at least `above`, where
`above` is as low as the bound allows. Values only: never knows templates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]
LOWEST = float(np.finfo(np.float32).min)
"""From here all finite scores are kept."""


@dataclass(frozen=True, eq=False)
class Leads:
    """Every impostor comparison that scored at least `above`; by rows, a < b."""

    scores: Scores
    """(k,)"""
    a: Rows
    b: Rows
    above: float
    """They are complete from this score up; a float32, LOWEST if all are here."""


class Highest:
    """Collects, and forgets the lowest when there are twice too many."""

    def __init__(self, limit: int, above: float = LOWEST) -> None:
        self.limit = limit
        """How many may be kept."""
        self.above = above
        self._parts: list[tuple[Scores, Rows, Rows]] = []
        self._count = 0

    def add(self, scores: Scores, a: Rows, b: Rows) -> None:
        """Some comparisons; those below `above` are not kept."""
        self._parts.append((scores, a, b))
        self._count += len(scores)
        if self._count > 2 * self.limit:
            self._compact()

    def join(self, other: Highest) -> None:
        """Take over what another has collected among other comparisons."""
        if other.above > self.above:
            self._raise_to(other.above)
        for part in other._parts:
            self.add(*part)

    def result(self) -> Leads:
        """What was kept, in the order of the rows."""
        self._compact()
        scores, a, b = self._joined()
        order = by_rows(a, b)
        return Leads(scores[order], a[order], b[order], self.above)

    def _joined(self) -> tuple[Scores, Rows, Rows]:
        if not self._parts:
            return np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32)
        scores, a, b = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        return scores, a, b

    def _compact(self) -> None:
        scores, a, b = self._joined()
        kept = scores >= self.above
        if int(kept.sum()) > self.limit:
            # Too many: the lowest score goes that would not fit, and all below it.
            place = len(scores) - self.limit - 1
            dropped = np.partition(scores, place)[place]
            self.above = max(self.above, float(np.nextafter(dropped, np.float32(np.inf))))
            kept = scores >= self.above
        self._parts = [(scores[kept], a[kept], b[kept])]
        self._count = int(kept.sum())

    def _raise_to(self, above: float) -> None:
        self.above = above
        self._compact()


def by_rows(a: Rows, b: Rows) -> NDArray[np.intp]:
    """The order by a, then by b; equal pairs stay in theirs. Twice as fast as `np.lexsort`."""
    return np.argsort((a.astype(np.int64) << 32) | b, kind="stable")
