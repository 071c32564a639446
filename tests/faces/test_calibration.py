"""Scores, rates and similarities: monotone, finite, and honest about where they come from."""

from __future__ import annotations

import copy
import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.errors import WeightsError
from rightface.faces.calibration import (
    Calibration,
    fmr_of_similarity,
    similarity,
)

SHIPPED = Calibration.shipped()
any_number = st.floats(allow_nan=True, allow_infinity=True)

TOLD: dict[str, Any] = {
    "pack_digest": "00",
    "data_sets": ["none"],
    "impostor_pairs": 1000,
    "genuine_pairs": 10,
    "measured_on": "2026-11-22",
    "smallest_fmr": 0.01,
    "caveats": [],
    "tail_slope": -50.0,
    "table": [[0.5, 1.0], [0.8, 0.1], [0.9, 0.01]],
}


@pytest.mark.parametrize(
    ("shown", "fmr"), [(80, 1.6e-3), (90, 1e-4), (99, 1e-8), (0, 1), (100, 0), (50, 0.0625)]
)
def test_similarities_as_documented(shown: float, fmr: float) -> None:
    assert similarity(fmr) == pytest.approx(shown)
    assert fmr_of_similarity(shown) == pytest.approx(fmr, abs=1e-15)


@given(any_number)
def test_similarity_is_finite_and_within_0_and_100(fmr: float) -> None:
    assert 0 <= similarity(fmr) <= 100
    assert 0 <= fmr_of_similarity(fmr) <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_similarity_falls_with_the_rate(one: float, other: float) -> None:
    if one < other:
        assert similarity(one) >= similarity(other)
    assert fmr_of_similarity(similarity(one)) == pytest.approx(one, rel=1e-6, abs=1e-9)


@given(any_number)
def test_every_score_has_a_rate(score: float) -> None:
    rate = SHIPPED.rate(score)
    assert 0 < rate.fmr <= 1
    assert (
        rate.extrapolated
        == (not math.isnan(score) and score > SHIPPED.score_at(SHIPPED.provenance.smallest_fmr))
        or abs(score - SHIPPED.score_at(SHIPPED.provenance.smallest_fmr)) < 1e-3
    )


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_rates_fall_with_the_score(one: float, other: float) -> None:
    if one < other:
        assert SHIPPED.rate(one).fmr >= SHIPPED.rate(other).fmr


@given(st.floats(1e-30, 0.9999))
def test_threshold_and_rate_are_inverse(fmr: float) -> None:
    assert SHIPPED.rate(SHIPPED.score_at(fmr)).fmr == pytest.approx(fmr, rel=1e-6)


@pytest.mark.parametrize("fmr", [1.0, 2.0, math.inf, math.nan])
def test_at_a_rate_of_one_everything_matches(fmr: float) -> None:
    assert SHIPPED.score_at(fmr) == -math.inf


@pytest.mark.parametrize("fmr", [0.0, -1.0, 1e-320, 1e-300])
def test_a_rate_of_nothing_has_a_finite_threshold(fmr: float) -> None:
    assert math.isfinite(SHIPPED.score_at(fmr))


def test_the_table_says_what_is_extrapolated() -> None:
    made = Calibration.from_json(TOLD)
    assert made.rate(0.3).fmr == 1
    assert made.rate(0.8).fmr == pytest.approx(0.1)
    assert made.rate(0.85).fmr == pytest.approx(10**-1.5)
    assert not made.rate(0.9).extrapolated
    beyond = made.rate(0.92)
    assert beyond.extrapolated
    assert beyond.fmr == pytest.approx(10**-3)
    assert made.score_at(1e-3) == pytest.approx(0.92)
    assert made.provenance.measured_on == date(2026, 11, 22)


def test_the_shipped_table_is_small_and_tells_its_provenance() -> None:
    told = SHIPPED.provenance
    assert len(SHIPPED.table) <= 100
    assert told.impostor_pairs > 10_000_000
    assert told.genuine_pairs > 1000
    assert told.smallest_fmr < 1e-5
    assert told.data_sets
    assert any("not equal" in caveat for caveat in told.caveats)


