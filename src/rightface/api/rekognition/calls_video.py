"""Stored video on Rekognition's wire: StartFaceDetection, StartFaceSearch, and their Gets.

`NotificationChannel` is refused: nobody is notified here, and who waits for a message would wait
for ever. Amazon's shapes have no member for progress; it is in the header `x-rightface-progress`.
Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rightface.api.rekognition import shapes
from rightface.api.rekognition.call import Call, Reply, reply, stored_object
from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.operations_table import ATTRIBUTES
from rightface.service_types import JobStatus, Sighting, StoredObject

THRESHOLD = 80.0  # Amazon's default of FaceMatchThreshold
PAGE = 1000  # Amazon's default and maximum of MaxResults
PROGRESS = "x-rightface-progress"


def _start_face_detection(call: Call) -> Reply:
    asked = call.members.get("FaceAttributes", "DEFAULT")
    entry = ATTRIBUTES[asked]
    if entry.state != "works":
        raise WireError("AccessDeniedException", f"The attribute {asked}: {entry.reason}")
    answer = call.service.start_face_detection(
        call.caller,
        video=_video(call),
        token=call.members.get("ClientRequestToken"),
        tag=call.members.get("JobTag"),
    )
    return reply(answer, {"JobId": answer.value})


def _start_face_search(call: Call) -> Reply:
    answer = call.service.start_face_search(
        call.caller,
        call.members["CollectionId"],
        video=_video(call),
        similarity=float(call.members.get("FaceMatchThreshold", THRESHOLD)),
        token=call.members.get("ClientRequestToken"),
        tag=call.members.get("JobTag"),
    )
    return reply(answer, {"JobId": answer.value})


def _get_face_detection(call: Call) -> Reply:
    answer = call.service.get_face_detection(
        call.caller,
        call.members["JobId"],
        limit=_page_size(call),
        after=call.members.get("NextToken"),
    )
    body = _job(answer.value.job)
    if answer.value.job.state == "SUCCEEDED":
        body["Faces"] = [
            {"Timestamp": at_ms, "Face": shapes.face_detail(face)}
            for at_ms, face in answer.value.faces
        ]
    return reply(answer, _paged(body, answer.value.next), **_progress(answer.value.job))


def _get_face_search(call: Call) -> Reply:
    answer = call.service.get_face_search(
        call.caller,
        call.members["JobId"],
        limit=_page_size(call),
        after=call.members.get("NextToken"),
        by_index=call.members.get("SortBy", "TIMESTAMP") == "INDEX",
    )
    body = _job(answer.value.job)
    if answer.value.job.state == "SUCCEEDED":
        body["Persons"] = [_person(one) for one in answer.value.sightings]
    return reply(answer, _paged(body, answer.value.next), **_progress(answer.value.job))


VIDEO_CALLS: dict[str, Callable[[Call], Reply]] = {
    "StartFaceDetection": _start_face_detection,
    "GetFaceDetection": _get_face_detection,
    "StartFaceSearch": _start_face_search,
    "GetFaceSearch": _get_face_search,
}


def _video(call: Call) -> StoredObject:
    if "NotificationChannel" in call.members:
        raise WireError(
            "InvalidParameterException",
            "NotificationChannel: nobody is notified here. Leave it out, and ask with Get….",
        )
    return stored_object(call.members["Video"].get("S3Object", {}), "Video")


def _page_size(call: Call) -> int:
    return min(int(call.members.get("MaxResults", PAGE)), PAGE)


def _job(job: JobStatus) -> dict[str, Any]:
    """What both Gets tell of a job. Amazon has no word for one that waits: it is in progress."""
    place = {"Bucket": job.video.bucket, "Name": job.video.name}
    if job.video.version is not None:
        place["Version"] = job.video.version
    body: dict[str, Any] = {
        "JobId": job.job_id,
        "JobStatus": "IN_PROGRESS" if job.state == "SUBMITTED" else job.state,
        "Video": {"S3Object": place},
    }
    if job.message is not None:
        body["StatusMessage"] = job.message
    if job.tag is not None:
        body["JobTag"] = job.tag
    if job.metadata is not None:
        known = job.metadata
        body["VideoMetadata"] = {
            "Codec": known.codec,
            "DurationMillis": known.duration_ms,
            "Format": known.format,
            "FrameRate": known.frame_rate,
            "FrameHeight": known.height,
            "FrameWidth": known.width,
            "ColorRange": "FULL" if known.full_range else "LIMITED",
        }
    return body


def _person(one: Sighting) -> dict[str, Any]:
    detail = shapes.face_detail(one.face)
    return {
        "Timestamp": one.at_ms,
        "Person": {"Index": one.index, "BoundingBox": detail["BoundingBox"], "Face": detail},
        "FaceMatches": [shapes.match(candidate) for candidate in one.candidates],
    }


def _paged(body: dict[str, Any], token: str | None) -> dict[str, Any]:
    return body if token is None else body | {"NextToken": token}


def _progress(job: JobStatus) -> dict[str, str]:
    return {PROGRESS: str(job.progress)}
