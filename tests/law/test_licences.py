"""Licences: what can be issued, found, revoked; and that a record cannot be bent."""

from __future__ import annotations

import string
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from rightface.db import Database
from rightface.errors import LawError, LicenceError
from rightface.keys import KeyRing
from rightface.law import licences
from rightface.law.licences import IssuedLicence
from rightface.law.operation import Party
from rightface.law.tables import LicenceRow
from tests.law.conftest import NOW, Instance


def issue(instance: Instance, **changed: Any) -> IssuedLicence:
    told: dict[str, Any] = {
        "client": "acme",
        "sector": "private-entity",
        "jurisdiction": "US-IL",
        "purposes": ["access-control"],
        "operations": ["enroll", "search"],
        "galleries": ["staff*"],
        "issued_at": NOW,
        "valid_until": NOW + timedelta(days=1),
    } | changed
    return instance.database.write(lambda s: licences.issue(s, instance.keyring, **told))


def test_what_is_issued_is_found_again(instance: Instance) -> None:
    issued = issue(instance, parties=[Party("Metro PD", "law-enforcement-local")])
    licence = issued.licence
    assert licence.operations == ("enroll", "identify-1toN")
    assert licence.jurisdictions == ("US-IL",)
    assert licence.basis == "consent-warranted"
    assert licence.valid_from == licence.issued_at == NOW
    with instance.database.read() as session:
        assert licences.by_id(session, instance.keyring, licence.licence_id) == licence
        assert licences.by_access_key(session, instance.keyring, licence.access_key_id) == (
            licence,
            issued.secret_access_key,
        )
        assert licences.of_client(session, instance.keyring, "acme") == [licence]
        assert licences.all_licences(session, instance.keyring) == [licence]


def test_nothing_is_found_under_other_names(instance: Instance) -> None:
    issue(instance)
    with instance.database.read() as session:
        assert licences.by_id(session, instance.keyring, "lic-0") is None
        assert licences.by_access_key(session, instance.keyring, "RFAK' OR 1=1 --") is None
        assert licences.of_client(session, instance.keyring, "other") == []


def test_access_keys_look_like_the_clouds(instance: Instance) -> None:
    seen = set()
    for _ in range(20):
        issued = issue(instance)
        key, secret = issued.licence.access_key_id, issued.secret_access_key
        assert len(key) == 20 and key.startswith("RFAK")
        assert set(key) <= set(string.ascii_uppercase + string.digits)
        assert len(secret) == 40
        assert set(secret) <= set(string.ascii_letters + string.digits + "+/")
        seen |= {key, secret}
    assert len(seen) == 40


def test_the_secret_is_nowhere_in_the_clear(instance: Instance, tmp_path: Path) -> None:
    issued = issue(instance)
    assert issued.secret_access_key not in repr(issued)
    instance.database.forget_deleted()
    for path in tmp_path.glob("rightface.db*"):
        assert issued.secret_access_key.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        {"sector": "wizard"},
        {"jurisdiction": "Narnia"},
        {"purposes": ["fun"]},
        {"purposes": []},
        {"operations": ["levitate"]},
        {"operations": []},
        {"galleries": [""]},
        {"galleries": ["x" * 300]},
        {"galleries": ["a\nb"]},
        {"jurisdictions": ["US", "Mars"]},
        {"basis": "whim"},
        {"client": ""},
        {"client": "a b"},
        {"client": "../x"},
        {"client": "x" * 200},
        {"parties": [Party("X", "wizard")]},
        {"parties": [Party("X\n", "school")]},
        {"valid_until": NOW},
        {"valid_from": NOW + timedelta(days=2)},
        {"valid_until": datetime(2030, 1, 1)},
    ],
)
def test_what_cannot_be_issued(instance: Instance, changed: dict[str, Any]) -> None:
    with pytest.raises(LawError):
        issue(instance, **changed)
    with instance.database.read() as session:
        assert licences.all_licences(session, instance.keyring) == []


def test_revoking_is_for_good(instance: Instance) -> None:
    licence = issue(instance).licence
    instance.now = NOW + timedelta(hours=1)
    revoked = instance.revoke(licence)
    assert revoked.revoked_at == instance.now
    instance.now = NOW + timedelta(hours=2)
    assert instance.revoke(licence).revoked_at == NOW + timedelta(hours=1)
    with pytest.raises(LicenceError, match="no licence"):
        instance.database.write(lambda s: licences.revoke(s, instance.keyring, "lic-0", NOW))


def test_one_licence_cannot_wear_anothers_text(instance: Instance) -> None:
    small, large = issue(instance, operations=["detect"]).licence, issue(instance).licence

    def swap(session: Any) -> None:
        row = session.get(LicenceRow, small.licence_id)
        other = session.get(LicenceRow, large.licence_id)
        row.body, row.signature = other.body, other.signature

    instance.database.write(swap)
    with instance.database.read() as session:
        with pytest.raises(LicenceError, match="signature"):
            licences.by_id(session, instance.keyring, small.licence_id)
        with pytest.raises(LicenceError, match="signature"):
            licences.all_licences(session, instance.keyring)
        assert licences.by_id(session, instance.keyring, large.licence_id) == large


def test_one_licences_secret_does_not_open_under_another(instance: Instance) -> None:
    first, second = issue(instance).licence, issue(instance).licence

    def swap(session: Any) -> None:
        one = session.get(LicenceRow, first.licence_id)
        two = session.get(LicenceRow, second.licence_id)
        one.sealed_secret = two.sealed_secret

    instance.database.write(swap)
    with instance.database.read() as session, pytest.raises(LicenceError):
        licences.by_access_key(session, instance.keyring, first.access_key_id)


def test_another_instances_licence_is_none_here(
    instance: Instance, database: Database, tmp_path: Path
) -> None:
    licence = issue(instance).licence
    stranger = KeyRing.create(tmp_path / "other-keys")
    with database.read() as session:
        assert licences.by_id(session, instance.keyring, licence.licence_id) == licence
        with pytest.raises(LicenceError):
            licences.by_id(session, stranger, licence.licence_id)


def test_the_row_keeps_exactly_what_was_signed(instance: Instance) -> None:
    issue(instance)
    with instance.database.read() as session:
        row = session.scalars(select(LicenceRow)).one()
        assert row.body.startswith('{"access_key_id":"RFAK')
        assert '"client":"acme"' in row.body
    # A byte more in the signed text is a byte too many.
    instance.database.write(
        lambda s: s.execute(text("UPDATE licences SET body = body || ' '")).close()
    )
    with instance.database.read() as session, pytest.raises(LicenceError):
        licences.all_licences(session, instance.keyring)
