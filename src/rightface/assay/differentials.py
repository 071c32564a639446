"""How unequal are the groups? Seven measures of their false match and false non-match rates.

Each is worked out over the groups that are large enough, with an interval from the replicates, and
says which groups it left out. Only rates come in; who is in a group is known elsewhere.

Sources: P. Grother, "Face Recognition Vendor Test Part 8: Summarizing demographic differentials",
NIST IR 8429 (2022 draft): worst over best, worst over geometric mean, and the inequity rate; T. de
Freitas Pereira and S. Marcel, "Fairness in biometrics: a figure of merit to assess biometric
verification systems", arXiv:2011.02395 (the fairness discrepancy rate); J. J. Howard et al.,
"Evaluating proposed fairness models for face recognition algorithms", arXiv:2203.05051 (GARBE); Va.
SB 741 (2022): true positives of at least 98 % in every group (the lowest true match rate).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import AssayError
from rightface.assay.intervals import CONFIDENCE, Replicates, percentiles, wilson
from rightface.assay.result import Differential, Measure, Value

ALPHA = 0.5
"""How much false matches weigh in measures of both errors; the papers' own choice in examples."""
HALF_AN_ERROR = 0.5
"""What a replicate without an error counts as, where a ratio needs one (Haldane's correction)."""
DRAWN = 1000

Floats: TypeAlias = NDArray[np.float64]


def worst_over_best(rates: Floats) -> Floats:
    """max / min over the last axis; 1 is equal, unbounded. Undefined where the least is zero."""
    return np.asarray(rates.max(axis=-1) / rates.min(axis=-1))


def max_over_geometric_mean(rates: Floats) -> Floats:
    """max_d x_d / (Π x_d)^(1/n) over the last axis; 1 is equal. Undefined where one is zero."""
    return np.asarray(rates.max(axis=-1) / np.exp(np.log(rates).mean(axis=-1)))


def gini(rates: Floats) -> Floats:
    """n/(n−1) · Σ_i Σ_j |x_i − x_j| / (2 n² mean) over the last axis: 0 equal, 1 one bears all.

    Without any error in any group it is 0.
    """
    count = rates.shape[-1]
    apart = np.abs(rates[..., :, None] - rates[..., None, :]).sum(axis=(-1, -2))
    below = 2 * count * (count - 1) * rates.mean(axis=-1)
    shares = np.divide(apart, below, out=np.zeros_like(below), where=below > 0)
    return np.asarray(shares, np.float64)


def garbe(fmr: Floats, fnmr: Floats, alpha: float = ALPHA) -> Floats:
    """alpha · gini(FMR) + (1 − alpha) · gini(FNMR): 0 is equal."""
    return alpha * gini(fmr) + (1 - alpha) * gini(fnmr)


def inequity_rate(fmr: Floats, fnmr: Floats, alpha: float = ALPHA) -> Floats:
    """(max/min FMR)^alpha · (max/min FNMR)^(1 − alpha): 1 is equal. Undefined at zero."""
    return np.asarray(worst_over_best(fmr) ** alpha * worst_over_best(fnmr) ** (1 - alpha))


def fairness_discrepancy_rate(fmr: Floats, fnmr: Floats, alpha: float = ALPHA) -> Floats:
    """1 − (alpha · (max − min FMR) + (1 − alpha) · (max − min FNMR)): 1 is equal.

    At realistic false match rates the first part is next to nothing whatever the ratio is.
    """
    apart = alpha * np.ptp(fmr, axis=-1) + (1 - alpha) * np.ptp(fnmr, axis=-1)
    return np.asarray(1 - apart)


def lowest_true_match_rate(fnmr: Floats) -> Floats:
    """min_d (1 − FNMR_d) over the last axis."""
    return np.asarray(1 - fnmr.max(axis=-1))


