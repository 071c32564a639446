"""What must hold of every decision, whatever is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightface.errors import LawError
from rightface.law.evidence import Differential, Evidence
from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation, Party
from rightface.law.ruling import Outcome, Ruling
from rightface.law.steps.obligations import merge
from rightface.law.world import World
from rightface.permit import Permit
from tests.law.conftest import Instance
from tests.law.worlds import (
    ACTORS,
    DECLARABLE,
    GALLERIES,
    LIBRARY,
    PLACES,
    WORDS,
    any_question,
    any_world,
    operation,
    seeds,
)

RANK: dict[Outcome, int] = {"deny": 0, "require-duty": 1, "allow": 2}


def rank(ruling: Ruling) -> int:
    return RANK[ruling.outcome]


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.binary())


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(st.sampled_from(sorted(Operation.__dataclass_fields__)), ANYTHING, max_size=6)
)
def test_any_operation_is_answered_or_malformed(instance: Instance, changed: Any) -> None:
    whole = {
        "action": "identify-1toN",
        "client": "acme",
        "actor": "private-entity",
        "client_jurisdiction": "US-TX",
        "place_jurisdiction": "US-TX",
        "gallery_jurisdiction": "US-TX",
        "licence_id": "lic-1",
    }
    try:
        answer = instance.gate.decide(Operation(**{**whole, **changed}))
    except LawError:
        return
    assert not isinstance(answer, Permit), "there is no licence at all"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seeds)
def test_no_permit_without_a_grant(instance: Instance, seed: int) -> None:
    rng = Random(seed)
    licence = rng.choice(_held(instance))
    asked = operation(rng, client="acme")
    asked = replace(asked, licence_id=licence.licence_id, conditions={})
    answer = instance.gate.decide(asked)
    if isinstance(answer, Permit) and asked.action != "erase":
        assert asked.action in WORDS.granted(licence.operations)
        assert asked.purpose in licence.purposes
        assert asked.gallery is None or asked.gallery.startswith("staff")
        assert asked.warrant == "none"
        assert asked.actor == licence.sector


def _held(instance: Instance) -> list[Any]:
    if not getattr(instance, "held", None):
        instance.held = [  # type: ignore[attr-defined]
            instance.licence(jurisdictions=["US", "EU", "GB", "JP"]),
            instance.licence(operations=["detect"], jurisdictions=["US"]),
            instance.licence(sector="school", basis="public-task", jurisdictions=["US"]),
        ]
    return instance.held  # type: ignore[attr-defined,no-any-return]


@settings(max_examples=500, deadline=None)
@given(any_world, st.data())
def test_removing_a_permission_never_allows_more(world: World, data: st.DataObject) -> None:
    if world.records is None or world.records.licence is None:
        return
    licence = world.records.licence
    field = data.draw(st.sampled_from(["operations", "purposes", "galleries", "jurisdictions"]))
    granted = getattr(licence, field)
    if not granted:
        return
    gone = data.draw(st.sampled_from(granted))
    rest: Any = {field: tuple(one for one in granted if one != gone)}
    less = replace(licence, **rest)
    poorer = replace(world, records=replace(world.records, licence=less))
    assert rank(judge(poorer)) <= rank(judge(world))


@settings(max_examples=500, deadline=None)
@given(any_world, st.sampled_from(["consents", "duties", "evidence", "licence"]))
def test_losing_a_record_never_allows_more(world: World, what: str) -> None:
    assert world.records is not None
    empty: dict[str, Any] = {"consents": {}, "duties": frozenset(), "evidence": ()}
    if what == "licence":
        # Without a licence its own chain and place are not known either; nothing is allowed.
        poorer = replace(world, records=replace(world.records, licence=None))
        assert judge(poorer).outcome == "deny"
        return
    # A true match rate that was measured can tell against it: Virginia asks for 98 % of each group.
    told = tuple(replace(one, lowest_tmr=None) for one in world.records.evidence)
    records = replace(world.records, evidence=told)
    poorer = replace(world, records=replace(records, **{what: empty[what]}))
    assert rank(judge(poorer)) <= rank(judge(replace(world, records=records)))


@settings(max_examples=500, deadline=None)
@given(any_world, st.integers(0, 10**6))
def test_a_larger_gallery_never_allows_more(world: World, more: int) -> None:
    assert world.records is not None
    larger = replace(world, records=replace(world.records, faces=world.records.faces + more))
    assert rank(judge(larger)) <= rank(judge(world))


@settings(max_examples=500, deadline=None)
@given(any_world, st.floats(1, 1000))
def test_a_licence_limit_never_allows_more(world: World, limit: float) -> None:
    assert world.records is not None
    licence = world.records.licence
    if licence is None:
        return
    held = licence.differential_limit or limit
    stricter = replace(licence, differential_limit=min(held, limit))
    limited = replace(world, records=replace(world.records, licence=stricter))
    assert rank(judge(limited)) <= rank(judge(world))


@settings(max_examples=500, deadline=None)
@given(any_world)
def test_a_bad_measurement_is_not_hidden_by_a_better_one(world: World) -> None:
    assert world.records is not None
    bad = Evidence(
        pack_digest="",
        measured_on=world.day,
        impostor_pairs=10**9,
        genuine_pairs=1,
        people=10**5,
        differential=Differential(value=182, low=150, high=200, fmr_target=1e-3, groups=10),
    )
    with_bad = replace(world.records, evidence=(*world.records.evidence, bad))
    ruling = judge(replace(world, records=with_bad))
    if ruling.allowed and world.operation.action in ("identify-1toN", "identify-live"):
        assert world.records.faces <= 1_000
        assert world.basis == "consent-warranted"


@settings(max_examples=500, deadline=None)
@given(any_question, st.sampled_from(sorted(LIBRARY.instruments)))
def test_adding_an_instrument_never_allows_more(world: World, added: str) -> None:
    fewer = LIBRARY.only(one for one in LIBRARY.instruments if one != added)
    assert rank(judge(world)) <= rank(judge(replace(world, library=fewer)))


@settings(max_examples=300, deadline=None)
@given(any_question, st.sampled_from(sorted(LIBRARY.instruments)))
def test_an_instrument_outside_its_interval_is_silent(world: World, one: str) -> None:
    instrument = LIBRARY.instrument(one)
    alone = replace(world, library=LIBRARY.only([one]))
    ruling = judge(alone)
    if not instrument.on(world.day):
        assert ruling.outcome == "allow"
        assert ruling.instruments == ruling.in_force == ()


@settings(max_examples=500, deadline=None)
@given(any_question, st.lists(st.sampled_from(ACTORS), min_size=1, max_size=3))
def test_a_chain_is_as_restricted_as_its_most_restricted_member(
    world: World, behind: list[str]
) -> None:
    asked = replace(world.operation, parties=())
    members = [
        rank(judge(replace(world, operation=replace(asked, actor=actor))))
        for actor in [asked.actor, *behind]
    ]
    chain = replace(asked, parties=tuple(Party("P", actor) for actor in behind))
    together = rank(judge(replace(world, operation=chain)))
    assert together == min(members)


@settings(max_examples=300, deadline=None)
@given(any_question, st.sampled_from(PLACES))
def test_happening_in_more_places_never_allows_more(world: World, place: str) -> None:
    asked = world.operation
    here = replace(
        asked, place_jurisdiction=asked.client_jurisdiction,
        gallery_jurisdiction=asked.client_jurisdiction,
    )  # fmt: skip
    also = replace(here, gallery_jurisdiction=place)
    assert rank(judge(replace(world, operation=also))) <= rank(
        judge(replace(world, operation=here))
    )


@settings(max_examples=300, deadline=None)
@given(any_question)
def test_a_narrower_place_is_never_allowed_more(world: World) -> None:
    wide = replace(
        world.operation,
        client_jurisdiction="US-CA",
        place_jurisdiction="US-CA",
        gallery_jurisdiction="US-CA",
    )
    narrow = replace(
        wide, client_jurisdiction="US-CA-SF", place_jurisdiction="US-CA-SF",
        gallery_jurisdiction="US-CA-SF",
    )  # fmt: skip
    assert rank(judge(replace(world, operation=narrow))) <= rank(
        judge(replace(world, operation=wide))
    )


@settings(max_examples=300, deadline=None)
@given(any_world)
def test_every_no_says_why_and_what_would_change_it(world: World) -> None:
    ruling = judge(world)
    assert (ruling.outcome == "allow") == (not ruling.reasons)
    for reason in ruling.reasons:
        assert reason.instrument and reason.section and reason.citation
        assert reason.rule and reason.text and reason.change
        assert not any(subject in repr(reason) for subject in ("alice", "bob", "carol"))
    assert set(ruling.missing) == {reason.duty for reason in ruling.reasons if reason.duty}
    if not ruling.allowed:
        assert ruling.obligations == ()


@settings(max_examples=300, deadline=None)
@given(any_world)
def test_the_same_question_has_the_same_answer(world: World) -> None:
    assert judge(world) == judge(replace(world))


@settings(max_examples=300, deadline=None)
@given(any_world)
def test_a_live_operation_is_allowed_no_more_than_the_question(world: World) -> None:
    asked = replace(world.operation, conditions={})
    live = judge(replace(world, operation=asked, live=True))
    question = judge(replace(world, operation=asked, live=False))
    if live.allowed and not question.allowed:  # only what this service performs itself was missing
        assert set(question.missing) <= REVIEWED
        assert question.outcome == "require-duty"
        assert asked.action == "identify-1toN"
        assert reviewers(live) >= max(WORDS.duties[duty].reviewers for duty in question.missing)
        question = judge(replace(world, operation=replace(asked, conditions=STATED), live=False))
    assert rank(live) <= rank(question)


@settings(max_examples=500, deadline=None)
@given(any_world)
def test_a_review_that_is_asked_for_can_be_held_or_nothing_is_allowed(world: World) -> None:
    asked = replace(world.operation, conditions={})
    live = judge(replace(world, operation=asked, live=True))
    assert world.records is not None
    if live.allowed and reviewers(live):
        assert asked.action == "identify-1toN"
        assert reviewers(live) <= world.records.reviewers
        nobody = replace(world.records, reviewers=0)
        without = judge(replace(world, operation=asked, live=True, records=nobody))
        assert "review#too-few-reviewers" in [reason.key for reason in without.reasons]
        assert without.outcome == "require-duty"


@settings(max_examples=500, deadline=None)
@given(any_world, st.integers(1, 5))
def test_fewer_reviewers_never_allow_more(world: World, gone: int) -> None:
    assert world.records is not None
    less = replace(world.records, reviewers=max(0, world.records.reviewers - gone))
    assert rank(judge(replace(world, records=less))) <= rank(judge(world))


REVIEWED = {name for name, duty in WORDS.duties.items() if duty.reviewers}
STATED: dict[str, Any] = {"duties": tuple(sorted(REVIEWED))}


def reviewers(ruling: Ruling) -> float:
    return max((one.value for one in ruling.obligations if one.kind == "human-review"), default=0)


def test_obligations_merge_to_the_strictest() -> None:
    from rightface.law.ruling import Obligation

    told = [
        Obligation("retention-days", 1095, "a"),
        Obligation("retention-days", 30, "b"),
        Obligation("human-review", 1, "a"),
        Obligation("human-review", 2, "c"),
        Obligation("similarity-floor", 1e-3, "a"),
        Obligation("similarity-floor", 1e-5, "d"),
        Obligation("max-candidates", 20, "a"),
        Obligation("max-candidates", 5, "e"),
    ]
    merged = {one.kind: (one.value, one.instrument) for one in merge(told)}
    assert merged == {
        "retention-days": (30, "b"),
        "human-review": (2, "c"),
        "similarity-floor": (1e-5, "d"),
        "max-candidates": (5, "e"),
    }
    assert merge(reversed(told)) == merge(told)
    assert merge([]) == ()


@pytest.mark.parametrize("effect", ["forbid", "duty"])
def test_adding_an_operators_own_rule_never_allows_more(tmp_path: Path, effect: str) -> None:
    folder = tmp_path / "own-rule"
    folder.mkdir()
    duty = 'duty = "annual-surveillance-report"\n' if effect == "duty" else ""
    lifted = 'duties = { lacks = "annual-surveillance-report" }' if duty else "realtime = true"
    (folder / "instrument.toml").write_text(
        'id = "own-rule"\nname = "n"\nkind = "operator-rule"\njurisdiction = "*"\n'
        'citation = "c"\nconfidence = "own"\nsummary = "s"\neffective_from = 2015-01-01\n'
        f'[[rules]]\nid = "1"\neffect = "{effect}"\n{duty}actors = ["everyone"]\n'
        f'operations = []\nwhen = [{{ {lifted} }}]\nc = "own"\n'
    )
    note = '@duty("annual-surveillance-report")\n' if duty else ""
    when = '!context.duties.contains("annual-surveillance-report")' if duty else "context.realtime"
    (folder / "policy.cedar").write_text(
        f'@id("1")\n@section("1")\n@citation("c")\n@text("t")\n@change("c")\n{note}'
        f"forbid (principal, action, resource) when {{ {when} }};\n"
    )
    (folder / "cases.yaml").write_text("[]\n")
    more = InstrumentLibrary.load(tmp_path)
    for realtime in (True, False):
        for gallery in GALLERIES:
            asked = Operation(
                action="verify-1to1",
                client=None,
                actor="private-entity",
                client_jurisdiction="US-TX",
                place_jurisdiction="US-TX",
                gallery_jurisdiction="US-TX",
                purpose="access-control",
                gallery=gallery,
                realtime=realtime,
            )
            world = World(
                operation=asked,
                as_of=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=realtime),
                live=False,
                library=LIBRARY,
                records=None,
                adopted=frozenset(),
            )
            before, after = judge(world), judge(replace(world, library=more))
            assert before.outcome == "allow"
            wanted: Outcome = "require-duty" if duty else "deny" if realtime else "allow"
            assert after.outcome == wanted


@settings(max_examples=2_000, deadline=None)
@given(any_world, st.sampled_from(DECLARABLE))
def test_what_a_client_declares_never_allows_more(world: World, said: tuple[str, Any]) -> None:
    plain = replace(world.operation, declared={}, conditions={})
    silent = replace(world, operation=plain)
    telling = replace(world, operation=replace(plain, declared=dict([said])))
    assert rank(judge(telling)) <= rank(judge(silent))
