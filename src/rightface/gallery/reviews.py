"""The life of a review: sealed candidate lists that wait for named reviewers.

When a review closes, all but its confirmed candidates is destroyed; when those are collected no
more, its key is, and of a video's review the sightings of its track (jobs).

    open ─▶ confirmed · not-this-person · disagreement · cannot-tell   (everybody has decided)
         ─▶ nobody (at once) · timeout · erased · damaged

How one ended never changes. All functions run inside `Database.write` but those that only look.
Must never know: HTTP, policy text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from rightface.errors import ReviewError, ReviewNotFound
from rightface.gallery import jobs, review_figures
from rightface.gallery.jobs import JobPartRow
from rightface.gallery.review_leaves import record_act
from rightface.gallery.review_rows import (
    CANNOT_TELL,
    CLOSED,
    CONFIRMED,
    DAMAGED,
    DISAGREEMENT,
    ERASED,
    NOBODY,
    NOT_THIS_PERSON,
    OPEN,
    TIMEOUT,
    CandidateRow,
    DecisionRow,
    ReviewRow,
    SeatRow,
)
from rightface.gallery.review_seals import (
    Review,
    SealedCandidate,
    Terms,
    candidates_of,
    opened,
    record_of,
    seal_review,
)
from rightface.gallery.review_seats import outcomes_of
from rightface.gallery.rows import FaceRow, SubjectRow
from rightface.keys import KeyRing
from rightface.permit import Permit, Touch, require

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A candidate that every reviewer confirmed. Still a lead."""

    face_id: str
    fmr: float
    extrapolated: bool


def open_review(
    session: Session,
    keyring: KeyRing,
    terms: Terms,
    candidates: Sequence[SealedCandidate],
    *,
    probe: bytes,
    probe_face_id: str | None,
    probe_subject: str | None,
    at: datetime,
    permit: Permit,
) -> ReviewRow:
    """Seal a candidate list; without a candidate it closes at once as `nobody`. Needs SEARCH."""
    require(permit, Touch.SEARCH)
    row = seal_review(
        session,
        keyring,
        terms,
        candidates,
        probe=probe,
        probe_face_id=probe_face_id,
        probe_subject=probe_subject,
        at=at,
        permit=permit,
    )
    # How many there are is told when it closes: an open review says nothing of what it holds.
    record_act(session, row, "review-open", "sealed", at)
    if not candidates:
        _close(session, row, NOBODY, at)
    return row


def find(session: Session, review_id: str, *, client: str | None = None) -> ReviewRow:
    """The review of that id, of that client's alone if one is named.

    Raises:
        ReviewError: there is none.
    """
    row = session.get(ReviewRow, review_id)
    if row is None or client not in (None, row.client):
        raise ReviewNotFound("There is no such review.", mend="rightface review list")
    return row


def settle(session: Session, keyring: KeyRing, row: ReviewRow, *, at: datetime) -> bool:
    """Close an open review that is decided, out of time or damaged; whether it is closed now."""
    if row.state != OPEN:
        return True
    try:
        review = opened(keyring, row)
        outcomes = outcomes_of(session, review)
    except ReviewError:
        _close(session, row, DAMAGED, at)
        return True
    if outcomes is None:
        if datetime.fromisoformat(review.terms.expires_at) > at:
            return False
        _close(session, row, TIMEOUT, at, review=review)
        return True
    found = set(outcomes.values())
    # The first that holds of any candidate: one confirmed lead is told, whatever became of others.
    ranked = (CONFIRMED, DISAGREEMENT, CANNOT_TELL, NOT_THIS_PERSON)
    outcome = next((word for word in ranked if word in found), NOBODY)
    review_figures.count(session, review, outcomes)
    _close(session, row, outcome, at, review=review, outcomes=outcomes)
    return True


def confirmed(session: Session, review: Review) -> list[Confirmed]:
    """The confirmed candidates of a closed review, by rate, the smallest first.

    Raises:
        ReviewError: a row was changed.
    """
    found = [record_of(review, row) for row in candidates_of(session, review)]
    told = [
        Confirmed(face_id=one["face_id"], fmr=one["fmr"], extrapolated=one["extrapolated"])
        for one in found
    ]
    return sorted(told, key=lambda one: (one.fmr, one.face_id))


