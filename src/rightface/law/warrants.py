"""Warrants, orders and emergencies on record, and whether one covers an operation.

A record says who issued it, under which number, for which operations, purposes, galleries and
places, from when to when; sealed ones are never shown beyond their id and kind. An emergency
(`exigent`) has a limit in hours: past it, without the authorisation asked for and the report filed
after the fact, it lifts nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from rightface.law.operation import Operation
from rightface.law.vocabulary import Fact, Vocabulary

Problem = tuple[str, str, str]
"""A rule's name, what is wrong, and what would have to change."""


@dataclass(frozen=True, kw_only=True)
class Warrant:
    """One authorisation. Term: half-open, [valid_from, valid_until)."""

    warrant_id: str
    kind: str
    """A word of the vocabulary's warrants other than none."""
    issuer: str
    """The court, judge or authority; for an emergency the officer who declared it."""
    number: str
    client: str
    operations: tuple[str, ...]
    purposes: tuple[str, ...]
    galleries: tuple[str, ...]
    """Patterns of collections' names."""
    jurisdictions: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    document_digest: str
    """Hex SHA-256 of the document."""
    recorded_at: datetime
    sealed: bool = False
    conditions: Mapping[str, Fact] = field(default_factory=dict)
    """Facts of the case that the document states, such as the offence."""
    limit_hours: int | None = None
    """Of an emergency: how long it may run before authorisation and report are due."""
    requested_at: datetime | None = None
    """When its authorisation was asked for, if it was."""
    reported_at: datetime | None = None
    """When the emergency was reported after the fact, if it was."""
    ended_at: datetime | None = None

    def facts(self, at: datetime) -> dict[str, Fact]:
        """The conditions that it proves at `at`, the hours since its start among them."""
        requested = -1
        if self.requested_at is not None and self.requested_at <= at:
            requested = max(0, _hours(self.valid_from, self.requested_at))
        return {
            **self.conditions,
            "hours_since_start": max(0, _hours(self.valid_from, at)),
            "authorisation_requested_after_hours": requested,
        }


def problems(
    warrant: Warrant | None, operation: Operation, at: datetime, *, live: bool
) -> Iterator[Problem]:
    """Why a record does not cover `operation` at `at`; nothing: it does."""
    if warrant is None:
        yield (
            "not-on-record",
            "The authorisation that is relied on is not on record, or its record is damaged.",
            "Put it on record: rightface warrant record.",
        )
        return
    if warrant.client != operation.client:
        yield "other-client", "The authorisation was given to another client.", "Use the right one."
    if operation.warrant not in ("none", warrant.kind):
        yield (
            "other-kind",
            f"It relies on a {operation.warrant}; on record is a {warrant.kind}.",
            f"Say that it is a {warrant.kind}.",
        )
    yield from _dates(warrant, at, live=live)
    yield from _scope(warrant, operation)


def _dates(warrant: Warrant, at: datetime, *, live: bool) -> Iterator[Problem]:
    if at < warrant.valid_from:
        yield (
            "not-yet-valid",
            f"The authorisation holds from {warrant.valid_from.isoformat()}.",
            "Wait until then.",
        )
    if at >= warrant.valid_until:
        yield (
            "expired",
            f"The authorisation ended on {warrant.valid_until.isoformat()}.",
            "Obtain a new one and put it on record.",
        )
    # As with licences: for a permit an end counts at once.
    if warrant.ended_at is not None and (live or warrant.ended_at <= at):
        yield "ended", "The authorisation was ended or refused.", "Obtain a new one."
    limit = warrant.limit_hours
    if limit is not None and _hours(warrant.valid_from, at) >= limit:
        late = [one for one in (warrant.requested_at, warrant.reported_at) if _after(one, at)]
        if late:
            yield (
                "overdue",
                f"The emergency's {limit} hours have run; authorisation or report is missing.",
                "Ask for the authorisation, and report the use: rightface warrant report.",
            )


def _after(told: datetime | None, at: datetime) -> bool:
    return told is None or told > at


def _scope(warrant: Warrant, operation: Operation) -> Iterator[Problem]:
    words = Vocabulary.load()
    if operation.action not in words.granted(warrant.operations):
        yield (
            "operation-not-covered",
            f"The authorisation does not cover {operation.action}.",
            "Obtain one that does.",
        )
    if operation.purpose not in warrant.purposes:
        yield (
            "purpose-not-covered",
            "The authorisation does not cover this purpose.",
            "Obtain one that does.",
        )
    if operation.gallery is not None and not any(
        fnmatchcase(operation.gallery, pattern) for pattern in warrant.galleries
    ):
        yield (
            "gallery-not-covered",
            "The authorisation does not cover this gallery.",
            "Obtain one that does.",
        )
    if not any(
        words.contains(wide, operation.place_jurisdiction) for wide in warrant.jurisdictions
    ):
        yield (
            "place-not-covered",
            f"The authorisation does not cover {operation.place_jurisdiction}.",
            "Obtain one that does.",
        )


def _hours(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds() // 3600)
