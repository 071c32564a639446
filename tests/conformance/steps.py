"""What a step of the suite is, and how its outcome is held against what is expected.

Steps are plain data, so that clients in other languages can play them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]
ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call, and what every client must see of it.

    `parameters` may hold `"${name}"`, which an earlier step kept, and `{"$file": name}`, the bytes
    of a file. Paths go through the answer by dots: `FaceRecords.0.Face`; `#` is a list's length.
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    gives: Mapping[str, Any] = field(default_factory=dict)
    """By path: a value, a check, or ABSENT."""
    raises: str | None = None
    """The name of the exception that the client raises."""
    keep: Mapping[str, str] = field(default_factory=dict)
    """By name: the path of what later steps use."""
    pages: str | None = None
    """The list that is gathered from all pages, of two entries each."""
    until: Mapping[str, Any] | None = None
    """By path: what the answer must hold; else the call is made again."""
    credentials: Mapping[str, str] | None = None
    every: bool = True
    """Whether a client that starts a process for each call makes it too."""

    @property
    def document(self) -> dict[str, Any]:
        """What a client needs to know of it."""
        return {
            "operation": self.operation,
            "parameters": dict(self.parameters),
            "keep": dict(self.keep),
            "pages": self.pages,
            "until": None if self.until is None else dict(self.until),
            "credentials": None if self.credentials is None else dict(self.credentials),
        }


def hold(step: Step, outcome: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Raise AssertionError where the outcome is not what the step says."""
    if step.raises is not None:
        assert outcome.get("error") == step.raises, outcome
        assert outcome["message"], outcome
        return
    assert "answer" in outcome, outcome
    for path, expected in step.gives.items():
        found = at(outcome["answer"], path)
        assert _agrees(found, expected, kept), (path, found, expected)


def at(value: Any, path: str) -> Any:
    """What lies at a path of an answer; ABSENT if nothing does."""
    for part in path.split("."):
        if part == "#":
            value = len(value) if isinstance(value, list) else ABSENT
        elif isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else ABSENT
        elif isinstance(value, dict):
            value = value.get(part, ABSENT)
        else:
            return ABSENT
    return value


def _agrees(found: Any, expected: Any, kept: Mapping[str, Any]) -> bool:
    if callable(expected):
        return found is not ABSENT and bool(expected(found))
    told = filled(expected, kept)
    if isinstance(told, float):
        return isinstance(found, int | float) and math.isclose(found, told, rel_tol=1e-5)
    return bool(found == told) if told is not ABSENT else found in (ABSENT, None)


def filled(value: Any, kept: Mapping[str, Any]) -> Any:
    """A value with what was kept in the place of `${name}`."""
    if isinstance(value, str):
        whole = re.fullmatch(r"\$\{(\w+)\}", value)
        return kept[whole[1]] if whole else value
    if isinstance(value, dict):
        return {name: filled(each, kept) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, kept) for each in value]
    return value


# ---------------------------------------------------------------- checks
def present(value: Any) -> bool:
    """Anything but nothing."""
    return value is not None


def matches(pattern: str) -> Check:
    """A string that matches as a whole."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def between(least: float, most: float) -> Check:
    """A number of this range."""
    return lambda value: isinstance(value, int | float) and least <= value <= most


def same(*entries: Any) -> Check:
    """A list of just these, in any order."""
    return lambda value: sorted(value) == sorted(entries)


def moment(value: Any) -> bool:
    """A time, as each client tells it: seconds since 1970, or ISO 8601."""
    if isinstance(value, int | float):
        return value > 1.7e9
    return isinstance(value, str) and re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d", value) is not None


UUID = matches(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
