"""Rekognition's wire as boto3 sees it: shapes, defaults, errors, headers.

In front of `WireService`, so that every case can be brought about.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.model import StructureShape

from rightface.api.rekognition import model
from rightface.api.rekognition.constraints import conform
from rightface.api.rekognition.operations_table import ENTRIES
from rightface.boto3 import stamp
from rightface.errors import (
    ImageBroken,
    ImageEmpty,
    ImageTooLarge,
    LicenceError,
    NoFace,
    PageTokenError,
    PermitError,
    Refused,
    RequestError,
    StorageError,
)
from rightface.law.ruling import Reason, Refusal, Ruling
from tests.api.conftest import Wire
from tests.api.signing import ask
from tests.api.wire_service import DAY, FACE, MODEL, WireService

JPEG = b"\xff\xd8photo"
FACE_ID = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"


def error_of(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value


def told(error: ClientError) -> tuple[str, str]:
    return error.response["Error"]["Code"], error.response["Error"]["Message"]


def raw(wire: Wire, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer's JSON, held against Amazon's model."""
    answer = ask(wire.url, operation, body)
    assert answer.status == 200, answer.body
    shape = model.operation(operation).output_shape
    assert isinstance(shape, StructureShape)
    conform(shape, answer.json)
    return answer.json


def test_every_answer_is_as_the_model_says(wire: Wire) -> None:
    image = {"Bytes": "/9hwaG90bw=="}
    at = {"CollectionId": "staff"}
    seen = set()

    def asked(operation: str, body: dict[str, Any]) -> dict[str, Any]:
        seen.add(operation)
        return raw(wire, operation, body)

    asked("CreateCollection", {**at, "Tags": {"team": "door"}})
    face = asked("IndexFaces", {**at, "Image": image, "ExternalImageId": "alice"})
    face_id = face["FaceRecords"][0]["Face"]["FaceId"]
    asked("DescribeCollection", at)
    asked("ListCollections", {})
    asked("ListFaces", {**at, "FaceIds": [face_id, FACE_ID], "MaxResults": 0})
    asked("SearchFaces", {**at, "FaceId": face_id})
    asked("SearchFacesByImage", {**at, "Image": image})
    asked("DetectFaces", {"Image": image, "Attributes": ["DEFAULT"]})
    asked("CompareFaces", {"SourceImage": image, "TargetImage": image})
    asked("DeleteFaces", {**at, "FaceIds": [face_id, FACE_ID]})
    asked("DeleteCollection", at)
    assert seen == {entry.name for entry in ENTRIES if entry.state == "works"}


def test_a_collections_life(wire: Wire) -> None:
    client = wire.client()
    made = client.create_collection(CollectionId="staff")
    arn = made["CollectionArn"]
    prefix, _, rest = arn.partition("eu-central-1:")
    assert prefix == "arn:aws:rekognition:"
    account, _, name = rest.partition(":collection/")
    assert len(account) == 12 and account.isdigit() and name == "staff"
    assert made["StatusCode"] == 200 and made["FaceModelVersion"] == MODEL
    described = client.describe_collection(CollectionId="staff")
    assert described["CollectionARN"] == arn
    assert described["CreationTimestamp"].astimezone(UTC) == DAY
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert client.delete_collection(CollectionId="staff")["StatusCode"] == 200


def test_lists_in_pages(wire: Wire) -> None:
    client = wire.client()
    names = [f"c{number}" for number in range(7)]
    for name in names:
        client.create_collection(CollectionId=name)
    pages = list(
        client.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 3})
    )
    assert [len(page["CollectionIds"]) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page["CollectionIds"]] == names
    assert all(len(p["CollectionIds"]) == len(p["FaceModelVersions"]) for p in pages)
    for number in range(5):
        client.index_faces(
            CollectionId="c0", Image={"Bytes": JPEG}, ExternalImageId=f"subject:{number}"
        )
    faces = list(
        client.get_paginator("list_faces").paginate(
            CollectionId="c0", PaginationConfig={"PageSize": 2}
        )
    )
    subjects = {face["ExternalImageId"] for page in faces for face in page["Faces"]}
    assert subjects == {f"subject:{number}" for number in range(5)}


