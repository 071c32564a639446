"""The controlled words of the law: actors, operations, purposes, conditions and the rest.

Reads `vocabulary.toml` and `purposes.toml` once. Other modules ask here whether a word is one; an
unknown word is a `LawError` that names it and the words allowed. Knows no rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from rightface.errors import LawError

Fact = bool | int | str | tuple[str, ...]
Kind = Literal[
    "bool", "int", "word", "purpose", "warrant", "basis", "actor", "offence", "duties", "facts"
]
SETS: frozenset[Kind] = frozenset({"duties", "facts"})
V = TypeVar("V")
_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,16}){0,4}", re.ASCII)
_LONGEST_PLACE = 32  # what a leaf of the ledger takes


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts. `groups` are the groups that it belongs to, directly."""

    name: str
    definition: str
    groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OperationWord:
    """What is done. A licence for it grants what it `implies` as well."""

    name: str
    definition: str
    implies: tuple[str, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What for. Consequential: a match may cost a person liberty, work, entry, money, a service."""

    name: str
    definition: str
    consequential: bool


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What has to be done first. Recordable: a document on record meets it.

    Reviewers: how many of them decide where this service performs it itself; 0: it cannot.
    """

    name: str
    definition: str
    recordable: bool
    reviewers: int = 0


@dataclass(frozen=True, kw_only=True)
class WorldFact:
    """A state of the world that rules wait for. Checklist: only a signed attestation shows it."""

    name: str
    definition: str
    jurisdiction: str
    checklist: str = ""


@dataclass(frozen=True, kw_only=True)
class Offence:
    """What may be investigated."""

    name: str
    definition: str
    violent: bool = False
    felony: bool = False


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One fact that a rule may ask for.

    Derived: found by the gate, never stated in a question. Recordable: the operator may put it on
    record as standing, for a client or a gallery. Case: it is of one case; a warrant's record may
    state it, and a standing record of it has a client and an end. Declarable: what a client may say
    of its own request; only what tells against it.
    """

    name: str
    definition: str
    kind: Kind
    default: Fact
    words: tuple[str, ...] = ()
    derived: bool = False
    recordable: bool = False
    case: bool = False
    declarable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """All words. Use `Vocabulary.load()`; it is read once per process and never changes."""

    actors: Mapping[str, Actor]
    groups: Mapping[str, tuple[str, ...]]
    """Group → the groups that it lies within."""
    operations: Mapping[str, OperationWord]
    purposes: Mapping[str, Purpose]
    warrants: Mapping[str, str]
    bases: Mapping[str, frozenset[str]]
    """Legal basis → the operations that it can carry; empty: any."""
    duties: Mapping[str, Duty]
    facts: Mapping[str, WorldFact]
    offences: Mapping[str, Offence]
    findings: Mapping[str, str]
    how: Mapping[str, bool]
    """How a consent was obtained → whether that is a written release."""
    explicit: frozenset[str]
    """Ways of obtaining a consent that make it an explicit one."""
    conditions: Mapping[str, Condition]
    countries: frozenset[str]
    unions: Mapping[str, frozenset[str]]
    """Union of countries (EU) → its members."""
    parts: Mapping[str, frozenset[str]]
    """Country → its parts, where they are listed."""
    within: Mapping[str, str]
    """A part → the part of the same country that it lies in."""
    cities: Mapping[str, frozenset[str]]
    """A city that instruments speak of → other ways to write its last part."""

    @classmethod
    def load(cls) -> Vocabulary:
        """The words that this version of rightface ships.

        Raises:
            LawError: the files are damaged.
        """
        return _load()

    # ------------------------------------------------------------ words
    def actor(self, word: str) -> str:
        """`word`, if it is an actor. Raises LawError."""
        return _one_of("actor", word, self.actors)

    def operation(self, word: str) -> str:
        """The operation that `word` names, aliases such as 'search' resolved. Raises LawError."""
        known = self._aliases.get(word, word) if isinstance(word, str) else word
        return _one_of("operation", known, self.operations)

    def purpose(self, word: str) -> str:
        """`word`, if it is a purpose. Raises LawError."""
        return _one_of("purpose", word, self.purposes)

    def warrant(self, word: str) -> str:
        """`word`, if it is an authorisation. Raises LawError."""
        return _one_of("warrant", word, self.warrants)

    def basis(self, word: str) -> str:
        """`word`, if it is a legal basis. Raises LawError."""
        return _one_of("legal basis", word, self.bases)

    def duty(self, word: str) -> str:
        """`word`, if it is a duty. Raises LawError."""
        return _one_of("duty", word, self.duties)

    def fact(self, word: str) -> str:
        """`word`, if it is a fact that rules wait for. Raises LawError."""
        return _one_of("fact", word, self.facts)

    def finding(self, word: str) -> str:
        """`word`, if it is a kind of finding. Raises LawError."""
        return _one_of("kind of finding", word, self.findings)

    def place(self, word: str) -> str:
        """`word`, if it has the form of a jurisdiction: country or union, then narrower parts.

        Raises:
            LawError: another form, more than 32 letters, or no country or union of that code.
        """
        known = isinstance(word, str) and _PLACE.fullmatch(word) is not None
        if known and len(word) > _LONGEST_PLACE:
            raise LawError(
                f"The jurisdiction '{_shown(word)}' is too long.",
                why=f"At most {_LONGEST_PLACE} letters, figures and hyphens: so it stands in the "
                "ledger.",
                mend="Shorten its last part.",
            )
        if not known or (word[:2] not in self.countries and word not in self.unions):
            raise LawError(
                f"Unknown jurisdiction '{_shown(word)}'.",
                why="It starts with a country's ISO 3166-1 code, or is a union such as EU.",
                mend="Write it like US, US-CA, US-CA-SF, GB-SCT or EU.",
            )
        misspelt = self._misspelt(word)
        if misspelt is not None:
            raise misspelt
        return word

    def _misspelt(self, word: str) -> LawError | None:
        """The error for a part or city that does not exist or is nearly one that is known."""
        country, *rest = word.split("-")
        if not rest or country not in self.countries:
            return None
        parts = self.parts.get(country)
        if parts is None:
            if len(rest[0]) <= 3:
                return None
            return LawError(
                f"Unknown jurisdiction '{word}'.",
                why=f"A part of {country} is written with its ISO 3166-2 code, up to 3 characters.",
            )
        if rest[0] not in parts:
            near = [f"{country}-{one}" for one in get_close_matches(rest[0], sorted(parts), 3)]
            city = [one for one, also in self.cities.items() if _is_city(one, also, rest)]
            return LawError(
                f"Unknown jurisdiction '{word}'.",
                why=f"{country} has no part '{rest[0]}'; its parts: {', '.join(sorted(parts))}.",
                mend=f"Did you mean {' or '.join(city or near)}?" if city or near else "",
            )
        if len(rest) == 1 or any(self.contains(one, word) for one in self.cities):
            return None
        return self._misspelt_city(word, f"{country}-{rest[0]}-", rest[1:])

    def _misspelt_city(self, word: str, state: str, rest: list[str]) -> LawError | None:
        known = {one: also for one, also in self.cities.items() if one.startswith(state)}
        for one, also in known.items():
            near = get_close_matches("-".join(rest), [one.removeprefix(state), *also], 1, 0.65)
            if near or "".join(rest) in also:
                return LawError(
                    f"Unknown jurisdiction '{word}'.",
                    why="It is nearly a place whose law is known, and would miss it.",
                    mend=f"Did you mean {one}?",
                )
        return None

    def contains(self, wide: str, narrow: str) -> bool:
        """Whether `wide` is `narrow` or encloses it: US ⊃ US-CA ⊃ US-CA-SF, EU ⊃ DE; '*' is all."""
        if wide in ("*", narrow) or narrow.startswith(wide + "-"):
            return True
        part = "-".join(narrow.split("-")[:2])
        return narrow[:2] in self.unions.get(wide, ()) or self.within.get(part) == wide

    def granted(self, operations: Iterable[str]) -> frozenset[str]:
        """The operations that a licence for `operations` grants, those implied included."""
        told = frozenset(operations)
        return told.union(*(self.operations[name].implies for name in told))

    def members(self, names: Iterable[str]) -> frozenset[str]:
        """The actors that `names` stand for: actors, groups, everyone. Raises LawError."""
        found: set[str] = set()
        for name in names:
            if name == "everyone":
                found.update(self.actors)
            elif name in self.groups:
                found.update(a for a in self.actors if name in self.groups_of(a))
            else:
                found.add(_one_of("actor or group", name, {**self.actors, **self.groups}))
        return frozenset(found)

    def groups_of(self, actor: str) -> frozenset[str]:
        """All groups of an actor, the enclosing ones included."""
        found: set[str] = set()
        waiting = list(self.actors[actor].groups)
        while waiting:
            group = waiting.pop()
            if group not in found:
                found.add(group)
                waiting.extend(self.groups[group])
        return frozenset(found)

    def condition(self, name: str) -> Condition:
        """The condition of that name. Raises LawError."""
        return self.conditions[_one_of("condition", name, self.conditions)]

    def value(self, name: str, value: object) -> Fact:
        """`value`, checked against the type and words of the condition `name`.

        Raises:
            LawError: no such condition, or a value that it cannot have.
        """
        condition = self.condition(name)
        if condition.kind in SETS:
            if not isinstance(value, list | tuple | set | frozenset):
                raise _wrong(condition, value, f"a list of {condition.kind}")
            known = self.duty if condition.kind == "duties" else self.fact
            return tuple(sorted({known(word) for word in value}))
        if condition.kind == "bool":
            if not isinstance(value, bool):
                raise _wrong(condition, value, "true or false")
            return value
        if condition.kind == "int":
            if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**53:
                raise _wrong(condition, value, "a whole number")
            least = condition.default if isinstance(condition.default, int) else 0
            most = 1000 if condition.name.endswith("_permille") else 2**53
            if not least <= value <= most:
                raise _wrong(condition, value, f"a whole number from {least} on")
            return value
        if not isinstance(value, str):
            raise _wrong(condition, value, "a word")
        if value == condition.default:
            return value
        allowed: Mapping[str, object] = {
            "word": dict.fromkeys(condition.words),
            "purpose": self.purposes,
            "warrant": self.warrants,
            "basis": self.bases,
            "actor": self.actors,
            "offence": self.offences,
        }[condition.kind]
        return _one_of(f"{name}", value, allowed)

    def declared(self, name: str, value: object) -> None:
        """Let pass what a client may say of its own request.

        Raises:
            LawError: no such condition, or a value that would not tell against the request.
        """
        word = "true" if value is True else value
        allowed = self.condition(name).declarable
        if word not in allowed:
            raise LawError(
                f"A client cannot declare '{name}' so.",
                why="It may say of its own request only what tells against it"
                + (f": {', '.join(allowed)}." if allowed else "."),
                mend="See 'declarable' in: rightface law vocabulary.",
            )

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {alias: word.name for word in self.operations.values() for alias in word.aliases}


def _is_city(city: str, also: frozenset[str], rest: list[str]) -> bool:
    return rest[0] in also or rest[0] == city.rpartition("-")[2] or rest[-1] in also


def _one_of(what: str, word: object, allowed: Mapping[str, object]) -> str:
    if isinstance(word, str) and word in allowed:
        return word
    near = get_close_matches(str(word)[:80], allowed, 1)
    raise LawError(
        f"Unknown {what} '{_shown(word)}'.",
        why=f"Allowed: {', '.join(allowed)}.",
        mend=f"Did you mean '{near[0]}'?" if near else "Use one of the words allowed.",
    )


def _wrong(condition: Condition, value: object, wanted: str) -> LawError:
    return LawError(
        f"The condition '{condition.name}' cannot be '{_shown(value)}'.",
        why=f"It is {wanted}: {condition.definition}",
    )


def _shown(word: object) -> str:
    # A word comes from outside: printable and short, or it is not repeated.
    text = str(word)
    return text if len(text) <= 80 and text.isprintable() else "(unreadable)"


@lru_cache(maxsize=1)
def _load() -> Vocabulary:
    here = files("rightface.law")
    try:
        words = tomllib.loads(here.joinpath("vocabulary.toml").read_text("utf-8"))
        purposes = tomllib.loads(here.joinpath("purposes.toml").read_text("utf-8"))
        return _from_toml(words, purposes)
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise LawError(
            "The law's vocabulary cannot be read.",
            why=f"{type(error).__name__}: {error}",
            mend="Install rightface again.",
        ) from error


def _from_toml(words: dict[str, Any], purposes: dict[str, Any]) -> Vocabulary:
    def table(name: str) -> dict[str, dict[str, Any]]:
        return dict(words[name])

    return Vocabulary(
        actors=_frozen(
            (n, Actor(name=n, definition=w["definition"], groups=tuple(w["groups"])))
            for n, w in table("actors").items()
        ),
        groups=_frozen((n, tuple(w["within"])) for n, w in table("groups").items()),
        operations=_frozen(
            (
                n,
                OperationWord(
                    name=n,
                    definition=w["definition"],
                    implies=tuple(w.get("implies", ())),
                    aliases=tuple(w.get("aliases", ())),
                ),
            )
            for n, w in table("operations").items()
        ),
        purposes=_frozen(
            (
                n,
                Purpose(
                    name=n,
                    definition=w["definition"],
                    consequential=w.get("consequential", False),
                ),
            )
            for n, w in purposes.items()
        ),
        warrants=_frozen((n, w["definition"]) for n, w in table("warrants").items()),
        bases=_frozen((n, frozenset(w.get("only", ()))) for n, w in table("bases").items()),
        duties=_frozen((n, Duty(name=n, **w)) for n, w in table("duties").items()),
        facts=_frozen((n, WorldFact(name=n, **w)) for n, w in table("facts").items()),
        offences=_frozen((n, Offence(name=n, **w)) for n, w in table("offences").items()),
        findings=_frozen((n, w["definition"]) for n, w in table("findings").items()),
        how=_frozen((n, w["written"]) for n, w in table("how").items()),
        explicit=frozenset(n for n, w in table("how").items() if w["explicit"]),
        conditions=_frozen((n, _condition(n, w)) for n, w in table("conditions").items()),
        countries=frozenset(words["jurisdictions"]["countries"].split()),
        unions=_sets(words["jurisdictions"]["unions"]),
        parts=_sets(words["jurisdictions"]["parts"]),
        within=_frozen(words["jurisdictions"]["within"].items()),
        cities=_sets(words["jurisdictions"]["cities"]),
    )


def _sets(told: dict[str, str]) -> Mapping[str, frozenset[str]]:
    return _frozen((name, frozenset(members.split())) for name, members in told.items())


def _condition(name: str, told: dict[str, Any]) -> Condition:
    default = told["default"]
    return Condition(
        name=name,
        definition=told["definition"],
        kind=told["kind"],
        default=tuple(default) if isinstance(default, list) else default,
        words=tuple(told.get("words", ())),
        derived=told.get("derived", False),
        recordable=told.get("recordable", False),
        case=told.get("case", False),
        declarable=tuple(told.get("declarable", ())),
    )


def _frozen(pairs: Iterable[tuple[str, V]]) -> Mapping[str, V]:
    return MappingProxyType(dict(pairs))
