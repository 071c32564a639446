"""The least and the greatest value of a measure over a box, against searches of the box."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.assay.differentials import max_over_geometric_mean, worst_over_best
from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson
from rightface.assay.regions import (
    Ends,
    Floats,
    Region,
    effective,
    gap_ends,
    geometric_ends,
    gini,
    gini_ends,
    highest_ends,
    ratio_ends,
    region,
)

intervals = st.lists(st.tuples(st.floats(1e-6, 1.0), st.floats(1.0, 50.0)), min_size=2, max_size=7)
MEASURES = (
    (ratio_ends, worst_over_best),
    (geometric_ends, max_over_geometric_mean),
    (gini_ends, gini),
    (gap_ends, lambda rates: np.ptp(rates, axis=-1)),
    (highest_ends, lambda rates: rates.max(axis=-1)),
)


def box_of(told: list[tuple[float, float]]) -> Region:
    lows = np.array([low for low, _ in told])
    return Region(lows, np.minimum(lows * [wider for _, wider in told], 1.0))


def corners(box: Region) -> Floats:
    up = np.array(list(product([False, True], repeat=len(box.lows))))
    return np.where(up, box.highs, box.lows)


@given(intervals, st.integers(0, 1000))
def test_no_point_of_the_box_lies_beyond_and_a_corner_reaches_the_greatest(
    told: list[tuple[float, float]], seed: int
) -> None:
    box = box_of(told)
    inside = np.random.default_rng(seed).uniform(box.lows, box.highs, (200, len(told)))
    for ends, measure in MEASURES:
        low, high = ends(box)
        found = measure(inside)
        assert low <= found.min() * (1 + 1e-9) + 1e-12
        assert found.max() <= high * (1 + 1e-9) + 1e-12
        assert measure(corners(box)).max() == pytest.approx(high)


@given(intervals)
def test_the_least_is_reached(told: list[tuple[float, float]]) -> None:
    box = box_of(told)
    levels = np.concatenate((box.lows, box.highs))[:, None]
    level = np.clip(levels, box.lows, box.highs)
    for ends, measure in MEASURES:
        assert measure(level).min() == pytest.approx(ends(box)[0], rel=1e-9, abs=1e-12)


def test_the_gini_coefficient_is_the_double_sum() -> None:
    rates = np.random.default_rng(0).random((20, 7))
    apart = np.abs(rates[:, :, None] - rates[:, None, :]).sum((1, 2))
    assert gini(rates) == pytest.approx(apart / (2 * 7 * 6 * rates.mean(1)))


def test_a_rate_that_may_be_zero_leaves_ratios_without_an_upper_end() -> None:
    box = region(np.array([0, 30]), np.array([10**5, 10**5]))
    for ends in (ratio_ends, geometric_ends):
        told: Ends = ends(box)
        assert 1 < told[0] < np.inf
        assert told[1] == np.inf
    nothing = region(np.array([0, 0]), np.array([10**5, 10**5]))
    assert ratio_ends(nothing) == geometric_ends(nothing) == (1, np.inf)


def test_one_rate_has_wilsons_interval_and_more_have_wider_ones() -> None:
    alone = region(np.array([30]), np.array([10**5]))
    assert (alone.lows[0], alone.highs[0]) == pytest.approx(wilson(30, 10**5))
    wider = region(np.array([30]), np.array([10**5]), together=20)
    assert wider.lows[0] < alone.lows[0] < alone.highs[0] < wider.highs[0]


def test_rates_hold_at_once_as_often_as_they_say() -> None:
    rng, rates, held = np.random.default_rng(1), np.geomspace(5e-4, 5e-3, 12), 0
    for _ in range(300):
        box = region(rng.binomial(10**5, rates), np.full(12, 10**5))
        held += bool(((box.lows <= rates) & (rates <= box.highs)).all())
    assert 0.92 <= held / 300 <= 0.99


def test_trials_that_share_people_count_as_fewer_and_never_as_more() -> None:
    errors, trials = np.array([100, 100, 0, 50]), np.array([10**5, 10**5, 10**5, 50])
    alone = np.sqrt(1e-3 * (1 - 1e-3) / 10**5)
    told = effective(errors, trials, np.array([2 * alone, alone / 2, np.nan, 0.1]))
    assert told == pytest.approx([10**5 / 4, 10**5, 10**5, 50])
    assert effective(errors, trials, None).tolist() == trials.tolist()


def test_a_region_of_nothing_is_refused() -> None:
    for errors in ([], [0]):
        with pytest.raises(AssayError):
            region(np.array(errors, np.int64), np.zeros(len(errors), np.int64))
