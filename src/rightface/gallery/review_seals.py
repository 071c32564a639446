"""What a review seals, and how it is opened: its key, its terms, the probe, the candidates.

A review has an AES-256-GCM key of its own, wrapped by the instance's sub-key "review". It seals the
terms, the probe's crop, every candidate and every decision, each bound to its place; rows that were
changed, swapped or replayed do not open. Must never know: HTTP, policy text, how a review ends.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from rightface.errors import KeysError, ReviewError
from rightface.gallery.review_rows import OPEN, CandidateRow, ReviewRow
from rightface.keys import KeyRing, seal, unseal
from rightface.permit import Permit, Touch, require

USE = "review"
"""The sub-key of the master key that wraps the reviews' keys."""


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
    gallery_name: str | None = field(default=None, repr=False)
    """Its name: the gate is asked of it when the outcome is, though it was deleted since."""
    subject: str | None = field(repr=False)
    warrant: str | None
    declared: Mapping[str, bool | str]
    decided_by: int = 0
    """How many reviewers confirmed what is kept; 0: it is not confirmed."""


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


def seal_review(
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
    """Write the sealed rows of a new review. Needs SEARCH; use `reviews.open_review`."""
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
        sealed_terms=seal(key, json.dumps(vars(terms)).encode(), place_of("terms", review_id)),
        sealed_probe=seal(key, probe, place_of("probe", review_id)),
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
                sealed_record=seal(key, json.dumps(told).encode(), place_of("candidate", *place)),
                sealed_crop=seal(key, one.crop, place_of("crop", *place)),
            )
        )
    session.flush()
    return row


def mark_confirmed(review: Review) -> None:
    """Seal into the terms that as many reviewers as were needed have confirmed what is left."""
    told = {**vars(review.terms), "decided_by": review.terms.needed}
    place = place_of("terms", review.review_id)
    review.row.sealed_terms = seal(review.key, json.dumps(told).encode(), place)


def opened(keyring: KeyRing, row: ReviewRow) -> Review:
    """The review with its key.

    Raises:
        ReviewError: it has no key any more, or its row was changed.
    """
    if row.wrapped_key is None or row.sealed_terms is None:
        raise ReviewError("The review is closed.", why="What it held is destroyed.")
    try:
        key = keyring.unseal(USE, row.wrapped_key, key_place(row.review_id))
        terms = Terms(**json.loads(unseal(key, row.sealed_terms, place_of("terms", row.review_id))))
    except KeysError as error:
        raise damaged() from error
    columns = (row.client, row.purpose, row.collection_id, row.ledger_index)
    if columns != (terms.client, terms.purpose, terms.collection_id, terms.ledger_index):
        raise damaged()
    if row.state == OPEN and row.expires_at != datetime.fromisoformat(terms.expires_at):
        raise damaged()
    return Review(row, key, terms)


def require_open(review: Review, at: datetime) -> None:
    """Let a reviewer go on only while there is time.

    Raises:
        ReviewError: it is closed, or its time is over.
    """
    if review.row.state != OPEN or datetime.fromisoformat(review.terms.expires_at) <= at:
        raise ReviewError(
            "The review is closed.", why="Everybody has decided, or its time is over."
        )


def open_crop(review: Review, candidate: CandidateRow, *, permit: Permit) -> bytes:
    """A candidate's crop. Needs OPEN.

    Raises:
        ReviewError: the row was changed.
    """
    require(permit, Touch.OPEN)
    place = (review.review_id, candidate.number, candidate.face_id)
    return unsealed(review, candidate.sealed_crop, place_of("crop", *place))


def open_probe(review: Review, *, permit: Permit) -> bytes:
    """The probe's crop. Needs OPEN.

    Raises:
        ReviewError: the row was changed.
    """
    require(permit, Touch.OPEN)
    return unsealed(review, review.row.sealed_probe, place_of("probe", review.review_id))


def candidates_of(session: Session, review: Review) -> list[CandidateRow]:
    """The candidates that it holds, by number."""
    query = select(CandidateRow).where(CandidateRow.review_id == review.review_id)
    query = query.options(defer(CandidateRow.sealed_crop))  # read when it is shown
    return list(session.scalars(query.order_by(CandidateRow.number)))


def record_of(review: Review, row: CandidateRow) -> dict[str, Any]:
    """What is sealed of a candidate: face id, rate, whether it is extrapolated, whom it names.

    Raises:
        ReviewError: the row was changed.
    """
    place = (review.review_id, row.number, row.face_id)
    told: dict[str, Any] = json.loads(
        unsealed(review, row.sealed_record, place_of("candidate", *place))
    )
    return told


def unsealed(review: Review, sealed: bytes | None, place: bytes) -> bytes:
    """What the review's key sealed at this place.

    Raises:
        ReviewError: it was changed, or is another place's.
    """
    try:
        return unseal(review.key, sealed or b"", place)
    except KeysError as error:
        raise damaged() from error


def damaged() -> ReviewError:
    """What is said of rows that do not open."""
    return ReviewError(
        "The review cannot be opened.",
        why="Its rows were changed, or the keys are another instance's.",
        mend="Search again. What was sealed is told to nobody.",
    )


def key_place(review_id: str) -> bytes:
    """What binds a review's wrapped key to its review."""
    return place_of("key", review_id)


def place_of(kind: str, *parts: object) -> bytes:
    """What binds something sealed to where it stands."""
    return "\x1f".join([f"rightface/review-{kind}/1", *map(str, parts)]).encode()
