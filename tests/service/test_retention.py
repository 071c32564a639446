"""Two clocks on every face: what sets them, what moves them, and what is gone when one runs out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from instance import TemporaryInstance
from rightface.errors import CollectionNotFound, FaceNotFound, GalleryError
from rightface.gallery.receipts import verify_receipt
from rightface.gallery.rows import FaceRow
from rightface.gallery.store import Collection
from rightface.law.library import InstrumentLibrary
from rightface.law.ruling import Obligation
from rightface.law.steps.obligations import merge
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.retention import INTERACTION, PURPOSE_ENDED, RetentionDesk
from rightface.service_types import Caller
from tests.portraits import eileen_collins, grace_hopper

PHOTO = grace_hopper()
OTHER = eileen_collins()
DAY = timedelta(days=1)


def _caller(fresh: TemporaryInstance, client: str = "acme") -> Caller:
    licence = fresh.licence(client).licence
    return Caller(licence=licence, purpose=None, subject=None, request_id="request-1")


def _enrol(fresh: TemporaryInstance, caller: Caller, subject: str, photo: bytes = PHOTO) -> str:
    enrolled = fresh.service.index_faces(
        caller, "staff", image=photo, subject=subject, max_faces=None, quality_filter="AUTO"
    ).value.enrolled
    return enrolled[0].record.face_id


def _found(fresh: TemporaryInstance, caller: Caller, photo: bytes = PHOTO) -> list[str]:
    candidates = fresh.service.search_faces_by_image(
        caller, "staff", image=photo, limit=10, similarity=80.0, quality_filter="NONE"
    ).value.candidates
    return [one.record.face_id for one in candidates]


def _rows(fresh: TemporaryInstance) -> dict[str, FaceRow]:
    with fresh.instance.database.read() as session:
        return {row.id: row for row in session.query(FaceRow)}


def _set(fresh: TemporaryInstance, *face_ids: str, **values: Any) -> None:
    def work(session: Any) -> None:
        session.query(FaceRow).filter(FaceRow.id.in_(face_ids)).update(values)

    fresh.instance.database.write(work)


def _leaves(fresh: TemporaryInstance) -> list[Leaf]:
    fresh.instance.database.write(lambda _: None)  # behind the outcomes that wait
    with fresh.instance.database.read() as session:
        return [Leaf.parse(body) for body in entries(session, 0, size(session))]


_INSTRUMENT = """
id = "terms"
name = "Terms of retention"
kind = "operator-rule"
jurisdiction = "*"
effective_from = 2020-01-01
citation = "House rules"
confidence = "own"
summary = "How long a face is kept."
"""
_RULE = """
[[rules]]
id = "{kind}"
effect = "oblige"
actors = ["everyone"]
operations = ["enroll"]
c = "own"
"""
_POLICY = """
@id("{kind}")
@section("{kind}")
@citation("House rules")
@text("A face is not kept for longer.")
@change("Nothing: the date is set with the enrolment.")
@obligation("{kind}")
@value("{value}")
permit (principal, action == Action::"enroll", resource);
"""


@pytest.fixture
def oblige(fresh: TemporaryInstance, tmp_path: Path) -> Callable[..., Any]:
    """Terms that an instrument of the operator's sets, for the length of the block."""

    @contextmanager
    def also(**terms: int) -> Iterator[None]:
        folder = Path(tempfile.mkdtemp(dir=tmp_path)) / "terms"
        folder.mkdir()
        rules = [{"kind": kind.replace("_", "-"), "value": n} for kind, n in terms.items()]
        text = _INSTRUMENT + "".join(_RULE.format(**rule) for rule in rules)
        (folder / "instrument.toml").write_text(text)
        (folder / "policy.cedar").write_text("".join(_POLICY.format(**rule) for rule in rules))
        (folder / "cases.yaml").write_text("[]\n")
        gate, before = fresh.instance.gate, fresh.instance.library
        gate._library = InstrumentLibrary.load(folder.parent)
        try:
            yield
        finally:
            gate._library = before

    return also


def _staff(fresh: TemporaryInstance, *subjects: str) -> Caller:
    caller = _caller(fresh)
    fresh.service.create_collection(caller, "staff", {})
    fresh.consent(*subjects)
    return caller


def test_obligations_become_dates(fresh: TemporaryInstance, oblige: Callable[..., Any]) -> None:
    caller = _staff(fresh, "alice")  # her consent is for 30 days
    by_consent = _enrol(fresh, caller, "alice")
    with oblige(retention_minutes=90, retention_idle_days=7):
        by_law = _enrol(fresh, caller, "alice")
    with oblige(retention_minutes=100_000):
        later_than_consent = _enrol(fresh, caller, "alice")
    rows = _rows(fresh)
    kept = {
        face_id: row.retain_until - row.enrolled_at
        for face_id, row in rows.items()
        if row.retain_until is not None
    }
    assert kept[by_consent] == kept[later_than_consent] == 30 * DAY
    assert kept[by_law] == timedelta(minutes=90)
    assert rows[by_law].idle_days == 7
    again = rows[later_than_consent].enrolled_at  # her last interaction
    assert rows[by_law].idle_until == again + 7 * DAY


