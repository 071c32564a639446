"""What a comparison score means: the false match rate (FMR) that it stands for, and where from.

A table made from comparisons of different people (see `rightface.assay.calibrate`) turns a score
into the share of such comparisons that score at least as high. Beyond what the pairs can show the
rate is extrapolated, and says so. Similarity, 0..100, is what the wire shows:

    similarity = 100 · (1 − FMR^(1/4))        80 ↔ 1.6e-3    90 ↔ 1e-4    99 ↔ 1e-8

Never knows images, models, law or storage.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

import numpy as np

from rightface.errors import WeightsError

FalseMatchRate = float
"""0..1: the share of comparisons of different people that would match."""
Similarity = float
"""0..100; see the module's text."""

FILE = "calibration.json"
LEAST_LOG_RATE = -300.0
"""Rates are never smaller than 10 to this, so that they stay positive numbers."""


@dataclass(frozen=True)
class MatchRate:
    """The false match rate that a score stands for."""

    fmr: FalseMatchRate
    extrapolated: bool
    """Beyond what the calibration's pairs can show: an estimate from the tail's slope."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a calibration was measured on."""

    pack_digest: str
    data_sets: tuple[str, ...]
    impostor_pairs: int
    genuine_pairs: int
    measured_on: date
    smallest_fmr: FalseMatchRate
    """The smallest rate that the pairs can show; below it rates are extrapolated."""
    caveats: tuple[str, ...]
    """What is known to be wrong with these figures, in sentences."""


class Calibration:
    """A monotone map between scores and false match rates. Immutable."""

    def __init__(
        self, scores: list[float], rates: list[float], tail_slope: float, provenance: Provenance
    ) -> None:
        """Scores ascending with their rates, from 1 downwards, and log₁₀(rate) per score beyond.

        Raises:
            WeightsError: the table is not strictly monotone, or not of numbers in range.
        """
        self._scores = np.asarray(scores, np.float64)
        self._logs = np.log10(np.maximum(np.asarray(rates, np.float64), 10**LEAST_LOG_RATE))
        self._slope = float(tail_slope)
        self.provenance = provenance
        sound = (
            self._scores.size == self._logs.size >= 2
            and np.isfinite(self._scores).all()
            and np.isfinite(self._logs).all()
            and (np.diff(self._scores) > 0).all()
            and (np.diff(self._logs) < 0).all()
            and self._logs[0] == 0
            and math.isfinite(self._slope)
            and self._slope < 0
        )
        if not sound:
            raise WeightsError("The calibration table is not monotone.")

    @classmethod
    def shipped(cls) -> Calibration:
        """The calibration of the model pack that this release ships.

        Raises:
            WeightsError: the file is missing or damaged.
        """
        try:
            text = (files("rightface.faces") / FILE).read_text("utf-8")
            return cls.from_json(json.loads(text))
        except (OSError, ValueError) as error:
            raise WeightsError(
                "The calibration of the model pack is missing or damaged.",
                mend="Install rightface again.",
            ) from error

    @classmethod
    def from_json(cls, told: Any) -> Calibration:
        """From the parsed content of `calibration.json`.

        Raises:
            WeightsError: fields are missing, of the wrong type, or not monotone.
        """
        try:
            provenance = Provenance(
                pack_digest=str(told["pack_digest"]),
                data_sets=tuple(str(name) for name in told["data_sets"]),
                impostor_pairs=int(told["impostor_pairs"]),
                genuine_pairs=int(told["genuine_pairs"]),
                measured_on=date.fromisoformat(told["measured_on"]),
                smallest_fmr=float(told["smallest_fmr"]),
                caveats=tuple(str(caveat) for caveat in told["caveats"]),
            )
            scores = [float(row[0]) for row in told["table"]]
            rates = [float(row[1]) for row in told["table"]]
            return cls(scores, rates, float(told["tail_slope"]), provenance)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise WeightsError("The calibration table is damaged.") from error

    def rate(self, score: float) -> MatchRate:
        """The rate at which different people score at least `score`. Not a number counts as 1."""
        if math.isnan(score):
            return MatchRate(1.0, extrapolated=False)
        beyond = score - float(self._scores[-1])
        if beyond <= 0:
            log = float(np.interp(score, self._scores, self._logs))
            return MatchRate(float(10**log), extrapolated=False)
        log = max(LEAST_LOG_RATE, float(self._logs[-1]) + self._slope * min(beyond, 1e6))
        return MatchRate(float(10**log), extrapolated=True)

    def score_at(self, fmr: FalseMatchRate) -> float:
        """The least score whose rate is at most `fmr`: the threshold for that rate.

        At a rate of 1 (or more, or not a number) this is minus infinity: everything matches.
        """
        if math.isnan(fmr) or fmr >= 1:
            return -math.inf
        log = math.log10(max(fmr, 10**LEAST_LOG_RATE))
        last = float(self._logs[-1])
        if log >= last:
            return float(np.interp(-log, -self._logs, self._scores))
        return float(self._scores[-1]) + (log - last) / self._slope


def similarity(fmr: FalseMatchRate) -> Similarity:
    """100 · (1 − FMR^(1/4)), within 0..100; a rate that is not a number counts as 1."""
    if math.isnan(fmr):
        return 0.0
    return float(100 * (1 - min(1.0, max(0.0, fmr)) ** 0.25))


def fmr_of_similarity(shown: Similarity) -> FalseMatchRate:
    """The inverse of `similarity`; values beyond 0..100 count as its ends, not a number as 0."""
    if math.isnan(shown):
        return 1.0
    return float((1 - min(100.0, max(0.0, shown)) / 100) ** 4)
