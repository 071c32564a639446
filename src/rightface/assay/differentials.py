"""How unequal are the groups? Seven measures of their false match and false non-match rates.

Each is worked out over the groups that are large enough, and says which it left out. Its interval
is from the least to the greatest value that it has in the joint region of the groups' rates (see
`regions`): one device for all, so no two of them contradict each other. Only rates come in; who is
in a group is known elsewhere.

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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import AssayError
from rightface.assay.intervals import wilson_at
from rightface.assay.regions import (
    Ends,
    Floats,
    Region,
    effective,
    gap_ends,
    geometric_ends,
    gini,
    gini_ends,
    highest_ends,
    ratio_ends,
    region,
)
from rightface.assay.result import Differential, Measure, Value

ALPHA = 0.5
"""How much false matches weigh in measures of both errors; the papers' own choice in examples."""
HALF_AN_ERROR = 0.5
"""What a drawn group without an error counts as: a ratio needs one (Haldane)."""
DRAWN = 1000
"""How often equal groups are drawn, to say what chance makes of them."""


def worst_over_best(rates: Floats) -> Floats:
    """max / min over the last axis; 1 is equal, unbounded. Undefined where the least is zero."""
    return np.asarray(rates.max(axis=-1) / rates.min(axis=-1))


def max_over_geometric_mean(rates: Floats) -> Floats:
    """max_d x_d / (Π x_d)^(1/n) over the last axis; 1 is equal. Undefined where one is zero."""
    return np.asarray(rates.max(axis=-1) / np.exp(np.log(rates).mean(axis=-1)))


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
    deviations: Floats | None = None
    """(G,): the standard errors of the rates. None: comparisons are taken as independent."""
    too_few: tuple[str, ...] | None = None
    """Why a group is too small to count; empty where it is not. None: all are large enough."""
    units: NDArray[np.int64] | None = None
    """(G,): how many people, or pairs of people, the trials are of. None: not known."""

    def __post_init__(self) -> None:
        shapes = {(len(self.names),), self.errors.shape, self.trials.shape}
        if self.too_few is not None:
            shapes.add((len(self.too_few),))
        for known in (self.deviations, self.units):
            if known is not None:
                shapes.add(known.shape)
        if len(shapes) != 1:
            raise AssayError("The rates of groups are given for different numbers of groups.")

    @property
    def large(self) -> NDArray[np.bool_]:
        """(G,): which groups count; never one without comparisons."""
        told = self.too_few or ("",) * len(self.names)
        return (self.trials > 0) & np.array([not reason for reason in told], np.bool_)

    def part(self, counted: NDArray[np.bool_]) -> GroupRates:
        """Some of the groups, all of which count."""
        return GroupRates(
            tuple(np.array(self.names, np.str_)[counted].tolist()),
            self.errors[counted],
            self.trials[counted],
            None if self.deviations is None else self.deviations[counted],
            units=None if self.units is None else self.units[counted],
        )


@dataclass(frozen=True)
class _Formula:
    measure: Measure
    of: Literal["fmr", "fnmr", "both"]
    figure: Callable[..., Floats]
    """Of the rates named by `of`, each (…, groups)."""
    ends: Callable[..., Ends]
    """Its least and greatest value in the region of each of these."""
    equal: bool = True
    """It looks at how equal groups are."""
    ratio: bool = False
    """It divides by rates, so none may be zero."""
    told_ends: bool = False


def _formulas(alpha: float) -> tuple[_Formula, ...]:
    made: list[_Formula] = []
    sides: tuple[Literal["fmr", "fnmr"], ...] = ("fmr", "fnmr")
    for of in sides:
        made += [
            _ratio(of),
            _Formula(
                "max-over-geometric-mean",
                of,
                max_over_geometric_mean,
                geometric_ends,
                ratio=True,
                told_ends=True,
            ),
            _Formula("gini", of, gini, gini_ends),
        ]
    rest = 1 - alpha

    def weighed(one: Ends, other: Ends) -> Ends:
        return alpha * one[0] + rest * other[0], alpha * one[1] + rest * other[1]

    def garbes(fmr: Region, fnmr: Region) -> Ends:
        return weighed(gini_ends(fmr), gini_ends(fnmr))

    def inequities(fmr: Region, fnmr: Region) -> Ends:
        one, other = ratio_ends(fmr), ratio_ends(fnmr)
        return one[0] ** alpha * other[0] ** rest, one[1] ** alpha * other[1] ** rest

    def discrepancies(fmr: Region, fnmr: Region) -> Ends:
        low, high = weighed(gap_ends(fmr), gap_ends(fnmr))
        return 1 - high, 1 - low

    def true_matches(fnmr: Region) -> Ends:
        low, high = highest_ends(fnmr)
        return 1 - high, 1 - low

    inequity = partial(inequity_rate, alpha=alpha)
    discrepancy = partial(fairness_discrepancy_rate, alpha=alpha)
    lowest = lowest_true_match_rate
    return (
        *made,
        _Formula("garbe", "both", partial(garbe, alpha=alpha), garbes),
        _Formula("inequity-rate", "both", inequity, inequities, ratio=True),
        _Formula("fairness-discrepancy-rate", "both", discrepancy, discrepancies),
        _Formula("lowest-true-match-rate", "fnmr", lowest, true_matches, False, told_ends=True),
    )


