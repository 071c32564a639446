"""One instrument: a statute, ordinance, order or commitment, read from its folder and validated.

A folder holds `instrument.toml` (what, where, when, who, how known), `policy.cedar` (the rules) and
`cases.yaml` (questions with the answers expected). Anything malformed stops the loading with the
file, the place and how to mend it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rightface.errors import LawError
from rightface.law.files import read_text, require_flat
from rightface.law.rule import Rule, confidence, make_rule, read_policies
from rightface.law.vocabulary import Vocabulary

COMMITMENT = "corporate-commitment"
BASELINE = "baseline"
KINDS = (
    "statute",
    "ordinance",
    "regulation",
    "court-order",
    "settlement",
    "policy",
    "bill",
    COMMITMENT,
    "operator-rule",
    BASELINE,
)
_DATES = ("adopted", "effective_from", "effective_until")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_LONGEST_ID = 80
_TOML_LINE, _QUOTED = re.compile(r"at line (\d+)"), re.compile(r"'([^'\n]+)'")
_NEEDED = {"id", "name", "kind", "jurisdiction", "citation", "confidence", "summary", "rules"}
_KNOWN = _NEEDED | {
    "adopted",
    "effective_from",
    "effective_until",
    "dates_precision",
    "date_evidence",
    "versions",
    "applies_to",
    "lifts_when",
    "exceptions",
    "duties",
    "remedies",
    "gaps",
    "sources",
    "contradictions",
    "amended_by",
    "amends",
    "supersedes",
    "superseded_by",
    "status",
    "status_note",
    "milestones",
    "known_as",
    "changes",
    "observed",
    "engineering_precedent",
    "protects_against_actor",
    "review",
}


def check_id(instrument_id: str) -> str:
    """`instrument_id`, if it can be one: it names a folder and a page, and stands in the ledger.

    Raises:
        LawError: it cannot.
    """
    fits = _ID.fullmatch(instrument_id) and len(instrument_id) <= _LONGEST_ID
    if not fits or instrument_id == "readme":
        raise LawError(
            "That is no id.",
            why=f"Small letters, figures and hyphens, at most {_LONGEST_ID}, and not 'readme'.",
            mend="Write it like us-tx-austin-2027.",
        )
    return instrument_id


class Known(NamedTuple):
    """From `known_from` on it was known to bind in [start, until); None: without that end."""

    known_from: date | None
    start: date | None
    until: date | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Instrument:
    """One instrument. Dates: half-open, [effective_from, effective_until)."""

    instrument_id: str
    name: str
    kind: str
    jurisdiction: str
    """'*': everywhere."""
    citation: str
    confidence: str
    """seen, recalled, derived, mixed or own: how well the whole is known."""
    summary: str
    adopted: date | None
    effective_from: date | None
    """None: always for the baseline; never for everything else, such as a bill."""
    effective_until: date | None
    known: tuple[Known, ...]
    """Its interval as it was known at different times, the earliest first."""
    rules: tuple[Rule, ...]
    facts: Mapping[str, Any]
    """The whole of instrument.toml."""
    folder: Path

    @property
    def is_commitment(self) -> bool:
        """Whether it binds only once adopted."""
        return self.kind == COMMITMENT

    @property
    def unverified(self) -> bool:
        """Whether any of it was not read at its source: the whole, a rule, or a date."""
        return (
            self.confidence not in ("seen", "own")
            or any(rule.unverified for rule in self.rules)
            or any(_hearsay(entry) for entry in self._evidence().values())
            or any(_hearsay(entry) for entry in self.facts.get("known_as", ()))
        )

    def _evidence(self) -> Mapping[str, Any]:
        """How each date is known; one mark for all of them stands for each."""
        told = self.facts.get("date_evidence", {})
        return dict.fromkeys(_DATES, told) if "c" in told else told

    def rests_on_hearsay(self, rule: Rule, known: date) -> bool:
        """Whether `rule`, as known on `known`, binds by anything not read at its source.

        By its own text; by the first or last day of its instrument; or by an exception of its
        instrument, where the rule has exceptions at all.
        """
        if rule.unverified:
            return True
        if rule.facts.unless and any(map(_hearsay, self.facts.get("exceptions", ()))):
            return True
        history = self.facts.get("known_as", ())
        if history:
            entries = [one for one in history if one["known_from"] <= known][-1:]
        else:
            evidence = self._evidence()
            entries = [evidence.get(name) for name in ("effective_from", "effective_until")]
        return any(map(_hearsay, entries))

    @property
    def review(self) -> str:
        """Who reviewed it as a lawyer."""
        return str(self.facts.get("review", "none by counsel"))

    def known_on(self, known: date) -> Known | None:
        """Its interval as known on the day `known`; None: it was not known, or is no law."""
        found = None
        for one in self.known:
            if one.known_from is None or one.known_from <= known:
                found = one
        return found

    def on(self, day: date, known: date | None = None) -> bool:
        """Whether `day` lies within its interval, as known on `known` (None: on that day)."""
        told = self.known_on(known or day)
        return (
            told is not None
            and (told.start is None or told.start <= day)
            and (told.until is None or day < told.until)
        )


def _hearsay(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("c") in ("recalled", "derived")


def read_instrument(folder: Path, words: Vocabulary) -> Instrument:
    """The instrument of a folder.

    Raises:
        LawError: a file is missing or malformed; the message names it, the line if there is one
            to name, and the mend.
    """
    try:
        return _read(folder, words)
    except LawError as error:
        mend = error.mend or "Mend the file named; then: rightface law lint"
        what = with_line(error.what, folder / "instrument.toml", error.why)
        raise LawError(what, why=error.why, mend=mend) from error


def with_line(what: str, path: Path, why: str = "") -> str:
    """`what`, a message that begins with `path`, with the line that it is about, if it is found."""
    # The last quoted word that stands in the file is what is wrong; the rule's id comes before it.
    if not what.startswith(str(path)) or ", line " in what:
        return what
    rest = what.removeprefix(str(path))
    told = _TOML_LINE.search(why)
    line = int(told[1]) if told else 0
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.is_file() else []
    start = 0
    for word in _QUOTED.findall(rest):
        for number, text in enumerate(lines[start:], start + 1):
            if word in text:
                line, start = number, number - 1
                break
    return f"{path}, line {line}{rest}" if line else what


def _read(folder: Path, words: Vocabulary) -> Instrument:
    path = folder / "instrument.toml"
    told = _toml(path)
    _check_fields(told, folder, path)
    kind, place = told["kind"], told["jurisdiction"]
    if kind not in KINDS:
        raise LawError(f"{path}: unknown kind '{kind}'.", why=f"Allowed: {', '.join(KINDS)}.")
    try:
        if not (place == "*" and kind in (BASELINE, "operator-rule", COMMITMENT)):
            words.place(place)
    except LawError as error:
        raise LawError(f"{path}: {error.what}", why=error.why, mend=error.mend) from error
    start, end = _dates(told, path)
    return Instrument(
        instrument_id=told["id"],
        name=told["name"],
        kind=kind,
        jurisdiction=place,
        citation=told["citation"],
        confidence=_confidence(told, path),
        summary=told["summary"],
        adopted=told.get("adopted"),
        effective_from=start,
        effective_until=end,
        known=_known(told, path),
        rules=_rules(folder, told, words, path),
        facts=MappingProxyType(told),
        folder=folder,
    )


def _toml(path: Path) -> dict[str, Any]:
    text = read_text(path)
    require_flat(text, path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LawError(
            f"{path} cannot be read as TOML.", why=str(error), mend="Mend the line named."
        ) from error


def _check_fields(told: dict[str, Any], folder: Path, path: Path) -> None:
    missing, unknown = sorted(_NEEDED - set(told)), sorted(set(told) - _KNOWN)
    if missing:
        raise LawError(f"{path} lacks '{missing[0]}'.", mend="Add the field.")
    if unknown:
        raise LawError(f"{path}: unknown field '{unknown[0]}'.", why=f"Allowed: {sorted(_KNOWN)}.")
    for name in _NEEDED - {"rules"}:
        if not isinstance(told[name], str) or not told[name]:
            raise LawError(f"{path}: '{name}' is not text.")
    if told["id"] != folder.name:
        raise LawError(f"{path}: the id '{told['id']}' is not the folder's name.")
    try:
        check_id(told["id"])
    except LawError as error:
        raise LawError(
            f"{path}: '{told['id']}' is no id.", why=error.why, mend=error.mend
        ) from error
    if not (folder / "cases.yaml").is_file():
        raise LawError(f"{folder / 'cases.yaml'} is missing.", mend="Every instrument has cases.")
    for name in (
        "versions",
        "exceptions",
        "duties",
        "remedies",
        "gaps",
        "contradictions",
        "milestones",
        "changes",
    ):
        for entry in _tables(told, name, path):
            confidence(entry.get("c"), f"{path}: an entry of '{name}'")
    _tables(told, "sources", path)
    evidence = told.get("date_evidence", {})
    marked = isinstance(evidence, dict) and all(
        isinstance(each, dict) for each in ([evidence] if "c" in evidence else evidence.values())
    )
    if not marked:
        raise LawError(f"{path}: 'date_evidence' is not a table of tables.")
    for each in [evidence] if "c" in evidence else evidence.values():
        confidence(each.get("c"), f"{path}: an entry of 'date_evidence'")


def _tables(told: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    entries = told.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LawError(f"{path}: '{name}' is not a list of tables.")
    return entries


def _confidence(told: dict[str, Any], path: Path) -> str:
    if told["confidence"] == "mixed":
        return "mixed"
    return confidence(told["confidence"], str(path))


def _dates(told: dict[str, Any], path: Path) -> tuple[date | None, date | None]:
    for name in ("adopted", "effective_from", "effective_until"):
        if name in told and type(told[name]) is not date:
            raise LawError(f"{path}: '{name}' is not a date.", mend="Write it like 2020-06-11.")
    adopted, start, end = (
        told.get(name) for name in ("adopted", "effective_from", "effective_until")
    )
    if start is not None and end is not None and end <= start:
        raise LawError(f"{path}: it ends before it starts.", mend="effective_until is excluded.")
    if start is not None and adopted is not None and start < adopted:
        raise LawError(f"{path}: it is effective before it was adopted.")
    if start is None and end is not None:
        raise LawError(f"{path}: it has an end and no start.")
    return start, end


def _known(told: dict[str, Any], path: Path) -> tuple[Known, ...]:
    start, until = told.get("effective_from"), told.get("effective_until")
    if start is None:
        return (Known(None, None, None),) if told["kind"] == BASELINE else ()
    entries = _tables(told, "known_as", path)
    if not entries:
        return (Known(told.get("adopted", start), start, until),)
    found: list[Known] = []
    for entry in entries:
        where = f"{path}: an entry of 'known_as'"
        confidence(entry.get("c"), where)
        dates = [entry.get(n) for n in ("known_from", "effective_from", "effective_until")]
        if any(one is not None and type(one) is not date for one in dates):
            raise LawError(f"{where} has a date that is none.", mend="Write it like 2026-06-29.")
        one = Known(*dates)
        if one.known_from is None or one.start is None:
            raise LawError(f"{where} lacks known_from or effective_from.", mend="Add the date.")
        if one.until is not None and one.until <= one.start:
            raise LawError(f"{where} ends before it starts.", mend="effective_until is excluded.")
        if found and one.known_from <= (found[-1].known_from or one.known_from):
            raise LawError(f"{where} is out of order.", mend="Write the earliest known first.")
        found.append(one)
    return tuple(found)


def _rules(folder: Path, told: dict[str, Any], words: Vocabulary, path: Path) -> tuple[Rule, ...]:
    tables = {str(table.get("id")): table for table in _tables(told, "rules", path)}
    policies = read_policies(folder / "policy.cedar", words)
    ids = [policy["annotations"]["id"] for policy in policies]
    for one in set(ids) ^ set(tables):
        raise LawError(
            f"{folder}: the rule '{one}' is in only one of policy.cedar and instrument.toml.",
            mend="Every policy has a [[rules]] table with its id, and the other way round.",
        )
    rules = []
    for one, policy in zip(ids, policies, strict=True):
        where = f"{path}: the rule '{one}'"
        rules.append(make_rule(told["id"], policy, tables[one], words, where))
    return tuple(rules)
