"""One erasure path: what goes, what stays suppressed, which receipt is kept, what is reported."""

from __future__ import annotations

import json
import secrets
import sqlite3
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, String, insert, select, update

from instance import PURPOSE, TemporaryInstance
from rightface import registrar_subjects
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.errors import GalleryError, Refused
from rightface.gallery import erasure as erasures
from rightface.gallery.erasure import complete_abandoned
from rightface.gallery.receipts import verify_receipt
from rightface.gallery.review_rows import CandidateRow, ReviewRow
from rightface.gallery.rows import FaceRow, ReceiptRow, SubjectRow
from rightface.law.consents import row_mac
from rightface.law.suppressions import ANY
from rightface.law.tables import ConsentRow, SuppressionRow, stamp
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.retention import RetentionDesk
from rightface.service.keeper import Keeper
from tests.service.test_restore import caller_of, enrol, held, staged

DAY = timedelta(days=1)


def reasons(refused: pytest.ExceptionInfo[Refused]) -> set[str]:
    ruling = refused.value.refusal.ruling  # type: ignore[attr-defined]
    return {one.key for one in ruling.reasons}


# ---------------------------------------------------------------- suppression
@pytest.mark.parametrize("suppressing", [True, False])
def test_a_deletion_over_the_wire_suppresses_if_the_operator_wants_it(
    fresh: TemporaryInstance, suppressing: bool
) -> None:
    caller, ids = staged(fresh)
    object.__setattr__(fresh.instance.settings, "suppress_deletions", suppressing)
    fresh.service.delete_faces(caller, "staff", [ids["ada1"]])
    assert enrol(fresh.instance, caller, "staff", "ada")  # another face of hers is still there
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    if not suppressing:
        assert enrol(fresh.instance, caller, "staff", "bob")
        return
    with pytest.raises(Refused, match="deletion") as refused:
        enrol(fresh.instance, caller, "staff", "bob")
    assert reasons(refused) == {"consent#suppressed"}
    assert enrol(fresh.instance, caller, "guests", "bob")  # it is about that gallery
    fresh.consent("bob", obtained_at=datetime.now(UTC) - DAY)  # recorded now, given before
    with pytest.raises(Refused):
        enrol(fresh.instance, caller, "staff", "bob")
    fresh.consent("bob", galleries=("guests",))  # given now, for elsewhere
    with pytest.raises(Refused):
        enrol(fresh.instance, caller, "staff", "bob")
    fresh.consent("bob")
    assert enrol(fresh.instance, caller, "staff", "bob")


def test_a_collection_made_again_under_its_name_meets_the_suppression(
    fresh: TemporaryInstance,
) -> None:
    caller, _ = staged(fresh)
    fresh.service.delete_collection(caller, "staff")
    fresh.service.create_collection(caller, "staff", {})
    for who in ("ada", "bob"):
        with pytest.raises(Refused, match="deletion"):
            enrol(fresh.instance, caller, "staff", who)
    assert enrol(fresh.instance, caller, "staff", "cy")


def test_another_basis_than_consent_is_not_held_up_by_a_deletion_but_by_a_withdrawal(
    fresh: TemporaryInstance,
) -> None:
    caller, ids = staged(fresh)
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    other = fresh.licence("acme", basis="legal-obligation").licence
    from dataclasses import replace

    by_law = replace(caller, licence=other)
    asked = fresh.service.asked(by_law, "enroll", gallery="staff", subjects=("bob",))
    found = {one.key for one in fresh.instance.gate.consider(asked).reasons}
    assert "consent#suppressed" not in found
    fresh.registrar.withdraw_consent("bob")
    found = {one.key for one in fresh.instance.gate.consider(asked).reasons}
    assert "consent#withdrawn" in found


