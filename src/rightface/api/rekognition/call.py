"""One request on its way to the service, and its answer on the way back. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rightface.api.needs import FaceService
from rightface.api.rekognition import told
from rightface.api.rekognition.faults import WireError
from rightface.service_types import Answer, Caller, Picture, StoredObject

Members = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A body in Amazon's shape, and the headers that go with it."""

    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request on its way to the service."""

    service: FaceService
    caller: Caller
    region: str
    members: Members


def reply(answer: Answer[Any], body: dict[str, Any], **more: str) -> Reply:
    """An answer in Amazon's shape, with the headers that prove it allowed."""
    return Reply(body=body, headers=told.of_answer(answer) | more)


def picture(call: Call, name: str) -> Picture:
    """The image of a request: its bytes, or where they lie.

    Raises:
        WireError: neither or both are given, or the S3Object is not complete.
    """
    image = call.members[name]
    if ("Bytes" in image) == ("S3Object" in image):
        raise WireError("InvalidParameterException", f"{name}: give either Bytes or S3Object.")
    if "S3Object" in image:
        return stored_object(image["S3Object"], name)
    return bytes(image["Bytes"])


def stored_object(told: Members, name: str) -> StoredObject:
    """An S3Object of a request.

    Raises:
        WireError: it has no Bucket or no Name.
    """
    if "Bucket" not in told or "Name" not in told:
        raise WireError("InvalidS3ObjectException", f"{name}: an S3Object has a Bucket and a Name.")
    return StoredObject(bucket=told["Bucket"], name=told["Name"], version=told.get("Version"))
