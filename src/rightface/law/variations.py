"""What would change the gate's answer: found by asking it again with things changed.

Tries every single change of the conditions, facts, authorisation, records, date, knowledge and
place that the rules could look at; then the smallest groups of changes that lead to `allow`. Rules
that cannot speak of this operation or of anybody in the chain are left aside first: that is what
makes it quick. Changes no record and makes no permit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Any

from rightface.law.consents import Consent
from rightface.law.evidence import DIFFERENTIAL_FMR, Differential, Evidence, pairs_needed
from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.ruling import Outcome, Ruling
from rightface.law.splits import ATTRIBUTES, Split
from rightface.law.status import reaches
from rightface.law.steps.evidence import needed
from rightface.law.vocabulary import SETS, Fact
from rightface.law.world import FACELESS, STATED_ELSEWHERE, Records, World

_RANK: dict[Outcome, int] = {"deny": 0, "require-duty": 1, "allow": 2}
_TOGETHER = 4  # how many changes are tried together
_HELPFUL = 14  # among how many
_ACTS = frozenset(
    {"duties", "consents", "evidence", "warrant", "consent", "written_release",
     "explicit_consent", "notice", "alternative_offered", "provider_approved", "licence"}
)  # fmt: skip
"""Kinds of change that are a step to lawfulness, rather than another state of affairs."""
_FACT = "fact "
_OF_A_KIND = 2
_OFTEN = 2  # one thing is told in so many groups, unless another of the group is new
_SHOWN = 12
_NAMED = 4  # of alternatives that are told as one
_READ_AGAIN = ("purpose", "date", "known")
_WORDED = frozenset({"word", "actor", "offence"})


@dataclass(frozen=True)
class Change:
    """Things that would have to be otherwise, and the outcome then."""

    told: tuple[str, ...]
    outcome: Outcome


@dataclass(frozen=True)
class _Variation:
    told: str
    kind: str
    """Two variations of one kind exclude each other."""
    apply: Callable[[World], World]
    alternative: bool = False
    """Whether it differs from others of its kind in the last word only."""


def changes_that_matter(
    world: World, ruling: Ruling, again: Callable[[World], World] = lambda world: world
) -> tuple[Change, ...]:
    """The single changes that better the outcome, and the smallest groups that lead to `allow`.

    `again` reads the records once more for a world with another purpose or date.
    """
    if ruling.allowed:
        return ()
    bearing = _bearing(world)
    world = replace(world, library=bearing)
    better: list[Change] = []
    against = {reason.key for reason in ruling.reasons}
    helpful: list[tuple[int, _Variation]] = []
    lifted: dict[str, set[str]] = {}
    for variation, varied in _tried(world, ruling, _narrowed(again, bearing)):
        if _RANK[varied.outcome] > _RANK[ruling.outcome]:
            better.append(Change((variation.told,), varied.outcome))
        if len(varied.reasons) < len(ruling.reasons):
            helpful.append((len(varied.reasons), variation))
            lifted[variation.told] = against - {reason.key for reason in varied.reasons}
    better.sort(key=lambda change: -_RANK[change.outcome])
    enough = {change.told[0] for change in better if change.outcome == "allow"}
    rest = [pair for pair in helpful if pair[1].told not in enough]
    rest.sort(key=lambda pair: pair[0])
    best = _varied([variation for _, variation in rest])
    better += _groups(
        world, best, lambda told: against <= set().union(*(lifted[one] for one in told))
    )
    return tuple(better[:_SHOWN])


def _varied(helpful: list[_Variation]) -> list[_Variation]:
    # The best of each kind: a dozen dates must not crowd out what a person can do.
    kept: list[_Variation] = []
    for one in helpful:
        if sum(other.kind == one.kind for other in kept) < _OF_A_KIND:
            kept.append(one)
    return kept[:_HELPFUL]


def _bearing(world: World) -> InstrumentLibrary:
    # The instruments that reach the places, with the rules that bear on operation and chain. With
    # another date a client may have another licence, other parties and places: then all are kept.
    words, on_record = world.library.vocabulary, world.records is not None
    actors = {judged.actor for judged in world.chain}
    kept = []
    for one in world.library.instruments.values():
        rules = tuple(
            rule
            for rule in one.rules
            if world.operation.action in rule.facts.operations
            and (on_record or rule.facts.actors & actors)
        )
        if rules and (on_record or reaches(one, world.jurisdictions, words)):
            kept.append(replace(one, rules=rules))
    return InstrumentLibrary(kept)


def _narrowed(
    again: Callable[[World], World], library: InstrumentLibrary
) -> Callable[[World], World]:
    return lambda world: replace(again(world), library=library)


def _tried(
    world: World, ruling: Ruling, again: Callable[[World], World]
) -> Iterator[tuple[_Variation, Ruling]]:
    # Variations of one kind that lead to the same reasons are told as one.
    alike: dict[tuple[str, str, frozenset[str]], list[tuple[_Variation, Ruling]]] = {}
    for variation in _variations(world, ruling, again):
        varied = judge(variation.apply(world))
        keys = frozenset(reason.key for reason in varied.reasons)
        alike.setdefault((variation.kind, varied.outcome, keys), []).append((variation, varied))
    for group in alike.values():
        variation, varied = group[0]
        if len(group) > 1 and variation.alternative:
            what = variation.told.rpartition(" ")[0]
            words = [one.told.rpartition(" ")[2] for one, _ in group]
            more = f" and {len(words) - _NAMED} others" if len(words) > _NAMED else ""
            told = f"{what} one of {', '.join(words[:_NAMED])}{more}"
            variation = replace(variation, told=told)
        yield variation, varied


def _groups(
    world: World, helpful: list[_Variation], promising: Callable[[set[str]], bool]
) -> list[Change]:
    # The smallest only: a group that holds another that is enough is not told.
    changes: list[tuple[bool, int, Change]] = []
    enough: list[set[str]] = []
    for size in range(2, _TOGETHER + 1):
        for group in combinations(helpful, size):
            told = {one.told for one in group}
            if len({one.kind for one in group}) < size or any(each <= told for each in enough):
                continue
            if size > 2 and not promising(told):
                continue  # between them they do not lift every reason; pairs are tried anyway
            varied = world
            # Purpose and date first: they have the records read again.
            for one in sorted(group, key=lambda one: one.kind not in _READ_AGAIN):
                varied = one.apply(varied)
            if judge(varied).allowed:
                timely = any(one.kind in ("date", "known") for one in group)
                given = sum(
                    one.kind not in _ACTS and not one.kind.startswith(_FACT) for one in group
                )
                changes.append((timely, given, Change(tuple(one.told for one in group), "allow")))
                enough.append(told)
    # First what somebody can do, then what would have to be so, last another date; and no thing too
    # often.
    shown: Counter[str] = Counter()
    kept = []
    for *_, change in sorted(changes, key=lambda one: (*one[:2], len(one[2].told))):
        if min(shown[told] for told in change.told) < _OFTEN:
            shown.update(change.told)
            kept.append(change)
    return kept


def _variations(
    world: World, ruling: Ruling, again: Callable[[World], World]
) -> Iterator[_Variation]:
    for one in (*_purposes(world), *_dates(world), *_knowledge(world)):
        yield replace(one, apply=_then(one.apply, again))
    yield from _duties(world, ruling)
    yield from _world_facts(world)
    yield from _stated_facts(world)
    yield from _own_fields(world)
    yield from _commitments(world)
    if world.records is not None:
        yield from _record_changes(world, world.records)


# ---------------------------------------------------------------- what the question states
def _then(
    apply: Callable[[World], World], again: Callable[[World], World]
) -> Callable[[World], World]:
    return lambda world: again(apply(world))


def _purposes(world: World) -> Iterator[_Variation]:
    for purpose in world.library.vocabulary.purposes:
        if purpose != world.operation.purpose:
            told = f"the purpose were {purpose}"
            yield _with_fields(told, "purpose", alternative=True, purpose=purpose)


def _with_fields(told: str, kind: str, *, alternative: bool = False, **changed: Any) -> _Variation:
    def apply(world: World) -> World:
        return replace(world, operation=replace(world.operation, **changed))

    return _Variation(told, kind, apply, alternative)


def _duties(world: World, ruling: Ruling) -> Iterator[_Variation]:
    met = _set_of(world, "duties")
    missing = [duty for duty in ruling.missing if duty != "accuracy-evidence"]
    sets = [(duty,) for duty in missing] + ([tuple(missing)] if len(missing) > 1 else [])
    sets += [(duty,) for duty in sorted(_named(world, "duties") - met - set(missing))]
    for duties in sets:
        told = f"the {'duties' if len(duties) > 1 else 'duty'} {' and '.join(duties)}"
        told += f" {'were' if len(duties) > 1 else 'was'} met"
        yield _Variation(told, "duties", _adding("duties", duties))


def _world_facts(world: World) -> Iterator[_Variation]:
    held = _set_of(world, "facts")
    for fact in sorted(_named(world, "facts") - held):
        told = f"the fact {fact} were on record"
        yield _Variation(told, f"{_FACT}{fact}", _adding("facts", (fact,)))


def _set_of(world: World, name: str) -> set[str]:
    held = world.facts(licensed=True)[name]
    return set(held) if isinstance(held, tuple) else set()


def _tables(world: World) -> Iterator[Mapping[str, Any]]:
    for rule in world.rules.rules:
        yield from (*rule.facts.when, *rule.facts.unless)


def _named(world: World, name: str) -> set[str]:
    # The words of a set that rules in force ask for.
    wanted = [table[name] for table in _tables(world) if name in table]
    return {word for told in wanted if isinstance(told, dict) for word in told.values()}


def _stated_facts(world: World) -> Iterator[_Variation]:
    words, facts = world.library.vocabulary, world.facts(licensed=True)
    looked_at = {name for table in _tables(world) for name in table}
    looked_at |= set().union(*(rule.attributes for rule in world.rules.rules))
    if looked_at & {"offence_violent", "offence_felony"}:
        looked_at.add("offence")
    for name in sorted(looked_at & words.conditions.keys() - {"purpose", "warrant"}):
        condition, now = words.conditions[name], facts[name]
        if condition.derived or condition.kind in SETS:
            continue
        for value in _values(world, name, now):
            told, worded = f"{name} were {_said(value)}", condition.kind in _WORDED
            if name in STATED_ELSEWHERE:
                yield _with_fields(told, name, alternative=worded, **{name: value})
            else:
                yield _Variation(told, name, _stating(name, value), worded)


def _values(world: World, name: str, now: Fact) -> Iterator[Fact]:
    words = world.library.vocabulary
    condition = words.conditions[name]
    allowed: Iterable[Fact] = ()
    if isinstance(now, bool):
        allowed = (not now,)
    elif condition.kind == "int":
        allowed = sorted({0} | _numbers(world, name))
    elif condition.kind == "word":
        allowed = condition.words
    elif condition.kind == "basis":
        allowed = words.bases
    elif condition.kind == "offence":
        allowed = words.offences
    elif condition.kind == "actor":
        allowed = words.actors
    yield from (value for value in allowed if value != now)


def _numbers(world: World, name: str) -> set[int]:
    # Each bound that a rule sets, and its neighbours: one of them lies on the other side.
    found: set[int] = set()
    for table in _tables(world):
        told = table.get(name)
        bounds = (
            told.values() if isinstance(told, dict) else told if isinstance(told, list) else [told]
        )
        for bound in bounds:
            if isinstance(bound, int):
                found |= {bound - 1, bound, bound + 1}
    return found


def _stating(name: str, value: Fact) -> Callable[[World], World]:
    def apply(world: World) -> World:
        conditions = {**world.operation.conditions, name: value}
        return replace(world, operation=replace(world.operation, conditions=conditions))

    return apply


def _adding(name: str, more: tuple[str, ...]) -> Callable[[World], World]:
    def apply(world: World) -> World:
        return _stating(name, tuple(sorted({*_set_of(world, name), *more})))(world)

    return apply


def _own_fields(world: World) -> Iterator[_Variation]:
    operation, words = world.operation, world.library.vocabulary
    for warrant in words.warrants:
        if warrant != operation.warrant:
            told = f"the authorisation were {warrant}"
            yield _with_fields(told, "warrant", alternative=True, warrant=warrant)
    for party in operation.parties:
        rest = tuple(one for one in operation.parties if one != party)
        yield _with_fields(f"{party.name} did not stand behind the client", "parties", parties=rest)
    for place in _wider_places(world):
        yield _with_fields(
            f"all of it happened elsewhere in {place}",
            "place",
            client_jurisdiction=place,
            place_jurisdiction=place,
            gallery_jurisdiction=place,
        )


def _wider_places(world: World) -> Iterator[str]:
    found: set[str] = set()
    for place in world.operation.jurisdictions:
        parts = place.split("-")
        found.update("-".join(parts[:length]) for length in range(1, len(parts)))
    yield from sorted(found, key=len, reverse=True)


def _dates(world: World) -> Iterator[_Variation]:
    edges: set[date] = set()
    for instrument in world.library.instruments.values():
        if instrument.effective_from is not None:
            edges.add(instrument.effective_from - timedelta(days=1))
        if instrument.effective_until is not None:
            edges.add(instrument.effective_until)
        for rule in instrument.rules:
            edges |= {rule.start - timedelta(days=1)} if rule.start else set()
            edges |= {rule.until} if rule.until else set()
    # The nearest first: of days that lead to the same answer only that one is told.
    for day in sorted(edges - {world.day}, key=lambda day: abs(day - world.day)):
        moment = datetime.combine(day, time(), UTC)
        yield _Variation(f"it were {day}", "date", _at(moment))


def _at(moment: datetime) -> Callable[[World], World]:
    return lambda world: replace(
        world, as_of=moment, operation=replace(world.operation, as_of=moment)
    )


def _knowledge(world: World) -> Iterator[_Variation]:
    edges: set[date] = set()
    for instrument in world.library.instruments.values():
        # Only what was believed otherwise before: ignorance of the law is no change to propose.
        told = [held.known_from for held in instrument.known[1:]]
        told += [day for rule in instrument.rules for day in (rule.known_from, rule.known_until)]
        edges |= {one for day in told if day is not None for one in (day - timedelta(days=1), day)}
    for day in sorted(edges - {world.known_day}, key=lambda day: abs(day - world.known_day)):
        moment = datetime.combine(day, time(), UTC)
        yield _with_fields(f"the law counted as known on {day}", "known", known_at=moment)


def _commitments(world: World) -> Iterator[_Variation]:
    binding = sorted(world.adopted & set(world.rules.instruments))
    for one in binding:
        yield _Variation(f"{one} were not adopted", one, _unadopted(one))
    if len(binding) > 1:
        told = f"none of the {len(binding)} commitments were adopted"
        yield _Variation(told, "commitments", _uncommitted)


def _uncommitted(world: World) -> World:
    return replace(world, adopted=frozenset())


def _unadopted(one: str) -> Callable[[World], World]:
    return lambda world: replace(world, adopted=world.adopted - {one})


# ---------------------------------------------------------------- what is on record
def _record_changes(world: World, records: Records) -> Iterator[_Variation]:
    subjects = () if world.operation.action in FACELESS else world.operation.subjects
    if any(
        subject not in records.consents or subject in records.suppressions for subject in subjects
    ):
        yield _Variation(
            "each person named gave a written release for this purpose and gallery",
            "consents",
            _with_consents(subjects),
        )
    yield _Variation("the model had been measured well and lately", "evidence", _with_evidence)
    licence = records.licence
    if licence is None:
        return
    for party in licence.parties:
        rest = tuple(one for one in licence.parties if one != party)
        yield _Variation(
            f"{party.name} did not stand behind the client",
            "licence-parties",
            _with_licence(lambda held, rest=rest: replace(held, parties=rest)),  # type: ignore[misc]
        )
    yield _Variation("the licence granted it", "licence", _granting)


def _with_consents(subjects: tuple[str, ...]) -> Callable[[World], World]:
    def apply(world: World) -> World:
        assert world.records is not None
        fresh = {subject: _release(world) for subject in subjects}
        records = replace(
            world.records,
            consents={**fresh, **world.records.consents},
            suppressed=world.records.suppressed - set(subjects),
            suppressions={
                subject: entries
                for subject, entries in world.records.suppressions.items()
                if subject not in subjects
            },
        )
        return replace(world, records=records)

    return apply


def _release(world: World) -> Consent:
    return Consent(
        consent_id=0,
        subject_commitment="",
        purposes=(world.operation.purpose or "",),
        galleries=("*",),
        client=None,
        notice_digest="0" * 64,
        retention_days=36_500,
        how="written-release",
        obtained_at=world.as_of,
        expires_at=None,
        withdrawn_at=None,
    )


def _with_evidence(world: World) -> World:
    assert world.records is not None
    row = needed(world)
    pairs = 0 if row is None else pairs_needed(row, world.records.faces)
    groups = max(2, 0 if row is None else row.groups)
    good = Evidence(
        pack_digest="",
        measured_on=world.day,
        impostor_pairs=pairs,
        genuine_pairs=0 if row is None else row.genuine_pairs,
        people=0 if row is None else row.people,
        differential=Differential(
            value=1.0,
            low=1.0,
            high=1.0,
            fmr_target=min(DIFFERENTIAL_FMR, 1 / max(1, world.records.faces)),
            groups=groups,
        ),
        splits=(Split(columns=tuple(ATTRIBUTES), groups=groups),),
    )
    records = replace(world.records, evidence=(good,), evidence_damaged=())
    return replace(world, records=records)


def _with_licence(change: Callable[[Licence], Licence]) -> Callable[[World], World]:
    def apply(world: World) -> World:
        assert world.records is not None
        assert world.records.licence is not None
        return replace(world, records=replace(world.records, licence=change(world.records.licence)))

    return apply


def _granting(world: World) -> World:
    operation = world.operation

    def grant(licence: Licence) -> Licence:
        return replace(
            licence,
            operations=(*licence.operations, operation.action),
            purposes=(*licence.purposes, operation.purpose or ""),
            galleries=("*",),
            jurisdictions=(*licence.jurisdictions, *operation.jurisdictions),
            valid_from=min(licence.valid_from, world.as_of),
            valid_until=max(licence.valid_until, world.as_of + timedelta(days=1)),
            revoked_at=None,
        )

    return _with_licence(grant)(world)


def _said(value: Fact) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
