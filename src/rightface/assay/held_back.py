"""How far off a tail is: fitted to a part of the people, judged by what all of them show.

A tenth of the people make a hundredth of the comparisons, so their table ends two decades earlier.
What their tail says there is held against what was measured. Pure but for the comparing; never
knows files, or where permits come from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from rightface.assay.calibrate import CalibrationError, curve
from rightface.assay.impostors import Sample, compare
from rightface.assay.permits import Permitted
from rightface.faces.packs import ModelPack
from rightface.faces.rate_table import RateTable

SHARE = 0.1
DRAWINGS = 10
RATES = (1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """What the tails said at one score."""

    fmr: float
    """What all people show there."""
    measured_to: float
    """The smallest rate that the parts show, on average (geometric)."""
    mean: float
    """Decades too high, on average; negative: too low."""
    deviation: float
    """Decades, root mean square."""
    drawings: int


def held_back(
    pack: ModelPack,
    samples: Sequence[Sample],
    everybody: RateTable,
    *,
    apart: Collection[frozenset[str]] = (),
    permitted: Permitted,
    share: float = SHARE,
    drawings: int = DRAWINGS,
    seed: int = 0,
) -> tuple[HeldBack, ...]:
    """Of each of RATES that `everybody` shows: what is said there by tails of a `share` of people.

    Raises:
        CalibrationError: the parts are too small for a table.
        Refused: the gate does not allow it.
    """
    rates = [rate for rate in RATES if rate >= everybody.smallest_fmr]
    known = [one for one in samples if one.people is not None]
    errors, ends = [], []
    for number in range(drawings):
        generator = np.random.default_rng((seed, number))
        parts = [_part(one, share, generator) for one in known]
        compared = compare(pack, parts, apart=apart, permitted=permitted)
        made = curve(compared.impostors)
        table = RateTable(made.rows, made.tail)
        ends.append(math.log10(made.smallest_fmr))
        errors.append(
            [table.log_rate(everybody.score_at(rate)) - math.log10(rate) for rate in rates]
        )
    if not rates:
        raise CalibrationError("There are too few comparisons to hold any back.")
    found = np.array(errors)
    return tuple(
        HeldBack(
            fmr=rate,
            measured_to=float(10 ** np.mean(ends)),
            mean=float(found[:, place].mean()),
            deviation=float(np.sqrt((found[:, place] ** 2).mean())),
            drawings=drawings,
        )
        for place, rate in enumerate(rates)
    )


def _part(one: Sample, share: float, generator: np.random.Generator) -> Sample:
    assert one.people is not None  # `held_back` chose them so
    everyone = np.unique(one.people)
    rows = np.isin(one.people, everyone[generator.random(len(everyone)) < share])
    return Sample(
        name=one.name, templates=one.templates[rows], people=one.people[rows], cohorts=None
    )
