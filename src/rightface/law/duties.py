"""Duties on record: what the operator has published or arranged, with the document's digest.

Each is signed, its end and its scope included; one whose signature is missing or broken does not
count. One with a scope counts for that client and those galleries only. Only recordable duties are
taken: human review, for one, is met by reviewing, never by a document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.keys import KeyRing
from rightface.law.clocks import holds
from rightface.law.signed import opened, sealed
from rightface.law.tables import DutyRow, moment, stamp
from rightface.law.vocabulary import Vocabulary

DIGEST = re.compile(r"[0-9a-f]{64}")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class DutyOnRecord:
    """One duty met. Term: half-open, [met_from, ended_at); known from `recorded_at` on."""

    duty: str
    document_digest: str
    met_from: datetime
    recorded_at: datetime
    ended_at: datetime | None
    by: str
    client: str | None = None
    """None: whoever asks."""
    gallery: str | None = None
    """A pattern of collections' names; None: whichever is touched, or none."""
    signed: bool = True
    """Whether it bears a good signature. Without one it does not count."""


def record_duty(
    session: Session,
    keyring: KeyRing,
    duty: str,
    *,
    document_digest: str,
    at: datetime,
    by: str,
    met_from: datetime | None = None,
    client: str | None = None,
    gallery: str | None = None,
) -> DutyOnRecord:
    """Put a met duty on record. Call inside `Database.write`.

    Args:
        session: the writing session.
        keyring: signs.
        duty: a recordable duty of the vocabulary.
        document_digest: hex SHA-256 of the document that shows it.
        at: now.
        by: who records it.
        met_from: since when it is met; None: `at`.
        client: for whom alone it counts; None: whoever asks.
        gallery: a pattern of the galleries for which alone it counts; None: all.

    Raises:
        LawError: no such duty, one that no document meets, or a malformed digest or scope.
    """
    words = Vocabulary.load()
    if not words.duties[words.duty(duty)].recordable:
        raise LawError(
            f"The duty '{duty}' cannot be put on record.",
            why="It is met by what is done at each request, never by a document.",
        )
    check_scope(client, gallery)
    if not DIGEST.fullmatch(document_digest):
        raise LawError("The document's digest is not a hexadecimal SHA-256.")
    told = {
        "duty": duty,
        "document": document_digest,
        "from": stamp(met_from or at),
        "recorded_at": stamp(at),
        "ended_at": None,
        "client": client,
        "gallery": gallery,
        "by": by,
    }
    body, signature = sealed(keyring, "duty", told)
    row = DutyRow(
        duty=duty,
        document_digest=document_digest,
        recorded_at=stamp(at),
        by=by,
        body=body,
        signature=signature,
    )
    session.add(row)
    session.flush()
    return _duty(keyring, row)


def end_duty(session: Session, keyring: KeyRing, duty: str, *, at: datetime) -> list[DutyOnRecord]:
    """Record that a duty is no longer met; what ended just now is returned.

    Call inside `Database.write`. A row without a good signature ends as well, unsigned: it did not
    count before.

    Raises:
        LawError: no such duty.
    """
    Vocabulary.load().duty(duty)
    rows = list(
        session.scalars(select(DutyRow).where(DutyRow.duty == duty, DutyRow.ended_at.is_(None)))
    )
    for row in rows:
        told = opened(keyring, "duty", row.body, row.signature)
        row.ended_at = stamp(at)
        if told is not None:
            row.body, row.signature = sealed(keyring, "duty", {**told, "ended_at": stamp(at)})
    session.flush()
    return [_duty(keyring, row) for row in rows]


def all_duties(session: Session, keyring: KeyRing) -> list[DutyOnRecord]:
    """Every duty on record, oldest first, ended ones included."""
    return [_duty(keyring, row) for row in session.scalars(select(DutyRow).order_by(DutyRow.id))]


def read_duty(
    keyring: KeyRing,
    duty: str,
    body: str | None,
    signature: bytes | None,
    recorded_at: str,
    ended_at: str | None,
) -> Mapping[str, Any] | None:
    """What a row's columns say; None: it is unsigned, broken, or text and columns disagree."""
    told = opened(keyring, "duty", body, signature)
    if told is None:
        return None
    columns = (duty, recorded_at, ended_at)
    return told if (told["duty"], told["recorded_at"], told["ended_at"]) == columns else None


def is_met(
    told: Mapping[str, Any],
    at: str,
    known: str,
    *,
    client: str | None,
    gallery: str | None,
    live: bool,
) -> bool:
    """Whether a signed duty is met for a client and gallery, by both clocks (time stamps)."""
    return concerns(told.get("client"), told.get("gallery"), client, gallery) and holds(
        at,
        known,
        live=live,
        start=told["from"],
        until=None,
        recorded=told["recorded_at"],
        ended=told["ended_at"],
    )


def concerns(
    of_client: str | None, of_gallery: str | None, client: str | None, gallery: str | None
) -> bool:
    """Whether a record of this scope speaks of this client and gallery."""
    if of_client is not None and of_client != client:
        return False
    return of_gallery is None or (gallery is not None and fnmatchcase(gallery, of_gallery))


def check_scope(client: str | None, gallery: str | None) -> None:
    """Let a record have this scope only if it is well formed.

    Raises:
        LawError: a malformed client's id, or an empty, too long or unprintable pattern.
    """
    if client is not None and not _CLIENT.fullmatch(client):
        raise LawError("The client's id is malformed.", mend="rightface licence list")
    if gallery is not None and not (0 < len(gallery) <= 255 and gallery.isprintable()):
        raise LawError("A gallery's pattern is empty, too long or unprintable.")


def _duty(keyring: KeyRing, row: DutyRow) -> DutyOnRecord:
    told = read_duty(keyring, row.duty, row.body, row.signature, row.recorded_at, row.ended_at)
    return DutyOnRecord(
        duty=row.duty,
        document_digest=row.document_digest if told is None else told["document"],
        met_from=moment(row.recorded_at if told is None else told["from"]),
        recorded_at=moment(row.recorded_at),
        ended_at=None if row.ended_at is None else moment(row.ended_at),
        by=row.by,
        client=None if told is None else told.get("client"),
        gallery=None if told is None else told.get("gallery"),
        signed=told is not None,
    )
