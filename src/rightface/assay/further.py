"""What an assay looks at beyond everybody with everybody: pairs in folds, quality, 1:N.

Each function takes what was compared and gives its piece of the document. Never knows files, a
command line, HTTP, or where permits come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.acquire import QUALITIES
from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import Column
from rightface.assay.comparisons import Comparisons
from rightface.assay.discard import DIRECTIONS, error_versus_discard
from rightface.assay.errors import AssayError
from rightface.assay.identification import search_all
from rightface.assay.operating import Threshold
from rightface.assay.pairs import Pairs
from rightface.assay.permits import Standing, require_step
from rightface.assay.prediction import predict
from rightface.assay.rates import ten_fold
from rightface.assay.result import (
    Discard,
    Identification,
    OperatingPoint,
    Prediction,
    TenFold,
)
from rightface.assay.search_rates import identifications
from rightface.faces.packs import Vectors
from rightface.permit import Permit, Touch, require

USUAL_FMR = 1e-3
DISCARD_REPLICATES = 200


@dataclass(frozen=True)
class Sides:
    """Both sides of a comparison; the same rows."""

    probes: Vectors
    """(m, d)"""
    references: Vectors


@dataclass(frozen=True)
class Searched:
    """What searches in galleries came to."""

    identification: tuple[Identification, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    warnings: tuple[str, ...] = ()


def usual(thresholds: Sequence[Threshold]) -> Threshold | None:
    """The threshold for one in a thousand, or the strictest there is; None if there is none."""
    for each in thresholds:
        if each.fmr_target == USUAL_FMR:
            return each
    return min(thresholds, key=lambda each: each.fmr_target, default=None)


def in_folds(
    pairs: Pairs | None, rows: NDArray[np.int32], images: int, sides: Sides, *, permit: Permit
) -> tuple[TenFold | None, str]:
    """The stated pairs, judged fold by fold; None where none are stated, or why they cannot be.

    Args:
        pairs: places in the manifest's images.
        rows: (m,): which of those images gave a face.
        images: how many images there are.
        sides: (m, d) each.
        permit: covers COMPARE.

    Raises:
        PermitError: it does not.
    """
    require(permit, Touch.COMPARE)
    if pairs is None:
        return None, ""
    at = np.full(images, -1, np.int64)
    at[rows] = np.arange(len(rows))
    a, b = at[pairs.a], at[pairs.b]
    there = (a >= 0) & (b >= 0)
    scores = np.full(len(pairs), np.nan)
    scores[there] = np.einsum("ij,ij->i", sides.probes[a[there]], sides.references[b[there]])
    try:
        told = ten_fold(scores, pairs.same, pairs.folds)
    except AssayError as error:
        return None, f"The stated pairs are not judged in folds: {error.what}"
    return told.model_copy(update={"stated": pairs.folds is not None}), ""


def discards(
    comparisons: Comparisons,
    quality: NDArray[np.float32],
    subjects: NDArray[np.int32],
    at: Threshold | None,
    everybody: Sequence[OperatingPoint],
) -> tuple[Discard, ...]:
    """Error versus discard of each measure of quality; none without thresholds or genuine pairs.

    Every curve begins with the false non-match rate that `everybody` has at that threshold.
    """
    genuine = comparisons.genuine
    if at is None or not len(genuine.scores):
        return ()
    (whole,) = (each.fnmr for each in everybody if each.fmr_target == at.fmr_target)
    bootstrap = SubjectBootstrap(subjects, replicates=DISCARD_REPLICATES)
    missed = genuine.scores < at.score
    return tuple(
        error_versus_discard(
            name,
            DIRECTIONS[name](quality[:, place].astype(np.float64)),
            a=genuine.a,
            b=genuine.b,
            missed=missed,
            bootstrap=bootstrap,
            fmr_target=at.fmr_target,
            whole=whole,
        )
        for place, name in enumerate(QUALITIES)
    )


def searched(
    sides: Sides,
    subjects: NDArray[np.int32],
    thresholds: Sequence[Threshold],
    bootstrap: SubjectBootstrap | None,
    partitions: Sequence[Column],
    *,
    permit: Standing,
) -> Searched:
    """Searches in galleries of the data set's own people, and what larger galleries would do.

    Args:
        sides: (m, d) each.
        subjects: (m,)
        thresholds: set on everybody.
        bootstrap: the people as drawn; None where there are too few.
        partitions: of the m rows: by whom searches are told apart.
        permit: covers SEARCH; one that is renewed where this may take minutes.

    Raises:
        PermitError, Refused: `permit` does not cover SEARCH, or not to the end.
    """
    require_step(permit, Touch.SEARCH)
    if bootstrap is None or not thresholds:
        return Searched(warnings=("There is too little for searches in galleries.",))
    scores = [each.score for each in thresholds]
    targets = [each.fmr_target for each in thresholds]
    try:
        found = search_all(
            sides.probes, sides.references, subjects=subjects, thresholds=scores, permit=permit
        )
    except AssayError as error:
        return Searched(warnings=(f"No gallery was searched: {error.what}",))
    predicted = predict(found.non_mated, bootstrap, targets)
    why_not = f"Nothing is predicted for larger galleries: {predicted.why_not}"
    return Searched(
        identifications(found, bootstrap, targets, partitions=partitions),
        predicted.predictions,
        (why_not,) if predicted.why_not else (),
    )
