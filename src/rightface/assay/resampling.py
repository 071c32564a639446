"""How the highest impostor comparisons would have come out with other people, for intervals.

People are drawn anew, not comparisons: they are in many comparisons each. A comparison of persons a
and b counts w_a · w_b times. Drawing both people overstates the variance of a rate, A + K in place
of A − K (see bootstrap.py: Aronow, Samii & Assenova 2015), so the distances of the drawn rates are
drawn together by what that makes. Several data sets may come together, some of them never compared
with each other. Pure numbers; never knows whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay import tail as tails
from rightface.assay.bootstrap import nearness
from rightface.assay.tail import Floats, Peaks

REPLICATES = 200
_LESS_THAN_ONE = 0.5  # comparisons, where a drawing has none

Ints: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True)
class People:
    """How many photographs there are of each person, and which sets are compared with which."""

    photographs: NDArray[np.int64]
    """(p,)"""
    sets: Ints
    """(p,): the data set that each person is in."""
    compared: NDArray[np.bool_]
    """(s, s), symmetric; the diagonal is true."""

    def comparisons(self, times: Floats | None = None) -> float:
        """Of photographs of different people, each person counted so many times (else once)."""
        counted = self.photographs * (np.ones(len(self.sets)) if times is None else times)
        by_set = np.bincount(self.sets, counted, minlength=len(self.compared))
        everything = float(by_set @ self.compared @ by_set)
        return (everything - float(counted @ counted)) / 2

    def of_each(self) -> Floats:
        """(p,): comparisons that each person is in."""
        by_set = np.bincount(self.sets, self.photographs, minlength=len(self.compared))
        others = (self.compared @ by_set)[self.sets] - self.photographs
        return np.asarray(self.photographs * others, np.float64)

    def drawn(self, generator: np.random.Generator) -> Floats:
        """(p,): how often each was drawn, of as many drawings as each set has people."""
        times = np.zeros(len(self.sets))
        for one in range(len(self.compared)):
            there = np.flatnonzero(self.sets == one)
            if len(there):
                chosen = generator.integers(0, len(there), len(there))
                times[there] = np.bincount(chosen, minlength=len(there))
        return times


@dataclass(frozen=True)
class Extremes:
    """The highest-scoring comparisons of different people: all down to the lowest of these."""

    scores: NDArray[np.float32]
    """(k,)"""
    one: Ints
    """(k,): the person of the one side, a number of `people`."""
    other: Ints
    people: People


class Resampled:
    """Those comparisons again and again, each time of other people drawn from the same."""

    def __init__(self, highest: Extremes, *, seed: int = 0, replicates: int = REPLICATES) -> None:
        order = np.argsort(-highest.scores, kind="stable")
        scores = highest.scores[order].astype(np.float64)
        self.people = highest.people
        self.peaks = Peaks(scores, np.ones(len(scores)), highest.people.comparisons())
        self._one, self._other = highest.one[order], highest.other[order]
        self._seed, self._replicates = seed, replicates

    def drawings(self) -> Iterator[Peaks]:
        """The peaks of each drawing; the same ones every time."""
        for number in range(self._replicates):
            times = self.people.drawn(np.random.default_rng((self._seed, number)))
            weights = times[self._one] * times[self._other]
            yield Peaks(self.peaks.scores, weights, max(self.people.comparisons(times), 1.0))

    def errors(self, scores: Floats) -> Floats:
        """(m,): the standard error of ln(rate) at each of `scores`; some comparison reaches it.

        It is the rate's own, over the rate: of few comparisons a drawing may have none.
        """
        rates = np.exp([self._logs(drawn, scores) for drawn in self.drawings()])
        found: Floats = rates.std(axis=0) / rates.mean(axis=0) * self.nearness(scores)
        return found

    def shapes(self, start: float) -> tuple[float, float] | None:
        """The interval, at 95 %, of the shape of the tail from `start` on; None: too few fits.

        It is not drawn together: wider than it need be.
        """
        fitted = [tails.moments(*_there(drawn, start)) for drawn in self.drawings()]
        shapes = [one.shape for one in fitted if one is not None]
        if len(shapes) < self._replicates / 2:
            return None
        low, high = np.percentile(shapes, [2.5, 97.5])
        return float(low), float(high)

    def beyond(self, start: float, last: float, scores: Floats) -> tuple[Floats, Floats]:
        """The interval, at 95 %, of ln(rate) at `scores` beyond `last`, by each drawing's tail."""
        told = []
        for drawn in self.drawings():
            tail = tails.moments(*_there(drawn, start))
            if tail is not None:
                on = tails.straightened(tail.moved(last - start), tail)
                logs = np.array([on.log_share(score - last) for score in scores])
                told.append(logs * np.log(10) + self._logs(drawn, np.array([last])))
        low, high = np.percentile(np.array(told), [2.5, 97.5], axis=0)
        return low, high

    def nearness(self, scores: Floats) -> Floats:
        """(m,): √(true / drawn variance) of the rate at each of `scores`."""
        trials = self.people.of_each()
        people = len(trials)
        pairs = self._one.astype(np.int64) * people + self._other
        swapped = self._other.astype(np.int64) * people + self._one
        pairs = np.minimum(pairs, swapped)
        shared, repeats = [], []
        for place in self._places(scores):
            matches = np.bincount(self._one[:place], minlength=people) + np.bincount(
                self._other[:place], minlength=people
            )
            rate = place / self.peaks.total
            shared.append(float(((matches - rate * trials) ** 2).sum()))
            alike = np.unique(pairs[:place], return_counts=True)[1]
            repeats.append(float((alike**2.0).sum()) * (1 - rate))
        return nearness(np.array(shared), np.array(repeats))

    def _logs(self, drawn: Peaks, scores: Floats) -> Floats:
        places = self._places(scores)
        summed = np.concatenate(([0.0], drawn.at_least))
        return np.log(np.maximum(summed[places], _LESS_THAN_ONE) / drawn.total)

    def _places(self, scores: Floats) -> NDArray[np.intp]:
        """How many comparisons reach each score."""
        return np.searchsorted(-self.peaks.scores, -scores, side="right")


def _there(drawn: Peaks, start: float) -> tuple[Floats, Floats]:
    """The excesses that count in a drawing."""
    excesses, weights = drawn.over(start)
    kept = weights > 0
    return excesses[kept], weights[kept]
