"""Commitments and duties as signed acts: what a changed record may not loosen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from rightface.errors import LawError
from rightface.instance import Instance as Opened
from rightface.law import adoptions, duties
from rightface.law.attesters import new_key
from rightface.law.facts import FactTerms
from rightface.law.library import InstrumentLibrary
from rightface.law.on_record import on_record
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.registrar import Registrar
from rightface.settings import Settings
from tests.law.conftest import NOTICE, NOW, Instance

PLEDGE = "microsoft-police-commitment-2020"
POLICY = "public-retention-policy"
DAY = timedelta(days=1)


def change(instance: Instance, statement: str, **told: Any) -> None:
    instance.database.write(lambda session: session.execute(text(statement), told))


def adopted(instance: Instance, at: datetime = NOW + DAY) -> bool:
    return PLEDGE in instance.gate.adopted(at)


# ---------------------------------------------------------------- adoptions
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE adoptions SET signature = NULL",
        "UPDATE adoptions SET signature = zeroblob(64)",
        "UPDATE adoptions SET body = NULL, signature = NULL",
        "UPDATE adoptions SET body = replace(body, 'police', 'polite')",
        "UPDATE adoptions SET adopted_at = '2099-01-01T00:00:00.000000Z'",
        "UPDATE adoptions SET instrument = 'us-ca-sf-19b'",
        "UPDATE adoptions SET withdrawn_at = '2026-11-22T12:00:00.000001Z'",
    ],
)
def test_an_adoption_binds_whatever_is_done_to_its_row(instance: Instance, statement: str) -> None:
    instance.adopt(PLEDGE)
    change(instance, statement)
    assert adopted(instance)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE adoptions SET withdrawal = NULL",
        "UPDATE adoptions SET withdrawal_signature = NULL",
        "UPDATE adoptions SET withdrawal_signature = signature",
        "UPDATE adoptions SET withdrawal = body, withdrawal_signature = signature",
        "UPDATE adoptions SET withdrawal = replace(withdrawal, 'over', 'void')",
        "UPDATE adoptions SET signature = NULL, adopted_at = '2026-11-22T11:00:00.000000Z'",
    ],
)
def test_a_withdrawal_without_a_good_signature_does_not_count(
    instance: Instance, statement: str
) -> None:
    instance.adopt(PLEDGE)
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    assert not adopted(instance)
    change(instance, statement)
    assert adopted(instance)


def test_a_withdrawal_is_of_one_adoption(instance: Instance) -> None:
    """An old withdrawal, well signed, does not end a new adoption."""
    instance.adopt(PLEDGE)
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    instance.now = NOW + 2 * DAY
    instance.adopt(PLEDGE)
    assert adopted(instance, instance.now)
    change(
        instance,
        "UPDATE adoptions SET withdrawal = (SELECT withdrawal FROM adoptions WHERE id = 1), "
        "withdrawal_signature = (SELECT withdrawal_signature FROM adoptions WHERE id = 1), "
        "withdrawn_at = (SELECT withdrawn_at FROM adoptions WHERE id = 1)",
    )
    assert adopted(instance, instance.now)


OTHER = "amazon-rekognition-moratorium-2020"


def _copied(columns: str, where: str = "TRUE") -> str:
    """Each of two adoptions gets the other's columns."""
    pairs = ", ".join(f"{one} = o.{one}" for one in columns.split())
    others = "(SELECT * FROM adoptions LIMIT 2)"
    return f"UPDATE adoptions SET {pairs} FROM {others} o WHERE o.id = 3 - adoptions.id AND {where}"


@pytest.mark.parametrize(
    "statement",
    [
        _copied("body signature"),
        _copied("body signature", "adoptions.id = 1"),
        _copied("body signature", "adoptions.id = 2"),
        _copied("instrument"),
        _copied("instrument adopted_at"),
        _copied("instrument", "adoptions.id = 1"),
        _copied("body signature withdrawal withdrawal_signature"),
    ],
)
def test_an_adoption_copied_over_another_unbinds_neither(
    instance: Instance, library: InstrumentLibrary, statement: str
) -> None:
    assert {PLEDGE, OTHER} <= library.commitments
    instance.adopt(PLEDGE)
    instance.now += timedelta(seconds=1)
    instance.adopt(OTHER)
    change(instance, statement)
    assert instance.gate.adopted(NOW + DAY) == {PLEDGE, OTHER}
    # Each can still be withdrawn, by itself and for good.
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    assert instance.gate.adopted(NOW + DAY) == {OTHER}
    instance.withdraw_commitment(OTHER, NOW + 2 * DAY)
    assert instance.gate.adopted(NOW + 2 * DAY) == set()
    assert instance.gate.adopted(NOW + DAY) == {OTHER}
    assert instance.gate.adopted(NOW + timedelta(seconds=1)) == {PLEDGE, OTHER}


