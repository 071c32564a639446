"""Instruments that nobody wrote: drawn at random, as Cedar and as facts, and read like real ones.

The shipped instruments use what their law needs. These use every operator, clock and kind of
condition in every mixture, so that Cedar and the reference are compared on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rightface.law.instrument import Instrument, read_instrument
from rightface.law.library import InstrumentLibrary
from rightface.law.vocabulary import Vocabulary

WORDS = Vocabulary.load()
KINDS = ("statute", "ordinance", "court-order", "bill", "corporate-commitment", "operator-rule")
PLACES = ("US", "US-IL", "US-CA", "US-CA-SF", "US-TX", "EU", "DE", "GB", "JP")
OBLIGATIONS = ("retention-days", "retention-minutes", "human-review", "max-candidates")
ASKABLE = sorted(WORDS.conditions.keys() - {"licensed"})
_FIRST = date(2016, 1, 1)


def instrument(rng: Random, number: int, folder: Path) -> Instrument:
    """One instrument, written to `folder` and read back as the library reads it."""
    instrument_id = f"drawn-{number}"
    kind = rng.choice(KINDS)
    start = _day(rng)
    head: dict[str, Any] = {
        "id": instrument_id,
        "name": "Drawn",
        "kind": kind,
        "jurisdiction": rng.choice(PLACES),
        "citation": "drawn at random",
        "confidence": rng.choice(["seen", "mixed", "recalled"]),
        "summary": "Drawn at random.",
    }
    if kind != "bill":
        head["adopted"] = start - timedelta(days=rng.randrange(400))
        head["effective_from"] = start
        if rng.randrange(2):
            head["effective_until"] = start + timedelta(days=rng.randrange(1, 3000))
    rules = [_rule(rng, f"r{n}") for n in range(rng.randint(1, 5))]
    tables = "".join(f"\n[[rules]]\n{_toml(facts)}" for facts, _ in rules)
    home = folder / instrument_id
    home.mkdir(parents=True)
    known = _known(rng, start) if kind != "bill" and rng.randrange(3) == 0 else ""
    (home / "instrument.toml").write_text(_toml(head) + _marks(rng) + known + tables)
    (home / "policy.cedar").write_text("\n".join(policy for _, policy in rules))
    (home / "cases.yaml").write_text("[]\n")
    return read_instrument(home, WORDS)


def libraries(
    rng: Random, folder: Path, *, number: int, shipped: InstrumentLibrary
) -> list[InstrumentLibrary]:
    """So many libraries, each of some shipped and some drawn instruments; the first ships."""
    drawn = [instrument(rng, n, folder) for n in range(max(4, number * 2))]
    pool = list(shipped.instruments.values())
    made = [shipped]
    while len(made) < number:
        some = rng.sample(pool, rng.randint(0, len(pool)))
        made.append(InstrumentLibrary([*some, *rng.sample(drawn, rng.randint(1, 4))]))
    return made


def _rule(rng: Random, rule_id: str) -> tuple[dict[str, Any], str]:
    effect = rng.choice(["forbid", "forbid", "duty", "oblige"])
    actors = rng.sample(
        [*WORDS.actors, *WORDS.groups], rng.randint(1, 4)
    ) if rng.randrange(4) else ["everyone"]  # fmt: skip
    operations = rng.sample(sorted(WORDS.operations), rng.choice([0, 1, 3, 8, 12]))
    facts: dict[str, Any] = {"id": rule_id, "effect": effect}
    notes = [f'@id("{rule_id}")', '@section("1")', '@citation("1")', '@text("T.")']
    notes.append('@change("C.")')
    if effect == "duty":
        facts["duty"] = rng.choice(sorted(WORDS.duties))
        notes.append(f'@duty("{facts["duty"]}")')
    if effect == "oblige":
        notes += [f'@obligation("{rng.choice(OBLIGATIONS)}")', f'@value("{rng.randint(1, 9)}")']
    facts |= {"actors": actors, "operations": operations, "c": rng.choice(["seen", "recalled"])}
    _clocks(rng, facts)
    when = [_alternative(rng, operations) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    unless = [_alternative(rng, operations) for _ in range(rng.choice([0, 0, 1, 2]))]
    if when:
        facts["when"] = [told for told, _ in when]
    if unless:
        facts["unless"] = [told for told, _ in unless]
    conditions = [_who(actors)] if actors != ["everyone"] else []
    conditions += ["(" + " || ".join(cedar for _, cedar in when) + ")"] if when else []
    policy = "\n".join(notes) + f"\n{'permit' if effect == 'oblige' else 'forbid'} (\n  principal,"
    policy += f"\n  {_what(operations)},\n  resource\n)"
    if conditions:
        policy += "\nwhen { " + " && ".join(conditions) + " }"
    if unless:
        policy += "\nunless { " + " || ".join(cedar for _, cedar in unless) + " }"
    return facts, policy + ";\n"


def _marks(rng: Random) -> str:
    def mark() -> str:
        return rng.choice(["seen", "seen", "seen", "recalled", "derived"])

    text = ""
    if rng.randrange(2):
        text += "\n[date_evidence]\n"
        for name in ("adopted", "effective_from", "effective_until"):
            text += f'{name} = {{ c = "{mark()}" }}\n' if rng.randrange(2) else ""
    for _ in range(rng.randrange(2)):
        text += f'\n[[exceptions]]\ntext = "Drawn."\nc = "{mark()}"\n'
    return text


def _clocks(rng: Random, facts: dict[str, Any]) -> None:
    if rng.randrange(3) == 0:
        facts["from"] = _day(rng)
        if rng.randrange(2):
            facts["until"] = facts["from"] + timedelta(days=rng.randrange(1, 2000))
    if rng.randrange(4) == 0:
        facts["known_from"] = _day(rng)
        if rng.randrange(2):
            facts["known_until"] = facts["known_from"] + timedelta(days=rng.randrange(1, 2000))
    if rng.randrange(4) == 0:
        facts["jurisdiction"] = rng.choice([*PLACES, "*"])


def _known(rng: Random, start: date) -> str:
    text, heard = "", start - timedelta(days=rng.randrange(500))
    for _ in range(rng.randint(1, 3)):
        begins = start + timedelta(days=rng.randrange(-300, 900))
        text += f"\n[[known_as]]\nknown_from = {heard}\neffective_from = {begins}\n"
        if rng.randrange(2):
            text += f"effective_until = {begins + timedelta(days=rng.randrange(1, 900))}\n"
        text += f'c = "{rng.choice(["seen", "seen", "recalled"])}"\n'
        heard += timedelta(days=rng.randrange(1, 700))
    return text


def _alternative(rng: Random, operations: Sequence[str]) -> tuple[dict[str, Any], str]:
    told: dict[str, Any] = {}
    cedar = []
    for name in rng.sample(ASKABLE, rng.randint(1, 3)):
        told[name], text = _asks(rng, name)
        cedar.append(text)
    if operations and rng.randrange(5) == 0:
        told["operation"] = rng.choice(operations)
        cedar.append(f'action == Action::"{told["operation"]}"')
    return told, "(" + " && ".join(cedar) + ")"


def _asks(rng: Random, name: str) -> tuple[Any, str]:
    condition, fact = WORDS.conditions[name], f"context.{name}"
    if condition.kind == "bool":
        wanted = bool(rng.randrange(2))
        return wanted, fact if wanted else f"!{fact}"
    if condition.kind == "int":
        low = rng.choice([-1, 0, 1, 24, 1094, 1095])
        if rng.randrange(2):
            return {"over": low}, f"{fact} > {low}"
        return {"over": low, "under": low + 9}, f"({fact} > {low} && {fact} < {low + 9})"
    if condition.kind in ("duties", "facts"):
        word = rng.choice(sorted(WORDS.duties if condition.kind == "duties" else WORDS.facts))
        has = f'{fact}.contains("{word}")'
        return ({"has": word}, has) if rng.randrange(2) else ({"lacks": word}, f"!{has}")
    words = rng.sample(_words(name), 2)
    if rng.randrange(2):
        return words[0], f'{fact} == "{words[0]}"'
    return words, f"{json.dumps(words)}.contains({fact})"


def _words(name: str) -> list[str]:
    condition = WORDS.conditions[name]
    kinds: dict[str, Sequence[str]] = {
        "word": condition.words,
        "purpose": sorted(WORDS.purposes),
        "warrant": sorted(WORDS.warrants),
        "basis": sorted(WORDS.bases),
        "actor": sorted(WORDS.actors),
        "offence": sorted(WORDS.offences),
    }
    return list(kinds[condition.kind])


def _who(actors: Sequence[str]) -> str:
    told = [
        f'principal in Group::"{name}"' if name in WORDS.groups else f'principal == Actor::"{name}"'
        for name in actors
    ]
    return "(" + " || ".join(told) + ")"


def _what(operations: Sequence[str]) -> str:
    if not operations:
        return "action"
    return "action in [" + ", ".join(f'Action::"{name}"' for name in operations) + "]"


def _day(rng: Random) -> date:
    return _FIRST + timedelta(days=rng.randrange(365 * 14))


def _toml(told: dict[str, Any]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in told.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{n} = {_value(v)}" for n, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return str(value) if isinstance(value, date) else json.dumps(value)
