"""Step 1: whether the client's licence is genuine, holds now, and covers what is asked.

Forgetting needs no grant: an erasure passes for the client whose licence it is, whatever the
licence's term, grants or state.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from rightface.law.licences import Licence
from rightface.law.ruling import StepResult
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import World

NEEDS_GALLERY = frozenset({"enroll", "identify-1toN", "identify-live"})
_ISSUE = "Issue a licence that covers it: rightface licence issue."
_Problem = tuple[str, str, str]


def check(world: World) -> StepResult:
    """Every way in which the licence does not cover the operation is a reason of its own."""
    if world.records is None:
        return StepResult(
            step=1, outcome="left-out", note="No client is named: licences are left out."
        )
    licence = world.licence
    if licence is None:
        citation, problems = "no licence", [_no_licence(world.records.licence_broken)]
    else:
        citation, problems = f"licence {licence.licence_id}", list(_problems(world, licence))
    reasons = [
        own_reason(1, "licence", rule, text, change, citation=citation)
        for rule, text, change in problems
    ]
    return outcome_of(1, reasons, f"It is covered by {citation}.")


def _no_licence(broken: bool) -> _Problem:
    if broken:
        return (
            "signature",
            "The licence does not bear this instance's signature.",
            "Revoke it and issue a new one.",
        )
    return "unknown", "There is no such licence.", _ISSUE


def _problems(world: World, licence: Licence) -> Iterator[_Problem]:
    if licence.client != world.operation.client:
        yield "other-client", "The licence is another client's.", "Use the client's own licence."
    # A revoked key may be in a stranger's hands: it erases nothing either.
    yield from _revocation(world, licence)
    if world.operation.action == "erase":
        return
    if world.operation.actor != licence.sector:
        yield (
            "other-sector",
            f"The licence is for a {licence.sector}, the operation says {world.operation.actor}.",
            "Ask as what the licence says, or issue another licence.",
        )
    yield from _term(world, licence)
    yield from _grants(world, licence)


def _revocation(world: World, licence: Licence) -> Iterator[_Problem]:
    revoked = licence.revoked_at
    # For a permit a revocation counts at once, even one stamped a moment after the gate's clock.
    if revoked is not None and (world.live or revoked <= world.as_of):
        yield "revoked", f"The licence was revoked on {revoked.date()}.", "Issue a new licence."


def _term(world: World, licence: Licence) -> Iterator[_Problem]:
    if world.as_of < licence.valid_from:
        yield (
            "not-yet-valid",
            f"The licence holds from {licence.valid_from.isoformat()}.",
            "Wait, or issue one that holds now.",
        )
    if world.as_of >= licence.valid_until:
        yield (
            "expired",
            f"The licence ended on {licence.valid_until.isoformat()}.",
            "Issue a new licence.",
        )


def _grants(world: World, licence: Licence) -> Iterator[_Problem]:
    operation, words = world.operation, world.library.vocabulary
    if operation.action not in words.granted(licence.operations):
        yield "operation-not-granted", f"The licence does not grant {operation.action}.", _ISSUE
    if not operation.purpose:
        yield (
            "no-purpose",
            "The operation states no purpose.",
            f"Name one that the licence grants: {', '.join(licence.purposes)}.",
        )
    elif operation.purpose not in words.purposes:
        yield (
            "unknown-purpose",
            "The stated purpose is not one of the list.",
            f"Name one that the licence grants: {', '.join(licence.purposes)}.",
        )
    elif operation.purpose not in licence.purposes:
        yield "purpose-not-granted", f"The licence does not grant '{operation.purpose}'.", _ISSUE
    yield from _places(world, licence)
    if operation.legal_basis not in (None, licence.basis):
        yield (
            "basis-not-granted",
            f"The licence rests on '{licence.basis}', not on '{operation.legal_basis}'.",
            _ISSUE,
        )


def _places(world: World, licence: Licence) -> Iterator[_Problem]:
    operation, words = world.operation, world.library.vocabulary
    if operation.gallery is None:
        if operation.action in NEEDS_GALLERY:
            yield "no-gallery", "The operation names no gallery.", "Name the gallery."
    elif not any(fnmatchcase(operation.gallery, pattern) for pattern in licence.galleries):
        yield "gallery-not-granted", "The licence does not cover this gallery.", _ISSUE
    for place in dict.fromkeys((operation.place_jurisdiction, operation.gallery_jurisdiction)):
        if not any(words.contains(granted, place) for granted in licence.jurisdictions):
            yield "place-not-granted", f"The licence does not cover {place}.", _ISSUE