def _ratio(of: Literal["fmr", "fnmr"]) -> _Formula:
    return _Formula("worst-over-best", of, worst_over_best, ratio_ends, ratio=True, told_ends=True)


def differentials(
    fmr: GroupRates, fnmr: GroupRates, *, fmr_target: float, threshold: float, alpha: float = ALPHA
) -> tuple[Differential, ...]:
    """All measures at one threshold, of the same groups by name in both.

    Ratios take the upper end of Wilson's interval for a group without an error, though no more than
    the lowest rate of the others: the figure is then "at least", has no upper end, and its note
    says so. `chance` is the median of what equal groups would come to: the worst of noisy rates is
    higher than the truth. A ratio that is not defined has none.

    Raises:
        AssayError: the groups of both are not the same.
    """
    if fmr.names != fnmr.names:
        raise AssayError("False matches and false non-matches are given for different groups.")
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
                value=_value(formula, [side.part(counted) for side in rates]),
                chance=_chance(formula, [side.part(counted) for side in rates]),
                worst=worst,
                best=best,
                groups=tuple(names[counted].tolist()),
                left_out=tuple(names[~counted].tolist()),
            )
        )
    return tuple(made)


def ratio_of(groups: GroupRates) -> Value:
    """Worst over best of those groups that are large enough, as in `differentials`."""
    return _value(_ratio("fmr"), [groups.part(groups.large)])


def _value(formula: _Formula, sides: list[GroupRates]) -> Value:
    count = len(sides[0].names)
    if count < (2 if formula.equal else 1):
        return Value(value=None, low=None, high=None, note="Too few groups are large enough.")
    if formula.ratio and any(not side.errors.any() for side in sides):
        return Value(value=None, low=None, high=None, note="No group had an error.")
    boxes = [
        region(
            side.errors,
            side.trials,
            side.deviations,
            units=side.units,
            together=count * len(sides),
        )
        for side in sides
    ]
    low, high = formula.ends(*boxes)
    figure = float(formula.figure(*(_rates(side, ratio=formula.ratio) for side in sides)))
    notes = []
    without = tuple(
        dict.fromkeys(
            name
            for side in sides
            for name, errors in zip(side.names, side.errors, strict=True)
            if formula.ratio and not errors
        )
    )
    if without:
        told = ", ".join(without)
        notes.append(f"At least so much: no error was seen in {told}, whose upper bound was used.")
    if any(side.deviations is None for side in sides):
        notes.append("The interval takes comparisons as independent.")
    return Value(
        value=figure, low=low, high=high if np.isfinite(high) else None, note=" ".join(notes)
    )


def _chance(formula: _Formula, sides: list[GroupRates]) -> float | None:
    if not formula.equal or len(sides[0].names) < 2:
        return None
    if formula.ratio and any(not side.errors.any() for side in sides):
        return None
    return float(np.median(formula.figure(*(_equal(side) for side in sides))))


def _rates(side: GroupRates, *, ratio: bool) -> Floats:
    """(G,): the rates; for a ratio, the bound of a group without an error, or the lowest rate."""
    rates = np.asarray(side.errors / side.trials, np.float64)
    none = side.errors == 0
    if not ratio or not none.any():
        return rates
    bounds = np.array([wilson_at(0, float(count))[1] for count in _alike(side)])
    return np.where(none, np.minimum(bounds, rates[~none].min()), rates)


def _alike(side: GroupRates) -> Floats:
    """(G,): as how many independent trials they count."""
    return effective(side.errors, side.trials, side.deviations, side.units)


def _equal(side: GroupRates) -> Floats:
    """(DRAWN, G): rates of groups of these sizes that all have the same true one, by chance.

    The same for every measure, so that what one comes to by chance follows from the other. Draws
    without any error are passed over: nothing is told of inequality where none was seen.
    """
    trials = np.maximum(_alike(side), 1).astype(np.int64)
    common = side.errors.sum() / side.trials.sum()
    drawn = np.random.default_rng(0).binomial(trials, common, (DRAWN, len(trials))) / trials
    drawn = drawn[drawn.any(axis=1)]
    if not len(drawn):
        return np.full((DRAWN, len(trials)), common)
    return np.maximum(np.resize(drawn, (DRAWN, len(trials))), HALF_AN_ERROR / trials)
