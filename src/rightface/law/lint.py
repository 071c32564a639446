"""Finds what is wrong with instruments beyond what stops their loading.

Facts that contradict each other, references that lead nowhere, rules that no case reaches, dates
without a case on each side, duties that cannot be met. Reachability is found by evaluation. An
error makes `rightface law lint` fail; a warning is for the author to weigh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from rightface.errors import LawError
from rightface.law.decide import Desk
from rightface.law.instrument import BASELINE, Instrument, Known, read_instrument
from rightface.law.library import SHIPPED, InstrumentLibrary
from rightface.law.question import Question
from rightface.law.status import linked
from rightface.law.testing import CaseResult, cases_of, run_case
from rightface.law.vocabulary import Vocabulary

_LINKS = {
    "supersedes": "superseded_by",
    "superseded_by": "supersedes",
    "amends": "amended_by",
    "amended_by": "amends",
}
_LISTS = ("versions", "exceptions", "duties", "remedies", "gaps", "contradictions", "rules",
          "known_as", "milestones", "changes")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    instrument: str
    severity: Literal["error", "warning"]
    check: str
    """The check's name, stable, for programs."""
    told: str

    def line(self) -> str:
        """One line for people."""
        return f"{self.severity} {self.instrument} [{self.check}] {self.told}"


def lint(directory: Path | None = None) -> list[Finding]:
    """What is wrong with the instruments of a directory; None: with those that ship.

    Every folder is looked at, whatever the others are like. Instruments of the operator's own
    directory may refer to shipped ones.

    Raises:
        LawError: the directory cannot be read.
    """
    words, found = Vocabulary.load(), list[Finding]()
    read: dict[str, Instrument] = {}
    for folder in _folders(directory or SHIPPED):
        try:
            one = read_instrument(folder, words)
            if directory is not None and folder.resolve().parent != SHIPPED.resolve():
                _check_own(one)
            read[one.instrument_id] = one
        except LawError as error:
            found.append(Finding(instrument=folder.name, severity="error", check="loads",
                                 told=_one_line(str(error))))  # fmt: skip
    every = {**_shipped(words), **read} if directory is not None else read
    library = InstrumentLibrary(read.values())
    for one in read.values():
        found += _findings(one, every, library)
    return sorted(found, key=lambda each: (each.instrument, each.severity, each.check, each.told))


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(
            entry
            for entry in directory.iterdir()
            if entry.is_dir() and not entry.name.startswith((".", "__"))
        )
    except OSError as error:
        raise LawError(
            f"The directory of instruments '{directory}' cannot be read.",
            why=type(error).__name__,
            mend="Name a directory that holds one folder for each instrument.",
        ) from error


def _shipped(words: Vocabulary) -> dict[str, Instrument]:
    found = {}
    for folder in _folders(SHIPPED):
        try:
            found[folder.name] = read_instrument(folder, words)
        except LawError:
            continue  # told where the shipped ones are linted
    return found


def _check_own(one: Instrument) -> None:
    if one.kind == BASELINE:
        raise LawError("The kind 'baseline' is not yours to use.", mend="Write operator-rule.")
    if (SHIPPED / one.instrument_id).is_dir():
        raise LawError("The id is taken by a shipped one.", mend="Give yours an id of its own.")


def _findings(
    one: Instrument, every: Mapping[str, Instrument], library: InstrumentLibrary
) -> Iterator[Finding]:
    for check, severity, told in (
        *_sources(one),
        *_order(one),
        *_links(one, every),
        *_marks(one),
        *_live(one, library.vocabulary),
        *_cases(one, library),
    ):
        yield Finding(
            instrument=one.instrument_id,
            severity="error" if severity else "warning",
            check=check,
            told=_one_line(told),
        )


_Told = tuple[str, bool, str]  # the check, whether it is an error, what is wrong


# ---------------------------------------------------------------- facts
def _sources(one: Instrument) -> Iterator[_Told]:
    numbers = [source.get("n") for source in one.facts.get("sources", [])]
    for number in {n for n in numbers if numbers.count(n) > 1}:
        yield "sources", True, f"Two sources have the number {number}."
    if not numbers and one.kind not in (BASELINE, "operator-rule"):
        yield "sources", False, "It names no source."
    for where, entry in _entries(one):
        named = entry.get("s", [])
        named = named if isinstance(named, list) else [named]
        for number in named:
            if number not in numbers:
                yield "sources", True, f"{where} rests on source {number}, which is not listed."
        if entry.get("c") == "seen" and not named:
            yield "sources", False, f"{where} was seen, and no source is named (s = [n])."


def _entries(one: Instrument) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _LISTS:
        for number, entry in enumerate(one.facts.get(name, []), 1):
            yield f"{name} {entry.get('id', number)}", entry
    for name in ("date_evidence", "lifts_when"):
        told = one.facts.get(name, {})
        if isinstance(told, dict) and "c" in told:
            yield name, told
        elif isinstance(told, dict):
            yield from ((f"{name} {n}", e) for n, e in told.items() if isinstance(e, dict))


