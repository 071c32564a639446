"""Erasure: the one way out of the gallery, for faces, subjects and collections alike.

    1. In one transaction: destroy what users, jobs and reviews hold of the faces; delete the faces'
       rows with their sealed templates and crops; delete every subject that has no face left
       anywhere, and so its key; log it for the indexes.
    2. In the same transaction: suppress the persons who have no face left in a gallery
       (law/suppressions), so that nobody brings them back without a newer consent.
    3. In the same transaction: ask the tables whether anything is left. If so, nothing is kept.
    4. In the same transaction: append the outcome to the ledger (`record`), and note that a
       receipt is to come.
    5. After the commit: let the indexes of this process go of the faces, overwrite the deleted
       bytes in the database's files, ask the tables again.
    6. Sign the receipt, and keep it. If a crash comes in between, `complete_abandoned` does it.

A subject's key goes with the last face, whatever the reason: it seals nothing any more, and without
it what the ledger says of the subject points to nobody. Withdrawn consent is remembered elsewhere
(law/consents). Must never know: HTTP, policy text; receipts hold no name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, insert, select
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import CollectionNotFound, GalleryError, KeysError
from rightface.gallery import jobs, kept_receipts, reviews, users
from rightface.gallery.jobs import JobFaceRow, JobRow
from rightface.gallery.receipts import Receipt, sign_receipt
from rightface.gallery.retention import overdue
from rightface.gallery.review_rows import CandidateRow, ReviewRow
from rightface.gallery.room import IndexRoom
from rightface.gallery.rows import REMOVE, ChangeRow, CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.gallery.store import Collection
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.law import suppressions
from rightface.law.suppressions import Entry
from rightface.migrations.backup import copies
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
    """A controlled word: see law/suppressions.REASONS."""
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
    gallery: str | None = None
    """The ledger's commitment of the collection, where a whole one went."""
    others: Mapping[str, int] = field(default_factory=dict)
    """What else held something of the faces: `users`, `job-results`. How much reviews held is not
    told: clients get the receipt, and it would tell who waits in an open one."""
    forgotten: tuple[str, ...] = field(default=(), repr=False)
    """The ledger's commitments of the faces, sorted; none for a whole collection."""
    suppressed: Mapping[tuple[str | None, str | None], tuple[str, ...]] = field(
        default_factory=dict, repr=False
    )
    """(client, gallery's commitment; None: every) → the persons suppressed there, sorted."""
    suppressed_at: datetime | None = field(default=None, repr=False)
    """Since when: what the entries say, and the ledger's act."""
    receipt_id: str = ""
    subject_count: int = 0
    subjects_digest: str = ""
    ledger_index: int = -1

    @property
    def counts(self) -> dict[str, int]:
        """For the ledger's leaf."""
        return {"faces": self.faces, "crops": self.crops, "keys": self.keys, **self.others}

    @property
    def pending(self) -> dict[str, Any]:
        """What the last look and the receipt need, as JSON values; `resumed` is the inverse."""
        told = {name: getattr(self, name) for name in _RESUMED}
        told["subjects"] = list(self.subjects[:_NAMED])
        told["subject_ids"] = list(self.subject_ids[:_LOOKED_AT])
        return told | {"others": dict(self.others)}

    @classmethod
    def resumed(cls, pending: Mapping[str, Any]) -> Erasure:
        """The erasure that `pending` was noted of."""
        lists = {name: tuple(pending[name]) for name in ("subjects", "subject_ids")}
        return cls(**{**pending, **lists})


_RESUMED = (
    "what",
    "reason",
    "faces",
    "crops",
    "keys",
    "face_ids",
    "collection_id",
    "receipt_id",
    "subject_count",
    "subjects_digest",
    "ledger_index",
)
_LOOKED_AT = 10_000  # subjects' ids kept for the last look after a crash; before it, all are


Record = Callable[[Session, Erasure], int]
"""Appends the erasure's outcome to the ledger, in this session; returns the leaf's index."""


