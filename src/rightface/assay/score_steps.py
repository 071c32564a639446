"""The steps that given scores are counted in, whatever their scale.

Bins of equal width fail where scores are not spread evenly: with one outlier all others fall into
one bin. So steps are scores of the file itself, and only their order counts:

    1. all of them, where they are few enough;
    2. else those at ranks in geometric order, from both ends of both kinds, so that every rate,
       small or large, is known to some thousandths of itself;
    3. in any case those that decide: the exact thresholds of the rates asked for, and the two
       between which both error rates cross.

A score's place among the steps stands for it while comparisons are counted. Numbers only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.counts import Axis

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Steps:
    """A monotone map from scores to small whole numbers, and back."""

    scores: Scores
    """(k,), ascending, each once; the first is the least of all."""

    @property
    def axis(self) -> Axis:
        """Where places are counted: a bin for each."""
        return Axis(0.0, float(len(self.scores)), len(self.scores))

    def places(self, scores: Scores) -> NDArray[np.float32]:
        """How many steps, after the first, each score reaches; float32 holds them exactly."""
        return (np.searchsorted(self.scores, scores, side="right") - 1).astype(np.float32)

    def score(self, place: float) -> float:
        """The least score that is counted at that place."""
        return float(self.scores[int(place)])


def steps_of(genuine: Scores, impostor: Scores, rates: Sequence[float], most: int) -> Steps:
    """The steps for those scores.

    Args:
        genuine: of one person, ascending, finite.
        impostor: of two people, likewise; at least one of either.
        rates: false match rates whose thresholds are to be exact.
        most: so many steps, and a few for the rates.
    """
    kinds = [each for each in (genuine, impostor) if len(each)]
    found = [_distinct(each) for each in kinds]
    if sum(map(len, found)) > most:
        found = [scores[ranks] for scores in kinds for ranks in _ranks(scores, most)]
        exact = [float(min(each[0] for each in kinds))]
        if len(kinds) > 1:
            exact += [_threshold(genuine, impostor, rate) for rate in rates]
            exact += _crossing(genuine, impostor)
        found.append(np.array([one for one in exact if np.isfinite(one)]))
    return Steps(np.unique(np.concatenate(found)))


def _distinct(ascending: Scores) -> Scores:
    return np.asarray(ascending[np.append(True, ascending[1:] != ascending[:-1])])


def _ranks(ascending: Scores, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in geometric order, from the lower end and from the upper."""
    near = np.geomspace(1, len(ascending), most // 4).astype(np.int64) - 1
    return near, len(ascending) - 1 - near


def _threshold(genuine: Scores, impostor: Scores, rate: float) -> float:
    """The least score there is that at most this share of impostors reaches; else infinity."""
    total = len(impostor)
    # The share of a count, as it will be compared: k / total <= rate.
    may = bisect_left(range(1, total + 1), True, key=lambda count: count / total > rate)
    return _above(genuine, impostor, impostor[total - 1 - may]) if may < total else -np.inf


def _above(genuine: Scores, impostor: Scores, score: float) -> float:
    """The least score above that one."""
    places = [
        (each, int(np.searchsorted(each, score, side="right"))) for each in (genuine, impostor)
    ]
    return min((float(each[at]) for each, at in places if at < len(each)), default=np.inf)


def _crossing(genuine: Scores, impostor: Scores) -> tuple[float, float]:
    """The least score at which the false non-match rate is no less than the other, and the one
    before it."""

    def crossed(score: float) -> bool:
        missed = np.searchsorted(genuine, score, side="left") / len(genuine)
        false = 1 - np.searchsorted(impostor, score, side="left") / len(impostor)
        return bool(missed >= false)

    after = min(_first(genuine, crossed), _first(impostor, crossed))
    before = [each[: np.searchsorted(each, after, side="left")] for each in (genuine, impostor)]
    return max((float(each[-1]) for each in before if len(each)), default=-np.inf), after


def _first(ascending: Scores, holds: Callable[[float], bool]) -> float:
    place = bisect_left(range(len(ascending)), True, key=lambda at: holds(float(ascending[at])))
    return float(ascending[place]) if place < len(ascending) else np.inf
