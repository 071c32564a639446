from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.assay.differentials import (
    GroupRates,
    differentials,
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_rate,
    lowest_true_match_rate,
    max_over_geometric_mean,
    worst_over_best,
)
from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson
from rightface.assay.result import Differential

FMR = np.array([0.0001, 0.001, 0.0005, 0.0002])
FNMR = np.array([0.010, 0.020, 0.015, 0.012])
NAMES = ("A", "B", "C", "D")


def test_the_worked_example() -> None:
    # ../shared/law/studies.yaml, worked_example; alpha is 0.5.
    assert fairness_discrepancy_rate(FMR, FNMR) == pytest.approx(0.99455)
    assert inequity_rate(FMR, FNMR) == pytest.approx(4.47214, abs=1e-5)
    assert garbe(FMR, FNMR) == pytest.approx(0.374269, abs=1e-6)
    assert gini(FMR) == pytest.approx(0.555556, abs=1e-6)
    assert gini(FNMR) == pytest.approx(0.192982, abs=1e-6)
    assert max_over_geometric_mean(FMR) == pytest.approx(3.162278, abs=1e-6)
    assert worst_over_best(FMR) == pytest.approx(10)
    assert lowest_true_match_rate(FNMR) == pytest.approx(0.98)


@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=20), st.floats(0.1, 1.0))
def test_measures_of_ratios_do_not_look_at_the_scale(rates: list[float], factor: float) -> None:
    one = np.array(rates)
    for measure in (worst_over_best, max_over_geometric_mean, gini):
        assert measure(one * factor) == pytest.approx(float(measure(one)), rel=1e-6, abs=1e-9)
    assert -1e-12 <= gini(one) <= 1 + 1e-12
    assert max_over_geometric_mean(one) <= worst_over_best(one) * (1 + 1e-9)


def test_one_group_that_bears_all_has_a_gini_of_one() -> None:
    assert gini(np.array([0.0, 0.0, 0.0, 0.3])) == pytest.approx(1)
    assert gini(np.zeros(4)) == 0


def of(errors: list[int], trials: int | list[int], **more: object) -> GroupRates:
    counts = np.array(trials if isinstance(trials, list) else [trials] * len(errors), np.int64)
    names = tuple("ABCDEFGH"[: len(errors)])
    return GroupRates(names, np.array(errors, np.int64), counts, **more)  # type: ignore[arg-type]


def find(made: tuple[Differential, ...], measure: str, rates: str = "fmr") -> Differential:
    return next(one for one in made if one.measure == measure and one.of == rates)


def told(fmr: GroupRates, fnmr: GroupRates) -> tuple[Differential, ...]:
    return differentials(fmr, fnmr, fmr_target=1e-3, threshold=0.5)


def test_all_measures_are_told_with_intervals_around_them() -> None:
    made = told(of([100, 1000, 500, 200], 10**6), of([100, 200, 150, 120], 10**4))
    assert len(made) == 10
    for one in made:
        low, figure, high = one.value.low, one.value.value, one.value.high
        assert low is not None and figure is not None and high is not None
        assert low < figure < high
    worst = find(made, "worst-over-best")
    assert (worst.worst, worst.best) == ("B", "A")
    assert worst.value.value == pytest.approx(10)
    assert find(made, "lowest-true-match-rate", "fnmr").worst == "B"
    assert find(made, "garbe", "both").value.value == pytest.approx(0.374269, abs=1e-6)


def test_small_groups_are_left_out_and_named() -> None:
    fmr = of([100, 0, 200], [10**5, 50, 10**5], too_few=("", "only 2 people", ""))
    made = told(fmr, of([10, 1, 20], 1000))
    worst = find(made, "worst-over-best")
    assert (worst.groups, worst.left_out) == (("A", "C"), ("B",))
    assert worst.value.value == pytest.approx(2)
    assert find(made, "gini", "fnmr").groups == ("A", "B", "C")
    assert find(made, "garbe", "both").left_out == ("B",)


def test_a_group_without_comparisons_never_counts() -> None:
    made = told(of([100, 0, 200], [10**5, 0, 10**5]), of([10, 1, 20], 1000))
    assert find(made, "worst-over-best").left_out == ("B",)


def test_one_group_alone_has_no_differential() -> None:
    made = told(of([3], 1000), of([3], 1000))
    for one in made:
        if one.measure != "lowest-true-match-rate":
            assert one.value.value is None
            assert "Too few groups" in one.value.note
            assert (one.worst, one.best) == ("", "")