@dataclass(frozen=True)
class GroupRates:
    """The errors of every group at one threshold, within the group."""

    names: tuple[str, ...]
    errors: NDArray[np.int64]
    trials: NDArray[np.int64]
    replicates: Replicates | None = None
    """(B, G), drawn together for all groups, B alike for both errors. None: comparisons are taken
    as independent."""
    too_few: tuple[str, ...] | None = None
    """Why a group is too small to count; empty where it is not. None: all are large enough."""

    def __post_init__(self) -> None:
        shapes = {(len(self.names),), self.errors.shape, self.trials.shape}
        if self.too_few is not None:
            shapes.add((len(self.too_few),))
        if self.replicates is not None:
            shapes.add(self.replicates.shape[1:])
        if len(shapes) != 1:
            raise AssayError("The rates of groups are given for different numbers of groups.")

    @property
    def large(self) -> NDArray[np.bool_]:
        """(G,): which groups count; never one without comparisons."""
        told = self.too_few or ("",) * len(self.names)
        return (self.trials > 0) & np.array([not reason for reason in told], np.bool_)


@dataclass(frozen=True)
class _Formula:
    measure: Measure
    of: Literal["fmr", "fnmr", "both"]
    figure: Callable[..., Floats]
    """Of the rates named by `of`, each (…, groups)."""
    equal: float | None
    """What it is where all groups are equal; None where it does not look at that."""
    ratio: bool = False
    """It divides by rates, so none may be zero."""
    told_ends: bool = False
    falls: bool = False
    """It is lower where groups are less equal."""


def _formulas(alpha: float) -> tuple[_Formula, ...]:
    ratio, geometric = worst_over_best, max_over_geometric_mean
    discrepancy = partial(fairness_discrepancy_rate, alpha=alpha)
    return (
        _Formula("worst-over-best", "fmr", ratio, 1.0, ratio=True, told_ends=True),
        _Formula("max-over-geometric-mean", "fmr", geometric, 1.0, ratio=True, told_ends=True),
        _Formula("gini", "fmr", gini, 0.0),
        _Formula("worst-over-best", "fnmr", ratio, 1.0, ratio=True, told_ends=True),
        _Formula("max-over-geometric-mean", "fnmr", geometric, 1.0, ratio=True, told_ends=True),
        _Formula("gini", "fnmr", gini, 0.0),
        _Formula("garbe", "both", partial(garbe, alpha=alpha), 0.0),
        _Formula("inequity-rate", "both", partial(inequity_rate, alpha=alpha), 1.0, ratio=True),
        _Formula("fairness-discrepancy-rate", "both", discrepancy, 1.0, falls=True),
        _Formula("lowest-true-match-rate", "fnmr", lowest_true_match_rate, None, told_ends=True),
    )


def differentials(
    fmr: GroupRates, fnmr: GroupRates, *, fmr_target: float, threshold: float, alpha: float = ALPHA
) -> tuple[Differential, ...]:
    """All measures at one threshold, of the same groups by name in both.

    Ratios take the upper end of Wilson's interval for a group without an error, though no more than
    the lowest rate of the others: the figure is then "at least", has no upper end, and its note
    says so. Where a figure is no worse than chance shows between equal groups of these sizes, its
    interval reaches to equality, and the note says that. The lowest true match rate's lower end is
    no higher than Wilson's for any group.

    Raises:
        AssayError: the groups of both, or their draws, are not the same.
    """
    if fmr.names != fnmr.names:
        raise AssayError("False matches and false non-matches are given for different groups.")
    if len({len(r.replicates) for r in (fmr, fnmr) if r.replicates is not None}) > 1:
        raise AssayError("Both errors of groups need the same draws of people.")
    sides = {"fmr": (fmr,), "fnmr": (fnmr,), "both": (fmr, fnmr)}
    made: list[Differential] = []
    for formula in _formulas(alpha):
        rates = sides[formula.of]
        counted = np.logical_and.reduce([side.large for side in rates])
        names = np.array(fmr.names, np.str_)
        worst = best = ""
        if formula.told_ends and counted.sum() >= 2:
            shares = rates[0].errors[counted] / rates[0].trials[counted]
            worst, best = str(names[counted][shares.argmax()]), str(names[counted][shares.argmin()])
        made.append(
            Differential(
                measure=formula.measure,
                of=formula.of,
                fmr_target=fmr_target,
                threshold=threshold,
                value=_value(formula, rates, counted),
                worst=worst,
                best=best,
                groups=tuple(names[counted].tolist()),
                left_out=tuple(names[~counted].tolist()),
            )
        )
    return tuple(made)


