"""Questions about the law, read from YAML: what would the gate say, at any date?

The fields are those of the instruments' cases: id, as_of, actor, jurisdiction, operation, purpose,
consent, warrant; then who stands behind, where, which client, and every condition of the vocabulary
by its name. An unknown word is an error; prose decides nothing. See `FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import yaml

from rightface.errors import LawError
from rightface.law.files import DEEPEST, read_text
from rightface.law.operation import Operation, Party
from rightface.law.vocabulary import Fact, Vocabulary
from rightface.law.world import STATED_ELSEWHERE

FIELDS: Mapping[str, str] = {
    "id": "A name for the question; it comes back with the answer.",
    "as_of": "A date, or a time in UTC. A date means its first moment. Absent: now.",
    "known_at": "As known when: a date, or a time in UTC. Absent: as known at the time of as_of.",
    "knowledge_as_of": "The same as known_at.",
    "actor": "What the client is. May be absent where a client is named.",
    "jurisdiction": "Where it happens. May be absent where a client is named.",
    "client_jurisdiction": "Where the client is; else as jurisdiction.",
    "place_jurisdiction": "Where the camera or photograph's place is; else as jurisdiction.",
    "gallery_jurisdiction": "Where the gallery is; else as jurisdiction.",
    "operation": "What is done.",
    "purpose": "What for.",
    "consent": "Whether the people concerned consented: true, false or null.",
    "warrant": "The authorisation relied on; null is none.",
    "warrant_id": "A recorded warrant of that client, instead of stating one.",
    "findings": "Recorded findings of that client, and its searches as search:INDEX.",
    "parties": "Who stands behind the client: a list of NAME:ACTOR, or of {name, actor}.",
    "client": "A client of this instance: its licence and consent records join in.",
    "licence": "One licence of that client; else the newest that holds.",
    "gallery": "The collection's name.",
    "subjects": "References of the persons named; only with a client.",
    "realtime": "Whether it happens while the camera sees the people.",
    "device": "Where the pictures come from.",
    "legal_basis": "What entitles the client.",
    "commitments": "Which commitments count as adopted: all, none, recorded, or a list of ids."
    " Absent: recorded where a client is named, else all.",
    "instruments": "What these instruments alone say: a list of ids. Absent: all that bind.",
    "conditions": "Conditions by name; they may also stand beside the other fields.",
    "expect": "In cases: the outcome expected.",
    "missing": "In cases: the duties expected to be missing.",
    "why": "A remark for people; it decides nothing.",
}
LONGEST = 64 * 2**20
"""Bytes that a file of questions may have."""
_OUTCOMES = ("allow", "deny", "require-duty")
Commitments = str | tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, its words checked."""

    question_id: str
    action: str
    actor: str | None
    client_jurisdiction: str | None
    place_jurisdiction: str | None
    gallery_jurisdiction: str | None
    as_of: datetime | None
    known_at: datetime | None
    parties: tuple[Party, ...]
    purpose: str | None
    client: str | None
    licence_id: str | None
    gallery: str | None
    subjects: tuple[str, ...]
    warrant: str
    warrant_id: str | None
    findings: tuple[str, ...]
    realtime: bool
    device: str
    legal_basis: str | None
    conditions: Mapping[str, Fact]
    commitments: Commitments
    instruments: tuple[str, ...] = ()
    expect: str | None = None
    missing: tuple[str, ...] | None = None
    why: str = ""

    def operation(self, *, actor: str | None = None, jurisdiction: str | None = None) -> Operation:
        """The operation asked about. `actor` and `jurisdiction` stand in where it names none.

        Raises:
            LawError: nobody says who acts, or where.
        """
        actor = self.actor or actor
        places = [
            place or jurisdiction
            for place in (
                self.client_jurisdiction,
                self.place_jurisdiction,
                self.gallery_jurisdiction,
            )
        ]
        if actor is None or None in places:
            raise LawError(
                f"{_named(self.question_id)} says neither who acts nor where, or only one of them.",
                mend="Give actor and jurisdiction, or a client of this instance.",
            )
        return Operation(
            action=self.action,
            client=self.client,
            actor=actor,
            client_jurisdiction=str(places[0]),
            place_jurisdiction=str(places[1]),
            gallery_jurisdiction=str(places[2]),
            parties=self.parties,
            licence_id=self.licence_id,
            purpose=self.purpose,
            gallery=self.gallery,
            as_of=self.as_of,
            known_at=self.known_at,
            subjects=self.subjects,
            realtime=self.realtime,
            device=self.device,
            warrant=self.warrant,
            warrant_id=self.warrant_id,
            findings=self.findings,
            legal_basis=self.legal_basis,
            conditions=self.conditions,
        )


