"""Commitments that the operator adopted: they bind from then until the adoption is withdrawn.

Statutes and the baseline need no adoption and cannot be withdrawn. Whether an instrument is a
commitment is for the caller to check (`InstrumentLibrary.commitment`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.law.tables import AdoptionRow, moment, stamp


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """One adoption. Term: half-open, [adopted_at, withdrawn_at)."""

    instrument: str
    adopted_at: datetime
    withdrawn_at: datetime | None
    by: str


def adopt(session: Session, instrument: str, *, at: datetime, by: str) -> Adoption:
    """Adopt a commitment. One that stands already stays as it is. Call inside `Database.write`."""
    row = _standing(session, instrument)
    if row is None:
        row = AdoptionRow(instrument=instrument, adopted_at=stamp(at), by=by)
        session.add(row)
        session.flush()
    return _adoption(row)


def withdraw_adoption(session: Session, instrument: str, *, at: datetime) -> Adoption:
    """End an adoption.

    Raises:
        LawError: the commitment is not adopted.
    """
    row = _standing(session, instrument)
    if row is None:
        raise LawError(f"'{instrument}' is not adopted.", mend="rightface law list")
    row.withdrawn_at = stamp(at)
    session.flush()
    return _adoption(row)


def all_adoptions(session: Session) -> list[Adoption]:
    """Every adoption, oldest first, ended ones included."""
    return [_adoption(row) for row in session.scalars(select(AdoptionRow).order_by(AdoptionRow.id))]


def _standing(session: Session, instrument: str) -> AdoptionRow | None:
    return session.scalars(
        select(AdoptionRow).where(
            AdoptionRow.instrument == instrument, AdoptionRow.withdrawn_at.is_(None)
        )
    ).first()


def _adoption(row: AdoptionRow) -> Adoption:
    return Adoption(
        instrument=row.instrument,
        adopted_at=moment(row.adopted_at),
        withdrawn_at=None if row.withdrawn_at is None else moment(row.withdrawn_at),
        by=row.by,
    )
