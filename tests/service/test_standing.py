"""Withdrawals that must hold, records that must agree, dates that must count."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from instance import TemporaryInstance
from made_up_evidence import of_pack
from rightface.errors import (
    ConsentError,
    GalleryError,
    LedgerError,
    LicenceError,
    Refused,
    StorageError,
)
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.service.keeper import Keeper
from rightface.service_types import Answer, Caller, IndexedFaces, SearchResult
from tests.portraits import grace_hopper

PHOTO = grace_hopper()


def _caller(fresh: TemporaryInstance, client: str = "tester", **changed: object) -> Caller:
    licence = fresh.licence(client, **changed).licence  # type: ignore[arg-type]
    return Caller(licence=licence, purpose=None, subject=None, request_id="request-1")


def _enrol(fresh: TemporaryInstance, caller: Caller, subject: str) -> Answer[IndexedFaces]:
    return fresh.service.index_faces(
        caller, "staff", image=PHOTO, subject=subject, max_faces=None, quality_filter="AUTO"
    )


def _search(fresh: TemporaryInstance, caller: Caller) -> Answer[SearchResult]:
    return fresh.service.search_faces_by_image(
        caller, "staff", image=PHOTO, limit=10, similarity=80.0, quality_filter="NONE"
    )


def _leaves(fresh: TemporaryInstance) -> list[Leaf]:
    fresh.instance.database.write(lambda _: None)  # behind the outcomes that wait
    with fresh.instance.database.read() as session:
        return [Leaf.parse(body) for body in entries(session, 0, size(session))]


def test_an_import_does_not_lift_a_withdrawal(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent("alice")
    fresh.registrar.withdraw_consent("alice")
    last_year = datetime.now(UTC) - timedelta(days=365)
    for obtained in (last_year, None):
        with pytest.raises(ConsentError):
            fresh.consent("alice", "bob", obtained_at=obtained)
    with pytest.raises(ConsentError, match="future"):
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        fresh.consent("alice", obtained_at=tomorrow)
    assert fresh.registrar.consents_of("bob") == []
    with pytest.raises(Refused, match="withdrew"):
        _enrol(fresh, caller, "alice")
    fresh.consent("alice")  # alone, and now: the person was asked again
    assert len(_enrol(fresh, caller, "alice").value.enrolled) == 1


def test_a_person_whose_key_is_damaged_can_still_withdraw(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent("alice")
    _enrol(fresh, caller, "alice")
    fresh.instance.database.write(
        lambda session: session.execute(update(SubjectRow).values(wrapped_key=b"\0"))
    )
    receipt = fresh.registrar.withdraw_consent("alice")
    assert receipt.erased["faces"] == 1
    with fresh.instance.database.read() as session:
        assert session.query(FaceRow).count() == session.query(SubjectRow).count() == 0


def test_a_revocation_recorded_before_a_decision_counts_in_it(fresh: TemporaryInstance) -> None:
    # The judgement runs in the transaction of its record: nothing fits between the two.
    caller = _caller(fresh, "soon-revoked")
    fresh.service.create_collection(caller, "staff", {})
    revoked: list[int] = []
    judge = fresh.instance.gate._recorder

    def late(operation: object, judged: object) -> int:
        if not revoked:
            revoked.append(1)
            fresh.registrar.revoke_licence(caller.licence.licence_id)
        return judge(operation, judged)  # type: ignore[arg-type]

    fresh.instance.gate._recorder = late
    with pytest.raises(Refused, match="revoked"):
        _search(fresh, caller)
    leaves = [leaf for leaf in _leaves(fresh) if leaf.licence == caller.licence.licence_id]
    assert [leaf.operation for leaf in leaves[-2:]] == ["licence-revoke", "identify-1toN"]
    assert leaves[-1].outcome == "refused"


def test_no_word_of_a_client_enters_the_ledger(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    name = "jane.doe_1980-02-03"
    with pytest.raises(GalleryError):
        fresh.service.describe_collection(caller, name)
    told = b"".join(leaf.canonical() for leaf in _leaves(fresh))
    assert name.encode() not in told
    assert _leaves(fresh)[-1].outcome == "failed"


def test_another_packs_collection_is_not_searched(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent("alice")
    _enrol(fresh, caller, "alice")
    fresh.instance.database.write(
        lambda session: session.query(CollectionRow).update({"pack_digest": "0" * 64})
    )
    with pytest.raises(GalleryError, match="another model pack"):
        _search(fresh, caller)
    with pytest.raises(GalleryError, match="another model pack"):
        _enrol(fresh, caller, "alice")


def test_a_face_enrolled_by_law_is_not_found_on_warranted_consent(
    fresh: TemporaryInstance,
) -> None:
    fresh.registrar.evidence.add(of_pack(fresh.instance.pack))  # who did not agree is searched
    by_law = _caller(fresh, "acme", basis="legal-obligation")
    by_consent = _caller(fresh, "acme")
    fresh.service.create_collection(by_law, "staff", {})
    _enrol(fresh, by_law, "never-asked")
    assert len(_search(fresh, by_law).value.candidates) == 1
    assert _search(fresh, by_consent).value.candidates == []
    other_purpose = _caller(fresh, "acme", purposes=("attendance",), basis="legal-obligation")
    assert _search(fresh, other_purpose).value.candidates == []


def test_whose_face_was_searched_by_is_recorded(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent("alice")
    enrolled = _enrol(fresh, caller, "alice").value.enrolled
    fresh.service.search_faces(
        caller, "staff", face_id=enrolled[0].record.face_id, limit=5, similarity=80.0
    )
    with fresh.instance.database.read() as session:
        known = fresh.instance.vault.commitment(session, "alice")
    outcome = _leaves(fresh)[-1]
    assert (outcome.outcome, outcome.subjects) == ("searched", (known,))
    assert outcome.counts == {"candidates": 0, "probes": 1}


def test_what_is_past_its_retention_date_is_erased(fresh: TemporaryInstance) -> None:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent("alice", "bob")
    _enrol(fresh, caller, "alice")
    kept = _enrol(fresh, caller, "bob").value.enrolled[0].record.face_id
    fresh.instance.database.write(
        lambda session: (
            session.query(FaceRow)
            .filter(FaceRow.id != kept)
            .update({"retain_until": datetime.now(UTC) - timedelta(seconds=1)})
        )
    )
    assert fresh.registrar.erase_overdue() == 1
    assert fresh.registrar.erase_overdue() == 0
    with fresh.instance.database.read() as session:
        assert [row.id for row in session.query(FaceRow)] == [kept]
    assert _leaves(fresh)[-1].outcome == "erased"


def test_the_operators_own_licence_is_not_for_others(fresh: TemporaryInstance) -> None:
    own = next(each for each in fresh.registrar.licences() if each.client == "operator")
    with pytest.raises(LicenceError, match="needs its own licence"):
        fresh.registrar.revoke_licence(own.licence_id)
    with pytest.raises(LicenceError, match="own name"):
        fresh.licence("operator")


def test_one_task_that_fails_does_not_stop_the_keeper(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise MemoryError

    published: list[int] = []
    monkeypatch.setattr(fresh.instance.indexes, "follow", fails)
    monkeypatch.setattr(fresh.instance.publisher, "behind", lambda: published.append(1))
    monkeypatch.setattr("rightface.service.keeper.FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr("rightface.service.keeper.LATE_SECONDS", 0.1)
    keeper = Keeper(fresh.instance)
    keeper.start()
    try:
        while len(published) < 20:
            pass
        with pytest.raises(StorageError, match="has not finished a round"):
            keeper.require_well()
    finally:
        keeper.stop()


def test_a_rewritten_ledger_is_not_signed_even_if_its_files_are_gone(
    fresh: TemporaryInstance,
) -> None:
    instance = fresh.instance
    size_then = instance.publisher.publish().size
    shutil.rmtree(instance.settings.ledger_directory)
    assert instance.publisher.publish().size == size_then  # a projection: it comes back
    with instance.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER ledger_leaves_no_update"))
        else:
            connection.execute(text("DROP TRIGGER ledger_leaves_no_change ON ledger_leaves"))
        for index, body in connection.execute(text("SELECT idx, body FROM ledger_leaves")).all():
            connection.execute(
                text("UPDATE ledger_leaves SET body = :body WHERE idx = :idx"),
                {"idx": index, "body": bytes(body).replace(b"done", b"gone")},
            )
    shutil.rmtree(instance.settings.ledger_directory)
    with pytest.raises(LedgerError):
        instance.publisher.publish()
