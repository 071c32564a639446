"""Explanations: complete, readable, and right about what would change the answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rightface.law.decide import Desk
from rightface.law.explain import Explanation, explain
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Party
from rightface.law.question import question
from tests.law.conftest import NOW, Instance

POLICE = {
    "actor": "law-enforcement-local",
    "jurisdiction": "US-CA-SF",
    "operation": "search",
    "purpose": "criminal-investigation",
    "as_of": "2026-11-22",
}


def explained(library: InstrumentLibrary, told: dict[str, Any], **changed: Any) -> Explanation:
    return explain(Desk(library), question({**told, **changed}))


def singles(explanation: Explanation) -> dict[str, str]:
    return {
        change.told[0]: change.outcome for change in explanation.changes if len(change.told) == 1
    }


def test_it_tells_everything(library: InstrumentLibrary) -> None:
    text = explained(library, POLICE).text()
    for said in (
        "Refused.",
        "S.F. Admin. Code 19B.2(d)",
        "from 2019-06-30 (approximate)",
        "unverified in part",
        "https://",
        "licences are left out",
        "2 instruments: deny",
        "Missing: human-review",
    ):
        assert said in text
    json.dumps(explained(library, POLICE).to_json())


def test_the_day_before_is_another_answer(library: InstrumentLibrary) -> None:
    assert singles(explained(library, POLICE))["it were 2019-06-29"] == "require-duty"


def test_groups_of_changes_lead_to_yes(library: InstrumentLibrary) -> None:
    groups = [change for change in explained(library, POLICE).changes if len(change.told) > 1]
    assert groups
    assert {change.outcome for change in groups} == {"allow"}
    assert any("the duty human-review was met" in change.told for change in groups)


def test_who_stands_behind_is_what_would_have_to_change(library: InstrumentLibrary) -> None:
    told = {
        "actor": "government-agency",
        "jurisdiction": "US-TX",
        "parties": ["Metro PD:law-enforcement-local"],
        "operation": "search",
        "purpose": "access-control",
        "as_of": "2026-11-22",
        "commitments": ["microsoft-police-commitment-2020"],
    }
    explanation = explained(library, told)
    assert singles(explanation)["Metro PD did not stand behind the client"] == "allow"
    assert "Metro PD (law-enforcement-local) stands behind the client" in explanation.text()


def test_a_written_release_and_a_policy_are_found(library: InstrumentLibrary) -> None:
    told = {
        "actor": "private-entity",
        "jurisdiction": "US-IL",
        "operation": "enroll",
        "purpose": "access-control",
        "as_of": "2026-11-22",
        "commitments": "none",
    }
    explanation = explained(library, told)
    assert singles(explanation)["written_release were true"] == "require-duty"
    assert any(
        set(change.told)
        == {"written_release were true", "the duty public-retention-policy was met"}
        for change in explanation.changes
    )


def test_what_is_allowed_needs_no_change(library: InstrumentLibrary) -> None:
    explanation = explained(library, POLICE, operation="detect")
    assert explanation.ruling.outcome == "allow"
    assert explanation.changes == ()
    assert "Allowed." in explanation.text()


def test_nothing_lifts_some_prohibitions(library: InstrumentLibrary) -> None:
    explanation = explained(library, POLICE, operation="infer-attributes", jurisdiction="DE")
    assert explanation.changes == ()
    assert "Nothing that was tried" in explanation.text()


def test_every_change_told_is_true(library: InstrumentLibrary) -> None:
    # Check single changes of stated facts by asking again with the fact stated.
    told = {**POLICE, "jurisdiction": "US-TX", "assembly": True, "duties": ["human-review"],
            "commitments": "none"}  # fmt: skip
    explanation = explained(library, told)
    assert singles(explanation)["assembly were false"] == "allow"
    again = explained(library, {**told, "assembly": False})
    assert again.ruling.outcome == "allow"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"subjects": ["bob"]}, "each person named gave a written release for this purpose"),
        ({"purpose": "attendance"}, "the purpose were access-control"),
        ({"operation": "watch"}, "the licence granted it"),
        ({"as_of": NOW + timedelta(days=9999)}, "the licence granted it"),
        ({"operation": "search", "evidence": None}, "the model had been measured well and lately"),
    ],
)
def test_records_that_would_help(instance: Instance, changed: dict[str, Any], wanted: str) -> None:
    instance.licence()
    instance.consent("alice")
    told: dict[str, Any] = {
        "client": "acme",
        "operation": "enroll",
        "purpose": "access-control",
        "gallery": "staff",
        "subjects": ["alice"],
        "as_of": NOW,
    } | changed
    if "evidence" in told:
        instance.evidence = told.pop("evidence")
    explanation = explain(Desk(instance.library, instance.gate), question(told))
    assert explanation.ruling.outcome != "allow"
    assert any(
        name.startswith(wanted) and outcome == "allow"
        for name, outcome in singles(explanation).items()
    )
    assert instance.recorded == []


def test_a_party_of_the_licence(instance: Instance) -> None:
    instance.adopt()
    instance.licence(
        sector="government-agency", parties=[Party("Metro PD", "law-enforcement-local")]
    )
    told = {"client": "acme", "operation": "search", "purpose": "access-control",
            "gallery": "staff", "as_of": NOW}  # fmt: skip
    explanation = explain(Desk(instance.library, instance.gate), question(told))
    assert singles(explanation)["Metro PD did not stand behind the client"] == "allow"


def test_no_person_is_named(instance: Instance) -> None:
    instance.licence()
    told = {
        "client": "acme",
        "operation": "enroll",
        "purpose": "access-control",
        "gallery": "staff",
        "subjects": ["grace.hopper@navy.mil"],
        "as_of": NOW,
    }
    explanation = explain(Desk(instance.library, instance.gate), question(told))
    assert "grace" not in explanation.text()
    assert "grace" not in json.dumps(explanation.to_json())


def test_consent_is_looked_at_again_for_another_purpose(instance: Instance) -> None:
    # Consent is for one purpose: a change of purpose does not carry it along.
    instance.licence(purposes=["attendance", "access-control"])
    instance.consent("alice", purposes=["attendance"])
    told = {"client": "acme", "operation": "enroll", "purpose": "access-control",
            "gallery": "staff", "subjects": ["alice"], "as_of": NOW}  # fmt: skip
    explanation = explain(Desk(instance.library, instance.gate), question(told))
    assert singles(explanation)["the purpose were attendance"] == "allow"
    other = explain(Desk(instance.library, instance.gate), question({**told, "subjects": ["bob"]}))
    assert "the purpose were attendance" not in singles(other)
