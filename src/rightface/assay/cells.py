"""How a data set is split: partitions of its rows, and the finest cells that they are made of.

Comparisons are counted once, between cells; what any partition needs are sums over cells. Values
only: never knows scores or templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column, cross
from rightface.assay.errors import ManifestError

MOST_CELLS = 256
"""Counts are kept for each pair of cells; beyond so many, columns are left out."""
CROSSED_ALL = 3
"""Up to so many columns, every two are crossed without being asked."""


@dataclass(frozen=True)
class Cells:
    """Rows by everything that is known of their groups at once."""

    partitions: tuple[Column, ...]
    codes: NDArray[np.int16]
    """(n,): the cell of each row; every row is in one."""
    count: int
    groups_of: tuple[NDArray[np.int16], ...]
    """For each partition (count,): the group that each cell belongs to, or UNKNOWN."""


def partitions_of(
    columns: Mapping[str, Column], crosses: Sequence[Sequence[str]] | None
) -> tuple[Column, ...]:
    """Every column, then the crosses.

    Args:
        columns: by name.
        crosses: names of columns to cross, each two or more; None: every two, if columns are few.

    Raises:
        ManifestError: a cross of an unknown column, or of one.
    """
    if crosses is None:
        crosses = list(combinations(columns, 2)) if len(columns) <= CROSSED_ALL else []
    made = list(columns.values())
    for names in crosses:
        unknown = [name for name in names if name not in columns]
        if unknown or len(set(names)) < 2:
            raise ManifestError(
                f"'{unknown[0]}' is no column that people are split by."
                if unknown
                else "A cross is of two columns or more.",
                mend=f"Cross columns of: {', '.join(columns) or 'none'}.",
            )
        both = reduce(cross, (columns[name] for name in names))
        if both.values:
            made.append(both)
    return tuple(made)


def cells_of(partitions: Sequence[Column], rows: int) -> Cells:
    """The finest cells of those partitions of so many rows.

    Raises:
        ManifestError: there are too many.
    """
    together = np.zeros(rows, np.int64)
    for each in partitions:
        together = together * (len(each.values) + 1) + (each.codes.astype(np.int64) + 1)
        together = np.unique(together, return_inverse=True)[1]
    values, codes = np.unique(together, return_inverse=True)
    count = max(1, len(values))
    if count > MOST_CELLS:
        raise ManifestError(
            f"The columns split the images into {count} cells; at most {MOST_CELLS} are counted.",
            mend="Name fewer columns with --cohort, or wider bins with --bin.",
        )
    groups = []
    for each in partitions:
        of = np.full(count, UNKNOWN, np.int16)
        of[codes] = each.codes
        groups.append(of)
    return Cells(tuple(partitions), codes.astype(np.int16), count, tuple(groups))


def summed(
    between: NDArray[np.int64], groups: NDArray[np.int16], group_count: int
) -> NDArray[np.int64]:
    """(G, G, …): counts between cells, at (lower, higher), as counts between groups, likewise.

    Args:
        between: (C, C, …); what lies at (higher, lower) is counted too.
        groups: (C,): the group of each cell; UNKNOWN counts nowhere.
        group_count: G.
    """
    total = np.zeros((group_count, group_count, *between.shape[2:]), np.int64)
    for one, other in zip(
        *np.nonzero(between.reshape(*between.shape[:2], -1).any(-1)), strict=True
    ):
        low, high = sorted((int(groups[one]), int(groups[other])))
        if low != UNKNOWN:
            total[low, high] += between[one, other]
    return total
