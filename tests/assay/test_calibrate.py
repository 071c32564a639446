"""From scores to tables of rates, with tails and intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rightface.assay.calibrate import (
    CalibrationError,
    Curve,
    ScoreCounts,
    cohort_curve,
    curve,
)
from rightface.assay.intervals import RULE_OF_30
from rightface.assay.resampling import Extremes, People, Resampled
from rightface.faces.rate_table import RateTable

Scores = NDArray[np.float32]


def drawn(count: int = 400_000, seed: int = 0) -> Scores:
    return np.random.default_rng(seed).normal(0.6, 0.08, count).astype(np.float32)


def counted(*scores: Scores) -> ScoreCounts:
    counts = ScoreCounts()
    for some in scores:
        counts.add(some)
    return counts


def table_of(*scores: Scores) -> Curve:
    return curve(counted(*scores))


def crowd(people: int = 400, seed: int = 1, sociable: float = 0.0) -> tuple[ScoreCounts, Extremes]:
    """Everybody with everybody; `sociable`: how much a person's own scores go together."""
    rng = np.random.default_rng(seed)
    one, other = np.triu_indices(people, 1)
    own = rng.normal(0, sociable, people)
    scores = (rng.normal(0.5, 0.08, len(one)) + own[one] + own[other]).astype(np.float32)
    counts = counted(scores)
    over = scores >= np.quantile(scores, 0.95)
    ones = np.ones(people, np.int64)
    known = People(ones, np.zeros(people, np.int32), np.ones((1, 1), np.bool_))
    return counts, Extremes(
        scores[over], one[over].astype(np.int32), other[over].astype(np.int32), known
    )


def test_rates_are_the_shares_that_score_at_least_as_high() -> None:
    scores = drawn()
    made = table_of(scores)
    assert made.impostor_pairs == len(scores)
    assert len(made.rows) <= 100
    for score, rate in made.rows:
        assert (scores >= score).mean() == pytest.approx(rate, rel=0.02, abs=3e-6)


def test_the_table_is_strictly_monotone_and_ends_at_the_rule_of_30() -> None:
    made = table_of(drawn())
    scores, rates = zip(*made.rows, strict=True)
    assert rates[0] == 1
    assert all(np.diff(scores) > 0)
    assert all(np.diff(rates) < 0)
    assert rates[-1] == made.smallest_fmr
    assert RULE_OF_30 <= round(rates[-1] * made.impostor_pairs) < 3 * RULE_OF_30


def test_counting_in_portions_counts_all() -> None:
    scores = drawn()
    assert table_of(scores) == table_of(*np.array_split(scores, 7))


