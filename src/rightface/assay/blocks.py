"""Products of templates in blocks that stay in the cache, counted as they come.

    1. Rows are sorted by group, then by subject: a block has one pair of groups, and one plain
       histogram; its genuine comparisons are found by looking subjects up.
    2. A stripe is a block of rows against itself and all rows after it. Stripes are independent.
    3. Each block: product; genuine scores are read and, with what lies on or below the diagonal,
       put below all bins; all scores are counted; what was put there is taken off again.

NumPy lets other threads run during products and arithmetic, not while it counts; so two threads
keep two cores busy, many would not keep many. Never knows permits or files: `comparisons` does.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN
from rightface.assay.counts import Axis
from rightface.assay.leads import Highest

Vectors = NDArray[np.float32]
ROWS, COLUMNS = 512, 512
"""Of a block: product, bins and flags fit together in a core's second cache."""


@dataclass(frozen=True)
class Stripe:
    """A block of rows in sorted order, all of one group."""

    start: int
    end: int
    group: int

    def comparisons(self, count: int) -> int:
        """With itself and all that come after it, of `count` rows."""
        rows = self.end - self.start
        return rows * (count - self.end) + rows * (rows - 1) // 2


@dataclass(frozen=True, eq=False)
class Counted:
    """What came of one stripe."""

    stripe: Stripe
    impostor: NDArray[np.int64]
    """(G + 1, bins): by the group of the other side; none below the stripe's own."""
    genuine: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]
    genuine_trials: NDArray[np.int64]
    """(G + 1,)"""
    leads: Highest


class Sorted:
    """Templates by group and subject."""

    def __init__(
        self,
        probes: Vectors,
        references: Vectors,
        subjects: NDArray[np.int32],
        groups: NDArray[np.int16],
        group_count: int,
    ) -> None:
        placed = np.where(groups == UNKNOWN, group_count, groups)
        self.order = np.lexsort((subjects, placed)).astype(np.int32)
        self.probes = np.ascontiguousarray(probes[self.order])
        same = references is probes
        self.references = self.probes if same else np.ascontiguousarray(references[self.order])
        self.subjects = subjects[self.order]
        self.group_count = group_count
        counts = np.bincount(placed, minlength=group_count + 1)
        self.ends = np.cumsum(counts)
        """(G + 1,): where each group ends."""

    def __len__(self) -> int:
        return len(self.order)

    def stripes(self) -> list[Stripe]:
        """All rows, in order; no stripe has rows of two groups."""
        made, start = [], 0
        for group, end in enumerate(self.ends.tolist()):
            made += [Stripe(row, min(row + ROWS, end), group) for row in range(start, end, ROWS)]
            start = end
        return made

    def against(self, stripe: Stripe) -> list[Stripe]:
        """The blocks of columns that a stripe meets; the first begins with its own rows."""
        made, start = [], stripe.start
        for group in range(stripe.group, self.group_count + 1):
            end = int(self.ends[group])
            made += [
                Stripe(column, min(column + COLUMNS, end), group)
                for column in range(start, end, COLUMNS)
            ]
            start = end
        return made


class _Bench(threading.local):
    """Arrays that each thread uses again for every block."""

    def __init__(self) -> None:
        self.scores = np.empty(ROWS * COLUMNS, np.float32)
        self.places = np.empty(ROWS * COLUMNS, np.float32)
        self.bins = np.empty(ROWS * COLUMNS, np.int32)
        self.high = np.empty(ROWS * COLUMNS, np.bool_)


class Counter:
    """Counts stripes; may be used by several threads at once."""

    def __init__(self, rows: Sorted, axis: Axis, leads: int) -> None:
        self._rows, self._axis, self._leads = rows, axis, leads
        self._bench = _Bench()

    def count(self, stripe: Stripe, above: float) -> Counted:
        """All comparisons of a stripe; those that score at least `above` may be leads."""
        rows, axis = self._rows, self._axis
        impostor = np.zeros((rows.group_count + 1, axis.bins), np.int64)
        trials = np.zeros(rows.group_count + 1, np.int64)
        leads = Highest(self._leads, above)
        genuine = []
        for columns in rows.against(stripe):
            scores = self._product(stripe, columns)
            size = scores.size
            i, j = self._same_person(stripe, columns)
            if len(i):
                genuine.append((scores[i, j], *self._named(stripe.start + i, columns.start + j)))
                trials[columns.group] += len(i)
                scores[i, j] = -np.inf
            void = len(i) + _blot_diagonal(stripe, columns, scores)
            self._collect(stripe, columns, scores, leads)
            counts = self._binned(scores.reshape(size))
            counts[0] -= void
            impostor[columns.group] += counts
        empty = (np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))
        parts = zip(*(genuine or [empty]), strict=True)
        scores_of, a, b = (np.concatenate(each) for each in parts)
        return Counted(stripe, impostor, (scores_of, a, b), trials, leads)

    def _product(self, stripe: Stripe, columns: Stripe) -> Vectors:
        height, width = stripe.end - stripe.start, columns.end - columns.start
        out = self._bench.scores[: height * width].reshape(height, width)
        return np.matmul(
            self._rows.probes[stripe.start : stripe.end],
            self._rows.references[columns.start : columns.end].T,
            out=out,
        )

    def _binned(self, scores: Vectors) -> NDArray[np.int64]:
        """As `Axis.bins_of`, in place."""
        places, bins = self._bench.places[: len(scores)], self._bench.bins[: len(scores)]
        np.multiply(scores, self._axis.scale, out=places)
        np.add(places, self._axis.shift, out=places)
        np.clip(places, 0, self._axis.bins - 1, out=places)
        np.copyto(bins, places, casting="unsafe")
        return np.bincount(bins, minlength=self._axis.bins)

    def _collect(self, stripe: Stripe, columns: Stripe, scores: Vectors, leads: Highest) -> None:
        flat = scores.reshape(scores.size)
        high = np.greater_equal(flat, np.float32(leads.above), out=self._bench.high[: len(flat)])
        places = np.flatnonzero(high)
        if len(places):
            i, j = np.divmod(places, scores.shape[1])
            leads.add(flat[places], *self._named(stripe.start + i, columns.start + j))

    def _named(
        self, one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The rows as they were given, the lower first."""
        a, b = self._rows.order[one], self._rows.order[other]
        return np.minimum(a, b), np.maximum(a, b)

    def _same_person(
        self, stripe: Stripe, columns: Stripe
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in the block both are one person, and the column comes after the row."""
        mine = self._rows.subjects[stripe.start : stripe.end]
        theirs = self._rows.subjects[columns.start : columns.end]
        if mine[-1] < theirs[0] or theirs[-1] < mine[0] or mine[-1] == UNKNOWN:
            nobody = np.empty(0, np.int64)
            return nobody, nobody
        first = np.searchsorted(theirs, mine, side="left")
        last = np.searchsorted(theirs, mine, side="right")
        after = np.arange(stripe.start + 1, stripe.end + 1) - columns.start
        first = np.maximum(first, after)
        each = np.where(mine == UNKNOWN, 0, np.maximum(last - first, 0))
        i = np.repeat(np.arange(len(mine)), each)
        within = np.arange(len(i)) - np.repeat(np.cumsum(each) - each, each)
        return i, np.repeat(first, each) + within


def _blot_diagonal(stripe: Stripe, columns: Stripe, scores: Vectors) -> int:
    """Put what lies on the diagonal or below it out of the way; how many that are."""
    if columns.start != stripe.start:
        return 0
    height = len(scores)
    i, j = np.tril_indices(height)
    scores[i, j] = -np.inf
    return len(i)