def test_an_erasure_on_request_holds_everywhere(fresh: TemporaryInstance) -> None:
    caller, _ = staged(fresh)
    receipt = fresh.registrar.subjects.erase("ada")
    assert receipt.erased["faces"] == 2 and receipt.reason == "request"
    for gallery in ("staff", "guests"):
        with pytest.raises(Refused, match="request"):
            enrol(fresh.instance, caller, gallery, "ada")
    standing = fresh.registrar.subjects.standing("ada")
    assert [(one.client, one.gallery, one.reason) for one in standing.entries] == [
        ("every", "every", "request")
    ]
    assert not standing.withdrew and standing.last_consent is not None
    assert fresh.registrar.subjects.suppressions() == {"request": 1}
    assert fresh.registrar.subjects.standing("nobody").entries == ()


# ---------------------------------------------------------------- what is due
def test_a_consent_that_ended_by_itself_erases(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    soon = datetime.now(UTC) + DAY

    def expire(session: Any) -> None:
        for who in ("bob", "eve"):
            known = fresh.instance.vault.row_commitment(who)
            row = session.scalars(select(ConsentRow).where(ConsentRow.subject == known)).one()
            row.expires_at = stamp(datetime.now(UTC) - DAY)
            row.mac = row_mac(fresh.instance.keyring, row)

    fresh.consent("cy", expires_at=soon)
    fresh.instance.database.write(expire)
    fresh.consent("eve")  # she agreed anew
    desk = RetentionDesk(fresh.instance)
    assert desk.would_sweep().consent_ended == 1
    assert desk.would_sweep().past_date == 0
    (receipt,) = desk.sweep()
    assert receipt.reason == "expiry"
    assert held(fresh.instance) == set(ids.values()) - {ids["bob"]}
    assert desk.sweep() == ()
    fresh.consent("bob", obtained_at=datetime.now(UTC) - 2 * DAY)
    with pytest.raises(Refused, match="expiry"):
        enrol(fresh.instance, caller, "staff", "bob")


def test_galleries_go_after_the_days_of_grace(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    fresh.registrar.revoke_licence(caller.licence.licence_id)
    desk = RetentionDesk(fresh.instance)
    assert desk.sweep() == ()
    (ending,) = desk.would_sweep().licences_ended
    assert (ending.client, ending.galleries) == ("acme", ("guests", "old", "staff"))
    assert ending.erased_from - ending.ended_at == 30 * DAY
    object.__setattr__(fresh.instance.settings, "licence_grace_days", 0)
    assert {one.reason for one in desk.sweep()} == {"licence-ended"}
    assert not held(fresh.instance) & set(ids.values())
    assert desk.would_sweep().licences_ended == ()


def test_what_stays_overdue_is_an_alarm(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = staged(fresh)

    def late(session: Any) -> None:
        past = datetime.now(UTC) - timedelta(minutes=6)
        session.execute(update(FaceRow).where(FaceRow.id == ids["bob"]).values(retain_until=past))

    fresh.instance.database.write(late)
    keeper = fresh.service._keeper

    def refuse(*_: object, **__: object) -> None:
        raise GalleryError("No.")

    def page(url: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    with running(create_app(fresh.service)) as url:
        with monkeypatch.context() as stuck:
            stuck.setattr(RetentionDesk, "sweep", refuse)
            with pytest.raises(GalleryError):
                keeper._sweep()
        status, health = page(f"{url}/healthz")
        assert status == 503
        assert json.loads(health)["parts"]["retention"] == "gallery"
        assert "rightface_overdue_faces 1.0" in page(f"{url}/metrics")[1]
        keeper._swept = float("-inf")
        keeper._sweep()
        assert keeper.overdue() == 0
        assert "rightface_overdue_faces 0.0" in page(f"{url}/metrics")[1]
    assert isinstance(keeper, Keeper)


# ---------------------------------------------------------------- receipts
def test_every_erasure_has_a_receipt_that_is_kept(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    fresh.service.delete_collection(caller, "old")
    fresh.registrar.withdraw_consent("cy")
    desk, public = fresh.registrar.subjects, fresh.instance.keyring.signer("receipt").public_bytes
    with fresh.instance.database.read() as session:
        rows = session.execute(
            select(ReceiptRow.receipt_id, ReceiptRow.client, ReceiptRow.pending)
        ).all()
    assert sorted(row.client for row in rows) == ["acme", "acme", "operator"]
    assert all(row.pending is None for row in rows)
    found = {verify_receipt(desk.receipt(row.receipt_id), public).reason for row in rows}
    assert found == {"deletion", "withdrawal"}
    assert not any(who in json.dumps(desk.receipt(row.receipt_id)) for row in rows for who in ids)
    own = next(row.receipt_id for row in rows if row.client == "operator")
    with pytest.raises(GalleryError):
        desk.receipt(own, client="acme")
    assert desk.receipts_of(desk.receipt(own)["ledger_index"]) == [own]


def test_a_crash_before_the_last_look_is_made_up_for(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, ids = staged(fresh)
    instance = fresh.instance

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as stuck:
        stuck.setattr(erasures, "sign_receipt", crash)
        with pytest.raises(RuntimeError):
            fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    parts: dict[str, Any] = {
        "database": instance.database,
        "room": instance.indexes,
        "keyring": instance.keyring,
    }
    assert complete_abandoned(**parts) == 0  # somebody may still be at it
    instance.database.write(
        lambda session: session.execute(
            update(ReceiptRow).values(pending_since=datetime.now(UTC) - timedelta(minutes=2))
        )
    )
    assert complete_abandoned(**parts) == 1
    assert complete_abandoned(**parts) == 0
    with instance.database.read() as session:
        (row,) = session.scalars(select(ReceiptRow))
    assert row.pending is None
    told = verify_receipt(
        json.loads(row.document or ""), instance.keyring.signer("receipt").public_bytes
    )
    assert told.erased["faces"] == 1


def test_one_erasure_that_cannot_be_finished_does_not_stop_the_others(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, ids = staged(fresh)
    instance = fresh.instance

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as stuck:
        stuck.setattr(erasures, "sign_receipt", crash)
        for gallery, who in (("staff", "bob"), ("guests", "eve")):
            with pytest.raises(RuntimeError):
                fresh.service.delete_faces(caller, gallery, [ids[who]])

    def spoil(session: Any) -> None:
        rows = session.scalars(select(ReceiptRow)).all()
        for row in rows:
            row.pending_since = datetime.now(UTC) - timedelta(minutes=2)
        noted = json.loads(rows[0].pending)
        noted["face_ids"] = {"x": [ids["cy"]]}  # which is still there
        rows[0].pending = json.dumps(noted)

    instance.database.write(spoil)
    with pytest.raises(GalleryError, match="left something"):
        complete_abandoned(
            database=instance.database, room=instance.indexes, keyring=instance.keyring
        )
    with instance.database.read() as session:
        rows = session.scalars(select(ReceiptRow)).all()
    assert sorted(row.document is None for row in rows) == [False, True]


def test_the_last_look_at_a_collection_asks_whoever_else_holds_of_it(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, _ = staged(fresh)

    def behind(*_: object) -> None:  # a review that comes in between
        def work(session: Any) -> None:
            now = datetime.now(UTC)
            values = {
                each.name: 1 if isinstance(each.type, Integer) else now
                for each in ReviewRow.__table__.columns
                if not each.nullable
            }
            texts = [one for one in ReviewRow.__table__.columns if isinstance(one.type, String)]
            values |= {one.name: "x" for one in texts if not one.nullable}
            session.execute(insert(ReviewRow).values(values | {"collection_id": gone[0]}))
            candidate = {"review_id": "x", "number": 1, "face_id": "f", "sealed_record": b""}
            session.execute(insert(CandidateRow).values(candidate))

        fresh.instance.database.write(work)

    gone: list[str] = []
    with fresh.instance.database.read() as session:
        found = fresh.instance.store.find_collection(session, client="acme", name="old")
        gone.append(found.id)
    monkeypatch.setattr(fresh.instance.indexes, "forget_collection", behind)
    with pytest.raises(GalleryError, match="left something"):
        fresh.service.delete_collection(caller, "old")


# ---------------------------------------------------------------- damage
def test_a_damaged_consent_covers_nothing_and_stops_no_sweep(fresh: TemporaryInstance) -> None:
    _, ids = staged(fresh)
    fresh.consent("cy", expires_at=datetime.now(UTC) + DAY)

    def damage(session: Any) -> None:
        past = stamp(datetime.now(UTC) - DAY)
        known = fresh.instance.vault.row_commitment("bob")
        row = session.scalars(select(ConsentRow).where(ConsentRow.subject == known)).one()
        row.purposes, row.expires_at = "no JSON", past
        known = fresh.instance.vault.row_commitment("eve")
        row = session.scalars(select(ConsentRow).where(ConsentRow.subject == known)).one()
        row.purposes, row.expires_at = "no JSON", past
        row.mac = row_mac(fresh.instance.keyring, row)  # as of a row of an earlier release

    fresh.instance.database.write(damage)
    desk = RetentionDesk(fresh.instance)
    assert desk.overdue() == 2
    (receipt,) = desk.sweep()
    assert receipt.reason == "expiry"
    assert held(fresh.instance) == set(ids.values()) - {ids["bob"], ids["eve"]}
    fresh.registrar.withdraw_consent("bob")  # nor a withdrawal


def test_a_part_of_the_sweep_that_fails_does_not_stop_the_others(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = staged(fresh)
    desk = RetentionDesk(fresh.instance)

    def broken(*_: object) -> None:
        raise GalleryError("The first part is broken.")

    def expire(session: Any) -> None:
        known = fresh.instance.vault.row_commitment("bob")
        row = session.scalars(select(ConsentRow).where(ConsentRow.subject == known)).one()
        row.expires_at = stamp(datetime.now(UTC) - DAY)
        row.mac = row_mac(fresh.instance.keyring, row)

    fresh.instance.database.write(expire)
    monkeypatch.setattr(desk, "_erase_due", broken)
    with pytest.raises(GalleryError, match="first part"):
        desk.sweep()
    assert held(fresh.instance) == set(ids.values()) - {ids["bob"]}


# ---------------------------------------------------------------- access
def test_a_report_reads_the_ledger_in_short_parts(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(fresh)
    whole = fresh.registrar.subjects.report("ada")
    size, database, reads = fresh.instance.ledger_size(), fresh.instance.database, []
    read = database.read

    def counted() -> Any:
        reads.append(1)
        return read()

    monkeypatch.setattr(database, "read", counted)
    monkeypatch.setattr(registrar_subjects, "_LEAVES", 3)
    again = fresh.registrar.subjects.report("ada")
    assert len(reads) > size // 3
    assert again.uses[: len(whole.uses)] == whole.uses
    assert len(again.uses) == len(whole.uses) + 1  # the first report
    assert any(one.decision is not None for one in again.uses)


def test_a_person_is_told_everything_and_it_is_on_record(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    fresh.service.delete_faces(caller, "staff", [ids["ada1"]])
    told = fresh.registrar.subjects.report("ada")
    (face,) = told.faces
    assert (face.face_id, face.client, face.gallery) == (ids["ada2"], "acme", "staff")
    assert len(told.consents) == 1
    done = [(one.operation, one.outcome) for one in told.uses]
    assert done.count(("enroll", "permitted")) == 2
    assert ("erase", "erased") in done and ("consent-record", "done") in done
    assert all(one.purpose in (PURPOSE, "upkeep", None) for one in told.uses)
    assert {one.client for one in told.uses if one.operation == "enroll"} == {"acme"}
    with fresh.instance.database.read() as session:
        leaf = log.leaf_at(session, told.ledger_index)
        known = fresh.instance.vault.commitment(session, "ada")
    assert (leaf.operation, leaf.subjects) == ("subject-report", (known,))
    nobody = fresh.registrar.subjects.report("nobody")
    assert not nobody.faces and not nobody.uses and not nobody.consents


# ---------------------------------------------------------------- nothing is left
Put = st.tuples(st.sampled_from(["staff", "guests", "old"]), st.integers(0, 3), st.booleans())


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(puts=st.lists(Put, min_size=1, max_size=8), how=st.sampled_from(["withdraw", "erase"]))
@pytest.mark.sqlite_only
def test_after_an_erasure_nothing_of_the_person_is_found_anywhere(
    fresh: TemporaryInstance, puts: list[tuple[str, int, bool]], how: str
) -> None:
    instance = fresh.instance
    mark = secrets.token_hex(6)
    people = [f"person-{mark}-{n}" for n in range(4)]
    fresh.consent(*people)
    caller = caller_of(fresh, f"client-{mark}")
    for name in ("staff", "guests", "old"):
        fresh.service.create_collection(caller, name, {})
    ids: dict[str, list[str]] = {who: [] for who in people}
    for gallery, who, _ in puts:
        ids[people[who]].append(enrol(instance, caller, gallery, people[who]))
    victim = people[puts[0][1]]
    with instance.database.read() as session:
        row = session.execute(
            select(SubjectRow).where(SubjectRow.commitment == instance.vault.row_commitment(victim))
        ).scalar_one()
        faces = session.scalars(select(FaceRow).where(FaceRow.subject_id == row.id)).all()
        secret = [row.wrapped_key, row.sealed_reference, row.id.encode(), victim.encode()]
        secret += [face.template for face in faces]
        sealed_with = [victim.encode(), *[face.template for face in faces]]
    act: Callable[[str], Any] = (
        fresh.registrar.withdraw_consent if how == "withdraw" else fresh.registrar.subjects.erase
    )
    receipt = act(victim)
    assert receipt.erased["faces"] == len(ids[victim])
    assert receipt.overwritten
    # The bytes of the files: the database, its write-ahead log, the ledger's tiles.
    fresh.service.publish_ledger()
    data = instance.settings.data
    content = b"".join(
        path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and "models" not in path.parts
    )
    for what in secret:
        assert what is not None and what not in content
    assert sealed_with
    # Every table, as values: no row names the subject's row, the reference or a key of theirs.
    with sqlite3.connect(instance.settings.sqlite_file) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            for values in connection.execute(f'SELECT * FROM "{table}"'):
                assert not {row.id, victim, row.wrapped_key} & set(values), table
    others = {face for who, own in ids.items() if who != victim for face in own}
    assert others <= held(instance)
    for gallery in ("staff", "guests", "old"):
        with pytest.raises(Refused):
            enrol(instance, caller, gallery, victim)


def test_the_ledger_says_what_a_restore_needs_and_nobodys_name(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    fresh.service.delete_faces(caller, "staff", [ids["ada1"], str(uuid.uuid4())])
    fresh.service.delete_collection(caller, "old")
    with fresh.instance.database.read() as session:
        leaves = [Leaf.parse(body) for body in log.entries(session, 0, log.size(session))]
        suppressed = session.scalars(select(SuppressionRow)).all()
    one, whole = [leaf for leaf in leaves if leaf.outcome == "erased"]
    assert len(one.forgotten) == 1 and one.reasons == ("deletion",)
    assert whole.forgotten == () and whole.counts["collections"] == 1 and whole.gallery
    (act,) = [leaf for leaf in leaves if leaf.operation == "suppress"]
    (entry,) = suppressed  # of dot: ada has another face in her gallery
    assert act.subjects == (entry.subject,) and act.gallery == entry.gallery != ANY
    published = b"".join(leaf.canonical() for leaf in leaves)
    for name in ("ada", "bob", "dot", ids["ada1"]):
        assert f'"{name}'.encode() not in published


def test_the_file_of_a_receipt_is_a_receipt(fresh: TemporaryInstance, tmp_path: Path) -> None:
    from rightface.registrar_subjects import receipt_text

    staged(fresh)
    file = tmp_path / "receipt.json"
    file.write_text(receipt_text(fresh.registrar.subjects.erase("bob").document))
    public = fresh.instance.keyring.signer("receipt").public_bytes
    assert verify_receipt(json.loads(file.read_text()), public).reason == "request"