def test_scores_beyond_one_are_counted_where_the_range_is_theirs() -> None:
    scores = drawn() * 20 - 3  # of a normalised comparison
    counts = ScoreCounts(float(scores.min()), float(scores.max()))
    counts.add(scores)
    made = curve(counts)
    assert made.rows[-1][0] > 15
    score, rate = made.rows[len(made.rows) // 2]
    assert (scores >= score).mean() == pytest.approx(rate, rel=0.02)
    assert counts.total == len(scores)


def test_the_tail_is_that_of_an_exponential() -> None:
    scores = np.random.default_rng(4).exponential(0.02, 1_000_000).astype(np.float32)
    made = table_of(scores[scores < 1])
    assert made.tail.scale == pytest.approx(0.02, rel=0.1)
    assert made.tail.shape == pytest.approx(0, abs=0.05)


def test_a_tail_that_seems_to_end_goes_on_straight() -> None:
    counts, highest = crowd()
    made = curve(counts, highest)
    assert made.fit is not None
    assert made.shape_interval is not None
    low, high = made.shape_interval
    assert low <= made.fit.tail.shape <= high
    assert made.fit.tail.shape < 0  # of a normal distribution's: lighter than an exponential
    assert made.tail.shape == 0


def test_the_band_holds_the_measured_rates_and_goes_on_beyond_them() -> None:
    counts, highest = crowd()
    made = curve(counts, highest)
    last = made.rows[-1][0]
    rates = dict(made.rows)
    inside = [row for row in made.band if row[0] <= last]
    beyond = [row for row in made.band if row[0] > last]
    assert len(inside) > 5
    assert len(beyond) > 5
    assert all(low < rates[score] < high for score, low, high in inside)
    assert all(np.diff([high for _, _, high in made.band]) < 0)
    assert curve(counts, highest) == made  # drawn anew, of the same seed


@pytest.mark.parametrize("sociable", [0.0, 0.05])
def test_the_standard_error_is_that_of_other_samples(sociable: float) -> None:
    """Against the truth: the same made again, with other people, many times."""
    rates = []
    for seed in range(100, 160):
        counts, _ = crowd(150, seed, sociable)
        rates.append(counts.at_least[np.searchsorted(counts.edges, 0.68) - 1] / counts.total)
    truth = float(np.std(np.log(rates)))
    told = [
        float(Resampled(crowd(150, seed, sociable)[1]).errors(np.array([0.68]))[0])
        for seed in range(12)
    ]
    assert float(np.mean(told)) == pytest.approx(truth, rel=0.35)


def test_sets_that_are_kept_apart_make_no_comparisons() -> None:
    compared = np.array([[True, False], [False, True]])
    people = People(np.array([2, 1, 3]), np.array([0, 0, 1], np.int32), compared)
    assert people.comparisons() == 2  # of the first set only: 2 · 1
    assert people.comparisons(np.array([1.0, 2.0, 5.0])) == 4
    together = People(np.array([2, 1, 3]), np.array([0, 0, 1], np.int32), ~compared | compared)
    assert together.comparisons() == 2 + 9
    assert together.of_each().tolist() == [2 * 4, 5, 3 * 3]


def test_a_cohort_goes_on_as_everybody_does() -> None:
    """Of other mean and deviation; judged by rates that its own table does not reach."""
    everybody = table_of(drawn(1_000_000))
    shifted = 1.25 * drawn(1_000_000, seed=5) - 0.25
    made = cohort_curve(counted(shifted[:20_000]), everybody, smallest=1e-2)
    assert 1e-2 <= made.smallest_fmr < 1.3e-2
    last = made.rows[-1]
    assert made.extended[0][0] > last[0]
    assert made.extended[0][1] < last[1]
    assert made.tail.scale == pytest.approx(1.25 * everybody.tail.scale, rel=0.1)
    table = RateTable(made.rows, made.tail, made.extended)
    for rate in (1e-3, 1e-4):
        truth = float(np.quantile(shifted, 1 - rate))
        assert table.log_rate(truth) == pytest.approx(math.log10(rate), abs=0.3)


def test_a_cohort_without_a_tenth_is_refused() -> None:
    with pytest.raises(CalibrationError):
        cohort_curve(counted(drawn(4_000)), table_of(drawn()), smallest=0.2)


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(0, np.float32),
        np.full(100_000, 0.5, np.float32),
        drawn(2000),
        np.repeat(np.array([0.1, 0.2], np.float32), 50_000),
    ],
    ids=["none", "all alike", "too few", "two values"],
)
def test_too_little_is_refused(scores: Scores) -> None:
    with pytest.raises(CalibrationError):
        table_of(scores)
    with pytest.raises(CalibrationError):
        cohort_curve(counted(scores), table_of(drawn()))


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(CalibrationError):
        ScoreCounts().add(np.array([0.5, np.nan], np.float32))


@pytest.mark.parametrize("ends", [(0.5, 0.5), (1.0, 0.0), (float("nan"), 1.0)])
def test_a_range_without_room_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(CalibrationError):
        ScoreCounts(*ends)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1.5, 1.5), st.floats(0.001, 2))
def test_whatever_the_scores_the_table_is_monotone_or_refused(
    seed: int, mean: float, spread: float
) -> None:
    scores = np.random.default_rng(seed).normal(mean, spread, 20_000).astype(np.float32)
    try:
        made = table_of(scores)
    except CalibrationError:
        return
    values = np.array(made.rows)
    assert (np.diff(values[:, 0]) > 0).all()
    assert (np.diff(values[:, 1]) < 0).all()
    assert values[0, 1] == 1
    assert made.tail.scale > 0
