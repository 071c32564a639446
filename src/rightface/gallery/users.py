"""Users: several faces of one person under one id that the client chose.

A face belongs to one user at most, a user has `MOST_FACES` at most. All functions run inside a
session that the caller opens; those that write run inside `Database.write`, and tell the indexes'
log of every face that they move. Whether faces are of one person is not decided here. Must never
know: HTTP, policy text, vectors.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection as Ids
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rightface.errors import UserExists, UserNotFound
from rightface.gallery.pages import PageTokens
from rightface.gallery.rows import USER, ChangeRow, FaceRow, UserRow
from rightface.gallery.store import Collection, Page
from rightface.gallery.user_ids import UserIds
from rightface.keys import KeyRing
from rightface.permit import Permit, Touch, require

MOST_FACES = 100
"""Faces of one user; Rekognition's own limit."""
_AT_ONCE = 500  # ids in one IN (...)


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """One user of a collection."""

    row_id: str
    user_id: str = field(repr=False)
    """As the client chose it."""
    faces: int
    """How many faces belong to it."""
    created_at: datetime


class Users:
    """The users of collections, in SQL. Holds no state but keys; thread-safe."""

    def __init__(self, keyring: KeyRing) -> None:
        self._ids = UserIds(keyring)
        self._tokens = PageTokens(keyring)

    # ------------------------------------------------------------ records
    def create(self, session: Session, collection: Collection, user_id: str) -> User:
        """Make a user without faces (inside `Database.write`).

        Raises:
            UserExists: the collection has one of that id.
        """
        made = User(
            row_id=str(uuid.uuid4()), user_id=user_id, faces=0, created_at=datetime.now(UTC)
        )
        try:
            with session.begin_nested():
                session.execute(
                    insert(UserRow).values(
                        id=made.row_id,
                        collection_id=collection.id,
                        commitment=self._ids.commitment(collection.id, user_id),
                        sealed_id=self._ids.seal(made.row_id, user_id),
                        created_at=made.created_at,
                    )
                )
        except IntegrityError:
            raise UserExists("The collection has a user of this id already.") from None
        return made

    def find(self, session: Session, collection: Collection, user_id: str) -> User:
        """The collection's user of that id.

        Raises:
            UserNotFound: there is none.
            KeysError: its row does not open.
        """
        commitment = self._ids.commitment(collection.id, user_id)
        row = session.execute(_users().where(UserRow.commitment == commitment)).one_or_none()
        if row is None:
            raise UserNotFound("The collection has no user of this id.")
        return self._user(row)

    def page(
        self, session: Session, collection: Collection, *, limit: int, after: str | None = None
    ) -> Page[User]:
        """The collection's users in the order of their rows' ids, `limit` at a time.

        Raises:
            PageTokenError: `after` is not a token of this list.
            KeysError: a row does not open.
        """
        scope = f"users\x1f{collection.id}"
        query = _users().where(UserRow.collection_id == collection.id).order_by(UserRow.id)
        if after is not None:
            query = query.where(UserRow.id > self._tokens.open(scope, after))
        found = [self._user(row) for row in session.execute(query.limit(limit + 1))]
        token = self._tokens.seal(scope, found[limit - 1].row_id) if len(found) > limit else None
        return Page(found[:limit], token)

    def named(self, session: Session, row_ids: Ids[str]) -> dict[str, User]:
        """The users of these rows, by row id; rows that are gone are left out.

        Raises:
            KeysError: a row does not open.
        """
        return {
            row.id: self._user(row)
            for some in _in_parts(sorted(row_ids))
            for row in session.execute(_users().where(UserRow.id.in_(some)))
        }

    def delete(self, session: Session, collection: Collection, user: User) -> int:
        """Let go of a user's faces, then delete it with its sealed id (inside `Database.write`).

        Returns:
            How many faces belonged to it.
        """
        theirs = select(FaceRow.id).where(FaceRow.user_id == user.row_id)
        released = session.execute(theirs).scalars().all()
        _move(session, collection.id, released, None)
        session.execute(delete(UserRow).where(UserRow.id == user.row_id))
        return len(released)

    # ------------------------------------------------------------ their faces
    def faces_of(self, session: Session, user: User, *, permit: Permit) -> list[str]:
        """The ids of a user's faces, in order. Needs READ."""
        return self.faces_in(session, [user.row_id], permit=permit)

    def faces_in(self, session: Session, row_ids: Sequence[str], *, permit: Permit) -> list[str]:
        """The ids of the faces of these users' rows, in order. Needs READ."""
        require(permit, Touch.READ)
        theirs = select(FaceRow.id).where(FaceRow.user_id.in_(row_ids)).order_by(FaceRow.id)
        return list(session.execute(theirs).scalars())

    def holding(
        self, session: Session, collection: Collection, face_ids: Ids[str], *, permit: Permit
    ) -> dict[str, str]:
        """Which of these faces of the collection belong to a user: its id by face id. Needs READ.

        Raises:
            KeysError: a user's row does not open.
        """
        require(permit, Touch.READ)
        query = (
            select(FaceRow.id, FaceRow.user_id, UserRow.sealed_id)
            .join(UserRow, UserRow.id == FaceRow.user_id)
            .where(FaceRow.collection_id == collection.id)
        )
        return {
            row.id: self._ids.open(row.user_id, row.sealed_id)
            for some in _in_parts(sorted(face_ids))
            for row in session.execute(query.where(FaceRow.id.in_(some)))
        }

    def put(
        self,
        session: Session,
        collection: Collection,
        user: User,
        face_ids: Sequence[str],
        *,
        permit: Permit,
    ) -> None:
        """Put faces of the collection into a user (inside `Database.write`). Needs STORE."""
        require(permit, Touch.STORE)
        _move(session, collection.id, face_ids, user.row_id)
        if face_ids:  # from now on its faces say whose it is
            session.execute(
                update(UserRow).where(UserRow.id == user.row_id).values(subject_id=None)
            )

    def take_out(
        self, session: Session, collection: Collection, face_ids: Sequence[str], *, permit: Permit
    ) -> None:
        """Take faces of the collection out of their user (inside `Database.write`). READ.

        The user stays, even without faces: then it is linked to the person whose last face left, so
        that it goes with them.
        """
        require(permit, Touch.READ)
        left = self._persons(session, face_ids)
        _move(session, collection.id, face_ids, None)
        for user_row, person in left.items():
            session.execute(
                update(UserRow)
                .where(UserRow.id == user_row)
                .where(~exists().where(FaceRow.user_id == UserRow.id))
                .values(subject_id=person)
            )

    def _persons(self, session: Session, face_ids: Sequence[str]) -> dict[str, str]:
        # Whose faces are about to leave which user. A user's faces are of one person.
        query = select(FaceRow.user_id, FaceRow.subject_id).where(FaceRow.user_id.is_not(None))
        return {
            row.user_id: row.subject_id
            for some in _in_parts(face_ids)
            for row in session.execute(query.where(FaceRow.id.in_(some)))
        }

    def _user(self, row: Row[Any]) -> User:
        return User(
            row_id=row.id,
            user_id=self._ids.open(row.id, row.sealed_id),
            faces=row.faces,
            created_at=row.created_at,
        )


