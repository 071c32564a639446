"""The log of the collections' changes: what indexes follow, and how it is kept short.

A number in the log is given once. What is older than `KEPT` is trimmed, in the order of the
numbers; the collection's row keeps the last number that went (`log_floor`). An index that has
followed up to the floor misses nothing. One that is further behind is held against the rows.
Must never know: vectors, policy text, HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.orm import Session

from rightface.gallery.rows import ChangeRow, CollectionRow

KEPT = timedelta(days=1)
"""How long a change stays. Right whatever it is: it only spares those who were away."""
AT_ONCE = 2048
"""Changes read, or trimmed, at a time."""

_NEWER = text(
    "SELECT 1 FROM gallery_log WHERE collection_id = :at AND seq > :seq"
    " UNION ALL SELECT 1 FROM collections WHERE id = :at AND log_floor > :seq LIMIT 1"
)


def newer(session: Session, collection_id: str, position: int) -> bool:
    """Whether a collection changed after `position`. One indexed SELECT."""
    found = session.connection().execute(_NEWER, {"at": collection_id, "seq": position})
    return found.first() is not None


def floor(session: Session, collection_id: str) -> int:
    """The last number of the collection that was trimmed: who is before it cannot follow."""
    query = select(CollectionRow.log_floor).where(CollectionRow.id == collection_id)
    return session.execute(query).scalar_one_or_none() or 0


def last(session: Session, collection_id: str) -> int:
    """The number of the collection's last change, trimmed or not; 0: it never changed."""
    query = select(func.max(ChangeRow.seq)).where(ChangeRow.collection_id == collection_id)
    return session.execute(query).scalar_one() or floor(session, collection_id)


def changes(session: Session, collection_id: str, position: int) -> Sequence[Row[int, str, str]]:
    """(seq, face_id, change) of the collection after `position`, `AT_ONCE` at most."""
    query = (
        select(ChangeRow.seq, ChangeRow.face_id, ChangeRow.change)
        .where(ChangeRow.collection_id == collection_id, ChangeRow.seq > position)
        .order_by(ChangeRow.seq)
        .limit(AT_ONCE)
    )
    return session.execute(query).all()


def trim(session: Session, *, at: datetime) -> int:
    """Delete changes that are older than `KEPT` at `at`, oldest first (inside `Database.write`).

    Returns:
        How many went, `AT_ONCE` at most. Ask again until it is less.
    """
    due = _due(session, at, AT_ONCE)
    if due:
        floors = {collection_id: seq for seq, collection_id, _ in due}  # the last of each
        for collection_id in sorted(floors):
            session.execute(
                update(CollectionRow)
                .where(CollectionRow.id == collection_id)
                .values(log_floor=floors[collection_id])
            )
        session.execute(delete(ChangeRow).where(ChangeRow.seq <= due[-1].seq))
    return len(due)


def overdue(session: Session, *, at: datetime) -> bool:
    """Whether there is anything to trim."""
    return bool(_due(session, at, 1))


def _due(session: Session, at: datetime, most: int) -> list[Row[int, str, datetime]]:
    query = select(ChangeRow.seq, ChangeRow.collection_id, ChangeRow.at)
    oldest = session.execute(query.order_by(ChangeRow.seq).limit(most))
    # A time in the future is of a clock that was wrong; it must not hold up the others.
    return list(takewhile(lambda one: not at - KEPT < one.at <= at, oldest))
