"""Turns comparison scores of different people into a table of false match rates.

Scores are counted into fine bins, so that hundreds of millions fit; the rate at a score is the
share of impostor comparisons that score at least as high. The table ends where fewer than thirty
comparisons are left (the "rule of 30": Doddington et al. 2000, doi:10.1016/S0167-6393(99)00080-1);
beyond, the logarithm of the rate goes on along a line. Pure: never knows images, files or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.errors import RightfaceError

LOWEST, HIGHEST = -1.0, 1.0
"""Scores are inner products of unit vectors."""
BINS = 40_000
RULE_OF_30 = 30
"""Errors that must have been seen before a rate counts as measured."""
ROWS_PER_DECADE = 12
TAIL_DECADES = 2.0
"""The line beyond the table is fitted to so many decades of rates at its end."""


class CalibrationError(RightfaceError):
    """The scores do not suffice for a table."""

    code = "calibration"


class ScoreCounts:
    """How many comparisons fell into each bin of scores."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)

    def add(self, scores: NDArray[np.float32]) -> None:
        """Count `scores`, of any shape; those beyond [−1, 1] count at its ends.

        Raises:
            CalibrationError: a score is not a number.
        """
        flat = np.asarray(scores, np.float64).ravel()
        if np.isnan(flat).any():
            raise CalibrationError("A comparison score is not a number.")
        places = np.floor((flat - LOWEST) * (BINS / (HIGHEST - LOWEST))).astype(np.int64)
        np.clip(places, 0, BINS - 1, out=places)
        self.counts += np.bincount(places, minlength=BINS)

    @property
    def total(self) -> int:
        """Comparisons counted."""
        return int(self.counts.sum())


@dataclass(frozen=True, kw_only=True)
class RateTable:
    """Scores ascending, each with the false match rate at or above it; and what comes beyond."""

    rows: tuple[tuple[float, float], ...]
    tail_slope: float
    """log₁₀(rate) for each unit of score beyond the last row; negative."""
    smallest_fmr: float
    """The smallest rate that was measured."""
    impostor_pairs: int


def rate_table(impostors: ScoreCounts) -> RateTable:
    """The table for `impostors`, at most a hundred rows, strictly monotone.

    Raises:
        CalibrationError: too few comparisons, or scores that are all alike.
    """
    total = impostors.total
    edges = np.linspace(LOWEST, HIGHEST, BINS + 1)[:-1]
    at_least = np.cumsum(impostors.counts[::-1])[::-1]
    if total < 100 * RULE_OF_30 or np.count_nonzero(impostors.counts) < 10:
        raise CalibrationError("There are too few different comparisons for a table.")
    measured = at_least >= RULE_OF_30
    scores, rates = edges[measured], at_least[measured] / total
    first = int(np.flatnonzero(rates == 1.0)[-1])
    scores, rates = scores[first:], rates[first:]
    decades = -np.log10(rates[-1])
    steps = min(99, max(10, round(decades * ROWS_PER_DECADE)))
    wanted = 10 ** np.linspace(0.0, -decades, steps)
    rows = _rows_at(scores, rates, wanted)
    if len(rows) < 3:
        raise CalibrationError("There are too few different scores for a table.")
    return RateTable(
        rows=rows,
        tail_slope=_tail_slope(scores, rates),
        smallest_fmr=rows[-1][1],
        impostor_pairs=total,
    )


def _rows_at(
    scores: NDArray[np.float64], rates: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[tuple[float, float], ...]:
    """For each wanted rate the least score whose rate is not above it; strictly monotone."""
    rows: list[tuple[float, float]] = [(float(scores[0]), 1.0)]
    for rate in wanted[1:]:
        place = int(np.searchsorted(-rates, -rate * (1 + 1e-12)))
        if place < len(scores) and scores[place] > rows[-1][0] and rates[place] < rows[-1][1]:
            rows.append((round(float(scores[place]), 6), float(rates[place])))
    return tuple(rows)


def _tail_slope(scores: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    """Least squares of log₁₀(rate) over score, along the last decades, one point per step down."""
    logs = np.log10(rates)
    changes = np.flatnonzero(np.diff(logs, append=-np.inf) < 0)
    steps = changes[logs[changes] <= logs[-1] + TAIL_DECADES]
    if len(steps) < 2:
        steps = changes[-2:]
    slope = float(np.polyfit(scores[steps], logs[steps], 1)[0])
    if not slope < 0:
        raise CalibrationError("The rates do not fall with the score.")
    return slope
