"""Wrong labels are told from scores and subjects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.errors import AssayError
from rightface.assay.label_checks import MOST, swapped
from rightface.assay.result import Suspicion

THRESHOLD, OWN = 0.7, 0.6


@dataclass(frozen=True)
class Comparisons:
    scores: NDArray[np.float32]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    above: float = OWN


def people(count: int = 12, images: int = 4, seed: int = 0) -> NDArray[np.float64]:
    """Unit templates, `images` of each person after another: alike at about 0.9."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(count, 64)), images, axis=0)
    templates = centres + generator.normal(size=centres.shape) * 0.3
    unit: NDArray[np.float64] = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    return unit


def checked(
    templates: NDArray[np.float64], subjects: NDArray[np.int32], *, threshold: float = THRESHOLD
) -> tuple[Suspicion, ...]:
    a, b = (one.astype(np.int32) for one in np.triu_indices(len(templates), 1))
    scores = np.einsum("ij,ij->i", templates[a], templates[b]).astype(np.float32)
    same = (subjects[a] == subjects[b]) & (subjects[a] >= 0)
    high = ~same & (scores >= OWN)
    return swapped(
        Comparisons(scores[same], a[same], b[same]),
        Comparisons(scores[high], a[high], b[high]),
        subjects=subjects,
        numbers=np.arange(len(templates), dtype=np.int64) + 101,
        threshold=threshold,
        own_threshold=OWN,
    )


def of(count: int = 12, images: int = 4) -> NDArray[np.int32]:
    return np.repeat(np.arange(count, dtype=np.int32), images)


def test_right_labels_are_not_suspected() -> None:
    assert checked(people(), of()) == ()


def test_a_planted_swap_is_told_on_both_sides() -> None:
    subjects = of()
    subjects[[5, 30]] = subjects[[30, 5]]
    told = checked(people(), subjects)
    assert {one.rows[0] for one in told} == {101 + 5, 101 + 30}
    like = {one.rows[0] - 101: one.rows[1] - 101 for one in told}
    assert like[5] in (4, 6, 7)
    assert like[30] in (28, 29, 31)


def test_one_person_under_two_names_is_told() -> None:
    subjects = of()
    subjects[2:4] = 12
    told = checked(people(), subjects)
    assert len(told) == 1
    assert "may be one person" in told[0].what
    rows = {row - 101 for row in told[0].rows}
    assert len(rows & {0, 1}) == len(rows & {2, 3}) == 1


def test_two_who_share_one_look_alike_image_are_not_one_person() -> None:
    templates = people()
    templates[4] = templates[0]
    told = checked(templates, of())
    assert all("may be one person" not in one.what for one in told)
    assert [one.rows for one in told] == [(105, 101)]


def test_images_of_nobody_named_are_not_suspected() -> None:
    subjects = of()
    subjects[subjects < 6] = -1
    assert checked(people(), subjects) == ()


def test_more_than_are_told_are_counted() -> None:
    subjects = of(120, 2)
    subjects[1::4], subjects[3::4] = subjects[3::4].copy(), subjects[1::4].copy()
    told = checked(people(120, 2), subjects)
    assert len(told) == MOST + 1
    assert told[-1].what.startswith("240 images")


@pytest.mark.parametrize("threshold", [OWN - 0.01, 0.0])
def test_leads_that_end_above_the_threshold_are_refused(threshold: float) -> None:
    with pytest.raises(AssayError, match="not complete"):
        checked(people(), of(), threshold=threshold)
