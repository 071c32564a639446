"""Amazon's published model of Rekognition, as botocore ships it: operations, shapes, exceptions.

Read from the installed botocore, never from a network. Knows the wire's words and their limits,
not what they do.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import cache
from typing import Any, cast

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from rightface.api.rekognition.faults import WireError

TARGET = "RekognitionService."
IMAGE_BYTES = 15 * 1024 * 1024
"""Bytes of one inline image. Amazon takes 5 MB; a house of one's own may take more."""
_VALUES = 100_000  # JSON values in one body; the longest legal list has 4,096
_BESIDE_IMAGES = 1024 * 1024  # bytes of a body beside its images


@cache
def service_model() -> ServiceModel:
    """Rekognition's model, parsed once."""
    return ServiceModel(Loader().load_service_model("rekognition", "service-2"), "rekognition")


def operation_names() -> frozenset[str]:
    """Every operation that Amazon has published."""
    return frozenset(service_model().operation_names)


@cache
def operation(name: str) -> OperationModel:
    """One operation's model; `name` is one of `operation_names()`."""
    return service_model().operation_model(name)


@cache
def exceptions_of(name: str) -> frozenset[str]:
    """The exceptions that the model lists for an operation."""
    return frozenset(shape.name for shape in operation(name).error_shapes)


@cache
def body_limit(name: str | None) -> int:
    """How many bytes a request's body may have; None: no operation that is known."""
    if name is None:
        return _BESIDE_IMAGES
    shape = operation(name).input_shape
    members = list(shape.members.values()) if isinstance(shape, StructureShape) else []
    images = sum(1 for member in members if _holds_blob(member))
    return _BESIDE_IMAGES + images * (4 * (IMAGE_BYTES // 3) + 4)


def _holds_blob(shape: Shape, depth: int = 4) -> bool:
    if shape.type_name == "blob":
        return True
    if depth == 0:
        return False
    if isinstance(shape, StructureShape):
        return any(_holds_blob(member, depth - 1) for member in shape.members.values())
    return isinstance(shape, ListShape) and _holds_blob(shape.member, depth - 1)


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; an empty body is an empty object.

    Raises:
        WireError: not UTF-8, not JSON, a key twice, NaN or Infinity, too deep, or too many values.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _VALUES:
        raise WireError("SerializationException", "The body holds too many values.")
    try:
        value = json.loads(
            body.decode("utf-8") or "{}", object_pairs_hook=_object, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):  # every way of not being JSON
        raise WireError("SerializationException", "The body is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise WireError("SerializationException", "The body is not a JSON object.")
    return cast(dict[str, Any], value)


def read_blob(text: str) -> bytes:
    """Strict base64 (RFC 4648, padded, no other characters).

    Raises:
        ValueError: it is not.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)
