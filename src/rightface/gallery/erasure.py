"""Erasure: the one way out of the gallery, for faces, subjects and collections alike.

    1. In one transaction: delete the faces' rows with their sealed templates and crops; delete
       every subject that has no face left anywhere, and so its key; log it for the indexes.
    2. In the same transaction: ask the tables whether anything is left. If so, nothing is kept.
    3. In the same transaction: append the outcome to the ledger (`record`).
    4. After the commit: let the indexes of this process go of the faces, overwrite the deleted
       bytes in the database's files, ask the tables again.
    5. Sign the receipt.

A subject's key goes with the last face, whatever the reason: it seals nothing any more, and without
it what the ledger says of the subject points to nobody. Withdrawn consent is remembered elsewhere
(law/consents). Must never know: HTTP, policy text; receipts hold no name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, insert, select
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import CollectionNotFound, GalleryError, KeysError
from rightface.gallery.receipts import Receipt, sign_receipt
from rightface.gallery.retention import overdue
from rightface.gallery.room import IndexRoom
from rightface.gallery.rows import REMOVE, ChangeRow, CollectionRow, FaceRow, SubjectRow
from rightface.gallery.store import Collection
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.permit import Permit, Touch, require

OVERDUE_AT_ONCE = 500  # so that a great many do not hold up other writers
_AT_ONCE = 500  # faces deleted by one statement
_LEFT = "An erasure left something behind; it was taken back."
_NAMED = 100  # subjects' commitments listed in a receipt; all are in its digest


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What one erasure took away. `complete_erasure` makes the receipt once it is committed."""

    what: str
    """`faces`, `subject` or `collection`."""
    reason: str
    """A controlled word: `withdrawal`, `request`, `retention`, `purpose-ended`, …"""
    faces: int
    crops: int
    keys: int
    subjects: tuple[str, ...]
    """The ledger's commitments of the subjects concerned, sorted."""
    face_ids: dict[str, list[str]] = field(repr=False)
    """By collection id; empty for a whole collection."""
    subject_ids: tuple[str, ...] = field(default=(), repr=False)
    """The subjects whose keys went."""
    missing: tuple[str, ...] = field(default=(), repr=False)
    """Ids that were asked for and are not in the collection."""
    collection_id: str | None = None
    ledger_index: int = -1

    @property
    def counts(self) -> dict[str, int]:
        """For the ledger's leaf."""
        return {"faces": self.faces, "crops": self.crops, "keys": self.keys}


Record = Callable[[Session, Erasure], int]
"""Appends the erasure's outcome to the ledger, in this session; returns the leaf's index."""


def erase_faces(
    session: Session,
    vault: Vault,
    collection: Collection,
    face_ids: Iterable[str],
    *,
    reason: str,
    record: Record,
    permit: Permit,
) -> Erasure:
    """Erase faces of one collection (inside `Database.write`). Needs ERASE.

    Ids that are not in it are told in `missing`.

    Raises:
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    wanted = sorted(set(face_ids))
    taken = _Taken(session, vault)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        taken.take_all(FaceRow.collection_id == collection.id, FaceRow.id.in_(some))
    gone = set(taken.face_ids.get(collection.id, ()))
    missing = tuple(face_id for face_id in wanted if face_id not in gone)
    return taken.finish("faces", reason, record, missing=missing)


def erase_subject(
    session: Session,
    vault: Vault,
    reference: str,
    *,
    client: str | None = None,
    reason: str,
    record: Record,
    permit: Permit,
) -> Erasure:
    """Erase every face of a subject, in all collections or in one client's. Needs ERASE.

    Inside `Database.write`. A subject that has no face gives an erasure of nothing.

    Raises:
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    taken = _Taken(session, vault)
    subject_id = session.execute(
        select(SubjectRow.id).where(SubjectRow.commitment == vault.row_commitment(reference))
    ).scalar_one_or_none()
    if subject_id is not None:
        conditions: list[ColumnElement[bool]] = [FaceRow.subject_id == subject_id]
        if client is not None:
            own = select(CollectionRow.id).where(CollectionRow.client == client)
            conditions.append(FaceRow.collection_id.in_(own))
        taken.take_all(*conditions)
        taken.drop_if_faceless(subject_id)
    return taken.finish("subject", reason, record)


def erase_collection(
    session: Session,
    vault: Vault,
    collection: Collection,
    *,
    reason: str,
    record: Record,
    permit: Permit,
) -> Erasure:
    """Erase a collection with all its faces (inside `Database.write`). Needs ERASE.

    Raises:
        CollectionNotFound: it was deleted meanwhile.
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    if session.get(CollectionRow, collection.id) is None:
        raise CollectionNotFound("The collection was deleted meanwhile.")
    taken = _Taken(session, vault, log=False)
    taken.take_all(FaceRow.collection_id == collection.id)
    session.execute(delete(ChangeRow).where(ChangeRow.collection_id == collection.id))
    session.execute(delete(CollectionRow).where(CollectionRow.id == collection.id))
    return taken.finish("collection", reason, record, collection_id=collection.id)


def erase_overdue(
    session: Session,
    vault: Vault,
    at: datetime,
    *,
    collection_id: str | None = None,
    reason: str = "retention",
    record: Record,
    permit: Permit,
) -> Erasure:
    """Erase faces that are past a date, some at a time (`OVERDUE_AT_ONCE`). Needs ERASE.

    Inside `Database.write`. Of one collection only, if it is named. Ask again until it erases
    nothing.

    Raises:
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    due = select(FaceRow.id).where(overdue(at))
    if collection_id is not None:
        due = due.where(FaceRow.collection_id == collection_id)
    face_ids = session.execute(due.limit(OVERDUE_AT_ONCE)).scalars().all()
    taken = _Taken(session, vault)
    taken.take_all(FaceRow.id.in_(face_ids))
    return taken.finish("faces", reason, record)