def test_a_ratio_to_a_group_without_errors_is_a_lower_bound_and_says_so() -> None:
    made = told(of([400, 0, 800], 10**6), of([10, 10, 10], 1000))
    worst = find(made, "worst-over-best").value
    assert worst.value == pytest.approx(8e-4 / 3.84145e-6, rel=1e-4)
    assert worst.high is None
    assert "At least" in worst.note and "B" in worst.note
    assert find(made, "gini").value.high is not None


def test_the_bound_of_a_small_group_without_errors_never_makes_it_the_worst() -> None:
    made = told(of([400, 0, 800], [10**6, 1000, 10**6]), of([10, 10, 10], 1000))
    assert find(made, "worst-over-best").value.value == pytest.approx(2)


def test_without_any_error_ratios_are_not_defined() -> None:
    made = told(of([0, 0], 10**6), of([10, 10], 1000))
    ratio = find(made, "worst-over-best").value
    assert ratio.value is None
    assert "No group had an error" in ratio.note
    assert find(made, "gini").value.value == 0
    assert find(made, "inequity-rate", "both").value.value is None


def test_equal_groups_differ_by_chance_and_the_interval_reaches_equality() -> None:
    rng = np.random.default_rng(4)
    held = {"worst-over-best": 0, "max-over-geometric-mean": 0, "gini": 0}
    worlds = 60
    for _ in range(worlds):
        made = told(of(rng.binomial(10**5, 1e-3, 6).tolist(), 10**5), of([50] * 6, 1000))
        for measure in held:
            figure = find(made, measure).value
            assert figure.low is not None
            held[measure] += figure.low <= (0 if measure == "gini" else 1)
    assert all(count >= 0.85 * worlds for count in held.values())


def test_unequal_groups_do_not_reach_equality() -> None:
    made = told(of([20, 100, 1000], 10**6), of([50, 200, 400], 1000))
    for measure in ("worst-over-best", "max-over-geometric-mean"):
        figure = find(made, measure).value
        assert figure.low is not None
        assert figure.low > 1
        assert "chance" not in figure.note


def test_intervals_hold_the_true_ratio_nearly_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    rates, worlds, held = np.array([2e-4, 1e-3, 5e-3]), 60, 0
    for _ in range(worlds):
        made = told(of(rng.binomial(10**5, rates).tolist(), 10**5), of([50, 60, 70], 1000))
        figure = find(made, "worst-over-best").value
        assert figure.low is not None and figure.high is not None
        held += figure.low <= 25 <= figure.high
    assert held >= 0.87 * worlds


def test_replicates_in_which_a_group_was_not_drawn_do_not_count() -> None:
    drawn = np.tile(np.array([1e-3, 2e-3]), (100, 1))
    drawn[:50, 0] = np.nan
    drawn[50:, 1] = np.linspace(1e-3, 3e-3, 50)
    made = told(of([100, 200], 10**5, replicates=drawn), of([50, 60], 1000))
    worst = find(made, "worst-over-best").value
    assert worst.low is not None and worst.high is not None
    assert worst.low == pytest.approx(1.0, abs=0.06)
    assert worst.high == pytest.approx(2.95, abs=0.05)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AssayError, match="draws"):
        told(
            of([1, 2], 10, replicates=np.full((5, 2), 0.1)),
            of([1, 2], 10, replicates=np.full((6, 2), 0.1)),
        )
    with pytest.raises(AssayError):
        told(of([1, 2], 10), of([1, 2, 3], 10))
    with pytest.raises(AssayError):
        GroupRates(("A",), np.array([1, 2]), np.array([10, 10]))


def test_the_lowest_true_match_rate_minds_small_groups_without_errors() -> None:
    made = told(of([10, 10], 10**6), of([10, 0], [1000, 43]))
    lowest = find(made, "lowest-true-match-rate", "fnmr").value
    assert lowest.value == pytest.approx(0.99)
    assert lowest.low == pytest.approx(1 - wilson(0, 43)[1])


def test_a_discrepancy_by_chance_reaches_one_from_below() -> None:
    made = told(of([100, 101], 10**5), of([50, 51], 1000))
    figure = find(made, "fairness-discrepancy-rate", "both").value
    assert figure.high == 1.0
    assert "reach 0.9" in figure.note
