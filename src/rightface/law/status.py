"""Whether an instrument binds on a day, as known on a day; and if not, why not, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rightface.law.instrument import Instrument
from rightface.law.vocabulary import Vocabulary

Word = Literal["in-force", "bill", "never", "not-known", "not-yet", "expired", "not-adopted"]


@dataclass(frozen=True)
class Status:
    """In force or not. `told` is for people."""

    word: Word
    told: str

    @property
    def in_force(self) -> bool:
        """Whether it binds."""
        return self.word == "in-force"


def status(
    one: Instrument, day: date, known: date | None = None, adopted: Iterable[str] | None = None
) -> Status:
    """The status of an instrument on `day`.

    Args:
        one: the instrument.
        day: whose law counts.
        known: whose knowledge of the law counts; None: that day's.
        adopted: the commitments that are adopted; None: all.
    """
    if not one.known:
        return _never(one)
    held = one.known_on(known or day)
    first = one.known[0]
    if held is None and first.start is not None and first.start <= day:
        return Status("not-known", f"not in force: not known before {first.known_from}")
    held = held or first
    if held.start is not None and day < held.start:
        return Status("not-yet", f"not in force yet: from {held.start}")
    if held.until is not None and day >= held.until:
        by = _listed(one.facts.get("superseded_by"))
        after = f", superseded by {', '.join(by)}" if by else ""
        return Status("expired", f"not in force: expired on {held.until}{after}")
    if one.is_commitment and adopted is not None and one.instrument_id not in adopted:
        return Status("not-adopted", "not in force: a commitment that is not adopted")
    return Status("in-force", "in force")


def _never(one: Instrument) -> Status:
    told = str(one.facts.get("status", "")).replace("-", " ")
    if one.kind == "bill":
        return Status("bill", "not in force: a bill, never enacted")
    return Status("never", f"not in force: {told or 'it has no first day'}")


def concerns(one: Instrument, place: str, words: Vocabulary) -> bool:
    """Whether it, or one of its rules, binds in `place` or in a part of it."""
    wheres = {one.jurisdiction, *(rule.jurisdiction or one.jurisdiction for rule in one.rules)}
    return any(words.contains(where, place) or words.contains(place, where) for where in wheres)


def reaches(one: Instrument, places: Iterable[str], words: Vocabulary) -> bool:
    """Whether it, or one of its rules, binds in any of `places`."""
    wheres = {one.jurisdiction, *(rule.jurisdiction or one.jurisdiction for rule in one.rules)}
    told = tuple(places)
    return any(words.contains(where, place) for where in wheres for place in told)


def dates(one: Instrument) -> str:
    """From when to when it binds, in words; both clocks where they differ."""
    if not one.known:
        return "never in force"
    if one.effective_from is None:
        return "always"
    about = " (approximate)" if one.facts.get("dates_precision") == "approx" else ""
    told = f"from {one.effective_from}{about}"
    return told + (f" until before {one.effective_until}" if one.effective_until else "")


def _listed(told: object) -> list[str]:
    if told is None:
        return []
    return [str(each) for each in told] if isinstance(told, list) else [str(told)]


def linked(one: Instrument, name: str) -> list[str]:
    """The ids under `supersedes`, `superseded_by`, `amends` or `amended_by`, one or many."""
    return _listed(one.facts.get(name))
