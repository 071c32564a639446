"""Signed rows put back, or deleted, by somebody who writes to the database: noticed, refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

import pytest
from sqlalchemy import text

from instance import TemporaryInstance
from rightface.acts import require_agreement
from rightface.errors import LedgerError
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.registrar_credentials import CredentialDesk


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
