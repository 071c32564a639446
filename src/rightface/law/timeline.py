"""The decision on one question through the years: evaluated at every date on which it can change.

The dates are those of the instruments and rules that reach the places in question: from, until, and
when they became known; and the term of the licence and consents, where a client is named. Between
two such dates no rule changes. What else changes on record between them (an adoption, a duty) is
found by halving. Drawn as text and as JSON here, as SVG in `timeline_svg.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from rightface.law.gate import judge
from rightface.law.instrument import Instrument
from rightface.law.ruling import Outcome
from rightface.law.status import reaches
from rightface.law.world import World

FIRST, LAST = date(2018, 1, 1), date(2031, 1, 1)
"""The years shown, 2018 to 2030. The end is excluded."""
GLYPHS: dict[Outcome, str] = {"allow": "░", "require-duty": "▒", "deny": "█"}
"""Told apart without colour: the darker, the stricter."""
WORDS: dict[Outcome, str] = {"allow": "allow", "require-duty": "require-duty", "deny": "deny"}
_STRICTNESS: dict[Outcome, int] = {"allow": 0, "require-duty": 1, "deny": 2}
_CELLS = 5  # of the bar, per year


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Days in [start, until) on which the answer is the same, for the same reasons."""

    start: date
    until: date
    outcome: Outcome
    instruments: tuple[str, ...]
    """Those responsible: that forbid or ask for a duty; for `allow`, that set an obligation."""
    missing: tuple[str, ...]
    reasons: tuple[str, ...]
    """`instrument#rule` of each."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The segments, in order, without gaps, from `start` to before `until`."""

    start: date
    until: date
    known_at: date | None
    """The day whose knowledge of the law counts throughout; None: each day's own."""
    segments: tuple[Segment, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON. Every `until` is excluded."""
        return {
            "from": self.start.isoformat(),
            "until": self.until.isoformat(),
            "known_at": self.known_at.isoformat() if self.known_at else None,
            "segments": [
                {
                    "from": one.start.isoformat(),
                    "until": one.until.isoformat(),
                    "outcome": one.outcome,
                    "instruments": list(one.instruments),
                    "missing": list(one.missing),
                    "reasons": list(one.reasons),
                }
                for one in self.segments
            ],
        }

    def text(self) -> str:
        """A bar, its legend, and the segments with exact dates."""
        legend = "  ".join(f"{glyph} {WORDS[outcome]}" for outcome, glyph in GLYPHS.items())
        known = f", as known on {self.known_at}" if self.known_at else ""
        years = range(self.start.year, self.until.year)
        return "\n".join(
            [
                f"Timeline{known}",
                "  " + "".join(f"{year:<{_CELLS}}" for year in years).rstrip(),
                "  " + self.bar(),
                f"  {legend}  (a cell shows the strictest answer of its days)",
                *(f"  {line}" for line in self._lines()),
            ]
        )

    def bar(self) -> str:
        """One character for each fifth of a year: the strictest answer within it."""
        cells = []
        for year in range(self.start.year, self.until.year):
            days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
            edges = [
                date(year, 1, 1) + timedelta(days=days * cell // _CELLS)
                for cell in range(_CELLS + 1)
            ]
            for start, until in pairwise(edges):
                held = [s.outcome for s in self.segments if s.start < until and start < s.until]
                cells.append(GLYPHS[max(held, key=_STRICTNESS.__getitem__)])
        return "".join(cells)

    def _lines(self) -> Iterator[str]:
        for one in self.segments:
            missing = f" (missing: {', '.join(one.missing)})" if one.missing else ""
            by = f": {', '.join(one.instruments)}" if one.instruments else ""
            last = one.until - timedelta(days=1)
            yield f"{one.start} to {last}  {one.outcome}{missing}{by}"


def timeline(
    world: World,
    again: Callable[[World], World] = lambda world: world,
    *,
    start: date = FIRST,
    until: date = LAST,
) -> Timeline:
    """The timeline of one question.

    Args:
        world: what is known for the question at its own date.
        again: reads the records once more for a world of another date.
        start: the first day. Its year's first day makes the bar even.
        until: the first day that is no longer shown.
    """
    edges = [start, *sorted(day for day in _edges(world) if start < day < until), until]
    segments: list[Segment] = []
    for first, end in pairwise(edges):
        for one in _within(world, again, first, end):
            if segments and _same(segments[-1], one):
                segments[-1] = replace(segments[-1], until=one.until)
            else:
                segments.append(one)
    known = world.operation.known_at
    return Timeline(
        start=start,
        until=until,
        known_at=known.astimezone(UTC).date() if known else None,
        segments=tuple(segments),
    )


def _on(world: World, day: date) -> World:
    moment = datetime.combine(day, time(), UTC)
    return replace(world, as_of=moment, operation=replace(world.operation, as_of=moment))


def _within(
    world: World, again: Callable[[World], World], start: date, until: date
) -> Iterator[Segment]:
    one = _segment(again(_on(world, start)), start, until)
    if world.records is None or (until - start).days == 1:
        yield one
        return
    last = _segment(again(_on(world, until - timedelta(days=1))), start, until)
    if _same(one, last):
        yield one
        return
    middle = start + (until - start) / 2
    yield from _within(world, again, start, middle)
    yield from _within(world, again, middle, until)


def _segment(world: World, start: date, until: date) -> Segment:
    ruling = judge(world)
    return Segment(
        start=start,
        until=until,
        outcome=ruling.outcome,
        instruments=ruling.instruments,
        missing=ruling.missing,
        reasons=tuple(dict.fromkeys(reason.key for reason in ruling.reasons)),
    )


def _same(one: Segment, other: Segment) -> bool:
    return (one.outcome, one.instruments, one.missing, one.reasons) == (
        other.outcome,
        other.instruments,
        other.missing,
        other.reasons,
    )


def _edges(world: World) -> set[date]:
    words = world.library.vocabulary
    found: set[date] = set()
    for one in world.library.instruments.values():
        if reaches(one, world.jurisdictions, words):
            found |= edges_of(one)
    if world.records is not None:
        days = {moment.astimezone(UTC).date() for moment in _record_moments(world)}
        # A record that begins within a day counts from the next day's first moment on.
        found |= days | {day + timedelta(days=1) for day in days}
    return found


def _record_moments(world: World) -> Iterator[datetime]:
    records = world.records
    assert records is not None
    held = records.licence
    told: list[datetime | None] = []
    if held is not None:
        told += [held.valid_from, held.valid_until, held.revoked_at]
    for consent in records.consents.values():
        told += [consent.obtained_at, consent.expires_at, consent.withdrawn_at]
    yield from (moment for moment in told if moment is not None)


def edges_of(one: Instrument) -> set[date]:
    """Every day on which what an instrument says can change, on either clock."""
    told: list[date | None] = [one.effective_from, one.effective_until]
    for held in one.known:
        told += [held.known_from, held.start, held.until]
    for rule in one.rules:
        told += [rule.start, rule.until, rule.known_from, rule.known_until]
    return {day for day in told if day is not None}
