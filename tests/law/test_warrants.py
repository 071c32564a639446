"""Warrants, orders and emergencies: what may be recorded, what it covers, what is never told."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from rightface.errors import LawError
from rightface.law import warrant_records
from rightface.law.gate import Gate
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.operation import Operation
from rightface.law.ruling import Refusal
from rightface.law.vocabulary import Vocabulary
from rightface.law.warrant_records import Listed, WarrantTerms
from rightface.law.warrants import Warrant
from rightface.permit import Permit
from tests.law.conftest import NOTICE, NOW, Instance, keys, operation

WORDS = Vocabulary.load()
ISSUER, NUMBER = "District Court of Nowhere", "2026-CR-0017"
RULE = Path(__file__).parents[1] / "instruments"


def terms(**changed: Any) -> WarrantTerms:
    told: dict[str, Any] = {
        "kind": "warrant",
        "issuer": ISSUER,
        "number": NUMBER,
        "client": "sheriff",
        "operations": ["search"],
        "purposes": ["identify-deceased"],
        "galleries": ["staff*"],
        "jurisdictions": ["US-TX"],
        "valid_from": NOW - timedelta(hours=1),
        "valid_until": NOW + timedelta(days=30),
        "document_digest": NOTICE,
    }
    if changed.get("kind") == "exigent":
        told["limit_hours"] = 24
    return WarrantTerms(**(told | changed))


def put(instance: Instance, **changed: Any) -> Warrant:
    return instance.database.write(
        lambda session: warrant_records.record(
            session, instance.keyring, terms(**changed), at=instance.now
        )
    )


def found(instance: Instance, warrant_id: str) -> Listed | None:
    with instance.database.read() as session:
        return warrant_records.find(session, instance.keyring, warrant_id)


@pytest.fixture
def police(instance: Instance) -> Licence:
    """A sheriff's licence, and a rule of the operator's: searches need a warrant."""
    instance.gate = _gate(instance)
    return instance.licence(
        client="sheriff",
        sector="law-enforcement-local",
        purposes=["identify-deceased"],
        basis="public-task",
    )


def _gate(instance: Instance) -> Gate:
    return instance.with_library(InstrumentLibrary.load(RULE))


def ask(licence: Licence, on: Warrant | str | None = None, /, **changed: Any) -> Operation:
    named = on.warrant_id if isinstance(on, Warrant) else on
    return operation(licence, **({"warrant_id": named} | changed))


# ---------------------------------------------------------------- storage
def test_what_is_recorded_is_read_again(instance: Instance) -> None:
    made = put(instance, conditions={"offence": "homicide", "imminent_threat": True})
    assert made.warrant_id.startswith("wrt-")
    assert made.operations == ("identify-1toN",)
    assert made.state(NOW) == "holds"
    assert found(instance, made.warrant_id) == Listed(made.warrant_id, "sheriff", made)
    assert found(instance, "wrt-nothing") is None
    other = put(instance, client="other")
    with instance.database.read() as session:
        listed = warrant_records.all_warrants(session, instance.keyring)
        own = warrant_records.all_warrants(session, instance.keyring, "sheriff")
    assert {each.warrant_id for each in listed} == {made.warrant_id, other.warrant_id}
    assert [each.warrant for each in own] == [made]


BAD: dict[str, dict[str, Any]] = {
    "no_such_kind": {"kind": "letter"},
    "none_is_no_kind": {"kind": "none"},
    "no_such_operation": {"operations": ["spy"]},
    "no_operation": {"operations": []},
    "no_such_purpose": {"purposes": ["curiosity"]},
    "no_purpose": {"purposes": []},
    "no_such_place": {"jurisdictions": ["Texas"]},
    "no_place": {"jurisdictions": []},
    "an_empty_gallery": {"galleries": [""]},
    "a_gallery_of_two_lines": {"galleries": ["a\nb"]},
    "no_issuer": {"issuer": " "},
    "an_unprintable_number": {"number": "1\x00"},
    "an_endless_number": {"number": "1" * 201},
    "a_name_as_client": {"client": "the sheriff"},
    "no_digest": {"document_digest": "abc"},
    "ends_before_it_starts": {"valid_until": NOW - timedelta(hours=2)},
    "ends_as_it_starts": {"valid_until": NOW - timedelta(hours=1)},
    "no_end": {"valid_until": None},
    "starts_in_two_years": {
        "valid_from": NOW + timedelta(days=800),
        "valid_until": NOW + timedelta(days=900),
    },
    "no_time_zone": {"valid_until": (NOW + timedelta(days=1)).replace(tzinfo=None)},
    "hours_of_a_warrant": {"limit_hours": 24},
    "an_emergency_of_no_hours": {"kind": "exigent", "limit_hours": 0},
    "an_emergency_of_weeks": {"kind": "exigent", "limit_hours": 169},
    "an_emergency_of_true_hours": {"kind": "exigent", "limit_hours": True},
    "an_emergency_tomorrow": {"kind": "exigent", "valid_from": NOW + timedelta(hours=1)},
    "an_unknown_condition": {"conditions": {"weather": "fine"}},
    "an_unknown_offence": {"conditions": {"offence": "rudeness"}},
    "a_word_for_a_truth": {"conditions": {"imminent_threat": "yes"}},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_malformed_is_not_recorded(instance: Instance, name: str) -> None:
    with pytest.raises(LawError) as caught:
        put(instance, **BAD[name])
    assert caught.value.what
    assert NUMBER not in caught.value.diagnostics()
    with instance.database.read() as session:
        assert warrant_records.all_warrants(session, instance.keyring) == []


@pytest.mark.parametrize("name", sorted(n for n, c in WORDS.conditions.items() if not c.case))
def test_a_document_states_nothing_but_the_case(instance: Instance, name: str) -> None:
    default = WORDS.conditions[name].default
    with pytest.raises(LawError, match="no condition that a document states"):
        put(instance, conditions={name: default})


def test_an_emergency_has_a_limit(instance: Instance) -> None:
    assert put(instance, kind="exigent", limit_hours=None).limit_hours == 48
    whole = put(instance, kind="exigent", limit_hours=168, valid_until=None)
    assert whole.valid_until == whole.due == whole.valid_from + timedelta(hours=168)


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body, 'identify-deceased', 'mass-surveillance')",
        "client = 'other'",
        "warrant_id = 'wrt-" + "0" * 24 + "'",
        "signature = :no_signature",
        "ended_at = NULL, ended_as = NULL",
        "reported_at = '2026-11-22T11:30:00.000000Z'",
        "requested_at = '2026-11-22T11:30:00.000000Z'",
        "course_signature = 'text'",
        "body = '{}'",
    ],
)
def test_a_changed_row_is_not_there_and_is_reported(instance: Instance, change: str) -> None:
    made = put(instance)
    instance.database.write(
        lambda session: warrant_records.end(
            session, instance.keyring, made.warrant_id, at=NOW, refused=True
        )
    )
    values = {"no_signature": b"\0"} if ":no_signature" in change else {}
    instance.database.write(
        lambda session: session.execute(text(f"UPDATE warrants SET {change}"), values)
    )
    with instance.database.read() as session:
        (row,) = warrant_records.all_warrants(session, instance.keyring)
    assert row.warrant is None
    with pytest.raises(LawError):
        instance.database.write(
            lambda session: warrant_records.end(session, instance.keyring, row.warrant_id, at=NOW)
        )


def test_a_licences_text_passes_for_no_warrant(instance: Instance) -> None:
    made, licence = put(instance), instance.licence()
    instance.database.write(
        lambda session: session.execute(
            text(
                "UPDATE warrants SET body = (SELECT body FROM licences), "
                "signature = (SELECT signature FROM licences)"
            )
        )
    )
    assert licence.signature
    row = found(instance, made.warrant_id)
    assert row is not None
    assert row.warrant is None


# ---------------------------------------------------------------- what happens to it
def test_the_course_of_an_emergency(instance: Instance) -> None:
    made = put(instance, kind="exigent", valid_from=NOW)
    session_of = instance.database.write

    def mark(what: str, when: Any) -> Warrant:
        call = getattr(warrant_records, what)
        done: Warrant = session_of(
            lambda s: call(s, instance.keyring, made.warrant_id, when=when, now=instance.now)
        )
        return done

    day = made.valid_from + timedelta(hours=24)
    assert made.state(day - timedelta(microseconds=1)) == "holds"
    assert made.state(day) == "overdue"
    instance.now = NOW + timedelta(hours=30)
    for when in (NOW - timedelta(hours=1), instance.now + timedelta(seconds=1)):
        with pytest.raises(LawError, match="between"):
            mark("mark_reported", when)
    with pytest.raises(LawError, match="future"):
        mark("mark_requested", instance.now + timedelta(seconds=1))
    assert mark("mark_requested", NOW).state(instance.now) == "overdue"
    reported = mark("mark_reported", NOW + timedelta(hours=23))
    assert reported.state(instance.now) == "holds"
    assert mark("mark_reported", instance.now) == reported  # a second time changes nothing
    assert mark("mark_requested", instance.now) == reported
    refused = session_of(
        lambda s: warrant_records.end(
            s, instance.keyring, made.warrant_id, at=instance.now, refused=True
        )
    )
    assert refused.state(instance.now) == "refused"
    later = instance.now + timedelta(days=1)
    again = session_of(
        lambda s: warrant_records.end(s, instance.keyring, made.warrant_id, at=later)
    )
    assert again == refused


def test_only_an_emergency_is_reported(instance: Instance) -> None:
    made = put(instance)
    with pytest.raises(LawError, match="only an emergency"):
        instance.database.write(
            lambda s: warrant_records.mark_reported(
                s, instance.keyring, made.warrant_id, when=NOW, now=NOW
            )
        )


def test_no_new_emergency_before_the_last_is_reported(instance: Instance) -> None:
    first = put(instance, kind="exigent", valid_from=NOW)
    put(instance, kind="exigent")  # the first is within its hours
    instance.database.write(
        lambda s: warrant_records.end(s, instance.keyring, first.warrant_id, at=NOW)
    )
    instance.now = NOW + timedelta(hours=25)
    with pytest.raises(LawError, match="unreported") as caught:
        put(instance, kind="exigent")
    assert "wrt-" in caught.value.what
    put(instance, kind="exigent", client="other")
    put(instance)  # a court's warrant is another matter
    with instance.database.read() as session:
        listed = warrant_records.all_warrants(session, instance.keyring, "sheriff")
    for each in listed:
        if each.warrant is not None and each.warrant.kind == "exigent":
            _report(instance, each.warrant_id)
    put(instance, kind="exigent")


def _report(instance: Instance, warrant_id: str) -> None:
    instance.database.write(
        lambda s: warrant_records.mark_reported(
            s, instance.keyring, warrant_id, when=instance.now, now=instance.now
        )
    )


# ---------------------------------------------------------------- at the gate
def test_a_search_that_only_a_warrant_permits(instance: Instance, police: Licence) -> None:
    assert keys(instance.refused(ask(police))) == ["test-search-needs-a-warrant#search"]
    assert isinstance(instance.decide(ask(police, put(instance))), Permit)
    order = put(instance, kind="court-order")
    assert isinstance(instance.decide(ask(police, order, warrant="court-order")), Permit)
    subpoena = instance.refused(ask(police, put(instance, kind="subpoena")))
    assert keys(subpoena) == ["test-search-needs-a-warrant#search"]
    assert instance.recorded[-2][1].relied_on == (order.warrant_id,)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "expired": ({"valid_until": NOW}, {}),
    "not-yet-valid": ({"valid_from": NOW + timedelta(seconds=1)}, {}),
    "other-client": ({"client": "other"}, {}),
    "operation-not-covered": ({"operations": ["verify-1to1"]}, {}),
    "purpose-not-covered": ({"purposes": ["criminal-investigation"]}, {}),
    "gallery-not-covered": ({"galleries": ["visitors"]}, {}),
    "place-not-covered": ({"jurisdictions": ["US-CA"]}, {}),
    "other-kind": ({}, {"warrant": "court-order"}),
    "overdue": ({"kind": "exigent", "limit_hours": 1}, {}),
}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("rule", REFUSED)
def test_what_does_not_cover_lifts_nothing(
    instance: Instance, police: Licence, rule: str, sealed: bool
) -> None:
    recorded, asked = REFUSED[rule]
    told = keys(instance.refused(ask(police, put(instance, sealed=sealed, **recorded), **asked)))
    assert set(told) == {f"warrant#{rule}", "test-search-needs-a-warrant#search"}


def test_each_way_of_not_being_there(instance: Instance, police: Licence) -> None:
    def refused(**changed: Any) -> list[str]:
        told = keys(instance.refused(ask(police, **changed)))
        assert "test-search-needs-a-warrant#search" in told
        return [each for each in told if each.startswith("warrant#")]

    assert refused(warrant="warrant") == ["warrant#not-on-record"]
    assert refused(warrant_id="wrt-" + "0" * 24) == ["warrant#not-on-record"]
    made = put(instance)
    changed = "UPDATE warrants SET body = replace(body, 'staff', 'stuff')"
    instance.database.write(lambda session: session.execute(text(changed)))
    assert refused(warrant_id=made.warrant_id) == ["warrant#signature"]
    assert instance.recorded[-1][1].relied_on == ()


def test_an_end_counts_at_once(instance: Instance, police: Licence) -> None:
    made = put(instance)
    soon = NOW + timedelta(seconds=1)
    instance.database.write(
        lambda s: warrant_records.end(s, instance.keyring, made.warrant_id, at=soon)
    )
    assert "warrant#ended" in keys(instance.refused(ask(police, made)))
    question = ask(police, made, as_of=NOW)
    assert instance.gate.consider(question).allowed  # as a question: it held then


def test_another_clients_warrant_is_not_told_of(instance: Instance, police: Licence) -> None:
    made = put(instance, client="other", valid_until=NOW)
    refusal = instance.refused(ask(police, made))
    (reason,) = (one for one in refusal.ruling.reasons if one.instrument == "warrant")
    assert reason.rule == "other-client"
    assert refusal.ruling.relied_on == ()


def test_what_it_states_counts_only_while_it_covers(instance: Instance, police: Licence) -> None:
    offence = {"conditions": {"offence": "homicide", "stay_away_order": True}}
    for made, expected in ((put(instance, **offence), "homicide"), (None, "unknown")):
        asked = ask(police, made)
        facts = instance.gate.world(asked).facts(licensed=True)
        assert (facts["offence"], facts["offence_violent"]) == (expected, expected == "homicide")
    expired = put(instance, valid_until=NOW, **offence)
    facts = instance.gate.world(ask(police, expired)).facts(licensed=True)
    assert facts["stay_away_order"] is False


def test_forgetting_needs_no_warrant(instance: Instance, police: Licence) -> None:
    expired = put(instance, valid_until=NOW)
    assert isinstance(instance.decide(ask(police, expired, action="erase")), Permit)


# ---------------------------------------------------------------- sealed
def test_a_sealed_one_is_told_nowhere(
    instance: Instance, police: Licence, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "f" * 64
    seen: list[str] = []
    for recorded, asked in REFUSED.values():
        made = put(instance, sealed=True, document_digest=secret, **recorded)
        assert set(made.told(NOW)) == {"warrant_id", "kind", "client", "sealed", "state"}
        seen += [repr(made), repr(terms(sealed=True, document_digest=secret)), str(made.told(NOW))]
        refusal = instance.refused(ask(police, made, **asked))
        seen += [refusal.message, repr(refusal), repr(instance.recorded[-1])]
        seen += [repr(found(instance, made.warrant_id)), caplog.text]
    for text_ in seen:
        for hidden in (ISSUER, NUMBER, secret):
            assert hidden not in text_
    open_ = put(instance).told(NOW)
    assert (open_["issuer"], open_["number"]) == (ISSUER, NUMBER)


def test_a_sealed_refusal_has_no_dates(instance: Instance, police: Licence) -> None:
    for sealed in (False, True):
        made = put(instance, sealed=sealed, valid_until=NOW)
        told = instance.refused(ask(police, made)).message
        assert (made.valid_until.isoformat() in told) is not sealed


def test_the_body_is_canonical(instance: Instance) -> None:
    put(instance)
    with instance.database.read() as session:
        (body,) = session.execute(text("SELECT body FROM warrants")).one()
    assert json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")) == body


def test_a_refusal_names_what_would_change_it(instance: Instance, police: Licence) -> None:
    refusal = instance.decide(ask(police, "wrt-" + "0" * 24))
    assert isinstance(refusal, Refusal)
    assert "rightface warrant record" in refusal.message
    assert replace(refusal.ruling, relied_on=()) == refusal.ruling
