"""Gender Shades on somebody's own predictions: errors of each true subgroup, as in its table.

A classifier's answers come in as a table: true label, predicted label, any cohort columns.
rightface never infers gender, nor anything else about people; it only counts where others' answers
are wrong.

    1. An error is an answer other than the true label (1 − recall of the true subgroup).
    2. No answer is an error too: a classifier that keeps silent is not better for it.
    3. A row without a true label is left out and counted.

Sources: Gender Shades (see `gender_shades`); E. B. Wilson, JASA 22 (1927) 209-212; R. G. Newcombe,
"Interval estimation for the difference between independent proportions: comparison of eleven
methods", Statistics in Medicine 17 (1998) 873-890, method 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column, cross
from rightface.assay.errors import TableError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE, Excluded, in_words
from rightface.assay.intervals import FEWEST_GENUINE, rate
from rightface.assay.labels import GIVEN_UP, Labels
from rightface.assay.manifest_columns import columns_of
from rightface.assay.result import Exclusion, Rate
from rightface.assay.studies.facts import StudyFacts
from rightface.assay.table_file import TableFile, open_table

NO_LABEL = "No true label is given."
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class SubgroupErrors:
    """One true subgroup."""

    name: str
    error: Rate
    """1 − recall: of those who are in it, how many were told to be something else."""
    unanswered: int
    """How many of these errors are no answer at all."""
    wrong_among_told: Rate | None
    """1 − precision: of those of its cohort who were told to be of its label, how many are not;
    None where the subgroup is of no single label."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The worst subgroup's error less the best one's, as a share, with its interval at 95 %.

    The two are chosen after looking, so the interval is too kind where there are many subgroups.
    """

    worst: str
    best: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Split:
    """Everybody by one column, or by the true label and another."""

    columns: tuple[str, ...]
    groups: tuple[SubgroupErrors, ...]
    difference: Difference | None
    """Of groups that are large enough; None of fewer than two."""
    unlabelled: int


@dataclass(frozen=True, kw_only=True)
class PredictionErrors:
    """What came of a table of predictions."""

    rows: int
    used: int
    exclusions: tuple[Exclusion, ...]
    labels: tuple[str, ...]
    everybody: SubgroupErrors
    splits: tuple[Split, ...]
    published: dict[str, dict[str, float]]
    """The paper's errors in per cent, vendor by vendor, to hold them against."""
    warnings: tuple[str, ...]


def read_predictions(
    path: Path,
    facts: StudyFacts,
    *,
    label: str = "label",
    predicted: str = "predicted",
    cohort_columns: Sequence[str] | None = None,
) -> PredictionErrors:
    """Errors of the predictions in the table at `path`.

    Args:
        path: CSV or Parquet.
        facts: of Gender Shades.
        label, predicted: columns with the true and the told label, compared in any case of letters.
        cohort_columns: to split people by; None: every other column of few values.

    Raises:
        TableError: it cannot be read, lacks a column, or no row can be used.
        ManifestError: a column that was asked for has too many values, or none.
    """
    table = open_table(path)
    cohorts = _cohorts(table, label, predicted, cohort_columns)
    true, told = Labels(label), Labels(predicted)
    excluded, numbers = Excluded(), [np.empty(0, np.int64)]
    rows = 0
    for block in table.blocks([label, predicted, *(one.name for one in cohorts)]):
        rows += len(block.numbers) + len(block.unreadable) + len(block.heading_again)
        excluded.add(UNREADABLE, block.unreadable)
        excluded.add(HEADING_AGAIN, block.heading_again)
        numbers.append(block.numbers)
        for one, cells in zip((true, told, *cohorts), block.columns, strict=True):
            one.add(cells)
    true_codes = true.codes()
    kept = np.flatnonzero(true_codes != UNKNOWN)
    excluded.add(NO_LABEL, np.concatenate(numbers)[true_codes == UNKNOWN])
    if not len(kept):
        raise TableError(
            "No row of the predictions can be used.",
            why=in_words(excluded.told()) or "There are none.",
            mend=f"Each row needs its true label in '{label}'.",
        )
    names, answers = _one_coding(true, told, kept)
    columns, left_out = columns_of(
        cohorts, kept, np.concatenate(numbers)[kept], asked=cohort_columns is not None, bins={}
    )
    counted = _Counted(label, names, *answers)
    return PredictionErrors(
        rows=rows,
        used=len(kept),
        exclusions=excluded.told(),
        labels=counted.truth.values,
        everybody=counted.everybody(),
        splits=counted.splits(columns),
        published={
            vendor: facts.tables["error"].row(vendor) for vendor in facts.tables["error"].rows
        },
        warnings=(*left_out, *counted.warnings()),
    )


def newcombe(one: Rate, other: Rate) -> tuple[float, float]:
    """The interval at 95 % of one share less another, from both Wilson intervals (Newcombe 1998).

    Raises:
        TableError: one of them has no trials.
    """
    ends = (one.rate, one.low, one.high, other.rate, other.low, other.high)
    p, low, high, q, below, above = (np.nan if end is None else end for end in ends)
    if np.isnan([p, q]).any():
        raise TableError("A difference needs trials on both sides.")
    return (
        p - q - sqrt((p - low) ** 2 + (above - q) ** 2),
        p - q + sqrt((high - p) ** 2 + (q - below) ** 2),
    )


