"""How often do intervals hold the truth, which is known here? Of rates, and of inequality.

    python benchmarks/intervals.py [--worlds N] [--json FILE]

In each world everybody is compared with everybody once; some people match more readily than
others: the log of the chance of a match is normal over people, with the given deviation. Where
people have many photographs each, two of them match in all or in none: the hardest case there is.

The first table is of one group's false match rate. Three intervals of 95 %: rightface's (people
drawn anew, shrunk to the variance of comparisons that share members), the same without shrinking,
and Wilson's, which takes comparisons as independent. The second is of worst over best and the
other measures of inequality: rightface's (the joint region of the groups' rates), and for the ratio
also the percentiles of redrawn ratios.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.differentials import (
    GroupRates,
    differentials,
    max_over_geometric_mean,
    worst_over_best,
)
from rightface.assay.intervals import percentiles, rate, wilson
from rightface.assay.regions import gini

CASES = (
    (10, 1, 0.7, 0.1),
    (30, 1, 0.7, 0.03),
    (100, 1, 0.7, 0.01),
    (200, 1, 0.0, 0.001),
    (200, 1, 1.0, 0.001),
    (200, 1, 1.0, 0.01),
    (300, 1, 0.7, 0.0001),
    (10, 20, 0.0, 0.01),
    (10, 20, 0.0, 0.1),
    (50, 20, 0.0, 0.001),
    (50, 20, 0.0, 0.01),
)
REPLICATES = 300
TIED = (1e-3,) * 5 + (2e-3,) * 5
DESIGNS: tuple[tuple[str, int, float, tuple[float, ...]], ...] = (
    ("ten alike", 450, 0.0, (1e-3,) * 10),
    ("five and five tie", 450, 0.0, TIED),
    ("five and five tie, more people", 1400, 0.0, TIED),
    ("ten, one worst", 450, 0.0, (1e-3,) * 9 + (1e-2,)),
    ("two", 450, 0.0, (1e-3, 3e-3)),
    ("two, few errors", 250, 0.0, (2e-4, 1e-3)),
    ("six, few errors", 250, 0.0, (2e-4,) * 3 + (1e-3,) * 3),
    ("two of unequal people", 200, 1.0, (1e-3, 4e-3)),
    ("six tie, of unequal people", 100, 0.7, (1e-2,) * 3 + (2e-2,) * 3),
    ("six alike, of unequal people", 100, 1.0, (1e-2,) * 6),
    ("four of twelve people each", 12, 0.5, (0.1, 0.1, 0.2, 0.2)),
)
MEASURES = {
    "worst-over-best": worst_over_best,
    "max-over-geometric-mean": max_over_geometric_mean,
    "gini": gini,
}


@dataclass
class Row:
    """Shares of worlds in which the interval held the true rate; widths as multiples of it."""

    people: int
    photographs: int
    """Of each; two people match in all of theirs, or in none."""
    deviation: float
    fmr: float
    worlds: int = 0
    without: int = 0
    """In so many no match was seen."""
    ours: float = 0.0
    unshrunk: float = 0.0
    wilson: float = 0.0
    our_width: float = 0.0
    unshrunk_width: float = 0.0
    wilson_width: float = 0.0


@dataclass
class Inequality:
    """Shares of worlds in which intervals held the true figure."""

    design: str
    people: int
    """In each group."""
    deviation: float
    truth: float
    """Worst over best."""
    worlds: int = 0
    held: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))
    percentiles: float = 0.0
    """Of the ratio, by percentiles of redrawn ratios."""
    figure: float = 0.0
    """The median of the ratios that were found, and of their intervals' ends."""
    low: float = 0.0
    high: float = 0.0


