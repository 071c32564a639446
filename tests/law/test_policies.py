"""Cedar's answers are taken fail-closed: what cannot be evaluated forbids."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import cedarpy
import pytest

from rightface.law import policies
from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation
from rightface.law.policies import RuleSet
from rightface.law.world import World

FACTS = {"licensed": True}
ASKED = Operation(
    action="verify-1to1",
    client=None,
    actor="private-entity",
    client_jurisdiction="US-TX",
    place_jurisdiction="US-TX",
    gallery_jurisdiction="US-TX",
    purpose="access-control",
)


def world(library: InstrumentLibrary) -> World:
    return World(
        operation=ASKED,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
        live=False,
        library=library,
        records=None,
        adopted=frozenset(),
    )


def test_without_the_licensed_fact_everything_is_refused() -> None:
    [said] = RuleSet(()).ask(["private-entity"], "detect", "US", {"licensed": False})
    assert not said.permitted
    [said] = RuleSet(()).ask(["private-entity"], "detect", "US", {})
    assert not said.permitted
    assert said.broken == ("",)
    [said] = RuleSet(()).ask(["private-entity"], "detect", "US", FACTS)
    assert said.permitted


def test_an_obligation_permits_nothing(library: InstrumentLibrary) -> None:
    rules = [
        rule for rule in library.instrument("us-il-bipa-2008").rules if rule.obligation is not None
    ]
    outside = ("government_contractor", "financial_institution", "health_care")
    facts = {"licensed": False, **dict.fromkeys(outside, False)}
    [said] = RuleSet(rules).ask(["private-entity"], "enroll", "US-IL", facts)
    assert [rule.rule_id for rule in said.fired] == ["15a-retention"]
    assert not said.permitted


def test_a_rule_that_cannot_be_evaluated_forbids(library: InstrumentLibrary) -> None:
    # A fact that is not there: Cedar reports an error and skips the policy.
    rules = library.instrument("us-il-bipa-2008").rules
    [said] = RuleSet(rules).ask(["private-entity"], "sell-data", "US-IL", FACTS)
    assert said.broken == ("us-il-bipa-2008#15c",)
    assert not said.permitted


def test_a_broken_rule_reaches_the_ruling_as_a_denial(
    library: InstrumentLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = world(library)
    assert judge(known).outcome == "allow"
    facts = known.facts(licensed=True)
    lacking = {n: v for n, v in facts.items() if n != "assembly"}
    monkeypatch.setattr(World, "facts", lambda self, *, licensed: lacking)
    ruling = judge(replace(known, operation=replace(ASKED, action="identify-1toN")))
    assert ruling.outcome == "deny"
    assert [reason.key for reason in ruling.reasons] == ["baseline-human-rights#protest-monitoring"]
    assert "could not be evaluated" in ruling.reasons[0].text


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "Deny", "diagnostics": {"reason": [], "errors": []}},
        {"decision": "NoDecision", "diagnostics": {"errors": ["failed to build request"]}},
        {"decision": "Allow", "diagnostics": {"reason": ["something-else"], "errors": []}},
        {"decision": "Allow", "diagnostics": {"reason": ["gate#licensed"], "errors": ["oops"]}},
        {"decision": "Allow", "diagnostics": {}},
    ],
)
def test_an_answer_that_is_not_a_clear_yes_is_a_no(
    library: InstrumentLibrary, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
) -> None:
    monkeypatch.setattr(
        cedarpy,
        "is_authorized_batch",
        lambda requests, *_: [cedarpy.AuthzResult(answer) for _ in requests],
    )
    unasked = library.only(library.instruments)  # of one that was asked, answers are remembered
    for _ in range(2):
        ruling = judge(world(unasked))
        assert ruling.outcome == "deny"
        assert ruling.reasons[0].instrument == "gate"
    monkeypatch.undo()
    assert judge(world(unasked)).outcome == "allow", "no such answer is remembered"


def test_the_same_question_is_asked_of_cedar_once(
    library: InstrumentLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    really = cedarpy.is_authorized_batch

    def counted(requests: list[dict[str, str]], *more: object) -> object:
        asked.append(len(requests))
        return really(requests, *more)

    monkeypatch.setattr(cedarpy, "is_authorized_batch", counted)
    rules = RuleSet([rule for one in library.instruments.values() for rule in one.rules])
    actors = ["private-entity", "law-enforcement-local", "private-entity"]
    licensed = dict(world(library).facts(licensed=True))
    first = rules.ask(actors, "verify-1to1", "US-TX", licensed)
    assert rules.ask(actors, "verify-1to1", "US-TX", licensed) == first
    assert asked == [2], "the third actor is the first again"
    unlicensed = rules.ask(actors, "verify-1to1", "US-TX", {**licensed, "licensed": False})
    assert [said.permitted for said in unlicensed] == [False] * 3
    assert rules.ask(actors, "verify-1to1", "US-TX", licensed) == first
    assert asked == [2, 2]
    for number in range(policies._KEPT + 10):
        rules.ask(["private-entity"], "verify-1to1", f"US-{number}", licensed)
    assert len(rules._known) == policies._KEPT


def test_reasons_come_in_a_stable_order(library: InstrumentLibrary) -> None:
    rules = library.in_force(date(2026, 1, 1), frozenset({"US-CA-SF"}), library.commitments)
    facts = {
        **world(library).facts(licensed=True),
        "purpose": "racial-profiling",
        "consequential": True,
        "gallery_source": "scraped",
        "assembly": True,
    }
    orders = set()
    for _ in range(50):
        [said] = rules.ask(["law-enforcement-local"], "identify-1toN", "US-CA-SF", facts)
        orders.add(tuple(rule.key for rule in said.fired))
    assert len(orders) == 1
    assert len(orders.pop()) >= 6  # enough for an order to show
