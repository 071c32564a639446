"""Turns comparison scores of different people into tables of false match rates.

Scores are counted into fine bins, so that hundreds of millions fit; the rate at a score is the
share of impostor comparisons that score at least as high. A table ends where fewer than thirty
comparisons are left (the "rule of 30": Doddington et al. 2000, doi:10.1016/S0167-6393(99)00080-1);
beyond, a tail is fitted (tail.py). Intervals come from resampling people, who are in many
comparisons each. Pure: never knows images, files or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rightface.assay import tail as tails
from rightface.assay.intervals import RULE_OF_30
from rightface.assay.resampling import Extremes, Resampled
from rightface.assay.tail import Fit, Floats, Peaks
from rightface.errors import RightfaceError
from rightface.faces.rate_table import RateTable, Tail

Scores = NDArray[np.float32]
Rows = tuple[tuple[float, float], ...]
Band = tuple[tuple[float, float, float], ...]
BINS = 40_000
ROWS_PER_DECADE = 12
BEYOND_DECADES = 4
"""The interval is told so far beyond the smallest rate that was measured."""
SPREAD_FROM = 0.1
"""A cohort's scale is taken between this rate and its table's end."""
LEAST_TOTAL = 100 * RULE_OF_30
"""Comparisons below which there is no table."""


class CalibrationError(RightfaceError):
    """The scores do not suffice for a table."""

    code = "calibration"


class ScoreCounts:
    """How many comparisons fell into each bin of scores."""

    def __init__(self, lowest: float = -1.0, highest: float = 1.0) -> None:
        """Scores beyond the ends count at the ends.

        Raises:
            CalibrationError: there is nothing between the ends.
        """
        if not (np.isfinite([lowest, highest]).all() and lowest < highest):
            raise CalibrationError("There are too few different comparisons for a table.")
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.edges = np.linspace(lowest, highest, BINS + 1)

    def add(self, scores: Scores) -> None:
        """Count `scores`, of any shape.

        Raises:
            CalibrationError: a score is not a number.
        """
        flat = np.asarray(scores, np.float64).ravel()
        if np.isnan(flat).any():
            raise CalibrationError("A comparison score is not a number.")
        lowest, highest = self.edges[0], self.edges[-1]
        inside = (np.clip(flat, lowest, highest) - lowest) * (BINS / (highest - lowest))
        places = np.minimum(inside.astype(np.int64), BINS - 1)
        self.counts += np.bincount(places, minlength=BINS)

    @property
    def total(self) -> int:
        """Comparisons counted."""
        return int(self.counts.sum())

    @property
    def at_least(self) -> NDArray[np.int64]:
        """For each bin, how many comparisons reached its lower edge."""
        summed: NDArray[np.int64] = np.cumsum(self.counts[::-1])[::-1]
        return summed

    def score_at(self, rate: float) -> float:
        """The lower edge of the first bin that at most this share of comparisons reached."""
        reached = np.flatnonzero(self.at_least <= rate * self.total)
        return float(self.edges[reached[0]] if len(reached) else self.edges[-1])

    def peaks(self) -> Peaks:
        """All that was counted, each bin at its middle."""
        filled = np.flatnonzero(self.counts)[::-1]
        middles = (self.edges[filled] + self.edges[filled + 1]) / 2
        return Peaks(middles, self.counts[filled].astype(np.float64), float(self.total))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Scores ascending, each with the false match rate at or above it; and what comes beyond."""

    rows: Rows
    tail: Tail
    """It begins at the last row, of `extended` if there are any."""
    extended: Rows = ()
    """Further rows, that were not measured."""
    fit: Fit | None
    """What the tail was fitted to."""
    shape_interval: tuple[float, float] | None
    """Of the fitted shape, at 95 %; None where nothing was resampled."""
    band: Band
    """Scores, each with the interval of its rate at 95 %."""
    impostor_pairs: int

    @property
    def smallest_fmr(self) -> float:
        """The smallest rate that was measured."""
        return self.rows[-1][1]


