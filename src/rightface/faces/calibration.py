"""What a comparison score means: the false match rate (FMR) that it stands for, and where from.

A table made from comparisons of different people (see `rightface.assay.calibrate`) turns a score
into the share of such comparisons that score at least as high; one for everybody, and one for each
cohort that was measured. Beyond what the pairs can show the rate is extrapolated, and says so.
Similarity, 0..100, is what the wire shows:

    similarity = 100 · (1 − FMR^(1/4))        80 ↔ 1.6e-3    90 ↔ 1e-4    99 ↔ 1e-8

Never knows images, models, law or storage.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

import numpy as np

from rightface.errors import WeightsError
from rightface.faces.rate_table import LEAST_LOG_RATE, RateTable, Tail

FalseMatchRate = float
"""0..1: the share of comparisons of different people that would match."""
Similarity = float
"""0..100; see the module's text."""

FILE, RAW_FILE = "calibration.json", "calibration-raw.json"
"""Of the equalised comparison, and of raw scores."""


@dataclass(frozen=True)
class MatchRate:
    """The false match rate that a score stands for."""

    fmr: FalseMatchRate
    extrapolated: bool
    """Beyond what the calibration's pairs can show: an estimate from the tail."""


@dataclass(frozen=True)
class Threshold:
    """The score from which on two faces match."""

    score: float
    extrapolated: bool
    """Beyond what the calibration's pairs can show."""
    cohort: str = ""
    """The measured cohort that sets it; empty: all comparisons together do."""


@dataclass(frozen=True)
class BandRow:
    """The interval, at 95 %, of the false match rate at one score."""

    score: float
    low: FalseMatchRate
    high: FalseMatchRate


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """What scores mean between different people of one group."""

    name: str
    """`asian · female (utkface)`: values of a data set's columns, and which data set."""
    images: int
    impostor_pairs: int
    table: RateTable


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
    comparison: str = "raw"
    """Of which comparison the scores are: `raw`, or the name of a score normalisation."""
    comparison_digest: str = ""
    """Hex SHA-256 of that normalisation; empty: raw."""
    too_small: tuple[str, ...] = ()
    """Cohorts with too few comparisons for a table of their own."""
    cross_fitted: tuple[str, ...] = ()
    """Data sets that the normalisation was fitted on, and whose cohorts were therefore compared by
    normalisations fitted without the people compared."""

    @property
    def people(self) -> int:
        """How many there are, of the data sets that say who is who; of others nobody counts."""
        told = [re.search(r" of (\d+) people$", one) for one in self.data_sets]
        return sum(int(one[1]) for one in told if one is not None)


class Calibration:
    """What scores stand for: for everybody, and for each cohort that was measured. Immutable."""

    def __init__(
        self,
        table: RateTable,
        provenance: Provenance,
        *,
        band: tuple[BandRow, ...] = (),
        cohorts: tuple[Cohort, ...] = (),
    ) -> None:
        self.table = table
        self.provenance = provenance
        self.bands = band
        self.cohorts = cohorts

    @classmethod
    def shipped(cls, file: str = FILE) -> Calibration:
        """The calibration of the model pack that this release ships, of the comparison of `file`.

        Raises:
            WeightsError: the file is missing or damaged.
        """
        try:
            text = (files("rightface.faces") / file).read_text("utf-8")
            return cls.from_json(json.loads(text))
        except (OSError, ValueError) as error:
            raise WeightsError(
                "The calibration of the model pack is missing or damaged.",
                mend="Install rightface again.",
            ) from error

    @classmethod
    def from_json(cls, told: Any) -> Calibration:
        """From the parsed content of `calibration.json`, of this release or an earlier one.

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
                comparison=str(told.get("comparison", "raw")),
                comparison_digest=str(told.get("comparison_digest", "")),
                too_small=tuple(str(name) for name in told.get("too_small", ())),
                cross_fitted=tuple(str(name) for name in told.get("cross_fitted", ())),
            )
            return cls(
                _table(told),
                provenance,
                band=tuple(BandRow(*map(float, row)) for row in told.get("band", ())),
                cohorts=tuple(
                    Cohort(
                        name=str(one["name"]),
                        images=int(one["images"]),
                        impostor_pairs=int(one["impostor_pairs"]),
                        table=_table(one),
                    )
                    for one in told.get("cohorts", ())
                ),
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise WeightsError("The calibration table is damaged.") from error

    # ------------------------------------------------------------ for everybody
    def rate(self, score: float) -> MatchRate:
        """The rate at which different people score at least `score`. Not a number counts as 1."""
        if math.isnan(score):
            return MatchRate(1.0, extrapolated=False)
        log = self.table.log_rate(score)
        return MatchRate(float(10**log), extrapolated=score > self.table.last_score)

    def score_at(self, fmr: FalseMatchRate) -> float:
        """The least score whose rate is at most `fmr`: the threshold for that rate.

        At a rate of 1 (or more, or not a number) this is minus infinity: everything matches.
        """
        return self.table.score_at(fmr)

    def band(self, score: float) -> tuple[FalseMatchRate, FalseMatchRate] | None:
        """The interval, at 95 %, of the rate at `score`; None where none was measured."""
        rows = self.bands
        if not rows or not rows[0].score <= score <= rows[-1].score:
            return None
        scores = [row.score for row in rows]
        low, high = (
            10 ** float(np.interp(score, scores, np.log10(np.maximum(ends, 10**LEAST_LOG_RATE))))
            for ends in ([row.low for row in rows], [row.high for row in rows])
        )
        return low, high

    # ------------------------------------------------------------ for the worst cohort
    def worst_threshold(self, fmr: FalseMatchRate) -> Threshold:
        """The score at which no measured cohort, nor everybody together, has more than `fmr`."""
        best = Threshold(self.score_at(fmr), self.rate(self.score_at(fmr)).extrapolated)
        for cohort in self.cohorts:
            score = cohort.table.score_at(fmr)
            if score > best.score:
                best = Threshold(score, score > cohort.table.last_score, cohort.name)
        return best

    def worst_rate(self, score: float) -> MatchRate:
        """The highest rate at `score` of any measured cohort, or of everybody together."""
        worst = self.rate(score)
        if math.isnan(score):
            return worst
        for cohort in self.cohorts:
            fmr = float(10 ** cohort.table.log_rate(score))
            if fmr > worst.fmr:
                worst = MatchRate(fmr, extrapolated=score > cohort.table.last_score)
        return worst


def _table(told: Any) -> RateTable:
    if "tail" in told:
        tail = Tail(float(told["tail"]["shape"]), float(told["tail"]["scale"]))
    else:  # until release 0.1 the tail was a line: log₁₀(rate) for each unit of score
        tail = Tail(0.0, -1 / (float(told["tail_slope"]) * math.log(10)))
    rows, extended = (
        [(float(row[0]), float(row[1])) for row in some]
        for some in (told["table"], told.get("extended", ()))
    )
    return RateTable(rows, tail, extended)


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
