"""Reads what the instance has on record for one operation, in as few queries as it takes.

Nothing read here is kept: a revocation, a withdrawal or a new duty counts from the next operation
on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from rightface.errors import LicenceError
from rightface.keys import KeyRing
from rightface.law import consents, suppressions
from rightface.law.evidence import Evidence
from rightface.law.findings import SEARCHES, Searched, trace
from rightface.law.licences import Licence, by_id, of_client
from rightface.law.on_record import on_record
from rightface.law.operation import Operation
from rightface.law.provenance import Provenance
from rightface.law.suppressions import Suppression
from rightface.law.warrant_records import find as find_warrant
from rightface.law.world import FACELESS, SEALED, Records

Reviewers = Callable[[Session, str, str | None], int]
"""How many people may review what this client searches for; of a review that is named, with those
who have finished their part of it, and may have left since."""
Faces = Callable[[Session, str, str], int]
"""How many faces a client's gallery holds; 0: there is none."""


def read_records(
    session: Session,
    keyring: KeyRing,
    operation: Operation,
    at: datetime,
    evidence: Callable[[], tuple[Evidence, ...]],
    searched: Searched = lambda *_: False,
    reviewers: Reviewers = lambda *_: 0,
    faces: Faces = lambda *_: 0,
    *,
    live: bool = False,
) -> Records:
    """The records that matter to `operation` at `at`.

    A question that names no licence gets the client's newest one that holds at `at`. `searched`
    asks the ledger whether a search took place; `reviewers` counts those who may review what a
    client searches for, `faces` those of a gallery. `evidence`: what ships with the pack in use;
    what is on record of the same pack counts with it. `live`: a permit is asked for.
    """
    licence, broken = find_licence(
        session, keyring, operation.client or "", operation.licence_id, at
    )
    stands = on_record(
        session,
        keyring,
        client=operation.client,
        gallery=operation.gallery,
        as_of=at,
        known_at=operation.known_at,
        live=live,
    )
    people = consents.standing(
        session,
        keyring,
        operation.subjects if operation.action not in FACELESS else (),
        purpose=operation.purpose or "",
        gallery=operation.gallery,
        client=operation.client,
        at=at,
    )
    withdrew, stopped = _suppressed(session, keyring, operation, people)
    client, named = operation.client or "", operation.warrant_id
    warrant = None if named is None else find_warrant(session, keyring, named)
    shipped = tuple(one for one in evidence() if one.source not in stands.evidence_ended)
    searched_in = operation.gallery if operation.action in SEARCHES else None
    provenance = Provenance()
    if operation.findings:
        provenance = trace(session, keyring, client, operation.findings, searched)
    return Records(
        licence=licence,
        licence_broken=broken,
        adopted=stands.adopted,
        duties=stands.duties,
        facts=stands.facts,
        standing=stands.standing,
        consents=people.covering,
        suppressed=people.suppressed | withdrew,
        suppressions=stopped,
        evidence=(*shipped, *_of_pack(stands.evidence, shipped)),
        evidence_damaged=stands.evidence_damaged,
        faces=0 if searched_in is None else faces(session, client, searched_in),
        warrant=None if warrant is None else warrant.warrant,
        warrant_damaged=warrant is not None and warrant.warrant is None,
        provenance=provenance,
        damaged=stands.damaged,
        reviewers=(
            reviewers(session, client, operation.review)
            if live and operation.action in SEALED
            else 0
        ),
    )


def _of_pack(recorded: tuple[Evidence, ...], shipped: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    # What ships says which pack is in use, and how it compares.
    in_use = {(one.pack_digest, one.comparison_digest) for one in shipped}
    return tuple(one for one in recorded if (one.pack_digest, one.comparison_digest) in in_use)


def _suppressed(
    session: Session, keyring: KeyRing, operation: Operation, people: consents.Standing
) -> tuple[frozenset[str], dict[str, tuple[Suppression, ...]]]:
    # Who withdrew by the suppressions (a restored database may lack the consent's row), and what
    # else holds. Enrolment alone is stopped by them.
    if operation.action != "enroll":
        return frozenset(), {}
    found = suppressions.holding(
        session, keyring, operation.subjects, client=operation.client, gallery=operation.gallery
    )
    withdrew, stopped = set(), {}
    for subject, entries in found.items():
        given = people.given.get(subject)
        if any(
            one.reason == suppressions.WITHDRAWAL and (given is None or given <= one.at)
            for one in entries
        ):
            withdrew.add(subject)
        others = tuple(one for one in entries if one.reason != suppressions.WITHDRAWAL)
        if others:
            stopped[subject] = others
    return frozenset(withdrew), stopped


def find_licence(
    session: Session, keyring: KeyRing, client: str, licence_id: str | None, at: datetime
) -> tuple[Licence | None, bool]:
    """The licence named, or the client's newest that holds at `at`, else its newest.

    The second value says that there is one, and that its signature is broken.
    """
    try:
        if licence_id is not None:
            return by_id(session, keyring, licence_id), False
        found = of_client(session, keyring, client)
    except LicenceError:
        return None, True
    holding = [one for one in found if one.revoked_at is None and one.holds(at)]
    candidates = holding or found
    return (candidates[-1] if candidates else None), False
