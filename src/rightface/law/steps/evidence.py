"""Step 5: whether the model's error rates were measured, and the findings cited are on record.

Identification rests on error rates: without a measurement of this model pack, recent and on enough
pairs, nobody is identified. An act on a match rests on findings: one that cannot be traced to its
origin counts as none, and refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rightface.law.findings import shown
from rightface.law.ruling import Reason, StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import Evidence, Records, World

NEEDS_EVIDENCE = frozenset({"identify-1toN", "identify-live"})
OLDEST_YEARS = 2
FEWEST_PAIRS = 100_000
"""Pairs of different persons. If none of them matches, the false match rate lies below 3e-5 with
95 % confidence (rule of three, ISO/IEC 19795-1)."""


def check(world: World) -> StepResult:
    """The evidence behind an identification, or behind an act on one."""
    operation, records = world.operation, world.records
    searching = operation.action in NEEDS_EVIDENCE
    if operation.action == "erase" or (not searching and not operation.findings):
        return StepResult(step=5, outcome="pass", note="None is needed: nobody is searched for.")
    if records is None:
        return StepResult(
            step=5, outcome="left-out", note="No client is named: evidence is left out."
        )
    reasons = list(_untraced(records))
    notes = []
    if operation.findings:
        notes.append(f"The findings cited amount to: {records.other_evidence}.")
    if searching:
        notes.append("The model was measured well enough.")
        problem = _problem(records.evidence, world.day)
        if problem:
            reasons.append(
                own_reason(
                    5,
                    "evidence",
                    "accuracy",
                    problem,
                    f"Measure the model in use on at least {FEWEST_PAIRS:,} pairs, every"
                    f" {OLDEST_YEARS} years.",
                    citation="ISO/IEC 19795-1",
                    duty="accuracy-evidence",
                )
            )
    return outcome_of(5, reasons, " ".join(notes))


def _untraced(records: Records) -> Iterator[Reason]:
    for one in records.provenance.unknown:
        yield own_reason(
            5,
            "evidence",
            "unknown-finding",
            f"The finding {shown(one)} is not on record for this client, or what it was derived"
            " from is not.",
            "Put it on record with its parents: rightface finding record.",
            citation="rightface: a match is only a lead",
        )


def _problem(evidence: Evidence | None, day: date) -> str:
    if evidence is None:
        return "The error rates of the model in use are not on record."
    if evidence.measured_on > day:
        return f"The error rates were measured on {evidence.measured_on} only."
    if day > _years_after(evidence.measured_on, OLDEST_YEARS):
        return f"The error rates were measured on {evidence.measured_on}; that is too long ago."
    if evidence.impostor_pairs < FEWEST_PAIRS:
        return f"The error rates rest on {evidence.impostor_pairs:,} pairs; that is too few."
    return ""


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)
