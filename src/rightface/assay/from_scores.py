"""An assay of scores that came from elsewhere: a file of them, or a service's answers.

Of a file nobody says who was compared with whom, so intervals take comparisons as independent; the
document says so. Of a service's answers it is known: people are drawn again. Never knows templates,
images, a command line or HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rightface import __version__
from rightface.assay.cells import MOST_CELLS, Cells, cells_of, partitions_of
from rightface.assay.cohorts import Codes, Column
from rightface.assay.comparisons import Comparisons, GenuineScores
from rightface.assay.counts import bins_between
from rightface.assay.errors import AssayError
from rightface.assay.groups import Images, Judge
from rightface.assay.intervals import rate
from rightface.assay.label_checks import SWAPPED
from rightface.assay.leads import LOWEST, Leads
from rightface.assay.manifest import Manifest
from rightface.assay.result import Assay, Measured, Partition, Verification
from rightface.assay.score_checks import look_through
from rightface.assay.score_file import ScoreBlock, ScoreFile
from rightface.assay.score_steps import Steps, steps_of
from rightface.assay.service_pairs import Plan
from rightface.assay.through_api import Answers

Told = TypeVar("Told", Verification, Partition)
SOFTWARE = f"rightface {__version__}"
MOST_KEYS = 2**62
"""Combinations of groups that can be thought of: each has a number of 64 bits; see `_key`."""
COARSE = (
    "Scores are the similarities that a service told: coarse, and bunched at their upper end; a "
    "threshold lies between two of them only by luck."
)
SCORE_FIELDS = ("threshold", "score")
"""Of the document: what is told in scores."""
UNREAD = "The data set's digest is of its labels and pairs; the photographs' bytes are not in it."

PAIRS_ALONE = f"{SWAPPED} Not everybody was compared with everybody, which it takes."


def assay_of_file(
    file: ScoreFile,
    *,
    name: str,
    fmr: Sequence[float],
    crosses: Sequence[Sequence[str]] | None = None,
) -> Assay:
    """The document for a file of scores.

    Raises:
        AssayError: a cross of unknown columns, or too many groups or columns.
    """
    keys = _keys(file)
    digits = _digits(keys, file.columns)
    partitions = partitions_of(
        {each: Column((each,), file.columns[each], digits[each]) for each in file.columns}, crosses
    )
    codes = np.arange(len(keys), dtype=np.int16)
    cells = Cells(partitions, codes, len(keys), tuple(each.codes for each in partitions))
    steps = steps_of(file.genuine, file.impostor, fmr, bins_between(len(keys)))
    compared = Comparisons.from_scores(
        (
            (steps.places(block.scores), block.same, *_placed(block, file.columns, keys))
            for block in file.blocks()
        ),
        group_count=len(keys),
        axis=steps.axis,
        leads=0,
    )
    judge = Judge(compared, None, cells)
    thresholds = judge.thresholds(fmr)
    looked = look_through(file)
    return Assay(
        software=SOFTWARE,
        made_at=datetime.now(UTC).replace(microsecond=0),
        measured=Measured(kind="scores", name=name),
        data=file.data_set(name).model_copy(
            update={"suspicions": looked.suspicions, "not_checked": looked.not_checked}
        ),
        failures=None,
        verification=_in_scores(judge.verification(thresholds, fmr), steps),
        partitions=tuple(
            _in_scores(judge.partition(place, thresholds), steps)
            for place in range(len(partitions))
        ),
        warnings=(*file.warnings, *judge.unreached(fmr), *judge.warnings),
    )


def assay_of_answers(
    manifest: Manifest,
    plan: Plan,
    answers: Answers,
    *,
    service: str,
    fmr: Sequence[float],
    crosses: Sequence[Sequence[str]] | None = None,
) -> Assay:
    """The document for what a service answered.

    Its images' bytes were read one request at a time, so the data set's digest is that of its
    labels and of the pairs alone, and the document says so.

    Raises:
        AssayError: a cross of unknown columns, too many groups, or scores that are all alike.
    """
    good = np.isfinite(answers.scores)
    scores, same = answers.scores[good].astype(np.float64), plan.same[good]
    if scores.min() == scores.max():
        raise AssayError("All similarities are alike.", why="No threshold tells one from another.")
    images = partitions_of(manifest.columns, crosses)
    rows, sides = np.unique([plan.a[good], plan.b[good]], return_inverse=True)
    a, b = np.sort(sides.reshape(2, -1).astype(np.int32), axis=0)
    cells = cells_of(tuple(replace(each, codes=each.codes[rows]) for each in images), len(rows))
    steps = steps_of(np.sort(scores[same]), np.sort(scores[~same]), fmr, bins_between(cells.count))
    places = steps.places(scores)
    counted = Comparisons.from_scores(
        [(places, same, cells.codes[a], cells.codes[b])], group_count=cells.count, axis=steps.axis
    )
    compared = replace(
        counted,
        genuine=GenuineScores(places[same], a[same], b[same]),
        leads=Leads(places[~same], a[~same], b[~same], LOWEST),
    )
    judge = Judge(compared, manifest.subjects[rows], cells, all_pairs=False)
    thresholds = judge.thresholds(fmr)
    nothing: list[bytes | None] = [None] * len(manifest)
    return Assay(
        software=SOFTWARE,
        made_at=datetime.now(UTC).replace(microsecond=0),
        measured=Measured(kind="service", name=service),
        data=manifest.data_set(manifest.digest_with(nothing)).model_copy(
            update={"not_checked": (PAIRS_ALONE,)}
        ),
        failures=rate(int(answers.failed.sum()), len(manifest)),
        verification=_in_scores(judge.verification(thresholds, fmr), steps),
        partitions=tuple(
            _in_scores(
                judge.partition(
                    place, thresholds, images=Images(column, manifest.subjects, answers.failed)
                ),
                steps,
            )
            for place, column in enumerate(images)
        ),
        warnings=(
            *manifest.warnings,
            COARSE,
            f"{len(plan):,} pairs were asked about, the impostor ones drawn at random; "
            f"{int((~good).sum()):,} could not be compared.",
            UNREAD,
            *judge.unreached(fmr),
            *judge.warnings,
        ),
    )


def _in_scores(told: Told, steps: Steps) -> Told:
    """The same, with scores in place of their places among the steps."""
    return type(told).model_validate(_with_scores(told.model_dump(), steps))


def _with_scores(told: Any, steps: Steps) -> Any:
    if isinstance(told, dict):
        return {
            name: steps.score(value)
            if name in SCORE_FIELDS and value is not None
            else _with_scores(value, steps)
            for name, value in told.items()
        }
    return tuple(_with_scores(each, steps) for each in told) if isinstance(told, tuple) else told


def _keys(file: ScoreFile) -> NDArray[np.int64]:
    """Ascending: every combination of groups that somebody has.

    Raises:
        AssayError: there are too many, or so many columns that they cannot be numbered.
    """
    if math.prod(len(values) + 1 for values in file.columns.values()) > MOST_KEYS:
        raise AssayError(
            f"The {len(file.columns)} columns have too many values to be counted together.",
            mend="Name fewer columns with --cohort.",
        )
    keys = np.zeros(1, np.int64)
    for block in file.blocks():
        sides = [_key(block, file.columns, side) for side in (0, 1)]
        keys = np.unique(np.concatenate([keys, *sides]))
        if len(keys) > MOST_CELLS:
            raise AssayError(
                f"The columns split the comparisons into more than {MOST_CELLS} groups.",
                mend="Name fewer columns with --cohort.",
            )
    return keys


def _key(block: ScoreBlock, columns: Mapping[str, Sequence[str]], side: int) -> NDArray[np.int64]:
    """(k,): one number for all the groups of one of the two people; 0 in a digit is unknown."""
    key = np.zeros(len(block.scores), np.int64)
    for column, values in columns.items():
        key = key * (len(values) + 1) + block.groups[column][side] + 1
    return key


def _digits(
    keys: NDArray[np.int64], columns: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.int16]]:
    """Column → (keys,): the group that each key stands for in it; the inverse of `_key`."""
    told: dict[str, NDArray[np.int16]] = {}
    left = keys
    for column in reversed(list(columns)):
        left, digit = np.divmod(left, len(columns[column]) + 1)
        told[column] = (digit - 1).astype(np.int16)
    return told


def _placed(
    block: ScoreBlock, columns: Mapping[str, Sequence[str]], keys: NDArray[np.int64]
) -> tuple[Codes, Codes]:
    one, other = (
        np.searchsorted(keys, _key(block, columns, side)).astype(np.int16) for side in (0, 1)
    )
    return one, other
