"""The life of a review: sealed candidate lists that wait for named reviewers.

When a review closes, all but its confirmed candidates is destroyed; when those are collected no
more, its key is, and of a video's review the sightings of its track (jobs).

    open ─▶ confirmed · not-this-person · disagreement · cannot-tell   (everybody has decided)
         ─▶ nobody · timeout · erased                          (its time is over)
         ─▶ damaged

An open review looks the same whatever it holds: one that found nobody, or whose faces were erased,
stays open until its time is over, and nothing is recorded of it before. What is erased is destroyed
at once all the same. How one ended never changes. All functions run inside `Database.write` but
those that only look.
Must never know: HTTP, policy text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session, defer

from rightface.errors import ReviewError, ReviewNotFound
from rightface.gallery import jobs, review_figures, review_seals
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
    UNTOLD,
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

UNCOUNTED = "review-seals"
"""What reviews hold of a face, among what an erasure destroys."""
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
    """Seal a candidate list; without a candidate it stays open all the same. Needs SEARCH."""
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
    _clear_if_empty(session, row)
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
    if row.wrapped_key is None:  # whom it was of is erased
        return _close_in_time(session, row, ERASED, row.expires_at, at)
    try:
        review = opened(keyring, row)
        outcomes = outcomes_of(session, review)
        if outcomes:
            review_figures.count(session, review, outcomes)
    except ReviewError:
        _close(session, row, DAMAGED, at)
        return True
    if not outcomes:
        bare = ERASED if review.terms.candidates else NOBODY
        ended = TIMEOUT if outcomes is None else bare
        ends = datetime.fromisoformat(review.terms.expires_at)
        if ends <= at:
            review_figures.count_undecided(session, review, ended)
        return _close_in_time(session, row, ended, ends, at)
    found = set(outcomes.values())
    # The first that holds of any candidate: one confirmed lead is told, whatever became of others.
    ranked = (CONFIRMED, DISAGREEMENT, CANNOT_TELL, NOT_THIS_PERSON)
    outcome = next(word for word in ranked if word in found)
    _close(session, row, outcome, at, review=review, outcomes=outcomes)
    return True


def _close_in_time(
    session: Session, row: ReviewRow, outcome: str, ends: datetime, at: datetime
) -> bool:
    if ends > at:
        return False
    _close(session, row, outcome, at)
    return True


def confirmed(session: Session, review: Review) -> list[Confirmed]:
    """The confirmed candidates of a closed review, by rate, the smallest first.

    Raises:
        ReviewError: a row was changed, or nobody confirmed them.
    """
    if not review.terms.decided_by:
        raise review_seals.damaged()
    found = [record_of(review, row) for row in candidates_of(session, review)]
    told = [
        Confirmed(face_id=one["face_id"], fmr=one["fmr"], extrapolated=one["extrapolated"])
        for one in found
    ]
    return sorted(told, key=lambda one: (one.fmr, one.face_id))


def drop(session: Session, review: Review, face_ids: Iterable[str]) -> bool:
    """Take candidates out who may not be looked at any more; whether one is left."""
    _destroy_candidates(session, CandidateRow.face_id.in_(set(face_ids)), review.review_id)
    return not _clear_if_empty(session, review.row)


def clear(session: Session, row: ReviewRow) -> None:
    """Destroy what a review holds; an open one stays open to its client until its time is over."""
    _destroy(session, row)


def due(session: Session, *, at: datetime, longest: timedelta) -> list[str]:
    """The ids of the reviews that `finish` may close or destroy.

    Out of time; collected no more; perhaps decided; or open for longer than any may be (`longest`),
    so that its row was changed.
    """
    mine = CandidateRow.review_id == ReviewRow.review_id
    decided = exists().where(
        DecisionRow.review_id == CandidateRow.review_id, DecisionRow.number == CandidateRow.number
    )
    query = select(ReviewRow.review_id).where(
        or_(
            and_(
                ReviewRow.state == OPEN,
                or_(
                    ReviewRow.expires_at <= at,
                    ReviewRow.expires_at > at + longest,
                    and_(exists().where(mine), ~exists().where(mine, ~decided)),
                ),
            ),
            and_(
                ReviewRow.state == CLOSED,
                ReviewRow.wrapped_key.is_not(None),
                ReviewRow.expires_at <= at,
            ),
        )
    )
    return list(session.scalars(query.order_by(ReviewRow.expires_at, ReviewRow.review_id)))


def finish(session: Session, keyring: KeyRing, review_id: str, *, at: datetime) -> bool:
    """Close a review that is out of time or decided, destroy one that nobody collected.

    Returns:
        Whether it did either.
    """
    row = session.get(ReviewRow, review_id)
    if row is None:
        return False
    if row.state == OPEN:
        return settle(session, keyring, row, at=at)
    if row.wrapped_key is None or row.expires_at > at:
        return False
    _destroy(session, row)
    return True


def end(session: Session, review_ids: Iterable[str], *, at: datetime) -> None:
    """End reviews, whatever they are waiting for, and destroy what they hold.

    For those of a video whose job has expired. An open one ends as `timeout`, an erased one so.
    """
    for some in _parts(set(review_ids)):
        rows = session.scalars(select(ReviewRow).where(ReviewRow.review_id.in_(some))).all()
        for row in rows:
            if row.state == OPEN:
                _close(session, row, ERASED if row.wrapped_key is None else TIMEOUT, at)
            else:
                _destroy(session, row)


def forget(session: Session, face_ids: Collection[str]) -> int:
    """Destroy whatever is kept here of these faces (inside the transaction that erases them).

    An erased candidate leaves its review. Of a review whose probe is erased, or whom it is said to
    show, nothing is left. The client is told of neither: open ones stay open. Called by the one
    erasure path (erasure.py), before the faces' rows go.

    Returns:
        How many things were destroyed.
    """
    gone = 0
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
            gone += _erase(session, row)
        touched = select(CandidateRow.review_id).where(CandidateRow.face_id.in_(some)).distinct()
        reviews = session.scalars(select(ReviewRow).where(ReviewRow.review_id.in_(touched))).all()
        gone += _destroy_candidates(session, CandidateRow.face_id.in_(some))
        for row in reviews:
            _clear_if_empty(session, row)
    return gone


def forget_subject(session: Session, subject: str, *, client: str | None = None) -> int:
    """Destroy the reviews whose photograph is said to show this person, enrolled or not.

    Inside the transaction that erases the person; `subject` is the row commitment, `client` whose
    reviews alone, if one is named. Open ones stay open to their clients until their time is over.

    Returns:
        How many things were destroyed.
    """
    rows = session.scalars(select(ReviewRow).where(*_said_to_show(subject, client))).all()
    return sum(_erase(session, row) for row in rows)


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
    return count


def _close(
    session: Session,
    row: ReviewRow,
    outcome: str,
    at: datetime,
    *,
    review: Review | None = None,
    outcomes: Mapping[int, str] | None = None,
) -> None:
    """Close an open review: record it, destroy all that was not confirmed.

    The ledger, which clients read, does not tell apart who was found but not decided on in time,
    erased, or never found.
    """
    row.state, row.outcome, row.closed_at = CLOSED, outcome, at
    if outcome in UNTOLD:
        record_act(session, row, "review-close", TIMEOUT, at)
    else:
        _record_decided(session, row, outcome, at, review, outcomes or {})
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
    if review is not None:
        review_seals.mark_confirmed(review)
    row.expires_at = at + (row.expires_at - row.opened_at)
    session.flush()


def _record_decided(
    session: Session,
    row: ReviewRow,
    outcome: str,
    at: datetime,
    review: Review | None,
    outcomes: Mapping[int, str],
) -> None:
    counts: dict[str, int] = {}
    subjects: set[str] = set()
    if review is not None:
        told = [record_of(review, one) for one in candidates_of(session, review)]
        subjects = {str(one["subject"]) for one in told if one["subject"]}
        counts = {"candidates": review.terms.candidates, "reviewers": review.terms.needed}
        counts |= Counter(outcomes.values())
    by = select(SeatRow.credential_id).where(SeatRow.review_id == row.review_id)
    record_act(
        session,
        row,
        "review-close",
        outcome,
        at,
        counts=counts,
        subjects=tuple(sorted(subjects)),
        records=tuple(f"crd-{one}" for one in sorted(session.scalars(by))),
    )


def _clear_if_empty(session: Session, row: ReviewRow) -> bool:
    # Without a candidate nobody looks at it. Its terms stay while it is open: the client is judged
    # by them, whatever it holds.
    if row.wrapped_key is None or _held(session, row):
        return False
    if row.state != OPEN:
        _destroy(session, row)
        return True
    for table in (DecisionRow, SeatRow):
        session.execute(delete(table).where(table.review_id == row.review_id))
    row.sealed_probe = None
    session.flush()
    return True


def _said_to_show(subject: str, client: str | None) -> list[ColumnElement[bool]]:
    own = [] if client is None else [ReviewRow.client == client]
    return [ReviewRow.probe_subject == subject, *own]


def _erase(session: Session, row: ReviewRow) -> int:
    """Destroy what it holds; it counts itself. If it is open, it stays so to its client."""
    gone = 1 + _held(session, row)
    _destroy(session, row)
    jobs.drop_reviewed(session, row.review_id)  # they are said to show who is erased
    return gone


def _destroy(session: Session, row: ReviewRow) -> None:
    for table in (DecisionRow, SeatRow, CandidateRow):
        session.execute(delete(table).where(table.review_id == row.review_id))
    row.wrapped_key = row.sealed_terms = row.sealed_probe = None
    row.probe_face_id = row.probe_subject = None
    if row.state != OPEN:  # or their going would tell the client what became of the candidates
        jobs.drop_reviewed(session, row.review_id)
    session.flush()


def _destroy_candidates(
    session: Session, condition: ColumnElement[bool], review_id: str | None = None
) -> int:
    query = select(CandidateRow).where(condition)
    if review_id is not None:
        query = query.where(CandidateRow.review_id == review_id)
    rows = session.scalars(query.options(defer(CandidateRow.sealed_crop))).all()
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


def _parts(face_ids: Collection[str]) -> Iterable[Sequence[str]]:
    ids = sorted(face_ids)
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
