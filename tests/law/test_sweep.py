"""The directed sweep: points aimed at each shipped rule, through Cedar and through the reference.

Drawn worlds seldom meet a narrow rule's edges. Here each rule's own table says where they lie: each
alternative alone and each with each exception, each word of each list and one that is in none, each
bound and its neighbours, each actor and operation within and one without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation
from rightface.law.policies import RuleSet
from rightface.law.reference import _applies
from rightface.law.rule import Rule
from rightface.law.vocabulary import Condition, Vocabulary

LIBRARY, WORDS = InstrumentLibrary.load(), Vocabulary.load()
DEFAULTS = {name: condition.default for name, condition in WORDS.conditions.items()}
FEWEST, MOST, ALL = 35, 100_000, 30_000  # points: of one rule, of all together, at least of all


@dataclass(frozen=True)
class Point:
    """One request: who does what, and the conditions."""

    actor: str
    action: str
    facts: tuple[tuple[str, Any], ...]


def points(table: Mapping[str, Any]) -> Iterator[Point]:
    """Points aimed at one rule's table, some of them twice."""
    inside = [a for a in WORDS.actors if _is_named(a, table["actors"])]
    actions = table["operations"] or list(WORDS.operations)
    whens = list(table.get("when", [])) or [{}]
    unlesses = list(table.get("unless", []))
    starts = [_met(one) for one in whens]
    for when, start in zip(whens, starts, strict=True):
        action = when.get("operation", actions[0])
        action = action[0] if isinstance(action, list) else action
        for actor in WORDS.actors:
            yield _point(actor, action, start)
        for other in WORDS.operations:
            yield _point(inside[0], other, start)
            for unless in unlesses:
                yield _point(inside[-1], other, start | _met(unless))
        for near in _around(when):
            yield _point(inside[0], action, start | near)
        for unless in unlesses:
            lifted = start | _met(unless)
            for actor in WORDS.actors:
                yield _point(actor, action, lifted)
            chosen = unless.get("operation", action)
            for each in chosen if isinstance(chosen, list) else [chosen]:
                yield _point(inside[0], each, lifted)
                for near in _around(unless):
                    yield _point(inside[0], each, lifted | near)
            for near in _around(when):  # an exception and a bound at once
                yield _point(inside[0], action, lifted | near)
    for unless in unlesses:
        yield _point(inside[0], actions[0], _met(unless))
    # Each alternative where the others of its list fail: defaults may meet those.
    for group, base in ((whens, {}), (unlesses, starts[0])):
        for one in group:
            alone = base | _unmet([other for other in group if other is not one], one) | _met(one)
            for action in _listed(one.get("operation", actions)):
                yield _point(inside[0], action, alone)
            for near in _around(one):
                yield _point(inside[0], _listed(one.get("operation", actions))[0], alone | near)
    for one in inside:
        for action in actions:
            yield _point(one, action, starts[0] | _unmet(unlesses, whens[0]))
            yield _point(one, action, {})


def _is_named(actor: str, names: list[str]) -> bool:
    return any(n in ("everyone", actor) or n in WORDS.groups_of(actor) for n in names)


def _point(actor: str, action: str, facts: Mapping[str, Any]) -> Point:
    return Point(actor, action, tuple(sorted(facts.items())))


def _met(alternative: Mapping[str, Any]) -> dict[str, Any]:
    """Values that meet one table, each the first that comes to mind."""
    return {
        name: _meeting(WORDS.conditions[name], wanted)
        for name, wanted in alternative.items()
        if name != "operation"
    }


