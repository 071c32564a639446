"""Well-formed requests for every operation that Amazon has published, made from its own model.

A request that a test of refusals sends must be one that could be answered: otherwise the refusal
would be of its form, and prove nothing. So each is held against botocore's validator and ours.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from rightface.api.rekognition import model
from rightface.api.rekognition.constraints import check
from tests.portraits import eileen_collins, small

NOWHERE = "c0ffee00-1111-4222-8333-444455556666"
_ARN = "arn:aws:rekognition:us-east-1:123456789012"
_WORDS = (
    "no-such-thing",
    NOWHERE,
    f"{_ARN}:project/no-such-thing/1",
    f"{_ARN}:project/no-such-thing/dataset/train/1",
    f"{_ARN}:project/no-such-thing/version/one/1",
    f"{_ARN}:collection/no-such-thing",
    "arn:aws:kinesisvideo:us-east-1:123456789012:stream/none/1",
    "arn:aws:iam::123456789012:role/none",
    "2abcdef",
    "0",
    "{}",
)
PHOTOGRAPH = small(eileen_collins())
_OBJECT = {"S3Object": {"Bucket": "no-such-bucket", "Name": "no-such-thing"}}
# Where the model leaves a choice that an operation needs made.
CHOSEN: Mapping[str, Mapping[str, Any]] = {
    "SearchUsers": {"FaceId": NOWHERE},
    "IndexFaces": {"ExternalImageId": "no-such-thing"},
}


def well_formed(name: str, **changed: Any) -> dict[str, Any]:
    """The parameters of a request for the operation, as boto3 takes them (blobs as bytes).

    `changed`: members of it with other values; what the operation does not have is passed over.
    """
    shape = model.operation(name).input_shape
    members = shape.members if isinstance(shape, StructureShape) else {}
    made = _value(shape) if isinstance(shape, StructureShape) else {}
    made = made | dict(CHOSEN.get(name, {}))
    made |= {each: value for each, value in changed.items() if each in made}
    assert set(made) <= set(members)
    return made


def require_well_formed(name: str, asked: dict[str, Any]) -> None:
    """Both validators take it."""
    shape = model.operation(name).input_shape
    assert shape is not None
    report = ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()
    check(name, body(asked))


def body(value: Any) -> Any:
    """The JSON that boto3 would send."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: body(each) for name, each in value.items()}
    return [body(each) for each in value] if isinstance(value, list) else value


def _value(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        if shape.name == "Image":
            return {"Bytes": PHOTOGRAPH}
        if shape.name == "Video":
            return _OBJECT
        return {each: _value(shape.members[each]) for each in shape.required_members}
    if isinstance(shape, ListShape):
        return [_value(shape.member)] * max(1, shape.metadata.get("min", 1))
    if isinstance(shape, MapShape):
        return {_value(shape.key): _value(shape.value)}
    kind = shape.type_name
    if kind == "string":
        return _string(shape)
    if kind == "blob":
        return b"x"
    if kind == "boolean":
        return False
    if kind == "timestamp":
        return 0
    return shape.metadata.get("min", 1)


def _string(shape: Any) -> str:
    if shape.enum:
        return str(shape.enum[0])
    pattern = shape.metadata.get("pattern", ".*")
    pattern = pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{N}", "0-9").replace(r"\p{Z}", " ")
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**9)
    return next(w for w in _WORDS if least <= len(w) <= most and re.fullmatch(pattern, w))