def _order(one: Instrument) -> Iterator[_Told]:
    start, end = _widest(one)
    if not one.known and one.kind != "bill" and "status" not in one.facts:
        yield "dates", False, "It has no effective_from and is no bill: it never binds."
    dated = [(v.get("effective_from"), v.get("effective_until"))
             for v in one.facts.get("versions", [])]  # fmt: skip
    dated = [(first, until) for first, until in dated if isinstance(first, date)]
    for first, until in dated:
        if isinstance(until, date) and until <= first:
            yield "versions", True, f"The version of {first} ends before it starts."
        if (start and first < start) or (end and first >= end):
            yield "versions", True, f"The version of {first} starts outside the instrument's dates."
    for (first, until), (second, _) in pairwise(dated):
        if second <= first:
            yield "versions", True, f"The versions of {first} and {second} are out of order."
        elif isinstance(until, date) and until > second:
            yield "versions", True, f"The versions of {first} and {second} overlap."
    for rule in one.rules:
        ends_before = start is not None and rule.until is not None and rule.until <= start
        starts_after = end is not None and rule.start is not None and rule.start >= end
        if ends_before or starts_after:
            yield "dates", True, f"The rule {rule.rule_id} lies outside the instrument's dates."
        elif (start and rule.start and rule.start < start) or (
            end and rule.until and rule.until > end
        ):
            yield "dates", False, f"The rule {rule.rule_id} is wider than the instrument's dates."


def _widest(one: Instrument) -> tuple[date | None, date | None]:
    # From the earliest day on which it was ever believed to begin, to the latest end; None: open.
    starts, ends = [held.start for held in one.known], [held.until for held in one.known]
    start = None if None in starts else min((day for day in starts if day), default=None)
    return start, None if None in ends else max((day for day in ends if day), default=None)


def _links(one: Instrument, every: Mapping[str, Instrument]) -> Iterator[_Told]:
    for name, back in _LINKS.items():
        for other_id in linked(one, name):
            other = every.get(other_id)
            if other is None:
                yield "links", True, f"{name} names '{other_id}', which does not exist."
                continue
            if one.instrument_id not in linked(other, back):
                yield "links", False, f"{name} names {other_id}, whose {back} does not name it."
            yield from _link_dates(one, name, other)


def _link_dates(one: Instrument, name: str, other: Instrument) -> Iterator[_Told]:
    if name == "superseded_by":
        ended, began = one.effective_until, other.effective_from
        if ended is None and began is not None:
            yield "links", False, f"It is superseded by {other.instrument_id} and has no end."
        elif ended and began and ended != began:
            overlap = began < ended
            yield (
                "links",
                False,
                f"It ends on {ended}, and {other.instrument_id} begins on {began}: "
                f"{'both bind' if overlap else 'neither binds'} in between.",
            )
    if name in ("superseded_by", "amended_by"):
        first, second = one.effective_from, other.effective_from
        if first and second and second < first:
            yield "links", True, f"{other.instrument_id} is older than what it changes."


def _marks(one: Instrument) -> Iterator[_Told]:
    told = [(where, entry) for where, entry in _entries(one) if "c" in entry]
    unseen = [where for where, entry in told if entry["c"] in ("recalled", "derived")]
    rules = [rule.rule_id for rule in one.rules if rule.unverified]
    whole = one.confidence in ("seen", "own")
    if rules and whole:
        yield (
            "unverified",
            False,
            f"It says confidence = '{one.confidence}', but these rules were not read at their "
            f"source, and are shown as unverified: {', '.join(rules)}.",
        )
    if not whole and not unseen:
        yield "unverified", False, f"It says '{one.confidence}', and every entry was seen."
    for rule in one.facts["rules"]:
        if rule["c"] in ("recalled", "derived") and not (rule.get("note") or rule.get("s")):
            yield "unverified", False, f"The rule {rule['id']} is {rule['c']}; no note says why."
    evidence = one.facts.get("date_evidence", {})
    for name in ("adopted", "effective_from", "effective_until"):
        if name in one.facts and name not in evidence and one.confidence != "own":
            yield "unverified", False, f"date_evidence does not say how {name} is known."


# ---------------------------------------------------------------- permits
_ON_RECORD = frozenset(
    {"purpose", "warrant", "legal_basis", "consent", "written_release", "explicit_consent",
     "electronic_signature", "duties", "facts", "other_evidence", "hours_since_start",
     "authorisation_requested_after_hours", "worst_group_false_match_times"}
)  # fmt: skip
"""Conditions that a live operation, or a record that is read for it, gives any value."""


def _live(one: Instrument, words: Vocabulary) -> Iterator[_Told]:
    for rule in one.rules:
        lacking = [_never_live(table, words) for table in rule.facts.when]
        if lacking and all(lacking):
            names = sorted({name for name in lacking if name})
            yield (
                "live",
                False,
                f"The rule {rule.rule_id} cannot fire for a permit: no record and no operation "
                f"gives {', '.join(names)} the value that it asks for.",
            )


