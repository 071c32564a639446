"""Duties on record: what the operator has published or arranged, with the document's digest.

Only recordable duties are taken: human review, for one, is met by reviewing, never by a document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.law.tables import DutyRow, moment, stamp
from rightface.law.vocabulary import Vocabulary

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class DutyOnRecord:
    """One duty met. Term: half-open, [recorded_at, ended_at)."""

    duty: str
    document_digest: str
    recorded_at: datetime
    ended_at: datetime | None
    by: str


def record_duty(
    session: Session, duty: str, *, document_digest: str, at: datetime, by: str
) -> DutyOnRecord:
    """Put a met duty on record. Call inside `Database.write`.

    Raises:
        LawError: no such duty, one that no document meets, or a malformed digest.
    """
    words = Vocabulary.load()
    if not words.duties[words.duty(duty)].recordable:
        raise LawError(
            f"The duty '{duty}' cannot be put on record.",
            why="It is met by what is done at each request, never by a document.",
        )
    if not _DIGEST.fullmatch(document_digest):
        raise LawError("The document's digest is not a hexadecimal SHA-256.")
    row = DutyRow(duty=duty, document_digest=document_digest, recorded_at=stamp(at), by=by)
    session.add(row)
    session.flush()
    return _duty(row)


def end_duty(session: Session, duty: str, *, at: datetime) -> list[DutyOnRecord]:
    """Record that a duty is no longer met; what ended just now is returned."""
    rows = list(
        session.scalars(select(DutyRow).where(DutyRow.duty == duty, DutyRow.ended_at.is_(None)))
    )
    for row in rows:
        row.ended_at = stamp(at)
    session.flush()
    return [_duty(row) for row in rows]


def all_duties(session: Session) -> list[DutyOnRecord]:
    """Every duty on record, oldest first, ended ones included."""
    return [_duty(row) for row in session.scalars(select(DutyRow).order_by(DutyRow.id))]


def _duty(row: DutyRow) -> DutyOnRecord:
    return DutyOnRecord(
        duty=row.duty,
        document_digest=row.document_digest,
        recorded_at=moment(row.recorded_at),
        ended_at=None if row.ended_at is None else moment(row.ended_at),
        by=row.by,
    )
