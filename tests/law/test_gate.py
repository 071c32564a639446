"""The gate's steps, one by one: what passes, what each refusal says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rightface.errors import LawError, StorageError
from rightface.law import licences
from rightface.law.gate import Judged
from rightface.law.operation import Operation, Party
from rightface.law.ruling import STEPS, Obligation
from rightface.law.tables import LicenceRow
from rightface.permit import Permit, Touch
from tests.law.conftest import GOOD, NOW, Instance, jurisdiction, keys, operation

NO_LAW = "US-OH"  # a state of which no instrument speaks


def test_a_licensed_search_gets_a_permit(instance: Instance) -> None:
    asked = operation(instance.licence())
    permit = instance.allowed(asked)
    assert permit.client == "acme"
    assert permit.action == "identify-1toN"
    assert permit.operation_digest == asked.digest
    assert permit.ledger_index == 0
    assert permit.touches == {
        Touch.DETECT,
        Touch.TEMPLATE,
        Touch.SEARCH,
        Touch.OPEN,
        Touch.READ,
    }
    [(recorded, ruling)] = instance.recorded
    assert recorded == asked
    assert ruling.outcome == "allow"


def test_every_step_is_accounted_for(instance: Instance) -> None:
    ruling = instance.gate.consider(operation(instance.licence()))
    assert [step.step for step in ruling.steps] == list(range(7))
    assert [step.name for step in ruling.steps] == list(STEPS[:7])
    assert {step.outcome for step in ruling.steps} == {"pass"}


# ---------------------------------------------------------------- step 0
def test_another_time_gets_no_permit(instance: Instance) -> None:
    asked = operation(instance.licence(), as_of=NOW - timedelta(hours=1))
    assert keys(instance.refused(asked)) == ["gate#not-now"]
    assert instance.gate.consider(asked).outcome == "allow"


def test_a_permit_is_for_a_named_client(instance: Instance) -> None:
    asked = operation(instance.licence(), client=None, licence_id=None)
    assert keys(instance.refused(asked)) == ["gate#no-client", "licence#unknown"]


def test_stated_facts_get_no_permit(instance: Instance) -> None:
    instance.duty()
    licence = instance.licence(jurisdiction="US-IL")
    asked = operation(licence, "enroll", subjects=("a",), conditions={"written_release": True})
    assert "gate#stated-conditions" in keys(instance.refused(asked))
    assert "us-il-bipa-2008#15b" in keys(instance.refused(asked))  # and they are not believed


# ---------------------------------------------------------------- step 1
def test_no_such_licence(instance: Instance) -> None:
    asked = operation(instance.licence(), licence_id="lic-000000000000000000000000")
    assert keys(instance.refused(asked)) == ["licence#unknown"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("client", "mallory"),
        ("access_key_id", "RFAKAAAAAAAAAAAAAAAA"),
        ("signature", b"\0" * 64),
        ("body", "{}"),
    ],
)
def test_a_changed_row_is_no_licence(instance: Instance, column: str, value: object) -> None:
    licence = instance.licence()
    asked = operation(licence)
    instance.allowed(asked)

    def tamper(session: object) -> None:
        row = session.get(LicenceRow, licence.licence_id)  # type: ignore[attr-defined]
        setattr(row, column, value)

    instance.database.write(tamper)
    assert keys(instance.refused(asked)) == ["licence#signature"]


def test_a_licence_text_cannot_be_widened(instance: Instance) -> None:
    licence = instance.licence()
    asked = operation(licence, purpose="attendance")
    assert keys(instance.refused(asked)) == ["licence#purpose-not-granted"]

    def widen(session: object) -> None:
        row = session.get(LicenceRow, licence.licence_id)  # type: ignore[attr-defined]
        row.body = row.body.replace('"access-control"', '"attendance"')

    instance.database.write(widen)
    assert keys(instance.refused(asked)) == ["licence#signature"]


def test_another_clients_licence(instance: Instance) -> None:
    asked = operation(instance.licence(), client="other")
    assert keys(instance.refused(asked)) == ["licence#other-client"]


def test_another_sector_than_the_licences(instance: Instance) -> None:
    asked = operation(instance.licence(), actor="school")
    assert keys(instance.refused(asked)) == ["licence#other-sector"]


def test_revoked(instance: Instance) -> None:
    licence = instance.licence()
    instance.revoke(licence)
    assert keys(instance.refused(operation(licence))) == ["licence#revoked"]


def test_a_revocation_stamped_after_the_gates_clock_counts(instance: Instance) -> None:
    licence = instance.licence()
    instance.now = NOW + timedelta(seconds=5)
    instance.revoke(licence)
    instance.now = NOW
    assert keys(instance.refused(operation(licence))) == ["licence#revoked"]


def test_the_term_is_half_open(instance: Instance) -> None:
    licence = instance.licence(valid_from=NOW, valid_until=NOW + timedelta(days=1))
    asked = operation(licence)
    instance.now = NOW - timedelta(microseconds=1)
    assert keys(instance.refused(asked)) == ["licence#not-yet-valid"]
    instance.now = NOW
    instance.allowed(asked)
    instance.now = NOW + timedelta(days=1) - timedelta(microseconds=1)
    instance.allowed(asked)
    instance.now = NOW + timedelta(days=1)
    assert keys(instance.refused(asked)) == ["licence#expired"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"action": "identify-live"}, "operation-not-granted"),
        ({"purpose": None}, "no-purpose"),
        ({"purpose": ""}, "no-purpose"),
        ({"purpose": "because I say so"}, "unknown-purpose"),
        ({"purpose": "loyalty-programme"}, "purpose-not-granted"),
        ({"gallery": None}, "no-gallery"),
        ({"gallery": "visitors"}, "gallery-not-granted"),
        ({"gallery": "STAFF"}, "gallery-not-granted"),
        ({"place_jurisdiction": "US-NY"}, "place-not-granted"),
        ({"gallery_jurisdiction": "CA"}, "place-not-granted"),
        ({"legal_basis": "legal-obligation"}, "basis-not-granted"),
    ],
)
def test_what_the_licence_does_not_grant(
    instance: Instance, changed: dict[str, str], rule: str
) -> None:
    refusal = instance.refused(operation(instance.licence(), **changed))
    assert keys(refusal) == [f"licence#{rule}"]
    [reason] = refusal.ruling.reasons
    assert reason.step == 1
    assert reason.change and reason.citation and reason.section
    assert reason.change in refusal.message


def test_all_that_is_wrong_with_a_licence_is_said_at_once(instance: Instance) -> None:
    licence = instance.licence(valid_until=NOW)
    instance.revoke(licence)
    refusal = instance.refused(operation(licence, purpose="nonsense", gallery="visitors"))
    assert keys(refusal) == [
        "licence#revoked",
        "licence#expired",
        "licence#unknown-purpose",
        "licence#gallery-not-granted",
    ]


@pytest.mark.parametrize("action", ["detect", "manage-gallery"])
def test_what_enrolling_implies(instance: Instance, action: str) -> None:
    licence = instance.licence(operations=["enroll"])
    instance.allowed(operation(licence, action))
    assert keys(instance.refused(operation(licence, "verify-1to1"))) == [
        "licence#operation-not-granted"
    ]


def test_a_licence_reaches_into_the_parts_of_its_jurisdictions(instance: Instance) -> None:
    licence = instance.licence(jurisdictions=["US", "EU"])
    instance.allowed(operation(licence, **jurisdiction("US-TX", "US-OH-COLUMBUS")))
    in_bavaria = instance.refused(operation(licence, **jurisdiction("US-TX", "DE-BY")))
    assert "licence#place-not-granted" not in keys(in_bavaria)  # the licence reaches it
    refusal = instance.refused(operation(licence, **jurisdiction("US-TX", "GB")))
    assert keys(refusal) == ["licence#place-not-granted"]


# ---------------------------------------------------------------- erasing
def test_forgetting_needs_no_grant_term_or_purpose(instance: Instance) -> None:
    licence = instance.licence(operations=["detect"], valid_until=NOW)
    permit = instance.allowed(operation(licence, "erase", purpose=None, gallery="visitors"))
    assert permit.touches == {Touch.ERASE, Touch.READ}


def test_a_revoked_key_erases_nothing(instance: Instance) -> None:
    licence = instance.licence()
    instance.revoke(licence)
    refusal = instance.refused(operation(licence, "erase", gallery="visitors"))
    assert keys(refusal) == ["licence#revoked"]


def test_forgetting_is_for_the_client_whose_licence_it_is(instance: Instance) -> None:
    licence = instance.licence()
    refusal = instance.refused(operation(licence, "erase", client="other"))
    assert keys(refusal) == ["licence#other-client"]


def test_police_may_forget(instance: Instance) -> None:
    licence = instance.licence(
        sector="law-enforcement-local",
        jurisdiction="US-CA-SF",
        purposes=["criminal-investigation"],
    )
    instance.allowed(operation(licence, "erase"))


# ---------------------------------------------------------------- step 2
def test_san_franciscos_police_is_refused_by_the_ordinance(instance: Instance) -> None:
    licence = instance.licence(
        client="sfpd",
        sector="law-enforcement-local",
        jurisdiction="US-CA-SF",
        purposes=["criminal-investigation"],
        galleries=["*"],
    )
    refusal = instance.refused(operation(licence))
    assert "us-ca-sf-19b#19B.2d" in keys(refusal)
    assert "S.F. Admin. Code 19B.2(d)" in refusal.message
    assert refusal.ruling.outcome == "deny"
    before = instance.gate.consider(
        replace(operation(licence), client=None, licence_id=None, as_of=NOW.replace(year=2018))
    )
    assert before.outcome == "require-duty"
    assert before.missing == ("human-review",)


def test_who_stands_behind_the_client_is_judged(instance: Instance) -> None:
    instance.adopt()
    licence = instance.licence(
        client="city-hall",
        sector="government-agency",
        parties=[Party("Metro PD", "law-enforcement-local")],
    )
    refusal = instance.refused(operation(licence))
    assert keys(refusal) == ["microsoft-police-commitment-2020#police-use"]
    [reason] = refusal.ruling.reasons
    assert reason.party == "Metro PD"
    assert "Metro PD (law-enforcement-local) stands behind the client." in refusal.message
    # Leaving the party out of the request changes nothing: the licence names it.
    assert keys(instance.refused(operation(licence, parties=()))) == keys(refusal)
    # The same city hall for itself may.
    instance.allowed(operation(instance.licence(client="city", sector="government-agency")))


def test_a_party_that_only_the_request_names_is_judged_too(instance: Instance) -> None:
    instance.adopt()
    licence = instance.licence(sector="government-agency")
    asked = operation(licence, parties=(Party("Metro PD", "law-enforcement-local"),))
    assert keys(instance.refused(asked)) == ["microsoft-police-commitment-2020#police-use"]


def test_a_commitment_binds_only_while_adopted(instance: Instance) -> None:
    licence = instance.licence(
        client="pd", sector="law-enforcement-local", purposes=["identity-proofing"]
    )
    asked = operation(licence, "verify-1to1")
    instance.allowed(asked)
    instance.adopt()
    assert keys(instance.refused(asked)) == ["microsoft-police-commitment-2020#police-use"]
    instance.now = NOW + timedelta(days=1)
    instance.withdraw_commitment("microsoft-police-commitment-2020")
    instance.allowed(asked)


def test_an_instrument_binds_through_any_of_the_places(instance: Instance) -> None:
    licence = instance.licence(jurisdictions=["US"])
    for places in (
        jurisdiction("US-IL", "US-TX", "US-TX"),
        jurisdiction("US-TX", "US-IL", "US-TX"),
        jurisdiction("US-TX", "US-TX", "US-IL-CHICAGO"),
    ):
        refusal = instance.refused(operation(licence, "enroll", **places))
        assert "us-il-bipa-2008#15b" in keys(refusal)


def test_the_licences_own_place_binds_even_if_the_request_says_another(instance: Instance) -> None:
    licence = instance.licence(jurisdiction="US-IL", jurisdictions=["US"])
    asked = operation(licence, "enroll", subjects=("a",), **jurisdiction("US-TX"))
    assert "us-il-bipa-2008#15b" in keys(instance.refused(asked))


def test_bipa_step_by_step(instance: Instance) -> None:
    licence = instance.licence(jurisdiction="US-IL")
    asked = operation(licence, "enroll", subjects=("grace",))
    refusal = instance.refused(asked)
    assert refusal.ruling.outcome == "deny"
    assert keys(refusal) == [
        "us-il-bipa-2008#15a-policy",
        "us-il-bipa-2008#15b",
        "us-il-bipa-amendment-2024#10-release",
        "consent#missing",
    ]
    assert "740 ILCS 14/15(b)" in refusal.message

    instance.consent("grace", how="verbal")
    refusal = instance.refused(asked)
    assert keys(refusal) == [
        "us-il-bipa-2008#15a-policy",
        "us-il-bipa-2008#15b",
        "us-il-bipa-amendment-2024#10-release",
    ]

    instance.consent("grace", retention_days=2_000)
    refusal = instance.refused(asked)
    assert refusal.ruling.outcome == "require-duty"
    assert refusal.ruling.missing == ("public-retention-policy",)

    instance.duty()
    permit = instance.allowed(asked)
    bipa = Obligation("retention-idle-days", 1095, "us-il-bipa-2008")
    assert permit.obligations == (Obligation("retention-days", 2_000, "consent"), bipa)

    instance.consent("grace", retention_days=365)
    permit = instance.allowed(asked)
    assert permit.obligations == (Obligation("retention-days", 365, "consent"), bipa)


def test_government_is_outside_bipa(instance: Instance) -> None:
    licence = instance.licence(sector="government-agency", jurisdiction="US-IL")
    instance.consent("a", how="verbal")
    instance.allowed(operation(licence, "enroll", subjects=("a",)))


def test_a_duty_counts_while_it_is_on_record(instance: Instance) -> None:
    licence = instance.licence(jurisdiction="US-IL")
    instance.consent("a")
    asked = operation(licence, "enroll", subjects=("a",))
    instance.duty()
    instance.allowed(asked)
    instance.now = NOW + timedelta(days=1)
    instance.end_duty("public-retention-policy")
    assert instance.refused(asked).ruling.missing == ("public-retention-policy",)


def test_a_consequential_search_waits_for_human_review(instance: Instance) -> None:
    licence = instance.licence(purposes=["exclusion-watchlist"])
    refusal = instance.refused(operation(licence))
    assert refusal.ruling.outcome == "require-duty"
    assert refusal.ruling.missing == ("human-review",)
    assert "Missing: human-review." in refusal.message


# ---------------------------------------------------------------- step 3
def test_enrolling_needs_a_named_person_with_consent(instance: Instance) -> None:
    licence = instance.licence(jurisdiction=NO_LAW)
    assert keys(instance.refused(operation(licence, "enroll"))) == ["consent#nobody-named"]
    asked = operation(licence, "enroll", subjects=("a", "b"))
    instance.consent("a")
    refusal = instance.refused(asked)
    assert keys(refusal) == ["consent#missing"]
    assert "1 of 2" in refusal.message
    instance.consent("b")
    instance.allowed(asked)


@pytest.mark.parametrize(
    "changed",
    [
        {"purposes": ["attendance"]},
        {"galleries": ["visitors"]},
        {"client": "other"},
        {"obtained_at": NOW + timedelta(seconds=1)},
        {"expires_at": NOW},
    ],
)
def test_a_consent_for_something_else_is_none(
    instance: Instance, changed: dict[str, object]
) -> None:
    instance.consent("a", **changed)
    asked = operation(instance.licence(jurisdiction=NO_LAW), "enroll", subjects=("a",))
    assert keys(instance.refused(asked)) == ["consent#missing"]


def test_consent_is_looked_at_again_at_each_use(instance: Instance) -> None:
    licence = instance.licence(jurisdiction=NO_LAW)
    instance.consent("a")
    for action in ("enroll", "verify-1to1", "identify-1toN"):
        instance.allowed(operation(licence, action, subjects=("a",)))
    instance.withdraw("a")
    for action in ("verify-1to1", "identify-1toN"):
        refusal = instance.refused(operation(licence, action, subjects=("a",)))
        assert keys(refusal) == ["consent#missing"]
    refusal = instance.refused(operation(licence, "enroll", subjects=("a",)))
    assert keys(refusal) == ["consent#withdrawn", "consent#missing"]
    instance.consent("a", obtained_at=instance.now)
    instance.allowed(operation(licence, "enroll", subjects=("a",)))


def test_who_withdrew_is_not_enrolled_on_another_basis(instance: Instance) -> None:
    licence = instance.licence(basis="legal-obligation", jurisdiction=NO_LAW)
    asked = operation(licence, "enroll", subjects=("a",))
    instance.allowed(asked)
    instance.withdraw("a")
    assert keys(instance.refused(asked)) == ["consent#withdrawn"]


def test_the_basis_must_carry_the_operation(instance: Instance) -> None:
    licence = instance.licence(basis="research")
    assert keys(instance.refused(operation(licence))) == ["consent#basis-too-narrow"]
    licence = instance.licence(
        basis="research", operations=["measure-accuracy"], purposes=["research"]
    )
    instance.allowed(operation(licence, "measure-accuracy", gallery=None))


def test_no_refusal_names_a_person(instance: Instance) -> None:
    licence = instance.licence(jurisdiction="US-IL")
    instance.withdraw("grace.hopper@navy.mil")
    refusal = instance.refused(operation(licence, "enroll", subjects=("grace.hopper@navy.mil",)))
    assert "grace" not in refusal.message
    assert "grace" not in repr(refusal.ruling)


def test_the_operators_upkeep(instance: Instance) -> None:
    licence = instance.licence(
        client="operator",
        purposes=["upkeep"],
        operations=["rebuild-index", "erase", "manage-gallery"],
        galleries=["*"],
        basis="upkeep",
    )
    for action in ("rebuild-index", "erase", "manage-gallery"):
        instance.allowed(operation(licence, action))
    assert "licence#operation-not-granted" in keys(instance.refused(operation(licence, "enroll")))


# ---------------------------------------------------------------- steps 4 and 5
def test_a_warrant_that_is_not_on_record(instance: Instance) -> None:
    refusal = instance.refused(operation(instance.licence(), warrant="warrant"))
    assert keys(refusal) == ["warrant#not-on-record"]


@pytest.mark.parametrize("action", ["identify-1toN", "identify-live"])
def test_identification_needs_evidence(instance: Instance, action: str) -> None:
    licence = instance.licence(operations=["identify-1toN", "identify-live", "verify-1to1"])
    instance.evidence = None
    refusal = instance.refused(operation(licence, action))
    assert refusal.ruling.outcome == "require-duty"
    assert refusal.ruling.missing == ("accuracy-evidence",)


def test_evidence_has_an_age_and_a_size(instance: Instance) -> None:
    asked = operation(instance.licence())
    today = NOW.date()
    instance.evidence = replace(GOOD, measured_on=today.replace(year=2024))
    instance.allowed(asked)
    instance.evidence = replace(GOOD, measured_on=today.replace(year=2024) - timedelta(days=1))
    assert "too long ago" in instance.refused(asked).message
    instance.evidence = replace(GOOD, measured_on=today + timedelta(days=1))
    assert instance.refused(asked).ruling.missing == ("accuracy-evidence",)
    instance.evidence = replace(GOOD, impostor_pairs=100_000)
    instance.allowed(asked)
    instance.evidence = replace(GOOD, impostor_pairs=99_999)
    assert "too few" in instance.refused(asked).message


# ---------------------------------------------------------------- steps 7 and 8
def test_without_a_record_there_is_no_permit(instance: Instance) -> None:
    asked = operation(instance.licence())

    def full(operation: Operation, judged: Judged) -> int:
        raise OSError("No space left on device")

    instance.record = full  # type: ignore[method-assign]
    gate = instance.with_library(instance.library)
    with pytest.raises(StorageError, match="could not be recorded"):
        gate.decide(asked)


@pytest.mark.parametrize("index", [None, -1, True, "7"])
def test_a_recorder_that_names_no_place_gets_no_permit(instance: Instance, index: object) -> None:
    asked = operation(instance.licence())
    instance.record = lambda asked, judged: index  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(StorageError, match="no place in the ledger"):
        instance.with_library(instance.library).decide(asked)


def test_refusals_are_recorded_before_they_are_told(instance: Instance) -> None:
    refusal = instance.refused(operation(instance.licence(), purpose=None))
    assert refusal.ledger_index == 0
    assert refusal.request_id == "request-1"
    assert instance.recorded[0][1] is refusal.ruling


def test_what_this_service_does_not_do_touches_nothing(instance: Instance) -> None:
    licence = instance.licence(
        operations=["retain"], purposes=["access-control"], basis="legal-obligation"
    )
    permit = instance.allowed(operation(licence, "retain"))
    assert permit.touches == frozenset()


# ---------------------------------------------------------------- words
@pytest.mark.parametrize(
    "changed",
    [
        {"action": "search"},
        {"action": "levitate"},
        {"actor": "wizard"},
        {"client_jurisdiction": "Narnia"},
        {"place_jurisdiction": "us-tx"},
        {"gallery_jurisdiction": ""},
        {"parties": (Party("X", "wizard"),)},
        {"device": "crystal-ball"},
        {"warrant": "hunch"},
        {"legal_basis": "whim"},
        {"conditions": {"moon_phase": True}},
        {"conditions": {"consent": "yes"}},
        {"conditions": {"licensed": True}},
        {"conditions": {"purpose": "access-control"}},
    ],
)
def test_unknown_words_stop_at_the_door(instance: Instance, changed: dict[str, Any]) -> None:
    asked = operation(instance.licence(), **changed)
    with pytest.raises(LawError):
        instance.decide(asked)
    with pytest.raises(LawError):
        instance.gate.consider(asked)
    assert instance.recorded == []


def test_considering_leaves_no_trace(instance: Instance) -> None:
    ruling = instance.gate.consider(operation(instance.licence()))
    assert not isinstance(ruling, Permit)
    assert instance.recorded == []


def test_the_clients_newest_standing_licence_answers_a_question(instance: Instance) -> None:
    instance.licence(issued_at=NOW - timedelta(days=9))
    held = instance.licence(issued_at=NOW - timedelta(days=8), purposes=["attendance"])
    instance.revoke(instance.licence(issued_at=NOW - timedelta(days=7)))
    found = instance.gate.licence("acme", None, NOW)
    assert found is not None
    assert found.licence_id == held.licence_id
    assert instance.gate.licence("nobody", None, NOW) is None
    with instance.database.read() as session:
        assert len(licences.all_licences(session, instance.keyring)) == 3
