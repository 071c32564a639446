"""What goes wrong, in Amazon's words; and what of it is told, and logged."""

from __future__ import annotations

import logging

import pytest
from botocore.exceptions import ClientError

from rightface import errors
from rightface.api.rekognition import model
from rightface.api.rekognition.faults import INVALID, TABLE, WireError, as_wire_error
from rightface.errors import Refused, RightfaceError
from rightface.law.ruling import Reason, Refusal, Ruling
from tests.api.conftest import Wire

# What is no request's fault; the caller reads InternalServerError.
OURS = {
    "SettingsError",
    "KeysError",
    "CredentialError",
    "StorageError",
    "PermitError",
    "Refused",  # AccessDeniedException, with the gate's reasons; a refusal without them is a fault
    "WeightsError",
    "LawError",
    "LedgerError",
    "GalleryError",
}
EVERYTHING = frozenset(name for kinds in TABLE.values() for name in kinds)
# The rows of the table whose exception only some operations have, and such an operation.
WHERE = {
    "VideoTooLarge": "StartFaceDetection",
    "UserExists": "CreateUser",
    "UserChanged": "AssociateFaces",
    "LimitReached": "AssociateFaces",
    "JobLimit": "StartFaceSearch",
    "JobMismatch": "StartFaceSearch",
    "TokenReused": "CreateUser",
    "CollectionExists": "CreateCollection",
    "PageTokenError": "ListUsers",
}


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


def descendants(kind: type[RightfaceError]) -> set[type[RightfaceError]]:
    children = set(kind.__subclasses__())
    return children.union(*(descendants(child) for child in children))


def tree() -> dict[str, type[RightfaceError]]:
    return {
        kind.__name__: kind
        for kind in descendants(RightfaceError)
        if kind.__module__ == errors.__name__
    }


def made(kind: type[RightfaceError]) -> RightfaceError:
    error = kind.__new__(kind)
    RightfaceError.__init__(error, "What happened.")
    return error


def test_every_error_of_the_tree_has_its_row_or_is_a_fault_of_ours() -> None:
    known = tree()
    assert {kind.__name__ for kind in TABLE} | OURS <= set(known)
    for name, kind in known.items():
        if kind is Refused:  # see below
            continue
        listed = any(base in TABLE for base in kind.__mro__)
        ours = any(base.__name__ in OURS for base in kind.__mro__)
        assert listed or ours, f"{name} becomes nothing"
        told = as_wire_error(made(kind), EVERYTHING, "DetectFaces", "r")
        expected = next((TABLE[base] for base in kind.__mro__ if base in TABLE), None)
        assert told.kind == (expected[0] if expected else "InternalServerError")


def test_every_exception_of_the_table_is_amazons_and_reached() -> None:
    published = {
        exception for name in model.operation_names() for exception in model.exceptions_of(name)
    }
    assert published >= EVERYTHING
    for kind, kinds in TABLE.items():
        where = WHERE.get(kind.__name__, "SearchFacesByImage")
        if "JobNotFound" in kind.__name__:
            where = "GetFaceSearch"
        told = as_wire_error(made(kind), model.exceptions_of(where), where, "r")
        assert told.kind == kinds[0], (kind, where)


def test_what_is_too_large_in_the_store_depends_on_what_it_is() -> None:
    for operation, kind in (("DetectFaces", "Image"), ("StartFaceSearch", "Video")):
        modelled = model.exceptions_of(operation)
        told = as_wire_error(errors.ObjectTooLarge("x"), modelled, operation, "r")
        assert told.kind == f"{kind}TooLargeException"


@pytest.mark.parametrize("operation", sorted(model.operation_names()))
def test_only_exceptions_that_the_operation_has(operation: str) -> None:
    modelled = model.exceptions_of(operation)
    for kind in TABLE:
        told = as_wire_error(made(kind), modelled, operation, "r")
        assert told.kind in modelled | {INVALID}


