"""A request held against Amazon's model: types, required members, lengths, ranges, patterns, enums.

botocore's ParamValidator checks types and minima on the client's side (a test holds that whatever
it rejects is rejected here); Amazon's servers check the rest, with the sentences used here. The
values themselves are never repeated in a message: they may be personal data.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.model import IMAGE_BYTES, operation, read_blob

_TOLD = 10  # violations listed in one message
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


def check(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The members of an operation's input, blobs as bytes, nulls left out.

    Raises:
        WireError: with everything in it that is not as the model says.
    """
    shape = operation(name).input_shape
    return conform(shape, body) if isinstance(shape, StructureShape) else {}


def conform(shape: StructureShape, body: dict[str, Any]) -> dict[str, Any]:
    """Like `check`, for any structure of the model (a test holds the answers against theirs).

    Raises:
        WireError: as `check`.
    """
    found: list[str] = []
    checked = _structure(shape, body, "", found)
    if found:
        noun = "validation error" if len(found) == 1 else "validation errors"
        told = "; ".join(found[:_TOLD])
        raise WireError("ValidationException", f"{len(found)} {noun} detected: {told}")
    return checked


def _value(shape: Shape, value: Any, path: str, found: list[str]) -> Any:
    _require_type(shape, value, path)
    if isinstance(shape, StructureShape):
        return _structure(shape, value, path, found)
    if isinstance(shape, ListShape):
        _range(shape, len(value), path, found, "length")
        return [
            _value(shape.member, item, f"{path}.{number}.member", found)
            for number, item in enumerate(value, start=1)
        ]
    if isinstance(shape, MapShape):
        _range(shape, len(value), path, found, "length")
        return {
            _value(shape.key, key, f"{path}.key", found): _value(
                shape.value, item, f"{path}.value", found
            )
            for key, item in value.items()
        }
    if shape.type_name == "blob":
        return _blob(shape, value, path, found)
    if isinstance(shape, StringShape):
        _string(shape, value, path, found)
    elif not isinstance(value, bool):
        _range(shape, value, path, found, "value")
    return value


def _structure(
    shape: StructureShape, value: dict[str, Any], path: str, found: list[str]
) -> dict[str, Any]:
    prefix = f"{path}." if path else ""
    given = {name: item for name, item in value.items() if item is not None}
    for name in given:
        if name not in shape.members:
            expected = ", ".join(shape.members)
            raise WireError(
                "SerializationException",
                f"'{path or 'the request'}' has a member that is not in the model; "
                f"it may have: {expected}.",
            )
    for name in shape.required_members:
        if name not in given:
            _violated(found, f"{prefix}{_camel(name)}", "Member must not be null")
    return {
        name: _value(shape.members[name], item, f"{prefix}{_camel(name)}", found)
        for name, item in given.items()
    }


def _require_type(shape: Shape, value: Any, path: str) -> None:
    wanted = _JSON_TYPES.get(shape.type_name, ())
    is_right = isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))
    if not is_right:
        raise WireError("SerializationException", f"'{path}' must be of type {shape.type_name}.")


def _blob(shape: Shape, text: str, path: str, found: list[str]) -> bytes:
    # Refused by its length before it is decoded.
    if len(text) > 4 * (IMAGE_BYTES // 3 + 1):
        raise _image_too_large()
    try:
        blob = read_blob(text)
    except ValueError:
        raise WireError("SerializationException", f"'{path}' is not valid base64.") from None
    if len(blob) > IMAGE_BYTES:
        raise _image_too_large()
    if len(blob) < shape.metadata.get("min", 0):
        _violated(found, path, "Member must have length greater than or equal to 1")
    return blob


def _image_too_large() -> WireError:
    return WireError("ImageTooLargeException", f"The image has more than {IMAGE_BYTES} bytes.")


def _string(shape: StringShape, value: str, path: str, found: list[str]) -> None:
    _range(shape, len(value), path, found, "length")
    if shape.enum and value not in shape.enum:
        listed = ", ".join(shape.enum)
        _violated(found, path, f"Member must satisfy enum value set: [{listed}]")
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not _matches(pattern, value):
        _violated(found, path, f"Member must satisfy regular expression pattern: {pattern}")


def _range(shape: Shape, value: float, path: str, found: list[str], noun: str) -> None:
    least = shape.metadata.get("min")
    most = shape.metadata.get("max")
    has = "Member must have length" if noun == "length" else "Member must have value"
    if least is not None and not value >= least:
        _violated(found, path, f"{has} greater than or equal to {least}")
    if most is not None and not value <= most:
        _violated(found, path, f"{has} less than or equal to {most}")


def _violated(found: list[str], path: str, constraint: str) -> None:
    found.append(f"Value at '{path}' failed to satisfy constraint: {constraint}")


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _matches(pattern: str, value: str) -> bool:
    # Python's `re` has no \p{…}: for such a pattern the letters, separators and numbers beyond
    # ASCII are folded to one ASCII character of their kind each, and the classes written in ASCII.
    told = _folded(value) if r"\p{" in pattern else value
    return _compiled(pattern).fullmatch(told) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    ascii_only = pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{N}", "0-9").replace(r"\p{Z}", " ")
    return re.compile(ascii_only, re.ASCII)


def _folded(value: str) -> str:
    kinds = {"L": "L", "N": "0", "Z": " "}
    return "".join(
        char if char.isascii() else kinds.get(unicodedata.category(char)[0], char) for char in value
    )
