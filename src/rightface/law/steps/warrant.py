"""Step 4: whether a warrant, order or emergency that is relied on is on record.

This version keeps no records of warrants, so a permit never rests on one.
"""

from __future__ import annotations

from rightface.law.ruling import Reason, StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import World


def check(world: World) -> StepResult:
    """In a question a warrant counts as stated; for a permit it would have to be on record."""
    stated, reasons = world.operation.warrant, list[Reason]()
    if world.live and stated != "none":
        reasons.append(
            own_reason(
                4,
                "warrant",
                "not-on-record",
                f"It relies on a {stated}, and none is on record.",
                "Ask without it; warrants cannot be recorded in this version.",
                citation="rightface: what is relied on must be on record",
            )
        )
    return outcome_of(
        4, reasons, "None is relied on." if stated == "none" else f"As stated: {stated}."
    )
