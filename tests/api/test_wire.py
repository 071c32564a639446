"""Rekognition's wire as an unmodified boto3 sees it, in front of the real service."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from botocore.model import StructureShape

from rightface.api.rekognition import model
from rightface.api.rekognition.constraints import conform
from rightface.api.rekognition.operations_table import ENTRIES, Entry
from rightface.boto3 import stamp
from rightface.gallery import kept_receipts
from rightface.gallery.receipts import verify_receipt
from tests.api.conftest import Wire
from tests.portraits import grace_hopper, nobody, small, two_people

FACE_ID = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"
GRACE = small(grace_hopper(), 300)


def told(call: Callable[[], Any]) -> tuple[str, str]:
    """The code and the message of the error that a call ends in."""
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def headers_of(answer: Any) -> dict[str, str]:
    headers: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers


def test_every_answer_is_as_the_model_says(wire: Wire) -> None:
    image = {"Bytes": base64.b64encode(two_people()).decode()}
    at = {"CollectionId": "staff"}
    wire.consent("alice")
    seen = set()

    def asked(operation: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = wire.ask(operation, body)
        assert answer.status == 200, answer.body
        shape = model.operation(operation).output_shape
        assert isinstance(shape, StructureShape)
        conform(shape, answer.json)
        seen.add(operation)
        return answer.json

    asked("CreateCollection", {**at, "Tags": {"team": "door"}})
    indexed = asked("IndexFaces", {**at, "Image": image, "ExternalImageId": "alice"})
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    assert indexed["UnindexedFaces"][0]["Reasons"]
    asked("DescribeCollection", at)
    asked("ListCollections", {})
    asked("ListFaces", {**at, "FaceIds": [face_id, FACE_ID], "MaxResults": 0})
    asked("SearchFaces", {**at, "FaceId": face_id})
    assert asked("SearchFacesByImage", {**at, "Image": image})["FaceMatches"]
    assert asked("DetectFaces", {"Image": image, "Attributes": ["DEFAULT"]})["FaceDetails"]
    compared = asked("CompareFaces", {"SourceImage": image, "TargetImage": image})
    assert compared["FaceMatches"]
    assert compared["UnmatchedFaces"]
    gone = asked("DeleteFaces", {**at, "FaceIds": [face_id, FACE_ID, FACE_ID]})
    assert gone["DeletedFaces"] == [face_id]
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": FACE_ID, "Reasons": ["FACE_NOT_FOUND"]}]
    asked("DeleteCollection", at)
    assert len(seen) == 11  # the rest: tests/conformance


def test_a_collections_life(wire: Wire) -> None:
    client = wire.client()
    made = client.create_collection(CollectionId="staff")
    arn = made["CollectionArn"]
    assert arn.startswith("arn:aws:rekognition:eu-central-1:")
    assert arn.endswith(":collection/staff")
    assert made["StatusCode"] == 200
    described = client.describe_collection(CollectionId="staff")
    assert described["CollectionARN"] == arn
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    age = datetime.now(UTC) - described["CreationTimestamp"]
    assert timedelta() <= age < timedelta(minutes=1)
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert told(lambda: client.create_collection(CollectionId="staff"))[0] == (
        "ResourceAlreadyExistsException"
    )
    assert client.delete_collection(CollectionId="staff")["StatusCode"] == 200
    for gone in (client.describe_collection, client.delete_collection, client.list_faces):
        assert told(lambda gone=gone: gone(CollectionId="staff"))[0] == (  # type: ignore[misc]
            "ResourceNotFoundException"
        )


def test_lists_in_pages(wire: Wire) -> None:
    client = wire.client()
    names = [f"c{number}" for number in range(7)] + ["z" * 255]
    for name in names:
        client.create_collection(CollectionId=name)
    paginator = client.get_paginator("list_collections")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["CollectionIds"]) for page in pages] == [3, 3, 2]
    assert [name for page in pages for name in page["CollectionIds"]] == names
    assert all(len(page["FaceModelVersions"]) == len(page["CollectionIds"]) for page in pages)
    for token in ("?", "c3", "", pages[0]["NextToken"][:-4] + "AAAA"):
        code = told(lambda token=token: client.list_collections(NextToken=token))[0]  # type: ignore[misc]
        assert code == "InvalidPaginationTokenException"


def test_a_page_token_after_the_longest_names(wire: Wire) -> None:
    client = wire.client()
    names = ["a" * 255, "b" * 255]
    for name in names:
        client.create_collection(CollectionId=name)
    first = client.list_collections(MaxResults=1)
    assert len(first["NextToken"]) <= 255  # the model's limit
    second = client.list_collections(MaxResults=1, NextToken=first["NextToken"])
    assert first["CollectionIds"] + second["CollectionIds"] == names
    assert "NextToken" not in second


def test_a_page_goes_on_though_its_last_collection_is_deleted(wire: Wire) -> None:
    client = wire.client()
    names = ["a", "b", "b" * 200, "b" * 201, "c"]
    for name in names:
        client.create_collection(CollectionId=name)
    first = client.list_collections(MaxResults=3)
    client.delete_collection(CollectionId="b" * 200)
    rest = client.list_collections(NextToken=first["NextToken"])["CollectionIds"]
    assert {"b" * 201, "c"} <= set(rest) <= set(names[3:])


def test_faces_in_pages(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    subjects = {f"subject:{number}" for number in range(3)}
    wire.consent(*subjects)
    ids = set()
    for subject in subjects:
        answer = client.index_faces(
            CollectionId="staff", Image={"Bytes": GRACE}, ExternalImageId=subject
        )
        ids.add(answer["FaceRecords"][0]["Face"]["FaceId"])
    paginator = client.get_paginator("list_faces")
    pages = list(paginator.paginate(CollectionId="staff", PaginationConfig={"PageSize": 2}))
    faces = [face for page in pages for face in page["Faces"]]
    assert [len(page["Faces"]) for page in pages] == [2, 1]
    assert {face["FaceId"] for face in faces} == ids
    assert {face["ExternalImageId"] for face in faces} == subjects
    assert client.describe_collection(CollectionId="staff")["FaceCount"] == 3


def test_defaults(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    wire.consent("grace")
    image: Any = {"Bytes": GRACE}
    grace: Any = {"CollectionId": "staff", "Image": image, "ExternalImageId": "grace"}
    face = client.index_faces(**grace)["FaceRecords"][0]["Face"]["FaceId"]
    client.index_faces(**grace, MaxFaces=5000, QualityFilter="HIGH")
    client.list_faces(CollectionId="staff")
    client.search_faces(CollectionId="staff", FaceId=face)
    client.search_faces_by_image(CollectionId="staff", Image=image)
    client.compare_faces(SourceImage=image, TargetImage=image)
    asked = [members for _, _, _, members in wire.service.calls[1:]]
    assert asked[0] == {
        "image": GRACE,
        "subject": "grace",
        "max_faces": 100,
        "quality_filter": "AUTO",
    }
    assert (asked[1]["max_faces"], asked[1]["quality_filter"]) == (100, "HIGH")
    assert asked[2] == {"limit": 1000, "after": None, "face_ids": None, "user_id": None}
    assert asked[3] == {"face_id": face, "limit": 80, "similarity": 80.0}
    assert (asked[4]["limit"], asked[4]["similarity"]) == (80, 80.0)
    assert asked[4]["quality_filter"] == "NONE"
    assert (asked[5]["similarity"], asked[5]["quality_filter"]) == (80.0, "NONE")


def test_headers_of_an_answer(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    wire.consent("grace")
    client.index_faces(CollectionId="staff", Image={"Bytes": GRACE}, ExternalImageId="grace")
    answer = client.search_faces_by_image(CollectionId="staff", Image={"Bytes": GRACE})
    headers = headers_of(answer)
    assert len(headers["x-rightface-permit"]) == 32
    assert int(headers["x-rightface-ledger-index"]) > 0
    assert headers["x-rightface-reasons"] == "none"
    assert 0 < float(headers["x-rightface-fmr"]) <= 1.6e-3
    similarity = answer["FaceMatches"][0]["Similarity"]
    rate = float(headers["x-rightface-match-fmr"].rstrip("*"))
    assert similarity == pytest.approx(100 * (1 - rate**0.25), abs=0.1)
    assert headers["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]
    assert wire.service.calls[-1][1].request_id == headers["x-amzn-requestid"]
    assert "rates" not in headers["content-type"] == "application/x-amz-json-1.1"


def test_an_erasure_names_its_receipt(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    wire.consent("grace")
    enrolled = client.index_faces(
        CollectionId="staff", Image={"Bytes": GRACE}, ExternalImageId="grace"
    )
    face_id = enrolled["FaceRecords"][0]["Face"]["FaceId"]
    assert "x-rightface-receipt" not in headers_of(enrolled)
    instance = wire.service.instance
    for answer, what in (
        (client.delete_faces(CollectionId="staff", FaceIds=[face_id]), "faces"),
        (client.delete_collection(CollectionId="staff"), "collection"),
    ):
        receipt_id = headers_of(answer)["x-rightface-receipt"]
        with instance.database.read() as session:
            document = kept_receipts.find(session, receipt_id)
        public = instance.keyring.signer("receipt").public_bytes
        assert verify_receipt(document, public).what == what


def test_photographs_without_faces(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    wire.consent("nobody")
    none: Any = {"Bytes": nobody()}
    sentence = (
        "InvalidParameterException",
        "There are no faces in the image. Should be at least 1.",
    )
    assert told(lambda: client.search_faces_by_image(CollectionId="staff", Image=none)) == sentence
    assert told(lambda: client.compare_faces(SourceImage=none, TargetImage=none)) == sentence
    assert client.detect_faces(Image=none)["FaceDetails"] == []
    indexed = client.index_faces(CollectionId="staff", Image=none, ExternalImageId="nobody")
    assert indexed["FaceRecords"] == []
    missing = told(lambda: client.search_faces(CollectionId="staff", FaceId=FACE_ID))
    assert missing[0] == "InvalidParameterException"


def test_sources_of_an_image(wire: Wire) -> None:
    client = wire.client()
    s3: Any = {"Bucket": "photos", "Name": "a.jpg"}
    both: Any = {"S3Object": s3, "Bytes": GRACE}
    code, message = told(lambda: client.detect_faces(Image={"S3Object": s3}))
    assert code == "InvalidS3ObjectException"
    assert "may not read that bucket" in message
    assert "photos" not in message
    assert told(lambda: client.detect_faces(Image=both))[0] == "InvalidParameterException"
    assert told(lambda: client.detect_faces(Image={}))[0] == "InvalidParameterException"
    for damaged in (b"GIF89", b"%PDF-1.7", GRACE[:200], b"\xff\xd8\xff"):
        code = told(lambda damaged=damaged: client.detect_faces(Image={"Bytes": damaged}))[0]  # type: ignore[misc]
        assert code == "InvalidImageFormatException"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_each_operation_that_does_not_work_says_why(wire: Wire, entry: Entry) -> None:
    answer = wire.ask(entry.name, {})
    if entry.state == "works":
        assert answer.kind not in ("UnsupportedOperationException", "UnknownOperationException")
        return
    kinds = {"planned": "UnsupportedOperationException", "declined": "AccessDeniedException"}
    assert (answer.status, answer.kind) == (400, kinds[entry.state])
    assert entry.state in answer.json["message"]
    assert entry.reason in answer.json["message"]
    assert answer.headers["x-amzn-errortype"] == answer.kind
    assert wire.service.calls == []


def test_a_declined_operation_through_boto3(wire: Wire) -> None:
    client = wire.client()
    code, message = told(lambda: client.recognize_celebrities(Image={"Bytes": GRACE}))
    assert code == "AccessDeniedException"
    assert "Fame is no consent." in message


def test_an_operation_that_amazon_never_published(wire: Wire) -> None:
    for target in ("RecogniseEveryone", "", "detectfaces", "../DetectFaces"):
        assert wire.ask(target, {}).kind == "UnknownOperationException"


@pytest.mark.parametrize("attribute", ["ALL", "EMOTIONS", "GENDER", "AGE_RANGE", "SMILE", "BEARD"])
def test_traits_are_declined_and_never_faked(wire: Wire, attribute: Any) -> None:
    client = wire.client()
    image: Any = {"Bytes": GRACE}
    for call in (
        lambda: client.detect_faces(Image=image, Attributes=["DEFAULT", attribute]),
        lambda: client.index_faces(
            CollectionId="staff", Image=image, DetectionAttributes=[attribute]
        ),
    ):
        code, message = told(call)
        assert code == "AccessDeniedException"
        assert attribute in message
        assert "not inferred" in message
    assert wire.service.calls == []


def test_what_is_not_measured_or_not_here_is_not_made_up(wire: Wire) -> None:
    client = wire.client()
    code, message = told(
        lambda: client.detect_faces(Image={"Bytes": GRACE}, Attributes=["FACE_OCCLUDED"])
    )
    assert code == "InvalidParameterException"
    assert "nothing is made up" in message


def test_keys_through_boto3(wire: Wire) -> None:
    def code(**credentials: str) -> str:
        return told(wire.client(**credentials).list_collections)[0]

    assert code(key="RFAKNOSUCHKEY0000001") == "UnrecognizedClientException"
    assert code(secret="z" * 40) == "InvalidSignatureException"
    assert code(token="a-session") == "UnrecognizedClientException"
    unsigned = wire.client(signature_version=UNSIGNED)
    assert told(unsigned.list_collections)[0] == "MissingAuthenticationTokenException"
    assert wire.service.calls == []


def test_a_clock_that_is_wrong_through_boto3(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore import auth

    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    code, message = told(wire.client().list_collections)
    assert code == "InvalidSignatureException"
    assert message.startswith("Signature expired: 20260101T000000Z is now earlier than")


def test_purpose_and_subject_travel_signed(wire: Wire) -> None:
    client = stamp(wire.client(), purpose="access-control", subject="alice:1")
    client.list_collections()
    caller = wire.service.calls[-1][1]
    assert (caller.purpose, caller.subject) == ("access-control", "alice:1")
    stamp(client, purpose="missing-child")
    code, _ = told(client.list_collections)
    caller = wire.service.calls[-1][1]
    assert code == "AccessDeniedException"  # the licence does not grant it
    assert (caller.purpose, caller.subject) == ("missing-child", None)
    wire.client().list_collections()
    assert wire.service.calls[-1][1].purpose is None


@pytest.mark.parametrize("header", ["x-rightface-purpose", "x-rightface-subject"])
def test_purpose_and_subject_count_only_when_signed(wire: Wire, header: str) -> None:
    answer = wire.ask("ListCollections", {}, unsigned={header: "access-control"})
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
    answer = wire.ask("ListCollections", {}, more={header: value})
    assert answer.kind == "InvalidParameterException"
    assert header in answer.json["message"]
    assert wire.service.calls == []


def test_curl_signs_as_the_page_says(wire: Wire) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    page = (Path(__file__).resolve().parents[2] / "docs" / "rekognition.md").read_text("utf-8")
    line = page.partition("curl too:\n\n```\n")[2].partition("```")[0].replace("\\\n", " ")
    shown = line.replace("http://127.0.0.1:8017", wire.url)
    shown = shown.replace("$ACCESS_KEY_ID:$SECRET_ACCESS_KEY", f"{wire.key}:{wire.secret}")
    done = subprocess.run(
        [curl, "--silent", *shlex.split(shown)[1:]], capture_output=True, timeout=20, check=False
    )
    if b"aws-sigv4: is unknown" in done.stderr:
        pytest.skip("this curl is too old to sign")
    assert json.loads(done.stdout) == {"CollectionIds": [], "FaceModelVersions": []}
