"""Sealed candidate lists that wait for named reviewers: their rows, seals, seats and decisions.

A review has an AES-256-GCM key of its own, wrapped by the instance's sub-key "review". It seals the
terms, the probe's crop, every candidate and every decision, each bound to its place; rows that were
changed, swapped or replayed do not open, and then nothing is confirmed. When a review closes, all
but its confirmed candidates is destroyed; when those are collected no more, its key is, and of a
video's review the sightings of its track (jobs).

    open ─▶ confirmed · not-this-person · disagreement · cannot-tell   (everybody has decided)
         ─▶ nobody (at once) · timeout · erased · damaged

All functions run inside `Database.write` but those that only look. Must never know: HTTP, policy
text.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, UniqueConstraint, func, or_, select
from sqlalchemy import delete as deleting
from sqlalchemy.orm import Mapped, Session, mapped_column

from rightface.db import Base
from rightface.errors import KeysError, ReviewError, ReviewNotFound
from rightface.gallery import jobs
from rightface.gallery.jobs import JobPartRow
from rightface.gallery.rows import FaceRow, Moment, SubjectRow
from rightface.keys import KeyRing, seal, unseal
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.permit import Permit, Touch, require

SAME, NOT_THIS_PERSON, CANNOT_TELL = "same", "not-this-person", "cannot-tell"
WORDS = (SAME, NOT_THIS_PERSON, CANNOT_TELL)
"""What a reviewer may say of a candidate."""
CONFIRMED, DISAGREEMENT = "confirmed", "disagreement"
NOBODY, TIMEOUT, ERASED, DAMAGED = "nobody", "timeout", "erased", "damaged"
OPEN, CLOSED = "open", "closed"
_AT_ONCE = 500
USE = "review"
"""The sub-key of the master key that wraps the reviews' keys."""


# ---------------------------------------------------------------- tables
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