def matches(
    rng: np.random.Generator, people: int, deviation: float, fmr: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of people that match."""
    own = rng.normal(0, deviation, people)
    a, b = np.triu_indices(people, 1)
    chance = np.clip(fmr * np.exp(own[a] + own[b] - deviation**2), 0, 1)
    hit = rng.random(len(a)) < chance
    return a[hit], b[hit]


def measured(people: int, photographs: int, deviation: float, fmr: float, worlds: int) -> Row:
    rng, row = np.random.default_rng(1), Row(people, photographs, deviation, fmr)
    subjects = np.repeat(np.arange(people, dtype=np.int32), photographs)
    together = np.zeros(len(subjects), np.int64)
    one, other = np.divmod(np.arange(photographs**2), photographs)
    for seed in range(worlds):
        first, second = matches(rng, people, deviation, fmr)
        a = (first[:, None] * photographs + one).ravel()
        b = (second[:, None] * photographs + other).ravel()
        bootstrap = SubjectBootstrap(subjects, replicates=REPLICATES, seed=seed)
        told = bootstrap.everybody(together, 1).matches(a, b)
        errors, trials = int(told.errors[0, 0]), int(told.trials[0, 0])
        ends = float(told.lows[0, 0]), float(told.highs[0, 0])
        ours = rate(errors, trials, ends=ends, units=int(told.pairs[0, 0]))
        assert ours.low is not None and ours.high is not None
        weight = bootstrap.weights.astype(np.float64)
        pairs = (weight.sum(axis=0) ** 2 - (weight**2).sum(axis=0)) / 2
        unshrunk = percentiles((weight[first] * weight[second]).sum(axis=0) / pairs)
        row.worlds += 1
        row.without += not errors
        for name, width, (low, high) in (
            ("ours", "our_width", (ours.low, ours.high)),
            ("unshrunk", "unshrunk_width", unshrunk),
            ("wilson", "wilson_width", wilson(errors, trials)),
        ):
            setattr(row, name, getattr(row, name) + (low <= fmr <= high))
            setattr(row, width, getattr(row, width) + (high - low) / fmr)
    for name in ("ours", "unshrunk", "wilson", "our_width", "unshrunk_width", "wilson_width"):
        setattr(row, name, getattr(row, name) / max(1, row.worlds))
    return row


def unequal(
    design: str, people: int, deviation: float, rates: tuple[float, ...], worlds: int
) -> Inequality:
    """Every group with its own people; each compared within itself."""
    truth, count = np.array(rates), len(rates)
    row = Inequality(design, people, deviation, float(worst_over_best(truth)), worlds)
    subjects = np.arange(people * count, dtype=np.int32)
    groups, own = np.repeat(np.arange(count), people), np.arange(count)
    names = tuple(map(str, own))
    rng, found = np.random.default_rng(2), []
    for seed in range(worlds):
        pairs = [matches(rng, people, deviation, each) for each in rates]
        a = np.concatenate([one + people * g for g, (one, _) in enumerate(pairs)])
        b = np.concatenate([other + people * g for g, (_, other) in enumerate(pairs)])
        bootstrap = SubjectBootstrap(subjects, replicates=REPLICATES, seed=seed)
        told = bootstrap.everybody(groups, count).matches(a, b)
        errors, trials = told.errors[own, own], told.trials[own, own]
        fmr = GroupRates(names, errors, trials, told.deviations[own, own])
        fnmr = GroupRates(names, np.full(count, 50), np.full(count, 1000))
        for one in differentials(fmr, fnmr, fmr_target=1e-3, threshold=0.5):
            if one.of != "fmr":
                continue
            low, high = one.value.low or 0.0, one.value.high or np.inf
            figure = float(MEASURES[one.measure](truth))
            row.held[one.measure] += bool(low - 1e-9 <= figure <= high + 1e-9) / worlds
            if one.measure == "worst-over-best":
                found.append((one.value.value or np.nan, low, high))
        # Percentiles of redrawn ratios, as they used to be; half an error stands for none.
        redrawn = rng.normal(errors / trials, told.deviations[own, own], (REPLICATES, count))
        redrawn = np.maximum(redrawn, 0.5 / trials)
        low, high = percentiles(worst_over_best(redrawn))
        row.percentiles += bool(low <= row.truth <= high) / worlds
    row.figure, row.low, row.high = (float(each) for each in np.nanmedian(found, axis=0))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = [measured(*case, asked.worlds) for case in CASES]
    table = Table(title="Worlds whose true FMR the interval of 95 % holds (width, in units of it)")
    for heading in ("people", "photographs of each", "deviation", "FMR", "pairs that match",
                    "worlds without", "rightface", "unshrunk", "Wilson"):  # fmt: skip
        table.add_column(heading, justify="right")
    for r in rows:
        table.add_row(
            str(r.people),
            str(r.photographs),
            f"{r.deviation:g}",
            f"{r.fmr:g}",
            f"{r.people * (r.people - 1) / 2 * r.fmr:.3g}",
            str(r.without),
            f"{r.ours:.1%} ({r.our_width:.2f})",
            f"{r.unshrunk:.1%} ({r.unshrunk_width:.2f})",
            f"{r.wilson:.1%} ({r.wilson_width:.2f})",
        )
    Console(width=130).print(table)
    ratios = [unequal(*design, asked.worlds) for design in DESIGNS]
    table = Table(title="Worlds whose true inequality the interval of 95 % holds")
    for heading in ("groups", "people each", "deviation", "true ratio", "median found (95 %)",
                    "ratio", "max/geo. mean", "Gini", "ratio, percentiles"):  # fmt: skip
        table.add_column(heading, justify="right")
    for each in ratios:
        table.add_row(
            each.design,
            str(each.people),
            f"{each.deviation:g}",
            f"{each.truth:.3g}",
            f"{each.figure:.2f} ({each.low:.2f} to {each.high:.2f})",
            *(f"{each.held[measure]:.1%}" for measure in MEASURES),
            f"{each.percentiles:.1%}",
        )
    Console(width=150).print(table)
    if asked.json:
        told = {
            "rates": [asdict(r) for r in rows],
            "inequality": [asdict(each) for each in ratios],
        }
        asked.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
