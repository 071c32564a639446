"""Commitments that the operator adopted: they bind from then until the adoption is withdrawn.

Both acts are signed. An adoption whose signature is missing or broken still binds; a withdrawal
whose signature is missing or broken does not count. Statutes and the baseline need no adoption and
cannot be withdrawn; whether an instrument is a commitment is for the caller to check
(`InstrumentLibrary.commitment`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.keys import KeyRing
from rightface.law.signed import opened, sealed
from rightface.law.tables import AdoptionRow, moment, stamp

LONGEST_REASON = 1_000  # characters


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """One adoption. Term: half-open, [adopted_at, withdrawn_at)."""

    instrument: str
    adopted_at: datetime
    withdrawn_at: datetime | None
    """Where the withdrawal bears a good signature; else None."""
    by: str
    reason: str | None = None
    """Why it was withdrawn."""
    signed: bool = True
    """Whether the adoption bears a good signature. It binds either way."""


class Counted(NamedTuple):
    """What counts of an adoption: time stamps, half-open."""

    instrument: str
    since: str
    until: str | None


def adopt(
    session: Session, keyring: KeyRing, instrument: str, *, at: datetime, by: str
) -> Adoption:
    """Adopt a commitment. One that stands already stays as it is. Call inside `Database.write`."""
    standing = _standing(session, keyring, instrument)
    if standing:
        return _adoption(keyring, standing[0])
    told = {"instrument": instrument, "adopted_at": stamp(at), "by": by}
    body, signature = sealed(keyring, "adoption", told)
    row = AdoptionRow(
        instrument=instrument, adopted_at=stamp(at), by=by, body=body, signature=signature
    )
    session.add(row)
    session.flush()
    return _adoption(keyring, row)


def withdraw_adoption(
    session: Session, keyring: KeyRing, instrument: str, *, reason: str, at: datetime, by: str
) -> Adoption:
    """End an adoption. Call inside `Database.write`.

    Raises:
        LawError: the commitment is not adopted, or no reason is given.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise LawError(
            "A withdrawal needs a reason.",
            why=f"It is printable text of at most {LONGEST_REASON} characters, for those who ask.",
            mend="Say why.",
        )
    rows = _standing(session, keyring, instrument)
    if not rows:
        raise LawError(f"'{instrument}' is not adopted.", mend="rightface law list")
    for row in rows:
        told = {
            "instrument": instrument,
            "adopted_at": _counts(keyring, row).since,
            "withdrawn_at": stamp(at),
            "reason": reason.strip(),
            "by": by,
        }
        row.withdrawn_at = stamp(at)
        row.withdrawal, row.withdrawal_signature = sealed(keyring, "withdrawal", told)
    session.flush()
    return _adoption(keyring, rows[0])


def all_adoptions(session: Session, keyring: KeyRing) -> list[Adoption]:
    """Every adoption, oldest first, ended ones included."""
    rows = session.scalars(select(AdoptionRow).order_by(AdoptionRow.id))
    return [_adoption(keyring, row) for row in rows]


def counts(
    keyring: KeyRing,
    instrument: str,
    adopted_at: str,
    body: str | None,
    signature: bytes | None,
    withdrawal: str | None,
    withdrawal_signature: bytes | None,
) -> Counted:
    """What counts of a row's columns.

    What was signed counts, whatever the columns say; without a good signature the columns do. The
    end is None unless a well-signed withdrawal names this very adoption.
    """
    told = opened(keyring, "adoption", body, signature)
    if told is not None:
        instrument, adopted_at = told["instrument"], told["adopted_at"]
    ended = opened(keyring, "withdrawal", withdrawal, withdrawal_signature)
    if ended is None or (ended["instrument"], ended["adopted_at"]) != (instrument, adopted_at):
        return Counted(instrument, adopted_at, None)
    return Counted(instrument, adopted_at, ended["withdrawn_at"])


def _counts(keyring: KeyRing, row: AdoptionRow) -> Counted:
    return counts(
        keyring,
        row.instrument,
        row.adopted_at,
        row.body,
        row.signature,
        row.withdrawal,
        row.withdrawal_signature,
    )


def _standing(session: Session, keyring: KeyRing, instrument: str) -> list[AdoptionRow]:
    rows = session.scalars(select(AdoptionRow).order_by(AdoptionRow.id))
    found = [(row, _counts(keyring, row)) for row in rows]
    return [row for row, told in found if told.instrument == instrument and told.until is None]


def _adoption(keyring: KeyRing, row: AdoptionRow) -> Adoption:
    told = _counts(keyring, row)
    ended = opened(keyring, "withdrawal", row.withdrawal, row.withdrawal_signature)
    return Adoption(
        instrument=told.instrument,
        adopted_at=moment(told.since),
        withdrawn_at=None if told.until is None else moment(told.until),
        by=row.by,
        reason=None if ended is None or told.until is None else ended["reason"],
        signed=opened(keyring, "adoption", row.body, row.signature) is not None,
    )
