"""A monotone map between scores and false match rates: a measured table, and a tail beyond it.

Beyond the last row the rate goes on as a generalised Pareto distribution does (peaks over a
threshold: Coles 2001, An Introduction to Statistical Modeling of Extreme Values, ch. 4), and never
faster than exponentially: see assay/tail.py. Rows that were not measured, but taken from others'
comparisons, may come between. Never knows where the numbers come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightface.errors import WeightsError

LEAST_LOG_RATE = -300.0
"""Rates are never smaller than 10 to this, so that they stay positive numbers."""
_STRAIGHT = 1e-9  # of a shape: below, the tail is an exponential
_FAR = 1e200  # beyond any score, and still a number that can be reckoned with
_LN10 = math.log(10)


@dataclass(frozen=True)
class Tail:
    """How rates go on beyond a score: the survival function of a generalised Pareto distribution.

    (1 + shape · x / scale)^(−1/shape) for a score x beyond; exp(−x/scale) where the shape is 0.
    """

    shape: float
    scale: float
    """In scores; positive."""

    def moved(self, by: float) -> Tail:
        """The same tail, seen from a score that lies `by` higher (Coles 2001, section 4.2.2)."""
        return Tail(self.shape, self.scale + self.shape * by)

    def log_share(self, beyond: float) -> float:
        """log₁₀ of the share, of what is over the start, that is over `beyond` (≥ 0) too."""
        if abs(self.shape) < _STRAIGHT:
            return max(LEAST_LOG_RATE, -beyond / (self.scale * _LN10))
        inside = 1 + self.shape * beyond / self.scale
        return LEAST_LOG_RATE if inside <= 0 else -math.log10(inside) / self.shape

    def beyond(self, log_share: float) -> float:
        """The inverse of `log_share`."""
        if abs(self.shape) < _STRAIGHT:
            return -log_share * self.scale * _LN10
        return self.scale * math.expm1(-log_share * self.shape * _LN10) / self.shape


class RateTable:
    """Scores ascending with their false match rates, from 1 downwards, and the tail beyond.

    Immutable. Between two rows log₁₀(rate) is a line.
    """

    def __init__(
        self,
        rows: Sequence[tuple[float, float]],
        tail: Tail,
        extended: Sequence[tuple[float, float]] = (),
    ) -> None:
        """`rows`: measured; `extended`: further ones, that were not; `tail` begins at the last.

        Raises:
            WeightsError: the table is not strictly monotone, or not of numbers in range.
        """
        pairs = np.asarray([*rows, *extended], np.float64).reshape(-1, 2)
        self._scores = pairs[:, 0]
        self._logs = np.log10(np.maximum(pairs[:, 1], 10**LEAST_LOG_RATE))
        self._measured = len(rows)
        self.tail = tail
        sound = (
            self._measured >= 2
            and np.isfinite(self._scores).all()
            and np.isfinite(self._logs).all()
            and (np.diff(self._scores) > 0).all()
            and (np.diff(self._logs) < 0).all()
            and self._logs[0] == 0
            and math.isfinite(tail.scale)
            and tail.scale > 0
            and 0 <= tail.shape < 1
        )
        if not sound:
            raise WeightsError("The calibration table is not monotone.")

    def __len__(self) -> int:
        return int(self._scores.size)

    @property
    def last_score(self) -> float:
        """The highest score whose rate was measured."""
        return float(self._scores[self._measured - 1])

    @property
    def smallest_fmr(self) -> float:
        """The rate at that score."""
        return float(10 ** self._logs[self._measured - 1])

    def log_rate(self, score: float) -> float:
        """log₁₀ of the rate at which different people score at least `score` (a number)."""
        beyond = score - float(self._scores[-1])
        if beyond <= 0:
            return float(np.interp(score, self._scores, self._logs))
        log = float(self._logs[-1]) + self.tail.log_share(min(beyond, _FAR))
        return max(LEAST_LOG_RATE, log)

    def score_at(self, fmr: float) -> float:
        """The least score whose rate is at most `fmr`.

        At a rate of 1 (or more, or not a number) this is minus infinity: everything matches.
        """
        if math.isnan(fmr) or fmr >= 1:
            return -math.inf
        log = math.log10(max(fmr, 10**LEAST_LOG_RATE))
        last = float(self._logs[-1])
        if log >= last:
            return float(np.interp(-log, -self._logs, self._scores))
        return float(self._scores[-1]) + self.tail.beyond(log - last)
