"""The kinds of value that requests and answers are made of: names, words, times, digests.

Each says in OpenAPI what it takes, and takes nothing else. Must never know what they are used for.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

T = TypeVar("T")
_EARLIEST, _LATEST = 1900, 9000  # years: what every calendar and time zone can do


def _text(pattern: str, longest: int) -> Any:
    return StringConstraints(min_length=1, max_length=longest, pattern=pattern)


def _utc(told: datetime) -> datetime:
    if not _EARLIEST <= told.year <= _LATEST:
        raise ValueError("The year is beyond reason.")
    return told.astimezone(UTC)


def _day(told: date) -> date:
    if not _EARLIEST <= told.year <= _LATEST:
        raise ValueError("The year is beyond reason.")
    return told


def _pattern(told: str) -> str:
    if not told.isprintable():
        raise ValueError("It holds what cannot be printed.")
    return told


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time, ISO 8601 with its zone; told in UTC."""
Day = Annotated[date, AfterValidator(_day)]
"""A day, ISO 8601."""
Name = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", 64)]
"""A client's or a credential's name."""
Subject = Annotated[str, _text(r"^[a-zA-Z0-9_.:-]{1,255}$", 255)]
"""A subject's reference: the ExternalImageId that the client enrols with."""
Gallery = Annotated[str, _text(r"^[a-zA-Z0-9_.-]{1,255}$", 255)]
"""A collection's name."""
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_pattern)]
"""A pattern of collections' names, such as `staff*`."""
Word = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", 128)]
"""A word of the law's vocabulary, or an instrument's id."""
Place = Annotated[str, _text(r"^[A-Z0-9]+(-[A-Z0-9]+)*$", 32)]
"""A place of the vocabulary, such as `US-IL`."""
Identifier = Annotated[str, _text(r"^[A-Za-z0-9-]{1,64}$", 64)]
"""The id of a record."""
Citation = Annotated[str, _text(r"^(fnd-[0-9a-f]{24}|search:(0|[1-9][0-9]{0,14}))$", 32)]
"""A finding on record, or a search as `search:INDEX`."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_pattern)]
"""One line of text."""
Digest = Annotated[str, _text(r"^[0-9a-f]{64}$", 64)]
"""A SHA-256 in hexadecimal."""
Token = Annotated[str, _text(r"^[A-Za-z0-9_=-]{1,1024}$", 1024)]
"""Where a list goes on; opaque."""
Index = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""The place of an entry in the ledger."""
Value = bool | int | str | list[str]
"""What a condition can be."""


class Asked(BaseModel):
    """A request's body. What it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """An answer, or a part of one. A newer server may tell more; that is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """What `value`, a plain value of the house, has to tell."""
        return cls.model_validate(value, from_attributes=True)


class Page(Told, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = Field(description="Give it back as `after`; null: this is the end.")


def is_known(part: object, known: frozenset[str]) -> bool:
    """Whether a part of a field's path is ours to tell: a number, or a field that there is."""
    return isinstance(part, int) or (isinstance(part, str) and part in known)
