"""The threshold of one comparison or search: the strictest of what is asked, owed and aimed at.

    1. What the caller asks: a similarity.
    2. What the permit obliges to: the obligation `similarity-floor`.
    3. What the gallery aims at: a share of searches that may be wrong, at its size, for the worst
       measured cohort.

A caller's stricter threshold stays; a laxer one is raised, and the answer says so. Every comparison
and every search passes through here. Must never know: a wire format, a gallery's rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightface.assay.thresholds import fmr_needed
from rightface.faces.calibration import Calibration, fmr_of_similarity
from rightface.permit import Permit
from rightface.service.desk import strictest
from rightface.service_types import Floor

FLOOR = "similarity-floor"


@dataclass(frozen=True)
class Aim:
    """What a gallery aims at, and how large it is."""

    fpir: float
    comparisons: int
    """Of one search: faces that are enrolled, times probes."""


def floor_of(
    permit: Permit, calibration: Calibration, similarity: float, aim: Aim | None = None
) -> Floor:
    """The threshold that applies; `aim`: of the gallery that is searched, if it has one."""
    fmr = min(fmr_of_similarity(similarity), strictest(permit).get(FLOOR, 1.0))
    if aim is None:
        return Floor(fmr=fmr)
    needed = calibration.worst_threshold(fmr_needed(aim.fpir, aim.comparisons))
    return Floor(
        fmr=min(fmr, calibration.rate(needed.score).fmr),
        fpir_target=aim.fpir,
        extrapolated=needed.extrapolated,
    )
