"""Routes: human review, for reviewers and for the client that searched."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Path

from rightface.api.native import asks, shapes
from rightface.api.native.house import By, Id, In, router
from rightface.service_types import Caller

routes = router("reviews")
ReviewId = Annotated[str, Path(pattern=r"^rev-[A-Za-z0-9-]{1,60}$")]


@routes.get("/reviews")
def list_reviews(house: In, who: By) -> shapes.OpenSeats:
    """The open reviews that wait for this reviewer, oldest first."""
    found = house.service.list_reviews(who.token)
    return shapes.OpenSeats(reviews=[shapes.OpenSeat.of(each) for each in found])


@routes.post("/reviews/{review_id}/open")
def open_review(house: In, who: By, review_id: ReviewId) -> shapes.OpenedReview:
    """Take a seat and look: the probe, and each candidate not decided on yet."""
    opened = house.service.open_review(who.token, review_id)
    return shapes.OpenedReview(
        review_id=opened.review_id,
        expires_at=opened.expires_at,
        probe=base64.b64encode(opened.probe),
        candidates=[
            shapes.Shown(number=one.number, picture=base64.b64encode(one.picture))
            for one in opened.candidates
        ],
    )


@routes.post("/reviews/{review_id}/decide")
def decide_review(
    house: In, who: By, review_id: ReviewId, asked: asks.ReviewDecisions
) -> shapes.Decided:
    """Decide on candidates by the numbers that one sees. Once on each, for good."""
    decisions = {int(number): verdict for number, verdict in asked.decisions.items()}
    return shapes.Decided(left=house.service.decide_review(who.token, review_id, decisions))


@routes.post("/reviews/{review_id}/outcome")
def review_outcome(
    house: In, who: By, request_id: Id, review_id: ReviewId, asked: asks.OutcomeAsked
) -> shapes.ReviewOutcome:
    """What became of a review of the client's own; the gate is asked anew, on record."""
    assert who.licence is not None  # the door lets only clients in
    caller = Caller(licence=who.licence, purpose=asked.purpose, subject=None, request_id=request_id)
    told = house.service.review_outcome(caller, review_id).value
    return shapes.ReviewOutcome(
        review_id=told.review_id,
        state=told.state,
        outcome=told.outcome,
        expires_at=told.expires_at,
        candidates=[
            shapes.Lead(
                face_id=one.record.face_id,
                subject=one.record.subject,
                user=one.record.user,
                similarity=one.similarity,
                fmr=one.fmr,
                extrapolated=one.extrapolated,
            )
            for one in told.candidates
        ],
        note=told.note,
    )


@routes.get("/review-figures")
def review_figures(house: In, who: By) -> shapes.ReviewFigures:
    """How reviewed candidates came out, by model pack, gallery and band of rates."""
    del who
    found = house.service.review_figures()
    return shapes.ReviewFigures(figures=[shapes.ReviewFigure.of(each) for each in found])
