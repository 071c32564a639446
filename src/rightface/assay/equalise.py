"""Fits the score normalisation of a model pack (`rightface.faces.normalisation`).

    1. Of each template of a labelled set: the mean m and the deviation d of its scores with the
       other people most like it, the nearest `share` of the set, in which every group weighs the
       same. (Without that a group that the set has few of looks less crowded than it is.)
    2. A ridge regression predicts m and log d from the template alone: linear, and in cosines along
       random directions. Each image weighs as the inverse root of its group's size.

Groups are used to weigh, here, and never afterwards. No template enters the result: its numbers are
the mean of all templates and the weights of the regression. FairCal (Salvador et al. 2022,
arXiv:2106.03761) and fair score normalisation (Terhörst et al. 2020, arXiv:2002.03592) calibrate by
clusters instead, which one inner product cannot say. Never knows files, a command line, HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Codes
from rightface.assay.errors import AssayError
from rightface.assay.permits import Standing, require_step
from rightface.faces.face import Templates
from rightface.faces.normalisation import STEP, Fitted, Floats, Normalisation, features, turns
from rightface.permit import Touch

NAME = "equalised-1"
SCALE = 0.1
"""A score of 1 is ten deviations above the crowd's mean."""
FEWEST = 1000
"""Labelled photographs to fit on. With fewer a group's crowd has too few for a deviation, and more
people are missed than with raw scores (docs/equalise.md has the figures)."""
BLOCK = 256
"""Rows that are worked on at a time."""
NEAREST = 5
"""So many count as near in any case."""
_LINEAR, _COSINES = 10.0, 5.0
"""What the features are multiplied with before the penalty, which is one for all."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """What there is to choose in a fit."""

    share: float = 0.04
    """Of the whole set, every group weighing the same: who counts as most like a template."""
    balanced: bool = True
    """Whether groups weigh the same; else every image does, in both steps."""
    cosines: int = 512
    width: float = 1.5
    """The angle for one unit along a random direction."""
    ridge: float = 0.04
    """Penalty for each image."""
    seed: int = 0
    """Of the random directions."""

    @property
    def told(self) -> str:
        """In words."""
        groups = "every group weighing the same" if self.balanced else "every image weighing alike"
        form = f"linear and {self.cosines} cosines of width {self.width:g}"
        return (
            f"mean and deviation of the scores with the nearest {self.share:.1%} of the set, "
            f"{groups}; ridge regression, {form if self.cosines else 'linear'}, "
            f"penalty {self.ridge:g} for each image"
        )


def fit(
    templates: Templates,
    groups: Codes,
    method: Method,
    *,
    subjects: NDArray[np.int32],
    permit: Standing,
    data_set: str = "",
    on: date,
    figures: tuple[str, ...] = (),
    caveats: tuple[str, ...] = (),
) -> Normalisation:
    """The normalisation fitted on templates (n, dimension) of unit length.

    Images without a group take no part. Groups are `cohorts.Column.codes`. Subjects (n,) say whose
    images are whose: nobody is crowded by images of themselves. UNKNOWN is a person of its own.

    Raises:
        PermitError, Refused: `permit` does not cover TEMPLATE and COMPARE, or not to the end.
        AssayError: fewer than `FEWEST` templates have a group, or all but a few are of one person.
    """
    require_step(permit, Touch.TEMPLATE)
    require_step(permit, Touch.COMPARE)
    known = groups != UNKNOWN
    if int(known.sum()) < FEWEST:
        raise AssayError(
            f"{int(known.sum())} photographs with a face have a group: too few to fit on.",
            why=f"Fitted on fewer than {FEWEST}, scores miss more people than raw ones do.",
            mend="Name the columns of the groups with --cohort, or use a larger set.",
        )
    used, labels = templates[known].astype(np.float64), groups[known]
    people = subjects[known]
    if int(np.unique(people[people != UNKNOWN], return_counts=True)[1].max(initial=0)) > (
        len(people) - NEAREST
    ):
        raise AssayError(
            f"All photographs but {NEAREST - 1} or fewer are of one person: nobody crowds it.",
            mend="Use a set of more people.",
        )
    crowds = _crowds(
        used, people, _weights(labels, 1.0 if method.balanced else 0.0), method.share, permit
    )
    mean = used.mean(axis=0)
    drawn = np.random.default_rng(method.seed)
    steps = np.rint(drawn.standard_normal((used.shape[1], method.cosines)) / STEP)
    directions = np.clip(steps, -127, 127).astype(np.int8)
    phases = np.round(drawn.uniform(0, 2 * np.pi, method.cosines), 6)
    turned = turns(directions, method.width)

    def features_of(rows: slice) -> Floats:
        require_step(permit, Touch.TEMPLATE)
        return features(used[rows] - mean, turned, phases)

    told = (features_of(rows) for rows in _blocks(len(used)))
    weights = _regression(
        told,
        crowds,
        _weights(labels, 0.5 if method.balanced else 0.0),
        dimension=used.shape[1],
        cosines=method.cosines,
        ridge=method.ridge,
    )
    return Normalisation(
        name=NAME,
        mean=np.round(mean, 8),
        directions=directions,
        width=method.width,
        phases=phases,
        weights=np.array([[float(f"{each:.8g}") for each in row] for row in weights]),
        lowest=np.round(crowds.min(axis=0), 6),
        highest=np.round(crowds.max(axis=0), 6),
        scale=SCALE,
        fitted=Fitted(
            data_sets=(f"{data_set}: {len(used)} photographs",),
            fitted_on=on,
            method=method.told,
            figures=figures,
            caveats=caveats,
        ),
    )


def _weights(groups: NDArray[np.int16], power: float) -> Floats:
    """(n,): the inverse of the group's size to that power, 1 in the mean."""
    sizes = np.bincount(groups)[groups].astype(np.float64)
    weights: Floats = sizes**-power
    weights /= weights.mean()
    return weights


