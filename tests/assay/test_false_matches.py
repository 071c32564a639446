"""False match rates of groups in bounded memory: against a double loop, and what intervals hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import UNKNOWN, Column, column
from rightface.assay.false_matches import FalseMatches
from rightface.assay.intervals import wilson
from rightface.assay.operating import Threshold
from rightface.assay.result import Rate

AT = Threshold(1e-2, 0.6)


def world(seed: int, people: int, each: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Every two photographs with every other, and who they show."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), each)
    vectors = rng.normal(size=(people, 6))[person] + 0.5 * rng.normal(size=(len(person), 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors @ vectors.T, np.float32), person


def counted(
    scores: NDArray[np.float32],
    person: NDArray[np.int64],
    probes: NDArray[np.int32],
    labels: Column,
    *,
    portion: int = 7,
) -> list[Rate]:
    told = FalseMatches(person, probes, (labels,), (AT,))
    for start in range(0, len(probes), portion):
        some = probes[start : start + portion]
        a, b = np.nonzero(scores[some] >= np.float32(AT.score))
        a = some[a].astype(np.int64)
        other = person[a] != person[b]
        told.add(a[other], b[other], scores[a[other], b[other]])
    return told.rates(0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_a_double_loop(seed: int) -> None:
    scores, person = world(seed, 14, 3)
    rng = np.random.default_rng(seed)
    labels = column("side", rng.choice(["east", "west", ""], len(person)).tolist())
    probes = np.flatnonzero(rng.random(len(person)) < 0.7).astype(np.int32)
    for group, told in enumerate(counted(scores, person, probes, labels)):
        errors = trials = 0
        for a, b in product(probes.tolist(), range(len(person))):
            if labels.codes[a] == labels.codes[b] == group and person[a] != person[b]:
                trials += 1
                errors += int(scores[a, b] >= np.float32(AT.score))
        assert (told.errors, told.trials) == (errors, trials)
        low, high = wilson(errors, trials)
        assert told.low is not None
        assert told.high is not None
        assert told.low <= low <= high <= told.high


def test_the_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    everybody = Column((), ("",), np.zeros(90, np.int16))
    rates = [
        counted(*world(seed, 30, 3), np.arange(90, dtype=np.int32), everybody)[0]
        for seed in range(400)
    ]
    true = np.mean([each.rate for each in rates if each.rate is not None])
    held = np.mean([(each.low or 0) <= true <= (each.high or 0) for each in rates])
    alone = np.mean([np.subtract(*wilson(each.errors, each.trials)[::-1]) for each in rates])
    wide = np.mean([(each.high or 0) - (each.low or 0) for each in rates])
    assert 0.94 <= held <= 0.995
    assert wide > 2 * alone  # three photographs of everybody are not three people


def test_it_is_nearly_the_interval_of_people_drawn_again() -> None:
    scores, person = world(1, 200, 1)
    everybody = Column((), ("",), np.zeros(200, np.int16))
    (told,) = counted(scores, person, np.arange(200, dtype=np.int32), everybody)
    a, b = np.nonzero(np.triu(scores >= np.float32(AT.score), 1))
    drawn = SubjectBootstrap(person).everybody(everybody.codes, 1).matches(a, b)
    assert told.rate == pytest.approx(drawn.errors[0, 0] / drawn.trials[0, 0])
    assert told.low == pytest.approx(drawn.lows[0, 0], rel=0.1)
    assert told.high == pytest.approx(drawn.highs[0, 0], rel=0.1)


def test_who_is_in_no_group_counts_nowhere() -> None:
    scores, person = world(2, 6, 2)
    nowhere = Column(("side",), ("east",), np.full(12, UNKNOWN, np.int16))
    (told,) = counted(scores, person, np.arange(12, dtype=np.int32), nowhere)
    assert (told.errors, told.trials, told.rate) == (0, 0, None)
