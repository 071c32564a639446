"""Thresholds for galleries: what one search may get wrong, and what that costs each group.

A search of a gallery is as many comparisons as it has faces. If each is wrong as often as its FMR
says, and independently, somebody is found wrongly in 1 − (1 − FMR)^N of the searches of people who
are not enrolled (ISO/IEC 19795-1: FPIR). So a target for searches sets the FMR that comparisons may
have, and the threshold follows the gallery's size. Pure numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.errors import SettingsError
from rightface.faces.calibration import Calibration, Threshold

GALLERY_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LEAST_GENUINE = 30
"""Comparisons of one person below which a rate of misses says nothing."""


def require_target(fpir: float) -> float:
    """`fpir` itself: a share of searches, more than none and fewer than all.

    Raises:
        SettingsError: it is none.
    """
    if not 0 < fpir < 1:  # not a number: neither
        raise SettingsError(
            "A target for searches lies between 0 and 1.", mend="For example 0.001."
        )
    return fpir


def fmr_needed(fpir: float, comparisons: int) -> float:
    """The FMR at which so many comparisons are wrong, once or more, in a share `fpir` of searches.

    1 − (1 − FPIR)^(1/N), exact where N is large. Of no comparison nothing is asked: 1.
    """
    if comparisons < 1:
        return 1.0
    return -math.expm1(math.log1p(-fpir) / comparisons)


@dataclass(frozen=True)
class Genuine:
    """The scores of comparisons of one person, within one group."""

    group: str
    scores: NDArray[np.float32]
    """Ascending."""


@dataclass(frozen=True)
class Misses:
    """How often a group's people are missed at two thresholds."""

    group: str
    trials: int
    for_everybody: float
    """FNMR at the threshold that all comparisons together set."""
    for_the_worst: float
    """FNMR at the one that the worst measured cohort sets."""


@dataclass(frozen=True)
class Cost:
    """What a target costs in a gallery of one size."""

    faces: int
    fmr: float
    """What each comparison may have."""
    for_everybody: Threshold
    for_the_worst: Threshold
    worst_rate: float
    """The FMR of the worst measured cohort at the threshold for everybody."""
    misses: tuple[Misses, ...]


def costs(
    calibration: Calibration,
    genuine: Sequence[Genuine],
    fpir: float,
    sizes: Sequence[int] = GALLERY_SIZES,
) -> tuple[Cost, ...]:
    """One threshold for everybody against one for the worst cohort, by gallery size.

    Groups with fewer than LEAST_GENUINE comparisons are left out.

    Raises:
        SettingsError: `fpir` is no share of searches.
    """
    require_target(fpir)
    told = [one for one in genuine if len(one.scores) >= LEAST_GENUINE]
    found = []
    for faces in sizes:
        fmr = fmr_needed(fpir, faces)
        score = calibration.score_at(fmr)
        everybody = Threshold(score, score > calibration.table.last_score)
        worst = calibration.worst_threshold(fmr)
        misses = tuple(
            Misses(
                one.group,
                len(one.scores),
                _missed(one.scores, everybody.score),
                _missed(one.scores, worst.score),
            )
            for one in told
        )
        rate = calibration.worst_rate(score).fmr
        found.append(Cost(faces, fmr, everybody, worst, rate, misses))
    return tuple(found)


def _missed(scores: NDArray[np.float32], threshold: float) -> float:
    return float(np.searchsorted(scores, threshold, side="left")) / len(scores)