@pytest.mark.parametrize("kind", ["retention-days", "retention-minutes", "retention-idle-days"])
def test_the_smaller_is_the_stricter(kind: str) -> None:
    terms = [Obligation(kind, 30, "a"), Obligation(kind, 7, "b"), Obligation(kind, 365, "c")]
    assert merge(terms) == (Obligation(kind, 7, "b"),)


@pytest.mark.parametrize("clock", ["retain_until", "idle_until"])
def test_what_is_past_either_date_is_found_by_no_search_and_erased(
    fresh: TemporaryInstance, clock: str
) -> None:
    caller = _staff(fresh, "alice", "bob")
    gone, kept = _enrol(fresh, caller, "alice"), _enrol(fresh, caller, "bob")
    assert set(_found(fresh, caller)) == {gone, kept}
    _set(fresh, gone, idle_days=10, idle_until=datetime.now(UTC) + DAY)
    assert set(_found(fresh, caller)) == {gone, kept}
    _set(fresh, gone, **{clock: datetime.now(UTC) - timedelta(microseconds=1)})
    assert _found(fresh, caller) == [kept]  # not swept yet
    with pytest.raises(FaceNotFound):
        fresh.service.search_faces(caller, "staff", face_id=gone, limit=5, similarity=80.0)
    assert fresh.registrar.erase_overdue() == 1
    assert list(_rows(fresh)) == [kept]
    assert fresh.registrar.erase_overdue() == 0
    assert _leaves(fresh)[-1].outcome == "erased"


def test_an_interaction_moves_the_idle_date_forward_and_never_back(
    fresh: TemporaryInstance, oblige: Callable[..., Any]
) -> None:
    caller, desk = _staff(fresh, "alice", "bob"), RetentionDesk(fresh.instance)
    with oblige(retention_idle_days=10):
        hers, his = _enrol(fresh, caller, "alice"), _enrol(fresh, caller, "bob")
    soon = datetime.now(UTC) + DAY
    _set(fresh, hers, his, idle_until=soon)
    moved = desk.interaction("alice", gallery="staff")
    assert (moved.faces, moved.moved) == (1, 1)
    rows = _rows(fresh)
    assert rows[hers].idle_until > soon + 8 * DAY  # type: ignore[operator]
    assert rows[his].idle_until == soon
    desk.interaction("bob", gallery="staff", at=datetime.now(UTC) - 20 * DAY)
    assert _rows(fresh)[his].idle_until == soon
    leaf = next(one for one in reversed(_leaves(fresh)) if one.operation == INTERACTION)
    assert (leaf.client, leaf.counts) == ("acme", {"faces": 0})
    assert len(leaf.subjects) == 1
    assert b"bob" not in leaf.canonical()


def test_an_interaction_brings_nothing_back(fresh: TemporaryInstance) -> None:
    caller, desk = _staff(fresh, "alice"), RetentionDesk(fresh.instance)
    late, fixed = _enrol(fresh, caller, "alice"), _enrol(fresh, caller, "alice")
    past = datetime.now(UTC) - timedelta(seconds=1)
    _set(fresh, late, idle_days=10, idle_until=past)
    _set(fresh, fixed, idle_days=10, idle_until=datetime.now(UTC) + DAY, retain_until=past)
    assert desk.interaction("alice", gallery="staff").moved == 0
    assert len(desk.sweep()) == 1
    assert _rows(fresh) == {}


def test_a_new_enrolment_is_an_interaction_and_a_search_is_none(
    fresh: TemporaryInstance, oblige: Callable[..., Any]
) -> None:
    caller = _staff(fresh, "alice", "bob")
    with oblige(retention_idle_days=10):
        hers, his = _enrol(fresh, caller, "alice"), _enrol(fresh, caller, "bob")
        soon = datetime.now(UTC) + DAY
        _set(fresh, hers, his, idle_until=soon)
        _found(fresh, caller)
        fresh.service.search_faces(caller, "staff", face_id=hers, limit=5, similarity=80.0)
        assert _rows(fresh)[hers].idle_until == soon
        again = _enrol(fresh, caller, "alice", OTHER)
    rows = _rows(fresh)
    assert rows[hers].idle_until == rows[again].idle_until == rows[again].enrolled_at + 10 * DAY
    assert rows[his].idle_until == soon


