"""How long a face is kept: two dates on its row, whichever comes first.

`retain_until` is fixed at enrolment. `idle_until` is the person's last interaction and the row's
`idle_days` together; an interaction moves it forward, never back, and never brings a face back
whose date has passed. A search is no interaction. What is past a date is erased by erasure.py. Must
never know: HTTP, policy text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from typing import Literal

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow
from rightface.gallery.store import Collection
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.law import consents
from rightface.law.tables import ConsentRow, stamp
from rightface.permit import Permit, Touch, require

Clock = Literal["fixed", "idle"]
_AT_ONCE = 1_000  # rows fetched together
_IN = 500  # commitments in one IN (...)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What an interaction did to one person's faces in one collection."""

    faces: int
    """How many faces of the person the collection holds."""
    moved: int
    """Of how many the idle date moved."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """How many faces of one collection are due on one day (UTC), by which clock."""

    client: str
    gallery: str
    day: date
    clock: Clock
    """fixed: `retain_until`; idle: `idle_until`, where it comes first."""
    faces: int
    overdue: int
    """How many of them are past their date already."""


def overdue(at: datetime) -> ColumnElement[bool]:
    """Whether a face's row is past one of its dates at `at`."""
    return or_(FaceRow.retain_until <= at, FaceRow.idle_until <= at)


def interacted(
    session: Session,
    vault: Vault,
    collection: Collection,
    reference: str,
    *,
    at: datetime,
    now: datetime,
    permit: Permit,
) -> Moved:
    """The person did something with the client at `at` (inside `Database.write`). Needs READ.

    A face that is past a date at `now` stays so.
    """
    require(permit, Touch.READ)
    person = (
        select(SubjectRow.id)
        .where(SubjectRow.commitment == vault.row_commitment(reference))
        .scalar_subquery()
    )
    theirs = (FaceRow.collection_id == collection.id) & (FaceRow.subject_id == person)
    found = session.execute(select(FaceRow.id, FaceRow.idle_days).where(theirs)).all()
    moved = 0
    for days in sorted({row.idle_days for row in found if row.idle_days is not None}):
        until = at + timedelta(days=days)
        later = (
            update(FaceRow)
            .where(theirs, FaceRow.idle_days == days, FaceRow.idle_until < until, ~_gone(now))
            .values(idle_until=until)
            .returning(FaceRow.id)
            .execution_options(synchronize_session=False)
        )
        moved += len(session.execute(later).all())
    return Moved(faces=len(found), moved=moved)


def end_purpose(session: Session, collection: Collection, *, at: datetime, permit: Permit) -> int:
    """Everything in the collection is due at `at` (inside `Database.write`). Needs ERASE.

    Returns:
        How many faces became due.
    """
    require(permit, Touch.ERASE)
    due_now = (
        update(FaceRow)
        .where(FaceRow.collection_id == collection.id, ~_gone(at))
        .values(retain_until=at)
        .returning(FaceRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(session.execute(due_now).all())


def due(session: Session, *, at: datetime, until: datetime) -> list[Due]:
    """What is due up to `until`, and what is overdue at `at`; by client, gallery, day and clock.

    Counts only: no face and no person is named.
    """
    counts: Counter[tuple[str, str, date, Clock]] = Counter()
    late: Counter[tuple[str, str, date, Clock]] = Counter()
    for client, gallery, when, clock in _dates(session, until):
        key = (client, gallery, when.astimezone(UTC).date(), clock)
        counts[key] += 1
        late[key] += when <= at
    return [
        Due(client=key[0], gallery=key[1], day=key[2], clock=key[3], faces=n, overdue=late[key])
        for key, n in sorted(counts.items())
    ]


def expired(session: Session, keyring: KeyRing, at: datetime, limit: int) -> list[str]:
    """Faces enrolled by consent whose consent has ended by itself, and no other covers them.

    Ids of at most about `limit` of them.
    """
    query = (
        select(
            FaceRow.id,
            FaceRow.purpose,
            CollectionRow.client,
            CollectionRow.name,
            SubjectRow.commitment,
        )
        .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
        .join(CollectionRow, CollectionRow.id == FaceRow.collection_id)
        .where(
            FaceRow.basis == consents.BASIS,
            SubjectRow.commitment.in_(
                select(ConsentRow.subject).where(
                    ConsentRow.expires_at <= stamp(at), ConsentRow.withdrawn_at.is_(None)
                )
            ),
        )
        .order_by(CollectionRow.client, CollectionRow.name, FaceRow.purpose)
        .execution_options(yield_per=_AT_ONCE)
    )
    found: list[str] = []
    with session.execute(query) as result:  # it may be left before its end
        for (client, name, purpose), rows in groupby(
            result, lambda row: (row.client, row.name, row.purpose)
        ):
            while some := list(islice(rows, _IN)):
                still = consents.covered(
                    session,
                    keyring,
                    [row.commitment for row in some],
                    purpose=purpose,
                    gallery=name,
                    client=client,
                    at=at,
                )
                found += [row.id for row in some if row.commitment not in still]
                if len(found) >= limit:
                    return found
    return found


def count_overdue(session: Session, keyring: KeyRing, at: datetime) -> int:
    """How many faces are past one of their dates at `at`, or past the end of their consent."""
    past = select(func.count()).select_from(FaceRow).where(overdue(at))
    return int(session.execute(past).scalar_one()) + len(expired(session, keyring, at, _AT_ONCE))


def _dates(session: Session, until: datetime) -> Iterator[tuple[str, str, datetime, Clock]]:
    query = (
        select(CollectionRow.client, CollectionRow.name, FaceRow.retain_until, FaceRow.idle_until)
        .join(CollectionRow, CollectionRow.id == FaceRow.collection_id)
        .where(overdue(until))
        .execution_options(yield_per=_AT_ONCE)
    )
    for client, gallery, fixed, idle in session.execute(query):
        if fixed is not None and (idle is None or fixed <= idle):
            yield client, gallery, fixed, "fixed"
        elif idle is not None:
            yield client, gallery, idle, "idle"


def _gone(at: datetime) -> ColumnElement[bool]:
    # `overdue`, with NULL as "no": so that it can be negated.
    return or_(
        (FaceRow.retain_until.is_not(None)) & (FaceRow.retain_until <= at),
        (FaceRow.idle_until.is_not(None)) & (FaceRow.idle_until <= at),
    )
