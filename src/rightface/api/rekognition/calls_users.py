"""Users, and tags of collections: a checked request to the service's method, its answer to a body.

Must never know: HTTP, what a user id means.
"""

from __future__ import annotations

from collections.abc import Callable

from rightface.api.rekognition import shapes_users as shapes
from rightface.api.rekognition import told
from rightface.api.rekognition.call import Call, Reply, picture, reply
from rightface.api.rekognition.faults import WireError
from rightface.service_types import Answer, UserSearch, arn_suffix

MATCH = 80.0  # Amazon's default of UserMatchThreshold in searches
JOIN = 75.0  # and in AssociateFaces
MOST_USERS = 80  # of MaxUsers: Amazon names no default; as MaxFaces
PAGE = 500  # users of a page when MaxResults is absent; Amazon's most


def _create_user(call: Call) -> Reply:
    answer = call.service.create_user(
        call.caller,
        call.members["CollectionId"],
        call.members["UserId"],
        token=call.members.get("ClientRequestToken"),
    )
    return reply(answer, {})


def _delete_user(call: Call) -> Reply:
    answer = call.service.delete_user(
        call.caller,
        call.members["CollectionId"],
        call.members["UserId"],
        token=call.members.get("ClientRequestToken"),
    )
    return reply(answer, {})


def _list_users(call: Call) -> Reply:
    answer = call.service.list_users(
        call.caller,
        call.members["CollectionId"],
        limit=call.members.get("MaxResults", PAGE),
        after=call.members.get("NextToken"),
    )
    return reply(answer, shapes.users(answer.value))


def _associate_faces(call: Call) -> Reply:
    answer = call.service.associate_faces(
        call.caller,
        call.members["CollectionId"],
        call.members["UserId"],
        call.members["FaceIds"],
        similarity=float(call.members.get("UserMatchThreshold", JOIN)),
        token=call.members.get("ClientRequestToken"),
    )
    return reply(answer, shapes.associated(answer.value))


def _disassociate_faces(call: Call) -> Reply:
    answer = call.service.disassociate_faces(
        call.caller,
        call.members["CollectionId"],
        call.members["UserId"],
        call.members["FaceIds"],
        token=call.members.get("ClientRequestToken"),
    )
    return reply(answer, shapes.disassociated(answer.value))


def _search_users(call: Call) -> Reply:
    face_id, user_id = call.members.get("FaceId"), call.members.get("UserId")
    if (face_id is None) == (user_id is None):
        raise WireError("InvalidParameterException", "Give either FaceId or UserId.")
    answer = call.service.search_users(
        call.caller,
        call.members["CollectionId"],
        face_id=face_id,
        user_id=user_id,
        limit=call.members.get("MaxUsers", MOST_USERS),
        similarity=float(call.members.get("UserMatchThreshold", MATCH)),
    )
    body = shapes.found(answer.value)
    if face_id is not None:
        body["SearchedFace"] = {"FaceId": face_id}
    else:
        body["SearchedUser"] = {"UserId": user_id}
    return reply(answer, body, **_rates(answer))


def _search_users_by_image(call: Call) -> Reply:
    answer = call.service.search_users_by_image(
        call.caller,
        call.members["CollectionId"],
        image=picture(call, "Image"),
        limit=call.members.get("MaxUsers", MOST_USERS),
        similarity=float(call.members.get("UserMatchThreshold", MATCH)),
        quality_filter=call.members.get("QualityFilter", "NONE"),
    )
    return reply(answer, shapes.found_by_image(answer.value), **_rates(answer))


def _tag_resource(call: Call) -> Reply:
    answer = call.service.tag_collection(call.caller, _collection(call), call.members["Tags"])
    return reply(answer, {})


def _untag_resource(call: Call) -> Reply:
    answer = call.service.untag_collection(call.caller, _collection(call), call.members["TagKeys"])
    return reply(answer, {})


def _list_tags_for_resource(call: Call) -> Reply:
    answer = call.service.list_tags(call.caller, _collection(call))
    return reply(answer, {"Tags": dict(answer.value)})


def _collection(call: Call) -> str:
    # The collection that an ARN names: the caller's own, in the region that was signed for.
    given = call.members["ResourceArn"]
    name = given.rpartition(":collection/")[2]
    own = arn_suffix(call.caller.licence.client, name)
    if given != f"arn:aws:rekognition:{call.region}:{own}":
        raise WireError("ResourceNotFoundException", "ResourceArn names no collection of yours.")
    return str(name)


def _rates(answer: Answer[UserSearch]) -> dict[str, str]:
    return told.of_matches(answer.value.candidates)


USERS_CALLS: dict[str, Callable[[Call], Reply]] = {
    "CreateUser": _create_user,
    "DeleteUser": _delete_user,
    "ListUsers": _list_users,
    "AssociateFaces": _associate_faces,
    "DisassociateFaces": _disassociate_faces,
    "SearchUsers": _search_users,
    "SearchUsersByImage": _search_users_by_image,
    "TagResource": _tag_resource,
    "UntagResource": _untag_resource,
    "ListTagsForResource": _list_tags_for_resource,
}
