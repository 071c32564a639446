"""Step 5: whether the model's error rates were measured, recently and on enough pairs.

Identification rests on error rates. Without a measurement of this model pack nobody is identified.
"""

from __future__ import annotations

from datetime import date

from rightface.law.ruling import StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import Evidence, World

NEEDS_EVIDENCE = frozenset({"identify-1toN", "identify-live"})
OLDEST_YEARS = 2
FEWEST_PAIRS = 100_000
"""Pairs of different persons. If none of them matches, the false match rate lies below 3e-5 with
95 % confidence (rule of three, ISO/IEC 19795-1)."""


def check(world: World) -> StepResult:
    """The evidence behind an identification."""
    if world.operation.action not in NEEDS_EVIDENCE:
        return StepResult(step=5, outcome="pass", note="None is needed: nobody is searched for.")
    if world.records is None:
        return StepResult(
            step=5, outcome="left-out", note="No client is named: evidence is left out."
        )
    evidence = world.records.evidence
    problem = _problem(evidence, world.day)
    if not problem:
        return StepResult(step=5, outcome="pass", note="The model was measured well enough.")
    reason = own_reason(
        5,
        "evidence",
        "accuracy",
        problem,
        f"Measure the model in use on at least {FEWEST_PAIRS:,} pairs, every {OLDEST_YEARS} years.",
        citation="ISO/IEC 19795-1",
        duty="accuracy-evidence",
    )
    return outcome_of(5, [reason], "")


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