NEW: dict[str, Any] = {name: value for name, value in TOLD.items() if name != "tail_slope"} | {
    "tail": {"shape": 0.1, "scale": 0.01},
    "comparison": "equalised",
    "comparison_digest": "ab",
    "band": [[0.8, 0.05, 0.2], [0.9, 0.005, 0.02]],
    "cohorts": [
        {
            "name": "a · b (set)",
            "images": 9,
            "impostor_pairs": 99,
            "tail": {"shape": 0.0, "scale": 0.02},
            "table": [[0.6, 1.0], [0.9, 0.1]],
            "extended": [[0.95, 0.01]],
        }
    ],
    "too_small": ["c · d (set)"],
}


def test_a_calibration_with_bands_and_cohorts() -> None:
    made = Calibration.from_json(NEW)
    told = made.provenance
    assert (told.comparison, told.comparison_digest) == ("equalised", "ab")
    assert told.too_small == ("c · d (set)",)
    (cohort,) = made.cohorts
    assert (cohort.name, cohort.images, cohort.impostor_pairs) == ("a · b (set)", 9, 99)
    assert made.band(0.9) == pytest.approx((0.005, 0.02))
    assert made.band(0.85) == pytest.approx((10**-1.80103, 10**-1.19897), rel=1e-3)
    assert made.band(0.7) is None
    assert made.band(math.nan) is None
    assert made.worst_rate(0.9).fmr == pytest.approx(0.1)
    assert made.worst_rate(math.nan).fmr == 1
    assert made.worst_threshold(1.0).score == -math.inf
    assert not made.worst_threshold(0.1).extrapolated
    beyond = made.worst_threshold(0.01)
    assert beyond.score == pytest.approx(0.95)
    assert beyond.extrapolated


def test_a_calibration_of_an_earlier_release_loads() -> None:
    made = Calibration.from_json(TOLD)
    assert made.provenance.comparison == "raw"
    assert made.cohorts == ()
    assert made.band(0.8) is None
    assert made.worst_threshold(1e-2).score == made.score_at(1e-2)


def damaged(**changes: object) -> dict[str, Any]:
    return copy.deepcopy(TOLD) | changes


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        damaged(table=[]),
        damaged(table=[[0.5, 1.0]]),
        damaged(table=[[0.5, 1.0], [0.4, 0.1]]),
        damaged(table=[[0.5, 1.0], [0.6, 1.0]]),
        damaged(table=[[0.5, 0.5], [0.6, 0.1]]),
        damaged(table=[[0.5, 1.0], ["x", 0.1]]),
        damaged(table=[[0.5, 1.0], [float("nan"), 0.1]]),
        damaged(table=[[0.5], [0.6]]),
        damaged(tail_slope=1.0),
        damaged(tail_slope=0.0),
        damaged(tail_slope=float("nan")),
        damaged(measured_on="yesterday"),
        damaged(impostor_pairs="many"),
        damaged(impostor_pairs=math.inf),
        NEW | {"tail": {"shape": 0.1, "scale": 0.0}},
        NEW | {"tail": {"shape": -0.1, "scale": 0.1}},
        NEW | {"extended": [[0.95, 0.1]]},
        NEW | {"tail": {"shape": 1.0, "scale": 0.1}},
        NEW | {"tail": {"shape": math.nan, "scale": 0.1}},
        NEW | {"tail": {}},
        NEW | {"tail": 3},
        NEW | {"band": [[0.5]]},
        NEW | {"cohorts": [{"name": "without a table"}]},
        NEW | {"cohorts": "none"},
    ],
)
def test_a_damaged_table_is_refused(told: object) -> None:
    with pytest.raises(WeightsError):
        Calibration.from_json(told)


@given(
    st.recursive(
        st.none() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(TOLD)), inner),
    )
)
def test_anything_else_is_refused_too(told: object) -> None:
    with pytest.raises(WeightsError):
        Calibration.from_json(json.loads(json.dumps(told)))
