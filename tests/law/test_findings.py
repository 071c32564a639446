"""Findings: a match is only a lead, and so is all that follows from it, however long the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from rightface.errors import LawError
from rightface.law import findings
from rightface.law.decide import Desk
from rightface.law.findings import FindingTerms
from rightface.law.gate import Gate
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.operation import Operation
from rightface.law.provenance import Finding, Provenance
from rightface.law.question import question
from rightface.permit import Permit
from tests.law.conftest import NOTICE, NOW, Instance, keys, operation

RULE = Path(__file__).parents[1] / "instruments"
ARREST = "test-search-needs-a-warrant#arrest"
LEAD = "baseline-human-rights#lead"
SEARCHES = {("sheriff", 7), ("sheriff", 8), ("other", 9)}


def searched(_: object, client: str, index: int) -> bool:
    return (client, index) in SEARCHES


@pytest.fixture
def police(instance: Instance) -> Licence:
    """A sheriff's licence to arrest, where an operator's rule asks for independent evidence."""
    instance.gate = Gate(
        instance.database,
        instance.keyring,
        InstrumentLibrary.load(RULE),
        instance.record,
        lambda: () if instance.evidence is None else (instance.evidence,),
        lambda: instance.now,
        searched=searched,
    )
    return instance.licence(
        client="sheriff",
        sector="law-enforcement-local",
        operations=["arrest-on-match", "identify-1toN"],
        purposes=["criminal-investigation"],
        basis="public-task",
    )


def put(instance: Instance, *parents: str, **changed: Any) -> str:
    told: dict[str, Any] = {
        "client": "sheriff",
        "kind": "line-up",
        "document_digest": NOTICE,
        "parents": parents,
    }
    made = instance.database.write(
        lambda session: findings.record(
            session,
            instance.keyring,
            FindingTerms(**(told | changed)),
            at=instance.now,
            searched=searched,
        )
    )
    return made.finding_id


def arrest(licence: Licence, *cited: str, **changed: Any) -> Operation:
    return operation(licence, "arrest-on-match", gallery=None, findings=cited, **changed)


def trace(instance: Instance, *cited: str, client: str = "sheriff") -> Provenance:
    with instance.database.read() as session:
        return findings.trace(session, instance.keyring, client, cited, searched)


# ---------------------------------------------------------------- any chain
def chain(parents: Mapping[str, Sequence[str]], searches: frozenset[str]) -> Provenance:
    made = {
        name: Finding(
            finding_id=name,
            client="sheriff",
            kind="other",
            parents=tuple(above),
            document_digest=NOTICE,
            found_at=NOW,
            recorded_at=NOW,
        )
        for name, above in parents.items()
    }
    return Provenance(cited=(*made, *searches), findings=made, searches=searches)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Any directed graph without circles: each finding rests on some that came before it."""
    drawn: dict[str, list[str]] = {}
    for number in range(draw(st.integers(1, 14))):
        above = st.sampled_from([*drawn, "search:1", "search:2"])
        drawn[f"f{number}"] = draw(st.lists(above, max_size=4))
    order = draw(st.permutations(list(drawn)))  # the records come in no particular order
    return {name: drawn[name] for name in order}


def reaches(name: str, parents: Mapping[str, Sequence[str]], wanted: frozenset[str]) -> bool:
    return name in wanted or any(reaches(one, parents, wanted) for one in parents.get(name, ()))


@given(graphs())
def test_what_reaches_a_search_is_derived(parents: dict[str, list[str]]) -> None:
    searches = frozenset({"search:1", "search:2"})
    known = chain(parents, searches)
    assert known.unknown == ()
    for name in parents:
        derived = reaches(name, parents, searches)
        assert known.origin[name] == ("derived-from-match" if derived else "independent")
    independent = [name for name in parents if not reaches(name, parents, searches)]
    assert known.other_evidence == ("independent" if independent else "derived-from-match")
    tainted = replace(known, cited=tuple(n for n in parents if n not in independent))
    assert tainted.other_evidence == ("derived-from-match" if tainted.cited else None)


@given(graphs(), st.sampled_from(["search:1", "search:2", "f0", "f1", "f2"]))
def test_a_gap_is_never_evidence(parents: dict[str, list[str]], gone: str) -> None:
    left = {name: above for name, above in parents.items() if name != gone}
    known = chain(left, frozenset({"search:1", "search:2"} - {gone}))
    known = replace(known, cited=tuple(parents))
    for name in parents:
        broken = reaches(name, parents, frozenset({gone}))
        assert (name in known.unknown) is broken
        assert (name in known.origin) is not broken