def test_defaults(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    image: Any = {"Bytes": JPEG}
    client.index_faces(CollectionId="staff", Image=image)
    client.list_faces(CollectionId="staff")
    client.search_faces_by_image(CollectionId="staff", Image=image)
    client.compare_faces(SourceImage=image, TargetImage=image)
    client.index_faces(CollectionId="staff", Image=image, MaxFaces=5000, QualityFilter="HIGH")
    calls = [members for _, _, members in wire.service.calls]
    assert (calls[1]["subject"], calls[1]["max_faces"]) == (None, 100)
    assert (calls[1]["quality_filter"], calls[1]["image"]) == ("AUTO", JPEG)
    assert (calls[2]["limit"], calls[2]["after"]) == (1000, None)
    assert (calls[3]["limit"], calls[3]["similarity"]) == (80, 80.0)
    assert calls[3]["quality_filter"] == "NONE"
    assert (calls[4]["similarity"], calls[4]["quality_filter"]) == (80.0, "NONE")
    assert (calls[5]["max_faces"], calls[5]["quality_filter"]) == (100, "HIGH")


def test_faces_in_amazons_shapes(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    indexed = client.index_faces(
        CollectionId="staff", Image={"Bytes": JPEG}, ExternalImageId="alice"
    )
    record = indexed["FaceRecords"][0]
    assert record["Face"]["ExternalImageId"] == "alice"
    assert "IndexFacesModelVersion" not in record["Face"]
    detail = record["FaceDetail"]
    assert detail["BoundingBox"] == {"Left": 0.25, "Top": 0.125, "Width": 0.5, "Height": 0.625}
    assert detail["Pose"] == {"Yaw": -12.5, "Pitch": 180.0, "Roll": 3.25}
    assert {mark["Type"] for mark in detail["Landmarks"]} == set(FACE.landmarks)
    assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    reasons = indexed["UnindexedFaces"][0]["Reasons"]
    assert reasons == ["SMALL_BOUNDING_BOX", "EXCEEDS_MAX_FACES", "LOW_FACE_QUALITY"]
    face_id = record["Face"]["FaceId"]
    found = client.search_faces(CollectionId="staff", FaceId=face_id)
    assert found["SearchedFaceId"] == face_id
    assert "SearchedFaceBoundingBox" not in found
    probe = client.search_faces_by_image(CollectionId="staff", Image={"Bytes": JPEG})
    assert "SearchedFaceId" not in probe
    assert probe["SearchedFaceConfidence"] == 99.5
    gone = client.delete_faces(CollectionId="staff", FaceIds=[face_id, FACE_ID, FACE_ID])
    assert gone["DeletedFaces"] == [face_id]
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": FACE_ID, "Reasons": ["FACE_NOT_FOUND"]}]


def test_headers_of_an_answer(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    client.index_faces(CollectionId="staff", Image={"Bytes": JPEG})
    answer = client.search_faces_by_image(CollectionId="staff", Image={"Bytes": JPEG})
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-rightface-permit"] == "f" * 32
    assert headers["x-rightface-ledger-index"] == "41"
    assert headers["x-rightface-reasons"] == "none"
    assert headers["x-rightface-fmr"] == "1.60e-03"
    assert headers["x-rightface-match-fmr"] == "1.00e-08*"
    assert headers["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]
    assert wire.service.calls[-1][1].request_id == headers["x-amzn-requestid"]


def refusal(count: int = 2) -> Refused:
    reasons = tuple(
        Reason(
            step=2,
            instrument="us-il-bipa-2008",
            section="15(b)",
            citation="740 ILCS 14/15(b)",
            rule=f"written-release-{number}",
            text="No written release is on record.",
            change="Record consent.",
        )
        for number in range(count)
    )
    ruling = Ruling(
        outcome="deny",
        instruments=("us-il-bipa-2008",),
        in_force=("us-il-bipa-2008",),
        reasons=reasons,
        missing=("written-release",),
        obligations=(),
        steps=(),
        policy_digest="0" * 64,
        jurisdictions=("US-IL",),
    )
    told = Refusal(ruling=ruling, ledger_index=17, request_id="r")
    return Refused(told.message, refusal=told)


def test_a_refusal(wire: Wire) -> None:
    wire.service.raises = refusal()
    client = wire.client()
    error = error_of(lambda: client.detect_faces(Image={"Bytes": JPEG}))
    assert isinstance(error, client.exceptions.AccessDeniedException)
    assert "740 ILCS 14/15(b)" in told(error)[1]
    assert "Record consent." in told(error)[1]
    meta = error.response["ResponseMetadata"]
    headers = meta["HTTPHeaders"]
    assert meta["HTTPStatusCode"] == 400
    assert headers["x-rightface-permit"] == headers["x-rightface-fmr"] == "none"
    assert headers["x-rightface-ledger-index"] == "17"
    keys = ["us-il-bipa-2008#written-release-0", "us-il-bipa-2008#written-release-1"]
    assert headers["x-rightface-reasons"].split(",") == keys


def test_very_many_reasons_stay_a_bearable_header(wire: Wire) -> None:
    wire.service.raises = refusal(400)
    error = error_of(lambda: wire.client().detect_faces(Image={"Bytes": JPEG}))
    header = error.response["ResponseMetadata"]["HTTPHeaders"]["x-rightface-reasons"]
    assert len(header) <= 1024
    assert header.endswith(",...")


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ImageTooLarge("x"), "ImageTooLargeException"),
        (ImageEmpty("x"), "InvalidImageFormatException"),
        (ImageBroken("x"), "InvalidImageFormatException"),
        (NoFace("x"), "InvalidParameterException"),
        (RequestError("x"), "InvalidParameterException"),
        (LicenceError("x"), "AccessDeniedException"),
        (PageTokenError("x"), "InvalidParameterException"),
    ],
)
def test_errors_of_the_service(wire: Wire, raised: Exception, code: str) -> None:
    wire.service.raises = raised
    client = wire.client()
    error = error_of(lambda: client.detect_faces(Image={"Bytes": JPEG}))
    assert told(error)[0] == code
    assert isinstance(error, getattr(client.exceptions, code))
    assert error.response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == code


def test_a_wrong_page_token(wire: Wire) -> None:
    wire.service.raises = PageTokenError("That is not a token of ours.")
    error = error_of(lambda: wire.client().list_collections(NextToken="?"))
    assert told(error)[0] == "InvalidPaginationTokenException"


def test_no_face_in_the_photograph(wire: Wire) -> None:
    wire.service.raises = NoFace("x")
    image: Any = {"Bytes": JPEG}
    error = error_of(lambda: wire.client().compare_faces(SourceImage=image, TargetImage=image))
    assert told(error)[1] == "There are no faces in the image. Should be at least 1."


def test_collections_that_are_there_or_not(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    error = error_of(lambda: client.create_collection(CollectionId="staff"))
    assert told(error)[0] == "ResourceAlreadyExistsException"
    error = error_of(lambda: client.describe_collection(CollectionId="nobody"))
    assert told(error)[0] == "ResourceNotFoundException"
    error = error_of(lambda: client.search_faces(CollectionId="staff", FaceId=FACE_ID))
    assert told(error) == ("InvalidParameterException", "faceId was not found in the collection.")


@pytest.mark.parametrize(
    "fault", [KeyError("alice"), StorageError("disk of alice"), PermitError("alice")]
)
def test_faults_of_ours_tell_and_log_nothing_personal(
    wire: Wire, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    wire.service.raises = fault
    with caplog.at_level(logging.DEBUG):
        error = error_of(lambda: wire.client().list_collections())
    code, message = told(error)
    meta = error.response["ResponseMetadata"]
    assert (code, meta["HTTPStatusCode"]) == ("InternalServerError", 500)
    assert meta["RequestId"] in message
    ours = [record for record in caplog.records if record.name.startswith("rightface")]
    assert any(type(fault).__name__ in record.getMessage() for record in ours)
    assert any(meta["RequestId"] in record.getMessage() for record in ours)
    assert "alice" not in message + "".join(str(r.getMessage()) + str(r.exc_info) for r in ours)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_each_operation_that_does_not_work_says_why(wire: Wire, entry: Any) -> None:
    answer = ask(wire.url, entry.name, {})
    if entry.state == "works":
        assert answer.kind not in ("UnsupportedOperationException", "UnknownOperationException")
        return
    expected = {
        "planned": "UnsupportedOperationException",
        "declined": "AccessDeniedException",
    }
    assert (answer.status, answer.kind) == (400, expected[entry.state])
    assert entry.state in answer.json["message"] and entry.reason in answer.json["message"]
    assert answer.headers["x-amzn-errortype"] == answer.kind
    assert wire.service.calls == []


def test_a_declined_operation_through_boto3(wire: Wire) -> None:
    error = error_of(lambda: wire.client().recognize_celebrities(Image={"Bytes": JPEG}))
    assert told(error)[0] == "AccessDeniedException"
    assert "declined" in told(error)[1] and "Fame is no consent." in told(error)[1]


def test_an_operation_that_amazon_never_published(wire: Wire) -> None:
    for target in ("RecogniseEveryone", "", "detectfaces", "../DetectFaces"):
        assert ask(wire.url, target, {}).kind == "UnknownOperationException"


@pytest.mark.parametrize("attribute", ["ALL", "EMOTIONS", "GENDER", "AGE_RANGE", "SMILE", "BEARD"])
def test_traits_are_declined_and_never_faked(wire: Wire, attribute: Any) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    calls = len(wire.service.calls)
    image: Any = {"Bytes": JPEG}
    for call in (
        lambda: client.detect_faces(Image=image, Attributes=["DEFAULT", attribute]),
        lambda: client.index_faces(
            CollectionId="staff", Image=image, DetectionAttributes=[attribute]
        ),
    ):
        code, message = told(error_of(call))
        assert code == "AccessDeniedException"
        assert attribute in message and "not inferred" in message
    assert len(wire.service.calls) == calls


def test_what_is_not_measured_is_not_made_up(wire: Wire) -> None:
    client = wire.client()
    error = error_of(
        lambda: client.detect_faces(Image={"Bytes": JPEG}, Attributes=["FACE_OCCLUDED"])
    )
    assert told(error)[0] == "InvalidParameterException"


def test_sources_of_an_image(wire: Wire) -> None:
    client = wire.client()
    s3: Any = {"Bucket": "photos", "Name": "a.jpg"}
    assert told(error_of(lambda: client.detect_faces(Image={"S3Object": s3})))[0] == (
        "InvalidS3ObjectException"
    )
    both: Any = {"S3Object": s3, "Bytes": JPEG}
    assert told(error_of(lambda: client.detect_faces(Image=both)))[0] == "InvalidParameterException"
    assert told(error_of(lambda: client.detect_faces(Image={})))[0] == "InvalidParameterException"
    assert told(error_of(lambda: client.detect_faces(Image={"Bytes": b"GIF89a"})))[0] == (
        "InvalidImageFormatException"
    )


def test_users_are_planned(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    error = error_of(lambda: client.list_faces(CollectionId="staff", UserId="u"))
    assert told(error)[0] == "InvalidParameterException"
    assert "planned" in told(error)[1]


def test_keys_through_boto3(wire: Wire) -> None:
    def code(**credentials: str) -> str:
        client = wire.client(**credentials)
        return told(error_of(client.list_collections))[0]

    assert code(key="RFAKNOSUCHKEY0000001") == "UnrecognizedClientException"
    assert code(secret="z" * 40) == "InvalidSignatureException"
    assert code(token="a-session") == "UnrecognizedClientException"
    assert wire.service.calls == []


def test_an_unsigned_client(wire: Wire) -> None:
    client = wire.client(signature_version=_unsigned())
    error = error_of(client.list_collections)
    assert told(error)[0] == "MissingAuthenticationTokenException"


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED


def test_purpose_and_subject_travel_signed(wire: Wire) -> None:
    client = stamp(wire.client(), purpose="access-control", subject="alice:1")
    client.list_collections()
    caller = wire.service.calls[-1][1]
    assert (caller.purpose, caller.subject) == ("access-control", "alice:1")
    stamp(client, purpose="missing-child")
    client.list_collections()
    caller = wire.service.calls[-1][1]
    assert (caller.purpose, caller.subject) == ("missing-child", None)
    wire.client().list_collections()
    assert wire.service.calls[-1][1].purpose is None


@pytest.mark.parametrize("header", ["x-rightface-purpose", "x-rightface-subject"])
def test_purpose_and_subject_count_only_when_signed(wire: Wire, header: str) -> None:
    answer = ask(wire.url, "ListCollections", {}, unsigned={header: "access-control"})
    assert (answer.status, answer.kind) == (400, "InvalidSignatureException")
    assert wire.service.calls == []


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-rightface-purpose", "Access Control"),
        ("x-rightface-purpose", "a" * 65),
        ("x-rightface-purpose", ""),
        ("x-rightface-subject", "alice b"),
        ("x-rightface-subject", "a" * 256),
    ],
)
def test_malformed_purpose_and_subject(wire: Wire, header: str, value: str) -> None:
    answer = ask(wire.url, "ListCollections", {}, more={header: value})
    assert answer.kind == "InvalidParameterException"
    assert header in answer.json["message"]


def test_a_clock_that_is_wrong_through_boto3(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore import auth

    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    code, message = told(error_of(lambda: wire.client().list_collections()))
    assert code == "InvalidSignatureException"
    assert message.startswith("Signature expired: 20260101T000000Z is now earlier than")


def test_the_wire_service_is_complete() -> None:
    # WireService must not hide a method that the wire needs of the real one.
    from rightface.api.needs import FaceService

    needed = {name for name in vars(FaceService) if not name.startswith("_")}
    has = set(dir(WireService)) | {"ledger_directory", "metrics"}
    assert needed <= has
    assert dataclasses.is_dataclass(FACE)
