"""Where the true rates of several groups may all lie at once, and what a measure can be there.

The highest of noisy rates lies above the truth, and the lowest below it; percentiles of redrawn
maxima do so twice over. So intervals of measures of inequality are not drawn. Each group has an
interval so wide that all of them together hold their true rates 95 times in a hundred: the box of
them is the region. A measure's interval is from its least to its greatest value in the box; as the
truth is in there, so is its measure, however many groups tie, and for all measures at once.

The intervals are Wilson's, at the level 0.95^(1/n) for n of them (Šidák), with as many trials as
independent ones would have to be for the spread that was found. Numbers only: never knows names.

Sources: Z. Šidák, "Rectangular confidence regions for the means of multivariate normal
distributions", JASA 62 (1967) 626-633 (the level; correlated groups make it no worse); H. Scheffé,
*The Analysis of Variance* (1959), section 3.5 (projecting a joint region); L. Kish, *Survey
Sampling* (1965) (effective numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import AssayError
from rightface.assay.intervals import CONFIDENCE, wilson_at

Floats: TypeAlias = NDArray[np.float64]
Ends: TypeAlias = tuple[float, float]
"""The least and the greatest value; the greatest is infinite where a rate may be zero."""


MOST_CLIMBS = 33
"""Corners from which the greatest Gini coefficient is looked for; of fewer groups all."""


@dataclass(frozen=True)
class Region:
    """All rates between `lows` and `highs`, (n,) each."""

    lows: Floats
    highs: Floats


def region(
    errors: NDArray[np.int64],
    trials: NDArray[np.int64],
    deviations: Floats | None = None,
    *,
    units: NDArray[np.int64] | None = None,
    together: int | None = None,
) -> Region:
    """The box that holds all true rates at once, 95 times in a hundred.

    Args:
        errors: (n,)
        trials: (n,): each at least 1.
        deviations: (n,): the standard errors of the rates; None, or not a number: trials are
            independent.
        units: (n,): how many people, or pairs of people, the trials are of; see `effective`.
        together: of how many intervals that hold at once these are some; None: of n.

    Raises:
        AssayError: there is no rate, or one without trials.
    """
    if not len(errors) or (trials < 1).any():
        raise AssayError("A region needs rates, and each of them trials.")
    level = CONFIDENCE ** (1 / (together or len(errors)))
    alike = effective(errors, trials, deviations, units)
    ends = [
        wilson_at(float(share), float(count), level)
        for share, count in zip(errors / trials, alike, strict=True)
    ]
    lows, highs = np.array(ends).T
    return Region(lows, highs)


def effective(
    errors: NDArray[np.int64],
    trials: NDArray[np.int64],
    deviations: Floats | None,
    units: NDArray[np.int64] | None = None,
) -> Floats:
    """(n,): as how many independent trials they count: rate · (1 − rate) / deviation².

    Never more than there are. Where nothing or everything went wrong, there is no spread to judge
    by: as many count as there are `units`, people or pairs of people; all, where these are unknown.
    """
    rates = errors / trials
    if units is not None:
        unseen = (errors == 0) | (errors == trials)
        trials = np.where(unseen, np.clip(units, 1, trials), trials)
    if deviations is None:
        return trials.astype(np.float64)
    alone, spread = rates * (1 - rates), np.square(np.nan_to_num(deviations)) * trials
    fewer = np.divide(alone, spread, out=np.ones(len(rates)), where=(alone > 0) & (spread > 0))
    return np.asarray(np.clip(fewer, 1 / trials, 1.0) * trials)


# ---------------------------------------------------------------- what a measure can be in it
def ratio_ends(box: Region) -> Ends:
    """Of the highest over the lowest, of two rates or more."""
    least = max(1.0, _over(float(box.lows.max()), float(box.highs.min())))
    pairs = zip(box.highs, _lowest_of_others(box), strict=True)
    return least, max(_over(float(high), float(low)) for high, low in pairs)


def gap_ends(box: Region) -> Ends:
    """Of the highest less the lowest, of two rates or more."""
    least = max(0.0, float(box.lows.max() - box.highs.min()))
    return least, float((box.highs - _lowest_of_others(box)).max())


def _lowest_of_others(box: Region) -> Floats:
    """(n,): the lowest lower end of all but each: nobody is at both ends at once."""
    lowest, next_ = np.sort(box.lows)[:2]
    others = np.full(len(box.lows), lowest)
    others[box.lows.argmin()] = next_
    return others


def highest_ends(box: Region) -> Ends:
    """Of the highest."""
    return float(box.lows.max()), float(box.highs.max())


def geometric_ends(box: Region) -> Ends:
    """Of the highest over the geometric mean.

    It is least where each is as near to the highest lower end as it can be; greatest where one is
    at its upper end and all others are at their lower ends.
    """
    top = box.lows.max()
    least = 1.0
    if top > 0:
        least = float(np.exp(np.log(top) - np.log(np.minimum(box.highs, top)).mean()))
    if not box.lows.all():
        return least, float("inf")
    low, high = np.log(box.lows), np.log(box.highs)
    others = (low.sum() - low) / len(low)
    return least, float(np.exp((high * (1 - 1 / len(low)) - others).max()))


def gini_ends(box: Region) -> Ends:
    """Of the Gini coefficient.

    It is least where all that can be are at one level: any other point of the same sum is spread
    further (majorization). It is greatest in a corner, for it is a convex function over a positive
    linear one. Corners are climbed to, one end after the other, from those in which the k highest
    intervals are at their upper ends; a search of all corners finds none higher (tests).
    """
    levels = np.concatenate((box.lows, box.highs))[:, None]
    least = float(gini(np.clip(levels, box.lows, box.highs)).min())
    order, count = np.argsort(-(box.lows + box.highs), kind="stable"), len(box.lows)
    greatest = 0.0
    for k in np.unique(np.linspace(0, count, MOST_CLIMBS).astype(int)):
        up = np.zeros(count, np.bool_)
        up[order[:k]] = True
        greatest = max(greatest, _climbed(box, up))
    return least, greatest


def _climbed(box: Region, up: NDArray[np.bool_]) -> float:
    """The highest Gini coefficient on the way from a corner: `up` (n,) says who is at the top."""
    reached = -1.0
    while (here := gini(np.where(up, box.highs, box.lows))) > reached:
        reached = float(here)
        next_ = up ^ np.eye(len(up), dtype=np.bool_)
        up = next_[gini(np.where(next_, box.highs, box.lows)).argmax()]
    return reached


def gini(rates: Floats) -> Floats:
    """n/(n−1) · Σ_i Σ_j |x_i − x_j| / (2 n² mean) over the last axis: 0 equal, 1 one bears all.

    Without any error in any group it is 0. Σ_i Σ_j |x_i − x_j| is 2 Σ_k (2k − n − 1) x_(k), of the
    k-th lowest.
    """
    count = rates.shape[-1]
    apart = np.sort(rates, axis=-1) @ (2.0 * np.arange(count) + 1 - count)
    below = (count - 1) * rates.sum(axis=-1)
    shares = np.divide(apart, below, out=np.zeros_like(below), where=below > 0)
    return np.asarray(shares, np.float64)


def _over(above: float, below: float) -> float:
    return above / below if below > 0 else float("inf")
