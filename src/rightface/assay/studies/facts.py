"""What was published: numbers with where they come from, and how sure we are of them.

One YAML file for each study in `facts/`. Every number has a confidence mark:

    seen      read in a public copy, which is named
    recalled  written down from memory; look it up before relying on it
    derived   worked out by us from the others

Holds no arithmetic: each study's own module has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rightface.assay.errors import AssayError

Confidence = Literal["seen", "recalled", "derived"]
IDS: Mapping[str, str] = {
    "gender-shades": "gender-shades-2018",
    "actionable-auditing": "actionable-auditing-2019",
    "aclu": "aclu-congress-2018",
    "nist": "nist-ir-8280-2019",
    "klare": "klare-fbi-2012",
    "clearview": "clearview-claims-2019-2020",
    "tvs": "cbp-tvs-volumes-and-match-rates",
}
"""What commands call each study, and its id; in the order in which they are listed."""
NAMES = tuple(IDS)


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Marked(_Fact):
    confidence: Confidence
    sources: tuple[int, ...] = ()
    """Numbers of the study's sources."""
    note: str = ""

    @model_validator(mode="after")
    def _seen_somewhere(self) -> _Marked:
        if self.confidence == "seen" and not self.sources:
            raise ValueError("what was seen names its source")
        return self


class Quantity(_Marked):
    """One thing that was published: a number, or words."""

    value: int | float | str


class Statement(_Marked):
    """A sentence, in our own words."""

    text: str


class Range(_Marked):
    """From one number to another."""

    low: float
    high: float


class Mark(_Marked):
    """How sure we are of some cells of a table; no rows or columns named: of all."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def covers(self, row: str, column: str) -> bool:
        """Whether that cell is meant."""
        return (not self.rows or row in self.rows) and (not self.columns or column in self.columns)


class Table(_Fact):
    """Published numbers by row and column."""

    what: str
    unit: Literal["per cent", "number"] = "per cent"
    tolerance: float = Field(ge=0)
    """How far a number that was computed again may lie off, in the table's unit."""
    tolerance_note: str = ""
    columns: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]
    marks: tuple[Mark, ...]

    @model_validator(mode="after")
    def _whole(self) -> Table:
        for row, cells in self.rows.items():
            if len(cells) != len(self.columns):
                raise ValueError(f"row '{row}' has not one cell for each column")
            for column in self.columns:
                self.mark(row, column)
        return self

    def mark(self, row: str, column: str) -> Mark:
        """How sure we are of that cell: the first mark that covers it."""
        for each in self.marks:
            if each.covers(row, column):
                return each
        raise ValueError(f"row '{row}', column '{column}' has no mark")

    def row(self, row: str) -> dict[str, float]:
        """Column → number."""
        return dict(zip(self.columns, self.rows[row], strict=True))


class Source(_Fact):
    """Where something was read."""

    n: int
    at: str
    what: str


class MeasureFact(_Marked):
    """A measure, as its source states it."""

    id: str
    name: str
    formula: str
    reference: str
    at: str = ""

    @model_validator(mode="after")
    def _seen_somewhere(self) -> MeasureFact:
        if self.confidence == "seen" and not self.at:
            raise ValueError("what was seen names its source")
        return self


class StudyFacts(_Fact):
    """One study."""

    id: str
    name: str
    """What commands call it."""
    title: str
    authors: str
    venue: str
    task: str
    confidence: Confidence
    """Of the task."""
    sources_of_task: tuple[int, ...] = ()
    unverified: str = ""
    """Why the study's numbers are not to be relied on; empty if they may be."""
    quantities: dict[str, Quantity] = {}
    tables: dict[str, Table] = {}
    ranges: dict[str, Range] = {}
    statements: dict[str, Statement] = {}
    measures: tuple[MeasureFact, ...] = ()
    sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _sources_are_there(self) -> StudyFacts:
        known = {source.n for source in self.sources}
        marked: list[_Marked] = [
            *self.quantities.values(),
            *self.statements.values(),
            *self.ranges.values(),
            *(mark for table in self.tables.values() for mark in table.marks),
        ]
        named = {n for one in marked for n in one.sources} | set(self.sources_of_task)
        if named - known:
            raise ValueError(f"no such source: {sorted(named - known)}")
        return self

    def number(self, name: str) -> float:
        """A quantity that is a number.

        Raises:
            AssayError: it is words.
        """
        value = self.quantities[name].value
        if isinstance(value, str):
            raise AssayError(f"'{name}' of the study '{self.name}' is no number.")
        return value

    def count(self, name: str) -> int:
        """A quantity that is a whole number."""
        return int(self.number(name))


Told: TypeAlias = dict[str, object]


def told(name: str) -> Told:
    """A study's facts as they stand in its file.

    Raises:
        AssayError: there is no such study, or its file is damaged.
    """
    wanted = short_name(name)
    try:
        text = (files("rightface.assay.studies") / "facts" / f"{wanted}.yaml").read_text("utf-8")
        read: Told = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise AssayError(
            "A study's facts are missing or damaged.", mend="Install rightface again."
        ) from error
    return read


def checked(read: Told) -> StudyFacts:
    """The facts in `read`.

    Raises:
        AssayError: fields are missing, a cell has no mark, a source is not there.
    """
    try:
        return StudyFacts.model_validate(read)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(one) for one in first["loc"])
        raise AssayError(
            "A study's facts are damaged.",
            why=f"{where}: {first['msg']}",
            mend="Install rightface again.",
        ) from error


def facts_of(name: str) -> StudyFacts:
    """The facts of that study.

    Raises:
        AssayError: there is no such study, or its file is damaged.
    """
    return checked(told(name))


def short_name(name: str) -> str:
    """What commands call the study of that name or id (`gender-shades-2018`).

    Raises:
        AssayError: there is no such study.
    """
    for known, its_id in IDS.items():
        if name in (known, its_id):
            return known
    raise AssayError(
        "There is no study of that name.", mend=f"The studies are: {', '.join(NAMES)}."
    )