def test_an_interaction_with_nobody_nowhere_or_tomorrow(fresh: TemporaryInstance) -> None:
    caller, desk = _staff(fresh, "alice"), RetentionDesk(fresh.instance)
    _enrol(fresh, caller, "alice")
    with pytest.raises(FaceNotFound) as raised:
        desk.interaction("jane.doe", gallery="staff")
    assert "jane" not in str(raised.value)
    with pytest.raises(CollectionNotFound):
        desk.interaction("alice", gallery="nowhere")
    with pytest.raises(GalleryError, match="future"):
        desk.interaction("alice", gallery="staff", at=datetime.now(UTC) + DAY)
    fresh.service.create_collection(_caller(fresh, "other"), "staff", {})
    with pytest.raises(GalleryError, match="More than one client"):
        desk.interaction("alice", gallery="staff")
    assert desk.interaction("alice", gallery="staff", client="acme").faces == 1


def test_the_end_of_a_purpose_erases_its_gallery_and_no_other(fresh: TemporaryInstance) -> None:
    caller, desk = _staff(fresh, "alice", "bob"), RetentionDesk(fresh.instance)
    other = _caller(fresh, "other")
    fresh.service.create_collection(other, "staff", {})
    _enrol(fresh, caller, "alice")
    _enrol(fresh, caller, "bob", OTHER)
    kept = _enrol(fresh, other, "alice")
    ended = desk.end_purpose(client="acme", gallery="staff")
    assert ended.faces_due == 2
    (receipt,) = ended.receipts
    assert receipt.reason == "purpose-ended"
    assert receipt.erased == {"faces": 2, "crops": 0, "keys": 1}
    verify_receipt(receipt.document, fresh.instance.keyring.signer("receipt").public_bytes)
    assert list(_rows(fresh)) == [kept]
    assert _found(fresh, caller) == []
    assert _found(fresh, other) == [kept]
    acts = [leaf for leaf in _leaves(fresh) if leaf.operation == PURPOSE_ENDED]
    assert [(leaf.client, leaf.counts) for leaf in acts] == [("acme", {"faces": 2})]
    assert desk.end_purpose(client="acme", gallery="staff").receipts == ()
    with pytest.raises(CollectionNotFound):
        desk.end_purpose(client="acme", gallery="nowhere")


def test_many_are_erased_in_parts(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightface.gallery.erasure.OVERDUE_AT_ONCE", 2)
    people = [f"person-{number}" for number in range(5)]
    caller = _staff(fresh, *people)
    for person in people:
        _enrol(fresh, caller, person)
    ended = RetentionDesk(fresh.instance).end_purpose(client="acme", gallery="staff")
    assert [receipt.erased["faces"] for receipt in ended.receipts] == [2, 2, 1]
    assert _rows(fresh) == {}


def test_what_is_due_is_told_by_gallery_day_and_clock(fresh: TemporaryInstance) -> None:
    caller, desk = _staff(fresh, "alice", "bob"), RetentionDesk(fresh.instance)
    hers, his, third = (_enrol(fresh, caller, one) for one in ("alice", "bob", "bob"))
    now = datetime.now(UTC)
    _set(fresh, hers, idle_days=3, idle_until=now + 3 * DAY)
    _set(fresh, his, idle_days=3, idle_until=now - DAY)
    _set(fresh, third, retain_until=None)
    assert [(one.faces, one.overdue) for one in desk.due()] == [(1, 1)]
    told = [(one.day, one.clock, one.faces, one.overdue) for one in desk.due(within_days=5)]
    assert told == [
        ((now - DAY).date(), "idle", 1, 1),
        ((now + 3 * DAY).date(), "idle", 1, 0),
    ]
    _set(fresh, hers, retain_until=now + 2 * DAY)
    assert desk.due(within_days=5)[1].clock == "fixed"
    assert len(_rows(fresh)) == 3  # a dry run


def test_a_row_without_dates_is_not_due(fresh: TemporaryInstance) -> None:
    caller, desk = _staff(fresh, "alice"), RetentionDesk(fresh.instance)
    face = _enrol(fresh, caller, "alice")
    _set(fresh, face, retain_until=None)
    assert desk.due(within_days=36_500) == []
    assert desk.sweep() == ()
    assert desk.end_purpose(client="acme", gallery="staff").faces_due == 1  # NULL is no obstacle


def test_a_stored_face_knows_whether_it_is_kept(fresh: TemporaryInstance) -> None:
    caller = _staff(fresh, "alice")
    face_id, now = _enrol(fresh, caller, "alice"), datetime.now(UTC)
    with fresh.instance.database.read() as session, fresh.permitted("manage-gallery") as permit:
        staff: Collection = fresh.instance.store.find_collection(
            session, client="acme", name="staff"
        )
        found = fresh.instance.store.fetch_faces(session, staff.id, [face_id], permit=permit)
    face = found[face_id]
    assert face.kept(now)
    assert not replace(face, retain_until=now).kept(now)
    assert not replace(face, idle_until=now).kept(now)
    assert replace(face, retain_until=None, idle_until=None).kept(now)
    assert not replace(face, retain_until=now + DAY, idle_until=now - DAY).kept(now)
