"""One rule of an instrument: a Cedar policy with its annotations, and the same rule as plain facts.

The policy decides; the facts are what `reference.py` checks it against. Parses and validates both;
evaluates neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import cedarpy

from rightface.errors import LawError
from rightface.law.files import read_text, require_flat
from rightface.law.ruling import Confidence, Obligation
from rightface.law.schema import schema
from rightface.law.vocabulary import SETS, Vocabulary

Effect = Literal["forbid", "duty", "oblige"]
OBLIGATIONS: Mapping[str, type] = {
    "retention-days": int,
    "retention-minutes": int,
    "retention-idle-days": int,
    "similarity-floor": float,
    "human-review": int,
    "max-candidates": int,
}
_NEEDED = ("id", "section", "citation", "text", "change")
_ID = re.compile(r"[A-Za-z0-9._()-]+", re.ASCII)
_LONGEST_KEY = 128 - len("-unverified")  # what a leaf of the ledger takes; strict mode appends
_CONTEXT = {"Var": "context"}
_KNOWN = (*_NEEDED, "duty", "obligation", "value")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The rule in plain words: whom it binds, in doing what, under which conditions."""

    effect: Effect
    actors: frozenset[str]
    operations: frozenset[str]
    when: tuple[Mapping[str, Any], ...]
    """Any of these must hold; empty: always."""
    unless: tuple[Mapping[str, Any], ...]
    """None of these may hold."""
    duty: str
    """The duty that cures it; empty unless the effect is `duty`."""
    start: date | None
    until: date | None
    known_from: date | None
    known_until: date | None
    jurisdiction: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One rule. Dates: half-open, [start, until); None: as the instrument's.

    It has two clocks: `start` and `until` say when it binds, `known_from` and `known_until` while
    it was known to be the rule.
    """

    key: str
    """`instrument#id`."""
    instrument: str
    rule_id: str
    section: str
    citation: str
    text: str
    change: str
    confidence: Confidence
    duty: str
    """The duty that cures it; empty for a plain prohibition or an obligation."""
    obligation: Obligation | None
    start: date | None
    until: date | None
    known_from: date | None
    known_until: date | None
    jurisdiction: str | None
    """Where it binds, if not where its instrument does."""
    policy: str
    """The policy as canonical Cedar JSON."""
    attributes: frozenset[str]
    """The conditions that the policy looks at."""
    actions: frozenset[str] | None
    """The operations in the policy's head; None: any."""
    facts: Facts

    @property
    def unverified(self) -> bool:
        """Whether it was not read at its source."""
        return self.confidence not in ("seen", "own")

    def in_force(self, on: date, known: date) -> bool:
        """Whether this rule, within its instrument, has its day on `on`, as known on `known`."""
        return _within(on, self.start, self.until) and _within(
            known, self.known_from, self.known_until
        )


def _within(day: date, start: date | None, until: date | None) -> bool:
    return (start is None or start <= day) and (until is None or day < until)


def read_policies(path: Path, words: Vocabulary) -> list[dict[str, Any]]:
    """The policies of a file, each as Cedar JSON, checked against the schema and the vocabulary.

    Raises:
        LawError: the file cannot be read or parsed, or a policy is not well formed.
    """
    text = read_text(path)
    require_flat(text, path)
    try:
        told = json.loads(cedarpy.policies_to_json_str(text))
        checked = cedarpy.validate_policies(text, schema())
    except ValueError as error:
        raise LawError(
            f"{path}{_broken_line(text)} is not Cedar.",
            why=str(error),
            mend="Mend the policy's syntax.",
        ) from error
    names = {key: policy["annotations"].get("id", key) for key, policy in _static(told).items()}
    if told.get("templates") or not _static(told):
        raise LawError(f"{path} holds no policy, or a template.", mend="Write plain policies.")
    if not checked:
        first = checked.errors[0]
        name = names.get(first.policy_id, "")
        raise LawError(
            f"{path}{line_of(text, name)}: the rule '{name}' does not fit the schema.",
            why=first.error,
            mend="Use the actors, operations and conditions of the vocabulary.",
        )
    policies = list(_static(told).values())
    for policy in policies:
        name = policy["annotations"].get("id", "")
        where = f"{path}{line_of(text, name)}: the rule '{name}'"
        _check_annotations(policy, where)
        _check_reach(policy, where)
        _check_words(policy, words, where)
    if len(set(names.values())) != len(names):
        raise LawError(f"{path}: two rules have the same @id.")
    return policies


