from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap, people
from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson

NOTHING = np.zeros(0, np.int64)


def naive_matrix(
    weights: NDArray[np.float64],
    person: NDArray[np.int64],
    groups: NDArray[np.int64],
    count: int,
    pairs: set[tuple[int, int]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matches and trials of every two rows, counted one by one with the people's weights."""
    matches, trials = np.zeros((2, count, count))
    for a in range(len(person)):
        for b in range(a + 1, len(person)):
            g, h = groups[a], groups[b]
            if person[a] == person[b] or g < 0 or h < 0:
                continue
            weight = weights[person[a]] * weights[person[b]]
            for table, counts in ((trials, True), (matches, (a, b) in pairs)):
                if counts:
                    table[g, h] += weight
                    table[h, g] += weight * (g != h)
    return matches, trials


@given(
    st.lists(
        st.tuples(st.integers(-1, 5), st.integers(-1, 2), st.booleans()), min_size=3, max_size=14
    ),
    st.integers(0, 1000),
)
def test_everybody_equals_a_double_loop(rows: list[tuple[int, int, bool]], seed: int) -> None:
    subjects = np.array([row[0] for row in rows], np.int32)
    groups = np.array([row[1] for row in rows], np.int64)
    person = people(subjects)
    if person.max() < 1:
        return
    rng = np.random.default_rng(seed)
    a, b = np.triu_indices(len(rows), 1)
    hit = (person[a] != person[b]) & (rng.random(len(a)) < 0.3)
    a, b = a[hit], b[hit]
    bootstrap = SubjectBootstrap(subjects, replicates=7, seed=seed)
    told = bootstrap.everybody(groups, 3).matches(a, b)
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    ones = np.ones(bootstrap.count)
    matches, trials = naive_matrix(ones, person, groups, 3, pairs)
    assert np.array_equal(told.errors, matches)
    assert np.array_equal(told.trials, trials)
    with np.errstate(invalid="ignore"):
        rates = matches / trials
        drawn = np.stack(
            [
                np.divide(*naive_matrix(w.astype(float), person, groups, 3, pairs))
                for w in bootstrap.weights.T
            ]
        )
    # The replicates lie on the line from the rate to what was drawn, nearer by one factor per cell.
    for cell in np.ndindex(3, 3):
        there = drawn[(slice(None), *cell)]
        there = there[np.isfinite(there)]
        if not there.size:
            assert np.isnan([told.lows[cell], told.highs[cell], told.deviations[cell]]).all()
            continue
        low, high = np.quantile(there, (0.025, 0.975))
        far = np.array([low - rates[cell], high - rates[cell], there.std()])
        here = np.array(
            [told.lows[cell] - rates[cell], told.highs[cell] - rates[cell], told.deviations[cell]]
        )
        assert np.allclose(here[np.abs(far) < 1e-9], 0, atol=1e-6)
        nearer = here[np.abs(far) > 1e-6] / far[np.abs(far) > 1e-6]
        if nearer.size:
            assert np.allclose(nearer, nearer[0], rtol=1e-3)
            assert 3**-0.5 - 1e-3 <= nearer[0] <= 1 + 1e-3


def test_everybody_and_a_list_of_all_pairs_agree() -> None:
    rng = np.random.default_rng(3)
    subjects = rng.integers(0, 20, 90).astype(np.int32)
    groups = rng.integers(-1, 3, 90)
    a, b = np.triu_indices(90, 1)
    impostor = subjects[a] != subjects[b]
    a, b = a[impostor], b[impostor]
    # Some people match more readily, so that shared members matter.
    wrong = rng.random(len(a)) < 0.02 * (subjects[a] % 5) * (subjects[b] % 5)
    bootstrap = SubjectBootstrap(subjects, replicates=50, seed=1)
    one = bootstrap.everybody(groups, 3).matches(a[wrong], b[wrong])
    low, high = np.minimum(groups[a], groups[b]), np.maximum(groups[a], groups[b])
    cells = np.where(low < 0, -1, low * 3 + high)
    other = bootstrap.listed(a, b, wrong, cells, 9)
    for g in range(3):
        for h in range(g, 3):
            assert one.errors[g, h] == one.errors[h, g] == other.errors[3 * g + h] > 0
            assert one.trials[g, h] == other.trials[3 * g + h]
            drawn = other.replicates[:, 3 * g + h]
            ends = np.quantile(drawn, (0.025, 0.975))
            for place in ((g, h), (h, g)):
                assert (one.lows[place], one.highs[place]) == pytest.approx(tuple(ends), rel=1e-4)
                assert one.deviations[place] == pytest.approx(drawn.std(), rel=1e-4)
                assert other.deviations[3 * g + h] == pytest.approx(drawn.std())


def test_many_groups_take_little_memory() -> None:
    # All replicates of all pairs of groups would take 8 * 200 * 100² bytes each time.
    rng = np.random.default_rng(2)
    subjects = np.arange(500, dtype=np.int32)
    a, b = (each[::60] for each in np.triu_indices(500, 1))
    tracemalloc.start()
    bootstrap = SubjectBootstrap(subjects, replicates=200)
    told = bootstrap.everybody(rng.integers(0, 100, 500), 100).matches(a, b)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(told.deviations).sum() > 9_000
    assert most < 8 * 200 * 100**2


def test_genuine_comparisons_count_as_often_as_their_person() -> None:
    subjects = np.array([0, 0, 0, 1, 1, 2, 2], np.int32)
    a, b = np.array([0, 0, 1, 3, 5]), np.array([1, 2, 2, 4, 6])
    missed = np.array([True, False, False, True, False])
    bootstrap = SubjectBootstrap(subjects, replicates=30, seed=2)
    told = bootstrap.listed(a, b, missed, np.zeros(5, np.int64), 1)
    w = bootstrap.weights.astype(float)
    expected = (w[0] + w[1]) / (3 * w[0] + w[1] + w[2])
    assert np.allclose(told.replicates[:, 0], expected)
    assert (told.errors[0], told.trials[0]) == (2, 5)


def test_unknown_people_are_people_of_their_own() -> None:
    assert people(np.array([7, -1, 7, 3, -1], np.int32)).tolist() == [1, 2, 1, 0, 3]


def test_a_comparison_of_no_group_counts_nowhere() -> None:
    bootstrap = SubjectBootstrap(np.arange(4, dtype=np.int32), replicates=5)
    told = bootstrap.listed(
        np.array([0, 1]), np.array([2, 3]), np.array([True, True]), np.array([-1, 0]), 2
    )
    assert told.trials.tolist() == [1, 0]
    assert np.isnan(told.replicates[:, 1]).all()


def test_people_are_drawn_as_often_as_there_are_people_and_the_same_by_one_seed() -> None:
    subjects = np.arange(40, dtype=np.int32)
    one, other = (SubjectBootstrap(subjects, replicates=20, seed=5) for _ in range(2))
    assert (one.weights.sum(axis=0) == 40).all()
    assert np.array_equal(one.weights, other.weights)
    assert not np.array_equal(one.weights, SubjectBootstrap(subjects, replicates=20).weights)


def test_what_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(AssayError):
        SubjectBootstrap(np.zeros(5, np.int32))
    bootstrap = SubjectBootstrap(np.array([0, 0, 1], np.int32), replicates=5)
    with pytest.raises(AssayError):
        bootstrap.everybody(np.zeros(2, np.int64), 1)
    with pytest.raises(AssayError):
        bootstrap.everybody(np.zeros(3, np.int64), 1).matches(np.array([0]), np.array([1]))


def matches_of(
    rng: np.random.Generator, people_count: int, spread: float, fmr: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that match; some people match more readily than others, by `spread`."""
    own = rng.normal(0, spread, people_count)
    a, b = np.triu_indices(people_count, 1)
    hit = rng.random(len(a)) < np.clip(fmr * np.exp(own[a] + own[b] - spread**2), 0, 1)
    return a[hit], b[hit]


def test_pairs_of_people_are_counted_once_whatever_they_are_pictured_in() -> None:
    subjects = np.array([0, 0, 1, 1, 2, 3, -1], np.int32)
    groups = np.array([0, 1, 0, 1, 0, 1, 1])
    bootstrap = SubjectBootstrap(subjects, replicates=5)
    told = bootstrap.everybody(groups, 2).matches(np.array([0]), np.array([2]))
    of_people = {0: {0, 1, 2}, 1: {0, 1, 3, 4}}
    for one, other in ((0, 0), (0, 1), (1, 1)):
        pairs = {frozenset((p, q)) for p in of_people[one] for q in of_people[other] if p != q}
        assert told.pairs[one, other] == told.pairs[other, one] == len(pairs)
    a, b = np.array([0, 1, 0, 4]), np.array([2, 2, 3, 5])
    asked = bootstrap.among(a, b, np.zeros(4, np.bool_), groups, 2)
    assert asked.pairs.tolist() == [[1, 2], [2, 0]]
    listed = bootstrap.listed(
        np.array([0, 0, 2]), np.array([1, 0, 3]), np.zeros(3, np.bool_), np.zeros(3, np.int64), 1
    )
    assert listed.units.tolist() == [2]


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_hold_the_truth_nearly_as_often_as_they_say(spread: float) -> None:
    rng = np.random.default_rng(11)
    held, wilsons, worlds, fmr = 0, 0, 120, 0.005
    for seed in range(worlds):
        a, b = matches_of(rng, 150, spread, fmr)
        bootstrap = SubjectBootstrap(np.arange(150, dtype=np.int32), replicates=300, seed=seed)
        told = bootstrap.everybody(np.zeros(150, np.int64), 1).matches(a, b)
        low, high = told.lows[0, 0], told.highs[0, 0]
        held += low <= fmr <= high
        low, high = wilson(int(told.errors[0, 0]), int(told.trials[0, 0]))
        wilsons += low <= fmr <= high
    assert held >= 0.87 * worlds
    if spread:
        assert wilsons < 0.8 * worlds  # what the bootstrap is for
