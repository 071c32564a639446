"""What a larger gallery would do: four families of answers, each fitted to one gallery size.

A probe of somebody who is not enrolled matches a random reference with a probability p of its own.
If that were known of all probes, FPIR(N) = mean(1 − exp(−N p)). The families differ in what they
take p's distribution for. `prediction` judges and chooses; this knows neither sizes held back nor
templates.

Sources: the first is the binomial formula of most reckonings; for unequal people, M. E. Schuckers,
*Computational Methods in Biometric Authentication* (2010): the beta-binomial, whose limit for small
rates is the gamma mixture; for tails, S. Coles, *An Introduction to Statistical Modeling of Extreme
Values* (2001), and J. R. M. Hosking and J. R. Wallis, Technometrics 29 (1987) 339-349 (moments).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Rates: TypeAlias = Callable[[float], Floats]
"""From a gallery size to (W,): FPIR under each column of weights."""

_SHAPES = np.geomspace(1e-3, 1e3, 121)
_SIGMAS = np.linspace(0.05, 6.0, 120)
_Z = np.linspace(-8.0, 8.0, 161)


@dataclass(frozen=True)
class Material:
    """What P non-mated searches of a gallery of `size` found, and W ways of weighing them."""

    size: int
    threshold: float
    counts: NDArray[np.int32]
    """(P,): candidates at or above the threshold."""
    best: NDArray[np.float32]
    """(P, k): the highest scores, descending; −∞ where there are no more."""
    weights: Floats
    """(P, W)."""

    @property
    def rate(self) -> Floats:
        """(W,): the false match rate, Σ w · counts / Σ w · size."""
        return np.asarray(self.counts @ self.weights / (self.size * self.weights.sum(axis=0)))


def independent(material: Material) -> Rates:
    """All probes alike: FPIR(N) = 1 − (1 − FMR)^N."""
    rate = material.rate
    return lambda size: np.asarray(-np.expm1(size * np.log1p(-np.minimum(rate, 1 - 1e-12))))


def gamma_mixture(material: Material) -> Rates:
    """p follows a gamma distribution of mean FMR and shape a: FPIR(N) = 1 − (1 + N·FMR/a)^−a.

    The limit of the beta-binomial for small rates; the shape by maximum likelihood.
    """
    kinds, weight = _histogram(material)
    mean = np.maximum(material.rate * material.size, 1e-300)
    # log Γ(k + a) / Γ(a) for every shape and every count that occurs.
    steps = np.arange(kinds[-1])
    rising = np.stack([np.append(0.0, np.cumsum(np.log(a + steps)))[kinds] for a in _SHAPES])
    a = _SHAPES[:, None]
    many = kinds @ weight
    likelihood = (
        rising @ weight
        + many * (np.log(mean) - np.log(a + mean))
        + weight.sum(axis=0) * a * (np.log(a) - np.log(a + mean))
    )
    shape, rate = _SHAPES[likelihood.argmax(axis=0)], material.rate
    return lambda size: np.asarray(-np.expm1(-shape * np.log1p(size * rate / shape)))


def lognormal_mixture(material: Material) -> Rates:
    """log p is normal, with FMR as p's mean; its deviation by maximum likelihood."""
    kinds, weight = _histogram(material)
    rate = material.rate
    centre = float(material.counts.mean()) or 1e-300
    normal = -_Z * _Z / 2
    likelihood = np.empty((len(_SIGMAS), weight.shape[1]))
    for place, sigma in enumerate(_SIGMAS):
        log_mean = np.log(centre) - sigma * sigma / 2 + sigma * _Z
        logs = kinds[:, None] * log_mean - np.exp(log_mean) + normal
        top = logs.max(axis=1, keepdims=True)
        likelihood[place] = (top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))) @ weight
    sigma = _SIGMAS[likelihood.argmax(axis=0)]
    density = np.exp(normal) / np.exp(normal).sum()
    own = rate * np.exp(np.multiply.outer(_Z, sigma) - sigma * sigma / 2)
    return lambda size: np.asarray(density @ -np.expm1(-size * own))


def extreme_values(material: Material) -> Rates:
    """Each probe's p from its own best scores, with a generalised Pareto tail that all share.

    Beyond the k-th best score u of a probe, p(t) = k/size · (1 + ξ (t − u)/β)^(−1/ξ); at or below
    it, what was counted.
    """
    finite = np.isfinite(material.best).all(axis=1)
    kept = material.best.shape[1]
    last = material.best[finite, -1].astype(np.float64)
    beyond = material.best[finite, :-1] - last[:, None]
    weights = material.weights[finite]
    moments = _weighted_moments(beyond.astype(np.float64), weights)
    above = np.maximum(material.threshold - last, 0.0)
    counted = material.counts[finite] / material.size
    seen = material.threshold <= last
    own = np.empty(weights.shape)
    for column, (xi, beta) in enumerate(moments.T):
        tail = np.maximum(1 + xi * above / beta, 1e-300) ** (-1 / xi)
        own[:, column] = np.where(seen, counted, kept / material.size * tail)
    share = weights / weights.sum(axis=0)
    return lambda size: np.asarray((share * -np.expm1(-size * own)).sum(axis=0))


FAMILIES: dict[str, Callable[[Material], Rates]] = {
    "independent": independent,
    "gamma-mixture": gamma_mixture,
    "lognormal-mixture": lognormal_mixture,
    "extreme-values": extreme_values,
}


def _histogram(material: Material) -> tuple[NDArray[np.int64], Floats]:
    """The counts that occur (ascending), and (kinds, W) how much weighs each."""
    kinds, place = np.unique(material.counts, return_inverse=True)
    weight = np.zeros((len(kinds), material.weights.shape[1]))
    np.add.at(weight, place, material.weights)
    return kinds.astype(np.int64), weight


def _weighted_moments(beyond: Floats, weights: Floats) -> Floats:
    """(2, W): ξ and β of a generalised Pareto distribution, by probability-weighted moments.

    With a₀ = E[x] and a₁ = E[x (1 − F(x))]: ξ = 2 − a₀/(a₀ − 2a₁), β = 2 a₀ a₁/(a₀ − 2a₁).
    """
    flat = beyond.ravel()
    order = np.argsort(flat)
    each = np.repeat(np.arange(len(beyond)), beyond.shape[1])[order]
    values, fitted = flat[order], np.empty((2, weights.shape[1]))
    for column in range(weights.shape[1]):
        weight = weights[each, column] / weights[each, column].sum()
        rest = 1 - (np.cumsum(weight) - weight / 2)
        first, second = weight @ values, (weight * rest) @ values
        xi = 2 - first / (first - 2 * second)
        # At ξ = 0 the tail is exponential; a hair beside it is the same to all digits that count.
        xi = xi if abs(xi) > 1e-6 else 1e-6
        fitted[:, column] = xi, 2 * first * second / (first - 2 * second)
    return fitted