def make_rule(
    instrument: str, policy: dict[str, Any], told: Mapping[str, Any], words: Vocabulary, where: str
) -> Rule:
    """The rule that a policy and its facts (a table of `[[rules]]`) make together.

    Raises:
        LawError: they disagree, or one of them is malformed.
    """
    notes: dict[str, str] = policy["annotations"]
    facts = _facts(told, words, where)
    if "licensed" in _attributes(policy["conditions"]):
        raise LawError(
            f"{where}: it asks whether there is a licence.",
            why="Licences permit; instruments only take away from what they permit.",
            mend="Leave 'licensed' out.",
        )
    effect: Effect = "duty" if "duty" in notes else "forbid"
    if policy["effect"] == "permit":
        effect = "oblige"
    if facts.effect != effect:
        raise LawError(
            f"{where}: policy.cedar makes it '{effect}', instrument.toml '{facts.effect}'."
        )
    if facts.duty != notes.get("duty", ""):
        raise LawError(f"{where}: policy.cedar and instrument.toml name different duties.")
    if not _ID.fullmatch(notes["id"]) or len(f"{instrument}#{notes['id']}") > _LONGEST_KEY:
        raise LawError(
            f"{where}: that is no id of a rule.",
            why="Letters, figures and . _ - ( ); with its instrument's id at most "
            f"{_LONGEST_KEY - 1}: so it stands in the ledger.",
            mend="Write it like 15b or 19B.2-d.",
        )
    actions = _actions(policy["action"])
    _check_same(actions, facts.operations, words, where)
    return Rule(
        key=f"{instrument}#{notes['id']}",
        instrument=instrument,
        rule_id=notes["id"],
        section=notes["section"],
        citation=notes["citation"],
        text=notes["text"],
        change=notes["change"],
        confidence=confidence(told.get("c"), where),
        duty=facts.duty,
        obligation=_obligation(notes, instrument, where) if effect == "oblige" else None,
        start=facts.start,
        until=facts.until,
        known_from=facts.known_from,
        known_until=facts.known_until,
        jurisdiction=facts.jurisdiction,
        policy=json.dumps(policy, sort_keys=True, separators=(",", ":")),
        attributes=frozenset(_attributes(policy["conditions"])),
        actions=actions,
        facts=facts,
    )


def _check_same(
    actions: frozenset[str] | None, operations: frozenset[str], words: Vocabulary, where: str
) -> None:
    head = frozenset(words.operations) if actions is None else actions
    only = {"policy.cedar": head - operations, "instrument.toml": operations - head}
    told = [f"{file} alone has {', '.join(sorted(some))}" for file, some in only.items() if some]
    if told:
        raise LawError(
            f"{where}: the policy's head and 'operations' differ.",
            why=f"{'; '.join(told)}.",
            mend="Name the same operations in both; [] and a bare 'action' are every operation.",
        )


def confidence(told: object, where: str) -> Confidence:
    """`told`, if it is one of the four marks.

    Raises:
        LawError: it is not.
    """
    if told not in ("seen", "recalled", "derived", "own"):
        raise LawError(
            f"{where} has no mark of confidence.", mend="c = seen, recalled, derived or own."
        )
    return told


def line_of(text: str, rule_id: str) -> str:
    """`, line N` of the annotation `@id("rule_id")`, or nothing."""
    at = text.find(f'@id("{rule_id}")')
    return "" if at < 0 or not rule_id else f", line {text.count(chr(10), 0, at) + 1}"


