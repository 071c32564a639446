"""Stated pairs: judged in the folds that were stated, or it is said that none were."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.further import Sides, in_folds
from rightface.assay.pairs import Pairs
from tests.conftest import Permitted

IMAGES = 24


def pairs(folds: NDArray[np.int32] | None, count: int = IMAGES) -> Pairs:
    """Each image with the next: those of an even number are one person's."""
    a = np.arange(count, dtype=np.int32)
    return Pairs(
        rows=count,
        numbers=np.arange(1, count + 1, dtype=np.int64),
        a=a,
        b=((a + 1) % IMAGES).astype(np.int32),
        same=a % 2 == 0,
        folds=folds,
        exclusions=(),
    )


@pytest.fixture
def sides() -> Sides:
    centres = np.repeat(np.random.default_rng(0).normal(size=(IMAGES // 2, 32)), 2, axis=0)
    unit = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)
    return Sides(unit, unit)


@pytest.mark.parametrize(
    ("folds", "count", "made"),
    [(np.arange(IMAGES, dtype=np.int32) % 4, IMAGES, 4), (None, IMAGES, 10), (None, 2, 2)],
)
def test_folds_are_called_stated_where_they_are(
    sides: Sides, permitted: Permitted, folds: NDArray[np.int32] | None, count: int, made: int
) -> None:
    rows = np.arange(IMAGES, dtype=np.int32)
    with permitted("measure-accuracy") as permit:
        told, why = in_folds(pairs(folds, count), rows, IMAGES, sides, permit=permit)
    assert told is not None
    assert (told.folds, told.stated, why) == (made, folds is not None, "")


def test_pairs_of_one_fold_say_why_they_are_not_judged(sides: Sides, permitted: Permitted) -> None:
    rows = np.arange(IMAGES, dtype=np.int32)
    one = pairs(np.zeros(IMAGES, np.int32))
    with permitted("measure-accuracy") as permit:
        told, why = in_folds(one, rows, IMAGES, sides, permit=permit)
        assert in_folds(None, rows, IMAGES, sides, permit=permit) == (None, "")
    assert told is None
    assert "not in two folds or more" in why
