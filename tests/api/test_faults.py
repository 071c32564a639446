"""What goes wrong, in Amazon's words; and what of it is told, and logged."""

from __future__ import annotations

import logging

import pytest
from botocore.exceptions import ClientError

from rightface import errors
from rightface.api.rekognition import model
from rightface.api.rekognition.faults import WireError, as_wire_error
from rightface.errors import Refused, RightfaceError
from rightface.law.ruling import Reason, Refusal, Ruling
from tests.api.conftest import Wire

# Each error of the tree, and the operation's exception that it becomes.
TOLD = {
    "ImageEmpty": "InvalidImageFormatException",
    "ImageTooLarge": "ImageTooLargeException",
    "ImageUnsupported": "InvalidImageFormatException",
    "ImageBroken": "InvalidImageFormatException",
    "ImageError": "InvalidImageFormatException",
    "NoFace": "InvalidParameterException",
    "CollectionNotFound": "ResourceNotFoundException",
    "CollectionExists": "ResourceAlreadyExistsException",
    "FaceNotFound": "InvalidParameterException",
    "PageTokenError": "InvalidPaginationTokenException",
    "RequestError": "InvalidParameterException",
    "LicenceError": "AccessDeniedException",
    "ConsentError": "AccessDeniedException",
}
EVERYTHING = frozenset(TOLD.values())


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


def test_every_error_of_the_tree_becomes_one_that_the_model_knows() -> None:
    for kind in descendants(RightfaceError):
        if kind.__module__ != errors.__name__ or kind is Refused:
            continue
        error = kind.__new__(kind)
        RightfaceError.__init__(error, "What happened.")
        told = as_wire_error(error, EVERYTHING, "DetectFaces", "r")
        assert told.kind == TOLD.get(kind.__name__, "InternalServerError"), kind


@pytest.mark.parametrize("operation", sorted(model.operation_names()))
def test_only_exceptions_that_the_operation_has(operation: str) -> None:
    modelled = model.exceptions_of(operation)
    for name in TOLD:
        told = as_wire_error(getattr(errors, name)("x"), modelled, operation, "r")
        assert told.kind in modelled | {"InvalidParameterException"}


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