def _broken_line(text: str) -> str:
    # Cedar tells no line: the first policy, from one @id to the next, that is none by itself.
    starts = [found.start() for found in re.finditer(r"^@id\(", text, re.MULTILINE)]
    for start, end in pairwise([*starts, len(text)]):
        try:
            cedarpy.policies_to_json_str(text[start:end])
        except ValueError:
            return f", the policy from line {text.count(chr(10), 0, start) + 1} on,"
    return ""


def _static(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], told.get("staticPolicies", {}))


def _check_annotations(policy: dict[str, Any], where: str) -> None:
    notes = policy["annotations"]
    missing = [f"@{name}" for name in _NEEDED if not notes.get(name)]
    if missing:
        raise LawError(f"{where} lacks {', '.join(missing)}.", mend="Write the annotation.")
    unknown = [f"@{name}" for name in notes if name not in _KNOWN]
    if unknown:
        raise LawError(f"{where} has {', '.join(unknown)}, which nothing reads.")
    if (policy["effect"] == "permit") != ("obligation" in notes) or (
        policy["effect"] == "permit" and "duty" in notes
    ):
        raise LawError(
            f"{where} permits.",
            why="An instrument forbids, asks for a duty, or sets an obligation; licences permit.",
            mend="Write forbid; or permit with @obligation and @value.",
        )


def _check_reach(policy: dict[str, Any], where: str) -> None:
    # What a policy may look at: single conditions, and neither the whole context nor the place.
    if _takes_whole_context(policy["conditions"]):
        raise LawError(
            f"{where} takes the context as a whole.",
            why="A rule is given the conditions that it names, and no others.",
            mend="Name the condition: context.consent, or context has consent.",
        )
    asks = any(table.get("Var") == "resource" for table in _tables(policy["conditions"]))
    if policy["resource"]["op"] != "All" or asks:
        raise LawError(
            f"{where} asks where it happens.",
            why="Only instrument.toml says in which jurisdiction a rule binds.",
            mend="Write 'resource' alone in the policy's head, and 'jurisdiction' in [[rules]].",
        )


def _check_words(policy: dict[str, Any], words: Vocabulary, where: str) -> None:
    try:
        if "duty" in policy["annotations"]:
            words.duty(policy["annotations"]["duty"])
        for kind, name in _entities(policy):
            if kind == "Place":
                words.place(name)
            elif kind == "Actor":
                words.actor(name)
            elif kind == "Group":
                words.members([name])
        for name, value in _compared(policy["conditions"]):
            kind = words.condition(name).kind
            if kind != "int":  # any number may be a bound
                words.value(name, [value] if kind in SETS else value)
    except LawError as error:
        raise LawError(f"{where}: {error.what}", why=error.why, mend=error.mend) from error


def _tables(node: object) -> Iterator[dict[str, Any]]:
    """Every JSON object within a policy, itself included; not recursive: policies nest deep."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _entities(node: object) -> Iterator[tuple[str, str]]:
    for table in _tables(node):
        if "type" in table and "id" in table:
            yield str(table["type"]), str(table["id"])


def _attributes(node: object) -> Iterator[str]:
    for table in _tables(node):
        for operator in (".", "has"):
            inner = table.get(operator)
            if isinstance(inner, dict) and inner.get("left") == _CONTEXT:
                yield inner["attr"]


def _takes_whole_context(node: object) -> bool:
    """Whether `context` stands anywhere but before a `.` or a `has`."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one == _CONTEXT:
            return True
        if isinstance(one, dict):
            waiting += [
                inner
                for name, inner in one.items()
                if not (
                    name in (".", "has")
                    and isinstance(inner, dict)
                    and inner.get("left") == _CONTEXT
                )
            ]
        elif isinstance(one, list):
            waiting += one
    return False


def _actions(head: Mapping[str, Any]) -> frozenset[str] | None:
    # The head of a policy names its actions: action == X, action in [X, Y], or any.
    if head["op"] == "All":
        return None
    return frozenset(name for kind, name in _entities(head) if kind == "Action")


