"""Tables of human review, and the words for how a review stands and ends. No logic."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from rightface.db import Base
from rightface.gallery.rows import Moment

OPEN, CLOSED = "open", "closed"
SAME, NOT_THIS_PERSON, CANNOT_TELL = "same", "not-this-person", "cannot-tell"
WORDS = (SAME, NOT_THIS_PERSON, CANNOT_TELL)
"""What a reviewer may say of a candidate."""
CONFIRMED, DISAGREEMENT = "confirmed", "disagreement"
NOBODY, TIMEOUT, ERASED, DAMAGED = "nobody", "timeout", "erased", "damaged"
UNTOLD = (NOBODY, TIMEOUT, ERASED)
"""Ends that client and ledger are told of as `timeout`, when the time is over. Apart, they would
tell whether a search found somebody whom no person has looked at."""


class ReviewRow(Base):
    """One review. After its end only what is told of it, and the key of what was confirmed."""

    __tablename__ = "reviews"

    review_id: Mapped[str] = mapped_column(String(28), primary_key=True)
    client: Mapped[str] = mapped_column(String(128), index=True)
    purpose: Mapped[str] = mapped_column(String(64))
    collection_id: Mapped[str] = mapped_column(String(36), index=True)
    ledger_index: Mapped[int] = mapped_column(Integer)
    """The decision that allowed the search."""
    state: Mapped[str] = mapped_column(String(8), index=True)
    outcome: Mapped[str | None] = mapped_column(String(24))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    """When deciding ends; of a closed one, when its confirmed candidates are destroyed."""
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_terms: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_probe: Mapped[bytes | None] = mapped_column(LargeBinary)
    probe_face_id: Mapped[str | None] = mapped_column(String(36), index=True)
    probe_subject: Mapped[str | None] = mapped_column(String(64), index=True)
    """The row commitment of whom the client says that the photograph shows."""


class CandidateRow(Base):
    """One sealed candidate. Numbers are drawn by lot: they say nothing of the scores."""

    __tablename__ = "review_candidates"

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.review_id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    face_id: Mapped[str] = mapped_column(String(36), index=True)
    sealed_record: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_crop: Mapped[bytes | None] = mapped_column(LargeBinary)


class SeatRow(Base):
    """One reviewer of one review: a person sits once, whatever credentials they hold."""

    __tablename__ = "review_seats"
    __table_args__ = (UniqueConstraint("review_id", "name", name="uq_review_seats_name"),)

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.review_id"), primary_key=True)
    credential_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    """In lower case."""
    sealed_seed: Mapped[bytes] = mapped_column(LargeBinary)
    """The seed of the order in which this reviewer sees the candidates."""
    taken_at: Mapped[datetime] = mapped_column(Moment)


class DecisionRow(Base):
    """What one reviewer said of one candidate, sealed."""

    __tablename__ = "review_decisions"

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.review_id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    credential_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sealed_word: Mapped[bytes] = mapped_column(LargeBinary)
    decided_at: Mapped[datetime] = mapped_column(Moment)


class FigureRow(Base):
    """How many candidates of one band of false match rates came out one way. No person in it."""

    __tablename__ = "review_figures"

    pack: Mapped[str] = mapped_column(String(64), primary_key=True)
    gallery: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A keyed commitment, as in the ledger."""
    band: Mapped[str] = mapped_column(String(8), primary_key=True)
    """The power of ten that the rate at the candidate's score does not exceed: `1e-4`."""
    outcome: Mapped[str] = mapped_column(String(24), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
