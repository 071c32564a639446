"""The service through its own wire: a real server, an unmodified boto3, real photographs."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rightface.errors import LicenceError
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from tests.conftest import Server
from tests.portraits import degraded, eileen_collins, grace_hopper, nobody, two_people


def _enrol(client: Any, subject: str | None, photo: bytes, gallery: str = "staff") -> Any:
    named = {} if subject is None else {"ExternalImageId": subject}
    return client.index_faces(CollectionId=gallery, Image={"Bytes": photo}, **named)


def _search(client: Any, photo: bytes, gallery: str = "staff", **more: Any) -> list[Any]:
    answer = client.search_faces_by_image(CollectionId=gallery, Image={"Bytes": photo}, **more)
    return list(answer["FaceMatches"])


def _leaves(server: Server) -> list[Leaf]:
    server.instance.instance.database.write(lambda _: None)  # behind the outcomes that wait
    with server.instance.instance.database.read() as session:
        return [Leaf.parse(body) for body in entries(session, 0, size(session))]


def _refusal(ask: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(ClientError) as caught:
        ask()
    response = caught.value.response
    assert response["Error"]["Code"] == "AccessDeniedException", response
    return response["Error"]["Message"], response["ResponseMetadata"]["HTTPHeaders"]


@pytest.fixture
def client(server: Server) -> Any:
    """A boto3 client with an empty collection `staff`."""
    made = server.client()
    with contextlib.suppress(made.exceptions.ResourceNotFoundException):
        made.delete_collection(CollectionId="staff")
    made.create_collection(CollectionId="staff")
    return made


def test_enrolled_found_withdrawn_gone(server: Server, client: Any) -> None:
    server.instance.consent("grace-of-the-service")
    enrolled = _enrol(client, "grace-of-the-service", grace_hopper())
    (record,) = enrolled["FaceRecords"]
    assert record["Face"]["ExternalImageId"] == "grace-of-the-service"
    (match,) = _search(client, degraded(grace_hopper()))
    assert match["Face"]["FaceId"] == record["Face"]["FaceId"]
    assert match["Similarity"] > 90
    assert _search(client, eileen_collins()) == []

    receipt = server.instance.registrar.withdraw_consent("grace-of-the-service")
    assert receipt.erased["faces"] == 1
    assert not any(receipt.remaining.values())
    assert _search(client, grace_hopper()) == []
    assert client.list_faces(CollectionId="staff")["Faces"] == []
    message, headers = _refusal(lambda: _enrol(client, "grace-of-the-service", grace_hopper()))
    assert "withdrew" in message
    assert "consent#withdrawn" in headers["x-rightface-reasons"]

    server.instance.consent("grace-of-the-service")
    assert len(_enrol(client, "grace-of-the-service", grace_hopper())["FaceRecords"]) == 1


def test_every_answer_carries_its_permit_and_its_record(server: Server, client: Any) -> None:
    server.instance.consent("headers")
    answer = _enrol(client, "headers", grace_hopper())
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    leaf = _leaves(server)[int(headers["x-rightface-ledger-index"])]
    assert (leaf.kind, leaf.operation, leaf.outcome) == ("decision", "enroll", "permitted")
    assert len(leaf.subjects) == 1
    outcomes = [
        each for each in _leaves(server) if each.of == int(headers["x-rightface-ledger-index"])
    ]
    assert [each.outcome for each in outcomes] == ["enrolled"]
    assert outcomes[0].counts == {"faces": 1}


def test_a_refusal_is_recorded_and_names_nobody(server: Server, client: Any) -> None:
    before = len(_leaves(server))
    message, headers = _refusal(lambda: _enrol(client, "somebody-unasked", grace_hopper()))
    assert "consent" in message
    leaf = _leaves(server)[int(headers["x-rightface-ledger-index"])]
    assert int(headers["x-rightface-ledger-index"]) >= before
    assert leaf.outcome == "refused"
    assert "consent#missing" in leaf.reasons
    assert b"somebody-unasked" not in b"".join(each.canonical() for each in _leaves(server))
    assert "somebody-unasked" not in message


def test_one_consent_enrols_one_face(server: Server, client: Any) -> None:
    server.instance.consent("eileen")
    answer = _enrol(client, "eileen", two_people())
    assert len(answer["FaceRecords"]) == 1
    (other,) = answer["UnindexedFaces"]
    assert other["Reasons"] == ["EXCEEDS_MAX_FACES"]


def test_nobody_named_nobody_enrolled(server: Server, client: Any) -> None:
    message, _ = _refusal(lambda: _enrol(client, None, grace_hopper()))
    assert "Nobody is named" in message


def test_an_expired_consent_is_not_found(server: Server, client: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    server.instance.consent("brief", galleries=("staff",), expires_at=soon)
    _enrol(client, "brief", grace_hopper())
    assert len(_search(client, grace_hopper())) == 1
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.05)
    assert _search(client, grace_hopper()) == []
    _refusal(lambda: _enrol(client, "brief", grace_hopper()))


def test_consent_for_another_gallery_does_not_count(server: Server, client: Any) -> None:
    server.instance.consent("elsewhere", galleries=("visitors",))
    _refusal(lambda: _enrol(client, "elsewhere", grace_hopper()))


def test_search_by_face_id_leaves_the_face_itself_out(server: Server, client: Any) -> None:
    server.instance.consent("first", "second")
    first = _enrol(client, "first", grace_hopper())["FaceRecords"][0]["Face"]["FaceId"]
    second = _enrol(client, "second", degraded(grace_hopper()))["FaceRecords"][0]["Face"]["FaceId"]
    answer = client.search_faces(CollectionId="staff", FaceId=first)
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [second]
    client.delete_faces(CollectionId="staff", FaceIds=[second])
    assert client.search_faces(CollectionId="staff", FaceId=first)["FaceMatches"] == []


def test_another_clients_collection_does_not_exist(server: Server, client: Any) -> None:
    other = server.instance.licence("other-client")
    stranger = server.client(
        aws_access_key_id=other.licence.access_key_id,
        aws_secret_access_key=other.secret_access_key,
    )
    for ask in (
        lambda: stranger.describe_collection(CollectionId="staff"),
        lambda: stranger.list_faces(CollectionId="staff"),
        lambda: stranger.delete_collection(CollectionId="staff"),
        lambda: _search(stranger, grace_hopper()),
    ):
        with pytest.raises(stranger.exceptions.ResourceNotFoundException):
            ask()
    assert stranger.list_collections()["CollectionIds"] == []


def test_a_revoked_licence_is_refused(server: Server) -> None:
    issued = server.instance.licence("soon-revoked")
    keyed = server.client(
        aws_access_key_id=issued.licence.access_key_id,
        aws_secret_access_key=issued.secret_access_key,
    )
    keyed.create_collection(CollectionId="staff")
    server.instance.registrar.revoke_licence(issued.licence.licence_id)
    message, _ = _refusal(lambda: _search(keyed, grace_hopper()))
    assert "revoked" in message


def test_no_face_and_a_failed_outcome(server: Server, client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException):
        _search(client, nobody())
    assert _leaves(server)[-1].outcome == "failed"
    assert _leaves(server)[-1].reasons == ("no-face",)


def test_the_local_caller_needs_a_standing_licence(server: Server) -> None:
    with pytest.raises(LicenceError, match="No standing licence"):
        server.instance.service.local_caller("verify-1to1", client="nobody", purpose=None)
