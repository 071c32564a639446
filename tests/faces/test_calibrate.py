"""From scores to a table of rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.assay.calibrate import (
    RULE_OF_30,
    CalibrationError,
    RateTable,
    ScoreCounts,
    rate_table,
)


def drawn(count: int = 400_000, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(0.6, 0.08, count).astype(np.float32)


def table_of(*scores: np.ndarray[tuple[int], np.dtype[np.float32]]) -> RateTable:
    counts = ScoreCounts()
    for some in scores:
        counts.add(some)
    return rate_table(counts)


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


def test_the_tail_is_that_of_an_exponential() -> None:
    scores = np.random.default_rng(4).exponential(0.02, 1_000_000).astype(np.float32)
    made = table_of(scores[scores < 1])
    assert made.tail_slope == pytest.approx(-1 / (0.02 * np.log(10)), rel=0.1)


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
def test_too_little_is_refused(scores: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    with pytest.raises(CalibrationError):
        table_of(scores)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(CalibrationError):
        ScoreCounts().add(np.array([0.5, np.nan], np.float32))


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
    assert made.tail_slope < 0
