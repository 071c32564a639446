"""Step 4: whether the warrant, order or emergency that is relied on is on record and covers this.

In a question a kind of warrant may be stated without a record; a permit rests on records alone.
"""

from __future__ import annotations

from rightface.law.ruling import StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.warrants import problems
from rightface.law.world import World

_CITATION = "rightface: what is relied on must be on record"


def check(world: World) -> StepResult:
    """Every way in which the record does not cover the operation is a reason of its own."""
    operation = world.operation
    if operation.action == "erase":
        return outcome_of(4, [], "Forgetting needs none.")
    if operation.warrant == "none" and operation.warrant_id is None:
        return outcome_of(4, [], "None is relied on.")
    if world.records is None and operation.warrant_id is not None:
        return StepResult(
            step=4, outcome="left-out", note="No client is named: warrants on record are left out."
        )
    if world.records is None or (not world.live and operation.warrant_id is None):
        return outcome_of(4, [], f"As stated: {operation.warrant}.")
    records = world.records
    found = problems(
        records.warrant,
        operation,
        world.as_of,
        live=world.live,
        damaged=records.warrant_damaged,
    )
    reasons = [
        own_reason(4, "warrant", rule, text, change, citation=_CITATION)
        for rule, text, change in found
    ]
    return outcome_of(4, reasons, f"On record: {world.authorisation}.")
