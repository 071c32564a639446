"""What changed in the law between two dates: what began, ended, was amended or known otherwise.

A change on day D counts if `from` < D ≤ `to`: it separates the law of the one day from that of the
other. Bills never bind, so they change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from rightface.errors import LawError
from rightface.law.instrument import Instrument
from rightface.law.library import InstrumentLibrary
from rightface.law.rule import Rule
from rightface.law.status import concerns, status

What = Literal["began", "ended", "version", "rule-began", "rule-ended", "known"]
_ORDER = ("ended", "rule-ended", "version", "known", "began", "rule-began")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of the law, or of what was known of it."""

    on: date
    what: What
    instrument: str
    name: str
    jurisdiction: str
    rule: str
    """The rule's id; empty where the whole instrument changed."""
    told: str
    citation: str
    unverified: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "on": self.on.isoformat(),
            "what": self.what,
            "instrument": self.instrument,
            "name": self.name,
            "jurisdiction": self.jurisdiction,
            "rule": self.rule,
            "told": self.told,
            "citation": self.citation,
            "unverified": self.unverified,
        }


def differences(
    library: InstrumentLibrary, start: date, end: date, jurisdiction: str | None = None
) -> list[Change]:
    """The changes after `start`, up to and including `end`, by date.

    Args:
        library: the instruments.
        start: the earlier day.
        end: the later day.
        jurisdiction: only what binds in this place, or in a part of it; None: everywhere.

    Raises:
        LawError: the dates are out of order, or there is no such place.
    """
    if end <= start:
        raise LawError(f"{end} is not after {start}.", mend="Give the earlier date as --from.")
    words = library.vocabulary
    if jurisdiction is not None:
        words.place(jurisdiction)
    found = [
        change
        for one in library.instruments.values()
        if jurisdiction is None or concerns(one, jurisdiction, words)
        for change in _changes(one)
        if start < change.on <= end
    ]
    return sorted(found, key=lambda one: (one.on, _ORDER.index(one.what), one.instrument, one.rule))


def standing(
    library: InstrumentLibrary, day: date, jurisdiction: str | None = None
) -> Iterable[str]:
    """The instruments in force on `day`, commitments counted as adopted."""
    for one in library.instruments.values():
        here = jurisdiction is None or concerns(one, jurisdiction, library.vocabulary)
        if here and status(one, day).in_force:
            yield one.instrument_id


def _changes(one: Instrument) -> Iterator[Change]:
    if not one.known:
        return
    if one.effective_from is not None:
        yield _of(one, one.effective_from, "began", one.summary)
    if one.effective_until is not None:
        yield _of(one, one.effective_until, "ended", "The first day on which it does not bind.")
    for version in one.facts.get("versions", []):
        day = version.get("effective_from")
        if type(day) is date and day != one.effective_from:
            yield _of(one, day, "version", str(version.get("text", "Another version.")))
    yield from _knowledge(one)
    for rule in one.rules:
        yield from _rule(one, rule)


def _knowledge(one: Instrument) -> Iterator[Change]:
    for held in one.known:
        # Adopted and known before it binds is the ordinary course; it is told all the same.
        if held.known_from is not None and held.known_from != one.effective_from:
            until = f" until before {held.until}" if held.until else ""
            yield _of(one, held.known_from, "known", f"Known to bind from {held.start}{until}.")


def _rule(one: Instrument, rule: Rule) -> Iterator[Change]:
    if rule.start is not None and rule.start != one.effective_from:
        yield _of(one, rule.start, "rule-began", rule.text, rule)
    if rule.until is not None and rule.until != one.effective_until:
        yield _of(one, rule.until, "rule-ended", rule.text, rule)
    if rule.known_from is not None:
        yield _of(one, rule.known_from, "known", f"Known from then on: {rule.text}", rule)
    if rule.known_until is not None:
        yield _of(one, rule.known_until, "known", f"Held to be the rule no more: {rule.text}", rule)


def _of(one: Instrument, on: date, what: What, told: str, rule: Rule | None = None) -> Change:
    return Change(
        on=on,
        what=what,
        instrument=one.instrument_id,
        name=one.name,
        jurisdiction=(rule.jurisdiction if rule else None) or one.jurisdiction,
        rule=rule.rule_id if rule else "",
        told=told,
        citation=rule.citation if rule else one.citation,
        unverified=rule.unverified if rule else one.unverified,
    )