# ---------------------------------------------------------------- values
@dataclass(frozen=True, kw_only=True)
class SealedCandidate:
    """A candidate to be sealed: which face, at which rate, whom the ledger may name, its crop."""

    face_id: str
    fmr: float
    extrapolated: bool
    subject: str | None
    """The ledger's commitment."""
    crop: bytes = field(repr=False)
    """An encoded picture, 150 × 150."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a review was opened for; sealed, so that columns that were edited are found out."""

    client: str
    licence_id: str
    purpose: str
    collection_id: str
    ledger_index: int
    needed: int
    """How many reviewers decide on each candidate."""
    candidates: int
    """How many there were at first."""
    expires_at: str
    pack: str
    gallery: str
    """The ledger's commitment of the gallery."""
    subject: str | None = field(repr=False)
    warrant: str | None
    declared: Mapping[str, bool | str]


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A candidate that every reviewer confirmed. Still a lead."""

    face_id: str
    fmr: float
    extrapolated: bool


@dataclass(frozen=True)
class Review:
    """An open review with its key. Keep it for one call; never store or print it."""

    row: ReviewRow = field(repr=False)
    key: bytes = field(repr=False)
    terms: Terms = field(repr=False)

    @property
    def review_id(self) -> str:
        """Its id."""
        return self.row.review_id


# ---------------------------------------------------------------- opening
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
    review_id, key = f"rev-{secrets.token_hex(12)}", os.urandom(32)
    row = ReviewRow(
        review_id=review_id,
        client=terms.client,
        purpose=terms.purpose,
        collection_id=terms.collection_id,
        ledger_index=terms.ledger_index,
        state=OPEN,
        opened_at=at,
        expires_at=datetime.fromisoformat(terms.expires_at),
        wrapped_key=seal(keyring.subkey(USE), key, key_place(review_id)),
        sealed_terms=seal(key, json.dumps(vars(terms)).encode(), _place("terms", review_id)),
        sealed_probe=seal(key, probe, _place("probe", review_id)),
        probe_face_id=probe_face_id,
        probe_subject=probe_subject,
    )
    session.add(row)
    session.flush()
    lots = list(candidates)
    secrets.SystemRandom().shuffle(lots)
    for number, one in enumerate(lots, start=1):
        told = {
            "face_id": one.face_id,
            "fmr": one.fmr,
            "extrapolated": one.extrapolated,
            "subject": one.subject,
        }
        place = (review_id, number, one.face_id)
        session.add(
            CandidateRow(
                review_id=review_id,
                number=number,
                face_id=one.face_id,
                sealed_record=seal(key, json.dumps(told).encode(), _place("candidate", *place)),
                sealed_crop=seal(key, one.crop, _place("crop", *place)),
            )
        )
    # How many there are is told when it closes: an open review says nothing of what it holds.
    _record(session, row, "review-open", "sealed", at)
    if not lots:
        _close(session, row, NOBODY, at)
    session.flush()
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


def opened(keyring: KeyRing, row: ReviewRow) -> Review:
    """The review with its key.

    Raises:
        ReviewError: it has no key any more, or its row was changed.
    """
    if row.wrapped_key is None or row.sealed_terms is None:
        raise ReviewError("The review is closed.", why="What it held is destroyed.")
    try:
        key = keyring.unseal(USE, row.wrapped_key, key_place(row.review_id))
        terms = Terms(**json.loads(unseal(key, row.sealed_terms, _place("terms", row.review_id))))
    except KeysError as error:
        raise _damaged() from error
    columns = (row.client, row.purpose, row.collection_id, row.ledger_index)
    if columns != (terms.client, terms.purpose, terms.collection_id, terms.ledger_index):
        raise _damaged()
    if row.state == OPEN and row.expires_at != datetime.fromisoformat(terms.expires_at):
        raise _damaged()
    return Review(row, key, terms)


def is_sound(keyring: KeyRing, row: ReviewRow) -> bool:
    """Whether the review opens; one that does not is closed by `sweep`."""
    try:
        opened(keyring, row)
    except ReviewError:
        return False
    return True


def require_open(review: Review, at: datetime) -> None:
    """Let a reviewer go on only while there is time.

    Raises:
        ReviewError: it is closed, or its time is over.
    """
    if review.row.state != OPEN or datetime.fromisoformat(review.terms.expires_at) <= at:
        raise ReviewError(
            "The review is closed.", why="Everybody has decided, or its time is over."
        )


# ---------------------------------------------------------------- sitting
def listed(session: Session, *, name: str, at: datetime) -> list[ReviewRow]:
    """Open reviews, oldest first, that are not those of a client of this name."""
    query = (
        select(ReviewRow)
        .where(ReviewRow.state == OPEN, ReviewRow.expires_at > at)
        .order_by(ReviewRow.opened_at, ReviewRow.review_id)
    )
    return [row for row in session.scalars(query) if row.client.casefold() != name.casefold()]


def seat_of(session: Session, review: Review, credential_id: str) -> SeatRow | None:
    """The seat of a credential, if it has one."""
    return session.get(SeatRow, (review.review_id, credential_id))


def require_seat(session: Session, review: Review, credential_id: str) -> SeatRow:
    """The seat of a credential.

    Raises:
        ReviewError: it has none: nobody decides on what they have not looked at.
    """
    seat = seat_of(session, review, credential_id)
    if seat is None:
        raise ReviewError(
            "You have not opened this review.", mend="rightface review open REVIEW --to DIRECTORY"
        )
    return seat


def may_sit(
    session: Session, review: Review, *, credential_id: str, name: str, standing: Collection[str]
) -> str:
    """Why this person may not sit; empty: they may, or do already.

    Args:
        session: for reading.
        review: which one.
        credential_id: theirs.
        name: theirs.
        standing: the ids of all credentials that stand; an unfinished seat of another is free.
    """
    if name.casefold() == review.row.client.casefold():
        return "Whoever searched does not review what was found."
    if seat_of(session, review, credential_id) is not None:
        return ""
    kept = [one for one in _seats(session, review) if not _vacant(session, review, one, standing)]
    if any(one.name == name.casefold() for one in kept):
        return "A person sits once, whatever credentials they hold."
    if len(kept) >= review.terms.needed:
        return "As many reviewers as are needed have taken it up."
    return ""


def sit(
    session: Session,
    review: Review,
    *,
    credential_id: str,
    name: str,
    standing: Collection[str],
    at: datetime,
) -> SeatRow:
    """Take a seat, or the one that is held already.

    Raises:
        ReviewError: this person may not.
    """
    refusal = may_sit(session, review, credential_id=credential_id, name=name, standing=standing)
    if refusal:
        raise ReviewError("This review is not open to you.", why=refusal)
    seat = seat_of(session, review, credential_id)
    if seat is not None:
        return seat
    for one in _seats(session, review):
        if _vacant(session, review, one, standing):
            session.execute(
                deleting(DecisionRow).where(
                    DecisionRow.review_id == review.review_id,
                    DecisionRow.credential_id == one.credential_id,
                )
            )
            session.delete(one)
    session.flush()
    place = _place("seat", review.review_id, credential_id, name.casefold())
    seat = SeatRow(
        review_id=review.review_id,
        credential_id=credential_id,
        name=name.casefold(),
        sealed_seed=seal(review.key, os.urandom(32), place),
        taken_at=at,
    )
    session.add(seat)
    session.flush()
    return seat


def shown_as(session: Session, review: Review, seat: SeatRow) -> dict[int, CandidateRow]:
    """The candidates that this reviewer has still to decide on, as they see them: number → row.

    Raises:
        ReviewError: the seat was changed.
    """
    place = _place("seat", review.review_id, seat.credential_id, seat.name)
    try:
        seed = unseal(review.key, seat.sealed_seed, place)
    except KeysError as error:
        raise _damaged() from error
    order = list(range(1, review.terms.candidates + 1))
    Random(seed).shuffle(order)  # noqa: S311  # the seed is the secret
    decided = {one.number for one in _decisions(session, review, seat.credential_id)}
    left = {row.number: row for row in _candidates(session, review)}
    return {
        place: left[number]
        for place, number in enumerate(order, start=1)
        if number in left and number not in decided
    }


def open_crop(review: Review, candidate: CandidateRow, *, permit: Permit) -> bytes:
    """A candidate's crop. Needs OPEN.

    Raises:
        ReviewError: the row was changed.
    """
    require(permit, Touch.OPEN)
    place = (review.review_id, candidate.number, candidate.face_id)
    return _unsealed(review, candidate.sealed_crop, _place("crop", *place))


def open_probe(review: Review, *, permit: Permit) -> bytes:
    """The probe's crop. Needs OPEN.

    Raises:
        ReviewError: the row was changed.
    """
    require(permit, Touch.OPEN)
    return _unsealed(review, review.row.sealed_probe, _place("probe", review.review_id))


# ---------------------------------------------------------------- deciding
def decide(
    session: Session, review: Review, seat: SeatRow, words: Mapping[int, str], *, at: datetime
) -> int:
    """Keep what a reviewer says of some candidates, by the numbers they saw; how many are left.

    Raises:
        ReviewError: an unknown word or number, or one decided on before. Nothing is kept then.
    """
    shown = shown_as(session, review, seat)
    for place, word in words.items():
        if word not in WORDS:
            raise ReviewError("There is no such decision.", mend=f"One of: {', '.join(WORDS)}.")
        if place not in shown:
            raise ReviewError(
                f"There is no candidate {place} for you to decide on.",
                why="A reviewer decides once on each, and cannot change it.",
            )
        number = shown[place].number
        context = _decision_place(review, number, seat.credential_id, at)
        session.add(
            DecisionRow(
                review_id=review.review_id,
                number=number,
                credential_id=seat.credential_id,
                sealed_word=seal(review.key, word.encode(), context),
                decided_at=at,
            )
        )
    session.flush()
    _record(
        session,
        review.row,
        "review-decide",
        "decided",
        at,
        counts={"candidates": len(words)},
        records=(f"crd-{seat.credential_id}",),
    )
    return len(shown) - len(words)


def settle(session: Session, keyring: KeyRing, row: ReviewRow, *, at: datetime) -> bool:
    """Close an open review that is decided, out of time or damaged; whether it is closed now."""
    if row.state != OPEN:
        return True
    try:
        review = opened(keyring, row)
        outcomes = _outcomes(session, review)
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
    _count(session, review, outcomes)
    _close(session, row, outcome, at, review=review, outcomes=outcomes)
    return True


def confirmed(session: Session, review: Review) -> list[Confirmed]:
    """The confirmed candidates of a closed review, by rate, the smallest first.

    Raises:
        ReviewError: a row was changed.
    """
    found = [_record_of(review, row) for row in _candidates(session, review)]
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


def figures(session: Session) -> list[FigureRow]:
    """How reviewed candidates came out, by model pack, gallery and band."""
    order = (FigureRow.pack, FigureRow.gallery, FigureRow.band, FigureRow.outcome)
    return list(session.scalars(select(FigureRow).order_by(*order)))


# ---------------------------------------------------------------- forgetting
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
            gone += 1 + _held(session, row)
            _close(session, row, ERASED, now)
        touched = select(CandidateRow.review_id).where(CandidateRow.face_id.in_(some)).distinct()
        reviews = session.scalars(select(ReviewRow).where(ReviewRow.review_id.in_(touched))).all()
        gone += _destroy_candidates(session, CandidateRow.face_id.in_(some))
        for row in reviews:
            _close_if_empty(session, row, now)
    return gone


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


# ---------------------------------------------------------------- inside
def _outcomes(session: Session, review: Review) -> dict[int, str] | None:
    """Candidate number → its outcome; None: not all have decided on all.

    Raises:
        ReviewError: a seat or a decision was changed.
    """
    seats = _seats(session, review)
    for seat in seats:
        shown_as(session, review, seat)  # opens its seed: a seat that was made by hand does not
    said: dict[int, list[str]] = {row.number: [] for row in _candidates(session, review)}
    sitting = {seat.credential_id for seat in seats}
    for one in _decisions(session, review):
        context = _decision_place(review, one.number, one.credential_id, one.decided_at)
        word = _unsealed(review, one.sealed_word, context).decode()
        if one.credential_id in sitting and one.number in said:
            said[one.number].append(word)
    if any(len(words) < review.terms.needed for words in said.values()):
        return None
    return {number: _outcome(words) for number, words in said.items()}


def _outcome(words: Sequence[str]) -> str:
    if len(set(words)) > 1:
        return DISAGREEMENT
    return CONFIRMED if words[0] == SAME else words[0]


def _count(session: Session, review: Review, outcomes: Mapping[int, str]) -> None:
    # What the assay can use: at which rates people saw that it was not this person.
    found: Counter[tuple[str, str]] = Counter()
    for row in _candidates(session, review):
        found[band(_record_of(review, row)["fmr"]), outcomes[row.number]] += 1
    for (each, outcome), number in found.items():
        key = (review.terms.pack, review.terms.gallery, each, outcome)
        figure = session.get(FigureRow, key)
        if figure is None:
            told = dict(zip(("pack", "gallery", "band", "outcome"), key, strict=True))
            session.add(FigureRow(**told, number=number))
        else:
            figure.number += number


def band(fmr: float) -> str:
    """The smallest power of ten, down to 1e-9, that a false match rate does not exceed."""
    return next(f"1e-{power}" for power in range(9, -1, -1) if fmr <= 10.0**-power or power == 0)


def _close(
    session: Session,
    row: ReviewRow,
    outcome: str,
    at: datetime,
    *,
    review: Review | None = None,
    outcomes: Mapping[int, str] | None = None,
) -> None:
    """Close it: record it, destroy all that was not confirmed."""
    counts: dict[str, int] = {}
    subjects: set[str] = set()
    if review is not None:
        told = [_record_or_none(review, one) for one in _candidates(session, review)]
        subjects = {str(one["subject"]) for one in told if one and one["subject"]}
        counts = {"candidates": review.terms.candidates, "reviewers": review.terms.needed}
        counts |= Counter((outcomes or {}).values())
    by = session.scalars(
        select(SeatRow.credential_id).where(SeatRow.review_id == row.review_id)
    ).all()
    was_open = row.state == OPEN
    row.state, row.outcome, row.closed_at = CLOSED, outcome, at
    if was_open:
        _record(
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
        session.execute(deleting(table).where(table.review_id == row.review_id))
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
        _close(session, row, ERASED, at)


def _destroy(session: Session, row: ReviewRow) -> None:
    for table in (DecisionRow, SeatRow, CandidateRow):
        session.execute(deleting(table).where(table.review_id == row.review_id))
    row.wrapped_key = row.sealed_terms = row.sealed_probe = None
    row.probe_face_id = row.probe_subject = None
    jobs.drop_reviewed(session, row.review_id)
    session.flush()


def _destroy_candidates(session: Session, condition: Any, review_id: str | None = None) -> int:
    query = select(CandidateRow).where(condition)
    if review_id is not None:
        query = query.where(CandidateRow.review_id == review_id)
    rows = session.scalars(query).all()
    for row in rows:
        session.execute(
            deleting(DecisionRow).where(
                DecisionRow.review_id == row.review_id, DecisionRow.number == row.number
            )
        )
        session.delete(row)
    session.flush()
    return len(rows)


def _held(session: Session, row: ReviewRow) -> int:
    query = select(func.count()).where(CandidateRow.review_id == row.review_id)
    return session.execute(query).scalar_one()


def _seats(session: Session, review: Review) -> list[SeatRow]:
    query = select(SeatRow).where(SeatRow.review_id == review.review_id)
    return list(session.scalars(query.order_by(SeatRow.credential_id)))


def _vacant(session: Session, review: Review, seat: SeatRow, standing: Collection[str]) -> bool:
    # Of a credential that ended before its holder had decided on everybody.
    if seat.credential_id in standing:
        return False
    decided = {one.number for one in _decisions(session, review, seat.credential_id)}
    return any(row.number not in decided for row in _candidates(session, review))


def _candidates(session: Session, review: Review) -> list[CandidateRow]:
    query = select(CandidateRow).where(CandidateRow.review_id == review.review_id)
    return list(session.scalars(query.order_by(CandidateRow.number)))


def _decisions(
    session: Session, review: Review, credential_id: str | None = None
) -> list[DecisionRow]:
    query = select(DecisionRow).where(DecisionRow.review_id == review.review_id)
    if credential_id is not None:
        query = query.where(DecisionRow.credential_id == credential_id)
    return list(session.scalars(query))


def _record_of(review: Review, row: CandidateRow) -> dict[str, Any]:
    place = (review.review_id, row.number, row.face_id)
    told: dict[str, Any] = json.loads(
        _unsealed(review, row.sealed_record, _place("candidate", *place))
    )
    return told


def _record_or_none(review: Review, row: CandidateRow) -> dict[str, Any] | None:
    try:
        return _record_of(review, row)
    except ReviewError:
        return None


def _record(
    session: Session,
    row: ReviewRow,
    act: str,
    outcome: str,
    at: datetime,
    *,
    counts: Mapping[str, int] | None = None,
    subjects: tuple[str, ...] = (),
    records: tuple[str, ...] = (),
) -> None:
    # `of` is the search's decision. The review's id stays out: reviewers could count each other.
    for start in range(0, max(len(subjects), 1), _AT_ONCE):
        log.append(
            session,
            Leaf(
                time=at,
                kind="act",
                operation=act,
                client=row.client,
                purpose=row.purpose,
                outcome=outcome,
                of=row.ledger_index,
                counts=counts or {},
                subjects=subjects[start : start + _AT_ONCE],
                records=records,
            ),
        )


def _unsealed(review: Review, sealed: bytes | None, place: bytes) -> bytes:
    try:
        return unseal(review.key, sealed or b"", place)
    except KeysError as error:
        raise _damaged() from error


def _damaged() -> ReviewError:
    return ReviewError(
        "The review cannot be opened.",
        why="Its rows were changed, or the keys are another instance's.",
        mend="Search again. What was sealed is told to nobody.",
    )


def _decision_place(review: Review, number: int, credential_id: str, at: datetime) -> bytes:
    return _place("decision", review.review_id, number, credential_id, at.isoformat())


def key_place(review_id: str) -> bytes:
    """What binds a review's wrapped key to its review."""
    return _place("key", review_id)


def _place(kind: str, *parts: object) -> bytes:
    return "\x1f".join([f"rightface/review-{kind}/1", *map(str, parts)]).encode()


def _parts(face_ids: Collection[str]) -> Iterable[Sequence[str]]:
    ids = sorted(face_ids)
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