def drop(session: Session, review: Review, face_ids: Iterable[str], *, at: datetime) -> None:
    """Take candidates out who may not be looked at any more; without one left it closes."""
    _destroy_candidates(session, CandidateRow.face_id.in_(set(face_ids)), review.review_id)
    _close_if_empty(session, review.row, at)


def sweep(session: Session, keyring: KeyRing, *, at: datetime) -> int:
    """Close what is out of time or decided, destroy what nobody collected; how many of both."""
    closed = 0
    for row in session.scalars(select(ReviewRow).where(ReviewRow.state == OPEN)).all():
        closed += settle(session, keyring, row, at=at)
    stale = select(ReviewRow).where(
        ReviewRow.state == CLOSED, ReviewRow.wrapped_key.is_not(None), ReviewRow.expires_at <= at
    )
    for row in session.scalars(stale).all():
        _destroy(session, row)
        closed += 1
    return closed


def end(session: Session, review_ids: Iterable[str], *, at: datetime) -> None:
    """End reviews, whatever they are waiting for, and destroy what they hold.

    For those of a video whose job has expired. An open one ends as `timeout`.
    """
    for some in _parts(set(review_ids)):
        rows = session.scalars(select(ReviewRow).where(ReviewRow.review_id.in_(some))).all()
        for row in rows:
            if row.state == OPEN:
                _close(session, row, TIMEOUT, at)
            else:
                _destroy(session, row)


def pending(session: Session) -> bool:
    """Whether `sweep` has anything to look at: something is still sealed."""
    query = select(ReviewRow.review_id).where(
        or_(ReviewRow.state == OPEN, ReviewRow.wrapped_key.is_not(None))
    )
    return session.execute(query.limit(1)).first() is not None


def forget(session: Session, face_ids: Collection[str]) -> int:
    """Destroy whatever is kept here of these faces (inside the transaction that erases them).

    An erased candidate leaves its review. A review whose probe is erased, or whom it is said to
    show, closes as `erased`. Called by the one erasure path (erasure.py), before the faces' rows
    go.

    Returns:
        How many things were destroyed.
    """
    now, gone = datetime.now(UTC), 0
    for some in _parts(face_ids):
        named = (
            select(SubjectRow.commitment)
            .join(FaceRow, FaceRow.subject_id == SubjectRow.id)
            .where(FaceRow.id.in_(some), SubjectRow.commitment.is_not(None))
        )
        probed = select(ReviewRow).where(
            ReviewRow.wrapped_key.is_not(None),
            or_(ReviewRow.probe_face_id.in_(some), ReviewRow.probe_subject.in_(named)),
        )
        for row in session.scalars(probed).all():
            gone += _erase(session, row, now)
        touched = select(CandidateRow.review_id).where(CandidateRow.face_id.in_(some)).distinct()
        reviews = session.scalars(select(ReviewRow).where(ReviewRow.review_id.in_(touched))).all()
        gone += _destroy_candidates(session, CandidateRow.face_id.in_(some))
        for row in reviews:
            _close_if_empty(session, row, now)
    return gone


def forget_subject(session: Session, subject: str, *, client: str | None = None) -> int:
    """Destroy the reviews whose photograph is said to show this person, enrolled or not.

    Inside the transaction that erases the person; `subject` is the row commitment, `client` whose
    reviews alone, if one is named. An open review ends as `erased`.

    Returns:
        How many things were destroyed.
    """
    now = datetime.now(UTC)
    rows = session.scalars(select(ReviewRow).where(*_said_to_show(subject, client))).all()
    return sum(_erase(session, row, now) for row in rows)


def left_of_subject(session: Session, subject: str, *, client: str | None = None) -> int:
    """The verification query: how many reviews still are of a person. As `forget_subject`."""
    query = select(func.count()).where(*_said_to_show(subject, client))
    return session.execute(query).scalar_one()


