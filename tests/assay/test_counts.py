"""Counts in bins and their axis: edges, counts and thresholds agree to the last comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.assay.counts import COARSEST, FINEST, MOST_BYTES, Axis, Counts
from rightface.assay.errors import AssayError

AXES = (
    Axis(-1.0, 1.0, 20_000),
    Axis(-1.0, 1.0, 16_384),
    Axis(-7.3, 22.1, 20_000),
    Axis(0.0, 100.0, 1_000),
    Axis(0.0, 1.0, 40_000),
)
SCORES = st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=60)


@pytest.mark.parametrize("axis", AXES)
def test_an_edge_is_the_least_score_of_its_bin(axis: Axis) -> None:
    places = np.arange(axis.bins)
    assert (axis.bins_of(axis.edges) == places).all()
    just_below = np.nextafter(axis.edges, np.float32(-np.inf))
    assert (axis.bins_of(just_below)[1:] == places[:-1]).all()


@pytest.mark.parametrize("axis", AXES)
def test_edges_are_where_equal_widths_put_them(axis: Axis) -> None:
    nominal = np.linspace(axis.lowest, axis.highest, axis.bins + 1)[:-1]
    width = (axis.highest - axis.lowest) / axis.bins
    assert np.abs(axis.edges - nominal).max() < 0.01 * width


@given(SCORES, st.integers(0, 99))
def test_counts_from_an_edge_up_are_the_scores_that_reach_it(
    scores: list[float], bin_: int
) -> None:
    axis = Axis(-1.0, 1.0, 100)
    array = np.array(scores, np.float32)
    counts = Counts.of(axis, array)
    edge = float(axis.edges[bin_])
    expected = len(scores) if bin_ == 0 else int((array >= np.float32(edge)).sum())
    assert counts.at_least(edge) == expected
    assert counts.below(edge) == len(scores) - expected
    assert counts.total == len(scores)


@given(SCORES, st.floats(-1.5, 1.5))
def test_between_edges_false_matches_are_never_understated(
    scores: list[float], threshold: float
) -> None:
    array = np.array(scores, np.float32)
    assert Counts.of(Axis(-1.0, 1.0, 37), array).at_least(threshold) >= int(
        (array >= np.float32(threshold)).sum()
    )


@given(SCORES, st.floats(0, 1))
def test_score_at_is_the_least_edge_of_that_share(scores: list[float], share: float) -> None:
    axis = Axis(-1.0, 1.0, 50)
    counts = Counts.of(axis, np.array(scores, np.float32))
    shares = [counts.at_least(float(edge)) / counts.total for edge in axis.edges]
    reached = [float(edge) for edge, at in zip(axis.edges, shares, strict=True) if at <= share]
    assert counts.score_at(share) == (min(reached) if reached else None)


def test_scores_beyond_the_ends_count_at_the_ends() -> None:
    axis = Axis(0.0, 1.0, 4)
    counts = Counts.of(axis, np.array([-np.inf, -3.0, 0.0, 0.9, 1.0, np.inf], np.float32))
    assert counts.counts.tolist() == [3, 0, 0, 3]
    assert counts.score_at(0.1) is None, "half of them lie in the last bin"


def test_counts_of_nothing_have_no_rates() -> None:
    counts = Counts.of(AXES[0], np.empty(0, np.float32))
    assert counts.total == 0
    assert counts.score_at(0.5) is None


def test_counts_add_up_on_one_axis_only() -> None:
    one = Counts.of(Axis(0.0, 1.0, 4), np.array([0.1, 0.6], np.float32))
    assert (one + one).counts.tolist() == [2, 0, 2, 0]
    with pytest.raises(AssayError, match="different axes"):
        one + Counts.of(Axis(0.0, 1.0, 5), np.array([0.1], np.float32))
    with pytest.raises(AssayError, match="do not fit"):
        Counts(Axis(0.0, 1.0, 5), np.zeros(4, np.int64))


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(AssayError, match="not a number"):
        Counts.of(AXES[0], np.array([0.1, np.nan], np.float32))


@pytest.mark.parametrize(
    ("lowest", "highest", "bins"),
    [(1.0, 1.0, 10), (1.0, 0.0, 10), (0.0, np.inf, 10), (0.0, 1.0, 1), (1e6, 1e6 + 1, 1000)],
)
def test_an_axis_that_tells_nothing_apart_is_refused(
    lowest: float, highest: float, bins: int
) -> None:
    with pytest.raises(AssayError):
        Axis(lowest, highest, bins)


@pytest.mark.parametrize("groups", [0, 1, 8, 60, 256])
def test_more_groups_have_fewer_bins(groups: int) -> None:
    axis = Axis.between(-1.0, 1.0, groups)
    pairs = (groups + 1) * (groups + 2) // 2
    assert COARSEST <= axis.bins <= FINEST
    assert axis.bins == COARSEST or 8 * pairs * axis.bins <= MOST_BYTES
