"""The service's values in Amazon's shapes. A test holds every one of them against the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rightface.service_types import (
    Candidate,
    CollectionInfo,
    Comparison,
    DeletedFaces,
    DetectedFace,
    FacePage,
    FaceRecord,
    IndexedFaces,
    SearchResult,
)

Shape = dict[str, Any]
# faces' words for low quality, in Amazon's words; what is not here is LOW_FACE_QUALITY.
_REASONS = {
    "exceeds-max-faces": "EXCEEDS_MAX_FACES",
    "face-not-largest": "FACE_NOT_LARGEST",
    "extreme-pose": "EXTREME_POSE",
    "too-dark": "LOW_BRIGHTNESS",
    "too-blurry": "LOW_SHARPNESS",
    "low-confidence": "LOW_CONFIDENCE",
    "too-small": "SMALL_BOUNDING_BOX",
}


def arn(region: str, info: CollectionInfo) -> str:
    """A collection's Amazon Resource Name."""
    return f"arn:aws:rekognition:{region}:{info.arn_suffix}"


def epoch(moment: datetime) -> float:
    """Seconds since 1970, to the millisecond: JSON 1.1's timestamp."""
    return round(moment.timestamp(), 3)


def bounding_box(face: DetectedFace | FaceRecord) -> Shape:
    """BoundingBox: ratios."""
    return {"Width": face.width, "Height": face.height, "Left": face.left, "Top": face.top}


def face_detail(face: DetectedFace) -> Shape:
    """FaceDetail (and ComparedFace) with the default attributes."""
    return {
        "BoundingBox": bounding_box(face),
        "Confidence": percent(face.confidence),
        "Landmarks": _landmarks(face.landmarks),
        "Pose": {
            "Roll": _degrees(face.roll),
            "Yaw": _degrees(face.yaw),
            "Pitch": _degrees(face.pitch),
        },
        "Quality": {"Brightness": face.brightness, "Sharpness": face.sharpness},
    }


def face(record: FaceRecord) -> Shape:
    """Face: what is on record. IndexFacesModelVersion takes digits only, so it is left out."""
    told = {
        "FaceId": record.face_id,
        "BoundingBox": bounding_box(record),
        "ImageId": record.image_id,
        "Confidence": percent(record.confidence),
    }
    if record.subject is not None:
        told["ExternalImageId"] = record.subject
    if record.user is not None:
        told["UserId"] = record.user
    return told


def indexed(value: IndexedFaces) -> Shape:
    """IndexFaces' answer."""
    return {
        "FaceRecords": [
            {"Face": face(entry.record), "FaceDetail": face_detail(entry.detected)}
            for entry in value.enrolled
        ],
        "FaceModelVersion": value.model_version,
        "UnindexedFaces": [
            {"Reasons": quality_reasons(reasons), "FaceDetail": face_detail(seen)}
            for seen, reasons in value.not_enrolled
        ],
    }


def page(value: FacePage) -> Shape:
    """ListFaces' answer."""
    told: Shape = {
        "Faces": [face(record) for record in value.faces],
        "FaceModelVersion": value.model_version,
    }
    if value.next is not None:
        told["NextToken"] = value.next
    return told


def deleted(value: DeletedFaces) -> Shape:
    """DeleteFaces' answer."""
    return {
        "DeletedFaces": list(value.deleted),
        "UnsuccessfulFaceDeletions": [
            *({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in value.missing),
            *(
                {"FaceId": face_id, "UserId": user, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
                for face_id, user in value.held
            ),
        ],
    }


def found(value: SearchResult, searched_face_id: str | None) -> Shape:
    """SearchFaces' and SearchFacesByImage's answer."""
    told: Shape = {
        "FaceMatches": [match(candidate) for candidate in value.candidates],
        "FaceModelVersion": value.model_version,
    }
    if searched_face_id is not None:
        told["SearchedFaceId"] = searched_face_id
    elif value.probe is not None:
        told["SearchedFaceBoundingBox"] = bounding_box(value.probe)
        told["SearchedFaceConfidence"] = percent(value.probe.confidence)
    return told


def compared(value: Comparison) -> Shape:
    """CompareFaces' answer."""
    return {
        "SourceImageFace": {
            "BoundingBox": bounding_box(value.source),
            "Confidence": percent(value.source.confidence),
        },
        "FaceMatches": [
            {"Similarity": percent(one.similarity), "Face": face_detail(one.face)}
            for one in value.matches
        ],
        "UnmatchedFaces": [face_detail(seen) for seen in value.unmatched],
    }


def match(candidate: Candidate) -> Shape:
    """FaceMatch: a lead."""
    return {"Similarity": percent(candidate.similarity), "Face": face(candidate.record)}


def _landmarks(points: Mapping[str, tuple[float, float]]) -> list[Shape]:
    return [{"Type": name, "X": x, "Y": y} for name, (x, y) in points.items()]


def quality_reasons(reasons: Sequence[str]) -> list[str]:
    """Why a face was not taken, in Amazon's words, each once."""
    return list(dict.fromkeys(_REASONS.get(reason, "LOW_FACE_QUALITY") for reason in reasons))


def percent(value: float) -> float:
    """Percent: 0 to 100."""
    return min(max(value, 0.0), 100.0)


def _degrees(value: float) -> float:
    return min(max(value, -180.0), 180.0)
