"""The hook that lets an unmodified boto3 client say for what, and of whom, it asks.

    import boto3
    from rightface.boto3 import stamp
    client = stamp(boto3.client("rekognition", endpoint_url=...), purpose="access-control")

Amazon's API has no word for a purpose or for the subject of a probe photograph; they travel as the
headers `x-rightface-purpose` and `x-rightface-subject`, set before boto3 signs, so that they are
part of the signature. Knows nothing of the server; needs boto3 only through the client it is given.
"""

from __future__ import annotations

from typing import Any, TypeVar

Client = TypeVar("Client")
_HOOK = "rightface-stamp"


def stamp(client: Client, *, purpose: str | None = None, subject: str | None = None) -> Client:
    """Let every request of a boto3 Rekognition client carry a purpose, a subject, or both.

    Stamping again replaces the former stamp; with neither, it is taken off.

    Args:
        client: what `boto3.client("rekognition", ...)` gave.
        purpose: a word of `rightface law`'s purposes, for a licence that has several.
        subject: the subject reference of the person in a probe photograph.

    Returns:
        The same client.
    """
    told = {"x-rightface-purpose": purpose, "x-rightface-subject": subject}
    headers = {name: value for name, value in told.items() if value is not None}

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"].update(headers)

    events = client.meta.events  # type: ignore[attr-defined]  # boto3's clients are made at run time
    events.unregister("before-call.rekognition", unique_id=_HOOK)
    if headers:
        events.register("before-call.rekognition", add, unique_id=_HOOK)
    return client
