"""The threshold explorer's numbers: every group's error rates at a ladder of thresholds.

Read off the document's curves, straight between neighbouring thresholds. The page's script only
picks a step of the ladder; without a script the step of the main target stands there.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TypedDict

from rightface.assay.report import words
from rightface.assay.report.headline import main_target, point_at, weak
from rightface.assay.result import Assay, CurvePoint

STEPS = 80
"""At most; enough for a slider that is moved by hand."""


class Row(TypedDict):
    """One group over the ladder; None beyond its curve."""

    part: str
    name: str
    too_few: bool
    fmr: list[float | None]
    fnmr: list[float | None]
    fmr_told: list[str]
    fnmr_told: list[str]


class Ladder(TypedDict):
    """What the script reads."""

    start: int
    score: list[float]
    told: list[str]
    """Each step in words."""
    rows: list[Row]


def ladder(assay: Assay) -> Ladder | None:
    """The steps, from lax to strict, for everybody and each group. None without a curve."""
    kept = _steps(assay.verification.curve)
    if len(kept) < 2:
        return None
    scores = [one.score for one in kept]
    everybody = assay.verification
    rows = [
        _row("", words.EVERYBODY, everybody.genuine, everybody.impostor, everybody.curve, scores)
    ]
    target = main_target(assay)
    for part in assay.partitions:
        for group in part.groups:
            row = _row(
                words.columns(part.columns),
                group.name,
                group.genuine,
                group.impostor,
                group.curve,
                scores,
            )
            rows.append({**row, "too_few": bool(weak(group, target))})
    return {
        "start": _start(assay, scores),
        "score": [round(score, 6) for score in scores],
        "told": [
            f"The threshold that {words.odds(one.fmr)} of all impostor comparisons reach "
            f"(score {words.figure(one.score)})."
            for one in kept
        ],
        "rows": rows,
    }


def _steps(curve: tuple[CurvePoint, ...]) -> list[CurvePoint]:
    """Points that are about as far apart as factors of the false match rate go."""
    rising = [one for one in curve if 0 < one.fmr <= 0.5]
    if len(rising) <= STEPS:
        return rising
    high, low = math.log(rising[0].fmr), math.log(rising[-1].fmr)
    gap = (high - low) / (STEPS - 1)
    kept: list[CurvePoint] = []
    for one in rising:
        if not kept or math.log(kept[-1].fmr) - math.log(one.fmr) >= gap * 0.999:
            kept.append(one)
    return kept


def _start(assay: Assay, scores: list[float]) -> int:
    at = point_at(assay.verification.at, main_target(assay))
    if at is None or at.threshold is None:
        return len(scores) // 2
    wanted = at.threshold
    return min(range(len(scores)), key=lambda step: abs(scores[step] - wanted))


def _row(
    part: str,
    name: str,
    genuine: int,
    impostor: int,
    curve: tuple[CurvePoint, ...],
    scores: list[float],
) -> Row:
    fmr = [_short(_between(curve, score, "fmr")) for score in scores]
    fnmr = [_short(_between(curve, score, "fnmr")) for score in scores]
    return {
        "part": part,
        "name": name,
        "too_few": False,
        "fmr": fmr,
        "fnmr": fnmr,
        "fmr_told": [_none_in(one, impostor) or words.odds(one) for one in fmr],
        "fnmr_told": [_none_in(one, genuine) or words.percent(one) for one in fnmr],
    }


def _none_in(rate: float | None, trials: int) -> str:
    if rate is None or trials == 0:
        return words.NOTHING
    return f"none in {trials:,}" if rate == 0 else ""


def _between(curve: tuple[CurvePoint, ...], score: float, of: str) -> float | None:
    at = bisect_left(curve, score, key=lambda one: one.score)
    if at == len(curve) or (at == 0 and curve[0].score > score):
        return None
    right: float | None = getattr(curve[at], of)
    if curve[at].score == score or at == 0:
        return right
    left: float | None = getattr(curve[at - 1], of)
    if left is None or right is None:
        return None
    share = (score - curve[at - 1].score) / (curve[at].score - curve[at - 1].score)
    return left + share * (right - left)


def _short(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.4g}")