@given(graphs(), st.data())
def test_another_parent_never_makes_it_independent(
    parents: dict[str, list[str]], data: st.DataObject
) -> None:
    searches = frozenset({"search:1", "search:2"})
    name = data.draw(st.sampled_from(sorted(parents)))
    before = chain(parents, searches).origin[name]
    after = chain({**parents, name: [*parents[name], "search:1"]}, searches).origin[name]
    assert after == "derived-from-match"
    assert before in ("independent", after)


def test_what_rests_on_itself_is_no_evidence() -> None:
    known = chain({"a": ["b"], "b": ["a"], "c": ["b"], "d": []}, frozenset())
    assert known.unknown == ("a", "b", "c")
    assert dict(known.origin) == {"d": "independent"}


def test_a_chain_of_thousands() -> None:
    names = [f"f{number}" for number in range(5_000)]
    above = {name: [before] for name, before in zip(names, ["search:1", *names], strict=False)}
    assert chain(above, frozenset({"search:1"})).origin[names[-1]] == "derived-from-match"


# ---------------------------------------------------------------- on record
def test_a_chain_on_record(instance: Instance) -> None:
    line_up = put(instance, "search:7")
    confession = put(instance, line_up, kind="confession")
    witness = put(instance, kind="witness")
    mixed = put(instance, witness, confession)
    known = trace(instance, mixed, witness, "search:8")
    assert set(known.findings) == {line_up, confession, witness, mixed}
    assert known.searches == {"search:7", "search:8"}
    assert known.origin[mixed] == known.origin[line_up] == "derived-from-match"
    assert known.origin[witness] == "independent"
    assert known.unknown == ()
    with instance.database.read() as session:
        listed = findings.all_findings(session, instance.keyring, "sheriff")
        assert findings.all_findings(session, instance.keyring, "other") == []
        one = findings.find(session, instance.keyring, line_up)
        assert findings.find(session, instance.keyring, "fnd-none") is None
    assert one in listed
    assert len(listed) == 4


BAD: dict[str, dict[str, Any]] = {
    "no_such_kind": {"kind": "hunch"},
    "no_digest": {"document_digest": "x"},
    "a_name_as_client": {"client": "the sheriff"},
    "found_tomorrow": {"found_at": NOW + timedelta(days=1)},
    "no_time_zone": {"found_at": NOW.replace(tzinfo=None)},
    "another_clients_search": {"parents": ("search:9",)},
    "no_search": {"parents": ("search:6",)},
    "a_negative_search": {"parents": ("search:-7",)},
    "a_search_written_otherwise": {"parents": ("search:07",)},
    "other_digits": {"parents": ("search:٧",)},
    "an_endless_search": {"parents": ("search:" + "9" * 40,)},
    "no_finding": {"parents": ("fnd-" + "0" * 24,)},
    "prose": {"parents": ("what Alice said",)},
    "too_many": {"parents": tuple(f"search:{number}" for number in range(101))},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_malformed_is_not_recorded(instance: Instance, name: str) -> None:
    with pytest.raises(LawError) as caught:
        put(instance, **BAD[name])
    assert "Alice" not in caught.value.diagnostics()
    with instance.database.read() as session:
        assert findings.all_findings(session, instance.keyring) == []


def test_nothing_rests_on_another_clients_finding(instance: Instance) -> None:
    foreign = put(instance, client="other")
    with pytest.raises(LawError, match=foreign):
        put(instance, foreign)


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body, '\"search:7\"', '')",
        "client = 'other'",
        "finding_id = 'fnd-000000000000000000000000'",
        "signature = :no_signature",
        "signature = 'text'",
        "body = '{}'",
    ],
)
def test_a_changed_row_is_not_there(instance: Instance, change: str) -> None:
    line_up = put(instance, "search:7")
    later = put(instance, line_up)
    instance.database.write(
        lambda session: session.execute(
            text(f"UPDATE findings SET {change} WHERE finding_id = '{line_up}'"),
            {"no_signature": b"\0"} if ":no_signature" in change else {},
        )
    )
    known = trace(instance, line_up, later)
    assert known.unknown == (line_up, later)
    assert known.other_evidence == "none"
    with instance.database.read() as session:
        listed = findings.all_findings(session, instance.keyring)
    assert [each.finding is None for each in listed].count(True) == 1