@dataclass(frozen=True)
class Malformed:
    """A question that is none, and why."""

    question_id: str
    error: LawError


def read_questions(path: Path) -> list[Question]:
    """The questions of a YAML (or JSON) file: a list, or a mapping with the list under `requests`.

    Raises:
        LawError: the file cannot be read, or a question is malformed; the message names both.
    """
    found = []
    for one in read_each(path):
        if isinstance(one, Malformed):
            error = one.error
            raise LawError(f"{path}: {error.what}", why=error.why, mend=error.mend) from error
        found.append(one)
    return found


def read_each(path: Path) -> list[Question | Malformed]:
    """As `read_questions`, but a malformed question spoils only itself.

    Raises:
        LawError: the file cannot be read, or holds no list of questions with ids of their own.
    """
    told = read_yaml(path)
    if isinstance(told, dict) and set(told) == {"requests"}:
        told = told["requests"]
    if not isinstance(told, list):
        raise LawError(f"{path} holds no list of questions.", mend="Start each with '- id: …'.")
    found: list[Question | Malformed] = []
    for number, one in enumerate(told, 1):
        named = one.get("id", f"question-{number}") if isinstance(one, dict) else number
        try:
            found.append(question(one, default_id=f"question-{number}"))
        except LawError as error:
            found.append(Malformed(str(named)[:128], error))
    ids = [one.question_id for one in found]
    if len(set(ids)) != len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise LawError(f"{path}: two questions have the id '{twice}'.")
    return found


def read_yaml(path: Path) -> Any:
    """What a YAML (or JSON) file holds. A key that stands twice is an error.

    Raises:
        LawError: the file cannot be read, or is not YAML.
    """
    text = read_text(path, LONGEST)
    try:
        _require_shallow(text, path)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise LawError(f"{path} is not YAML.", why=why, mend="Mend the line named.") from error


def _require_shallow(text: str, path: Path) -> None:
    # libyaml builds nested values by recursion in C, and ends the process where they are too deep.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise LawError(f"{path} is nested more than {DEEPEST} deep.", mend="Write it flatter.")


def question(told: object, *, default_id: str = "question") -> Question:
    """One question from a mapping of fields.

    Raises:
        LawError: an unknown field or word, or a value of the wrong type.
    """
    if not isinstance(told, dict) or not all(isinstance(name, str) for name in told):
        raise LawError("A question is not a mapping of fields.", mend="Write 'field: value'.")
    question_id = str(told.get("id", default_id))[:128]
    try:
        return _question(told, question_id, Vocabulary.load())
    except LawError as error:
        raise LawError(
            f"{_named(question_id)}: {error.what}", why=error.why, mend=error.mend
        ) from error


def _question(told: dict[str, Any], question_id: str, words: Vocabulary) -> Question:
    if "operation" not in told:
        raise LawError("It names no operation.", mend="Add 'operation: …'.")
    place = _place(told, "jurisdiction", words)
    actor = told.get("actor")
    legal_basis, purpose = told.get("legal_basis"), told.get("purpose")
    client = _text(told, "client")
    if client is None:
        for name in ("subjects", "licence", "warrant_id", "findings"):
            if told.get(name):
                raise LawError(f"It gives '{name}', and no client.", mend="Name the client.")
    if "known_at" in told and "knowledge_as_of" in told:
        raise LawError("'known_at' and 'knowledge_as_of' are the same.", mend="Give one of them.")
    return Question(
        question_id=question_id,
        action=words.operation(told["operation"]),
        actor=None if actor is None else words.actor(actor),
        client_jurisdiction=_place(told, "client_jurisdiction", words) or place,
        place_jurisdiction=_place(told, "place_jurisdiction", words) or place,
        gallery_jurisdiction=_place(told, "gallery_jurisdiction", words) or place,
        as_of=_time(told.get("as_of"), "as_of"),
        known_at=_time(told.get("known_at") or told.get("knowledge_as_of"), "known_at"),
        parties=tuple(_parties(told.get("parties") or [], words)),
        purpose=None if purpose is None else words.purpose(purpose),
        client=client,
        licence_id=_text(told, "licence"),
        gallery=_text(told, "gallery"),
        subjects=_texts(told, "subjects"),
        warrant=words.warrant(told.get("warrant") or "none"),
        warrant_id=_text(told, "warrant_id"),
        findings=_texts(told, "findings"),
        realtime=words.value("realtime", told.get("realtime") or False) is True,
        device=str(words.value("device", told.get("device") or "unknown")),
        legal_basis=None if legal_basis is None else words.basis(legal_basis),
        conditions=_conditions(told, words),
        commitments=_commitments(told.get("commitments")),
        instruments=_instruments(told),
        expect=_expected(told.get("expect")),
        missing=None if "missing" not in told else tuple(sorted(_texts(told, "missing"))),
        why=str(told.get("why") or ""),
    )


