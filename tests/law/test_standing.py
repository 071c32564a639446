"""Adoptions and duties on record: half-open, kept, and only of the kinds that exist."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rightface.errors import LawError
from rightface.law import adoptions, duties
from rightface.law.on_record import on_record
from rightface.law.tables import TIME, moment, stamp
from tests.law.conftest import NOTICE, NOW, Instance, operation

POLICY = "public-retention-policy"
PLEDGE = "microsoft-police-commitment-2020"


def test_an_adoption_binds_from_then_until_it_is_withdrawn(instance: Instance) -> None:
    instance.adopt(PLEDGE)
    end = NOW + timedelta(days=2)
    instance.withdraw_commitment(PLEDGE, end)
    tick = timedelta(microseconds=1)
    for at, holds in ((NOW - tick, False), (NOW, True), (end - tick, True), (end, False)):
        assert (PLEDGE in instance.gate.adopted(at)) is holds


def test_adopting_twice_is_adopting_once(instance: Instance) -> None:
    instance.adopt(PLEDGE)
    instance.now = NOW + timedelta(days=1)
    instance.adopt(PLEDGE)
    with instance.database.read() as session:
        [adoption] = adoptions.all_adoptions(session, instance.keyring)
    assert adoption.adopted_at == NOW
    assert adoption.by == "operator"


def test_what_is_not_adopted_cannot_be_withdrawn(instance: Instance) -> None:
    with pytest.raises(LawError, match="not adopted"):
        instance.withdraw_commitment(PLEDGE)


def test_duties_keep_their_history(instance: Instance) -> None:
    instance.duty()
    end = NOW + timedelta(days=1)
    ended = instance.end_duty("public-retention-policy", end)
    assert [duty.ended_at for duty in ended] == [end]
    instance.now = end
    instance.duty()
    with instance.database.read() as session:
        first, second = duties.all_duties(session, instance.keyring)
    assert (first.recorded_at, first.ended_at) == (NOW, end)
    assert (second.recorded_at, second.ended_at) == (end, None)
    assert first.document_digest == NOTICE


REVIEWS = ["human-review", "accuracy-evidence", "two-person-review", "officer-judgement"]


@pytest.mark.parametrize("duty", [*REVIEWS, "pupil-consent"])
def test_what_is_done_at_each_request_is_no_document(instance: Instance, duty: str) -> None:
    with pytest.raises(LawError, match="cannot be put on record") as caught:
        instance.duty(duty)
    assert "never by a document" in str(caught.value.why)


@pytest.mark.parametrize("duty", ["singing", ""])
def test_a_document_does_not_meet_every_duty(instance: Instance, duty: str) -> None:
    with pytest.raises(LawError):
        instance.duty(duty)


def test_a_duty_needs_a_documents_digest(instance: Instance) -> None:
    with pytest.raises(LawError, match="digest"):
        instance.database.write(
            lambda s: duties.record_duty(
                s,
                instance.keyring,
                "public-retention-policy",
                document_digest="x",
                at=NOW,
                by="operator",
            )
        )


def scoped(instance: Instance, client: str | None, gallery: str | None) -> duties.DutyOnRecord:
    return instance.database.write(
        lambda s: duties.record_duty(
            s,
            instance.keyring,
            POLICY,
            document_digest=NOTICE,
            at=NOW,
            by="operator",
            client=client,
            gallery=gallery,
        )
    )


def test_a_duty_with_a_scope_counts_there_and_nowhere_else(instance: Instance) -> None:
    def met(client: str | None, gallery: str | None) -> bool:
        with instance.database.read() as session:
            found = on_record(
                session, instance.keyring, client=client, gallery=gallery, as_of=NOW, live=True
            )
        return POLICY in found.duties

    one = scoped(instance, "acme", "staff*")
    assert (one.client, one.gallery, one.signed) == ("acme", "staff*", True)
    asked = [("acme", "staff-1"), ("acme", "guests"), ("acme", None), ("other", "staff-1")]
    assert [met(*who) for who in asked] == [True, False, False, False]
    scoped(instance, "acme", None)
    assert [met(*who) for who in asked] == [True, True, True, False]
    scoped(instance, None, "staff*")
    assert [met(*who) for who in asked] == [True, True, True, True]
    assert not met(None, None)
    assert len(instance.end_duty(POLICY, NOW)) == 3
    assert not any(met(*who) for who in asked)
    scoped(instance, None, None)
    assert met(None, None) and met("other", "guests")


def test_a_duty_of_one_client_lifts_nothing_for_another(instance: Instance) -> None:
    places = {"jurisdiction": "US-IL", "jurisdictions": ["US-IL"]}
    mine = instance.licence(client="acme", **places)
    yours = instance.licence(client="other", **places)
    scoped(instance, "acme", "staff*")
    asked = [operation(licence, "enroll", subjects=("a",)) for licence in (mine, yours)]
    missing = {one.client: POLICY in instance.gate.consider(one).missing for one in asked}
    assert missing == {"acme": False, "other": True}


@pytest.mark.parametrize(
    ("client", "gallery"), [("a b", None), ("", None), (None, ""), (None, "\n")]
)
def test_a_malformed_scope_is_refused(
    instance: Instance, client: str | None, gallery: str | None
) -> None:
    with pytest.raises(LawError, match=r"malformed|pattern"):
        scoped(instance, client, gallery)


def test_times_are_kept_in_order_and_whole() -> None:
    times = [NOW + timedelta(microseconds=step) for step in (0, 1, 999_999, 1_000_000)]
    texts = [stamp(at) for at in times]
    assert texts == sorted(texts)
    assert {len(one) for one in texts} == {TIME}
    assert [moment(one) for one in texts] == times
    assert len(stamp(NOW.replace(year=7))) == TIME
    with pytest.raises(LawError, match="time zone"):
        stamp(NOW.replace(tzinfo=None))
