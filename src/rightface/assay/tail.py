"""The tail of a distribution of scores, beyond what was seen: peaks over a threshold.

What exceeds a high threshold is, in the limit, of a generalised Pareto distribution (Pickands 1975;
Coles 2001, ch. 4). It is fitted by probability-weighted moments (Hosking & Wallis 1987,
doi:10.1080/00401706.1987.10488243). Of several thresholds the lowest is taken from which on the
fitted tail stays within the intervals of all rates measured beyond it: the stability that Coles
(sections 4.3.1 and 4.3.4) looks for by eye.

A fit of negative shape ends: no score beyond its end would ever match. No sample shows that, and
of normal scores such a fit is a thousandfold too low three decades on (tests/assay/test_tail.py);
so the tail goes on as a straight line in log(rate) then, with the slope that the fit has where the
measured rates end. For every tail whose log(rate) bends downwards that is on the safe side. Pure
numbers; never knows whose scores they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.faces.rate_table import Tail

Floats = NDArray[np.float64]
LEAST_EXCEEDANCES = 300
"""A tail is never fitted to fewer."""
HIGHEST_START = 0.05
"""Nor to more than this share of all comparisons."""
STARTS_PER_DECADE = 4
HEAVIEST, LIGHTEST = 0.5, -0.5
"""Shapes are kept within these: Hosking & Wallis's moments are for no others."""
_CHECKS_PER_DECADE = 8


@dataclass(frozen=True)
class Peaks:
    """The highest scores, descending, with how many comparisons each stands for."""

    scores: Floats
    weights: Floats
    total: float
    """All comparisons, with those that are not here."""

    @property
    def at_least(self) -> Floats:
        """For each score, how many comparisons reach it."""
        summed: Floats = np.cumsum(self.weights)
        return summed

    def over(self, start: float) -> tuple[Floats, Floats]:
        """By how much scores exceed `start`, ascending; and their weights."""
        end = int(np.searchsorted(-self.scores, -start, side="left"))
        return self.scores[:end][::-1] - start, self.weights[:end][::-1]


@dataclass(frozen=True)
class Fit:
    """A tail, and from where on."""

    start: float
    rate: float
    """The share of comparisons that score above `start`."""
    exceedances: int
    tail: Tail
    """It begins at `start`."""

    def at(self, score: float) -> Tail:
        """How rates go on from `score`: the same tail, or a straight line in place of an end."""
        return straightened(self.tail.moved(score - self.start), self.tail)


def straightened(tail: Tail, fitted: Tail) -> Tail:
    """A tail that does not end, with the slope that it has at its start.

    `fitted`: from further down; a slope is at most ten times as steep as there.
    """
    return Tail(max(0.0, tail.shape), max(tail.scale, fitted.scale / 10))


def moments(excesses: Floats, weights: Floats) -> Tail | None:
    """The tail whose probability-weighted moments those excesses (ascending, > 0) have.

    None: they have no spread.
    """
    total = float(weights.sum())
    if not len(excesses) or total <= 0:
        return None
    mean = float(excesses @ weights) / total
    if not mean > 0:
        return None
    # The share above each, at the middle of its own weight.
    above = 1 - (np.cumsum(weights) - weights / 2) / total
    second = float((excesses * above) @ weights) / total
    if not mean > 2 * second:
        return None
    found = 2 - mean / (mean - 2 * second)
    found = min(HEAVIEST, max(LIGHTEST, found))
    return Tail(found, mean * (1 - found))


def fit(peaks: Peaks, spread: Callable[[Floats], Floats] | None = None) -> Fit | None:
    """The tail of those peaks, from the lowest threshold at which it is stable.

    Args:
        peaks: at least down to where a fit may begin.
        spread: for scores, the standard error of ln(rate) there; without it, that of independent
            comparisons.

    Returns:
        None where there are too few scores, or none that differ; the fit to the fewest exceedances
        where none is stable.
    """
    best: Fit | None = None
    at_least = peaks.at_least
    for count in reversed(_counts(peaks)):
        tried = _fitted(peaks, at_least, count)
        if tried is None:
            continue
        best = tried
        if _stable(peaks, at_least, best, spread):
            break
    return best


def _fitted(peaks: Peaks, at_least: Floats, count: float) -> Fit | None:
    """The tail of about the `count` highest comparisons."""
    place = int(np.searchsorted(at_least, count))
    if place >= len(at_least) - 1:
        return None
    start = float(peaks.scores[place + 1])  # the next lower score: what is above it exceeds it
    tail = moments(*peaks.over(start))
    if tail is None:
        return None
    exceedances = float(at_least[place])
    return Fit(start, exceedances / peaks.total, round(exceedances), tail)


def _counts(peaks: Peaks) -> Sequence[float]:
    """How many exceedances to try, ascending."""
    least = LEAST_EXCEEDANCES
    most = min(float(peaks.weights.sum()), max(HIGHEST_START * peaks.total, least))
    if most < least:
        return ()
    steps = max(1, round(math.log10(most / least) * STARTS_PER_DECADE))
    return tuple(np.geomspace(least, most, steps + 1))


def _stable(
    peaks: Peaks, at_least: Floats, tried: Fit, spread: Callable[[Floats], Floats] | None
) -> bool:
    """Whether the fit is within two standard errors of every rate measured beyond its start."""
    few, many = 30.0, float(tried.exceedances)
    steps = max(2, round(math.log10(many / few) * _CHECKS_PER_DECADE))
    places = np.unique(np.searchsorted(at_least, np.geomspace(few, many, steps)))
    places = places[places < len(at_least)]
    scores = peaks.scores[places]
    scores = scores[scores > tried.start]
    counted = at_least[places][: len(scores)]
    errors = 1 / np.sqrt(counted) if spread is None else spread(scores)
    told = np.array([tried.tail.log_share(score - tried.start) for score in scores])
    misses = np.abs(told * math.log(10) - np.log(counted / tried.exceedances))
    return bool((misses <= 2 * errors).all())