# ---------------------------------------------------------------- at the gate
def test_an_arrest_needs_evidence_of_another_source(instance: Instance, police: Licence) -> None:
    line_up = put(instance, "search:7")
    confession = put(instance, line_up, kind="confession")
    witness = put(instance, kind="witness")
    for cited in ((), ("search:7",), (line_up,), (confession, "search:7"), (line_up, confession)):
        assert keys(instance.refused(arrest(police, *cited))) == [LEAD, ARREST], cited
    permit = instance.decide(arrest(police, "search:7", confession, witness))
    assert isinstance(permit, Permit)
    assert permit.touches == frozenset()
    assert instance.recorded[-1][1].relied_on == ("search:7", confession, witness)


def test_what_is_unknown_refuses_and_is_named(instance: Instance, police: Licence) -> None:
    witness = put(instance, kind="witness")
    foreign = put(instance, client="other")
    for unknown in (foreign, "fnd-" + "0" * 24, "search:9", "search:6"):
        refusal = instance.refused(arrest(police, witness, unknown))
        assert keys(refusal) == ["evidence#unknown-finding"]
        assert unknown in refusal.message
        assert refusal.ruling.relied_on == (witness,)
        alone = instance.refused(arrest(police, unknown))
        assert set(keys(alone)) == {"evidence#unknown-finding", ARREST, LEAD}
    told = instance.refused(arrest(police, "Alice Example")).message
    assert "Alice" not in told


def test_an_unknown_finding_spoils_a_search_too(instance: Instance, police: Licence) -> None:
    asked = operation(police, findings=("fnd-" + "0" * 24,))
    instance.evidence = None
    told = keys(instance.refused(asked))
    assert {"evidence#unknown-finding", "evidence#accuracy"} <= set(told)
    forgetting = operation(police, "erase", findings=("fnd-" + "0" * 24,))
    assert isinstance(instance.decide(forgetting), Permit)


def test_without_a_ledger_no_search_is_known(instance: Instance, police: Licence) -> None:
    plain = instance.with_library(InstrumentLibrary.load(RULE))
    refusal = plain.decide(arrest(police, "search:7"))
    assert not isinstance(refusal, Permit)
    assert "evidence#unknown-finding" in keys(refusal)


def test_detroit_asks_for_more_than_a_match(instance: Instance, police: Licence) -> None:
    # The settlement of Williams v. Detroit, across requests: search, line-up, arrest.
    settlement = "detroit-williams-settlement-2024"
    detroit = instance.licence(
        client="sheriff",
        sector="law-enforcement-local",
        jurisdiction="US-MI-DETROIT",
        operations=["arrest-on-match", "lineup-on-match"],
        purposes=["criminal-investigation"],
        basis="public-task",
    )
    line_up, location = put(instance, "search:7"), put(instance, kind="location-data")
    for cited in ((), ("search:7",), ("search:7", line_up)):
        refusal = instance.refused(arrest(detroit, *cited))
        assert refusal.ruling.outcome == "deny"
        assert f"{settlement}#arrest" in keys(refusal)
    asked = operation(
        detroit, "lineup-on-match", gallery=None, findings=("search:7", location, line_up)
    )
    refusal = instance.refused(asked)
    assert refusal.ruling.outcome == "require-duty"
    assert refusal.ruling.missing == ("disclosure-to-defence",)


def test_questions_cite_findings(instance: Instance, police: Licence) -> None:
    line_up, witness = put(instance, "search:7"), put(instance, kind="witness")
    desk = Desk(InstrumentLibrary.load(RULE), instance.gate, clock=lambda: NOW)
    told = {
        "client": "sheriff",
        "operation": "arrest-on-match",
        "purpose": "criminal-investigation",
        "as_of": NOW,
    }
    for cited, outcome in (([line_up], "deny"), ([line_up, witness], "allow"), ([], "deny")):
        answer = desk.answer(question({**told, "findings": cited}))
        assert answer.ruling.outcome == outcome
    with pytest.raises(LawError, match="no client"):
        question({"operation": "arrest-on-match", "findings": [witness]})
