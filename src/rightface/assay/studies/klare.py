"""Klare et al. 2012: the design by cohorts, on a table that is unverified and says so.

With an assay, the same layout of one's own groups: true accepts at a false accept rate of 0.1 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightface.assay.result import Assay, CurvePoint, Group, Rate
from rightface.assay.studies.facts import StudyFacts, Table
from rightface.assay.studies.reproduction import (
    Finding,
    Reproduction,
    ours,
    reproduction,
    stated,
)

FAR = 1e-3
COHORTS = {
    "gender": ("female", "male"),
    "race": ("black", "white", "hispanic"),
    "age": ("18-30", "30-50", "50-70"),
}
"""The study's, by column."""


@dataclass(frozen=True, kw_only=True)
class CohortAccuracy:
    """True accepts of one group at FAR, by both ways to set the threshold."""

    column: str
    group: str
    fnmr: Rate
    """At everybody's threshold for FAR: 1 − TAR, with its interval."""
    own_tar: float | None
    """At the group's own threshold for FAR, by its curve; None where the curve does not reach."""


def reproduce(facts: StudyFacts) -> Reproduction:
    """No cell can be computed again: the statements are checked against the recalled table."""
    table = facts.tables["accuracy"]
    gaps = {row: table.row(row)["white"] - table.row(row)["black"] for row in table.rows}
    least, most = facts.number("least_gap"), facts.number("largest_gap")
    said = ", ".join(f"{row} {gap:.1f}" for row, gap in gaps.items())
    return reproduction(
        facts,
        (),
        (
            *(
                stated(facts, group, _lowest(table, group), "by the recalled table")
                for group in ("female", "black", "18-30")
            ),
            stated(facts, "training"),
            *_table(table),
            stated(
                facts,
                "gap",
                all(least <= gap <= most for gap in gaps.values()),
                f"white less black, by the recalled table, in points: {said}",
            ),
            ours(
                "Nothing of the table is computed again: the study prints no counts that we have."
            ),
        ),
    )


def _table(table: Table) -> list[Finding]:
    """The table itself, which cannot be computed again."""
    return [
        Finding(
            text=f"{table.what}, {row}: "
            + ", ".join(f"{group} {accuracy:g} %" for group, accuracy in table.row(row).items())
            + ".",
            confidence=table.mark(row, table.columns[0]).confidence,
        )
        for row in table.rows
    ]


def _lowest(table: Table, group: str) -> bool:
    """Whether every algorithm is worst on that group of its column."""
    among = next(groups for groups in COHORTS.values() if group in groups)
    return all(min(among, key=lambda each: table.row(row)[each]) == group for row in table.rows)


def on_assay(told: Assay) -> tuple[CohortAccuracy, ...]:
    """The study's layout of an assay's groups; crosses of columns are left out, as there."""
    return tuple(
        CohortAccuracy(
            column=partition.columns[0],
            group=group.name,
            fnmr=point.fnmr,
            own_tar=_own_tar(group),
        )
        for partition in told.partitions
        if len(partition.columns) == 1
        for group in partition.groups
        for point in group.at
        if point.fmr_target == FAR
    )


def _own_tar(group: Group) -> float | None:
    if group.impostor * FAR < 1:
        return None
    reached: list[CurvePoint] = [point for point in group.curve if point.fmr <= FAR]
    if not reached or reached[0].fnmr is None:
        return None
    return 1 - reached[0].fnmr