def count_users(session: Session, collection_id: str) -> int:
    """How many users a collection has."""
    query = select(func.count()).select_from(UserRow).where(UserRow.collection_id == collection_id)
    return session.execute(query).scalar_one()


def users_of(session: Session, face_ids: Ids[str]) -> dict[str, str | None]:
    """For the indexes: the row of each face's user, by face id; ids without a row are left out."""
    return {
        row.id: row.user_id
        for some in _in_parts(sorted(face_ids))
        for row in session.execute(select(FaceRow.id, FaceRow.user_id).where(FaceRow.id.in_(some)))
    }


# ------------------------------------------------------------ forgetting
def forget(session: Session, face_ids: Ids[str]) -> int:
    """Take faces that are being erased out of their users; destroy users left without a face.

    Called by the one erasure path (erasure.py), inside its transaction, before the faces' rows go.
    With a user goes its sealed id; so it does with one whose faces were taken out before, when its
    person has no face left in the collection. One that never had a face stays.

    Returns:
        How many faces were in a user, and how many users without a face went.
    """
    cut = 0
    for some in _in_parts(sorted(face_ids)):
        cut += _forget_emptied(session, some)
        linked = FaceRow.id.in_(some), FaceRow.user_id.is_not(None)
        touched = session.execute(select(FaceRow.user_id).where(*linked)).scalars().all()
        if not touched:
            continue
        cut += len(touched)
        session.execute(update(FaceRow).where(*linked).values(user_id=None))
        session.execute(
            delete(UserRow)
            .where(UserRow.id.in_(set(touched)))
            .where(~exists().where(FaceRow.user_id == UserRow.id))
        )
    return cut


def _forget_emptied(session: Session, face_ids: Sequence[str]) -> int:
    # Few users are without a face: only their persons are looked at.
    concerned = select(FaceRow.subject_id).where(FaceRow.id.in_(face_ids))
    emptied = select(UserRow.id, UserRow.collection_id, UserRow.subject_id)
    gone = []
    for user in session.execute(emptied.where(UserRow.subject_id.in_(concerned))).all():
        others = select(FaceRow.id).where(
            FaceRow.collection_id == user.collection_id,
            FaceRow.subject_id == user.subject_id,
            FaceRow.id.not_in(face_ids),
        )
        if session.execute(others.limit(1)).first() is None:
            gone.append(user.id)
    session.execute(delete(UserRow).where(UserRow.id.in_(gone)))
    return len(gone)


def forget_collection(session: Session, collection_id: str) -> int:
    """Destroy every user of a collection whose faces are gone, with its sealed id.

    Called by the one erasure path (erasure.py), inside its transaction, before the collection's
    row goes.

    Returns:
        How many there were.
    """
    gone = delete(UserRow).where(UserRow.collection_id == collection_id).returning(UserRow.id)
    return len(session.execute(gone).scalars().all())


def left(session: Session, face_ids: Ids[str]) -> int:
    """The verification query: how many of these faces are still in a user."""
    return sum(
        session.execute(
            select(func.count()).where(FaceRow.id.in_(some), FaceRow.user_id.is_not(None))
        ).scalar_one()
        for some in _in_parts(sorted(face_ids))
    )


def _users() -> Select[Any]:
    theirs = select(func.count()).where(FaceRow.user_id == UserRow.id).scalar_subquery()
    return select(UserRow.id, UserRow.sealed_id, UserRow.created_at, theirs.label("faces"))


def _move(
    session: Session, collection_id: str, face_ids: Sequence[str], user_row: str | None
) -> None:
    if not face_ids:
        return
    for some in _in_parts(face_ids):
        session.execute(
            update(FaceRow)
            .where(FaceRow.id.in_(some), FaceRow.collection_id == collection_id)
            .values(user_id=user_row)
        )
    now = datetime.now(UTC)
    session.execute(
        insert(ChangeRow),
        [
            {"collection_id": collection_id, "face_id": face_id, "change": USER, "at": now}
            for face_id in face_ids
        ],
    )


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