def _unmet(others: list[Mapping[str, Any]], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Values that fail each of some tables, where a condition that is not in `kept` can."""
    found: dict[str, Any] = {}
    for other in others:
        for name, wanted in other.items():
            if name != "operation" and name not in kept:
                values = list(_values(WORDS.conditions[name], wanted))
                failing = [value for value in values if not _meets(value, wanted)]
                if failing:
                    found[name] = failing[-1]
                    break
    return found


def _meets(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return (
        ("over" not in wanted or value > wanted["over"])
        and ("under" not in wanted or value < wanted["under"])
        and ("has" not in wanted or wanted["has"] in value)
        and ("lacks" not in wanted or wanted["lacks"] not in value)
    )


def _meeting(condition: Condition, wanted: Any) -> Any:
    if isinstance(wanted, list):
        return wanted[0]
    if not isinstance(wanted, dict):
        return wanted
    if "has" in wanted:
        return (wanted["has"],)
    if "lacks" in wanted:
        return ()
    return wanted["over"] + 1 if "over" in wanted else wanted["under"] - 1


def _around(alternative: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One condition of a table changed at a time: to what it names, and to what it does not."""
    for name, wanted in alternative.items():
        if name != "operation":
            for value in _values(WORDS.conditions[name], wanted):
                yield {name: value}


def _values(condition: Condition, wanted: Any) -> Iterator[Any]:
    if condition.kind == "bool":
        yield from (True, False)
    elif condition.kind == "int":
        told = wanted.values() if isinstance(wanted, dict) else _listed(wanted)
        yield from (bound + step for bound in told for step in (-1, 0, 1))
    elif condition.kind in ("duties", "facts"):
        word = wanted.get("has", wanted.get("lacks"))
        words = sorted(WORDS.duties if condition.kind == "duties" else WORDS.facts)
        others = tuple(one for one in words if one != word)
        yield from ((), (word,), others, others[:1], tuple(words))
    else:
        listed = _listed(wanted)
        yield from listed
        yield condition.default
        yield next((one for one in _words(condition) if one not in listed), condition.default)


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _words(condition: Condition) -> list[str]:
    return list(
        {
            "word": dict.fromkeys(condition.words),
            "purpose": WORDS.purposes,
            "warrant": WORDS.warrants,
            "basis": WORDS.bases,
            "actor": WORDS.actors,
            "offence": WORDS.offences,
        }[condition.kind]
    )


def _day(rule: Rule) -> datetime:
    """A day on which the rule binds and is known."""
    days = [day for day in (rule.start, rule.known_from) if day is not None]
    until = rule.until or rule.known_until
    day = max(days) if days else (until - (until.resolution) if until else datetime(2026, 1, 1))
    return datetime.combine(day, time(12), UTC)


def _known(rule: Rule) -> datetime | None:
    if rule.known_until is None and rule.known_from is None:
        return None
    day = rule.known_from or (rule.known_until and rule.known_until - rule.known_until.resolution)
    return datetime.combine(day, time(12), UTC) if day else None


def test_each_rule_is_the_same_in_cedar_and_in_the_reference() -> None:
    counted: dict[str, int] = {}
    fired = 0
    for instrument in LIBRARY.instruments.values():
        tables = {table["id"]: table for table in instrument.facts["rules"]}
        for rule in instrument.rules:
            made, applied = _compare(rule, tables[rule.rule_id])
            assert 0 < applied < made, f"{rule.key}: never met, or always"
            counted[rule.key] = made
            fired += applied
    total = sum(counted.values())
    print(f"{total} points at {len(counted)} rules; they applied at {fired}")
    assert min(counted.values()) >= FEWEST
    assert ALL <= total <= MOST


def _compare(rule: Rule, table: Mapping[str, Any]) -> tuple[int, int]:
    rules, as_of, known_at = RuleSet([rule]), _day(rule), _known(rule)
    made = dict.fromkeys(points(table))
    applied = 0
    groups: dict[tuple[str, tuple[tuple[str, Any], ...]], list[str]] = {}
    for point in made:
        groups.setdefault((point.action, point.facts), []).append(point.actor)
    for (action, changed), actors in groups.items():
        facts = DEFAULTS | {"licensed": True} | dict(changed)
        said = rules.ask(actors, action, "US", facts)
        operation = Operation(
            action=action,
            client=None,
            actor=actors[0],
            client_jurisdiction="US",
            place_jurisdiction="US",
            gallery_jurisdiction="US",
            known_at=known_at,
        )
        for actor, one in zip(actors, said, strict=True):
            expected = _applies(table, actor, operation, as_of, facts, WORDS)
            assert not one.broken, rule.key
            assert (one.fired == (rule,)) is expected, (rule.key, actor, action, changed)
            applied += expected
    return len(made), applied
