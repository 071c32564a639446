"""Suppressions: who was erased where, so that no import, enrolment or sweep brings them back.

An entry holds a keyed commitment of the person (under a sub-key of its own), of the client and of
the gallery, or `*`; a reason word and a time. No template, no name. It holds for enrolment on the
basis of consent until a consent given after it covers the enrolment; a withdrawal's holds on every
basis until the person consents anew. Nothing lifts an entry but a newer consent. Each row has a
keyed hash of all that it says: one that was changed since is lifted by nothing. Knows nothing of
faces.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Row, bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from rightface.keys import KeyRing
from rightface.law.tables import SuppressionRow, moment, stamp

ANY = "*"
"""Every person, client or gallery."""
WITHDRAWAL = "withdrawal"
REASONS = (
    WITHDRAWAL,  # the person took the consent back, or objected
    "request",  # the person, or the operator for them, asked to be erased
    "deletion",  # the client deleted the face, the user or the collection
    "retention",  # a retention date had come
    "expiry",  # the consent had ended by itself
    "purpose-ended",  # the purpose of the gallery was met
    "licence-ended",  # the client's last licence had ended
)
_AT_ONCE = 400
_NEVER = datetime.max.replace(tzinfo=UTC)  # no consent is given after it
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Suppression(NamedTuple):
    """Why somebody is not enrolled again without a newer consent, and since when."""

    reason: str
    at: datetime


class Entry(NamedTuple):
    """One entry as it is kept: commitments in hex (64 digits), or `*`."""

    subject: str
    client: str
    gallery: str


class Kept(NamedTuple):
    """One entry on record, for the person whom it is about."""

    client: str
    gallery: str
    reason: str
    at: datetime


def person(keyring: KeyRing, row_commitment: str) -> str:
    """How an entry names a person, from `subjects.commitment` (no reference is needed)."""
    return keyring.commitment("suppression", row_commitment)


def client_of(keyring: KeyRing, client: str) -> str:
    """How an entry names a client."""
    return keyring.commitment("suppression-client", client)


def gallery_of(keyring: KeyRing, client: str, gallery: str) -> str:
    """How an entry, and the ledger, name a gallery."""
    return keyring.commitment("gallery", f"{client}\x1f{gallery}")


def place_of(keyring: KeyRing, client: str | None, gallery: str | None) -> tuple[str, str]:
    """The place of an entry: client (None: every) and gallery's commitment (None: every)."""
    return (ANY if client is None else client_of(keyring, client), gallery or ANY)


def write(
    session: Session,
    keyring: KeyRing,
    entries: Iterable[Entry],
    *,
    reason: str,
    at: datetime,
) -> int:
    """Put entries on record, in place of those of the same place and reason. How many there are.

    Call inside `Database.write`.
    """
    written = 0
    by_place: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        by_place.setdefault((entry.client, entry.gallery), set()).add(entry.subject)
    for (client, gallery), subjects in sorted(by_place.items()):
        for some in in_parts(sorted(subjects), _AT_ONCE):
            session.execute(
                delete(SuppressionRow).where(
                    SuppressionRow.subject.in_(some),
                    SuppressionRow.client == client,
                    SuppressionRow.gallery == gallery,
                    SuppressionRow.reason == reason,
                )
            )
            place = {"client": client, "gallery": gallery, "reason": reason, "at": stamp(at)}
            rows = [
                {
                    "subject": each,
                    **place,
                    "mac": row_mac(keyring, each, client, gallery, reason, stamp(at)),
                }
                for each in some
            ]
            session.execute(insert(SuppressionRow), rows)
            written += len(some)
    return written


def row_mac(keyring: KeyRing, subject: str, client: str, gallery: str, reason: str, at: str) -> str:
    """The keyed hash (hex, 64 digits) of all that an entry's row says."""
    told = json.dumps([subject, client, gallery, reason, at])
    return keyring.commitment("suppression-row", told)


def _since(keyring: KeyRing, row: SuppressionRow | Row[Any]) -> datetime:
    # Since when the entry holds; of one that was changed nobody knows: no consent is newer.
    told = row_mac(keyring, row.subject, row.client, row.gallery, row.reason, row.at)
    if hmac.compare_digest(told.encode(), (row.mac or "").encode()):
        return moment(row.at)
    _log.error("a suppression's record is not as it was written; no consent lifts it")
    return _NEVER


def holding(
    session: Session,
    keyring: KeyRing,
    subjects: Iterable[str],
    *,
    client: str | None,
    gallery: str | None,
) -> dict[str, tuple[Suppression, ...]]:
    """Subject → the entries on record for this client and gallery, whether lifted or not.

    Args:
        session: for reading.
        keyring: makes the commitments.
        subjects: references of the persons.
        client: who asks.
        gallery: the collection's name; None: none is used, only entries for all galleries count.
    """
    known = {person(keyring, keyring.commitment("subject", one)): one for one in subjects}
    if not known:
        return {}
    clients = [ANY] if client is None else [ANY, client_of(keyring, client)]
    galleries = [ANY]
    if client is not None and gallery is not None:
        galleries.append(gallery_of(keyring, client, gallery))
    found: dict[str, list[Suppression]] = {one: [] for one in known.values()}
    rows = session.connection().execute(
        _HOLDING, {"subjects": [ANY, *known], "clients": clients, "galleries": galleries}
    )
    for row in rows:
        entry = Suppression(row.reason, _since(keyring, row))
        for one in known.values() if row.subject == ANY else (known[row.subject],):
            found[one].append(entry)
    return {one: tuple(entries) for one, entries in found.items() if entries}


def of_subject(session: Session, keyring: KeyRing, subject: str) -> list[Kept]:
    """Every entry about one person, oldest first; those for everybody are left out."""
    known = person(keyring, keyring.commitment("subject", subject))
    query = (
        select(SuppressionRow).where(SuppressionRow.subject == known).order_by(SuppressionRow.id)
    )
    return [
        Kept(row.client, row.gallery, row.reason, _since(keyring, row))
        for row in session.scalars(query)
    ]


def counts(session: Session) -> Mapping[str, int]:
    """How many entries there are, by reason."""
    query = select(SuppressionRow.reason, func.count()).group_by(SuppressionRow.reason)
    return {row.reason: row[1] for row in session.execute(query.order_by("reason"))}


def in_parts(things: Sequence[T], most: int) -> Iterator[list[T]]:
    """The things in lists of at most `most`."""
    coming = iter(things)
    while some := list(islice(coming, most)):
        yield some


_TABLE = SuppressionRow.__table__.c
_HOLDING = select(*_TABLE).where(
    _TABLE.subject.in_(bindparam("subjects", expanding=True)),
    _TABLE.client.in_(bindparam("clients", expanding=True)),
    _TABLE.gallery.in_(bindparam("galleries", expanding=True)),
)
