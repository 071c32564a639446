"""The gallery's tables: subjects with their keys, collections, users, faces, the log of changes.

What could name or show a person is sealed (see vault.py); what is left in the clear is ids, times,
boxes as ratios, and keyed commitments. Knows nothing of policy text, HTTP or vectors.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from rightface.db import Base

ADD, REMOVE, USER = "add", "remove", "user"


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC (SQLite keeps no time zone)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: UTC, without its zone. A naive datetime is a mistake of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a naive datetime; give it a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database: aware, UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class SubjectRow(Base):
    """One biometric data subject: the key that seals everything of theirs, itself wrapped.

    A face enrolled without a reference gets a subject of its own, with neither commitment nor
    sealed reference.
    """

    __tablename__ = "subjects"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    commitment: Mapped[str | None] = mapped_column(String(64), unique=True)
    """`keyring.commitment("subject", reference)`: finds the row, shows no name."""
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_reference: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)


class CollectionRow(Base):
    """One gallery of one client, bound to the model pack whose templates it holds."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("client", "name", name="uq_collections_client_name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    pack_digest: Mapped[str] = mapped_column(String(64))
    log_floor: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """The last number of the collection that was trimmed from `gallery_log`; see change_log.py."""
    tags: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)
    fpir_target: Mapped[float | None] = mapped_column(Float)
    """The share of searches of people who are not enrolled that may find somebody; None: the
    instance's, if it has one."""


class UserRow(Base):
    """Several faces of one person in one collection, under an id that the client chose."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_collection_id_id", "collection_id", "id"),
        Index("ix_users_subject_id", "subject_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id"))
    subject_id: Mapped[str | None] = mapped_column(ForeignKey("subjects.id"))
    """Whose faces were the last to be taken out of it, while it has none: so that it goes with
    them. None: it has faces, or never had any."""
    commitment: Mapped[str] = mapped_column(String(64), unique=True)
    """Keyed, over the collection and the user id: finds the row, shows no name."""
    sealed_id: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)


class FaceRow(Base):
    """One enrolled face: a reference template, sealed under its subject's key."""

    __tablename__ = "faces"
    __table_args__ = (
        Index("ix_faces_collection_id_id", "collection_id", "id"),
        Index("ix_faces_subject_id", "subject_id"),
        Index("ix_faces_retain_until", "retain_until"),
        Index("ix_faces_idle_until", "idle_until"),
        Index("ix_faces_user_id", "user_id"),
        Index(  # before a search that people review: has every face of the gallery a picture?
            "ix_faces_without_crop",
            "collection_id",
            sqlite_where=text("crop IS NULL"),
            postgresql_where=text("crop IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id"))
    subject_id: Mapped[str] = mapped_column(ForeignKey("subjects.id"))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    """The user that the face belongs to: one at most."""
    image_id: Mapped[str] = mapped_column(String(36))
    template: Mapped[bytes] = mapped_column(LargeBinary)
    crop: Mapped[bytes | None] = mapped_column(LargeBinary)
    box_left: Mapped[float] = mapped_column(Float)
    box_top: Mapped[float] = mapped_column(Float)
    box_width: Mapped[float] = mapped_column(Float)
    box_height: Mapped[float] = mapped_column(Float)
    confidence: Mapped[float] = mapped_column(Float)
    quality: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    basis: Mapped[str] = mapped_column(String(64))
    """The legal basis that the enrolment stood on, in the law's vocabulary."""
    purpose: Mapped[str] = mapped_column(String(64))
    """What the face was enrolled for, in the law's vocabulary."""
    enrolled_at: Mapped[datetime] = mapped_column(Moment)
    retain_until: Mapped[datetime | None] = mapped_column(Moment)
    """Erased from then on, whatever happens in between."""
    idle_days: Mapped[int | None] = mapped_column(Integer)
    """Erased so many days after the person's last interaction; None: no such rule."""
    idle_until: Mapped[datetime | None] = mapped_column(Moment)
    """The last interaction and `idle_days` together."""
    ledger_index: Mapped[int] = mapped_column(Integer)
    """The decision that allowed the enrolment."""


class ChangeRow(Base):
    """One change of a collection's faces, in the order of the commits: what indexes follow.

    `user`: the face was put into a user, or taken out of one; which one, its row says.
    """

    __tablename__ = "gallery_log"
    __table_args__ = (
        Index("ix_gallery_log_collection_id_seq", "collection_id", "seq"),
        CheckConstraint("change IN ('add', 'remove', 'user')", name="ck_gallery_log_change"),
        {"sqlite_autoincrement": True},  # a number is never given twice
    )

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    collection_id: Mapped[str] = mapped_column(String(36))
    face_id: Mapped[str] = mapped_column(String(36))
    change: Mapped[str] = mapped_column(String(6))
    at: Mapped[datetime] = mapped_column(Moment)


class KeptAnswerRow(Base):
    """What a client's request token was answered with, for a day."""

    __tablename__ = "kept_answers"
    __table_args__ = (Index("ix_kept_answers_at", "at"),)

    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Keyed, over client, operation and token."""
    parameters: Mapped[str] = mapped_column(String(64))
    """Keyed, over everything else that was asked."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(Moment)


class ReceiptRow(Base):
    """The receipt of one erasure, to be handed out later; no name in it."""

    __tablename__ = "receipts"
    __table_args__ = (Index("ix_receipts_pending", "pending_since"),)

    receipt_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client: Mapped[str] = mapped_column(String(128))
    """Who asked for the erasure: a client, or the operator."""
    ledger_index: Mapped[int] = mapped_column(Integer)
    document: Mapped[str | None] = mapped_column(Text)
    """The signed receipt as JSON; None: the erasure is committed, the last look is to come."""
    pending: Mapped[str | None] = mapped_column(Text)
    """What is needed for the last look, as JSON: ids, counts, commitments. Gone after it."""
    pending_since: Mapped[datetime | None] = mapped_column(Moment)