def left(session: Session, face_ids: Collection[str]) -> int:
    """The verification query: how many things are still kept here of these faces."""
    count = 0
    for some in _parts(face_ids):
        for column in (CandidateRow.face_id, ReviewRow.probe_face_id):
            count += session.execute(select(func.count()).where(column.in_(some))).scalar_one()
    # The sightings of a video's track, whose review has nothing left.
    emptied = (
        select(func.count())
        .select_from(JobPartRow)
        .join(ReviewRow, ReviewRow.review_id == JobPartRow.review_id)
        .where(ReviewRow.wrapped_key.is_(None))
    )
    return count + session.execute(emptied).scalar_one()


def _close(
    session: Session,
    row: ReviewRow,
    outcome: str,
    at: datetime,
    *,
    review: Review | None = None,
    outcomes: Mapping[int, str] | None = None,
) -> None:
    """Close an open review: record it, destroy all that was not confirmed."""
    counts: dict[str, int] = {}
    subjects: set[str] = set()
    if review is not None:
        told = [_record_or_none(review, one) for one in candidates_of(session, review)]
        subjects = {str(one["subject"]) for one in told if one and one["subject"]}
        counts = {"candidates": review.terms.candidates, "reviewers": review.terms.needed}
        counts |= Counter((outcomes or {}).values())
    by = session.scalars(
        select(SeatRow.credential_id).where(SeatRow.review_id == row.review_id)
    ).all()
    row.state, row.outcome, row.closed_at = CLOSED, outcome, at
    record_act(
        session,
        row,
        "review-close",
        outcome,
        at,
        counts=counts,
        subjects=tuple(sorted(subjects)),
        records=tuple(f"crd-{one}" for one in sorted(by)),
    )
    for table in (DecisionRow, SeatRow):
        session.execute(delete(table).where(table.review_id == row.review_id))
    row.sealed_probe = None
    if outcome != CONFIRMED:
        _destroy(session, row)
        return
    kept = [number for number, word in (outcomes or {}).items() if word == CONFIRMED]
    _destroy_candidates(session, CandidateRow.number.not_in(kept), row.review_id)
    for one in session.scalars(
        select(CandidateRow).where(CandidateRow.review_id == row.review_id)
    ).all():
        one.sealed_crop = None
    row.expires_at = at + (row.expires_at - row.opened_at)
    session.flush()


def _close_if_empty(session: Session, row: ReviewRow, at: datetime) -> None:
    if row.wrapped_key is not None and not _held(session, row):
        _erase(session, row, at)


def _said_to_show(subject: str, client: str | None) -> list[ColumnElement[bool]]:
    own = [] if client is None else [ReviewRow.client == client]
    return [ReviewRow.probe_subject == subject, *own]


def _erase(session: Session, row: ReviewRow, at: datetime) -> int:
    """Destroy what it holds, and itself counts; if it is open, it ends here."""
    gone = 1 + _held(session, row)
    if row.state == OPEN:
        _close(session, row, ERASED, at)
    else:
        _destroy(session, row)
    return gone


def _destroy(session: Session, row: ReviewRow) -> None:
    for table in (DecisionRow, SeatRow, CandidateRow):
        session.execute(delete(table).where(table.review_id == row.review_id))
    row.wrapped_key = row.sealed_terms = row.sealed_probe = None
    row.probe_face_id = row.probe_subject = None
    jobs.drop_reviewed(session, row.review_id)
    session.flush()


def _destroy_candidates(
    session: Session, condition: ColumnElement[bool], review_id: str | None = None
) -> int:
    query = select(CandidateRow).where(condition)
    if review_id is not None:
        query = query.where(CandidateRow.review_id == review_id)
    rows = session.scalars(query).all()
    for row in rows:
        session.execute(
            delete(DecisionRow).where(
                DecisionRow.review_id == row.review_id, DecisionRow.number == row.number
            )
        )
        session.delete(row)
    session.flush()
    return len(rows)


def _held(session: Session, row: ReviewRow) -> int:
    query = select(func.count()).where(CandidateRow.review_id == row.review_id)
    return session.execute(query).scalar_one()


def _record_or_none(review: Review, row: CandidateRow) -> dict[str, Any] | None:
    try:
        return record_of(review, row)
    except ReviewError:
        return None


def _parts(face_ids: Collection[str]) -> Iterable[Sequence[str]]:
    ids = sorted(face_ids)
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
