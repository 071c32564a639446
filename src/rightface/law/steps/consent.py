"""Step 3: whether each person who is named consented, or another recorded basis carries it.

Consent is looked at for this purpose, this gallery and this client, at every use. Who withdrew is
not enrolled again on any basis until they consent anew. A refusal counts persons, it names none.
"""

from __future__ import annotations

from rightface.law.ruling import Obligation, Reason, StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.suppressions import Suppression
from rightface.law.world import CONSENT, FACELESS, Records, World

_CITATION = "the instance's consent records"


def check(world: World) -> StepResult:
    """Consents of the persons named, the basis, and who withdrew."""
    if world.records is None:
        return StepResult(
            step=3, outcome="left-out", note="No client is named: consent records are left out."
        )
    operation = world.operation
    if operation.action == "erase":
        return StepResult(step=3, outcome="pass", note="Forgetting needs no basis.")
    reasons = _reasons(world, world.records)
    result = outcome_of(3, reasons, _note(world))
    if reasons or operation.action != "enroll":
        return result
    days = [consent.retention_days for consent in world.records.consents.values()]
    kept = (Obligation("retention-days", min(days), "consent"),) if days else ()
    return StepResult(step=3, outcome="pass", note=result.note, obligations=kept)


def _reasons(world: World, records: Records) -> list[Reason]:
    operation, reasons = world.operation, list[Reason]()
    named = set(operation.subjects) if operation.action not in FACELESS else set()

    def refuse(rule: str, text: str, change: str) -> None:
        reasons.append(own_reason(3, "consent", rule, text, change, citation=_CITATION))

    carried = world.library.vocabulary.bases[world.basis]
    if carried and operation.action not in carried:
        refuse(
            "basis-too-narrow",
            f"The basis '{world.basis}' does not carry {operation.action}.",
            "Issue a licence with a basis that does.",
        )
    if operation.action == "enroll" and records.suppressed & named:
        refuse(
            "withdrawn",
            f"{len(records.suppressed & named)} of {len(named)} named persons withdrew.",
            "They must consent anew: rightface consent record.",
        )
    if operation.action == "enroll" and not named:
        # On any basis: who is not named could never look up, withdraw or be erased.
        refuse("nobody-named", "Nobody is named.", "Name the person to be enrolled.")
    if world.basis != CONSENT:
        return reasons
    if operation.action == "enroll":
        for since in _still_suppressed(records, named):
            refuse(
                "suppressed",
                f"A named person was erased here on {since.at:%Y-%m-%d} ({since.reason}).",
                "They must agree after that: rightface consent record.",
            )
    lacking = len(named - records.consents.keys())
    if lacking:
        refuse(
            "missing",
            f"{lacking} of {len(named)} named persons have no consent on record for this purpose"
            " and gallery.",
            "Record their consent: rightface consent record.",
        )
    return reasons


def _still_suppressed(records: Records, named: set[str]) -> list[Suppression]:
    # The latest entry of each person that no covering consent is younger than.
    found = []
    for subject in sorted(named & records.suppressions.keys()):
        latest = max(records.suppressions[subject], key=lambda one: one.at)
        consent = records.consents.get(subject)
        if consent is None or consent.obtained_at <= latest.at:
            found.append(latest)
    return found


def _note(world: World) -> str:
    if world.operation.action in FACELESS:
        return "No person is singled out."
    if world.basis != CONSENT:
        return f"The licence's basis is '{world.basis}'."
    if world.operation.subjects:
        return "Every person named has consented."
    return "Nobody is named; the client warrants consent by its licence."