def _blocks(count: int) -> Iterator[slice]:
    """All rows, some at a time, so that memory stays bounded."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _crowds(
    templates: Floats,
    subjects: NDArray[np.int32],
    weights: Floats,
    share: float,
    permit: Standing,
) -> Floats:
    """(n, 2): m and log d of each template among other people's."""
    shares = weights / weights.sum()
    most = int(share / shares.min()) + NEAREST + 1  # so many, at the most, make up the share
    crowds = np.empty((len(templates), 2))
    for rows in _blocks(len(templates)):
        require_step(permit, Touch.COMPARE)
        for place, scores in enumerate(templates[rows] @ templates.T, rows.start):
            own = (subjects == subjects[place]) & (subjects != UNKNOWN)
            own[place] = True
            scores[own] = -np.inf
            others = len(scores) - int(own.sum())
            highest = np.argpartition(-scores, min(most, others) - 1)[: min(most, others)]
            order = highest[np.argsort(-scores[highest])]
            within = np.cumsum(shares[order]) <= share
            within[:NEAREST] = True
            near = order[within]
            weight = shares[near] / shares[near].sum()
            mean = float(weight @ scores[near])
            spread = float(weight @ (scores[near] - mean) ** 2)
            crowds[place] = mean, np.log(max(spread, 1e-12)) / 2
    return crowds


def _regression(
    told: Iterable[Floats],
    wanted: Floats,
    weights: Floats,
    *,
    dimension: int,
    cosines: int,
    ridge: float,
) -> Floats:
    """Weighted ridge regression on features that come in blocks of rows (`_blocks`).

    The constant, which is the last feature, is not penalised.
    """
    size = cosines + dimension + 1
    scales = np.full(size, _LINEAR)
    scales[:cosines] = _COSINES * np.sqrt(2 / max(cosines, 1))
    scales[-1] = 1.0
    squares = np.eye(size) * (ridge * len(wanted))
    squares[-1, -1] = 0.0
    products = np.zeros((size, wanted.shape[1]))
    for block, rows in zip(told, _blocks(len(wanted)), strict=True):
        scaled = block * scales
        weighted = weights[rows, None] * scaled
        squares += weighted.T @ scaled
        products += weighted.T @ wanted[rows]
    solved = np.asarray(np.linalg.solve(squares, products), np.float64)
    solved *= scales[:, None]
    return solved
