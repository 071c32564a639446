"""Who sits in a review, in which order they see the candidates, and what they decided.

A person sits once, whatever credentials they hold, and decides once on each. Must never know: HTTP,
policy text, what becomes of a review.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from random import Random

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session, defer

from rightface.errors import KeysError, ReviewError
from rightface.gallery.review_leaves import record_act
from rightface.gallery.review_rows import (
    CONFIRMED,
    DISAGREEMENT,
    OPEN,
    SAME,
    WORDS,
    CandidateRow,
    DecisionRow,
    ReviewRow,
    SeatRow,
)
from rightface.gallery.review_seals import (
    Review,
    candidates_of,
    damaged,
    opened,
    place_of,
    unsealed,
)
from rightface.keys import KeyRing, seal, unseal

_ENOUGH = 64  # more reviewers than any rule asks for


def listed(session: Session, *, name: str, at: datetime) -> list[ReviewRow]:
    """Open reviews with a candidate, oldest first, not those of a client of this name."""
    query = (
        select(ReviewRow)
        .options(defer(ReviewRow.sealed_probe))
        .where(
            ReviewRow.state == OPEN,
            ReviewRow.expires_at > at,
            ReviewRow.wrapped_key.is_not(None),
            exists().where(CandidateRow.review_id == ReviewRow.review_id),
        )
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
    if not candidates_of(session, review):
        raise ReviewError("The review is closed.", why="Nobody is left in it to look at.")
    seat = seat_of(session, review, credential_id)
    if seat is not None:
        return seat
    for one in _seats(session, review):
        if _vacant(session, review, one, standing):
            session.execute(
                delete(DecisionRow).where(
                    DecisionRow.review_id == review.review_id,
                    DecisionRow.credential_id == one.credential_id,
                )
            )
            session.delete(one)
    session.flush()
    place = place_of("seat", review.review_id, credential_id, name.casefold())
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
    place = place_of("seat", review.review_id, seat.credential_id, seat.name)
    try:
        seed = unseal(review.key, seat.sealed_seed, place)
    except KeysError as error:
        raise damaged() from error
    order = list(range(1, review.terms.candidates + 1))
    Random(seed).shuffle(order)  # noqa: S311  # the seed is the secret
    decided = {one.number for one in _decisions(session, review, seat.credential_id)}
    left = {row.number: row for row in candidates_of(session, review)}
    return {
        place: left[number]
        for place, number in enumerate(order, start=1)
        if number in left and number not in decided
    }


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
        if not 1 <= place <= review.terms.candidates:
            raise ReviewError(
                f"There is no candidate {place} in this review.",
                mend=f"The numbers are those you were shown: 1 to {review.terms.candidates}.",
            )
        if place not in shown:
            raise ReviewError(
                f"There is no candidate {place} left for you to decide on.",
                why="You decided on it, once and for good, or it left the review.",
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
    record_act(
        session,
        review.row,
        "review-decide",
        "decided",
        at,
        records=(f"crd-{seat.credential_id}",),
    )
    return len(shown) - len(words)


def reviewers_of(
    session: Session,
    keyring: KeyRing,
    review_id: str | None,
    *,
    client: str,
    standing: Mapping[str, str],
) -> int:
    """How many people may review what a client searches for: each name once, never its own.

    Of an open review of theirs those count too who finished their part of it and left. A confirmed
    one, whose seats are gone, counts at least those who decided: its sealed terms say how many. One
    of which nothing is kept has nothing to hold back.

    Args:
        session: for reading.
        keyring: the instance's.
        review_id: the review that is looked into or collected; None: none.
        client: who searched.
        standing: the name of each credential that stands, by its id.
    """
    names = {name.casefold() for name in standing.values()}
    row = None if review_id is None else session.get(ReviewRow, review_id)
    least = 0
    if row is not None and row.client == client:
        if row.state != OPEN and row.wrapped_key is None:
            return _ENOUGH
        try:
            review = opened(keyring, row)
            least = review.terms.decided_by
            for seat in _seats(session, review):
                if not _vacant(session, review, seat, standing):
                    shown_as(session, review, seat)  # opens its seed: one made by hand does not
                    names.add(seat.name)
        except ReviewError:
            pass  # damaged: only who stands counts
    return max(len(names - {client.casefold()}), least)


def outcomes_of(session: Session, review: Review) -> dict[int, str] | None:
    """Candidate number → its outcome; None: not all have decided on all.

    Raises:
        ReviewError: a seat or a decision was changed.
    """
    seats = _seats(session, review)
    for seat in seats:
        shown_as(session, review, seat)  # opens its seed: a seat that was made by hand does not
    said: dict[int, list[str]] = {row.number: [] for row in candidates_of(session, review)}
    sitting = {seat.credential_id for seat in seats}
    for one in _decisions(session, review):
        context = _decision_place(review, one.number, one.credential_id, one.decided_at)
        word = unsealed(review, one.sealed_word, context).decode()
        if one.credential_id in sitting and one.number in said:
            said[one.number].append(word)
    if any(len(words) < review.terms.needed for words in said.values()):
        return None
    return {number: _outcome(words) for number, words in said.items()}


def _outcome(words: Sequence[str]) -> str:
    if len(set(words)) > 1:
        return DISAGREEMENT
    return CONFIRMED if words[0] == SAME else words[0]


def _seats(session: Session, review: Review) -> list[SeatRow]:
    query = select(SeatRow).where(SeatRow.review_id == review.review_id)
    return list(session.scalars(query.order_by(SeatRow.credential_id)))


def _vacant(session: Session, review: Review, seat: SeatRow, standing: Collection[str]) -> bool:
    # Of a credential that ended before its holder had decided on everybody.
    if seat.credential_id in standing:
        return False
    decided = {one.number for one in _decisions(session, review, seat.credential_id)}
    return any(row.number not in decided for row in candidates_of(session, review))


def _decisions(
    session: Session, review: Review, credential_id: str | None = None
) -> list[DecisionRow]:
    query = select(DecisionRow).where(DecisionRow.review_id == review.review_id)
    if credential_id is not None:
        query = query.where(DecisionRow.credential_id == credential_id)
    return list(session.scalars(query))


def _decision_place(review: Review, number: int, credential_id: str, at: datetime) -> bytes:
    return place_of("decision", review.review_id, number, credential_id, at.isoformat())