def test_an_ended_adoption_written_over_a_standing_one_does_not_end_it(instance: Instance) -> None:
    instance.adopt(PLEDGE)
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    instance.now = NOW + 2 * DAY
    instance.adopt(PLEDGE)
    columns = "body signature withdrawal withdrawal_signature withdrawn_at"
    change(instance, _copied(columns, "adoptions.id = 2"))
    assert adopted(instance, instance.now)
    instance.withdraw_commitment(PLEDGE, NOW + 3 * DAY)
    assert not adopted(instance, NOW + 3 * DAY)


def test_an_adoption_is_not_known_before_its_record(instance: Instance) -> None:
    instance.adopt(PLEDGE)

    def told(as_of: datetime, known_at: datetime) -> bool:
        with instance.database.read() as session:
            found = on_record(session, instance.keyring, as_of=as_of, known_at=known_at)
        return PLEDGE in found.adopted

    assert [told(NOW + DAY, NOW - DAY), told(NOW + DAY, NOW)] == [False, True]
    assert not told(NOW - DAY, NOW + DAY)
    instance.withdraw_commitment(PLEDGE, NOW + 2 * DAY)
    assert told(NOW + 3 * DAY, NOW + DAY)  # nobody knew then that it would be withdrawn
    assert not told(NOW + 3 * DAY, NOW + 2 * DAY)
    assert told(NOW + DAY, NOW + 3 * DAY)  # it did bind on that day


def test_an_adoption_of_before_signatures_binds_and_can_be_withdrawn(instance: Instance) -> None:
    insert = "INSERT INTO adoptions (instrument, adopted_at, by) VALUES (:i, :t, 'operator')"
    change(instance, insert, i=PLEDGE, t="2026-11-22T12:00:00.000000Z")
    assert adopted(instance)
    with instance.database.read() as session:
        [old] = adoptions.all_adoptions(session, instance.keyring)
    assert (old.signed, old.adopted_at, old.withdrawn_at) == (False, NOW, None)
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    assert adopted(instance, NOW)
    assert not adopted(instance)


def test_a_withdrawal_gives_its_reason(instance: Instance) -> None:
    instance.adopt(PLEDGE)
    with instance.database.read() as session:
        for reason in ("", "  ", "x" * 2_000, "a\nb"):
            with pytest.raises(LawError, match="needs a reason"):
                adoptions.withdraw_adoption(
                    session, instance.keyring, PLEDGE, reason=reason, at=NOW, by="operator"
                )
    instance.withdraw_commitment(PLEDGE, NOW + DAY)
    with instance.database.read() as session:
        [one] = adoptions.all_adoptions(session, instance.keyring)
    assert (one.reason, one.withdrawn_at, one.signed) == ("The pledge is over.", NOW + DAY, True)


# ---------------------------------------------------------------- duties
def met(instance: Instance, at: datetime, **told: Any) -> bool:
    with instance.database.read() as session:
        return POLICY in on_record(session, instance.keyring, as_of=at, **told).duties


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE duties_on_record SET signature = NULL",
        "UPDATE duties_on_record SET body = NULL, signature = NULL",
        "UPDATE duties_on_record SET signature = zeroblob(64)",
        "UPDATE duties_on_record SET duty = 'posted-sign'",
        "UPDATE duties_on_record SET body = replace(body, 'operator', 'somebody')",
        "UPDATE duties_on_record SET recorded_at = '2020-01-01T00:00:00.000000Z'",
    ],
)
def test_a_duty_without_a_good_signature_does_not_count(instance: Instance, statement: str) -> None:
    instance.duty(POLICY)
    assert met(instance, NOW)
    change(instance, statement)
    assert not met(instance, NOW)
    with instance.database.read() as session:
        [one] = duties.all_duties(session, instance.keyring)
    assert not one.signed


