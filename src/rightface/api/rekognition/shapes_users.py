"""Users and what becomes of their faces, in Amazon's shapes."""

from __future__ import annotations

from collections.abc import Sequence

from rightface.api.rekognition.shapes import Shape, face_detail, percent, quality_reasons
from rightface.service_types import Association, LeftOut, UserCandidate, UserPage, UserSearch

_REASONS = {
    "face-not-found": "FACE_NOT_FOUND",
    "of-another-user": "ASSOCIATED_TO_A_DIFFERENT_USER",
    "low-match-confidence": "LOW_MATCH_CONFIDENCE",
}


def status(*, faces: bool) -> str:
    """UserStatus. A change is whole when it is answered: nothing is ever CREATING or UPDATING."""
    return "ACTIVE" if faces else "CREATED"


def users(value: UserPage) -> Shape:
    """ListUsers' answer."""
    told: Shape = {
        "Users": [
            {"UserId": one.user_id, "UserStatus": status(faces=one.faces)} for one in value.users
        ]
    }
    if value.next is not None:
        told["NextToken"] = value.next
    return told


def associated(value: Association) -> Shape:
    """AssociateFaces' answer."""
    return {
        "AssociatedFaces": [{"FaceId": face_id} for face_id in value.moved],
        "UnsuccessfulFaceAssociations": _left_out(value.left_out),
        "UserStatus": status(faces=value.faces),
    }


def disassociated(value: Association) -> Shape:
    """DisassociateFaces' answer."""
    return {
        "DisassociatedFaces": [{"FaceId": face_id} for face_id in value.moved],
        "UnsuccessfulFaceDisassociations": _left_out(value.left_out),
        "UserStatus": status(faces=value.faces),
    }


def found(value: UserSearch) -> Shape:
    """What SearchUsers and SearchUsersByImage have in common."""
    return {
        "UserMatches": [_match(one) for one in value.candidates],
        "FaceModelVersion": value.model_version,
    }


def found_by_image(value: UserSearch) -> Shape:
    """SearchUsersByImage's answer."""
    told = found(value)
    told["UnsearchedFaces"] = [
        {"FaceDetails": face_detail(seen), "Reasons": quality_reasons(reasons)}
        for seen, reasons in value.unsearched
    ]
    if value.probe is not None:
        told["SearchedFace"] = {"FaceDetail": face_detail(value.probe)}
    return told


def _match(one: UserCandidate) -> Shape:
    user = {"UserId": one.user.user_id, "UserStatus": status(faces=one.user.faces)}
    return {"Similarity": percent(one.similarity), "User": user}


def _left_out(faces: Sequence[LeftOut]) -> list[Shape]:
    told = []
    for one in faces:
        # For a user that is full Amazon has no word: then there is no reason.
        entry: Shape = {
            "FaceId": one.face_id,
            "Reasons": [] if one.reason is None else [_REASONS[one.reason]],
        }
        if one.user is not None:
            entry["UserId"] = one.user
        if one.similarity is not None:
            entry["Confidence"] = percent(one.similarity)
        told.append(entry)
    return told