def _compared(node: object) -> Iterator[tuple[str, object]]:
    # Every constant that a condition is compared with: a misspelt word would never match.
    for table in _tables(node):
        for operator in ("==", "!=", "contains"):
            inner = table.get(operator)
            if isinstance(inner, dict):
                left, right = inner.get("left"), inner.get("right")
                for name in (*_attributes([left]), *_attributes([right])):
                    for value in (*_constants(left), *_constants(right)):
                        yield name, value


def _constants(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        if set(node) == {"Value"}:
            yield node["Value"]
        elif set(node) == {"Set"}:
            for value in node["Set"]:
                yield from _constants(value)


def _facts(told: Mapping[str, Any], words: Vocabulary, where: str) -> Facts:
    known = {"id", "effect", "duty", "actors", "operations", "from", "until", "when", "unless"}
    known |= {"known_from", "known_until", "jurisdiction", "c", "s", "note"}
    unknown = sorted(set(told) - known)
    if unknown:
        raise LawError(f"{where}: unknown field '{unknown[0]}'.", why=f"Allowed: {sorted(known)}.")
    try:
        operations = told["operations"]
        facts = Facts(
            effect=told["effect"],
            actors=words.members(told["actors"]),
            operations=frozenset(map(words.operation, operations)) or frozenset(words.operations),
            when=tuple(told.get("when", ())),
            unless=tuple(told.get("unless", ())),
            duty=words.duty(told["duty"]) if "duty" in told else "",
            start=_date(told.get("from"), where),
            until=_date(told.get("until"), where),
            known_from=_date(told.get("known_from"), where),
            known_until=_date(told.get("known_until"), where),
            jurisdiction=_place(told.get("jurisdiction"), words),
        )
        for alternative in (*facts.when, *facts.unless):
            for name, wanted in alternative.items():
                _check_wanted(name, wanted, words)
    except LawError as error:
        raise LawError(f"{where}: {error.what}", why=error.why, mend=error.mend) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LawError(
            f"{where} is malformed.",
            why=f"{type(error).__name__}: {error}",
            mend="Give effect, actors, operations, c; when and unless are lists of tables.",
        ) from error
    if not facts.actors:
        raise LawError(f"{where} binds nobody.", mend="Name actors or groups.")
    for start, until in ((facts.start, facts.until), (facts.known_from, facts.known_until)):
        if start is not None and until is not None and until <= start:
            raise LawError(f"{where} ends before it starts.", mend="The end is excluded.")
    return facts


def _place(told: str | None, words: Vocabulary) -> str | None:
    return told if told in (None, "*") else words.place(told)


def _check_wanted(name: str, wanted: object, words: Vocabulary) -> None:
    if isinstance(wanted, dict):
        if set(wanted) - {"over", "under", "has", "lacks"}:
            raise LawError(f"The condition '{name}' asks for something unknown.")
        for bound, value in wanted.items():
            if bound in ("has", "lacks"):
                words.value(name, [value])
            elif words.condition(name).kind != "int" or type(value) is not int:
                raise LawError(f"'{bound}' asks for a whole number of a condition that has one.")
    elif name == "operation":
        words.operation(str(wanted))
    elif isinstance(wanted, list):
        for value in wanted:
            words.value(name, value)
    else:
        words.value(name, wanted)


def _obligation(notes: Mapping[str, str], instrument: str, where: str) -> Obligation:
    kind = notes["obligation"]
    if kind not in OBLIGATIONS:
        raise LawError(
            f"{where}: unknown obligation '{kind}'.", why=f"Allowed: {', '.join(OBLIGATIONS)}."
        )
    try:
        value = OBLIGATIONS[kind](notes.get("value", ""))
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise LawError(f"{where}: @value is not a number above zero.")
    return Obligation(kind, value, instrument)


def _date(told: object, where: str) -> date | None:
    if told is not None and type(told) is not date:
        raise LawError(
            f"{where}: 'from', 'until' and 'known_…' are dates.", mend="Write them like 2020-01-19."
        )
    return told