def _value(formula: _Formula, sides: tuple[GroupRates, ...], counted: NDArray[np.bool_]) -> Value:
    if counted.sum() < (1 if formula.equal is None else 2):
        return Value(value=None, low=None, high=None, note="Too few groups are large enough.")
    if formula.ratio and any(not side.errors[counted].any() for side in sides):
        return Value(value=None, low=None, high=None, note="No group had an error.")
    draws = max((len(side.replicates) for side in sides if side.replicates is not None), default=0)
    drawn = [_drawn(side, counted, draws or DRAWN, ratio=formula.ratio) for side in sides]
    known = np.logical_and.reduce([np.isfinite(d.replicates).all(axis=1) for d in drawn])
    figure = float(formula.figure(*(d.rates for d in drawn)))
    if not known.any():
        return Value(value=figure, low=None, high=None, note="Too few people to draw from.")
    low, high = percentiles(formula.figure(*(d.replicates[known] for d in drawn)))
    notes: list[str] = []
    if formula.equal is not None:
        chance = np.abs(formula.figure(*(d.equal[known] for d in drawn)) - formula.equal)
        limit = float(np.quantile(chance, CONFIDENCE))
        if abs(figure - formula.equal) <= limit:
            low, high = min(low, formula.equal), max(high, formula.equal)
            reach = formula.equal + (-limit if formula.falls else limit)
            notes.append(f"Equal groups of these sizes reach {reach:.4g} by chance.")
    else:
        # Small groups without an error may still have a high rate.
        pairs = zip(sides[0].errors[counted], sides[0].trials[counted], strict=True)
        low = min(low, 1 - max(wilson(int(errors), int(trials))[1] for errors, trials in pairs))
    bounded = tuple(dict.fromkeys(name for d in drawn for name in d.bounded))
    if bounded:
        notes.append(
            "At least so much: no error was seen in " + ", ".join(bounded) + ", whose upper bound "
            "was used."
        )
    if any(side.replicates is None for side in sides):
        notes.append("The interval takes comparisons as independent.")
    return Value(value=figure, low=low, high=None if bounded else high, note=" ".join(notes))


@dataclass(frozen=True)
class _Drawn:
    """The rates of the groups that count, in the data and in replicates."""

    rates: Floats
    replicates: Floats
    equal: Floats
    """(B, G): replicates of groups of these sizes that all have the same rate."""
    bounded: tuple[str, ...]
    """Groups without an error, whose upper bound stands for their rate."""


def _drawn(side: GroupRates, counted: NDArray[np.bool_], draws: int, *, ratio: bool) -> _Drawn:
    errors, trials = side.errors[counted], side.trials[counted]
    rates = errors / trials
    rng = np.random.default_rng(0)
    if side.replicates is None:
        replicates = rng.binomial(trials, rates, (draws, len(rates))) / trials
    else:
        replicates = side.replicates[:, counted]
    common = errors.sum() / trials.sum()
    independent = rng.binomial(trials, common, replicates.shape) / trials
    spread, spread_common = rates * (1 - rates), common * (1 - common)
    scale = np.sqrt(spread_common / np.where(spread > 0, spread, 1.0))
    equal = np.where(spread > 0, common + (replicates - rates) * scale, independent)
    equal = np.clip(equal, 0.0, 1.0)
    if not ratio:
        return _Drawn(rates, replicates, equal, ())
    none = errors == 0
    floor = HALF_AN_ERROR / trials
    bounds = np.array([wilson(0, int(count))[1] for count in trials])
    names = np.array(side.names, np.str_)[counted][none]
    return _Drawn(
        _bounded(rates, none, bounds),
        _bounded(np.maximum(replicates, floor), none, bounds),
        np.maximum(equal, floor),
        tuple(names.tolist()),
    )


def _bounded(rates: Floats, none: NDArray[np.bool_], bounds: Floats) -> Floats:
    """The rates, with the upper bound (or the lowest of the others) for groups without an error."""
    others = np.where(none, np.inf, rates).min(axis=-1, keepdims=True)
    return np.where(none, np.minimum(bounds, others), rates)