def erase_faces(
    session: Session,
    vault: Vault,
    collection: Collection | None,
    face_ids: Iterable[str],
    *,
    reason: str,
    record: Record,
    permit: Permit,
    suppressing: bool = True,
) -> Erasure:
    """Erase faces of one collection (inside `Database.write`); None: of any. Needs ERASE.

    Ids that are not in it are told in `missing`. `suppressing`: whether persons who have no face
    left there are kept from being enrolled again without a newer consent.

    Raises:
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    wanted = sorted(set(face_ids))
    taken = _Taken(session, vault, permit, suppressing=suppressing)
    own = [] if collection is None else [FaceRow.collection_id == collection.id]
    for some in _in_parts(wanted):
        taken.take_all(FaceRow.id.in_(some), *own)
    gone = {each for face_ids in taken.face_ids.values() for each in face_ids}
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

    Inside `Database.write`. Reviews of photographs that are said to show them go too. A subject of
    whom nothing is held gives an erasure of nothing, and is suppressed all the same.

    Raises:
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    known = vault.row_commitment(reference)
    taken = _Taken(session, vault, permit, suppressing=False)
    taken.suppress_everywhere(known, client)
    taken.forget_named(known, client)
    subject_id = session.execute(
        select(SubjectRow.id).where(SubjectRow.commitment == known)
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
    suppressing: bool = True,
) -> Erasure:
    """Erase a collection with all its faces (inside `Database.write`). Needs ERASE.

    `suppressing`: whether its persons are kept from being enrolled there again without a newer
    consent.

    Raises:
        CollectionNotFound: it was deleted meanwhile.
        GalleryError: something was left; nothing was kept of the erasure.
    """
    require(permit, Touch.ERASE)
    if session.get(CollectionRow, collection.id) is None:
        raise CollectionNotFound("The collection was deleted meanwhile.")
    taken = _Taken(session, vault, permit, log=False, suppressing=suppressing)
    taken.take_all(FaceRow.collection_id == collection.id)
    taken.suppress_in(collection.id)
    users.forget_collection(session, collection.id)
    session.execute(delete(ChangeRow).where(ChangeRow.collection_id == collection.id))
    session.execute(delete(CollectionRow).where(CollectionRow.id == collection.id))
    gallery = suppressions.gallery_of(vault.keyring, collection.client, collection.name)
    return taken.finish("collection", reason, record, collection_id=collection.id, gallery=gallery)


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
    return erase_faces(session, vault, None, face_ids, reason=reason, record=record, permit=permit)


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
    overwritten = database.forget_deleted() and not _copied(database)
    with database.read() as session:
        left += _rows_left(session, erasure)
    if left:
        raise GalleryError("An erasure left something behind; no receipt is given.")
    receipt = sign_receipt(
        keyring,
        Receipt(
            what=erasure.what,
            reason=erasure.reason,
            erased=erasure.counts,
            remaining={"index_entries": 0, "rows": 0},
            overwritten=overwritten,
            subjects=erasure.subjects[:_NAMED],
            subject_count=erasure.subject_count,
            subjects_digest=erasure.subjects_digest,
            ledger_index=erasure.ledger_index,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )
    kept = database.write(
        lambda session: kept_receipts.keep(session, erasure.receipt_id, receipt.document)
    )
    if database.is_sqlite:
        database.forget_deleted()  # the ids that were noted for the last look
    return Receipt(**{**kept, "subjects": tuple(kept["subjects"])})


def _copied(database: Database) -> bool:
    # Whether a copy from before a migration, which is not sealed, still holds what was erased.
    return database.copied_to is not None and bool(copies(database.copied_to))


def complete_abandoned(*, database: Database, room: IndexRoom, keyring: KeyRing) -> int:
    """Finish the erasures whose last look a crash prevented; how many there were.

    Each is tried although another one fails; the first failure is raised at the end.

    Raises:
        GalleryError: an index or the tables still hold something of one.
    """
    with database.read() as session:
        pending = kept_receipts.abandoned(session, datetime.now(UTC))
    failures: list[Exception] = []
    for _, noted in pending:
        try:
            complete_erasure(Erasure.resumed(noted), database=database, room=room, keyring=keyring)
        except Exception as error:  # noqa: BLE001  # raised below
            failures.append(error)
    if failures:
        raise failures[0]
    return len(pending)


class _Taken:
    """What one transaction has erased so far."""

    def __init__(
        self,
        session: Session,
        vault: Vault,
        permit: Permit,
        *,
        log: bool = True,
        suppressing: bool,
    ) -> None:
        self._session = session
        self._vault = vault
        self._permit = permit
        self._logs = log
        self._suppressing = suppressing
        self._faces = self._crops = 0
        self._others: Counter[str] = Counter()
        self.face_ids: dict[str, list[str]] = {}
        self._subjects: set[str] = set()
        self._forgotten: list[str] = []
        self._keyless: list[str] = []
        self._named: dict[str, dict[str, str]] = {}  # collection → subject → row commitment
        self._suppressed: dict[tuple[str | None, str | None], set[str]] = {}
        self._at = datetime.now(UTC)

    def take_all(self, *conditions: ColumnElement[bool]) -> None:
        """Erase every face that meets the conditions, some at a time."""
        query = (
            select(
                FaceRow.id,
                FaceRow.collection_id,
                FaceRow.subject_id,
                FaceRow.crop.is_not(None).label("has_crop"),
                SubjectRow.wrapped_key,
                SubjectRow.commitment,
            )
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .where(*conditions)
            .order_by(FaceRow.subject_id)
            .limit(_AT_ONCE)
        )
        while rows := self._session.execute(query).all():
            self._take(rows)

    def _take(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        for (subject_id, wrapped), own in groupby(
            rows, lambda row: (row.subject_id, row.wrapped_key)
        ):
            self._name(subject_id, wrapped, [row.id for row in own])
        for row in rows:
            if self._logs:
                self.face_ids.setdefault(row.collection_id, []).append(row.id)
            if row.commitment is not None and self._suppressing:
                self._named.setdefault(row.collection_id, {})[row.subject_id] = row.commitment
        self._faces += len(rows)
        self._crops += sum(row.has_crop for row in rows)
        ids = [row.id for row in rows]
        for name, forget, left in _OTHERS:
            self._others[name] += forget(self._session, ids)
            if left(self._session, ids):
                raise GalleryError(_LEFT)
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

    def _name(self, subject_id: str, wrapped_key: bytes, face_ids: list[str]) -> None:
        with suppress(KeysError):  # a key that does not open names nobody; it goes all the same
            subject, faces = self._vault.erased_as(subject_id, wrapped_key, face_ids)
            self._subjects.add(subject)
            if self._logs:
                self._forgotten += faces

    def suppress_everywhere(self, row_commitment: str, client: str | None) -> None:
        """Suppress a person in every gallery, or in every one of a client."""
        known = suppressions.person(self._vault.keyring, row_commitment)
        self._suppressed.setdefault((client, None), set()).add(known)

    def forget_named(self, row_commitment: str, client: str | None) -> None:
        """Destroy what is held of a person by name alone: reviews of photographs of them.

        Raises:
            GalleryError: something is left.
        """
        gone = reviews.forget_subject(self._session, row_commitment, client=client)
        self._others[reviews.UNCOUNTED] += gone
        if reviews.left_of_subject(self._session, row_commitment, client=client):
            raise GalleryError(_LEFT)

    def suppress_in(self, collection_id: str) -> None:
        """Suppress those who were erased from a collection and have no face left in it."""
        named = self._named.pop(collection_id, {})
        place = self._session.execute(
            select(CollectionRow.client, CollectionRow.name).where(
                CollectionRow.id == collection_id
            )
        ).one_or_none()
        if place is None:
            return
        keyring = self._vault.keyring
        gallery = suppressions.gallery_of(keyring, place.client, place.name)
        for some in _in_parts(sorted(named)):
            still = set(
                self._session.execute(
                    select(FaceRow.subject_id).where(
                        FaceRow.collection_id == collection_id, FaceRow.subject_id.in_(some)
                    )
                ).scalars()
            )
            self._suppressed.setdefault((place.client, gallery), set()).update(
                suppressions.person(keyring, named[each]) for each in some if each not in still
            )

    def _write_suppressions(self, reason: str) -> None:
        for collection_id in sorted(self._named):
            self.suppress_in(collection_id)
        keyring = self._vault.keyring
        for (client, gallery), persons in self._suppressed.items():
            place = suppressions.place_of(keyring, client, gallery)
            entries = [Entry(each, *place) for each in persons]
            suppressions.write(self._session, keyring, entries, reason=reason, at=self._at)

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
        gallery: str | None = None,
    ) -> Erasure:
        """Suppress, look again, record the outcome, and say what was done.

        Raises:
            GalleryError: something is left.
        """
        self._write_suppressions(reason)
        subjects = tuple(sorted(self._subjects))
        erasure = Erasure(
            what=what,
            reason=reason,
            faces=self._faces,
            crops=self._crops,
            keys=len(self._keyless),
            subjects=subjects,
            subject_count=len(subjects),
            subjects_digest=hashlib.sha256("\n".join(subjects).encode()).hexdigest(),
            gallery=gallery,
            others={
                name: number
                for name, number in self._others.items()
                if number and name != reviews.UNCOUNTED
            },
            forgotten=tuple(sorted(self._forgotten)),
            suppressed={
                place: tuple(sorted(persons))
                for place, persons in self._suppressed.items()
                if persons
            },
            suppressed_at=self._at,
            receipt_id=kept_receipts.new_id(),
            face_ids=self.face_ids,
            subject_ids=tuple(self._keyless),
            missing=missing,
            collection_id=collection_id,
        )
        if _rows_left(self._session, erasure):
            raise GalleryError(_LEFT)
        done = replace(erasure, ledger_index=record(self._session, erasure))
        kept_receipts.expect(
            self._session,
            done.receipt_id,
            client=self._permit.client,
            ledger_index=done.ledger_index,
            pending=done.pending,
        )
        return done


def _rows_left(session: Session, erasure: Erasure) -> int:
    # The verification query: what the tables still hold of what was erased.
    left = 0
    if erasure.collection_id is not None:
        left += _count(session, CollectionRow.id == erasure.collection_id)
        left += _count(session, FaceRow.collection_id == erasure.collection_id)
        left += _held_of(session, erasure.collection_id)
    for face_ids in erasure.face_ids.values():
        for some in _in_parts(face_ids):
            left += _count(session, FaceRow.id.in_(some))
            left += sum(remaining(session, some) for _, _, remaining in _OTHERS)
    for some in _in_parts(erasure.subject_ids):
        left += _count(session, SubjectRow.id.in_(some))
        left += _count(session, FaceRow.subject_id.in_(some))
        left += _count(session, UserRow.subject_id.in_(some))
    return left


def _held_of(session: Session, collection_id: str) -> int:
    # What others hold of a whole collection: its faces' ids are not kept for the last look.
    matches = (
        select(func.count())
        .select_from(JobFaceRow)
        .join(JobRow, JobRow.id == JobFaceRow.job_id)
        .where(JobRow.collection_id == collection_id)
    )
    candidates = (
        select(func.count())
        .select_from(CandidateRow)
        .join(ReviewRow, ReviewRow.review_id == CandidateRow.review_id)
        .where(ReviewRow.collection_id == collection_id)
    )
    held = users.count_users(session, collection_id)
    return held + sum(session.execute(one).scalar_one() for one in (matches, candidates))


_OTHERS = (
    ("users", users.forget, users.left),
    ("job-results", jobs.forget, jobs.left),
    (reviews.UNCOUNTED, reviews.forget, reviews.left),
)
"""Whoever else holds something of a face: how it is destroyed, and how many things are left."""


def _count(session: Session, condition: ColumnElement[bool]) -> int:
    return session.execute(select(func.count()).where(condition)).scalar_one()


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
