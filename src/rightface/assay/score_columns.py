"""The cohort columns of a file of scores: one for both people, or one for each of the two.

Values are numbered as they come, and put in order at the end. Never knows a score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import JOINT, UNKNOWN, Codes
from rightface.assay.errors import ScoreFileError
from rightface.assay.labels import FEW_VALUES, MOST_VALUES, Coding
from rightface.assay.table_file import Cell, TableFile

_BOTH = ("_a", "_b")


class Cohort:
    """One cohort column while it is read, and its final values."""

    def __init__(self, name: str, columns: tuple[str, ...], most: int) -> None:
        self.name = name
        self.columns = columns
        """Of the table: one, or one for each of the two people."""
        self.coding = Coding()
        self.most = most
        self.left_out = False
        self.values: tuple[str, ...] = ()
        self.place: Codes = np.empty(0, np.int16)

    def encode(self, cells: Sequence[Sequence[Cell]]) -> NDArray[np.int16]:
        """(2, k): in the order of appearance; UNKNOWN for all after it had too many values."""
        if self.left_out:
            return np.full((2, len(cells[0])), UNKNOWN, np.int16)
        codes = [self.coding.encode(one).astype(np.int16) for one in cells]
        self.left_out = len(self.coding.labels) > self.most
        return np.stack([codes[0], codes[-1]])

    def settle(self) -> None:
        """No more rows come: sort the values."""
        self.values = tuple(sorted(self.coding.labels))
        number = self.coding.labels
        self.place = np.full(len(number) + 1, UNKNOWN, np.int16)
        self.place[[number[value] for value in self.values]] = np.arange(len(number))


def cohorts_of(
    table: TableFile, taken: tuple[str, str], asked: Sequence[str] | None
) -> list[Cohort]:
    """Those asked for; else every column but the two that are taken."""
    heading = [name for name in table.heading if name]
    both = [
        name.removesuffix(_BOTH[0])
        for name in heading
        if name.endswith(_BOTH[0]) and name.removesuffix(_BOTH[0]) + _BOTH[1] in heading
    ]
    halves = {name + end for name in both for end in _BOTH}
    names = asked
    if names is None:
        names = [name for name in heading if name not in (*taken, *halves)]
        names += [name for name in both if name not in names]
    most = FEW_VALUES if asked is None else MOST_VALUES
    return [
        Cohort(name, tuple(name + end for end in _BOTH) if name in both else (name,), most)
        for name in dict.fromkeys(names)
    ]


def codes_of(
    columns: Sequence[Sequence[Cell]], cohorts: Sequence[Cohort], rows: int
) -> NDArray[np.int16]:
    """(columns, 2, rows): of both people."""
    cells = iter(columns)
    codes = [one.encode([next(cells) for _ in one.columns]) for one in cohorts]
    return np.stack(codes) if codes else np.empty((0, 2, rows), np.int16)


def settled(cohorts: Sequence[Cohort], *, asked: bool) -> tuple[str, ...]:
    """Why columns are left out.

    Raises:
        ScoreFileError: one was asked for.
    """
    said = []
    for one in cohorts:
        one.settle()
        problem = ""
        if one.left_out:
            problem = f"it has more than {one.most} different values"
        elif not one.values:
            problem = "no row has a value in it"
        elif any(JOINT in value for value in one.values):
            problem = f"a value holds '{JOINT}', which joins the values of a cross"
        if problem and asked:
            raise ScoreFileError(f"Column '{one.name}' cannot be a cohort: {problem}.")
        if problem:
            one.left_out = True
            said.append(f"Column '{one.name}' is left out: {problem}.")
    return tuple(said)
