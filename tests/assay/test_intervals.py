from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.assay.errors import AssayError
from rightface.assay.intervals import (
    percentiles,
    rate,
    too_few_genuine,
    too_few_impostors,
    wilson,
)


def test_wilson_gives_the_published_interval_of_the_aclu_test() -> None:
    # 28 of 535 and 11 of 107, as ../shared/law/studies.yaml works them out.
    assert wilson(28, 535) == pytest.approx((0.0365, 0.0746), abs=5e-5)
    assert wilson(11, 107) == pytest.approx((0.058, 0.175), abs=5e-4)


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilson_holds_the_share_and_stays_a_share(trials: int, share: float) -> None:
    errors = round(share * trials)
    low, high = wilson(errors, trials)
    assert 0 <= low <= errors / trials <= high <= 1
    mirrored = wilson(trials - errors, trials)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)


def test_wilson_without_an_error_is_near_the_rule_of_three() -> None:
    low, high = wilson(0, 1_000_000)
    assert low == 0.0
    assert 3e-6 < high < 3.85e-6


@pytest.mark.parametrize(("errors", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_share(errors: int, trials: int) -> None:
    with pytest.raises(AssayError):
        wilson(errors, trials)


def test_a_rate_without_trials_is_none_and_says_so() -> None:
    told = rate(0, 0)
    assert (told.rate, told.low, told.high, told.method) == (None, None, None, "none")
    assert told.too_few


def test_a_rate_has_the_replicates_interval_but_none_narrower_than_wilson() -> None:
    wide = rate(50, 1000, np.linspace(0.0, 0.2, 1001))
    assert wide.method == "subject-bootstrap"
    assert (wide.low, wide.high) == pytest.approx((0.005, 0.195))
    narrow = rate(50, 1000, np.full(100, 0.05))
    assert (narrow.low, narrow.high) == wilson(50, 1000)


def test_without_an_error_the_interval_is_wilsons() -> None:
    told = rate(0, 1000, np.zeros(100))
    assert told.method == "wilson"
    assert (told.low, told.high) == wilson(0, 1000)


def test_without_an_error_as_many_trials_count_as_there_are_people_or_pairs_of_people() -> None:
    assert (rate(0, 1000, units=45).low, rate(0, 1000, units=45).high) == wilson(0, 45)
    assert rate(1000, 1000, units=45).low == wilson(45, 45)[0]
    assert rate(0, 1000, independent=20, units=45) == rate(0, 1000, units=20)
    assert rate(0, 1000, units=5000) == rate(0, 1000)
    assert rate(50, 1000, units=45) == rate(50, 1000)


def test_replicates_that_are_no_numbers_do_not_count() -> None:
    drawn = np.append(np.linspace(0.0, 1.0, 1001), [np.nan, np.nan])
    assert percentiles(drawn) == pytest.approx((0.025, 0.975))
    with pytest.raises(AssayError):
        percentiles(np.full(3, np.nan))


def test_ends_that_were_kept_count_like_the_replicates() -> None:
    drawn = np.linspace(0.0, 0.2, 1001)
    assert rate(50, 1000, ends=percentiles(drawn)) == rate(50, 1000, drawn)
    assert rate(50, 1000, ends=(np.nan, np.nan)) == rate(50, 1000)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_whether_a_group_counts_does_not_look_at_its_errors(trials: int, share: float) -> None:
    errors = round(share * trials)
    alike = too_few_impostors(trials, 50, 1e-3), too_few_impostors(trials, 50, 1e-3, errors=errors)
    assert bool(alike[0]) == bool(alike[1])


def test_what_is_too_few() -> None:
    assert "fewer than 30" in too_few_impostors(29_999, 50, 1e-3)
    assert not too_few_impostors(30_000, 50, 1e-3)
    assert too_few_impostors(450_000, 10, 1e-3, pairs=45).startswith("45 pairs of people: fewer")
    assert not too_few_impostors(450_000, 300, 1e-3, pairs=30_000)
    assert "29,999 comparisons" in too_few_impostors(29_999, 300, 1e-3, pairs=29_999)
    assert "yet 1,417 matched: look at it" in too_few_impostors(14_535, 50, 1e-3, errors=1417)
    assert "yet" not in too_few_impostors(14_535, 50, 1e-3, errors=17)
    assert "yet 900 matched" in too_few_impostors(30_000, 9, 1e-3, errors=900)
    assert "9 people" in too_few_impostors(30_000, 9, 1e-3)
    assert "1 person" in too_few_genuine(40, 1)
    assert not too_few_impostors(30_000, None, 1e-3)
    assert "Only 29 comparisons" in too_few_genuine(29, 20)
    assert not too_few_genuine(30, 10)
    assert too_few_impostors(0, 50, 1e-3)
    assert too_few_genuine(0, 50)
