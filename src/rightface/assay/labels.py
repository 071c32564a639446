"""From cells to labels: who is of which group, numbers in bins, yes and no.

What stands for "not known" in a table is no label. Never knows files or images.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import JOINT, UNKNOWN, Column
from rightface.assay.errors import ManifestError
from rightface.assay.table_file import Cell, text

NOT_KNOWN = frozenset({"", "nan", "na", "n/a", "<na>", "null"})
"""In any case of letters: how pandas, R and SQL write that there is no value."""
FEW_VALUES = 20
"""A column that nobody asked for is a cohort if it has at most so many values."""
MOST_VALUES = 60
"""A column that was asked for may have at most so many: every two of them are a pair of groups."""
GIVEN_UP = 10_000
"""So many values, and a column that nobody asked for is no longer read."""
AGE_EDGES = (18.0, 30.0, 45.0, 60.0)
"""Of a column named `age`, if nothing else is said."""
YES = frozenset({"1", "true", "t", "yes", "y", "same", "genuine", "mated", "match"})
NO = frozenset({"0", "false", "f", "no", "n", "different", "impostor", "non-mated", "nonmated"})

Edges = tuple[float, ...]


class Coding(dict[Cell, int]):
    """Cell → number of its label; cells that are written differently may be one label."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: dict[str, int] = {}
        """Label → number, in the order of appearance."""

    def __missing__(self, cell: Cell) -> int:
        label = text(cell)
        if label.casefold() in NOT_KNOWN:
            return UNKNOWN
        self[cell] = self.labels.setdefault(label, len(self.labels))
        return self[cell]

    def encode(self, cells: Sequence[Cell]) -> NDArray[np.int32]:
        """(k,): of each cell its label's number, or UNKNOWN."""
        return np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))


class Labels:
    """One column while it is read: the number of each row's value, in the order of appearance."""

    def __init__(self, name: str, *, most: int | None = None) -> None:
        """`most`: with more values than that the column is given up."""
        self.name = name
        self.given_up = False
        self._most = most
        self._codes: list[NDArray[np.int32]] = []
        self._seen = Coding()

    def add(self, cells: Sequence[Cell]) -> None:
        """The next rows' cells."""
        if self.given_up:
            return
        self._codes.append(self._seen.encode(cells))
        if self._most is not None and len(self._seen.labels) > self._most:
            self.given_up = True
            self._codes.clear()
            self._seen = Coding()

    @property
    def values(self) -> tuple[str, ...]:
        """The values, in the order of appearance."""
        return tuple(self._seen.labels)

    def codes(self) -> NDArray[np.int32]:
        """(n,): of each row the place in `values`, or UNKNOWN."""
        return np.concatenate(self._codes) if self._codes else np.empty(0, np.int32)


def sorted_column(name: str, values: Sequence[str], codes: NDArray[np.int32]) -> Column:
    """The column of those codes; values that no row has are left out.

    Raises:
        ManifestError: a value holds the sign that joins the values of a cross.
    """
    if any(JOINT in value for value in values):
        raise ManifestError(
            f"A value of column '{name}' holds '{JOINT}'.",
            why="That joins the values of a cross of columns.",
            mend="Write it with another sign.",
        )
    return column_as_stated(name, values, codes)


def column_as_stated(name: str, values: Sequence[str], codes: NDArray[np.int32]) -> Column:
    """The same, whatever its values hold: for what is no cohort."""
    return _renumbered(name, values, codes, sorted(range(len(values)), key=lambda i: values[i]))


def binned_column(
    name: str, values: Sequence[str], codes: NDArray[np.int32], edges: Edges
) -> Column:
    """The column of numbers in bins: [18, 30) is "18-29" among whole numbers.

    What is no number is not known then; see `numbers_of`.

    Raises:
        ManifestError: the edges do not ascend.
    """
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ManifestError(
            f"The bins of column '{name}' do not ascend.", mend=f"For example {name}=18,30,45,60."
        )
    numbers = numbers_of(values)
    known = [number for number in numbers if number is not None]
    whole = all(number.is_integer() for number in (*known, *edges))
    bin_of = np.array(
        [UNKNOWN if number is None else bisect_right(edges, number) for number in numbers]
        + [UNKNOWN],
        np.int32,
    )
    names = bin_names(edges, whole=whole)
    return _renumbered(name, names, bin_of[codes], range(len(names)))


def _renumbered(
    name: str, values: Sequence[str], codes: NDArray[np.int32], order: Sequence[int]
) -> Column:
    used = np.bincount(codes[codes != UNKNOWN], minlength=len(values)) > 0
    kept = [place for place in order if used[place]]
    new = np.full(len(values) + 1, UNKNOWN, np.int16)
    new[kept] = np.arange(len(kept))
    return Column((name,), tuple(values[place] for place in kept), new[codes])


def numbers_of(values: Sequence[str]) -> list[float | None]:
    """The values as numbers; None for one that is none, or is infinite."""
    return [_number(value) for value in values]


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def bin_names(edges: Edges, *, whole: bool) -> tuple[str, ...]:
    """The bins' names, ascending, one more than there are edges."""
    between = (
        f"{low:g}-{high - 1:g}" if whole else f"{low:g} to under {high:g}"
        for low, high in pairwise(edges)
    )
    return (f"under {edges[0]:g}", *between, f"{edges[-1]:g}+")


def parse_bins(stated: str) -> tuple[str, Edges]:
    """`age=18,30,45,60` as the column's name and its edges.

    Raises:
        ManifestError: it is written otherwise.
    """
    name, equals, numbers = stated.partition("=")
    edges = [edge for edge in numbers_of(numbers.split(",")) if edge is not None]
    if not name.strip() or not equals or len(edges) != len(numbers.split(",")):
        raise ManifestError(f"'{stated}' states no bins.", mend="For example age=18,30,45,60.")
    return name.strip(), tuple(edges)


_SAME_WORDS = dict.fromkeys(YES, True) | dict.fromkeys(NO, False)


def is_same(cell: Cell) -> bool | None:
    """Whether a cell says that two images are of one person; None if it does not say."""
    return _SAME_WORDS.get(text(cell).casefold())
