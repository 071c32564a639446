"""Step 0: which time the question is about, and who asks."""

from __future__ import annotations

from rightface.law.ruling import Reason, StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import World

_CITATION = "rightface: permits are for now, for a known client"


def check(world: World) -> StepResult:
    """A permit is for now, for a named client, and rests on records, never on stated facts."""
    operation, reasons = world.operation, list[Reason]()

    def refuse(rule: str, text: str, change: str) -> None:
        reasons.append(own_reason(0, "gate", rule, text, change, citation=_CITATION))

    if world.live:
        if operation.as_of is not None and operation.as_of != world.as_of:
            refuse(
                "not-now",
                "A permit is for now; this asks about another time.",
                "Ask without a time, or ask it as a question.",
            )
        if operation.known_at is not None and operation.known_at != world.as_of:
            refuse(
                "not-as-known",
                "A permit goes by what is known now; this asks for an earlier state of knowledge.",
                "Ask without it, or ask it as a question.",
            )
        if operation.client is None or operation.licence_id is None:
            refuse("no-client", "Nobody is named who asks.", "Name the client and its licence.")
        if operation.conditions:
            refuse(
                "stated-conditions",
                "It states facts; the gate goes by what is on record.",
                "Put the facts on record.",
            )
        damaged = () if world.records is None else world.records.damaged
        if damaged and operation.action != "erase":  # it may have been one that forbids
            named = ", ".join(damaged[:3]) + (" and others" if damaged[3:] else "")
            refuse(
                "damaged-record",
                f"What stands on record for it is damaged: {named}.",
                f"End it, then record it anew: rightface law facts end {damaged[0]}",
            )
    who = operation.client or "nobody in particular"
    return outcome_of(0, reasons, f"As of {world.as_of.isoformat()}, asked by {who}.")
