"""Rates at thresholds, against counting one by one."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rightface.assay.counts import Axis, Counts
from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson
from rightface.assay.rates import (
    MOST_POINTS,
    curve,
    eer,
    ten_fold,
    threshold_at,
    why_no_threshold,
)

AXIS = Axis(-6.0, 10.0, 4000)
Scores = NDArray[np.float32]


def drawn(
    impostor: int = 100_000, genuine: int = 5000, apart: float = 4.0
) -> tuple[Scores, Scores]:
    rng = np.random.default_rng(7)
    return (
        rng.standard_normal(impostor).astype(np.float32),
        (apart + rng.standard_normal(genuine)).astype(np.float32),
    )


@pytest.mark.parametrize("fmr", [0.5, 1e-1, 1e-2, 1e-3, 3e-4])
def test_a_threshold_is_the_least_that_keeps_the_rate(fmr: float) -> None:
    strangers, _ = drawn()
    impostor = Counts.of(AXIS, strangers)
    threshold = threshold_at(impostor, fmr)
    assert threshold is not None
    assert (strangers >= threshold).mean() <= fmr
    one_less = AXIS.edges[np.searchsorted(AXIS.edges, np.float32(threshold)) - 1]
    assert (strangers >= one_less).mean() > fmr


def test_a_rate_that_takes_more_comparisons_has_no_threshold() -> None:
    impostor = Counts.of(AXIS, drawn()[0])
    assert threshold_at(impostor, 2.9e-4) is None
    assert "300,000 comparisons" in why_no_threshold(impostor, 1e-4)


def test_thirty_errors_are_enough_whatever_floats_make_of_it() -> None:
    for total in (30_000, 300_000, 3_000_000):
        impostor = Counts(AXIS, np.bincount([0, 2000], [total - 1, 1], AXIS.bins).astype(np.int64))
        assert threshold_at(impostor, 30 / total) is not None


def test_scores_that_are_all_the_highest_have_no_threshold() -> None:
    impostor = Counts.of(AXIS, np.full(1000, 50.0, np.float32))
    assert threshold_at(impostor, 0.1) is None
    assert "highest score" in why_no_threshold(impostor, 0.1)
    assert [point.fmr for point in curve(impostor, np.empty(0, np.float32))] == [1.0]


# ---------------------------------------------------------------- curves
def test_a_curve_is_what_counting_gives() -> None:
    strangers, same = drawn()
    points = curve(Counts.of(AXIS, strangers), same)
    assert 100 < len(points) <= MOST_POINTS
    for point in points[1:]:
        assert point.fmr == pytest.approx((strangers >= np.float32(point.score)).mean())
        assert point.fnmr == pytest.approx((same < np.float32(point.score)).mean())
    scores = [point.score for point in points]
    assert scores == sorted(set(scores))
    assert (points[0].fmr, points[0].fnmr) == (1.0, 0.0)
    assert points[-1].fmr == 0.0
    assert points[-2].fmr > 0.0


def test_a_thinned_curve_runs_along_the_whole() -> None:
    strangers, same = drawn()
    impostor = Counts.of(AXIS, strangers)
    points = [point for point in curve(impostor, same) if point.fmr > 0]
    logs = np.log10([point.fmr for point in points])
    assert np.abs(np.diff(logs)).max() < 0.5, "no decade is skipped"
    for wanted in (1e-1, 1e-2, 1e-3, 1e-4):
        exact = float((same < (impostor.score_at(wanted) or 0.0)).mean())
        fnmr = [point.fnmr or 0.0 for point in points]
        read = float(np.interp(-np.log10(wanted), -logs, fnmr))
        assert read == pytest.approx(exact, rel=0.1, abs=2e-4)


def test_a_short_curve_has_all_its_points() -> None:
    points = curve(
        Counts.of(AXIS, np.array([0.0, 1.0], np.float32)), np.array([0.5, 2.0], np.float32)
    )
    assert [(point.fmr, point.fnmr) for point in points] == [
        (1.0, 0.0),
        (0.5, 0.0),
        (0.5, 0.5),
        (0.0, 0.5),
    ]


def test_curves_of_nothing() -> None:
    nothing = np.empty(0, np.float32)
    assert curve(Counts.of(AXIS, nothing), nothing) == ()
    assert {point.fnmr for point in curve(Counts.of(AXIS, drawn()[0]), nothing)} == {None}
    other = Counts.of(Axis(0.0, 1.0, 10), nothing)
    with pytest.raises(AssayError, match="different axes"):
        curve(Counts.of(AXIS, drawn()[0]), other)


# ---------------------------------------------------------------- equal errors
def test_equal_errors_of_two_normal_distributions() -> None:
    # Both of deviation 1 and 4 apart: Φ(−2).
    told = eer(*_counted(*drawn(2_000_000, 500_000)))
    assert told.value == pytest.approx(0.02275, rel=0.01)
    assert told.low is not None
    assert told.high is not None
    half = 1.96 / 2 * sqrt(0.02275 * 0.97725 * (1 / 2_000_000 + 1 / 500_000))
    assert told.high - told.low == pytest.approx(2 * half, rel=0.02)
    assert told.low < 0.02275 < told.high


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
)
def test_equal_errors_lie_where_the_rates_cross(strangers: list[int], same: list[int]) -> None:
    impostor, genuine = np.array(strangers, np.float32), np.array(same, np.float32)
    told = eer(*_counted(impostor, genuine)).value
    assert told is not None
    thresholds = range(11)
    false = [float((impostor >= t).mean()) for t in thresholds]
    missed = [float((genuine < t).mean()) for t in thresholds]
    # No threshold has both errors below it, none has both above it.
    assert not any(max(f, m) < told - 1e-9 for f, m in zip(false, missed, strict=True))
    assert not any(min(f, m) > told + 1e-9 for f, m in zip(false, missed, strict=True))


def test_perfect_and_hopeless() -> None:
    low, high = np.zeros(50, np.float32), np.ones(50, np.float32)
    assert eer(*_counted(high, low)).value == 1.0
    assert eer(*_counted(low, np.empty(0, np.float32))).value is None


def test_where_no_error_was_seen_the_equal_error_rate_still_has_an_upper_end() -> None:
    low, high = np.zeros(5000, np.float32), np.ones(400, np.float32)
    told = eer(*_counted(low, high))
    assert (told.value, told.low) == (0.0, 0.0)
    assert told.high == pytest.approx(wilson(0, 400)[1])
    by_people = eer(*_counted(low, high), people=20)
    assert by_people.high == pytest.approx(wilson(0, 20)[1])
    assert "no error was seen; the upper end is of 20 trials" in by_people.note


def _counted(strangers: Scores, same: Scores) -> tuple[Counts, Scores]:
    return Counts.of(AXIS, strangers), same


# ---------------------------------------------------------------- folds
def folds_by_hand(
    scores: NDArray[np.float64], same: NDArray[np.bool_], folds: NDArray[np.int64]
) -> list[float]:
    """Each fold at a threshold that is best on the others, tried one by one."""
    right = []
    for fold in sorted(set(folds.tolist())):
        others, here = folds != fold, folds == fold
        ranked = np.unique(scores[others])
        cuts = [ranked[0], *((ranked[:-1] + ranked[1:]) / 2), np.nextafter(ranked[-1], np.inf)]
        judged = [int(((scores[others] >= cut) == same[others]).sum()) for cut in cuts]
        best = [cut for cut, count in zip(cuts, judged, strict=True) if count == max(judged)]
        cut = best[(len(best) - 1) // 2]
        right.append(float(((scores[here] >= cut) == same[here]).mean()))
    return right


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 12))
def test_folds_as_by_hand(seed: int, count: int, each: int) -> None:
    rng = np.random.default_rng(seed)
    folds = np.repeat(np.arange(count), each)
    same = rng.random(len(folds)) < 0.5
    scores = (rng.standard_normal(len(folds)) + 2 * same).round(1)
    told = ten_fold(scores, same, folds)
    right = folds_by_hand(scores, same, folds)
    assert told.accuracy == pytest.approx(np.mean(right))
    assert told.standard_error == pytest.approx(np.std(right, ddof=1) / sqrt(count))
    assert (told.folds, told.pairs, told.without_face) == (count, len(folds), 0)


def test_a_pair_without_a_face_is_wrong_if_it_is_genuine() -> None:
    same = np.tile([True, False], 20)
    scores = np.where(same, 1.0, 0.0)
    assert ten_fold(scores, same).accuracy == 1.0
    scores[[0, 1]] = np.nan
    told = ten_fold(scores, same)
    assert told.accuracy == pytest.approx(39 / 40)
    assert (told.folds, told.pairs, told.without_face) == (10, 38, 2)


def test_neighbours_in_float32_are_told_apart() -> None:
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))
    same = np.tile([True, False], 10)
    assert ten_fold(np.where(same, high, low).astype(np.float32), same).accuracy == 1.0


def test_folds_that_cannot_be() -> None:
    scores, same = np.array([0.1, 0.9]), np.array([False, True])
    with pytest.raises(AssayError, match="two folds"):
        ten_fold(scores, same, np.zeros(2, np.int64))
    with pytest.raises(AssayError, match="both faces"):
        ten_fold(np.array([np.nan, 0.9]), same, np.array([0, 1]))
    with pytest.raises(AssayError, match="one label"):
        ten_fold(scores, same[:1])
