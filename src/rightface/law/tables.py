"""The law's SQL tables: licences, consents, warrants, facts and the rest. No rule, no logic.

Times are UTC, as ISO 8601 text of fixed width, so that their order is the order of time in every
database. `moment` and `stamp` convert.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from rightface.db import Base
from rightface.errors import LawError, StorageError

TIME = 27  # characters of 2026-11-22T01:02:03.000004Z


def stamp(when: datetime) -> str:
    """`when` in UTC as fixed-width text.

    Raises:
        LawError: it has no time zone.
    """
    if when.utcoffset() is None:
        raise LawError("A time without a time zone cannot be recorded.", mend="Give it in UTC.")
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """The inverse of `stamp`.

    Raises:
        StorageError: it is no such text; somebody edited the database.
    """
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        found = datetime.min
    if found.utcoffset() is None:
        raise StorageError(
            "A time in the database is malformed.",
            why="rightface writes 2026-11-22T01:02:03.000004Z; something else wrote this one.",
            mend="Restore the database, or mend the row.",
        )
    return found


class LicenceRow(Base):
    """One licence: the signed text and what is looked up by."""

    __tablename__ = "licences"

    licence_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    access_key_id: Mapped[str] = mapped_column(String(20), unique=True)
    client: Mapped[str] = mapped_column(String(128), index=True)
    body: Mapped[str] = mapped_column(Text)
    """The licence as canonical JSON (RFC 8785); this is what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary(128))
    """The secret access key, sealed under the instance's key."""
    revoked_at: Mapped[str | None] = mapped_column(String(TIME))


class ConsentRow(Base):
    """One consent of one person, who is named by a keyed commitment only."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("consents_of_subject", "subject", "id"),
        Index("consents_by_end", "expires_at"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    subject: Mapped[str] = mapped_column(String(64))
    purposes: Mapped[str] = mapped_column(Text)
    """JSON list."""
    galleries: Mapped[str] = mapped_column(Text)
    """JSON list of patterns."""
    client: Mapped[str | None] = mapped_column(String(128))
    """None: any client of this instance."""
    notice_digest: Mapped[str] = mapped_column(String(64))
    retention_days: Mapped[int] = mapped_column(Integer)
    how: Mapped[str] = mapped_column(String(32))
    obtained_at: Mapped[str] = mapped_column(String(TIME))
    expires_at: Mapped[str | None] = mapped_column(String(TIME))
    withdrawn_at: Mapped[str | None] = mapped_column(String(TIME))
    mac: Mapped[str | None] = mapped_column(String(64))
    """Keyed hash of all other columns (consents.row_mac). None, or another: it covers nothing."""


class AdoptionRow(Base):
    """A commitment that the operator adopted, from one moment to another."""

    __tablename__ = "adoptions"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    instrument: Mapped[str] = mapped_column(String(128), index=True)
    adopted_at: Mapped[str] = mapped_column(String(TIME))
    withdrawn_at: Mapped[str | None] = mapped_column(String(TIME))
    by: Mapped[str] = mapped_column(String(128))
    body: Mapped[str | None] = mapped_column(Text)
    """The act as canonical JSON; this is what is signed. None: made before acts were signed."""
    signature: Mapped[bytes | None] = mapped_column(LargeBinary(64))
    withdrawal: Mapped[str | None] = mapped_column(Text)
    """The withdrawal as canonical JSON."""
    withdrawal_signature: Mapped[bytes | None] = mapped_column(LargeBinary(64))


class DutyRow(Base):
    """A duty that is met, with the digest of the document that shows it."""

    __tablename__ = "duties_on_record"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    duty: Mapped[str] = mapped_column(String(64), index=True)
    document_digest: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[str] = mapped_column(String(TIME))
    ended_at: Mapped[str | None] = mapped_column(String(TIME))
    by: Mapped[str] = mapped_column(String(128))
    body: Mapped[str | None] = mapped_column(Text)
    """The duty as canonical JSON; this is what is signed."""
    signature: Mapped[bytes | None] = mapped_column(LargeBinary(64))


class WarrantRow(Base):
    """One warrant, order or emergency: the signed text, and what happened to it since."""

    __tablename__ = "warrants"

    warrant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client: Mapped[str] = mapped_column(String(128), index=True)
    body: Mapped[str] = mapped_column(Text)
    """The record as canonical JSON; this is what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    recorded_at: Mapped[str] = mapped_column(String(TIME))
    requested_at: Mapped[str | None] = mapped_column(String(TIME))
    reported_at: Mapped[str | None] = mapped_column(String(TIME))
    ended_at: Mapped[str | None] = mapped_column(String(TIME))
    ended_as: Mapped[str | None] = mapped_column(String(16))
    """`ended`, or `refused` by the court."""
    course_signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    """The signature of what happened since: the four columns above, as canonical JSON."""


class FactRow(Base):
    """A state of the world, or a standing condition of a client or gallery, with its attester."""

    __tablename__ = "facts_on_record"
    __table_args__ = (Index("facts_by_name", "name", "recorded_at"),)

    fact_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    client: Mapped[str | None] = mapped_column(String(128))
    """None: whoever asks."""
    body: Mapped[str] = mapped_column(Text)
    """The fact as canonical JSON: value, scope, dates, attester, document; what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    attestation: Mapped[str | None] = mapped_column(Text)
    """The attester's own signed answers to the checklist, where the fact has one."""
    recorded_at: Mapped[str] = mapped_column(String(TIME))
    ended_at: Mapped[str | None] = mapped_column(String(TIME))


class AttesterRow(Base):
    """Somebody whose signed attestations this instance trusts, by their public key."""

    __tablename__ = "attesters"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    name: Mapped[str] = mapped_column(String(128), index=True)
    body: Mapped[str] = mapped_column(Text)
    """Name, public key and dates as canonical JSON; this is what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    added_at: Mapped[str] = mapped_column(String(TIME))
    ended_at: Mapped[str | None] = mapped_column(String(TIME))


class FindingRow(Base):
    """Something found in a case, and what it was derived from."""

    __tablename__ = "findings"

    finding_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client: Mapped[str] = mapped_column(String(128), index=True)
    body: Mapped[str] = mapped_column(Text)
    """The finding as canonical JSON: kind, parents, dates, document; what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    recorded_at: Mapped[str] = mapped_column(String(TIME))


class EvidenceRow(Base):
    """One measurement of a model pack: the signed text and what is looked up by."""

    __tablename__ = "evidence_on_record"

    evidence_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    pack_digest: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    """The figures as canonical JSON, with data set, dates and signer; what is signed."""
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    recorded_at: Mapped[str] = mapped_column(String(TIME))
    ended_at: Mapped[str | None] = mapped_column(String(TIME))


class SuppressionRow(Base):
    """Who was erased where, and must not come back without a newer consent (suppressions.py)."""

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("suppressions_of_subject", "subject", "client", "gallery", "reason", unique=True),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    subject: Mapped[str] = mapped_column(String(64))
    """Keyed commitment of the person; `*`: everybody."""
    client: Mapped[str] = mapped_column(String(64))
    """Keyed commitment of the client; `*`: every client."""
    gallery: Mapped[str] = mapped_column(String(64))
    """Keyed commitment of the gallery; `*`: every gallery."""
    reason: Mapped[str] = mapped_column(String(32))
    at: Mapped[str] = mapped_column(String(TIME))
    mac: Mapped[str | None] = mapped_column(String(64))
    """Keyed hash of the five columns above. None, or another: no consent lifts the entry."""
