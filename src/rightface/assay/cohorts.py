"""Who is of which group: labels as numbers, and crosses of labels. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[np.int16]
"""(n,): an index into a column's values; UNKNOWN where there is no label."""
UNKNOWN = -1
JOINT = " · "
"""Between the values of a cross: "asian · female"."""


@dataclass(frozen=True)
class Column:
    """One label of every row."""

    names: tuple[str, ...]
    """The manifest's column; several for a cross."""
    values: tuple[str, ...]
    """Sorted, bins ascending; of a cross joined by JOINT in the order of `names`."""
    codes: Codes

    @property
    def unlabelled(self) -> int:
        """Rows without a value."""
        return int((self.codes == UNKNOWN).sum())

    def labels(self, group: int) -> dict[str, str]:
        """The value of each column that this group stands for."""
        return dict(zip(self.names, self.values[group].split(JOINT), strict=True))


def column(name: str, labels: list[str] | tuple[str, ...]) -> Column:
    """The column of those labels; the empty label is none."""
    values = tuple(sorted({label for label in labels if label}))
    place = {value: code for code, value in enumerate(values)} | {"": UNKNOWN}
    return Column((name,), values, np.array([place[label] for label in labels], np.int16))


def cross(first: Column, second: Column) -> Column:
    """Everybody by both columns.

    Unknown in one is unknown in the cross; crosses that nobody is in are left out.
    """
    both = first.codes.astype(np.int64) * len(second.values) + second.codes
    both[(first.codes == UNKNOWN) | (second.codes == UNKNOWN)] = UNKNOWN
    kept = [int(code) for code in np.unique(both) if code != UNKNOWN]
    codes = np.full(len(both), UNKNOWN, np.int16)
    for place, code in enumerate(kept):
        codes[both == code] = place
    width = len(second.values)
    values = tuple(first.values[c // width] + JOINT + second.values[c % width] for c in kept)
    return Column((*first.names, *second.names), values, codes)