def test_what_failed_under_a_permit_names_it() -> None:
    error = errors.NoFace("x")
    assert as_wire_error(error, EVERYTHING, "DetectFaces", "r").headers == {}
    error.proof = ("p", 7)
    headers = {"x-rightface-permit": "p", "x-rightface-ledger-index": "7"}
    assert as_wire_error(error, EVERYTHING, "DetectFaces", "r").headers == headers
    fault = errors.StorageError("x")
    fault.proof = ("p", 7)
    assert as_wire_error(fault, EVERYTHING, "DetectFaces", "r").headers == headers


def test_an_image_that_cannot_be_used_was_looked_at_under_a_permit(wire: Wire) -> None:
    client = wire.client()
    with pytest.raises(client.exceptions.InvalidImageFormatException) as raised:
        client.detect_faces(Image={"Bytes": b"no image"})
    headers = raised.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert len(headers["x-rightface-permit"]) == 32
    assert int(headers["x-rightface-ledger-index"]) > 0


def test_a_refusal() -> None:
    told = as_wire_error(refusal(), EVERYTHING, "DetectFaces", "r")
    assert (told.kind, told.status) == ("AccessDeniedException", 400)
    assert "740 ILCS 14/15(b)" in told.what
    assert "Record consent." in told.what
    keys = [f"us-il-bipa-2008#written-release-{number}" for number in range(2)]
    assert told.headers == {
        "x-rightface-permit": "none",
        "x-rightface-ledger-index": "17",
        "x-rightface-reasons": ",".join(keys),
        "x-rightface-fmr": "none",
    }


def test_very_many_reasons_stay_a_bearable_header() -> None:
    told = as_wire_error(refusal(400), EVERYTHING, "DetectFaces", "r")
    header = told.headers["x-rightface-reasons"]
    assert len(header) <= 1024
    assert header.endswith(",...")


def test_a_refusal_without_a_ruling_is_a_fault_of_ours() -> None:
    told = as_wire_error(Refused("x", refusal=None), EVERYTHING, "DetectFaces", "r")
    assert told.kind == "InternalServerError"


def test_no_face_is_told_in_amazons_words() -> None:
    told = as_wire_error(errors.NoFace("x"), EVERYTHING, "CompareFaces", "r")
    assert told.what == "There are no faces in the image. Should be at least 1."


def test_a_wire_error_stays_what_it_is() -> None:
    error = WireError("ThrottlingException", "x")
    assert as_wire_error(error, frozenset(), "DetectFaces", "r") is error


@pytest.mark.parametrize(
    "fault",
    [KeyError("alice"), errors.StorageError("disk of alice"), errors.PermitError("alice")],
    ids=lambda fault: type(fault).__name__,
)
def test_faults_of_ours_tell_and_log_nothing_personal(
    wire: Wire, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    wire.service.raises = fault
    with caplog.at_level(logging.DEBUG), pytest.raises(ClientError) as raised:
        wire.client().list_collections()
    response = raised.value.response
    meta, message = response["ResponseMetadata"], response["Error"]["Message"]
    assert response["Error"]["Code"] == "InternalServerError"
    assert meta["HTTPStatusCode"] == 500
    assert meta["RequestId"] in message
    ours = [record for record in caplog.records if record.name.startswith("rightface")]
    logged = " ".join(record.getMessage() + str(record.exc_info) for record in ours)
    assert type(fault).__name__ in logged
    assert meta["RequestId"] in logged
    assert "noted_service.py:" in logged  # where it was raised
    assert "alice" not in message + logged


def test_a_refusal_through_boto3(wire: Wire) -> None:
    wire.service.raises = refusal()
    client = wire.client()
    with pytest.raises(client.exceptions.AccessDeniedException) as raised:
        client.list_collections()
    meta = raised.value.response["ResponseMetadata"]
    assert meta["HTTPStatusCode"] == 400
    assert meta["HTTPHeaders"]["x-rightface-ledger-index"] == "17"
    assert meta["HTTPHeaders"]["x-amzn-errortype"] == "AccessDeniedException"
    assert meta["HTTPHeaders"]["x-amzn-requestid"] == meta["RequestId"]
