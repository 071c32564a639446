"""A signed change is carried out once; a question may be asked again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.operations_table import ENTRIES
from rightface.api.rekognition.replays import Replays
from rightface.api.rekognition.sigv4 import read_claim
from rightface.boto3 import stamp
from tests.api.conftest import Wire, wire_over
from tests.api.noted_service import NotedService
from tests.api.signing import signed_headers
from tests.conftest import Server

STAFF = "arn:aws:rekognition:us-east-1:469329139872:collection/staff"
VIDEO = {"S3Object": {"Bucket": "shop", "Name": "door.mp4"}}
CHANGING: dict[str, dict[str, Any]] = {
    "CreateCollection": {"CollectionId": "staff"},
    "DeleteCollection": {"CollectionId": "staff"},
    "IndexFaces": {"CollectionId": "staff", "Image": {"Bytes": "/9g="}},
    "DeleteFaces": {
        "CollectionId": "staff",
        "FaceIds": ["5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"],
    },
    "CreateUser": {"CollectionId": "staff", "UserId": "grace"},
    "DeleteUser": {"CollectionId": "staff", "UserId": "grace"},
    "AssociateFaces": {
        "CollectionId": "staff",
        "UserId": "grace",
        "FaceIds": ["5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"],
    },
    "DisassociateFaces": {
        "CollectionId": "staff",
        "UserId": "grace",
        "FaceIds": ["5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"],
    },
    "TagResource": {"ResourceArn": STAFF, "Tags": {"door": "north"}},
    "UntagResource": {"ResourceArn": STAFF, "TagKeys": ["door"]},
    "StartFaceDetection": {"Video": VIDEO},
    "StartFaceSearch": {"CollectionId": "staff", "Video": VIDEO},
}
START = datetime(2026, 11, 22, 12, 0, 0, 700000, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def take(
    replays: Replays,
    clock: Clock,
    at: datetime,
    body: bytes = b"",
    more: dict[str, str] | None = None,
) -> None:
    headers = signed_headers(body, at=at, more=more)
    replays.require_new(read_claim(list(headers.items()), clock.now), clock.now)


def test_the_same_signature_again() -> None:
    clock = Clock()
    replays = Replays(clock)
    take(replays, clock, START)
    clock.now = START + timedelta(seconds=2.1)
    with pytest.raises(WireError, match="received before"):
        take(replays, clock, START)
    take(replays, clock, START, body=b"{}")


def test_a_client_that_asks_alike_within_one_second() -> None:
    clock = Clock()
    replays = Replays(clock)
    for milliseconds in (0, 300, 999, 1900):
        clock.now = START + timedelta(milliseconds=milliseconds)
        take(replays, clock, START)
    clock.now = START + timedelta(milliseconds=2001)
    with pytest.raises(WireError, match="received before"):  # repeats do not prolong it
        take(replays, clock, START)


def test_with_a_nonce_once_is_once() -> None:
    clock = Clock()
    replays = Replays(clock)
    nonce = {"x-rightface-nonce": "8c6f"}
    take(replays, clock, START, more=nonce)
    with pytest.raises(WireError, match="received before"):
        take(replays, clock, START, more=nonce)
    take(replays, clock, START, more={"x-rightface-nonce": "8c70"})


def test_a_second_later_it_is_another_signature() -> None:
    clock = Clock()
    replays = Replays(clock)
    take(replays, clock, START)
    take(replays, clock, START + timedelta(seconds=1))


def test_remembered_for_as_long_as_it_would_verify() -> None:
    clock = Clock()
    replays = Replays(clock)
    signed_at = START + timedelta(minutes=14)  # a clock that is fast
    take(replays, clock, signed_at)
    clock.now = signed_at + timedelta(minutes=14, seconds=59)
    take(replays, clock, clock.now)  # sweeps
    with pytest.raises(WireError, match="received before"):
        take(replays, clock, signed_at)


def test_what_was_signed_before_the_start_may_have_been_carried_out_then() -> None:
    clock = Clock()
    replays = Replays(clock)
    take(replays, clock, START - timedelta(seconds=2))
    with pytest.raises(WireError, match="before this server started"):
        take(replays, clock, START - timedelta(seconds=3))


def test_a_full_memory_puts_changes_off_and_forgets_none() -> None:
    clock = Clock()
    replays = Replays(clock, capacity=2)
    take(replays, clock, START)
    take(replays, clock, START + timedelta(seconds=1))
    with pytest.raises(WireError) as raised:
        take(replays, clock, START + timedelta(seconds=2))
    assert raised.value.kind == "ProvisionedThroughputExceededException"
    clock.now = START + timedelta(minutes=15, seconds=5)
    take(replays, clock, clock.now)  # room again: the old ones would not verify any more


@pytest.fixture
def frozen(server: Server, noted: NotedService) -> Iterator[tuple[Wire, Clock]]:
    clock = Clock()
    with wire_over(server, noted, clock=clock) as wire:
        yield wire, clock


def test_over_http(frozen: tuple[Wire, Clock]) -> None:
    wire, clock = frozen
    body = {"CollectionId": "staff"}
    assert wire.ask("CreateCollection", body, at=START).status == 200
    assert wire.ask("DeleteCollection", body, at=START).status == 200
    clock.now = START + timedelta(seconds=3)
    again = wire.ask("CreateCollection", body, at=START)
    assert (again.status, again.kind) == (400, "InvalidSignatureException")
    assert wire.ask("ListCollections", {}, at=START).json["CollectionIds"] == []
    assert wire.ask("CreateCollection", body, at=clock.now).status == 200
    for _ in range(3):
        assert wire.ask("DescribeCollection", body, at=START).status == 200
    clock.now = START + timedelta(minutes=16)
    expired = wire.ask("DescribeCollection", body, at=START)
    assert (expired.status, expired.kind) == (400, "InvalidSignatureException")


def test_each_repeated_question_is_recorded_anew(frozen: tuple[Wire, Clock]) -> None:
    wire, _ = frozen
    told = [wire.ask("ListCollections", {}, at=START).headers for _ in range(3)]
    indexes = {headers["x-rightface-ledger-index"] for headers in told}
    assert len(indexes) == 3
    assert len({headers["x-rightface-permit"] for headers in told}) == 3


@pytest.mark.parametrize("operation", sorted(CHANGING))
def test_each_operation_that_changes_records(frozen: tuple[Wire, Clock], operation: str) -> None:
    wire, clock = frozen
    nonce = {"x-rightface-nonce": "8c6f"}
    clock.now = START + timedelta(seconds=3)
    first = wire.ask(operation, CHANGING[operation], at=clock.now, more=nonce)
    assert "received before" not in first.json.get("message", "")
    again = wire.ask(operation, CHANGING[operation], at=clock.now, more=nonce)
    assert "received before" in again.json["message"]


def test_no_other_operation_changes_records() -> None:
    reading = ("Describe", "Get", "List", "Search", "Detect", "Compare")
    works = {entry.name for entry in ENTRIES if entry.state == "works"}
    assert {name for name in works if not name.startswith(reading)} == set(CHANGING)
    assert {entry.name for entry in ENTRIES if entry.changes} == set(CHANGING)


def test_a_wrong_signature_uses_nothing_up(frozen: tuple[Wire, Clock]) -> None:
    wire, _ = frozen
    body = {"CollectionId": "staff"}
    assert wire.ask("CreateCollection", body, at=START, secret="y" * 40).status == 400
    assert wire.ask("CreateCollection", body, at=START).status == 200


def test_unmodified_boto3_asks_alike_within_a_second(wire: Wire) -> None:
    client = wire.client()
    for _ in range(3):
        client.create_collection(CollectionId="staff")
        client.delete_collection(CollectionId="staff")


def test_a_stamped_client_signs_each_request_differently(wire: Wire) -> None:
    client = stamp(wire.client())
    for _ in range(3):
        client.create_collection(CollectionId="staff")
        client.delete_collection(CollectionId="staff")
