"""The operations that work: a checked request to the service's method, its answer to a body.

The members are as the model says when they come here (`constraints.check`); what the model cannot
say (one image source, traits that are declined) is said here. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rightface.api.rekognition import shapes, told
from rightface.api.rekognition.call import Call, Reply, picture, reply
from rightface.api.rekognition.calls_users import USERS_CALLS
from rightface.api.rekognition.calls_video import VIDEO_CALLS
from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.operations_table import ATTRIBUTES
from rightface.service_types import CollectionInfo

THRESHOLD = 80.0  # Amazon's default of FaceMatchThreshold and SimilarityThreshold
MOST_MATCHES = 80  # and of MaxFaces in searches
MOST_INDEXED = 100  # Amazon enrols no more of one image, whatever is asked
PAGE = 1000  # entries of a page when MaxResults is absent or 0


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


def _create_collection(call: Call) -> Reply:
    answer = call.service.create_collection(
        call.caller, call.members["CollectionId"], call.members.get("Tags", {})
    )
    body = {
        "StatusCode": 200,
        "CollectionArn": shapes.arn(call.region, answer.value),
        "FaceModelVersion": answer.value.model_version,
    }
    return reply(answer, body)


def _describe_collection(call: Call) -> Reply:
    answer = call.service.describe_collection(call.caller, call.members["CollectionId"])
    info: CollectionInfo = answer.value
    body = {
        "FaceCount": info.face_count,
        "FaceModelVersion": info.model_version,
        "CollectionARN": shapes.arn(call.region, info),
        "CreationTimestamp": shapes.epoch(info.created_at),
        "UserCount": info.user_count,
    }
    return reply(answer, body)


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
    return reply(answer, body)


def _delete_collection(call: Call) -> Reply:
    answer = call.service.delete_collection(call.caller, call.members["CollectionId"])
    return reply(answer, {"StatusCode": 200})


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
    return reply(answer, shapes.indexed(answer.value))


def _list_faces(call: Call) -> Reply:
    answer = call.service.list_faces(
        call.caller,
        call.members["CollectionId"],
        limit=_page_size(call),
        after=call.members.get("NextToken"),
        face_ids=call.members.get("FaceIds"),
        user_id=call.members.get("UserId"),
    )
    return reply(answer, shapes.page(answer.value))


def _delete_faces(call: Call) -> Reply:
    unique = list(dict.fromkeys(call.members["FaceIds"]))
    answer = call.service.delete_faces(call.caller, call.members["CollectionId"], unique)
    return reply(answer, shapes.deleted(answer.value))


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
    return reply(answer, shapes.found(answer.value, face_id), **rates)


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
    return reply(answer, shapes.found(answer.value, None), **rates)


def _detect_faces(call: Call) -> Reply:
    _require_default_attributes(call.members.get("Attributes", []))
    answer = call.service.detect_faces(call.caller, picture(call, "Image"))
    return reply(answer, {"FaceDetails": [shapes.face_detail(seen) for seen in answer.value]})


def _compare_faces(call: Call) -> Reply:
    answer = call.service.compare_faces(
        call.caller,
        source=picture(call, "SourceImage"),
        target=picture(call, "TargetImage"),
        similarity=float(call.members.get("SimilarityThreshold", THRESHOLD)),
        quality_filter=call.members.get("QualityFilter", "NONE"),
    )
    rates = told.of_matches(answer.value.matches)
    return reply(answer, shapes.compared(answer.value), **rates)


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
    **VIDEO_CALLS,
    **USERS_CALLS,
}
