"""Error rates at thresholds, from counts of impostor and scores of genuine comparisons.

A comparison matches where its score is at least the threshold. The false match rate (FMR) is the
share of impostor comparisons that match, the false non-match rate (FNMR) the share of genuine ones
that do not (ISO/IEC 19795-1). Values only: never knows templates, groups or who is who.

Sources: G. R. Doddington et al., "The NIST speaker recognition evaluation", Speech Communication 31
(2000) 225-254 (the rule of 30); S. Bengio and J. Mariéthoz, "A statistical significance test for
person authentication", Odyssey 2004 (the EER's interval); G. B. Huang et al., "Labeled Faces in the
Wild", UMass Amherst TR 07-49 (2007), View 2 (ten folds).
"""

from __future__ import annotations

from math import sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.comparisons import GenuineScores
from rightface.assay.counts import Axis, Counts
from rightface.assay.errors import AssayError
from rightface.assay.intervals import RULE_OF_30, wilson_at
from rightface.assay.result import (
    CurvePoint,
    TenFold,
    Value,
)

ListedOrCounted: TypeAlias = GenuineScores | Counts | NDArray[np.float32]
"""Genuine comparisons, one by one or counted on the impostors' axis."""
MOST_POINTS = 200
FOLDS = 10


def threshold_at(impostor: Counts, fmr: float) -> float | None:
    """The least threshold whose false match rate is at most `fmr`.

    None where fewer than thirty comparisons may match at that rate (rule of 30; `why_no_threshold`
    says so), or where too many have the highest score of all.
    """
    return None if why_no_threshold(impostor, fmr) else impostor.score_at(fmr)


def why_no_threshold(impostor: Counts, fmr: float) -> str:
    """Why no threshold can be given for that rate; empty if one can."""
    # Thirty of a million is a rate of 3e-5: no rounding may make it less.
    if impostor.total * fmr < RULE_OF_30 * (1 - 1e-12):
        return (
            f"{impostor.total:,} impostor comparisons cannot show a false match rate of {fmr:g}: "
            f"that takes {RULE_OF_30} errors, so {RULE_OF_30 / fmr:,.0f} comparisons."
        )
    if impostor.score_at(fmr) is None:
        return f"More than {fmr:g} of impostor comparisons have the highest score there is."
    return ""


def curve(
    impostor: Counts, genuine: ListedOrCounted, most: int = MOST_POINTS
) -> tuple[CurvePoint, ...]:
    """Both rates along the thresholds, ascending; at most `most` points.

    Points are spread evenly along the curve as a DET plot draws it (Martin et al., Eurospeech 1997:
    here by logits, which such plots' normal deviates are close to), so that it looks as it would
    with all of them. The ends are in it: where all match, and the first threshold that no impostor
    reaches, if the axis has one. Empty without impostor comparisons.
    """
    if not impostor.total:
        return ()
    axis = impostor.axis
    false, missed, genuine_total = impostor.reaching, _below(genuine, axis), _total(genuine)
    changes = np.flatnonzero((np.diff(false) != 0) | (np.diff(missed) != 0)) + 1
    places = np.concatenate(([0], changes))
    beyond = np.flatnonzero(false[places] == 0)
    if beyond.size:
        places = places[: beyond[0] + 1]
    along = np.abs(np.diff(_logit(false[places], impostor.total)))
    if genuine_total:
        along = np.hypot(along, np.diff(_logit(missed[places], genuine_total)))
    length = np.concatenate(([0.0], np.cumsum(along)))
    if len(places) > most:
        wanted = np.linspace(0, length[-1], most)
        kept = np.searchsorted(length, wanted * (1 - 1e-12))
        kept[-1] = len(places) - 1
        places = places[np.unique(kept)]
    return tuple(
        CurvePoint(
            score=float(axis.edges[place]),
            fmr=float(false[place] / impostor.total),
            fnmr=float(missed[place] / genuine_total) if genuine_total else None,
        )
        for place in places
    )


