"""Consents: what covers a use, what a withdrawal does, and that no name is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from rightface.errors import ConsentError, LawError
from rightface.law import consents
from rightface.law.consents import Consent
from tests.law.conftest import NOTICE, NOW, Instance


def covering(instance: Instance, subjects: list[str], **changed: Any) -> dict[str, Consent]:
    told: dict[str, Any] = {
        "purpose": "access-control",
        "gallery": "staff",
        "client": "acme",
        "at": instance.now,
    } | changed
    with instance.database.read() as session:
        return consents.covering(session, instance.keyring, subjects, **told)


def suppressed(instance: Instance, subject: str) -> bool:
    with instance.database.read() as session:
        return consents.suppressed(session, instance.keyring, subject)


def test_a_consent_covers_what_it_says(instance: Instance) -> None:
    consent = instance.consent("alice")
    assert covering(instance, ["alice", "bob"]) == {"alice": consent}
    assert consent.written
    assert consent.notice_digest == NOTICE


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "attendance"},
        {"purpose": ""},
        {"gallery": "visitors"},
        {"gallery": "Staff"},
        {"at": NOW - timedelta(hours=2)},
    ],
)
def test_and_nothing_else(instance: Instance, changed: dict[str, Any]) -> None:
    instance.consent("alice")
    assert covering(instance, ["alice"], **changed) == {}


def test_a_consent_to_one_client_is_none_to_another(instance: Instance) -> None:
    instance.consent("alice", client="acme")
    assert "alice" in covering(instance, ["alice"])
    assert covering(instance, ["alice"], client="other") == {}
    assert covering(instance, ["alice"], client=None) == {}


def test_where_no_gallery_is_used_the_purpose_decides(instance: Instance) -> None:
    instance.consent("alice")
    assert "alice" in covering(instance, ["alice"], gallery=None)


def test_its_term_is_half_open(instance: Instance) -> None:
    start, end = NOW, NOW + timedelta(days=1)
    instance.consent("alice", obtained_at=start, expires_at=end)
    tick = timedelta(microseconds=1)
    for at, holds in ((start - tick, False), (start, True), (end - tick, True), (end, False)):
        assert bool(covering(instance, ["alice"], at=at)) is holds


def test_the_newest_that_covers_counts(instance: Instance) -> None:
    instance.consent("alice", retention_days=10)
    newer = instance.consent("alice", retention_days=20)
    instance.consent("alice", purposes=["attendance"])
    assert covering(instance, ["alice"])["alice"] == newer


def test_a_withdrawal_ends_all_of_them_at_any_date(instance: Instance) -> None:
    instance.consent("alice")
    instance.consent("alice", purposes=["attendance"])
    withdrawn = instance.withdraw("alice")
    assert len(withdrawn) == 2
    assert {one.withdrawn_at for one in withdrawn} == {NOW}
    for days in (-1, 0, 1, 1000):
        assert covering(instance, ["alice"], at=NOW + timedelta(days=days)) == {}
    assert suppressed(instance, "alice")
    assert instance.withdraw("alice") == []
    assert suppressed(instance, "alice")


def test_consenting_anew_lifts_the_suppression(instance: Instance) -> None:
    instance.consent("alice")
    assert not suppressed(instance, "alice")
    instance.withdraw("alice")
    instance.consent("alice")
    assert not suppressed(instance, "alice")
    instance.withdraw("alice")
    assert suppressed(instance, "alice")


def test_who_never_consented_can_say_no(instance: Instance) -> None:
    assert not suppressed(instance, "bob")
    assert instance.withdraw("bob") == []
    assert suppressed(instance, "bob")
    assert covering(instance, ["bob"], purpose="") == {}
    with instance.database.read() as session:
        assert consents.of_subject(session, instance.keyring, "bob") == []


def test_persons_do_not_get_into_each_others_way(instance: Instance) -> None:
    instance.consent("alice")
    instance.consent("bob")
    instance.withdraw("alice")
    assert list(covering(instance, ["alice", "bob", "carol"])) == ["bob"]
    assert not suppressed(instance, "bob")


def test_all_of_a_person(instance: Instance) -> None:
    first = instance.consent("alice")
    second = instance.consent("alice", expires_at=NOW)
    with instance.database.read() as session:
        assert consents.of_subject(session, instance.keyring, "alice") == [first, second]


def test_no_reference_is_kept(instance: Instance, tmp_path: Path) -> None:
    instance.consent("grace.hopper@navy.mil")
    instance.withdraw("grace.hopper@navy.mil")
    instance.withdraw("eileen.collins@nasa.gov")
    instance.database.forget_deleted()
    for path in tmp_path.glob("rightface.db*"):
        content = path.read_bytes()
        assert b"grace" not in content
        assert b"eileen" not in content


@pytest.mark.parametrize(
    "changed",
    [
        {"purposes": []},
        {"purposes": ["fun"]},
        {"galleries": []},
        {"galleries": [""]},
        {"notice_digest": ""},
        {"notice_digest": "notice.md"},
        {"notice_digest": NOTICE.upper()},
        {"retention_days": 0},
        {"retention_days": -1},
        {"retention_days": True},
        {"retention_days": 10**9},
        {"how": "telepathy"},
        {"expires_at": NOW - timedelta(days=1)},
        {"obtained_at": datetime(2026, 1, 1)},
    ],
)
def test_what_is_no_consent(instance: Instance, changed: dict[str, Any]) -> None:
    with pytest.raises(LawError):
        instance.consent("alice", **changed)
    assert covering(instance, ["alice"]) == {}


def test_nobody_cannot_consent(instance: Instance) -> None:
    with pytest.raises(ConsentError):
        instance.consent("")
    with pytest.raises(ConsentError):
        instance.withdraw("")


@pytest.mark.parametrize(
    ("how", "written"),
    [
        ("written-release", True),
        ("electronic-signature", True),
        ("verbal", False),
        ("implied", False),
    ],
)
def test_what_is_a_written_release(instance: Instance, how: str, written: bool) -> None:
    assert instance.consent("alice", how=how).written is written


def test_thousands_in_one_query(instance: Instance) -> None:
    subjects = [f"person-{number}" for number in range(4_096)]

    def all_of_them(session: Any) -> None:
        for subject in subjects[::2]:
            consents.record(
                session,
                instance.keyring,
                subject,
                purposes=["access-control"],
                galleries=["staff*"],
                notice_digest=NOTICE,
                retention_days=365,
                obtained_at=NOW,
            )

    instance.database.write(all_of_them)
    statements: list[str] = []
    event.listen(
        instance.database.engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: statements.append(statement),
    )
    found = covering(instance, subjects)
    assert sorted(found) == sorted(subjects[::2])
    assert len([one for one in statements if "consents" in one]) == 1
    assert covering(instance, []) == {}


_COUNTER = count()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(["consent", "withdraw", "other"]), max_size=8))
def test_any_history(instance: Instance, history: list[str]) -> None:
    subject = f"person-{next(_COUNTER)}"
    standing: list[str] = []
    for act in history:
        if act == "withdraw":
            instance.withdraw(subject)
            standing.clear()
        else:
            purpose = "access-control" if act == "consent" else "attendance"
            instance.consent(subject, purposes=[purpose])
            standing.append(act)
    assert (subject in covering(instance, [subject])) is ("consent" in standing)
    assert suppressed(instance, subject) is ("withdraw" in history and not standing)


def test_a_consent_older_than_the_withdrawal_does_not_lift_it(instance: Instance) -> None:
    instance.consent("alice")
    instance.withdraw("alice")
    for earlier in (NOW - timedelta(days=400), NOW):
        with pytest.raises(ConsentError, match="older than the person's withdrawal"):
            instance.consent("alice", obtained_at=earlier)
    assert suppressed(instance, "alice")
    instance.consent("alice", obtained_at=NOW + timedelta(seconds=1))
    assert not suppressed(instance, "alice")
