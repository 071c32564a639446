"""Signatures: one made by an implementation of our own is accepted, all else is refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.sigv4 import Claim, read_claim, verify
from tests.api.signing import KEY, SECRET, signed_headers

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
BODY = b'{"MaxResults":3}'


def claim_of(headers: dict[str, str], now: datetime = NOW) -> Claim:
    return read_claim(list(headers.items()), now)


def accept(headers: dict[str, str], body: bytes = BODY, secret: str | None = SECRET) -> Claim:
    claim = claim_of(headers)
    verify(claim, body, secret)
    return claim


def kind(headers: dict[str, str], body: bytes = BODY, secret: str | None = SECRET) -> str:
    with pytest.raises(WireError) as raised:
        accept(headers, body, secret)
    return raised.value.kind


def headers_of(**signing: Any) -> dict[str, str]:
    return signed_headers(BODY, at=signing.pop("at", NOW), **signing)


def test_a_signature_made_without_botocore_is_accepted() -> None:
    claim = accept(headers_of(region="eu-west-3", more={"x-rightface-purpose": "access-control"}))
    assert claim.access_key_id == KEY
    assert claim.region == "eu-west-3"
    assert claim.headers["x-rightface-purpose"] == "access-control"


def test_a_payload_hash_that_fits_is_accepted() -> None:
    accept(headers_of(more={"x-amz-content-sha256": hashlib.sha256(BODY).hexdigest()}))


def test_no_authorization() -> None:
    headers = headers_of()
    del headers["authorization"]
    assert kind(headers) == "MissingAuthenticationTokenException"


def test_unknown_key() -> None:
    assert kind(headers_of(), secret=None) == "UnrecognizedClientException"


def test_wrong_secret() -> None:
    assert kind(headers_of(secret="x" * 40)) == "InvalidSignatureException"


def test_another_body() -> None:
    assert kind(headers_of(), body=BODY + b" ") == "InvalidSignatureException"


def test_an_empty_body_is_not_any_body() -> None:
    assert kind(headers_of(), body=b"") == "InvalidSignatureException"


@pytest.mark.parametrize(
    "told",
    ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", hashlib.sha256(b"").hexdigest(), ""],
)
def test_a_payload_hash_of_something_else(told: str) -> None:
    assert kind(headers_of(more={"x-amz-content-sha256": told})) == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["host", "x-amz-target", "x-amz-date", "content-type"])
def test_a_signed_header_that_was_changed(name: str) -> None:
    headers = headers_of()
    changed = headers[name].replace("Collections", "Faces").replace("T12", "T11")
    headers[name] = changed if changed != headers[name] else headers[name] + "x"
    assert kind(headers) == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["host", "x-amz-date", "content-type", "x-amz-target"])
def test_a_signed_header_that_was_taken_away(name: str) -> None:
    headers = headers_of()
    del headers[name]
    assert kind(headers) == "IncompleteSignatureException"


@pytest.mark.parametrize("name", ["x-rightface-purpose", "x-rightface-subject", "x-amz-target"])
def test_an_unsigned_header_that_would_change_what_is_asked(name: str) -> None:
    headers = headers_of()
    headers.pop(name, None)
    if name == "x-amz-target":
        authorization = headers["authorization"]
        headers["authorization"] = authorization.replace(";x-amz-target", "")
    headers[name] = "RekognitionService.DeleteCollection"
    with pytest.raises(WireError, match="must be signed") as raised:
        accept(headers)
    assert raised.value.kind == "InvalidSignatureException"


def test_a_signed_header_twice() -> None:
    pairs = [*headers_of().items(), ("x-amz-target", "RekognitionService.DeleteFaces")]
    with pytest.raises(WireError, match="twice"):
        read_claim(pairs, NOW)


def test_two_authorizations() -> None:
    headers = headers_of()
    with pytest.raises(WireError):
        read_claim([*headers.items(), ("authorization", headers["authorization"])], NOW)


def test_session_token() -> None:
    with pytest.raises(WireError, match="Session tokens are not accepted"):
        accept(headers_of(more={"x-amz-security-token": "FwoGZXIvYXdzEBYaD"}))


@pytest.mark.parametrize("seconds", [-900, -899, 0, 899, 900])
def test_within_15_minutes(seconds: int) -> None:
    accept(headers_of(at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (-901, "Signature expired: 20261122T114459Z is now earlier than 20261122T114500Z"),
        (901, "Signature not yet current: 20261122T121501Z is still later than 20261122T121500Z"),
        (-86400 * 400, "Signature expired"),
    ],
)
def test_beyond_15_minutes(seconds: int, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence) as raised:
        accept(headers_of(at=NOW + timedelta(seconds=seconds)))
    assert raised.value.kind == "InvalidSignatureException"


@pytest.mark.parametrize(
    "date",
    ["20261322T120000Z", "2026-11-22T12:00:00Z", "20261122T120000", "", "20261122T126000Z", "٢٠٢٦"],
)
def test_a_date_that_is_none(date: str) -> None:
    headers = headers_of()
    headers["x-amz-date"] = date
    assert kind(headers) == "IncompleteSignatureException"


def test_scope_of_another_day() -> None:
    headers = headers_of()
    headers["authorization"] = headers["authorization"].replace("/20261122/", "/20261121/")
    assert kind(headers) == "InvalidSignatureException"


def test_scope_of_another_service() -> None:
    assert kind(headers_of(service="s3")) == "InvalidSignatureException"


def test_scope_of_another_region() -> None:
    headers = headers_of()
    headers["authorization"] = headers["authorization"].replace("us-east-1", "us-east-2")
    assert kind(headers) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("aws4_request", "aws4_Request"),
        ("content-type;host", "host;content-type"),
        ("content-type;host", "content-type;host;host"),
        ("content-type;host", "content-type"),
        ("SignedHeaders=", "SignedHeaders=;"),
        (", Signature=", ",,Signature="),
        ("Credential=", "Credential=../"),
        (KEY, "short"),
    ],
)
def test_another_spelling(old: str, new: str) -> None:
    headers = headers_of()
    assert old in headers["authorization"]
    headers["authorization"] = headers["authorization"].replace(old, new)
    assert kind(headers) == "IncompleteSignatureException"


def test_a_signature_in_capitals_is_not_a_second_one() -> None:
    headers = headers_of()
    start, _, signature = headers["authorization"].rpartition("=")
    headers["authorization"] = f"{start}={signature.upper()}"
    assert kind(headers) == "IncompleteSignatureException"


@given(position=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_no_digit_of_the_signature_may_differ(position: int, digit: str) -> None:
    headers = headers_of()
    start, _, signature = headers["authorization"].rpartition("=")
    changed = signature[:position] + digit + signature[position + 1 :]
    headers["authorization"] = f"{start}={changed}"
    if changed == signature:
        accept(headers)
    else:
        assert kind(headers) == "InvalidSignatureException"


@given(
    value=st.text(st.characters(codec="latin-1"), max_size=300),
    name=st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-target"]),
)
def test_no_header_breaks_the_verifier(name: str, value: str) -> None:
    headers = headers_of()
    if " ".join(value.split()) != headers[name]:
        headers[name] = value
        kind(headers)  # a WireError, never anything else


@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-target", "x-amz-meta"]),
            st.text(max_size=60),
        ),
        max_size=6,
    )
)
def test_no_set_of_headers_breaks_the_verifier(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(WireError):
        read_claim(pairs, NOW)


def test_messages_never_repeat_what_was_sent() -> None:
    headers = headers_of(unsigned={"x-rightface-subject": "alice-the-subject"})
    with pytest.raises(WireError) as raised:
        accept(headers)
    assert "alice" not in str(raised.value)
