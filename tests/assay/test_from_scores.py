"""An assay of given scores: whatever their scale, the rates are those of the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.counts import bins_between
from rightface.assay.from_scores import assay_of_file
from rightface.assay.result import Assay
from rightface.assay.score_file import read_scores
from rightface.assay.score_steps import Steps, steps_of

Scores = NDArray[np.float64]
RATES = (1e-1, 1e-2, 1e-3)


def drawn(impostors: int, genuine: int, seed: int = 0) -> tuple[Scores, NDArray[np.bool_]]:
    """Scores, and which are of one person."""
    generator = np.random.default_rng(seed)
    scores = np.concatenate([generator.normal(0, 1, impostors), generator.normal(3, 1, genuine)])
    return scores, np.arange(impostors + genuine) >= impostors


def assayed(folder: Path, scores: Scores, same: NDArray[np.bool_], *more: str) -> Assay:
    path = folder / "scores.csv"
    rows = [f"{score!r},{int(one)}" for score, one in zip(scores.tolist(), same, strict=True)]
    path.write_text("\n".join(["score,same", *rows, *more, ""]), "utf-8")
    with read_scores(path) as read:
        return assay_of_file(read, name="drawn", fmr=RATES)


def rates(told: Assay) -> list[tuple[int, int, int, int]]:
    """Errors and trials of both kinds at each threshold."""
    return [
        (at.fmr.errors, at.fmr.trials, at.fnmr.errors, at.fnmr.trials)
        for at in told.verification.at
    ]


def worked_out(scores: Scores, same: NDArray[np.bool_], rate: float) -> tuple[int, int]:
    """Errors of both kinds at the least score that at most this share of impostors reaches."""
    impostor, kinds = scores[~same], np.unique(scores)
    reached = len(impostor) - np.searchsorted(np.sort(impostor), kinds)
    score = kinds[np.flatnonzero(reached / len(impostor) <= rate)[0]]
    return int((impostor >= score).sum()), int((scores[same] < score).sum())


@pytest.mark.parametrize(("impostors", "genuine"), [(5_000, 300), (40_000, 9_000)])
def test_rates_are_those_of_a_plain_count(tmp_path: Path, impostors: int, genuine: int) -> None:
    scores, same = drawn(impostors, genuine)
    told = assayed(tmp_path, scores, same)
    settled = [at for at in told.verification.at if at.threshold is not None]
    assert len(settled) == (3 if impostors > 30_000 else 2)
    for at in settled:
        assert (at.fmr.errors, at.fnmr.errors) == worked_out(scores, same, at.fmr_target)
        assert at.threshold in set(scores.tolist())


@pytest.mark.parametrize("outlier", [9999.0, -9999.0, 1e6, 1e308, -1e308])
@pytest.mark.parametrize("one", ["0", "1"])
def test_an_outlier_changes_what_one_row_can(tmp_path: Path, outlier: float, one: str) -> None:
    scores, same = drawn(40_000, 9_000)
    without = assayed(tmp_path, scores, same)
    told = assayed(tmp_path, scores, same, f"{outlier!r},{one}")
    for before, after in zip(rates(without), rates(told), strict=True):
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 5
    more, kinds = np.append(scores, outlier), np.append(same, one == "1")
    for at in told.verification.at:
        assert (at.fmr.errors, at.fnmr.errors) == worked_out(more, kinds, at.fmr_target)
    eers = (without.verification.eer.value, told.verification.eer.value)
    assert eers[0] == pytest.approx(eers[1], abs=1 / 9_000)
    assert len(told.verification.curve) >= 0.9 * len(without.verification.curve)
    assert told.data.suspicions[0].rows == (49_001,)
    assert "far from all others" in told.data.suspicions[0].what
    assert without.data.suspicions == ()


@pytest.mark.parametrize(
    "scale",
    [
        lambda scores: scores * 1e-310,
        lambda scores: scores * 1e307,
        lambda scores: 1e6 + scores * 1e-3,
        lambda scores: 10.0 ** (scores * 40),
        lambda scores: np.sign(scores) * np.abs(scores) ** 15,
    ],
    ids=["subnormal", "huge", "offset", "ratios", "odd-power"],
)
def test_the_scale_of_scores_does_not_matter(tmp_path: Path, scale: object) -> None:
    scores, same = drawn(40_000, 9_000)
    assert callable(scale)
    plain, told = assayed(tmp_path, scores, same), assayed(tmp_path, scale(scores), same)
    assert rates(told) == rates(plain)
    assert told.verification.eer == plain.verification.eer
    assert [(at.fmr, at.fnmr) for at in told.verification.curve] == [
        (at.fmr, at.fnmr) for at in plain.verification.curve
    ]
    thresholds = [at.threshold for at in told.verification.at]
    assert set(thresholds) <= set(scale(scores).tolist())


def test_groups_are_told_in_scores(tmp_path: Path) -> None:
    scores, same = drawn(40_000, 9_000)
    path = tmp_path / "scores.csv"
    rows = [
        f"{score!r},{int(one)},{'ab'[number % 2]}"
        for number, (score, one) in enumerate(zip(scores.tolist(), same, strict=True))
    ]
    path.write_text("\n".join(["score,same,group", *rows, ""]), "utf-8")
    with read_scores(path) as read:
        told = assay_of_file(read, name="drawn", fmr=RATES)
    known = set(scores.tolist())
    partition = told.partitions[0]
    for group in partition.groups:
        assert {at.threshold for at in group.at} <= known
        assert {point.score for point in group.curve} <= known
    assert {each.threshold for each in partition.cross} <= known
    assert {each.threshold for each in partition.differentials} <= known
    inside = np.arange(len(scores)) % 2 == 0
    at = partition.groups[0].at[1]
    assert at.threshold is not None
    assert at.fmr.errors == int((scores[inside & ~same] >= at.threshold).sum())
    assert at.fnmr.errors == int((scores[inside & same] < at.threshold).sum())


def steps(scores: Scores, same: NDArray[np.bool_], most: int, fmr: Sequence[float] = ()) -> Steps:
    return steps_of(np.sort(scores[same]), np.sort(scores[~same]), fmr, most)


def test_few_scores_are_all_steps() -> None:
    scores, same = drawn(300, 200)
    made = steps(scores, same, 1_000)
    assert made.scores.tolist() == np.unique(scores).tolist()
    assert made.places(made.scores).tolist() == list(range(len(made.scores)))
    assert made.score(7.0) == made.scores[7]


@pytest.mark.parametrize("most", [10, 1_000])
def test_one_kind_alone_has_steps_too(most: int) -> None:
    scores, _ = drawn(300, 200)
    nobody = np.zeros(len(scores), np.bool_)
    for same in (nobody, ~nobody):
        made = steps(scores, same, most, RATES)
        assert made.scores[0] == scores.min()
        assert len(made.scores) <= most


def test_many_scores_are_known_to_a_part_of_each_rate() -> None:
    scores, same = drawn(200_000, 50_000)
    made = steps(scores, same, bins_between(0), (1e-5,))
    assert len(made.scores) <= bins_between(0) + 4
    left = [int((scores[~same] >= step).sum()) for step in made.scores[::-1][:6_000:2]]
    gaps = [high / low for low, high in pairwise(left) if low > 300]
    assert max(gaps) < 1.01
    assert made.scores[0] == scores.min()
    exact = np.sort(scores[~same])[::-1]
    assert math.isclose(made.score(float(made.places(exact[:1])[0])), exact[0])
