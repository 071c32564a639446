"""A calibration of another system's scores: what each stands for, without a photograph.

    1. Everybody's table: the scores that each false match rate sets, down to thirty errors.
    2. Beyond it the tail, as of our own scores (see `tail`), marked as extrapolated.
    3. The band: Wilson intervals where rates were measured; beyond, the tail fitted again to
       exceedances that are drawn anew. Both take comparisons as independent, so they are too
       narrow where people are in many; the document says so.
    4. A table for each value of each cohort column, of comparisons within it.

The document has the form of a model pack's, but belongs to none: there is no pack whose templates
would give these scores, so no instance can use it, and `Provenance.pack_digest` is empty. Never
knows a permit, an image or a template.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from rightface.assay import tail as tails
from rightface.assay.calibrate import (
    BEYOND_DECADES,
    BINS,
    Band,
    CalibrationError,
    Curve,
    ScoreCounts,
    cohort_curve,
    curve,
)
from rightface.assay.calibrating import EVERYBODY, Calibrated
from rightface.assay.calibration_document import FORMAT
from rightface.assay.intervals import rate as wilson
from rightface.assay.score_file import ScoreFile
from rightface.assay.score_steps import steps_of
from rightface.assay.tail import Fit, Floats, Peaks
from rightface.assay.thresholds import Genuine
from rightface.faces.calibration import Calibration

COMPARISON = "another-system"
REPLICATES = 200
LARGEST = 1e100
"""Beyond, a tail's numbers would not be numbers any more."""
CAVEATS = (
    "These are another system's scores: no model pack of rightface compares by them, so this "
    "calibration ships with none, and no instance takes it.",
    "Intervals take comparisons as independent; where people are in many, they are too narrow.",
)


class Stepped(ScoreCounts):
    """Counted in steps of the scores themselves; see `score_steps`."""

    def __init__(self, file: ScoreFile, impostor: NDArray[np.float64]) -> None:
        """`impostor`: ascending, of all in `file` or of some."""
        steps = steps_of(file.genuine, impostor, (), BINS).scores
        self.counts = np.diff(np.searchsorted(impostor, steps), append=len(impostor))
        self.edges = np.append(steps, np.nextafter(steps[-1], np.inf))

    def peaks(self) -> Peaks:
        """Each at its step: the highest are steps of their own."""
        filled = np.flatnonzero(self.counts)[::-1]
        weights = self.counts[filled].astype(np.float64)
        return Peaks(self.edges[filled], weights, float(self.total))


def calibrate_scores(
    file: ScoreFile, *, name: str, on: date, caveats: Sequence[str] = (), seed: int = 0
) -> Calibrated:
    """What those scores stand for.

    Args:
        file: of scores; see `score_file`.
        name: what was measured, in words.
        on: the day.
        caveats: more of them.
        seed: of what is drawn.

    Raises:
        CalibrationError: the comparisons are too few, or all alike, or scores are beyond LARGEST.
    """
    ends = (file.genuine[0], file.genuine[-1], file.impostor[0], file.impostor[-1])
    if max(map(abs, ends)) > LARGEST:
        raise CalibrationError(
            "The scores are too large for a calibration.",
            why=f"One is beyond {LARGEST:g}.",
            mend="Strike it if it is no score, or write all on another scale.",
        )
    counts = Stepped(file, file.impostor)
    everybody = curve(counts)
    assert everybody.fit is not None  # `curve` refuses otherwise
    everybody = replace(everybody, band=_band(everybody, everybody.fit, counts.peaks(), seed))
    cohorts, too_small = [], []
    for cohort, impostor in _within(file):
        try:
            made = cohort_curve(Stepped(file, impostor), everybody)
        except CalibrationError:
            too_small.append(cohort)
            continue
        cohorts.append({"name": cohort, "images": 0} | _told(made))
    document = {
        "format": FORMAT,
        "pack": name,
        "pack_digest": "",
        "comparison": COMPARISON,
        "comparison_digest": "",
        "data_sets": [f"{name}: a file of scores, SHA-256 {file.digest}"],
        "genuine_pairs": len(file.genuine),
        "measured_on": on.isoformat(),
        "caveats": [*CAVEATS, *caveats],
        **_told(everybody),
        "band": [list(row) for row in everybody.band],
        "cohorts": cohorts,
        "too_small": too_small,
        "cross_fitted": [],
    }
    return Calibrated(
        document=document,
        calibration=Calibration.from_json(document),
        genuine=(Genuine(EVERYBODY, file.genuine.astype(np.float32)),),
    )


def _within(file: ScoreFile) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Of each value of each column: the impostor scores of two people who have it, ascending."""
    for column, values in file.columns.items():
        found: list[list[NDArray[np.float64]]] = [[] for _ in values]
        for block in file.blocks():
            one, other = block.groups[column]
            inside = (one == other) & ~block.same
            for place in np.unique(one[inside & (one >= 0)]).tolist():
                found[place].append(block.scores[inside & (one == place)])
        for value, parts in zip(values, found, strict=True):
            if parts:
                yield f"{value} ({column})", np.sort(np.concatenate(parts))


def _told(made: Curve) -> dict[str, object]:
    """Scores are told to their last digit: another system's scale may be any."""
    return {
        "impostor_pairs": made.impostor_pairs,
        "smallest_fmr": made.smallest_fmr,
        "tail": {"shape": made.tail.shape, "scale": made.tail.scale}
        | (
            {}
            if made.fit is None
            else {"fitted_from": made.fit.start, "exceedances": made.fit.exceedances}
        ),
        "table": [list(row) for row in made.rows],
        **({"extended": [list(row) for row in made.extended]} if made.extended else {}),
    }


def _band(made: Curve, found: Fit, peaks: Peaks, seed: int) -> Band:
    last, smallest = made.rows[-1]
    measured = []
    for score, share in made.rows:
        told = wilson(round(share * made.impostor_pairs), made.impostor_pairs)
        assert told.low is not None and told.high is not None  # there are trials
        measured.append((score, told.low, told.high))
    steps = np.arange(1, 2 * BEYOND_DECADES + 1) / 2
    further = np.array([last + made.tail.beyond(-step) for step in steps])
    excesses, weights = peaks.over(found.start)
    drawn = [
        _drawn(excesses, weights, found.start, last, further, np.random.default_rng((seed, number)))
        for number in range(REPLICATES)
    ]
    logs = np.array([each for each in drawn if each is not None])
    if not len(logs):
        return tuple(measured)
    low, high = smallest * 10 ** np.percentile(logs, [2.5, 97.5], axis=0)
    return (*measured, *zip(further.tolist(), low.tolist(), high.tolist(), strict=True))


def _drawn(
    excesses: Floats,
    weights: Floats,
    start: float,
    last: float,
    further: Floats,
    generator: np.random.Generator,
) -> Floats | None:
    """log₁₀ of the rates at `further` over the rate at `last`, of exceedances drawn anew."""
    times = generator.poisson(weights).astype(np.float64)
    kept = times > 0
    tail = tails.moments(excesses[kept], times[kept])
    if tail is None:
        return None
    on = tails.straightened(tail.moved(last - start), tail)
    reached = float(times[excesses >= last - start].sum())
    measured = float(weights[excesses >= last - start].sum())
    moved = math.log10(max(reached, 0.5) / measured)
    return np.array([on.log_share(score - last) + moved for score in further])
