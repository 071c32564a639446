"""Signed rows put back, or deleted, by somebody who writes to the database: noticed, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from instance import TemporaryInstance
from rightface.acts import require_agreement
from rightface.db import Base
from rightface.errors import LedgerError
from rightface.law import consents, suppressions
from rightface.law.tables import stamp
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.registrar_credentials import CredentialDesk
from tests.service.test_restore import staged


def a_licence(fresh: TemporaryInstance) -> None:
    issued = fresh.licence("acme")
    fresh.registrar.revoke_licence(issued.licence.licence_id)


def a_withdrawal(fresh: TemporaryInstance) -> None:
    fresh.consent("ada", "bob")
    fresh.registrar.withdraw_consent("ada")


def a_duty(fresh: TemporaryInstance) -> None:
    fresh.registrar.law.record_duty("privacy-notice", b"A notice.")
    fresh.registrar.law.end_duty("privacy-notice")


def an_adoption(fresh: TemporaryInstance) -> None:
    library, today = fresh.instance.library, datetime.now(UTC).date()
    standing = [each for each in library.commitments if library.commitment(each).on(today)]
    fresh.registrar.law.adopt(min(standing))


def a_credential(fresh: TemporaryInstance) -> None:
    desk = CredentialDesk(fresh.instance)
    issued = desk.issue(role="reviewer", name="r")
    desk.end(issued.credential.credential_id)


EARLIER = "2000-01-01T00:00:00.000000Z"
UNDONE: dict[str, tuple[Callable[[TemporaryInstance], None], str, str]] = {
    "a_revocation": (
        a_licence,
        "UPDATE licences SET revoked_at = NULL WHERE client = 'acme'",
        "licence-revoke: it was undone",
    ),
    "a_licence_deleted": (
        a_licence,
        "DELETE FROM licences WHERE client = 'acme'",
        "licence-issue: the record is gone",
    ),
    "a_withdrawal": (
        a_withdrawal,
        "UPDATE consents SET withdrawn_at = NULL",
        "a withdrawal was undone",
    ),
    "a_suppression_deleted": (
        a_withdrawal,
        "DELETE FROM suppressions",
        "suppress: the entry is gone",
    ),
    "a_duty": (a_duty, "UPDATE duties_on_record SET ended_at = NULL", "duty-end: it was undone"),
    "an_adoption_deleted": (
        an_adoption,
        "DELETE FROM adoptions",
        "commitment-adopt: it was undone",
    ),
    "a_credential": (
        a_credential,
        "UPDATE credentials SET ended_at = NULL",
        "credential-end: it was undone",
    ),
}


@pytest.mark.parametrize("name", UNDONE)
def test_what_was_undone_is_named_and_nothing_is_served(
    fresh: TemporaryInstance, name: str
) -> None:
    act, statement, told = UNDONE[name]
    act(fresh)
    assert require_agreement(fresh.instance) > 3
    fresh.registrar.audit_ledger()
    fresh.instance.database.write(lambda session: session.execute(text(statement)))
    with pytest.raises(LedgerError, match="does not agree") as caught:
        fresh.service.prepare()
    assert told in caught.value.why
    fresh.instance.publisher.publish()
    with pytest.raises(LedgerError, match="does not agree"):
        fresh.registrar.audit_ledger()


# ---------------------------------------------------------------- what was erased
Rows = list[tuple[str, dict[str, Any]]]


def kept(fresh: TemporaryInstance, *tables: str) -> Rows:
    """Every row of these tables, as whoever holds an old copy of the database has them."""
    with fresh.instance.database.read() as session:
        return [
            (name, dict(row._mapping))
            for name in tables
            for row in session.execute(select(Base.metadata.tables[name]))
        ]


def put_back(fresh: TemporaryInstance, rows: Rows) -> None:
    def work(session: Session) -> None:
        for name, values in rows:
            table = Base.metadata.tables[name]
            held = session.execute(
                select(table).where(*(each == values[each.name] for each in table.primary_key))
            ).first()
            if held is None:
                session.execute(insert(table).values(values))

    fresh.instance.database.write(work)


def refused(fresh: TemporaryInstance, told: str) -> None:
    with pytest.raises(LedgerError, match="does not agree") as caught:
        require_agreement(fresh.instance)
    assert told in caught.value.why
    fresh.instance.publisher.publish()
    with pytest.raises(LedgerError, match="does not agree"):
        fresh.registrar.audit_ledger()


def withdrawn(fresh: TemporaryInstance) -> tuple[str, Rows]:
    ada = "ada"
    staged(fresh)
    rows = kept(fresh, "subjects", "faces")
    fresh.registrar.withdraw_consent(ada)
    require_agreement(fresh.instance)
    return ada, rows


def test_a_withdrawn_persons_face_put_back_is_seen(fresh: TemporaryInstance) -> None:
    _, rows = withdrawn(fresh)
    put_back(fresh, rows)
    refused(fresh, "Faces that were erased are there again: 2.")


def test_a_suppression_set_back_is_seen(fresh: TemporaryInstance) -> None:
    ada, _ = withdrawn(fresh)
    statement = f"UPDATE suppressions SET at = '{EARLIER}'"
    fresh.instance.database.write(lambda session: session.execute(text(statement)))
    refused(fresh, "the entry was set back")
    with fresh.instance.database.read() as session:  # and until then no consent lifts it
        found = suppressions.holding(
            session, fresh.instance.keyring, [ada], client=None, gallery=None
        )
    assert found[ada][0].at > datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize("column", ["client", "gallery"])
def test_a_suppression_of_another_place_is_none(fresh: TemporaryInstance, column: str) -> None:
    withdrawn(fresh)
    statement = f"UPDATE suppressions SET {column} = '{'0' * 64}'"
    fresh.instance.database.write(lambda session: session.execute(text(statement)))
    refused(fresh, "the entry is gone")


def test_a_consent_that_somebody_else_wrote_covers_nothing(
    fresh: TemporaryInstance, caplog: pytest.LogCaptureFixture
) -> None:
    ada, _ = withdrawn(fresh)
    keyring, now = fresh.instance.keyring, datetime.now(UTC)
    known = keyring.commitment("subject", ada)
    (_, values) = next(one for one in kept(fresh, "consents") if one[1]["subject"] == known)
    forged = {**values, "id": 99, "withdrawn_at": None, "obtained_at": stamp(now)}
    put_back(fresh, [("consents", forged)])
    with fresh.instance.database.read() as session:
        standing = consents.standing(
            session,
            keyring,
            [ada],
            purpose=json.loads(values["purposes"])[0],
            gallery="staff",
            client="acme",
            at=datetime.now(UTC),
        )
        assert not standing.covering
        assert not standing.given
        assert standing.suppressed == {ada}
        assert consents.suppressed(session, keyring, ada)
        assert len(consents.of_subject(session, keyring, ada)) == 1
    require_agreement(fresh.instance)
    assert "1 consents are not as they were written" in caplog.text
    fresh.registrar.withdraw_consent(ada)  # and it can be ended like any other
    with fresh.instance.database.read() as session:
        assert consents.damaged(session, keyring) == 0


def test_a_collection_put_back_is_seen_and_one_made_anew_is_not(
    fresh: TemporaryInstance,
) -> None:
    caller, _ = staged(fresh)
    rows = kept(fresh, "collections", "subjects", "faces")
    fresh.service.delete_collection(caller, "staff")
    fresh.service.create_collection(caller, "staff", {})
    require_agreement(fresh.instance)
    fresh.service.delete_collection(caller, "staff")
    require_agreement(fresh.instance)
    put_back(fresh, rows)
    refused(fresh, "the collection that was erased is there again")
    refused(fresh, "faces of the collection that was erased are there again")


def test_a_user_put_back_is_seen(fresh: TemporaryInstance) -> None:
    caller, _ = staged(fresh)
    fresh.service.create_user(caller, "staff", "u-1")
    rows = kept(fresh, "users")
    fresh.service.delete_user(caller, "staff", "u-1")
    require_agreement(fresh.instance)
    put_back(fresh, rows)
    refused(fresh, "Users that were deleted are there again: 1.")


def test_a_new_consent_after_a_withdrawal_agrees(fresh: TemporaryInstance) -> None:
    a_withdrawal(fresh)
    fresh.consent("ada")
    assert require_agreement(fresh.instance) > 3


@pytest.mark.sqlite_only
def test_a_hundred_thousand_leaves_are_held_against_the_rows_quickly(
    fresh: TemporaryInstance,
) -> None:
    a_withdrawal(fresh)
    leaf = Leaf(
        time=datetime.now(UTC),
        kind="decision",
        operation="identify-1toN",
        outcome="permitted",
        client="acme",
        reasons=("baseline#1",),
    ).canonical()
    with fresh.instance.database.writing_engine.begin() as connection:
        size = connection.exec_driver_sql("SELECT count(*) FROM ledger_leaves").scalar_one()
        connection.execute(
            log.TABLE.insert(),
            [{"idx": index, "body": leaf} for index in range(size, 100_000)],
        )
    start = perf_counter()
    require_agreement(fresh.instance)
    taken = perf_counter() - start
    print(f"100,000 leaves: {taken:.2f} s")
    assert taken < 10