def _conditions(told: dict[str, Any], words: Vocabulary) -> dict[str, Fact]:
    nested = told.get("conditions") or {}
    if not isinstance(nested, dict):
        raise LawError("'conditions' is not a mapping.", mend="Write 'condition: value'.")
    beside = {
        name: value for name, value in told.items() if name not in FIELDS or name == "consent"
    }
    twice = sorted(set(nested) & set(beside))
    if twice:
        raise LawError(f"The condition '{twice[0]}' is given twice.")
    stated: dict[str, Fact] = {}
    for name, value in {**nested, **beside}.items():
        if name not in words.conditions:
            _unknown_field(str(name), words)
        if words.conditions[name].derived or name in STATED_ELSEWHERE:
            raise LawError(
                f"'{name}' is no condition to state.", why=words.conditions[name].definition
            )
        if value is not None:  # null: nothing is known, so the default holds
            stated[name] = words.value(name, value)
    return stated


def _unknown_field(name: str, words: Vocabulary) -> None:
    stateable = [n for n, c in words.conditions.items() if not c.derived]
    allowed = dict.fromkeys([*FIELDS, *stateable])
    shown = name if name.isprintable() and len(name) <= 80 else "(unreadable)"
    raise LawError(f"Unknown word '{shown}'.", why=f"Allowed: {', '.join(allowed)}.")


def _place(told: dict[str, Any], name: str, words: Vocabulary) -> str | None:
    value = told.get(name)
    if isinstance(value, bool):
        raise LawError(f"'{name}' is not text.", mend="Quote it: YAML reads NO as false.")
    return None if value is None else words.place(value)


def _time(told: object, name: str) -> datetime | None:
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told)
        except ValueError:
            raise LawError(f"'{name}' is no date.", mend="Write it like 2020-06-12.") from None
    if told is None:
        return None
    if isinstance(told, datetime):
        return told if told.utcoffset() is not None else told.replace(tzinfo=UTC)
    if isinstance(told, date):
        return datetime.combine(told, time(), UTC)
    raise LawError(f"'{name}' is no date.", mend="Write it like 2020-06-12.")


def _parties(told: object, words: Vocabulary) -> Iterator[Party]:
    if not isinstance(told, list):
        raise LawError("'parties' is not a list.", mend="['Metro PD:law-enforcement-local']")
    for one in told:
        if isinstance(one, dict) and set(one) == {"name", "actor"}:
            party = Party(one["name"], one["actor"])
        else:
            party = Party.parse(str(one))
        words.actor(party.actor)
        yield party


def _text(told: dict[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise LawError(f"'{name}' is not text.", mend="Quote it.")
    return value


def _texts(told: dict[str, Any], name: str) -> tuple[str, ...]:
    value = told.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise LawError(f"'{name}' is not a list of texts.", mend="Quote them.")
    return tuple(value)


def _instruments(told: dict[str, Any]) -> tuple[str, ...]:
    if told.get("instruments") == []:
        raise LawError(
            "'instruments' names none.", mend="Leave it out: then all that bind are asked."
        )
    return _texts(told, "instruments")


def _commitments(told: object) -> Commitments:
    if told is None or told in ("all", "none", "recorded"):
        return None if told is None else str(told)
    if isinstance(told, list) and all(isinstance(one, str) for one in told):
        return tuple(told)
    raise LawError("'commitments' is unclear.", mend="all, none, recorded, or a list of ids.")


def _expected(told: object) -> str | None:
    if told is not None and told not in _OUTCOMES:
        raise LawError("'expect' is no outcome.", why=f"Allowed: {', '.join(_OUTCOMES)}.")
    return None if told is None else str(told)


def _named(question_id: str) -> str:
    shown = question_id if question_id.isprintable() else "(unreadable)"
    return f"Question '{shown}'"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which a key given twice is an error: the last one must not win unseen."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; quote it", node.start_mark
                )
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]