def _cohorts(
    table: TableFile, label: str, predicted: str, asked: Sequence[str] | None
) -> list[Labels]:
    known = [column for column in table.heading if column]
    wanted = [label, predicted, *(asked or ())]
    missing = [column for column in wanted if column not in known]
    if missing or label == predicted:
        raise TableError(
            f"The table has no column '{missing[0]}'."
            if missing
            else "True and told labels stand in two columns.",
            mend="Name the columns with --label and --predicted; "
            f"there are {', '.join(repr(column) for column in known)}.",
        )
    others = [column for column in known if column not in (label, predicted)]
    most = GIVEN_UP if asked is None else None
    return [
        Labels(column, most=most) for column in dict.fromkeys(others if asked is None else asked)
    ]


def _one_coding(
    true: Labels, told: Labels, kept: NDArray[np.int64]
) -> tuple[tuple[str, ...], tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """All labels, and both columns as places among them; written in any case of letters."""
    names: dict[str, int] = {}
    shown: list[str] = []
    codes = []
    for one in (true, told):
        places = []
        for value in one.values:
            if value.casefold() not in names:
                names[value.casefold()] = len(shown)
                shown.append(value)
            places.append(names[value.casefold()])
        codes.append(np.array([*places, UNKNOWN], np.int32)[one.codes()[kept]])
    return tuple(shown), (codes[0], codes[1])


class _Counted:
    """True and told labels of the rows in use."""

    def __init__(
        self,
        column: str,
        names: tuple[str, ...],
        true: NDArray[np.int32],
        told: NDArray[np.int32],
    ) -> None:
        present = np.unique(true)
        place = np.full(len(names) + 1, UNKNOWN, np.int32)
        place[present] = np.arange(len(present))
        self._told, self._names = told, names
        self._never = np.unique(told[(told != UNKNOWN) & (place[told] == UNKNOWN)])
        self._true = true
        self.truth = Column(
            (column,),
            tuple(names[code] for code in present.tolist()),
            place[true].astype(np.int16),
        )

    def everybody(self) -> SubgroupErrors:
        return self._errors("All", np.ones(len(self._true), np.bool_), None)

    def splits(self, columns: dict[str, Column]) -> tuple[Split, ...]:
        made = [self._split(self.truth, None)]
        for one in columns.values():
            made.append(self._split(one, None))
            made.append(self._split(cross(self.truth, one), one))
        return tuple(made)

    def warnings(self) -> tuple[str, ...]:
        said = [
            "Every row is taken for a person of its own: of several photographs of one "
            "person the intervals are too narrow."
        ]
        if len(self.truth.values) == 1:
            said.append("All true labels are alike: nothing tells this from a constant answer.")
        if len(self._never):
            named = ", ".join(f"'{self._names[code]}'" for code in self._never[:MOST_NAMED])
            said.append(
                f"{len(self._never)} labels are told that nobody has: {named}. They count as "
                "errors; see that both columns use the same words."
            )
        answered = np.unique(self._told[self._told != UNKNOWN])
        if len(answered) <= 1:
            said.append("The classifier always says the same, or nothing.")
        return tuple(said)

    def _split(self, column: Column, cohort: Column | None) -> Split:
        groups = []
        for group, name in enumerate(column.values):
            inside = column.codes == group
            among = None
            if column is self.truth:
                among = np.ones(len(inside), np.bool_)
            elif cohort is not None:
                among = cohort.codes == cohort.codes[int(inside.argmax())]
            groups.append(self._errors(name, inside, among))
        return Split(
            columns=column.names,
            groups=tuple(groups),
            difference=_difference(groups),
            unlabelled=column.unlabelled,
        )

    def _errors(
        self, name: str, inside: NDArray[np.bool_], among: NDArray[np.bool_] | None
    ) -> SubgroupErrors:
        """`among`: the people of every label in the subgroup's cohort; None: of no one label."""
        wrong = self._told != self._true
        trials = int(inside.sum())
        precise = None
        if among is not None:
            label = self._true[int(inside.argmax())]
            told = among & (self._told == label)
            precise = _rate(int((told & wrong).sum()), int(told.sum()))
        return SubgroupErrors(
            name=name,
            error=_rate(int((inside & wrong).sum()), trials),
            unanswered=int((inside & (self._told == UNKNOWN)).sum()),
            wrong_among_told=precise,
        )


def _rate(errors: int, trials: int) -> Rate:
    few = f"Only {trials} rows; at least {FEWEST_GENUINE} are asked for."
    return rate(errors, trials, too_few=few if trials < FEWEST_GENUINE else "")


def _difference(groups: Sequence[SubgroupErrors]) -> Difference | None:
    enough = [one for one in groups if not one.error.too_few and one.error.rate is not None]
    if len(enough) < 2:
        return None
    worst = max(enough, key=lambda one: one.error.rate or 0.0)
    best = min(enough, key=lambda one: one.error.rate or 0.0)
    low, high = newcombe(worst.error, best.error)
    value = (worst.error.rate or 0.0) - (best.error.rate or 0.0)
    return Difference(worst=worst.name, best=best.name, value=value, low=low, high=high)
