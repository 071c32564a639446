"""The rows of collections and faces: made, listed, fetched. (Forgotten: see erasure.py.)

All functions run inside a session that the caller opens; those that write run inside
`Database.write`. A collection is seen by its own client only. Must never know: HTTP, policy text,
vectors' comparison.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rightface.errors import CollectionExists, CollectionNotFound, GalleryError, KeysError
from rightface.gallery.pages import PageTokens
from rightface.gallery.rows import ADD, ChangeRow, CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.gallery.user_ids import UserIds
from rightface.gallery.vault import SealedTemplate, SubjectKey, Template, Vault, sealed_templates
from rightface.keys import KeyRing
from rightface.permit import Permit, Touch, require

_log = logging.getLogger(__name__)
T = TypeVar("T")
_NAME_IN_TOKEN = 100  # characters
_AT_ONCE = 500  # ids in one IN (...); SQLite takes 32,766 parameters, old ones 999


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One gallery of one client."""

    id: str
    client: str
    name: str
    pack_digest: str
    tags: Mapping[str, str]
    created_at: datetime
    fpir_target: float | None = None
    """The share of searches that may find somebody wrongly; None: none of its own."""


@dataclass(frozen=True, kw_only=True)
class NewFace:
    """A face to enrol. Box sides are ratios of the image's; confidence is 0 to 100."""

    face_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    image_id: str
    subject: str | None = field(repr=False)
    template: Template = field(repr=False)
    crop: bytes | None = field(default=None, repr=False)
    left: float
    top: float
    width: float
    height: float
    confidence: float
    quality: Mapping[str, Any]
    basis: str
    purpose: str
    enrolled_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    retain_until: datetime | None = None
    idle_days: int | None = None
    """Days that it is kept after the person's last interaction; the enrolment is the first."""
    ledger_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFace:
    """What is recorded of an enrolled face (never its template)."""

    face_id: str
    collection_id: str
    subject_id: str
    subject: str | None = field(repr=False)
    image_id: str
    left: float
    top: float
    width: float
    height: float
    confidence: float
    quality: Mapping[str, Any]
    basis: str
    purpose: str
    enrolled_at: datetime
    retain_until: datetime | None
    idle_until: datetime | None
    ledger_index: int
    user_id: str | None = None
    """The row of the user that it belongs to."""
    user: str | None = field(default=None, repr=False)
    """That user's id, as the client chose it."""

    def kept(self, at: datetime) -> bool:
        """Whether both its dates are still to come at `at`."""
        return all(date is None or at < date for date in (self.retain_until, self.idle_until))


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a list, and the token for the rest (None: that was all)."""

    items: list[T]
    next: str | None


def _collections() -> Select[Any]:
    columns = ("id", "client", "name", "pack_digest", "tags", "created_at", "fpir_target")
    return select(*(getattr(CollectionRow, name) for name in columns))


def _faces() -> Select[Any]:
    return (
        select(
            FaceRow.id.label("face_id"),
            FaceRow.collection_id,
            FaceRow.subject_id,
            FaceRow.image_id,
            FaceRow.box_left.label("left"),
            FaceRow.box_top.label("top"),
            FaceRow.box_width.label("width"),
            FaceRow.box_height.label("height"),
            FaceRow.confidence,
            FaceRow.quality,
            FaceRow.basis,
            FaceRow.purpose,
            FaceRow.enrolled_at,
            FaceRow.retain_until,
            FaceRow.idle_until,
            FaceRow.ledger_index,
            FaceRow.user_id,
            UserRow.sealed_id,
            SubjectRow.wrapped_key,
            SubjectRow.sealed_reference,
        )
        .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
        .outerjoin(UserRow, UserRow.id == FaceRow.user_id)
    )


# On the way of every request: built once.
_COLLECTION = _collections().where(
    CollectionRow.client == bindparam("client"), CollectionRow.name == bindparam("name")
)
_FACES_BY_ID = _faces().where(
    FaceRow.collection_id == bindparam("collection_id"),
    FaceRow.id.in_(bindparam("face_ids", expanding=True)),
)


class Store:
    """Collections and faces in SQL. Holds no state but keys; thread-safe."""

    def __init__(self, keyring: KeyRing, vault: Vault) -> None:
        self._vault = vault
        self._user_ids = UserIds(keyring)
        self._tokens = PageTokens(keyring)

    # ------------------------------------------------------------ collections
    def create_collection(
        self,
        session: Session,
        *,
        client: str,
        name: str,
        pack_digest: str,
        tags: Mapping[str, str] | None = None,
    ) -> Collection:
        """Make an empty collection (inside `Database.write`).

        Raises:
            CollectionExists: this client has one of that name.
        """
        made = Collection(
            id=str(uuid.uuid4()),
            client=client,
            name=name,
            pack_digest=pack_digest,
            tags=dict(tags or {}),
            created_at=datetime.now(UTC),
        )
        try:
            with session.begin_nested():
                session.execute(insert(CollectionRow).values(vars(made)))
        except IntegrityError:
            raise CollectionExists("You have a collection of this name already.") from None
        return made

    def find_collection(self, session: Session, *, client: str, name: str) -> Collection:
        """The client's collection of that name.

        Raises:
            CollectionNotFound: there is none, or it is another client's.
        """
        named = {"client": client, "name": name}
        row = session.connection().execute(_COLLECTION, named).one_or_none()
        if row is None:
            raise CollectionNotFound("You have no collection of this name.")
        return Collection(**row._mapping)

    def list_collections(
        self, session: Session, *, client: str, limit: int, after: str | None = None
    ) -> Page[Collection]:
        """The client's collections by name, `limit` at a time.

        Raises:
            PageTokenError: `after` is not a token of this list.
        """
        scope = f"collections\x1f{client}"
        query = _collections().where(CollectionRow.client == client).order_by(CollectionRow.name)
        if after is not None:
            # A token has room for 255 characters, a name may have as many: the token names the
            # collection by its id, and where its name starts, in case it is deleted meanwhile.
            last_id, _, start = self._tokens.open(scope, after).partition("/")
            last = session.execute(
                select(CollectionRow.name).where(CollectionRow.id == last_id)
            ).scalar_one_or_none()
            query = query.where(
                CollectionRow.name >= start if last is None else CollectionRow.name > last
            )
        items = [Collection(**row._mapping) for row in session.execute(query.limit(limit + 1))]
        if len(items) <= limit:
            return Page(items, None)
        last_shown = items[limit - 1]
        token = self._tokens.seal(scope, f"{last_shown.id}/{last_shown.name[:_NAME_IN_TOKEN]}")
        return Page(items[:limit], token)

    def set_tags(self, session: Session, collection: Collection, tags: Mapping[str, str]) -> None:
        """Give a collection these tags and no others (inside `Database.write`)."""
        session.execute(
            update(CollectionRow).where(CollectionRow.id == collection.id).values(tags=dict(tags))
        )

    def set_target(self, session: Session, collection: Collection, fpir: float | None) -> None:
        """Give a collection this target for its searches (inside `Database.write`)."""
        session.execute(
            update(CollectionRow).where(CollectionRow.id == collection.id).values(fpir_target=fpir)
        )

    # ------------------------------------------------------------ faces
    def count_faces(self, session: Session, collection: Collection) -> int:
        """How many faces the collection holds."""
        return session.execute(
            select(func.count()).select_from(FaceRow).where(FaceRow.collection_id == collection.id)
        ).scalar_one()

    def has_face_of(self, session: Session, client: str, subject: str) -> bool:
        """Whether a face of this person is enrolled in any of a client's collections."""
        query = (
            select(FaceRow.id)
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .join(CollectionRow, CollectionRow.id == FaceRow.collection_id)
            .where(
                SubjectRow.commitment == self._vault.row_commitment(subject),
                CollectionRow.client == client,
            )
            .limit(1)
        )
        return session.execute(query).first() is not None

    def insert_faces(
        self, session: Session, collection: Collection, faces: Sequence[NewFace], *, permit: Permit
    ) -> None:
        """Seal and keep faces, and log them for the indexes (inside `Database.write`). STORE.

        Raises:
            CollectionNotFound: the collection was deleted meanwhile.
            GalleryError: a face id is not a UUID, or a template is not finite.
        """
        require(permit, Touch.STORE)
        if not faces:
            return
        if session.get(CollectionRow, collection.id) is None:
            raise CollectionNotFound("The collection was deleted meanwhile.")
        keys: dict[str, SubjectKey] = {}
        rows = []
        for face in faces:
            subject = keys.get(face.subject) if face.subject is not None else None
            if subject is None:
                subject = self._vault.subject_for(session, face.subject, create=True)
                if face.subject is not None:
                    keys[face.subject] = subject
            rows.append(self._sealed(face, collection, subject, permit))
        session.execute(insert(FaceRow), rows)
        session.execute(
            insert(ChangeRow),
            [
                {
                    "collection_id": collection.id,
                    "face_id": face.face_id,
                    "change": ADD,
                    "at": face.enrolled_at,
                }
                for face in faces
            ],
        )

    def list_faces(
        self,
        session: Session,
        collection: Collection,
        *,
        limit: int,
        after: str | None = None,
        face_ids: Iterable[str] | None = None,
        user_id: str | None = None,
        permit: Permit,
    ) -> Page[StoredFace]:
        """The collection's faces by id, `limit` at a time. Needs READ.

        Of `face_ids` only, and of the user with the row `user_id` only, where these are given.

        Raises:
            PageTokenError: `after` is not a token of this list.
        """
        require(permit, Touch.READ)
        scope = f"faces\x1f{collection.id}"
        query = _faces().where(FaceRow.collection_id == collection.id).order_by(FaceRow.id)
        if face_ids is not None:
            query = query.where(FaceRow.id.in_(sorted(set(face_ids))))
        if user_id is not None:
            query = query.where(FaceRow.user_id == user_id)
        if after is not None:
            query = query.where(FaceRow.id > self._tokens.open(scope, after))
        rows = session.execute(query.limit(limit + 1)).all()
        more = rows[limit - 1].face_id if len(rows) > limit else None
        faces = [self._stored(row, permit) for row in rows[:limit]]
        token = None if more is None else self._tokens.seal(scope, more)
        return Page([face for face in faces if face is not None], token)

    def fetch_faces(
        self, session: Session, collection_id: str, face_ids: Sequence[str], *, permit: Permit
    ) -> dict[str, StoredFace]:
        """The faces of `face_ids` whose rows are in this collection now, by id. Needs READ.

        What an index found passes through here before it is told to anyone. A row that does not
        open is reported in the log and left out.
        """
        require(permit, Touch.READ)
        found: dict[str, StoredFace] = {}
        for start in range(0, len(face_ids), _AT_ONCE):
            some = face_ids[start : start + _AT_ONCE]
            asked = {"collection_id": collection_id, "face_ids": list(some)}
            for row in session.connection().execute(_FACES_BY_ID, asked):
                face = self._stored(row, permit)
                if face is not None:
                    found[face.face_id] = face
        return found

    def open_templates(
        self, session: Session, collection_id: str, face_ids: Sequence[str], *, permit: Permit
    ) -> dict[str, Template]:
        """The templates of those of `face_ids` that are in this collection, by id. Needs OPEN.

        A row that does not open is reported in the log and left out.
        """
        require(permit, Touch.OPEN)
        found: dict[str, Template] = {}
        for start in range(0, len(face_ids), _AT_ONCE):
            some = face_ids[start : start + _AT_ONCE]
            query = sealed_templates().where(
                FaceRow.collection_id == collection_id, FaceRow.id.in_(some)
            )
            rows = [SealedTemplate(*row) for row in session.execute(query)]
            for face_id, template in self._vault.open_templates(rows, permit=permit):
                if template is None:
                    _log.error("a template does not open and is left out")
                else:
                    found[face_id] = template
        return found

    def has_overdue(
        self, session: Session, at: datetime, *, collection_id: str | None = None
    ) -> bool:
        """Whether a face (of that collection) is past one of its dates. A query for each date."""
        for date in (FaceRow.retain_until, FaceRow.idle_until):
            query = select(FaceRow.id).where(date <= at).limit(1)
            if collection_id is not None:
                query = query.where(FaceRow.collection_id == collection_id)
            if session.execute(query).first() is not None:
                return True
        return False

    # ------------------------------------------------------------ rows and values
    def _sealed(
        self, face: NewFace, collection: Collection, subject: SubjectKey, permit: Permit
    ) -> dict[str, Any]:
        place = {"face_id": face.face_id, "collection_id": collection.id}
        try:
            if str(uuid.UUID(face.face_id)) != face.face_id:
                raise ValueError
        except ValueError:
            raise GalleryError("A face id is a UUID in lower case.") from None
        crop = None
        if face.crop is not None:
            crop = self._vault.seal_crop(subject, face.crop, **place, permit=permit)
        return {
            "id": face.face_id,
            "collection_id": collection.id,
            "subject_id": subject.subject_id,
            "image_id": face.image_id,
            "template": self._vault.seal_template(subject, face.template, **place, permit=permit),
            "crop": crop,
            "box_left": face.left,
            "box_top": face.top,
            "box_width": face.width,
            "box_height": face.height,
            "confidence": face.confidence,
            "quality": dict(face.quality),
            "basis": face.basis,
            "purpose": face.purpose,
            "enrolled_at": face.enrolled_at,
            "retain_until": face.retain_until,
            "idle_days": face.idle_days,
            "idle_until": (
                None
                if face.idle_days is None
                else face.enrolled_at + timedelta(days=face.idle_days)
            ),
            "ledger_index": face.ledger_index,
        }

    def _stored(self, row: Row[Any], permit: Permit) -> StoredFace | None:
        told = dict(row._mapping)
        wrapped, sealed = told.pop("wrapped_key"), told.pop("sealed_reference")
        user_id, sealed_id = told["user_id"], told.pop("sealed_id")
        try:
            subject = self._vault.open_reference(told["subject_id"], wrapped, sealed, permit=permit)
            user = None if user_id is None else self._user_ids.open(user_id, sealed_id)
        except KeysError:
            _log.error("a subject's or a user's row does not open; the face is left out")
            return None
        return StoredFace(subject=subject, user=user, **told)
