"""Tails: what is drawn is found again; extrapolation, against the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rightface.assay.tail import Fit, Floats, Peaks, fit, moments
from rightface.faces.rate_table import Tail


def pareto(shape: float, scale: float, count: int, seed: int = 0) -> Floats:
    """Excesses of a generalised Pareto distribution, by inversion."""
    share = np.random.default_rng(seed).random(count)
    if shape == 0:
        return np.asarray(-scale * np.log(share))
    return np.asarray(scale * np.expm1(-shape * np.log(share)) / shape)


def peaks_of(scores: Floats, total: float | None = None) -> Peaks:
    descending = np.sort(scores)[::-1]
    return Peaks(descending, np.ones(len(scores)), total or float(len(scores)))


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.2])
def test_moments_find_what_was_drawn(shape: float) -> None:
    excesses = np.sort(pareto(shape, 2.0, 100_000))
    found = moments(excesses, np.ones(len(excesses)))
    assert found is not None
    assert found.shape == pytest.approx(shape, abs=0.02)
    assert found.scale == pytest.approx(2.0, rel=0.02)


def test_weights_count_as_often_as_they_say() -> None:
    excesses = np.sort(pareto(-0.2, 1.0, 500))
    times = np.random.default_rng(1).integers(0, 4, 500)
    weighted = moments(excesses, times.astype(np.float64))
    repeated = np.repeat(excesses, times)
    told = moments(repeated, np.ones(len(repeated)))
    assert weighted is not None
    assert told is not None
    assert weighted.shape == pytest.approx(told.shape, abs=1e-3)
    assert weighted.scale == pytest.approx(told.scale, rel=1e-3)


def test_without_spread_there_is_no_tail() -> None:
    assert moments(np.array([]), np.array([])) is None
    assert moments(np.zeros(9), np.ones(9)) is None
    assert moments(np.ones(9), np.zeros(9)) is None
    assert fit(peaks_of(np.full(10_000, 0.5))) is None
    assert fit(peaks_of(np.arange(100.0))) is None


def test_a_fit_begins_where_the_tail_does() -> None:
    """A bulk that is no tail, below one that is: the fit begins in the tail."""
    bulk = np.random.default_rng(2).uniform(0, 1, 380_000)
    tail = 1 + pareto(0.1, 0.02, 8_000)
    found = fit(peaks_of(np.concatenate([bulk, tail])))
    assert found is not None
    assert found.start >= 0.999
    assert found.tail.shape == pytest.approx(0.1, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_three_decades_beyond_the_data_the_rate_is_right_or_too_high(seed: int) -> None:
    """Of normal scores, whose true rates are known; measured to 7.5e-5."""
    scores = np.random.default_rng(seed).normal(0, 1, 400_000)
    found = fit(peaks_of(scores))
    assert found is not None
    last, rate = 3.79, 7.5e-5
    tail = found.at(last)
    for score, truth in ((4.753, 1e-6), (5.1993, 1e-7)):
        told = math.log10(rate) + tail.log_share(score - last)
        assert -0.5 < told - math.log10(truth) < 1


def test_a_tail_that_is_said_to_end_would_be_a_thousandfold_too_low() -> None:
    """Why a tail never goes on faster than exponentially: the same, with the shape as fitted."""
    misses = []
    for seed in range(5):
        found = fit(peaks_of(np.random.default_rng(seed).normal(0, 1, 400_000)))
        assert found is not None
        log_rate = math.log10(found.rate) + found.tail.log_share(5.1993 - found.start)
        misses.append(log_rate + 7)
    assert min(misses) < -3


@pytest.mark.parametrize("tail", [Tail(-0.2, 0.1), Tail(0.0, 0.1), Tail(0.3, 0.1)])
def test_a_tail_seen_from_further_up_is_the_same(tail: Tail) -> None:
    moved = tail.moved(0.2)
    assert tail.log_share(0.3) == pytest.approx(tail.log_share(0.2) + moved.log_share(0.1))


@pytest.mark.parametrize("tail", [Tail(-0.2, 0.1), Tail(0.0, 0.1), Tail(0.3, 0.1)])
@pytest.mark.parametrize("log", [-0.5, -2.0, -2.9])
def test_shares_and_scores_are_inverse(tail: Tail, log: float) -> None:
    assert tail.log_share(tail.beyond(log)) == pytest.approx(log)


def test_a_fit_that_ends_goes_on_straight_and_one_that_does_not_as_it_is() -> None:
    ending = Fit(0.0, 1.0, 100, Tail(-0.2, 0.1))
    assert ending.at(0.3).shape == ending.at(0.7).shape == 0
    assert ending.at(0.3).scale == pytest.approx(0.04)
    assert ending.at(0.7).scale == pytest.approx(0.01)  # beyond its end
    heavy = Fit(0.0, 1.0, 100, Tail(0.2, 0.1)).at(0.3)
    assert heavy.shape == 0.2
    assert heavy.scale == pytest.approx(0.16)
