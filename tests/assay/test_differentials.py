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
    inequity_rate,
    lowest_true_match_rate,
    max_over_geometric_mean,
    ratio_of,
    worst_over_best,
)
from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson_at
from rightface.assay.regions import gini
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
    names = tuple("ABCDEFGHIJ"[: len(errors)])
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


def held_by(rates: list[float], trials: int, worlds: int = 100) -> dict[str, float]:
    """In how many worlds the interval of each measure of false matches holds the true value."""
    rng, truth = np.random.default_rng(4), np.array(rates)
    true = {
        "worst-over-best": worst_over_best(truth),
        "max-over-geometric-mean": max_over_geometric_mean(truth),
        "gini": gini(truth),
    }
    held = dict.fromkeys(true, 0)
    for _ in range(worlds):
        errors = rng.binomial(trials, truth).tolist()
        made = told(of(errors, trials), of([50] * len(rates), 1000))
        for measure, figure in true.items():
            value = find(made, measure).value
            assert value.low is not None
            high = np.inf if value.high is None else value.high
            held[measure] += bool(value.low <= figure + 1e-12 <= high + 2e-12)
    return {measure: count / worlds for measure, count in held.items()}


@pytest.mark.parametrize(
    ("rates", "trials"),
    [
        ([1e-3] * 5 + [2e-3] * 5, 10**5),
        ([1e-3] * 5 + [2e-3] * 5, 10**6),
        ([1e-3] * 10, 10**5),
        ([1e-3] * 9 + [1e-2], 10**5),
        ([1e-3, 3e-3], 10**5),
        ([1e-3, 1.001e-3], 10**5),
        ([2e-4, 1e-3, 5e-3], 10**5),
        ([5e-5] * 3 + [4e-4] * 3, 10**5),
    ],
    ids=["tied", "tied, large", "equal", "one worst", "two", "two nearly tied", "three", "few"],
)
def test_intervals_hold_the_truth_however_many_groups_tie(rates: list[float], trials: int) -> None:
    assert min(held_by(rates, trials).values()) >= 0.93


def test_intervals_of_tied_groups_are_no_wider_than_they_need_be() -> None:
    worst = find(told(of([1000] * 5 + [2000] * 5, 10**6), of([50] * 10, 1000)), "worst-over-best")
    low, high = worst.value.low, worst.value.high
    assert low is not None and high is not None
    assert 1.6 < low < 2 < high < 2.5


def test_of_two_groups_gini_and_ratio_are_of_one_region() -> None:
    made = told(of([30, 60], 10**5), of([50, 60], 1000))
    ratio, uneven = find(made, "worst-over-best").value, find(made, "gini").value
    for one, other in ((ratio.low, uneven.low), (ratio.high, uneven.high)):
        assert one is not None
        assert other == pytest.approx((one - 1) / (one + 1))


def test_the_worst_of_equal_groups_reads_high_and_it_is_told_by_how_much() -> None:
    made = told(of([100] * 10, 10**5), of([50] * 10, 1000))
    drawn = np.random.default_rng(9).binomial(10**5, 1e-3, (4000, 10))
    median = float(np.median(drawn.max(1) / drawn.min(1)))
    assert find(made, "worst-over-best").chance == pytest.approx(median, rel=0.03)
    assert find(made, "lowest-true-match-rate", "fnmr").chance is None
    alone = told(of([3], 1000), of([3], 1000))
    assert all(one.chance is None for one in alone)


@pytest.mark.parametrize("rates", ["fmr", "fnmr"])
def test_what_chance_makes_of_two_groups_is_one_story(rates: str) -> None:
    made = told(of([1, 4], [150, 2_000]), of([0, 2], [40, 3_000]))
    ratio, uneven = find(made, "worst-over-best", rates).chance, find(made, "gini", rates).chance
    assert ratio is not None
    assert uneven == pytest.approx((ratio - 1) / (ratio + 1), rel=1e-3)


def test_what_is_not_defined_comes_to_nothing_by_chance() -> None:
    made = told(of([0, 0], [10**4, 10**6]), of([10, 10], 1000))
    for one in made:
        if one.value.value is None:
            assert one.chance is None
    assert find(made, "gini").chance == 0


def test_unequal_groups_do_not_reach_equality() -> None:
    made = told(of([20, 100, 1000], 10**6), of([50, 200, 400], 1000))
    for measure in ("worst-over-best", "max-over-geometric-mean"):
        figure = find(made, measure).value
        assert figure.low is not None
        assert figure.low > 1


def test_people_in_many_comparisons_widen_the_interval() -> None:
    alone = find(told(of([100, 400], 10**5), of([50, 60], 1000)), "worst-over-best").value
    spread = np.array([2e-4, 8e-4])  # twice what independent comparisons have, four times
    shared = of([100, 400], 10**5, deviations=spread)
    wide = find(told(shared, of([50, 60], 1000)), "worst-over-best").value
    assert wide.value == alone.value
    assert wide.low is not None and alone.low is not None and wide.low < alone.low
    assert wide.high is not None and alone.high is not None and wide.high > alone.high
    assert "independent" in alone.note and "independent" not in wide.note
    fewer = of([100, 400], 10**5, deviations=spread / 100)
    assert find(told(fewer, of([50, 60], 1000)), "worst-over-best").value.low == alone.low


def test_one_ratio_is_that_of_all_measures() -> None:
    groups = of([100, 4, 400], [10**5, 10, 10**5], too_few=("", "few", ""))
    made = find(told(groups, of([5, 5, 6], 1000)), "worst-over-best")
    assert ratio_of(groups) == made.value


def test_without_an_error_anywhere_nothing_is_known_of_how_they_share_them() -> None:
    even = find(told(of([0, 0, 0], 10**6), of([10, 10, 10], 1000)), "gini").value
    assert (even.value, even.low, even.high) == (0, 0, 1)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AssayError):
        told(of([1, 2], 10), of([1, 2, 3], 10))
    with pytest.raises(AssayError):
        GroupRates(("A",), np.array([1, 2]), np.array([10, 10]))


def test_the_lowest_true_match_rate_minds_small_groups_without_errors() -> None:
    made = told(of([10, 10], 10**6), of([10, 0], [1000, 43]))
    lowest = find(made, "lowest-true-match-rate", "fnmr").value
    assert lowest.value == pytest.approx(0.99)
    assert lowest.low == pytest.approx(1 - wilson_at(0, 43, 0.95**0.5)[1])


def test_a_discrepancy_by_chance_reaches_one_from_below() -> None:
    made = told(of([100, 101], 10**5), of([50, 51], 1000))
    figure = find(made, "fairness-discrepancy-rate", "both").value
    assert figure.high == 1.0
    assert made[-2].chance == pytest.approx(0.997, abs=0.001)