def complete_erasure(
    erasure: Erasure, *, database: Database, room: IndexRoom, keyring: KeyRing
) -> Receipt:
    """After the commit: indexes, files, a last look, and the signed receipt (steps 4 and 5).

    Raises:
        GalleryError: an index or the tables still hold something. No receipt is given.
    """
    if erasure.collection_id is not None:
        room.forget_collection(erasure.collection_id)
    left = room.forget(erasure.face_ids)
    overwritten = database.forget_deleted()
    with database.read() as session:
        left += _rows_left(session, erasure)
    if left:
        raise GalleryError("An erasure left something behind; no receipt is given.")
    return sign_receipt(
        keyring,
        Receipt(
            what=erasure.what,
            reason=erasure.reason,
            erased=erasure.counts,
            remaining={"index_entries": 0, "rows": 0},
            overwritten=overwritten,
            subjects=erasure.subjects[:_NAMED],
            subject_count=len(erasure.subjects),
            subjects_digest=hashlib.sha256("\n".join(erasure.subjects).encode()).hexdigest(),
            ledger_index=erasure.ledger_index,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


class _Taken:
    """What one transaction has erased so far."""

    def __init__(self, session: Session, vault: Vault, *, log: bool = True) -> None:
        self._session = session
        self._vault = vault
        self._logs = log
        self._faces = self._crops = 0
        self.face_ids: dict[str, list[str]] = {}
        self._subjects: set[str] = set()
        self._keyless: list[str] = []

    def take_all(self, *conditions: ColumnElement[bool]) -> None:
        """Erase every face that meets the conditions, some at a time."""
        query = (
            select(
                FaceRow.id,
                FaceRow.collection_id,
                FaceRow.subject_id,
                FaceRow.crop.is_not(None).label("has_crop"),
                SubjectRow.wrapped_key,
            )
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .where(*conditions)
            .limit(_AT_ONCE)
        )
        while rows := self._session.execute(query).all():
            self._take(rows)

    def _take(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        for row in rows:
            self._name(row.subject_id, row.wrapped_key)
            if self._logs:
                self.face_ids.setdefault(row.collection_id, []).append(row.id)
        self._faces += len(rows)
        self._crops += sum(row.has_crop for row in rows)
        ids = [row.id for row in rows]
        self._session.execute(delete(FaceRow).where(FaceRow.id.in_(ids)))
        if _count(self._session, FaceRow.id.in_(ids)):  # or the loop above would never end
            raise GalleryError(_LEFT)
        if self._logs:
            now = datetime.now(UTC)
            self._session.execute(
                insert(ChangeRow),
                [
                    {
                        "collection_id": row.collection_id,
                        "face_id": row.id,
                        "change": REMOVE,
                        "at": now,
                    }
                    for row in rows
                ],
            )
        self.drop_if_faceless(*{row.subject_id for row in rows})

    def _name(self, subject_id: str, wrapped_key: bytes) -> None:
        with suppress(KeysError):  # a key that does not open names nobody; it goes all the same
            self._subjects.add(self._vault.commitment_of(subject_id, wrapped_key))

    def drop_if_faceless(self, *subject_ids: str) -> None:
        """Destroy the keys of those of these subjects that have no face left anywhere."""
        removed = (
            delete(SubjectRow)
            .where(SubjectRow.id.in_(subject_ids))
            .where(~exists().where(FaceRow.subject_id == SubjectRow.id))
            .returning(SubjectRow.id)
        )
        self._keyless += self._session.execute(removed).scalars().all()

    def finish(
        self,
        what: str,
        reason: str,
        record: Record,
        *,
        missing: tuple[str, ...] = (),
        collection_id: str | None = None,
    ) -> Erasure:
        """Look again, record the outcome, and say what was done.

        Raises:
            GalleryError: something is left.
        """
        erasure = Erasure(
            what=what,
            reason=reason,
            faces=self._faces,
            crops=self._crops,
            keys=len(self._keyless),
            subjects=tuple(sorted(self._subjects)),
            face_ids=self.face_ids,
            subject_ids=tuple(self._keyless),
            missing=missing,
            collection_id=collection_id,
        )
        if _rows_left(self._session, erasure):
            raise GalleryError(_LEFT)
        return replace(erasure, ledger_index=record(self._session, erasure))


def _rows_left(session: Session, erasure: Erasure) -> int:
    # The verification query: what the tables still hold of what was erased.
    left = 0
    if erasure.collection_id is not None:
        left += _count(session, CollectionRow.id == erasure.collection_id)
        left += _count(session, FaceRow.collection_id == erasure.collection_id)
    for face_ids in erasure.face_ids.values():
        left += sum(_count(session, FaceRow.id.in_(some)) for some in _in_parts(face_ids))
    for some in _in_parts(erasure.subject_ids):
        left += _count(session, SubjectRow.id.in_(some))
        left += _count(session, FaceRow.subject_id.in_(some))
    return left


def _count(session: Session, condition: ColumnElement[bool]) -> int:
    return session.execute(select(func.count()).where(condition)).scalar_one()


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
