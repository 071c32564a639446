"""Comparison scores as counts in bins, and the axis that the bins lie on.

A score's bin is worked out in float32, everywhere by the same two operations. An edge is the least
float32 that they put into its bin, so "the count from this bin up" and "the scores of at least this
edge" are the same number, exactly. Values only: never knows templates or who is who.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import AssayError

Scores = NDArray[np.float32]

FINEST = 1 << 14
"""Bins of an axis between few groups: cosines to an eight-thousandth."""
COARSEST = 1 << 9
MOST_BYTES = 256 * 2**20
"""Of counts between all pairs of groups."""
MOST_BINS = 1 << 20
"""float32 tells no more bins than some millions apart."""


def bins_between(group_count: int) -> int:
    """How many bins fit: a power of two from COARSEST to FINEST."""
    pairs = (group_count + 1) * (group_count + 2) // 2
    bins = FINEST
    while bins > COARSEST and 8 * pairs * bins > MOST_BYTES:
        bins //= 2
    return bins


@dataclass(frozen=True)
class Axis:
    """Bins of equal width. Scores beyond the ends count at the ends."""

    lowest: float
    highest: float
    bins: int

    def __post_init__(self) -> None:
        finite = np.isfinite(self.lowest) and np.isfinite(self.highest)
        if not (finite and self.lowest < self.highest and 2 <= self.bins <= MOST_BINS):
            raise AssayError(
                "Scores cannot be counted on this axis.",
                why=f"It has {self.bins} bins from {self.lowest} to {self.highest}.",
                mend=f"Give it 2 to {MOST_BINS} bins between two finite ends.",
            )
        if not np.all(np.diff(self.edges[1:]) > 0):
            raise AssayError(
                "The axis has bins narrower than float32 tells apart.",
                mend="Give it fewer bins, or ends nearer to zero.",
            )

    @classmethod
    def between(cls, lowest: float, highest: float, group_count: int = 0) -> Axis:
        """An axis whose counts between all pairs of so many groups fit in MOST_BYTES.

        The bins are a power of two: where the ends are as far apart, as of cosines, comparisons are
        counted a little faster (see `blocks`).
        """
        return cls(lowest, highest, bins_between(group_count))

    @property
    def scale(self) -> np.float32:
        """Bins for each unit of score."""
        return np.float32(self.bins / (self.highest - self.lowest))

    @property
    def shift(self) -> np.float32:
        """What is added to a scaled score, so that the lowest lies at zero."""
        return np.float32(-self.lowest * self.bins / (self.highest - self.lowest))

    def bins_of(self, scores: Scores) -> NDArray[np.int32]:
        """The bin of each score, whatever the shape; infinite ones lie at the ends.

        `blocks` does the same in place.
        """
        places = np.asarray(scores, np.float32) * self.scale
        places += self.shift
        np.clip(places, 0, self.bins - 1, out=places)
        return places.astype(np.int32)

    @cached_property
    def edges(self) -> Scores:
        """(bins,): the least score of each bin; the first also has all that lie below it."""
        wanted = np.arange(self.bins, dtype=np.int32)
        nominal = self.lowest + wanted * ((self.highest - self.lowest) / self.bins)
        width = (self.highest - self.lowest) / self.bins
        # Bisection among the float32 in order: below lies in an earlier bin, reached does not.
        below = _rank((nominal - 2 * width).astype(np.float32))
        reached = _rank((nominal + 2 * width).astype(np.float32))
        while (reached - below > 1).any():
            middle = (below + reached) // 2
            enough = self.bins_of(_of_rank(middle)) >= wanted
            reached = np.where(enough, middle, reached)
            below = np.where(enough, below, middle)
        edges = _of_rank(reached)
        edges[0] = np.float32(self.lowest)
        edges.flags.writeable = False
        return edges


def _rank(numbers: Scores) -> NDArray[np.int64]:
    """float32 as integers in the same order: neighbours differ by one."""
    bits = numbers.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF_FFFF), bits)


def _of_rank(ranks: NDArray[np.int64]) -> Scores:
    bits = np.where(ranks < 0, -ranks | 0x8000_0000, ranks)
    return bits.astype(np.uint32).view(np.float32)


@dataclass(frozen=True, eq=False)
class Counts:
    """How many comparisons fell into each bin."""

    axis: Axis
    counts: NDArray[np.int64]
    """(bins,)"""

    def __post_init__(self) -> None:
        if self.counts.shape != (self.axis.bins,):
            raise AssayError(
                f"Counts of shape {self.counts.shape} do not fit {self.axis.bins} bins."
            )

    @classmethod
    def of(cls, axis: Axis, scores: Scores) -> Counts:
        """Those scores, of any shape, counted.

        Raises:
            AssayError: a score is not a number.
        """
        flat = np.asarray(scores, np.float32).ravel()
        if np.isnan(flat).any():
            raise AssayError("A comparison score is not a number.")
        return cls(axis, np.bincount(axis.bins_of(flat), minlength=axis.bins).astype(np.int64))

    def __add__(self, other: Counts) -> Counts:
        if self.axis != other.axis:
            raise AssayError("Counts on different axes cannot be added.")
        return Counts(self.axis, self.counts + other.counts)

    @property
    def total(self) -> int:
        """All comparisons."""
        return int(self.reaching[0])

    @cached_property
    def reaching(self) -> NDArray[np.int64]:
        """(bins,): how many comparisons scored at least each edge; the first: all."""
        return np.cumsum(self.counts[::-1])[::-1]

    def at_least(self, score: float) -> int:
        """How many comparisons scored at least that.

        Exact where `score` is an edge of the axis; elsewhere all of its bin are counted, so that
        false matches are never understated.
        """
        place = int(np.searchsorted(self.axis.edges, np.float32(score), side="right")) - 1
        return int(self.reaching[max(place, 0)])

    def below(self, score: float) -> int:
        """How many scored less; with `at_least` they are all."""
        return self.total - self.at_least(score)

    def score_at(self, share: float) -> float | None:
        """The least edge that at most this share of comparisons reached.

        None where more than that lie in the last bin, or there are no comparisons.
        """
        if not self.total:
            return None
        # The share of a count, as it will be compared: k / total <= share.
        within = np.flatnonzero(self.reaching / self.total <= share)
        return float(self.axis.edges[within[0]]) if within.size else None
