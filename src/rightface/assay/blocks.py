"""Products of templates in blocks that stay in the cache, counted as they come.

    1. Rows are sorted by group, then by subject: a block has one pair of groups, and one plain
       histogram; its genuine comparisons are found by looking subjects up.
    2. A stripe is a block of rows against itself and all rows after it. Stripes are independent.
    3. Each block: product; genuine scores are read and, with what lies on or below the diagonal,
       made void; the highest are read; all are counted, the void ones in the first bin, from which
       they are taken off again.

References are scaled by a power of two beforehand, which rounds nothing: where that is all of the
axis' scale, a pass over every score is saved. Another is where no product can lie beyond the axis.
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
from rightface.assay.leads import LOWEST, Highest
from rightface.faces.packs import Vectors

ROWS, COLUMNS = 512, 512
"""Of a block: of those tried the fastest where a core's second cache has 1 MiB."""
_BEYOND = 16
"""Bins past the last one that are counted apart and added to it."""
_MARGIN = 1e-4
"""More than products of so few components can be off, as a share of both lengths."""


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
        self.references = np.ascontiguousarray(references[self.order].T)
        """(d, n): columns, which products read faster."""
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
        self._factor = np.float32(2.0 ** np.floor(np.log2(axis.scale)))
        self._rest = axis.scale / self._factor
        self._references = rows.references * self._factor
        furthest = (1 + _MARGIN) * _longest(rows.probes, 1) * _longest(rows.references, 0)
        ends = np.array([-furthest, furthest]) * float(axis.scale) + float(axis.shift)
        self._within = bool(ends[0] > -1 and ends[1] < axis.bins + _BEYOND)
        self._lowest = np.float32(axis.lowest) * self._factor
        self._lower = np.tri(ROWS, dtype=np.bool_)

    def count(self, stripe: Stripe, above: float) -> Counted:
        """All comparisons of a stripe; those that score at least `above` may be leads."""
        rows, axis = self._rows, self._axis
        impostor = np.zeros((rows.group_count + 1, axis.bins), np.int64)
        trials = np.zeros(rows.group_count + 1, np.int64)
        leads = Highest(self._leads, above)
        genuine = [(np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))]
        for columns in rows.against(stripe):
            scaled = self._product(stripe, columns)
            i, j = self._same_person(stripe, columns)
            if len(i):
                named = self._named(stripe.start + i, columns.start + j)
                genuine.append((scaled[i, j] / self._factor, *named))
                trials[columns.group] += len(i)
            void = self._lower[: len(scaled), : len(scaled)]
            on_diagonal = columns.start == stripe.start
            self._void(scaled, i, j, void if on_diagonal else None, -np.inf)
            self._collect(stripe, columns, scaled, leads)
            self._void(scaled, i, j, void if on_diagonal else None, self._lowest)
            self._add_bins(scaled.reshape(scaled.size), impostor[columns.group])
            impostor[columns.group, 0] -= len(i)
            if on_diagonal:
                impostor[columns.group, 0] -= len(scaled) * (len(scaled) + 1) // 2
        scores, a, b = (np.concatenate(each) for each in zip(*genuine, strict=True))
        return Counted(stripe, impostor, (scores, a, b), trials, leads)

    def _product(self, stripe: Stripe, columns: Stripe) -> Vectors:
        """(rows, columns): scores times the factor, for this thread until the next block."""
        height, width = stripe.end - stripe.start, columns.end - columns.start
        out = self._bench.scores[: height * width].reshape(height, width)
        return np.matmul(
            self._rows.probes[stripe.start : stripe.end],
            self._references[:, columns.start : columns.end],
            out=out,
        )

    @staticmethod
    def _void(
        scaled: Vectors,
        i: NDArray[np.int64],
        j: NDArray[np.int64],
        lower: NDArray[np.bool_] | None,
        value: float | np.float32,
    ) -> None:
        """Put `value` where no impostor comparison is."""
        if len(i):
            scaled[i, j] = value
        if lower is not None:
            np.copyto(scaled[:, : len(scaled)], value, where=lower, casting="unsafe")

    def _add_bins(self, scaled: Vectors, counts: NDArray[np.int64]) -> None:
        """Count in the bins of `Axis.bins_of`."""
        places, bins = self._bench.places[: len(scaled)], self._bench.bins[: len(scaled)]
        if self._rest != 1:
            scaled = np.multiply(scaled, self._rest, out=places)
        np.add(scaled, self._axis.shift, out=places)
        last = self._axis.bins - 1
        if not self._within:
            np.clip(places, 0, last, out=places)
        np.copyto(bins, places, casting="unsafe")
        found = np.bincount(bins, minlength=self._axis.bins)
        counts += found[: self._axis.bins]
        counts[last] += found[self._axis.bins :].sum()

    def _collect(self, stripe: Stripe, columns: Stripe, scaled: Vectors, leads: Highest) -> None:
        flat = scaled.reshape(scaled.size)
        # In float64: the lowest number there is has no float32 that is eight thousand times lower.
        above = np.float32(max(leads.above * float(self._factor), LOWEST))
        high = np.greater_equal(flat, above, out=self._bench.high[: len(flat)])
        places = np.flatnonzero(high)
        if len(places):
            i, j = np.divmod(places, scaled.shape[1])
            named = self._named(stripe.start + i, columns.start + j)
            leads.add(flat[places] / self._factor, *named)

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


def _longest(vectors: Vectors, axis: int) -> float:
    return float(np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=axis).max()))