def rate_rows(impostors: ScoreCounts, smallest: float = 0.0) -> Rows:
    """The measured rates, at most a hundred rows, strictly monotone, the first of rate 1.

    None is below `smallest`, nor of fewer than 30 comparisons.

    Raises:
        CalibrationError: too few comparisons, or scores that are all alike.
    """
    total = impostors.total
    at_least = impostors.at_least
    if total < LEAST_TOTAL or np.count_nonzero(impostors.counts) < 10:
        raise CalibrationError("There are too few different comparisons for a table.")
    measured = at_least >= max(RULE_OF_30, smallest * total)
    scores, rates = impostors.edges[:-1][measured], at_least[measured] / total
    first = int(np.flatnonzero(rates == 1.0)[-1])
    scores, rates = scores[first:], rates[first:]
    decades = -np.log10(rates[-1])
    steps = min(99, max(10, round(decades * ROWS_PER_DECADE)))
    rows: list[tuple[float, float]] = [(float(scores[0]), 1.0)]
    for rate in 10 ** np.linspace(0.0, -decades, steps)[1:]:
        # The least score whose rate is not above the wanted one.
        place = int(np.searchsorted(-rates, -rate * (1 + 1e-12)))
        if place < len(scores) and scores[place] > rows[-1][0] and rates[place] < rows[-1][1]:
            rows.append((float(scores[place]), float(rates[place])))
    if len(rows) < 3:
        raise CalibrationError("There are too few different scores for a table.")
    return tuple(rows)


def curve(impostors: ScoreCounts, highest: Extremes | None = None, *, seed: int = 0) -> Curve:
    """The table of `impostors`, and its tail.

    Where people are known, `highest` gives intervals.

    Args:
        impostors: all comparisons.
        highest: the highest of them, down to about `tails.HIGHEST_START` of all.
        seed: of the resampling.

    Raises:
        CalibrationError: the comparisons are too few, or all alike.
    """
    rows = rate_rows(impostors)
    last = rows[-1][0]
    resampled = None if highest is None else Resampled(highest, seed=seed)
    peaks = impostors.peaks()
    spread: Callable[[Floats], Floats] | None = None
    told: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
    if resampled is not None:
        peaks = resampled.peaks
        scores = np.array([score for score, _ in rows if score >= peaks.scores[-1]])
        told = scores, resampled.errors(scores)
        spread = partial(_between, *told)
    found = tails.fit(peaks, spread)
    if found is None:
        raise CalibrationError("There are too few different scores for a tail.")
    made = Curve(
        rows=rows,
        tail=found.at(last),
        fit=found,
        shape_interval=None if resampled is None else resampled.shapes(found.start),
        band=(),
        impostor_pairs=impostors.total,
    )
    if resampled is None:
        return made
    return replace(made, band=_band(made, found, resampled, *told))


def cohort_curve(impostors: ScoreCounts, everybody: Curve, *, smallest: float = 0.0) -> Curve:
    """The table of one cohort, which reaches less far than that of `everybody`.

    Where it ends it goes on as everybody's does from the same rate, with another scale: that of its
    own scores between rates of a tenth and of its end. So what is pooled is the curve's form, which
    short records cannot show each by itself (Hosking & Wallis 1997, Regional Frequency Analysis,
    ch. 1: the index-flood procedure). No measured row is of a rate below `smallest`.

    Raises:
        CalibrationError: the comparisons are too few, or all alike.
    """
    rows = rate_rows(impostors, smallest)
    table = RateTable(everybody.rows, everybody.tail)
    own = RateTable(rows, everybody.tail)
    last, rate = rows[-1]
    if rate >= SPREAD_FROM:
        raise CalibrationError("There are too few comparisons for a table.")
    spread = last - own.score_at(SPREAD_FROM)
    start = table.score_at(rate)
    scale = spread / (start - table.score_at(SPREAD_FROM))
    extended = tuple(
        (last + scale * (score - start), each) for score, each in everybody.rows if each < rate
    )
    return Curve(
        rows=rows,
        extended=extended,
        tail=Tail(everybody.tail.shape, scale * everybody.tail.scale),
        fit=None,
        shape_interval=None,
        band=(),
        impostor_pairs=impostors.total,
    )


def _between(scores: Floats, errors: Floats, wanted: Floats) -> Floats:
    return np.asarray(np.interp(wanted, scores, errors))


def _band(made: Curve, found: Fit, resampled: Resampled, scores: Floats, errors: Floats) -> Band:
    """The intervals of the measured rates at `scores`, and of the tail's."""
    rates = dict(made.rows)
    measured = [
        (score, rates[score] * math.exp(-1.96 * error), rates[score] * math.exp(1.96 * error))
        for score, error in zip(scores.tolist(), errors.tolist(), strict=True)
    ]
    last = made.rows[-1][0]
    steps = np.arange(1, 2 * BEYOND_DECADES + 1) / 2
    further = np.array([last + made.tail.beyond(-step) for step in steps])
    low, high = np.exp(resampled.beyond(found.start, last, further))
    return (*measured, *zip(further.tolist(), low.tolist(), high.tolist(), strict=True))
