"""Requests held against Amazon's model."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.api.rekognition import model
from rightface.api.rekognition.constraints import check
from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.model import read_blob, read_json
from rightface.api.rekognition.operations_table import ENTRIES

WORKS = [entry.name for entry in ENTRIES if entry.state == "works"]
FACE_ID = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"


def refused(name: str, body: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(WireError) as raised:
        check(name, body)
    return raised.value.kind, raised.value.what


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("CreateCollection", {}, "'collectionId' failed to satisfy constraint: Member must not be"),
        ("CreateCollection", {"CollectionId": None}, "Member must not be null"),
        ("CreateCollection", {"CollectionId": ""}, "length greater than or equal to 1"),
        ("CreateCollection", {"CollectionId": "a" * 256}, "length less than or equal to 255"),
        ("CreateCollection", {"CollectionId": "a b"}, r"pattern: [a-zA-Z0-9_.\-]+"),
        ("CreateCollection", {"CollectionId": "staff\n"}, "pattern"),
        ("CreateCollection", {"CollectionId": "stäff"}, "pattern"),
        ("CreateCollection", {"CollectionId": "a", "Tags": {"aws:x": "y"}}, "'tags.key'"),
        ("CreateCollection", {"CollectionId": "a", "Tags": {"k": "v" * 257}}, "'tags.value'"),
        ("SearchFaces", {"CollectionId": "a", "FaceId": FACE_ID.upper()}, "'faceId'"),
        ("SearchFaces", {"CollectionId": "a", "FaceId": FACE_ID, "MaxFaces": 0}, "'maxFaces'"),
        ("SearchFaces", {"CollectionId": "a", "FaceId": FACE_ID, "MaxFaces": 4097}, "4096"),
        (
            "SearchFaces",
            {"CollectionId": "a", "FaceId": FACE_ID, "FaceMatchThreshold": 100.1},
            "value less than or equal to 100",
        ),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": []}, "length greater than or equal to 1"),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": [FACE_ID, "x"]}, "'faceIds.2.member'"),
        ("DetectFaces", {"Image": {"Bytes": ""}}, "'image.bytes'"),
        ("DetectFaces", {"Image": {"Bytes": "eA=="}, "Attributes": ["SHOE_SIZE"]}, "enum value"),
        (
            "IndexFaces",
            {"CollectionId": "a", "Image": {}, "ExternalImageId": "who are you?"},
            "'externalImageId'",
        ),
    ],
)
def test_constraints(name: str, body: dict[str, Any], told: str) -> None:
    kind, message = refused(name, body)
    assert kind == "ValidationException"
    assert told in message
    assert re.match(r"(1 validation error|2 validation errors) detected: Value at '", message)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("CreateCollection", {"CollectionId": 7}),
        ("CreateCollection", {"CollectionId": ["a"]}),
        ("CreateCollection", {"CollectionId": "a", "Tags": []}),
        ("CreateCollection", {"CollectionId": "a", "Nonsense": 1}),
        ("ListCollections", {"MaxResults": True}),
        ("ListCollections", {"MaxResults": 3.0}),
        ("ListCollections", {"MaxResults": "3"}),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": FACE_ID}),
        ("DetectFaces", {"Image": {"Bytes": "not base64!"}}),
        ("DetectFaces", {"Image": {"Bytes": "eA="}}),
        ("DetectFaces", {"Image": {"Bytes": "eA==\n"}}),
        ("DetectFaces", {"Image": {"Bytes": "é"}}),
        ("DetectFaces", {"Image": "eA=="}),
    ],
)
def test_types(name: str, body: dict[str, Any]) -> None:
    assert refused(name, body)[0] == "SerializationException"


def test_all_violations_are_told_at_once_and_no_value_is_repeated() -> None:
    kind, message = refused(
        "IndexFaces",
        {"CollectionId": "my secret", "Image": {}, "ExternalImageId": "alice b", "MaxFaces": 0},
    )
    assert kind == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert "alice" not in message
    assert "secret" not in message


def test_image_too_large_is_told_before_it_is_decoded() -> None:
    text = "A" * (4 * (model.IMAGE_BYTES // 3 + 2))
    assert refused("DetectFaces", {"Image": {"Bytes": text}})[0] == "ImageTooLargeException"
    edge = base64.b64encode(bytes(model.IMAGE_BYTES + 1)).decode()
    assert refused("DetectFaces", {"Image": {"Bytes": edge}})[0] == "ImageTooLargeException"
    largest = base64.b64encode(bytes(model.IMAGE_BYTES)).decode()
    checked = check("DetectFaces", {"Image": {"Bytes": largest}})
    assert len(checked["Image"]["Bytes"]) == model.IMAGE_BYTES
    room = model.body_limit("DetectFaces") - len(largest)
    assert room > len('{"Image": {"Bytes": ""}, "Attributes": ["DEFAULT"]}')


def test_limits_of_bodies() -> None:
    small, one, two = (
        model.body_limit(name) for name in ("DeleteFaces", "IndexFaces", "CompareFaces")
    )
    assert small == model.body_limit(None) == 1024 * 1024
    assert two - small == 2 * (one - small)
    longest = {"CollectionId": "a" * 255, "FaceIds": [FACE_ID] * 4096}
    assert len(json.dumps(longest)) < small
    assert check("DeleteFaces", longest) == longest


def test_tags_of_any_script() -> None:
    body = {"CollectionId": "a", "Tags": {"Straße Ⅳ": "東京 ١٢", "k": ""}}
    assert check("CreateCollection", body) == body
    assert refused("CreateCollection", {"CollectionId": "a", "Tags": {"☃": "x"}})[0] == (
        "ValidationException"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"7",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"{}{}",
        b'{"a":[' + b"1," * 200_000 + b"1]}",
    ],
    ids=range(14),
)
def test_json_that_is_none(body: bytes) -> None:
    with pytest.raises(WireError) as raised:
        read_json(body)
    assert raised.value.kind == "SerializationException"


def test_an_empty_body_is_an_empty_object() -> None:
    assert read_json(b"") == {}


@given(st.binary(max_size=200))
def test_base64_round_trip(blob: bytes) -> None:
    assert read_blob(base64.b64encode(blob).decode()) == blob


@given(st.binary(max_size=400))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    try:
        assert isinstance(read_json(body), dict)
    except WireError as error:
        assert error.kind == "SerializationException"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["staff", FACE_ID, "/9g=", "AUTO", "DEFAULT"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Bytes", "S3Object", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An operation, and a body whose members have its names but any value."""
    name = draw(st.sampled_from(WORKS))
    shape = model.operation(name).input_shape
    names = [*getattr(shape, "members", {}), "Unknown"]
    return name, draw(st.dictionaries(st.sampled_from(names), JSON, max_size=5))


@given(requests())
@settings(max_examples=400)
def test_what_botocore_rejects_is_rejected(request: tuple[str, dict[str, Any]]) -> None:
    name, body = request
    shape = model.operation(name).input_shape
    assert shape is not None
    try:
        checked = check(name, body)
    except WireError as error:
        assert error.kind in (
            "ValidationException",
            "SerializationException",
            "ImageTooLargeException",
        )
    else:
        assert not ParamValidator().validate(checked, shape).has_errors()
        raw = {key: value for key, value in body.items() if value is not None}
        assert set(checked) == set(raw)
