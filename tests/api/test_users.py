"""Users and tags as an unmodified boto3 sees them, in front of the real service."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.model import StructureShape

from rightface.api.rekognition import model
from rightface.api.rekognition.constraints import conform
from tests.api.conftest import Wire
from tests.conftest import Server
from tests.portraits import degraded, eileen_collins, grace_hopper, nobody, small, two_people

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

STAFF = "staff"
GRACE = small(grace_hopper(), 300)
GRACE_AGAIN = small(degraded(grace_hopper()), 300)
EILEEN = small(eileen_collins(), 400)
NO_FACE_ID = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return str(raised.value.response["Error"]["Code"])


@pytest.fixture
def client(wire: Wire) -> RekognitionClient:
    """A client with an empty collection."""
    made = wire.client()
    made.create_collection(CollectionId=STAFF)
    return made


@pytest.fixture
def enrol(wire: Wire, client: RekognitionClient) -> Callable[[str, bytes], str]:
    """Enrols a photograph of a consenting subject; gives the face id."""

    def enrolled(subject: str, photo: bytes) -> str:
        wire.consent(subject)
        answer = client.index_faces(
            CollectionId=STAFF, Image={"Bytes": photo}, ExternalImageId=subject
        )
        return answer["FaceRecords"][0]["Face"]["FaceId"]

    return enrolled


Enrol = Callable[[str, bytes], str]


def user(client: RekognitionClient, user_id: str, *face_ids: str) -> Any:
    client.create_user(CollectionId=STAFF, UserId=user_id)
    if not face_ids:
        return None
    return client.associate_faces(CollectionId=STAFF, UserId=user_id, FaceIds=list(face_ids))


def matches(answer: Any) -> list[str]:
    return [one["User"]["UserId"] for one in answer["UserMatches"]]


def test_every_answer_is_as_the_model_says(wire: Wire, client: RekognitionClient) -> None:
    image = {"Bytes": base64.b64encode(two_people()).decode()}
    wire.consent("alice")
    at = {"CollectionId": STAFF}

    def asked(operation: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = wire.ask(operation, body)
        assert answer.status == 200, answer.body
        shape = model.operation(operation).output_shape
        assert isinstance(shape, StructureShape)
        conform(shape, answer.json)
        return answer.json

    indexed = asked("IndexFaces", {**at, "Image": image, "ExternalImageId": "alice"})
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    person = {**at, "UserId": "alice:1"}
    assert asked("CreateUser", person) == {}
    assert asked("ListUsers", at) == {"Users": [{"UserId": "alice:1", "UserStatus": "CREATED"}]}
    faces = [face_id, NO_FACE_ID]
    assert asked("AssociateFaces", {**person, "FaceIds": faces}) == {
        "AssociatedFaces": [{"FaceId": face_id}],
        "UnsuccessfulFaceAssociations": [{"FaceId": NO_FACE_ID, "Reasons": ["FACE_NOT_FOUND"]}],
        "UserStatus": "ACTIVE",
    }
    assert asked("SearchUsers", {**at, "FaceId": face_id})["SearchedFace"] == {"FaceId": face_id}
    assert asked("SearchUsers", person)["SearchedUser"] == {"UserId": "alice:1"}
    found = asked("SearchUsersByImage", {**at, "Image": image})
    assert found["UserMatches"][0]["User"] == {"UserId": "alice:1", "UserStatus": "ACTIVE"}
    assert found["SearchedFace"]["FaceDetail"]["BoundingBox"]
    assert [one["Reasons"] for one in found["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]]
    assert asked("ListFaces", person)["Faces"][0]["UserId"] == "alice:1"
    assert asked("DescribeCollection", at)["UserCount"] == 1
    other = asked("IndexFaces", {**at, "Image": image, "ExternalImageId": "alice"})
    free = other["FaceRecords"][0]["Face"]["FaceId"]
    assert asked("DeleteFaces", {**at, "FaceIds": [*faces, free]}) == {
        "DeletedFaces": [free],
        "UnsuccessfulFaceDeletions": [
            {"FaceId": NO_FACE_ID, "Reasons": ["FACE_NOT_FOUND"]},
            {
                "FaceId": face_id,
                "UserId": "alice:1",
                "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"],
            },
        ],
    }
    assert asked("DisassociateFaces", {**person, "FaceIds": faces}) == {
        "DisassociatedFaces": [{"FaceId": face_id}],
        "UnsuccessfulFaceDisassociations": [{"FaceId": NO_FACE_ID, "Reasons": ["FACE_NOT_FOUND"]}],
        "UserStatus": "CREATED",
    }
    assert asked("DeleteUser", person) == {}
    arn = asked("DescribeCollection", at)["CollectionARN"]
    assert asked("TagResource", {"ResourceArn": arn, "Tags": {"a": "b"}}) == {}
    assert asked("ListTagsForResource", {"ResourceArn": arn}) == {"Tags": {"a": "b"}}
    assert asked("UntagResource", {"ResourceArn": arn, "TagKeys": ["a"]}) == {}


def test_a_users_life(client: RekognitionClient, enrol: Enrol) -> None:
    first, second = enrol("grace", GRACE), enrol("grace", GRACE_AGAIN)
    user(client, "u-1", first, second)
    listed = client.list_faces(CollectionId=STAFF, UserId="u-1")["Faces"]
    assert {face["FaceId"] for face in listed} == {first, second}
    assert {face["UserId"] for face in listed} == {"u-1"}
    found = client.search_faces_by_image(CollectionId=STAFF, Image={"Bytes": GRACE})
    assert {match["Face"]["UserId"] for match in found["FaceMatches"]} == {"u-1"}
    # Disassociated one by one, it stays, with nobody.
    for face_id in (first, second):
        client.disassociate_faces(CollectionId=STAFF, UserId="u-1", FaceIds=[face_id])
    assert client.list_users(CollectionId=STAFF)["Users"] == [
        {"UserId": "u-1", "UserStatus": "CREATED"}
    ]
    assert "UserId" not in client.list_faces(CollectionId=STAFF)["Faces"][0]
    # Deleted, it lets go of its faces, which stay.
    client.associate_faces(CollectionId=STAFF, UserId="u-1", FaceIds=[first])
    client.delete_user(CollectionId=STAFF, UserId="u-1")
    assert client.list_users(CollectionId=STAFF)["Users"] == []
    assert client.describe_collection(CollectionId=STAFF)["FaceCount"] == 2
    deleted = client.delete_faces(CollectionId=STAFF, FaceIds=[first, second])
    assert set(deleted["DeletedFaces"]) == {first, second}


def test_what_is_not_there_or_there_already(client: RekognitionClient) -> None:
    at = {"CollectionId": STAFF, "UserId": "u-1"}
    user(client, "u-1")
    assert code(lambda: client.create_user(**at)) == "ConflictException"
    for call in (
        lambda: client.delete_user(CollectionId=STAFF, UserId="nobody"),
        lambda: client.list_faces(CollectionId=STAFF, UserId="nobody"),
        lambda: client.search_users(CollectionId=STAFF, UserId="nobody"),
        lambda: client.associate_faces(CollectionId=STAFF, UserId="nobody", FaceIds=[NO_FACE_ID]),
        lambda: client.disassociate_faces(
            CollectionId=STAFF, UserId="nobody", FaceIds=[NO_FACE_ID]
        ),
        lambda: client.create_user(CollectionId="nowhere", UserId="u-1"),
        lambda: client.list_users(CollectionId="nowhere"),
        lambda: client.search_users_by_image(CollectionId="nowhere", Image={"Bytes": GRACE}),
    ):
        assert code(call) == "ResourceNotFoundException"
    for ask in ({"FaceId": NO_FACE_ID}, {"UserId": "u-1"}, {}, {"FaceId": NO_FACE_ID, **at}):
        more: Any = {"CollectionId": STAFF, **ask}
        assert code(lambda more=more: client.search_users(**more)) == "InvalidParameterException"  # type: ignore[misc]


def test_another_clients_users_do_not_exist(
    server: Server, wire: Wire, client: RekognitionClient, enrol: Enrol
) -> None:
    face_id = enrol("grace", GRACE)
    user(client, "u-1", face_id)
    arn = client.describe_collection(CollectionId=STAFF)["CollectionARN"]
    issued = server.instance.licence(f"stranger-{uuid.uuid4()}")
    stranger = wire.client(key=issued.licence.access_key_id, secret=issued.secret_access_key)
    at: Any = {"CollectionId": STAFF}

    def all_asked(wanted: str) -> None:
        person: Any = {**at, "UserId": "u-1"}
        faces: Any = {"FaceIds": [face_id]}
        for ask in (
            lambda: stranger.delete_user(**person),
            lambda: stranger.list_faces(**person),
            lambda: stranger.associate_faces(**person, **faces),
            lambda: stranger.disassociate_faces(**person, **faces),
            lambda: stranger.search_users(**person),
            lambda: stranger.list_tags_for_resource(ResourceArn=arn),
            lambda: stranger.tag_resource(ResourceArn=arn, Tags={"a": "b"}),
            lambda: stranger.untag_resource(ResourceArn=arn, TagKeys=["a"]),
        ):
            assert code(ask) == wanted

    all_asked("ResourceNotFoundException")
    for ask in (
        lambda: stranger.list_users(**at),
        lambda: stranger.create_user(**at, UserId="u-2"),
        lambda: stranger.search_users_by_image(**at, Image={"Bytes": GRACE}),
    ):
        assert code(ask) == "ResourceNotFoundException"
    # With a collection of the same name, that is another collection, and has other users.
    stranger.create_collection(**at)
    all_asked("ResourceNotFoundException")
    assert stranger.list_users(**at)["Users"] == []
    stranger.create_user(**at, UserId="u-1")
    answer = stranger.associate_faces(**at, UserId="u-1", FaceIds=[face_id])
    (left_out,) = answer["UnsuccessfulFaceAssociations"]
    assert left_out == {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    found = stranger.search_users_by_image(**at, Image={"Bytes": GRACE})
    assert found["UserMatches"] == []


def test_limits_of_the_model(wire: Wire, client: RekognitionClient) -> None:
    at: dict[str, Any] = {"CollectionId": STAFF}
    many = [str(uuid.uuid4()) for _ in range(101)]
    for operation, body in (
        ("ListUsers", {**at, "MaxResults": 0}),
        ("ListUsers", {**at, "MaxResults": 501}),
        ("SearchUsers", {**at, "FaceId": NO_FACE_ID, "MaxUsers": 0}),
        ("SearchUsers", {**at, "FaceId": NO_FACE_ID, "MaxUsers": 501}),
        ("SearchUsers", {**at, "FaceId": NO_FACE_ID, "UserMatchThreshold": 100.1}),
        ("AssociateFaces", {**at, "UserId": "u", "FaceIds": many}),
        ("AssociateFaces", {**at, "UserId": "u", "FaceIds": []}),
        ("DisassociateFaces", {**at, "UserId": "u", "FaceIds": many}),
        ("CreateUser", {**at, "UserId": "u" * 129}),
        ("CreateUser", {**at, "UserId": "u u"}),
        ("CreateUser", {**at, "UserId": "u", "ClientRequestToken": "t" * 65}),
        ("CreateUser", {**at, "UserId": "u", "ClientRequestToken": "!"}),
    ):
        answer = wire.ask(operation, body)
        assert (answer.status, answer.json["__type"]) == (400, "ValidationException"), operation
    assert wire.ask("CreateUser", {**at, "UserId": "u" * 128}).status == 200


def test_users_in_pages(client: RekognitionClient) -> None:
    names = {f"user:{number}" for number in range(7)}
    for name in names:
        user(client, name)
    pages = list(
        client.get_paginator("list_users").paginate(
            CollectionId=STAFF, PaginationConfig={"PageSize": 3}
        )
    )
    assert [len(page["Users"]) for page in pages] == [3, 3, 1]
    assert {one["UserId"] for page in pages for one in page["Users"]} == names
    assert len(pages[0]["NextToken"]) <= 255
    for token in ("?", "", pages[0]["NextToken"][:-4] + "AAAA"):
        assert (
            code(
                lambda token=token: client.list_users(CollectionId=STAFF, NextToken=token)  # type: ignore[misc]
            )
            == "InvalidPaginationTokenException"
        )


def test_a_users_faces_are_one_persons(client: RekognitionClient, enrol: Enrol) -> None:
    grace, again, eileen = enrol("grace", GRACE), enrol("grace", GRACE_AGAIN), enrol("e", EILEEN)
    answer = user(client, "u-1", grace, eileen, again)
    assert [one["FaceId"] for one in answer["AssociatedFaces"]] == [grace, again]
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": eileen, "UserId": "u-1", "Reasons": ["LOW_MATCH_CONFIDENCE"]}
    ]
    # Ignored: it is where it was asked to be.
    answer = client.associate_faces(CollectionId=STAFF, UserId="u-1", FaceIds=[grace])
    assert answer["AssociatedFaces"] == answer["UnsuccessfulFaceAssociations"] == []
    # Of one user at most.
    answer = user(client, "u-2", grace)
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": grace, "UserId": "u-1", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
    ]
    assert answer["UserStatus"] == "CREATED"
    answer = client.disassociate_faces(CollectionId=STAFF, UserId="u-2", FaceIds=[grace, eileen])
    assert answer["DisassociatedFaces"] == []
    assert answer["UnsuccessfulFaceDisassociations"] == [
        {"FaceId": grace, "UserId": "u-1", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
    ]


def test_a_face_unlike_the_users_others_stays_out(client: RekognitionClient, enrol: Enrol) -> None:
    grace, again = enrol("grace", GRACE), enrol("grace", GRACE_AGAIN)
    mistaken = enrol("grace", EILEEN)
    user(client, "u-1", grace)
    answer = client.associate_faces(
        CollectionId=STAFF, UserId="u-1", FaceIds=[again, mistaken], UserMatchThreshold=75
    )
    assert [one["FaceId"] for one in answer["AssociatedFaces"]] == [again]
    (left_out,) = answer["UnsuccessfulFaceAssociations"]
    assert (left_out["FaceId"], left_out["Reasons"]) == (mistaken, ["LOW_MATCH_CONFIDENCE"])
    assert left_out["Confidence"] < 75
    answer = client.associate_faces(
        CollectionId=STAFF, UserId="u-1", FaceIds=[mistaken], UserMatchThreshold=0
    )
    assert [one["FaceId"] for one in answer["AssociatedFaces"]] == [mistaken]


def test_search_for_users(client: RekognitionClient, enrol: Enrol) -> None:
    grace, again = enrol("grace", GRACE), enrol("grace", GRACE_AGAIN)
    twin, eileen = enrol("grace-elsewhere", GRACE_AGAIN), enrol("eileen", EILEEN)
    alone = enrol("grace", GRACE)  # of no user
    user(client, "u-grace", grace, again)
    user(client, "u-twin", twin)
    user(client, "u-eileen", eileen)
    by_image = client.search_users_by_image(CollectionId=STAFF, Image={"Bytes": GRACE})
    assert matches(by_image) == ["u-grace", "u-twin"]
    assert by_image["UserMatches"][0]["Similarity"] > 99
    rates = by_image["ResponseMetadata"]["HTTPHeaders"]["x-rightface-match-fmr"].split(",")
    assert len(rates) == 2
    one = client.search_users_by_image(CollectionId=STAFF, Image={"Bytes": GRACE}, MaxUsers=1)
    assert matches(one) == ["u-grace"]
    by_face = client.search_users(CollectionId=STAFF, FaceId=alone)
    assert matches(by_face) == ["u-grace", "u-twin"]
    # The face itself is no evidence; its user's other face is.
    by_own = client.search_users(CollectionId=STAFF, FaceId=grace)
    assert set(matches(by_own)) == {"u-grace", "u-twin"}
    assert matches(client.search_users(CollectionId=STAFF, FaceId=eileen)) == []
    by_user = client.search_users(CollectionId=STAFF, UserId="u-twin")
    assert matches(by_user) == ["u-grace"]
    client.disassociate_faces(CollectionId=STAFF, UserId="u-twin", FaceIds=[twin])
    assert matches(client.search_users(CollectionId=STAFF, FaceId=alone)) == ["u-grace"]
    client.delete_user(CollectionId=STAFF, UserId="u-grace")
    assert matches(client.search_users(CollectionId=STAFF, FaceId=alone)) == []


def test_a_photograph_without_anybody(client: RekognitionClient) -> None:
    answer = client.search_users_by_image(CollectionId=STAFF, Image={"Bytes": nobody()})
    assert answer["UserMatches"] == []
    assert "SearchedFace" not in answer


def test_the_quality_filter_says_who_was_not_searched(client: RekognitionClient) -> None:
    tiny = small(grace_hopper(), 60)
    answer: Any = client.search_users_by_image(
        CollectionId=STAFF, Image={"Bytes": tiny}, QualityFilter="HIGH"
    )
    assert "SearchedFace" not in answer
    (unsearched,) = answer["UnsearchedFaces"]
    assert "SMALL_BOUNDING_BOX" in unsearched["Reasons"]


def test_the_same_token_changes_once(client: RekognitionClient, enrol: Enrol) -> None:
    grace, eileen = enrol("grace", GRACE), enrol("eileen", EILEEN)
    make: Any = {"CollectionId": STAFF, "UserId": "u-1", "ClientRequestToken": "make-1"}
    client.create_user(**make)
    client.create_user(**make)
    assert code(lambda: client.create_user(**(make | {"UserId": "u-2"}))) == (
        "IdempotentParameterMismatchException"
    )
    put: Any = {
        "CollectionId": STAFF,
        "UserId": "u-1",
        "FaceIds": [grace, eileen, NO_FACE_ID],
        "ClientRequestToken": "put-1",
    }
    first = client.associate_faces(**put)
    client.disassociate_faces(CollectionId=STAFF, UserId="u-1", FaceIds=[grace])
    again = client.associate_faces(**put)
    for name in ("AssociatedFaces", "UnsuccessfulFaceAssociations", "UserStatus"):
        assert dict(again)[name] == dict(first)[name]
    assert "UserId" not in client.list_faces(CollectionId=STAFF, FaceIds=[grace])["Faces"][0]
    others: tuple[Any, ...] = ({"FaceIds": [grace]}, {"UserMatchThreshold": 80.0})
    for other in others:
        assert code(lambda other=other: client.associate_faces(**(put | other))) == (  # type: ignore[misc]
            "IdempotentParameterMismatchException"
        )
    take: Any = {
        "CollectionId": STAFF,
        "UserId": "u-1",
        "FaceIds": [eileen],
        "ClientRequestToken": "put-1",  # of another operation: another token
    }
    client.disassociate_faces(**take)
    gone: Any = {"CollectionId": STAFF, "UserId": "u-1", "ClientRequestToken": "gone-1"}
    client.delete_user(**gone)
    client.delete_user(**gone)
    assert code(lambda: client.delete_user(CollectionId=STAFF, UserId="u-1")) == (
        "ResourceNotFoundException"
    )


def test_tags(client: RekognitionClient) -> None:
    client.create_collection(CollectionId="tagged", Tags={"team": "door", "floor": "1"})
    arn = client.describe_collection(CollectionId="tagged")["CollectionARN"]
    client.tag_resource(ResourceArn=arn, Tags={"floor": "2", "Größe": "zwei drei"})
    told = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert told == {"team": "door", "floor": "2", "Größe": "zwei drei"}
    client.untag_resource(ResourceArn=arn, TagKeys=["team", "unknown"])
    told = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert told == {"floor": "2", "Größe": "zwei drei"}
    full = {f"key-{number}": "" for number in range(198)}
    client.tag_resource(ResourceArn=arn, Tags=full)
    assert code(lambda: client.tag_resource(ResourceArn=arn, Tags={"one-more": ""})) == (
        "ServiceQuotaExceededException"
    )
    assert len(client.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 200
    for wrong in (
        arn.replace("eu-central-1", "us-east-1"),
        arn.replace("tagged", "nowhere"),
        arn.replace(":collection/", ":streamprocessor/"),
        arn.replace("rekognition:eu-central-1:", "rekognition:eu-central-1:9"),
        "x" * 20,
    ):
        assert code(lambda wrong=wrong: client.list_tags_for_resource(ResourceArn=wrong)) == (  # type: ignore[misc]
            "ResourceNotFoundException"
        )
