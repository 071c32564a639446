from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.errors import AssayError
from rightface.assay.identification import CANDIDATES, NonMated
from rightface.assay.mixtures import FAMILIES, Material
from rightface.assay.prediction import Predicted, predict

SIZES = (25, 50, 100, 200, 400, 800, 1600)
SLOPE = 0.02
"""Scores fall by a factor e each so much, in every probe's own tail."""
PROBES = 1500
THRESHOLDS = (0.5, 0.56)


def unequal(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.lognormal(-1.1, 1.5, count)


def gamma(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.gamma(0.5, 2.0, count)


def equal(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return np.ones(count)


def crowded(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """One in ten matches thirty times as often as the others; no family is made for that."""
    return np.asarray(np.where(rng.random(count) < 0.1, 30.0, 1.0) / 3.9)


World = Callable[[np.random.Generator, int], NDArray[np.float64]]


def rates(own: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """How often each probe matches a random reference: known here."""
    return np.asarray(np.minimum(1e-3 * own * np.exp(-(threshold - 0.5) / SLOPE), 0.9))


def searched(world: World, seed: int = 0) -> NonMated:
    """The searches of PROBES people in nested galleries of a population whose rates are known."""
    rng = np.random.default_rng(seed)
    own = world(rng, PROBES)
    start = 0.5 + SLOPE * np.log(1e-3 * own)
    scores = start[:, None] + SLOPE * rng.exponential(size=(PROBES, SIZES[-1]))
    best = np.stack([-np.sort(-scores[:, :size], axis=1)[:, :CANDIDATES] for size in SIZES], axis=1)
    counts = np.stack([[(scores[:, :size] >= t).sum(axis=1) for t in THRESHOLDS] for size in SIZES])
    return NonMated(
        SIZES,
        THRESHOLDS,
        np.arange(PROBES, dtype=np.int32),
        best.astype(np.float32),
        np.moveaxis(counts, 2, 0).astype(np.int32),
    )


def truth(world: World, threshold: float, size: int) -> float:
    own = world(np.random.default_rng(99), 400_000)
    return float(-np.expm1(size * np.log1p(-rates(own, threshold))).mean())


def predicted(found: NonMated, **more: object) -> Predicted:
    people = SubjectBootstrap(np.arange(len(found.rows), dtype=np.int32), replicates=60)
    return predict(found, people, (1e-3, 5e-5), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("world", [unequal, gamma, equal, crowded])
def test_the_interval_holds_what_a_far_larger_gallery_would_do(world: World, seed: int) -> None:
    told = predicted(searched(world, seed), sizes=(10**4, 10**5, 10**6))
    assert len(told.predictions) == 2 * (2 + 3)
    for one in told.predictions:
        low, figure, high = one.fpir.low, one.fpir.value, one.fpir.high
        assert low is not None and figure is not None and high is not None
        assert 0 <= low <= figure <= high <= 1
        if one.held_back:
            assert one.measured is not None
            assert figure == pytest.approx(one.measured, rel=0.3)
        else:
            assert low <= truth(world, one.threshold, one.gallery_size) <= high


def test_the_family_that_made_the_world_is_chosen_or_is_close() -> None:
    errors = predicted(searched(unequal)).held_back_errors
    assert errors["lognormal-mixture"] < 0.1
    assert errors["independent"] > 3 * errors["lognormal-mixture"]
    # All families can say that all probes are alike; what they miss by here is chance.
    assert max(predicted(searched(equal)).held_back_errors.values()) < 0.25


def test_intervals_grow_and_figures_never_fall_with_the_gallery() -> None:
    told = [p for p in predicted(searched(unequal)).predictions if not p.held_back]
    for threshold in THRESHOLDS:
        here = [p for p in told if p.threshold == threshold]
        assert [p.gallery_size for p in here] == sorted(p.gallery_size for p in here)
        for ends in ([p.fpir.value for p in here], [p.fpir.low for p in here]):
            known = [end for end in ends if end is not None]
            assert len(known) == len(here)
            assert known == sorted(known)
        assert all("extrapolated" in p.fpir.note for p in here if p.gallery_size >= 16_000)
    assert told[-1].gallery_size == 3 * 10**9


def material(counts: NDArray[np.int32], size: int = 1000) -> Material:
    best = np.full((len(counts), CANDIDATES), -np.inf, np.float32)
    return Material(size, 0.5, counts, best, np.ones((len(counts), 1)))


def test_independent_is_the_binomial_formula() -> None:
    fpir = FAMILIES["independent"](material(np.array([0, 2, 0, 2], np.int32)))
    assert fpir(1000)[0] == pytest.approx(1 - (1 - 1e-3) ** 1000)
    assert fpir(3 * 10**9)[0] == 1


def test_mixtures_of_equal_probes_are_the_binomial_formula() -> None:
    counts = np.random.default_rng(1).poisson(0.3, 20_000).astype(np.int32)
    for family in ("gamma-mixture", "lognormal-mixture"):
        fpir = FAMILIES[family](material(counts))
        for size in (100, 1000, 10_000):
            alike = FAMILIES["independent"](material(counts))(size)[0]
            assert fpir(size)[0] == pytest.approx(alike, rel=0.02)


def test_the_gamma_mixture_finds_its_shape() -> None:
    rng = np.random.default_rng(2)
    counts = rng.poisson(rng.gamma(0.5, 2e-3, 20_000) * 1000).astype(np.int32)
    fpir = FAMILIES["gamma-mixture"](material(counts))
    for size in (1000, 100_000):
        assert fpir(size)[0] == pytest.approx(1 - (1 + size * 2e-3) ** -0.5, rel=0.03)


def test_the_lognormal_mixture_finds_its_deviation() -> None:
    rng = np.random.default_rng(3)
    own = rng.lognormal(np.log(1e-3), 1.2, 20_000)
    fpir = FAMILIES["lognormal-mixture"](material(rng.poisson(own * 1000).astype(np.int32)))
    for size in (1000, 100_000):
        assert fpir(size)[0] == pytest.approx(-np.expm1(-size * own).mean(), rel=0.03)


def test_extreme_values_follow_each_probes_own_tail() -> None:
    found = searched(unequal)
    k, threshold = SIZES.index(400), 0.6
    shown = Material(400, threshold, found.counts[:, k, 1], found.best[:, k], np.ones((PROBES, 1)))
    fpir = FAMILIES["extreme-values"](shown)
    for size in (400, 10_000):
        assert fpir(size)[0] == pytest.approx(truth(unequal, threshold, size), rel=0.25)


def test_too_little_to_predict_from_says_why() -> None:
    found = searched(unequal)
    few = NonMated(SIZES[:2], THRESHOLDS, found.rows, found.best[:, :2], found.counts[:, :2])
    told = predicted(few)
    assert (told.predictions, told.family) == ((), "")
    assert "160 people" in told.why_not
    none = NonMated(SIZES, THRESHOLDS, found.rows, found.best, np.zeros_like(found.counts))
    assert "30 errors" in predicted(none).why_not


def test_a_threshold_without_a_false_candidate_has_no_figure() -> None:
    found = searched(unequal)
    found.counts[:, :, 1] = 0
    strict = [p for p in predicted(found).predictions if p.threshold == THRESHOLDS[1]]
    assert strict
    assert all(p.fpir.value is None and p.fpir.note for p in strict)


def test_every_threshold_needs_its_rate() -> None:
    found = searched(equal)
    people = SubjectBootstrap(np.arange(PROBES, dtype=np.int32), replicates=5)
    with pytest.raises(AssayError):
        predict(found, people, (1e-3,))
