"""The eleven operations that work: a checked request to the service's method, its answer to a body.

The members are as the model says when they come here (`constraints.check`); what the model cannot
say (one image source, traits that are declined) is said here. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rightface.api.needs import FaceService
from rightface.api.rekognition import shapes, told
from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.operations_table import ATTRIBUTES
from rightface.service_types import Answer, Caller, CollectionInfo, Picture, StoredObject

Members = Mapping[str, Any]
THRESHOLD = 80.0  # Amazon's default of FaceMatchThreshold and SimilarityThreshold
MOST_MATCHES = 80  # and of MaxFaces in searches
MOST_INDEXED = 100  # Amazon enrols no more of one image, whatever is asked
PAGE = 1000  # entries of a page when MaxResults is absent or 0


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


def carry_out(name: str, call: Call) -> Reply:
    """Ask the service; give its answer in Amazon's shape.

    Args:
        name: an operation that `operations_table` says works.
        call: the checked request.

    Raises:
        WireError: what is asked is declined or not possible here.
        RightfaceError: what the service raises.
    """
    return _CALLS[name](call)


def _reply(answer: Answer[Any], body: dict[str, Any], **more: str) -> Reply:
    return Reply(body=body, headers=told.of_answer(answer) | more)


def _create_collection(call: Call) -> Reply:
    answer = call.service.create_collection(
        call.caller, call.members["CollectionId"], call.members.get("Tags", {})
    )
    body = {
        "StatusCode": 200,
        "CollectionArn": shapes.arn(call.region, answer.value),
        "FaceModelVersion": answer.value.model_version,
    }
    return _reply(answer, body)


def _describe_collection(call: Call) -> Reply:
    answer = call.service.describe_collection(call.caller, call.members["CollectionId"])
    info: CollectionInfo = answer.value
    body = {
        "FaceCount": info.face_count,
        "FaceModelVersion": info.model_version,
        "CollectionARN": shapes.arn(call.region, info),
        "CreationTimestamp": shapes.epoch(info.created_at),
        "UserCount": 0,
    }
    return _reply(answer, body)


def _list_collections(call: Call) -> Reply:
    answer = call.service.list_collections(
        call.caller, _page_size(call), call.members.get("NextToken")
    )
    body: dict[str, Any] = {
        "CollectionIds": [info.name for info in answer.value.collections],
        "FaceModelVersions": [info.model_version for info in answer.value.collections],
    }
    if answer.value.next is not None:
        body["NextToken"] = answer.value.next
    return _reply(answer, body)


def _delete_collection(call: Call) -> Reply:
    answer = call.service.delete_collection(call.caller, call.members["CollectionId"])
    return _reply(answer, {"StatusCode": 200})


def _index_faces(call: Call) -> Reply:
    _require_default_attributes(call.members.get("DetectionAttributes", []))
    answer = call.service.index_faces(
        call.caller,
        call.members["CollectionId"],
        image=picture(call, "Image"),
        subject=call.members.get("ExternalImageId"),
        max_faces=min(call.members.get("MaxFaces", MOST_INDEXED), MOST_INDEXED),
        quality_filter=call.members.get("QualityFilter", "AUTO"),
    )
    return _reply(answer, shapes.indexed(answer.value))


def _list_faces(call: Call) -> Reply:
    if "UserId" in call.members:
        raise WireError("InvalidParameterException", "UserId: users are planned, not here yet.")
    answer = call.service.list_faces(
        call.caller,
        call.members["CollectionId"],
        limit=_page_size(call),
        after=call.members.get("NextToken"),
        face_ids=call.members.get("FaceIds"),
    )
    return _reply(answer, shapes.page(answer.value))


def _delete_faces(call: Call) -> Reply:
    unique = list(dict.fromkeys(call.members["FaceIds"]))
    answer = call.service.delete_faces(call.caller, call.members["CollectionId"], unique)
    return _reply(answer, shapes.deleted(answer.value))


def _search_faces(call: Call) -> Reply:
    face_id = call.members["FaceId"]
    answer = call.service.search_faces(
        call.caller,
        call.members["CollectionId"],
        face_id=face_id,
        limit=call.members.get("MaxFaces", MOST_MATCHES),
        similarity=float(call.members.get("FaceMatchThreshold", THRESHOLD)),
    )
    rates = told.of_matches(answer.value.candidates)
    return _reply(answer, shapes.found(answer.value, face_id), **rates)


def _search_faces_by_image(call: Call) -> Reply:
    answer = call.service.search_faces_by_image(
        call.caller,
        call.members["CollectionId"],
        image=picture(call, "Image"),
        limit=call.members.get("MaxFaces", MOST_MATCHES),
        similarity=float(call.members.get("FaceMatchThreshold", THRESHOLD)),
        quality_filter=call.members.get("QualityFilter", "NONE"),
    )
    rates = told.of_matches(answer.value.candidates)
    return _reply(answer, shapes.found(answer.value, None), **rates)


def _detect_faces(call: Call) -> Reply:
    _require_default_attributes(call.members.get("Attributes", []))
    answer = call.service.detect_faces(call.caller, picture(call, "Image"))
    return _reply(answer, {"FaceDetails": [shapes.face_detail(seen) for seen in answer.value]})


def _compare_faces(call: Call) -> Reply:
    answer = call.service.compare_faces(
        call.caller,
        source=picture(call, "SourceImage"),
        target=picture(call, "TargetImage"),
        similarity=float(call.members.get("SimilarityThreshold", THRESHOLD)),
        quality_filter=call.members.get("QualityFilter", "NONE"),
    )
    rates = told.of_matches(answer.value.matches)
    return _reply(answer, shapes.compared(answer.value), **rates)


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


def _page_size(call: Call) -> int:
    return int(call.members.get("MaxResults") or PAGE)


def _require_default_attributes(asked: list[str]) -> None:
    for name in asked:
        entry = ATTRIBUTES[name]
        if entry.state == "declined":
            raise WireError("AccessDeniedException", f"The attribute {name}: {entry.reason}")
        if entry.state == "planned":
            raise WireError("InvalidParameterException", f"The attribute {name}: {entry.reason}")


_CALLS: dict[str, Callable[[Call], Reply]] = {
    "CreateCollection": _create_collection,
    "DescribeCollection": _describe_collection,
    "ListCollections": _list_collections,
    "DeleteCollection": _delete_collection,
    "IndexFaces": _index_faces,
    "ListFaces": _list_faces,
    "DeleteFaces": _delete_faces,
    "SearchFaces": _search_faces,
    "SearchFacesByImage": _search_faces_by_image,
    "DetectFaces": _detect_faces,
    "CompareFaces": _compare_faces,
}