def test_a_duty_has_both_clocks_and_its_end_is_signed(instance: Instance) -> None:
    def work(session: Any) -> None:
        duties.record_duty(
            session,
            instance.keyring,
            POLICY,
            document_digest=NOTICE,
            at=NOW,
            by="operator",
            met_from=NOW - 5 * DAY,
        )

    instance.database.write(work)
    early = NOW - 2 * DAY
    assert not met(instance, early)
    assert met(instance, early, known_at=NOW)
    assert not met(instance, NOW - 6 * DAY, known_at=NOW)
    instance.end_duty(POLICY, NOW + DAY)
    assert met(instance, NOW)
    assert not met(instance, NOW, live=True)
    assert not met(instance, NOW + DAY)
    assert met(instance, NOW + 3 * DAY, known_at=NOW)  # nobody knew then that it would end
    assert not met(instance, NOW, known_at=NOW + DAY)  # as a fact's end
    change(instance, "UPDATE duties_on_record SET ended_at = NULL")
    assert not met(instance, NOW + DAY)


def test_a_duty_that_begins_later_is_not_met_yet(instance: Instance) -> None:
    start = NOW + 3 * DAY
    instance.database.write(
        lambda s: duties.record_duty(
            s,
            instance.keyring,
            POLICY,
            document_digest=NOTICE,
            at=NOW,
            by="operator",
            met_from=start,
        )
    )
    assert [met(instance, at) for at in (start - DAY, start)] == [False, True]


# ---------------------------------------------------------------- the desk and its leaves
@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    settings = Settings(data=made, sector="vendor", jurisdiction="US-WA")
    Opened.create(settings).close()
    return made


def leaves(data: Path) -> Iterator[Leaf]:
    with Opened.open(data) as opened, opened.database.read() as session:
        for index in range(log.size(session)):
            yield log.leaf_at(session, index)


def test_each_act_has_a_leaf_and_no_name_in_it(data: Path) -> None:
    with Registrar.open(data) as registrar:
        law = registrar.law
        law.adopt(PLEDGE)
        law.withdraw(PLEDGE, "Because Maria Muster says so.")
        law.record_duty("posted-sign", b"the sign")
        law.end_duty("posted-sign")
        terms = FactTerms(
            name="us-va-police-use-authorised",
            valid_from=NOW - DAY,
            attester="Maria Muster",
            document_digest=NOTICE,
        )
        fact = law.record_fact(terms)
        law.end_fact(fact.fact_id)
        law.add_attester("Maria Muster", new_key()[1])
        law.end_attester("Maria Muster")
        assert [one.state for one in law.facts()] == ["ended"]
    acts = list(leaves(data))[-8:]
    assert [leaf.operation for leaf in acts] == [
        "commitment-adopt",
        "commitment-withdraw",
        "duty-record",
        "duty-end",
        "fact-record",
        "fact-end",
        "attester-add",
        "attester-end",
    ]
    assert acts[1].reasons == (PLEDGE,)
    assert acts[4].records == acts[5].records == (fact.fact_id,)
    assert len({leaf.subjects for leaf in acts[4:]}) == 1  # one person, by one commitment
    for leaf in acts:
        assert b"Maria" not in leaf.canonical() and b"Muster" not in leaf.canonical()


def test_statutes_and_the_baseline_refuse_both_acts(data: Path) -> None:
    with Registrar.open(data) as registrar:
        for instrument in ("us-il-bipa-2008", "baseline-human-rights"):
            with pytest.raises(LawError, match="no commitment"):
                registrar.law.adopt(instrument)
            with pytest.raises(LawError, match="no commitment"):
                registrar.law.withdraw(instrument, "We would rather not.")
        with pytest.raises(LawError, match="Unknown instrument"):
            registrar.law.withdraw("no-such-law", "Why not.")
        with pytest.raises(LawError, match="not adopted"):
            registrar.law.withdraw(PLEDGE, "It never bound us.")


def test_what_is_refused_leaves_no_leaf(data: Path) -> None:
    before = len(list(leaves(data)))
    with Registrar.open(data) as registrar:
        for refused in (
            lambda: registrar.law.withdraw(PLEDGE, "It never bound us."),
            lambda: registrar.law.end_duty("posted-sign"),
            lambda: registrar.law.end_fact("fct-0"),
            lambda: registrar.law.end_attester("nobody"),
            lambda: registrar.law.record_fact(
                FactTerms(
                    name="notice",
                    value=True,
                    client="nobody",
                    valid_from=NOW,
                    attester="A",
                    document_digest=NOTICE,
                )
            ),
        ):
            with pytest.raises(LawError):
                refused()
    assert len(list(leaves(data))) == before
