"""Commitments that the operator adopted: they bind from then until the adoption is withdrawn.

Both acts are signed. An adoption whose signature is missing or broken still binds; one whose signed
text is another's binds to both; a withdrawal whose signature is missing or broken does not count.
Statutes and the baseline need no adoption and
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
from rightface.law.clocks import holds
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
    signed: bool

    def binds(self, as_of: str, known_at: str) -> bool:
        """Whether it binds at `as_of`, by what was known at `known_at` (time stamps).

        In doubt it binds: a withdrawal ends it where it was known and its time has come.
        """
        until = None if self.until is None or known_at < self.until else self.until
        return holds(
            as_of,
            known_at,
            live=False,
            start=self.since,
            until=until,
            recorded=self.since,
            ended=None,
        )


def adopt(
    session: Session, keyring: KeyRing, instrument: str, *, at: datetime, by: str
) -> Adoption:
    """Adopt a commitment. One that stands already stays as it is. Call inside `Database.write`."""
    standing = _standing(session, keyring, instrument)
    if standing:
        counted = _counts(keyring, standing[0])
        return next(_adoption(keyring, standing[0], c) for c in counted if _stands(c, instrument))
    row = _add(session, keyring, instrument, stamp(at), by)
    return _adoption(keyring, row, _counts(keyring, row)[0])


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
            "adopted_at": _apart(session, keyring, row, instrument),
            "withdrawn_at": stamp(at),
            "reason": reason.strip(),
            "by": by,
        }
        row.withdrawn_at = stamp(at)
        row.withdrawal, row.withdrawal_signature = sealed(keyring, "withdrawal", told)
    session.flush()
    return _adoption(keyring, rows[0], _counts(keyring, rows[0])[0])


def all_adoptions(session: Session, keyring: KeyRing) -> list[Adoption]:
    """Every adoption, oldest first, ended ones included."""
    rows = session.scalars(select(AdoptionRow).order_by(AdoptionRow.id))
    return [_adoption(keyring, row, one) for row in rows for one in _counts(keyring, row)]


def counts(
    keyring: KeyRing,
    instrument: str,
    adopted_at: str,
    body: str | None,
    signature: bytes | None,
    withdrawal: str | None,
    withdrawal_signature: bytes | None,
) -> list[Counted]:
    """What counts of a row's columns.

    What was signed counts, and without a good signature the columns do. Where both are there and
    differ, both bind: one was written over the other. The end is None unless a well-signed
    withdrawal names this very adoption.
    """
    told = opened(keyring, "adoption", body, signature)
    ended = opened(keyring, "withdrawal", withdrawal, withdrawal_signature)
    found = [] if told is None else [(told["instrument"], told["adopted_at"], True)]
    if (instrument, adopted_at, True) not in found:
        found.append((instrument, adopted_at, False))
    return [
        Counted(
            name,
            since,
            ended["withdrawn_at"]
            if ended is not None and (ended["instrument"], ended["adopted_at"]) == (name, since)
            else None,
            signed,
        )
        for name, since, signed in found
    ]


def _counts(keyring: KeyRing, row: AdoptionRow) -> list[Counted]:
    return counts(
        keyring,
        row.instrument,
        row.adopted_at,
        row.body,
        row.signature,
        row.withdrawal,
        row.withdrawal_signature,
    )


def _stands(told: Counted, instrument: str) -> bool:
    return told.instrument == instrument and told.until is None


def _standing(session: Session, keyring: KeyRing, instrument: str) -> list[AdoptionRow]:
    rows = session.scalars(select(AdoptionRow).order_by(AdoptionRow.id))
    return [row for row in rows if any(_stands(c, instrument) for c in _counts(keyring, row))]


def _apart(session: Session, keyring: KeyRing, row: AdoptionRow, instrument: str) -> str:
    """Give whatever else a row binds to a row of its own; since when this one binds."""
    counted = _counts(keyring, row)
    since = min(one.since for one in counted if _stands(one, instrument))
    if len(counted) > 1:
        for one in counted:
            if not _stands(one, instrument):
                other = _add(session, keyring, one.instrument, one.since, row.by)
                if one.until is not None:
                    other.withdrawn_at, other.withdrawal = one.until, row.withdrawal
                    other.withdrawal_signature = row.withdrawal_signature
        row.instrument, row.adopted_at = instrument, since
        told = {"instrument": instrument, "adopted_at": since, "by": row.by}
        row.body, row.signature = sealed(keyring, "adoption", told)
    return since


def _add(
    session: Session, keyring: KeyRing, instrument: str, adopted_at: str, by: str
) -> AdoptionRow:
    told = {"instrument": instrument, "adopted_at": adopted_at, "by": by}
    body, signature = sealed(keyring, "adoption", told)
    row = AdoptionRow(
        instrument=instrument, adopted_at=adopted_at, by=by, body=body, signature=signature
    )
    session.add(row)
    session.flush()
    return row


def _adoption(keyring: KeyRing, row: AdoptionRow, told: Counted) -> Adoption:
    ended = opened(keyring, "withdrawal", row.withdrawal, row.withdrawal_signature)
    return Adoption(
        instrument=told.instrument,
        adopted_at=moment(told.since),
        withdrawn_at=None if told.until is None else moment(told.until),
        by=row.by,
        reason=None if ended is None or told.until is None else ended["reason"],
        signed=told.signed,
    )
