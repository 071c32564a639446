"""How often do intervals for a false match rate hold the true one, which is known here?

    python benchmarks/intervals.py [--worlds N] [--json FILE]

In each world everybody is compared with everybody once; some people match more readily than
others: the log of the chance of a match is normal over people, with the given deviation. Three
intervals of 95 %: rightface's (people drawn anew, shrunk to the variance of comparisons that share
members), the same without shrinking, and Wilson's, which takes comparisons as independent.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.intervals import percentiles, rate, wilson

CASES = (
    (10, 0.7, 0.1),
    (30, 0.7, 0.03),
    (100, 0.7, 0.01),
    (200, 0.0, 0.001),
    (200, 1.0, 0.001),
    (200, 1.0, 0.01),
    (300, 0.7, 0.0001),
)
REPLICATES = 300


@dataclass
class Row:
    """Shares of worlds in which the interval held the true rate; widths as multiples of it."""

    people: int
    deviation: float
    fmr: float
    worlds: int = 0
    ours: float = 0.0
    unshrunk: float = 0.0
    wilson: float = 0.0
    our_width: float = 0.0
    unshrunk_width: float = 0.0
    wilson_width: float = 0.0


def measured(people: int, deviation: float, fmr: float, worlds: int) -> Row:
    rng, row = np.random.default_rng(1), Row(people, deviation, fmr)
    a, b = np.triu_indices(people, 1)
    together = np.zeros(people, np.int64)
    for seed in range(worlds):
        own = rng.normal(0, deviation, people)
        chance = np.clip(fmr * np.exp(own[a] + own[b] - deviation**2), 0, 1)
        hit = rng.random(len(a)) < chance
        if not hit.any():
            continue
        subjects = np.arange(people, dtype=np.int32)
        bootstrap = SubjectBootstrap(subjects, replicates=REPLICATES, seed=seed)
        everybody = bootstrap.everybody(together, 1)
        told = everybody.matches(a[hit], b[hit])
        errors, trials = int(told.errors[0, 0]), int(told.trials[0, 0])
        ours = rate(errors, trials, told.replicates[:, 0, 0])
        assert ours.low is not None and ours.high is not None
        weight = bootstrap.weights.astype(np.float64)
        pairs = (weight.sum(axis=0) ** 2 - (weight**2).sum(axis=0)) / 2
        unshrunk = percentiles((weight[a[hit]] * weight[b[hit]]).sum(axis=0) / pairs)
        row.worlds += 1
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = [measured(*case, asked.worlds) for case in CASES]
    table = Table(title="Worlds whose true FMR the interval of 95 % holds (width, in units of it)")
    for heading in ("people", "deviation", "FMR", "matches", "rightface", "unshrunk", "Wilson"):
        table.add_column(heading, justify="right")
    for r in rows:
        table.add_row(
            str(r.people),
            f"{r.deviation:g}",
            f"{r.fmr:g}",
            f"{r.people * (r.people - 1) / 2 * r.fmr:.0f}",
            f"{r.ours:.1%} ({r.our_width:.2f})",
            f"{r.unshrunk:.1%} ({r.unshrunk_width:.2f})",
            f"{r.wilson:.1%} ({r.wilson_width:.2f})",
        )
    Console(width=110).print(table)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
