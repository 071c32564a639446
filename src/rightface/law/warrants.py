"""Warrants, orders and emergencies on record, and whether one covers an operation.

A record says who issued it, under which number, for which operations, purposes, galleries and
places, from when to when. Of a sealed one only id, kind, client and state are ever told. An
emergency (`exigent`) has a limit in hours: past it, without the authorisation asked for and the
report filed after the fact, it lifts nothing any more. How they are kept: `warrant_records.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from rightface.law.operation import Operation
from rightface.law.vocabulary import Fact, Vocabulary

Problem = tuple[str, str, str]
"""A rule's name, what is wrong, and what would have to change."""
EXIGENT = "exigent"
State = Literal["holds", "not-yet-valid", "expired", "ended", "refused", "overdue"]


@dataclass(frozen=True, kw_only=True)
class Warrant:
    """One authorisation. Term: half-open, [valid_from, valid_until)."""

    warrant_id: str
    kind: str
    """A word of the vocabulary's warrants other than none."""
    issuer: str = field(repr=False)
    """The court, judge or authority; for an emergency the officer who declared it."""
    number: str = field(repr=False)
    client: str
    operations: tuple[str, ...] = field(repr=False)
    purposes: tuple[str, ...] = field(repr=False)
    galleries: tuple[str, ...] = field(repr=False)
    """Patterns of collections' names."""
    jurisdictions: tuple[str, ...] = field(repr=False)
    valid_from: datetime = field(repr=False)
    valid_until: datetime = field(repr=False)
    document_digest: str = field(repr=False)
    """Hex SHA-256 of the document."""
    recorded_at: datetime
    sealed: bool = False
    conditions: Mapping[str, Fact] = field(default_factory=dict, repr=False)
    """Facts of the case that the document states, such as the offence."""
    limit_hours: int | None = None
    """Of an emergency: how long it may run before authorisation and report are due."""
    requested_at: datetime | None = None
    """When its authorisation was asked for, if it was."""
    reported_at: datetime | None = None
    """When the emergency was reported after the fact, if it was."""
    ended_at: datetime | None = None
    ended_as: str | None = None
    """`ended`, or `refused` by the court."""

    @property
    def due(self) -> datetime | None:
        """When authorisation and report are due; None: it is no emergency."""
        hours = self.limit_hours
        return None if hours is None else self.valid_from + timedelta(hours=hours)

    def unreported(self, at: datetime) -> bool:
        """Whether it is an emergency whose limit has run at `at` without a report."""
        return self.due is not None and at >= self.due and _missing(self.reported_at, at)

    def overdue(self, at: datetime) -> bool:
        """Whether its limit has run at `at`, and authorisation request or report is missing."""
        return (self.due is not None and at >= self.due) and (
            _missing(self.requested_at, at) or _missing(self.reported_at, at)
        )

    def state(self, at: datetime) -> State:
        """How it stands at `at`; an end counts before everything else."""
        if self.ended_at is not None and self.ended_at <= at:
            return "refused" if self.ended_as == "refused" else "ended"
        if at < self.valid_from:
            return "not-yet-valid"
        if self.overdue(at):
            return "overdue"
        return "holds" if at < self.valid_until else "expired"

    def told(self, at: datetime) -> dict[str, Any]:
        """What may be shown of it: everything, or of a sealed one id, kind, client and state."""
        shown: dict[str, Any] = {
            "warrant_id": self.warrant_id,
            "kind": self.kind,
            "client": self.client,
            "sealed": self.sealed,
            "state": self.state(at),
        }
        if self.sealed:
            return shown
        hidden = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**shown, **hidden, "conditions": dict(self.conditions), "due": self.due}

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
    warrant: Warrant | None,
    operation: Operation,
    at: datetime,
    *,
    live: bool,
    damaged: bool = False,
) -> Iterator[Problem]:
    """Why a record does not cover `operation` at `at`; nothing: it does.

    Args:
        warrant: the record that is relied on; None: there is none.
        operation: what is asked.
        at: the time that counts.
        live: whether a permit is asked for; an end then counts at once.
        damaged: whether there is a record, and its signature is broken.
    """
    if warrant is None and damaged:
        yield (
            "signature",
            "The record of the authorisation does not bear this instance's signature.",
            "Put the authorisation on record again: rightface warrant record.",
        )
        return
    if warrant is None or operation.warrant_id is None:
        yield (
            "not-on-record",
            "The authorisation that is relied on is not on record.",
            "Put it on record: rightface warrant record; then name its id.",
        )
        return
    if warrant.client != operation.client:
        # Nothing more is said of it: it is not theirs to know.
        yield "other-client", "The authorisation was given to another client.", "Use the right one."
        return
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
        when = "" if warrant.sealed else f": it does from {warrant.valid_from.isoformat()}"
        yield "not-yet-valid", f"The authorisation does not hold yet{when}.", "Wait until it does."
    if at >= warrant.valid_until:
        when = "" if warrant.sealed else f" on {warrant.valid_until.isoformat()}"
        yield (
            "expired",
            f"The authorisation expired{when}.",
            "Obtain a new one and put it on record.",
        )
    # As with licences: for a permit an end counts at once.
    if warrant.ended_at is not None and (live or warrant.ended_at <= at):
        how = "refused by the court" if warrant.ended_as == "refused" else "ended"
        yield "ended", f"The authorisation was {how}.", "Obtain a new one."
    if warrant.overdue(at):
        hours = "limit has" if warrant.sealed else f"{warrant.limit_hours} hours have"
        yield (
            "overdue",
            f"The emergency's {hours} run; the request for authorisation or the report is missing.",
            "Ask for the authorisation and report the use: rightface warrant request, rightface"
            " warrant report.",
        )


def _missing(told: datetime | None, at: datetime) -> bool:
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
    # All of its places: what it says lifts the rules of each.
    for place in operation.jurisdictions:
        if not any(words.contains(wide, place) for wide in warrant.jurisdictions):
            yield (
                "place-not-covered",
                f"The authorisation does not cover {place}.",
                "Obtain one that does.",
            )


def _hours(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds() // 3600)