def eer(impostor: Counts, genuine: ListedOrCounted, people: int | None = None) -> Value:
    """Where the false match rate and the false non-match rate are equal.

    Between the two thresholds where they cross, both are taken as straight lines. Its variance is
    Bengio and Mariéthoz's, e(1 − e)/4 · (1/impostors + 1/genuine), the interval Wilson's of as many
    trials as have that; it takes comparisons as independent, so it is too narrow where people are
    in many. Where no error was seen it is of the fewest of both kinds of comparisons, and of no
    more of them than there are `people`.
    """
    trials = _total(genuine)
    if not impostor.total or not trials:
        return Value(value=None, low=None, high=None, note="It takes both kinds of comparisons.")
    # One threshold more, that nobody reaches.
    false = np.append(impostor.reaching, 0) / impostor.total
    missed = np.append(_below(genuine, impostor.axis), trials) / trials
    crossed = int(np.argmax(missed >= false))
    error = float(false[crossed])
    if crossed and missed[crossed] > false[crossed]:
        gap = false[crossed - 1] - missed[crossed - 1]
        part = gap / (gap + missed[crossed] - false[crossed])
        error = float(false[crossed - 1] + part * (false[crossed] - false[crossed - 1]))
    alike = 4 / (1 / impostor.total + 1 / trials)
    note = "The interval takes comparisons as independent."
    if not error:
        alike = min(impostor.total, trials, people or trials)
        note = f"At one threshold no error was seen; the upper end is of {alike:,} trials."
    low, high = wilson_at(error, alike)
    return Value(value=error, low=low, high=high, note=note)


def ten_fold(
    scores: NDArray[np.floating],
    same: NDArray[np.bool_],
    folds: NDArray[np.integer] | None = None,
) -> TenFold:
    """LFW's View 2: each fold judged at the threshold that is best on all others.

    A pair without both faces is told to be of different people; it counts in the accuracy, wrong if
    it was genuine, and chooses no threshold. Of thresholds that are equally good the middle one is
    taken. The standard error is that of the folds' mean: s/√folds, with folds − 1 in s.

    Args:
        scores: (n,): not-a-number where a face is missing.
        same: (n,)
        folds: (n,): the fold of each pair; None: ten equal parts, in order.

    Raises:
        AssayError: fewer than two folds, or all other folds of one have no pair with both faces.
    """
    if folds is None:
        folds = np.arange(len(scores)) * FOLDS // max(1, len(scores))
    if not len(scores) == len(same) == len(folds):
        raise AssayError("There is not one score, one label and one fold for each pair.")
    scores, numbers = np.asarray(scores, np.float64), np.unique(folds)
    if len(numbers) < 2:
        raise AssayError("The pairs are not in two folds or more.")
    seen = ~np.isnan(scores)
    right = []
    for number in numbers:
        here, chosen = folds == number, (folds != number) & seen
        if not chosen.any():
            raise AssayError("No pair outside one of the folds has both faces.")
        threshold = _best_threshold(scores[chosen], same[chosen])
        told = np.where(seen[here], scores[here] >= threshold, False)
        right.append(float((told == same[here]).mean()))
    return TenFold(
        accuracy=float(np.mean(right)),
        standard_error=float(np.std(right, ddof=1) / sqrt(len(right))),
        folds=len(right),
        pairs=int(seen.sum()),
        without_face=int((~seen).sum()),
    )


def _best_threshold(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The threshold that judges most of those pairs rightly, halfway between two scores."""
    order = np.argsort(scores, kind="stable")
    ranked, genuine = scores[order], same[order]
    # At a cut of k the lowest k are told to be different.
    rightly = np.concatenate(([0], np.cumsum(~genuine))) + np.concatenate(
        (np.cumsum(genuine[::-1])[::-1], [0])
    )
    cuts = np.flatnonzero(np.concatenate(([True], ranked[1:] > ranked[:-1], [True])))
    best = cuts[rightly[cuts] == rightly[cuts].max()]
    cut = int(best[(len(best) - 1) // 2])
    if cut == 0:
        return float(ranked[0])
    if cut == len(ranked):
        return float(np.nextafter(ranked[-1], np.inf))
    return float((ranked[cut - 1] + ranked[cut]) / 2)


def _scores(genuine: GenuineScores | NDArray[np.float32]) -> NDArray[np.float32]:
    return genuine.scores if isinstance(genuine, GenuineScores) else genuine


def _total(genuine: ListedOrCounted) -> int:
    return genuine.total if isinstance(genuine, Counts) else len(_scores(genuine))


def _below(genuine: ListedOrCounted, axis: Axis) -> NDArray[np.int64]:
    """(bins,): how many genuine comparisons score less than each edge; none below the first."""
    if not isinstance(genuine, Counts):
        genuine = Counts.of(axis, _scores(genuine))
    elif genuine.axis != axis:
        raise AssayError("Genuine and impostor comparisons are counted on different axes.")
    return genuine.total - genuine.reaching


def _logit(counts: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """log(p / (1 − p)), with half a count at the ends."""
    held = np.clip(counts, 0.5, total - 0.5)
    told: NDArray[np.float64] = np.log10(held / (total - held))
    return told
