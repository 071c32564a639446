"""Flipped `same` and scores that are none are suspected; right labels are not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.label_checks import Looked
from rightface.assay.score_checks import FEWEST, WHO_IS_WHO, bump, look_through
from rightface.assay.score_file import read_scores

Scores = NDArray[np.float64]


def drawn(genuine: int, impostor: int, apart: float = 6.0, seed: int = 0) -> tuple[Scores, Scores]:
    generator = np.random.default_rng(seed)
    return generator.normal(apart, 1, genuine), generator.normal(0, 1, impostor)


def looked(folder: Path, genuine: Scores, impostor: Scores, flipped: int = 0) -> Looked:
    """The first `flipped` of both kinds have the wrong label; one person's rows come first."""
    path = folder / "scores.csv"
    kinds = np.repeat([1, 0], [len(genuine), len(impostor)])
    kinds[:flipped], kinds[len(genuine) : len(genuine) + flipped] = 0, 1
    scores = np.concatenate([genuine, impostor]).tolist()
    rows = [f"{score!r},{kind}" for score, kind in zip(scores, kinds, strict=True)]
    path.write_text("\n".join(["score,same", *rows, ""]), "utf-8")
    with read_scores(path) as file:
        return look_through(file)


@pytest.mark.parametrize("apart", [2.5, 4.0, 6.0])
@pytest.mark.parametrize("seed", range(3))
def test_right_labels_are_not_suspected(tmp_path: Path, apart: float, seed: int) -> None:
    told = looked(tmp_path, *drawn(1_000, 20_000, apart, seed))
    assert told.suspicions == ()
    assert told.not_checked[0] == WHO_IS_WHO


def test_flipped_rows_are_named_on_both_sides(tmp_path: Path) -> None:
    told = looked(tmp_path, *drawn(1_000, 20_000), flipped=40).suspicions
    assert len(told) == 2
    assert "comparisons of one person score lower" in told[0].what
    assert set(told[0].rows) <= set(range(1_001, 1_041))
    assert "comparisons of two people score higher" in told[1].what
    assert set(told[1].rows) <= set(range(1, 41))
    assert min(len(one.rows) for one in told) >= FEWEST
    assert "see rows " in told[0].what


def test_a_bump_is_told_from_a_tail() -> None:
    genuine, impostor = (np.sort(each) for each in drawn(10_000, 200_000, 7.0))
    assert not bump(impostor, genuine)
    assert not bump(genuine, impostor)
    assert bump(np.sort(np.concatenate([impostor, genuine[::25]])), genuine)
    assert bump(np.sort(np.concatenate([genuine, impostor[::500]])), impostor)
    heavy = np.sort(np.random.default_rng(0).standard_t(3, 200_000))
    assert not bump(heavy, heavy[::20] + 8)


def test_scores_that_stand_for_none_are_named(tmp_path: Path) -> None:
    genuine, impostor = drawn(1_000, 20_000)
    impostor[[3, 5]] = -1e6
    told = looked(tmp_path, genuine, impostor).suspicions
    assert [one.rows for one in told] == [(1_004, 1_006)]
    assert "2 scores are far from all others, the farthest -1e+06" in told[0].what


def test_what_is_not_looked_at_is_said(tmp_path: Path) -> None:
    told = looked(tmp_path, *drawn(20, 300))
    assert told.suspicions == ()
    assert "only 20 comparisons of one kind" in told.not_checked[1]


def test_scores_of_two_values_are_looked_at_without_a_fault(tmp_path: Path) -> None:
    genuine, impostor = np.ones(400), np.zeros(900)
    genuine[:2] = 0.0
    told = looked(tmp_path, genuine, impostor)
    assert told.suspicions == ()
    assert told.not_checked[0] == WHO_IS_WHO


def test_it_is_said_how_many_flipped_rows_the_check_could_have_seen(tmp_path: Path) -> None:
    genuine, impostor = drawn(1_000, 20_000, 4.0)
    told = looked(tmp_path, genuine, impostor)
    assert told.suspicions == ()
    found = re.search(r"where ([\d,]+) comparisons of one person", told.not_checked[1])
    assert found is not None
    least = int(found[1].replace(",", ""))
    lowest = np.argsort(genuine)[:least]
    genuine[lowest] = np.median(impostor) - 0.001
    (flipped,) = looked(tmp_path, genuine, impostor).suspicions
    assert flipped.what.startswith(f"{least:,} of 1,000 comparisons of one person score lower")
