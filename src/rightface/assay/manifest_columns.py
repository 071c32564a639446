"""Which columns of a manifest split people into groups, and what those groups cannot carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.errors import ManifestError
from rightface.assay.exclusions import named
from rightface.assay.labels import (
    AGE_EDGES,
    FEW_VALUES,
    GIVEN_UP,
    MOST_VALUES,
    Edges,
    Labels,
    binned_column,
    column_as_stated,
    numbers_of,
    sorted_column,
)

AGE = "age"
OLDEST = 130
"""Years; nobody has been known to be older than 122."""
MOST_NAMED = 6
"""Rows, more than are shown."""


def columns_of(
    labels: Sequence[Labels],
    kept: NDArray[np.int64],
    numbers: NDArray[np.int64],
    *,
    asked: bool,
    bins: Mapping[str, Edges],
) -> tuple[dict[str, Column], list[str]]:
    """The cohort columns of the rows kept; why others are left out, and values that are.

    Args:
        labels: what was read of each column.
        kept: places of the rows in use.
        numbers: of each of these, its row in the table.
        asked: whether these columns were asked for; if so none is left out.
        bins: edges for columns of numbers.

    Raises:
        ManifestError: a column that was asked for has too many values, or none; or bins were asked
            of one that holds something else than numbers.
    """
    columns: dict[str, Column] = {}
    left_out: list[str] = []
    for one in labels:
        made, said = _column(one, kept, numbers, bins.get(one.name))
        left_out += said
        if one.name in bins:
            problem = ""
        elif asked:
            problem = _problem(made, "at most", 1, MOST_VALUES)
            if problem:
                raise ManifestError(
                    f"Column '{one.name}' cannot be a cohort: {problem}.",
                    mend=f"State bins if it holds numbers: {one.name}=18,30,45,60.",
                )
        else:
            problem = _problem(made, "without being asked for, 2 to", 2, FEW_VALUES)
        if problem or made is None:
            left_out.append(f"Column '{one.name}' is left out: {problem}.")
        else:
            columns[one.name] = made
    return columns, left_out


def stated(labels: Sequence[Labels], kept: NDArray[np.int64]) -> dict[str, Column]:
    """Every column of at most GIVEN_UP values as it is written, cohort or not."""
    return {
        one.name: column_as_stated(one.name, one.values, one.codes()[kept])
        for one in labels
        if not one.given_up and len(one.values) <= GIVEN_UP
    }


def _column(
    one: Labels, kept: NDArray[np.int64], numbers: NDArray[np.int64], edges: Edges | None
) -> tuple[Column | None, list[str]]:
    """None if the column was given up while it was read; and what is to be said of its values."""
    if one.given_up:
        return None, []
    codes, values = one.codes()[kept], one.values
    is_age = one.name.casefold() == AGE
    fit = [number is not None and not (is_age and _no_age(number)) for number in numbers_of(values)]
    wrong = ~np.array([*fit, True])[codes]
    what = f"no age from 0 to {OLDEST}" if is_age else "no number"
    which = named(numbers[wrong][:MOST_NAMED], int(wrong.sum()))
    if edges is not None:
        if wrong.any():
            raise ManifestError(
                f"Column '{one.name}' was asked in bins, but holds {what} in {which}.",
                mend="Ask for it without bins, or mend the values; an empty cell is not known.",
            )
        return binned_column(one.name, values, codes, edges), []
    labelled = int((codes != UNKNOWN).sum())
    if not is_age or wrong.sum() * 2 > labelled or not labelled:
        return sorted_column(one.name, values, codes), []
    told = f"Column '{one.name}' is in bins; what is {what} counts as not known: {which}."
    ages = np.where(wrong, np.int32(UNKNOWN), codes)
    return binned_column(one.name, values, ages, AGE_EDGES), [told] if wrong.any() else []


def _no_age(number: float) -> bool:
    return not 0 <= number <= OLDEST


def _problem(made: Column | None, may: str, least: int, most: int) -> str:
    if made is None:
        return f"it has more than {GIVEN_UP:,} different values, and may have, {may} {most}"
    if len(made.values) > most:
        return f"it has {len(made.values)} different values, and may have, {may} {most}"
    if not made.values:
        return "no image in use has a value in it"
    if len(made.values) < least:
        return "all its values are alike"
    return ""


def warnings(subjects: NDArray[np.int32], columns: Mapping[str, Column]) -> list[str]:
    """Sentences about labels that carry less than they seem to."""
    said: list[str] = []
    known = subjects != UNKNOWN
    if not known.all():
        said.append(
            f"Of {int((~known).sum())} images it is not said whose they are: "
            "each is taken for a person of its own."
        )
    for name, column in columns.items():
        labelled = column.codes != UNKNOWN
        people = np.unique(np.stack([column.codes, subjects], 1)[known & labelled], axis=0)
        alone = np.bincount(people[:, 0], minlength=len(column.values))
        alone += np.bincount(column.codes[labelled & ~known], minlength=len(column.values))
        said += [
            f"'{column.values[group]}' of column '{name}' is one person: "
            "nobody in it can be taken for another."
            for group in np.flatnonzero(alone == 1)
        ]
        _, groups = np.unique(people[:, 1], return_counts=True)
        if several := int((groups > 1).sum()):
            said.append(f"{several} people are in more than one group of column '{name}'.")
    return said
