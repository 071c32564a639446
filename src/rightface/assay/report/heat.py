"""Group against group as a coloured table: how often two people of these groups match.

A table and no picture: it can be read aloud, scrolls on a phone and prints. Colours tell the ratio
to the false match rate that was asked for, from rarer to more often; the cell says it in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rightface.assay.report import words
from rightface.assay.result import CrossMatrix

FEW = "few"
_STEPS = (-1.0, -0.5, -0.15, 0.15, 0.5, 1.0, 1.5)
"""Ends of the colours, in powers of ten of the ratio."""
KEY = (
    ("h0", "less than a tenth"),
    ("h1", "a tenth to a third"),
    ("h2", "a third to 0.7 times"),
    ("h3", "as asked for"),
    ("h4", "1.4 to 3 times"),
    ("h5", "3 to 10 times"),
    ("h6", "10 to 32 times"),
    ("h7", "more than 32 times"),
    (FEW, "too few to say"),
)
MOST = 20
"""Groups that a page can show beside each other."""
_ROOMY = 12


@dataclass(frozen=True)
class Cell:
    """One pair of groups."""

    told: str
    interval: str
    look: str
    full: str
    """All in words, for the pointer and for reading aloud."""


@dataclass(frozen=True)
class HeatMap:
    """Rows and columns by `names`; `heads` are the columns' short names."""

    caption: str
    names: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int


def heat_map(matrix: CrossMatrix, by: str) -> HeatMap | None:
    """The table. Of more than MOST groups those with the highest rate within. None if empty."""
    if not matrix.groups:
        return None

    def worst_first(at: int) -> tuple[bool, float]:
        within = matrix.rates[at][at]
        return bool(within.too_few or within.rate is None), -(within.rate or 0.0)

    kept = sorted(range(len(matrix.groups)), key=worst_first)[:MOST]
    roomy = len(kept) <= _ROOMY
    names = tuple(matrix.groups[at] for at in kept)
    heads = names if len(kept) <= 6 else tuple(str(at + 1) for at in range(len(kept)))
    if heads is not names:
        names = tuple(f"{at + 1} {name}" for at, name in enumerate(names))
    rows = tuple(tuple(_cell(matrix, one, other, roomy) for other in kept) for one in kept)
    return HeatMap(
        f"By {by}: how often two different people match, group against group, where "
        f"{words.odds(matrix.fmr_target)} of all do",
        names, heads, rows, len(matrix.groups) - len(kept),
    )  # fmt: skip


def _cell(matrix: CrossMatrix, one: int, other: int, roomy: bool) -> Cell:
    rate = matrix.rates[one][other]
    pair = f"{matrix.groups[one]} with {matrix.groups[other]}: {words.told(rate)}"
    if rate.too_few and rate.trials:
        pair = f"{pair}. {words.sentence(rate.too_few)}"
    if rate.rate is None:
        return Cell(words.NOTHING, "", FEW, pair)
    look = FEW if rate.too_few else _look(rate.rate / matrix.fmr_target)
    if not roomy:
        return Cell(f"{words.figure(rate.rate / matrix.fmr_target)}×", "", look, pair)
    return Cell(words.odds(rate.rate), words.interval(rate), look, pair)


def _look(ratio: float) -> str:
    if ratio <= 0:
        return "h0"
    power = math.log10(ratio)
    return f"h{sum(power > end for end in _STEPS)}"
