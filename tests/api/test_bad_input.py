"""Whatever comes, the wire answers with a refusal in Amazon's form: never a 500, never a hang."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightface.api.rekognition import model
from tests.api.conftest import Wire
from tests.api.signing import Told, send

FUZZ = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FACE_ID = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"
NAMES = sorted(model.operation_names())
TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats()
    | TEXT
    | st.sampled_from(["staff", FACE_ID, "/9g=", "AUTO", "DEFAULT", "ALL", {"Bytes": "/9g="}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
# What HTTP lets into a header: no control characters but the tab (RFC 9110, 5.5).
CONTROLS = "".join(map(chr, (*range(9), *range(10, 32), 127)))
HEADER = st.text(st.characters(codec="latin-1", exclude_characters=CONTROLS), max_size=200).map(
    str.strip
)


def require_refusal_or_answer(told: Told) -> None:
    assert told.status in (200, 400, 404, 405, 408, 413), (told.status, told.body)
    value = told.json
    if told.status != 200:
        assert value["message"]
    if told.status == 400:
        assert told.kind == told.headers["x-amzn-errortype"]
        assert told.headers["x-amzn-requestid"]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(NAMES))
    shape = model.operation(name).input_shape
    members = [*getattr(shape, "members", {}), "Unknown", ""]
    return name, draw(st.dictionaries(st.sampled_from(members), VALUES, max_size=6))


@given(bodies())
@FUZZ
def test_bodies_that_are_json(wire: Wire, request: tuple[str, Any]) -> None:
    name, body = request
    require_refusal_or_answer(wire.ask(name, body))


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=300))
@FUZZ
def test_bodies_that_are_not(wire: Wire, name: str, body: bytes) -> None:
    require_refusal_or_answer(wire.ask(name, body))


@given(data=st.data())
@FUZZ
def test_bodies_that_were_damaged(wire: Wire, data: st.DataObject) -> None:
    image = {"Bytes": "/9hwaG90bw=="}
    whole = {"CollectionId": "staff", "Image": image, "MaxFaces": 3, "ExternalImageId": "alice"}
    body = bytearray(json.dumps(whole).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not body:
            break
    require_refusal_or_answer(wire.ask("IndexFaces", bytes(body)))


@given(
    name=st.sampled_from(
        ["authorization", "x-amz-date", "x-amz-target", "content-type", "x-amz-content-sha256"]
    ),
    value=HEADER,
)
@FUZZ
def test_headers_of_any_value(wire: Wire, name: str, value: str) -> None:
    body = b"{}"
    headers = wire.headers(body)
    told = send(wire.url, {**headers, name: value}, body)
    assert told.status == 400 or headers.get(name) == value
    require_refusal_or_answer(told)


@given(data=st.data())
@FUZZ
def test_authorizations_that_were_damaged(wire: Wire, data: st.DataObject) -> None:
    body = b"{}"
    headers = wire.headers(body)
    whole = headers["authorization"]
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start, min(len(whole), start + 12)))
    damaged = whole[:start] + data.draw(HEADER) + whole[end:]
    told = send(wire.url, {**headers, "authorization": damaged}, body)
    require_refusal_or_answer(told)
    # ", " and "," are one spelling; anything else is another signature.
    assert told.status == 400 or damaged.strip().replace(", ", ",") == whole.replace(", ", ",")


@given(names=st.lists(st.sampled_from(["content-type", "content-encoding", "expect", "date"])))
@FUZZ
def test_signed_headers_of_any_value(wire: Wire, names: list[str]) -> None:
    values = ["application/json", "text/plain; charset=utf-7", "gzip", "", "\t", "x" * 3000]
    more = {name: values[place % len(values)] for place, name in enumerate(names)}
    more.pop("expect", None)
    require_refusal_or_answer(wire.ask("ListCollections", {}, more=more))


@given(raw=st.binary(min_size=1, max_size=400) | st.sampled_from([b"\r\n" * 40, b"PRI * HTTP/2.0"]))
@settings(FUZZ, max_examples=120)
def test_bytes_that_are_no_http(wire: Wire, raw: bytes) -> None:
    place = urlsplit(wire.url)
    with socket.create_connection(
        (place.hostname or "", place.port or 0), timeout=10
    ) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        try:
            got = connection.recv(65536)
        except ConnectionResetError:
            got = b""
    assert not got.startswith(b"HTTP/1.1 5")


@pytest.mark.parametrize("path", ["/?X-Amz-Signature=aa", "//", "/%2f", "/;x", "/.", "/?"])
def test_other_paths_with_a_good_signature(wire: Wire, path: str) -> None:
    headers = wire.headers(b"{}")
    told = send(wire.url, headers, b"{}", path=path)
    assert told.status in (200, 400, 404)
    assert told.status != 200 or path == "/?"


@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/x-amz-json-1.0", "application/cbor", "x" * 300]
)
def test_other_content_types(wire: Wire, kind: str) -> None:
    told = wire.ask("ListCollections", {}, more={"content-type": kind})
    assert told.kind == "SerializationException"


def test_compressed_bodies(wire: Wire) -> None:
    told = wire.ask("ListCollections", b"\x1f\x8b", more={"content-encoding": "gzip"})
    assert told.kind == "SerializationException"


def test_the_server_is_as_good_as_before(wire: Wire) -> None:
    client = wire.client()
    client.create_collection(CollectionId="staff")
    assert client.list_collections()["CollectionIds"] == ["staff"]
