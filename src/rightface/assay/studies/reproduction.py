"""What came of computing a study again: each cell beside what was printed, and a verdict.

    reproduced   what we compute lies within the stated tolerance
    differs      it does not

Findings are sentences; each that claims something checkable says whether it held. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rightface.assay.studies.facts import Confidence, Mark, Source, StudyFacts, Table

Verdict = Literal["reproduced", "differs"]
_ROUNDING = 1e-9
"""So that a difference of exactly the tolerance counts as within it, in binary numbers too."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of a study."""

    table: str
    row: str
    column: str
    published: float
    computed: float
    tolerance: float
    unit: str
    verdict: Verdict
    confidence: Confidence
    sources: tuple[int, ...]
    how: str
    """What was computed, in words."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence about a study."""

    text: str
    confidence: Confidence
    sources: tuple[int, ...] = ()
    holds: bool | None = None
    """Whether the numbers bear it out; None where there is nothing to check."""
    note: str = ""
    of_pack: bool = False
    """It speaks of the model pack of this release, not of the study alone."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A study, computed again."""

    id: str
    name: str
    title: str
    authors: str
    venue: str
    task: str
    unverified: str
    published: tuple[Finding, ...]
    """Everything else that was published: single numbers and words, with their marks."""
    cells: tuple[Cell, ...]
    findings: tuple[Finding, ...]
    sources: tuple[Source, ...]

    @property
    def reproduced(self) -> int:
        """How many cells come out as printed."""
        return sum(cell.verdict == "reproduced" for cell in self.cells)


def verdict(published: float, computed: float, tolerance: float) -> Verdict:
    """Whether both agree within the tolerance."""
    return "reproduced" if abs(published - computed) <= tolerance + _ROUNDING else "differs"


def compared(
    table: Table,
    row: str,
    column: str,
    computed: float,
    how: str,
    *,
    note: str = "",
) -> Cell:
    """A cell of a published table beside what was computed."""
    mark = table.mark(row, column)
    return cell(
        (table.what, row, column),
        table.row(row)[column],
        computed,
        table.tolerance,
        mark,
        how,
        unit=table.unit,
        note=note or mark.note,
    )


def cell(
    place: tuple[str, str, str],
    published: float,
    computed: float,
    tolerance: float,
    mark: Mark,
    how: str,
    *,
    unit: str = "per cent",
    note: str = "",
) -> Cell:
    """A published number beside what was computed.

    Args:
        place: the table's name, row and column.
        published, computed, tolerance: in `unit`.
        mark: how sure we are of what was published, and where it was read.
        how: what was computed, in words.
        unit: of the numbers.
        note: what else to know.
    """
    return Cell(
        table=place[0],
        row=place[1],
        column=place[2],
        published=published,
        computed=computed,
        tolerance=tolerance,
        unit=unit,
        verdict=verdict(published, computed, tolerance),
        confidence=mark.confidence,
        sources=mark.sources,
        how=how,
        note=note,
    )


def stated(facts: StudyFacts, name: str, holds: bool | None = None, note: str = "") -> Finding:
    """A statement of the study, and whether the numbers bear it out."""
    one = facts.statements[name]
    return Finding(
        text=one.text,
        confidence=one.confidence,
        sources=one.sources,
        holds=holds,
        note="; ".join(part for part in (one.note, note) if part),
    )


def ours(text: str, holds: bool | None = None, *, of_pack: bool = False) -> Finding:
    """A sentence that we worked out."""
    return Finding(text=text, confidence="derived", holds=holds, of_pack=of_pack)


def _said(value: int | float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def reproduction(
    facts: StudyFacts, cells: tuple[Cell, ...], findings: tuple[Finding, ...]
) -> Reproduction:
    """What came of a study's facts."""
    return Reproduction(
        id=facts.id,
        name=facts.name,
        title=facts.title,
        authors=facts.authors,
        venue=facts.venue,
        task=facts.task,
        unverified=facts.unverified,
        published=tuple(
            Finding(
                text=f"{name.replace('_', ' ')}: {_said(one.value)}",
                confidence=one.confidence,
                sources=one.sources,
                note=one.note,
            )
            for name, one in facts.quantities.items()
        ),
        cells=cells,
        findings=findings,
        sources=facts.sources,
    )
