from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.acquire import QUALITIES
from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.discard import (
    DIRECTIONS,
    SHARES,
    error_versus_discard,
    less_is_better,
    middle_is_best,
    more_is_better,
)
from rightface.assay.errors import AssayError
from rightface.assay.result import Discard

PEOPLE = 60


def genuine() -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Three photographs of each of PEOPLE, and all pairs of one person."""
    subjects = np.repeat(np.arange(PEOPLE, dtype=np.int32), 3)
    a, b = np.triu_indices(len(subjects), 1)
    same = subjects[a] == subjects[b]
    return subjects, a[same], b[same]


def curve(quality: NDArray[np.float64], missed: NDArray[np.bool_], **more: object) -> Discard:
    subjects, a, b = genuine()
    return error_versus_discard(
        "sharpness",
        quality,
        a=a,
        b=b,
        missed=missed,
        bootstrap=SubjectBootstrap(subjects, replicates=100),
        fmr_target=1e-3,
        **more,  # type: ignore[arg-type]
    )


def test_every_point_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    _, a, b = genuine()
    quality, missed = rng.normal(size=3 * PEOPLE), rng.random(len(a)) < 0.2
    told = curve(quality, missed)
    assert tuple(point.discarded for point in told.points) == SHARES
    for point in told.points:
        worst = set(np.argsort(quality)[: round(point.discarded * len(quality))].tolist())
        kept = [
            bool(m) for x, y, m in zip(a, b, missed, strict=True) if not worst & {int(x), int(y)}
        ]
        assert (point.fnmr.errors, point.fnmr.trials) == (sum(kept), len(kept))
        if point.fnmr.errors:
            assert point.fnmr.method == "subject-bootstrap"


def test_a_perfect_measure_brings_the_errors_to_none_and_a_useless_one_does_not() -> None:
    rng = np.random.default_rng(2)
    _, a, b = genuine()
    bad = rng.random(3 * PEOPLE) < 0.05
    missed = bad[a] | bad[b]
    perfect = curve(np.where(bad, 0.0, 1.0), missed, shares=(0.0, float(bad.mean())))
    assert perfect.points[0].fnmr.errors > 0
    assert perfect.points[1].fnmr.errors == 0
    useless = curve(rng.normal(size=3 * PEOPLE), missed, shares=(0.0, 0.05))
    assert useless.points[1].fnmr.errors > 0


def test_a_quality_that_is_no_number_goes_first() -> None:
    _, a, b = genuine()
    quality = np.ones(3 * PEOPLE)
    quality[4] = np.nan
    missed = (a == 4) | (b == 4)
    told = curve(quality, missed, shares=(0.0, 1 / (3 * PEOPLE)))
    assert [point.fnmr.errors for point in told.points] == [2, 0]


def test_photographs_without_a_genuine_comparison_are_not_discarded_instead() -> None:
    subjects = np.array([0, 0, 1, 1, 2, 3, 4, 5], np.int32)
    told = error_versus_discard(
        "score",
        np.array([5.0, 6, 4, 7, 0, 0, 0, 0]),
        a=np.array([0, 2]),
        b=np.array([1, 3]),
        missed=np.array([False, True]),
        bootstrap=SubjectBootstrap(subjects, replicates=20),
        fmr_target=1e-2,
        shares=(0.0, 0.25),
    )
    assert [(p.fnmr.errors, p.fnmr.trials) for p in told.points] == [(1, 2), (0, 1)]
    assert "2 people" in told.points[0].fnmr.too_few


def test_directions() -> None:
    numbers = np.array([-3.0, 0.0, 1.0])
    assert more_is_better(numbers).argmax() == 2
    assert less_is_better(numbers).argmax() == 1
    assert middle_is_best(numbers).argmax() == 1
    assert set(QUALITIES) == set(DIRECTIONS)


def test_what_cannot_be_judged_is_refused() -> None:
    subjects, a, b = genuine()
    quality, missed = np.zeros(len(subjects)), np.zeros(len(a), np.bool_)
    for shares in ((0.5, 0.1), (0.0, 1.0), (-0.1, 0.5), (0.1, 0.1)):
        with pytest.raises(AssayError, match="ascend"):
            curve(quality, missed, shares=shares)
    with pytest.raises(AssayError, match="genuine"):
        error_versus_discard(
            "score",
            quality,
            a=a[:0],
            b=b[:0],
            missed=missed[:0],
            bootstrap=SubjectBootstrap(subjects, replicates=5),
            fmr_target=1e-3,
        )
