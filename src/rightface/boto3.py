"""The hook that lets an unmodified boto3 client say for what, of whom and by which warrant it asks.

    import boto3
    from rightface.boto3 import stamp
    client = stamp(boto3.client("rekognition", endpoint_url=...), purpose="access-control")

Amazon's API has no word for a purpose, for the subject of a probe photograph, for a warrant or for
what tells against a request; they travel as the headers `x-rightface-purpose`, `-subject`,
`-warrant` and `-declare`. A nonce, fresh for each attempt, makes a captured request worthless. All
are set before boto3 signs, so that they are part of the signature.
Knows nothing of the server; needs boto3 only through the client it is given.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

Client = TypeVar("Client")
_EVENT = "before-sign.rekognition"
_HOOK = "rightface-stamp"


def stamp(
    client: Client,
    *,
    purpose: str | None = None,
    subject: str | None = None,
    warrant: str | None = None,
    declare: str | None = None,
) -> Client:
    """Let every request of a boto3 Rekognition client carry a nonce, and what else is given.

    Stamping again replaces the former stamp.

    Args:
        client: what `boto3.client("rekognition", ...)` gave.
        purpose: a word of the purposes' list, for a licence that has several.
        subject: the subject reference of the person in a probe photograph.
        warrant: the id of a warrant, order or emergency on record, `wrt-…`. Every request then
            relies on it, and is refused where it does not cover it: stamp a client of its own.
        declare: what tells against the requests, such as `assembly,device=body-camera`: who knows
            that people are at a demonstration, or opted out, says so, and the gate answers it.

    Returns:
        The same client.
    """
    told = {
        "x-rightface-purpose": purpose,
        "x-rightface-subject": subject,
        "x-rightface-warrant": warrant,
        "x-rightface-declare": declare,
    }
    fixed = {name: value for name, value in told.items() if value is not None}

    def add(request: Any, **_: object) -> None:
        for name, value in {**fixed, "x-rightface-nonce": uuid.uuid4().hex}.items():
            del request.headers[name]  # a message's headers are added to, not replaced
            request.headers[name] = value

    events = client.meta.events  # type: ignore[attr-defined]  # boto3's clients are made at run time
    events.unregister(_EVENT, unique_id=_HOOK)
    events.register(_EVENT, add, unique_id=_HOOK)
    return client


class Waiting(NamedTuple):
    """A search whose candidates people review first. Its `FaceMatches` are empty until then."""

    review_id: str
    """Ask for its outcome by this: `POST /v1/reviews/{review_id}/outcome`."""
    expires_at: datetime
    """Until when the reviewers may decide; of several, when the first of them ends."""


def review_of(response: Mapping[str, Any]) -> Waiting | None:
    """The review that a search's answer waits for; None: it waits for none.

    An empty list of matches says nothing by itself: ask this first. Whether anybody was found is
    not told before people have decided.

    Args:
        response: what `search_faces`, `search_faces_by_image` and the like gave.
    """
    found = _waiting(response)
    return found[0] if found else None


def reviews_of(response: Mapping[str, Any]) -> dict[int, Waiting]:
    """The review that each person of a stored video waits for: `Person.Index` → review.

    Args:
        response: one page of what `get_face_search` gave.
    """
    people = dict.fromkeys(one["Person"]["Index"] for one in response.get("Persons", []))
    return dict(zip(people, _waiting(response), strict=False))  # none, where nobody must review


def _waiting(response: Mapping[str, Any]) -> list[Waiting]:
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    if "x-rightface-review" not in headers:
        return []
    expires = datetime.fromisoformat(headers["x-rightface-review-expires"])
    return [Waiting(one, expires) for one in headers["x-rightface-review"].split(",")]