def _never_live(table: Mapping[str, Any], words: Vocabulary) -> str:
    """The first condition whose wanted value no live operation can have; empty: none."""
    for name, wanted in table.items():
        if name == "operation" or name in _ON_RECORD:
            continue
        told = words.condition(name)
        if told.derived or told.recordable or told.case:
            continue
        declared = [word == "true" if told.kind == "bool" else word for word in told.declarable]
        if not any(_meets(value, wanted) for value in (told.default, *declared)):
            return name
    return ""


def _meets(value: Any, wanted: object) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    if isinstance(wanted, dict):
        return not ("over" in wanted and value <= wanted["over"]) and not (
            "under" in wanted and value >= wanted["under"]
        )
    return bool(value == wanted)


# ---------------------------------------------------------------- cases
def _cases(one: Instrument, library: InstrumentLibrary) -> Iterator[_Told]:
    try:
        cases = cases_of(library, one.instrument_id)
    except LawError as error:
        yield "cases", True, str(error)
        return
    results = [run_case(library, one.instrument_id, case) for case in cases]
    for result in results:
        if not result.ok:
            yield (
                "cases",
                True,
                f"The case {result.case_id} expects {result.expected}; the gate says "
                f"{result.outcome}, the reference {result.reference_outcome}.",
            )
    yield from _outcomes(one, results)
    yield from _reached(one, cases, library)
    yield from _sides(one, cases)


def _outcomes(one: Instrument, results: list[CaseResult]) -> Iterator[_Told]:
    outcomes = {result.outcome for result in results}
    if "allow" not in outcomes:
        yield "cases", True, "No case is allowed."
    if one.known and not outcomes & {"deny", "require-duty"}:
        yield "cases", True, "No case is refused."
    if not one.known and outcomes - {"allow"}:
        yield "cases", True, "It never binds, and a case is refused."


def _reached(one: Instrument, cases: list[Question], library: InstrumentLibrary) -> Iterator[_Told]:
    # A bill never binds: its rules are asked as if it did, so that they are tested too.
    asked = one if one.known else _as_if(one)
    desk = Desk(InstrumentLibrary([asked]))
    fired: dict[str, list[Question]] = {rule.rule_id: [] for rule in one.rules}
    for case in cases:
        for name in _fired(desk, case):
            fired[name].append(case)
    for rule in one.rules:
        reached = fired[rule.rule_id]
        if not reached:
            yield "dead-rule", True, f"No case reaches the rule {rule.rule_id}."
        elif rule.duty and not any(
            rule.rule_id not in _fired(desk, _with_duty(case, rule.duty)) for case in reached
        ):
            yield (
                "duty",
                True,
                f"The rule {rule.rule_id} asks for '{rule.duty}' even when it is on record.",
            )


def _as_if(bill: Instrument) -> Instrument:
    return replace(bill, known=(Known(None, None, None),))


def _fired(desk: Desk, case: Question) -> set[str]:
    world = desk.world(case)
    actors = [judged.actor for judged in world.chain]
    operation = world.operation
    answers = world.rules.ask(
        actors, operation.action, operation.place_jurisdiction, world.facts(licensed=True)
    )
    return {rule.rule_id for said in answers for rule in said.fired}


def _with_duty(case: Question, duty: str) -> Question:
    met = case.conditions.get("duties", ())
    duties = tuple(sorted({*(met if isinstance(met, tuple) else ()), duty}))
    return replace(case, conditions={**case.conditions, "duties": duties})


def _sides(one: Instrument, cases: list[Question]) -> Iterator[_Told]:
    if not one.known:
        return
    days = [case.as_of.astimezone(UTC).date() for case in cases if case.as_of]
    binds = {one.effective_from, one.effective_until}
    binds |= {day for held in one.known for day in (held.start, held.until)}
    binds |= {day for rule in one.rules for day in (rule.start, rule.until)}
    yield from _gaps(binds, days, "as_of")
    known = [
        (case.known_at or case.as_of).astimezone(UTC).date()  # type: ignore[union-attr]
        for case in cases
    ]
    learnt = {held.known_from for held in one.known} if "known_as" in one.facts else set()
    learnt |= {day for rule in one.rules for day in (rule.known_from, rule.known_until)}
    yield from _gaps(learnt, known, "known_at")


def _gaps(edges: set[date | None], days: list[date], clock: str) -> Iterator[_Told]:
    ordered = [date.min, *sorted(day for day in edges if day is not None), date.max]
    for start, end in pairwise(ordered):
        if not any(start <= day < end for day in days):
            where = (
                f"before {end}"
                if start == date.min
                else f"from {start} on"
                if end == date.max
                else f"from {start} to before {end}"
            )
            yield "sides", True, f"No case has its {clock} {where}."


def _one_line(text: str) -> str:
    return " ".join(text.split())
