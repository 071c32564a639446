"""Indexes in step with the rows: own and foreign changes, races, broken rows, refused permits."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, func, select, text, update

from rightface.db import Database
from rightface.errors import CollectionNotFound, PermitError
from rightface.gallery import change_log
from rightface.gallery.erasure import erase_collection, erase_faces
from rightface.gallery.room import IndexRoom
from rightface.gallery.rows import ChangeRow, FaceRow
from rightface.gallery.store import Collection
from rightface.permit import Permit
from tests.gallery.conftest import Gallery, new_face, other_room, templates


@pytest.fixture
def elsewhere(gallery: Gallery) -> Iterator[Database]:
    """The same database, as another process has it open."""
    opened = Database(str(gallery.database.engine.url))
    yield opened
    opened.close()


def erase(gallery: Gallery, collection: Collection, *face_ids: str) -> None:
    """Rows only: as another process would have done it."""
    with gallery.permitted("erase") as permit:
        gallery.database.write(
            lambda session: erase_faces(
                session,
                gallery.vault,
                collection,
                face_ids,
                reason="request",
                record=gallery.record,
                permit=permit,
            )
        )


def held(gallery: Gallery, room: IndexRoom, collection: Collection) -> set[str]:
    with gallery.database.read() as session:
        index = room.catch_up(session, collection.id)
    with gallery.permitted("measure-accuracy") as permit:
        probe = np.ones((1, gallery.comparison.vector_dimension), np.float32)
        return {hit.id for hit in index.search(probe, 4096, permit=permit)[0]}


def test_filled_from_sql_at_first_use(gallery: Gallery) -> None:
    staff, some = gallery.collection(), templates(50)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some])
    for face_id, template in zip(enrolled[:5], some, strict=False):
        assert gallery.found(staff, template) == [face_id]
    assert gallery.room.sizes()[staff.id][0] == 50


def test_scores_are_the_packs_own(gallery: Gallery) -> None:
    staff, some = gallery.collection(), templates(20)
    enrolled = gallery.enrol(staff, *[new_face(None, one) for one in some])
    probe = templates(1, seed=5)
    expected = gallery.comparison.references(some) @ gallery.comparison.probes(probe)[0]
    with gallery.permitted("identify-1toN") as permit, gallery.database.read() as session:
        (hits,) = gallery.room.search(
            session, staff.id, gallery.comparison.probes(probe), 20, permit=permit
        )
    scores = {hit.id: hit.score for hit in hits}
    lengths = 4  # of probe times reference: the error is relative to it
    assert [scores[face_id] for face_id in enrolled] == pytest.approx(
        list(expected), abs=lengths * 1e-6
    )


def test_collections_do_not_mix(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    one, two = templates(2)
    (first,) = gallery.enrol(staff, new_face("ada", one))
    (second,) = gallery.enrol(guests, new_face("ada", two))
    assert gallery.found(staff, two, 10) == [first]
    assert gallery.found(guests, one, 10) == [second]


def test_follows_what_another_process_writes(gallery: Gallery, elsewhere: Database) -> None:
    staff, some = gallery.collection(), templates(6)
    asked: list[str] = []
    room = other_room(gallery, elsewhere, asked)
    assert held(gallery, room, staff) == set()
    assert asked == []  # nothing to decrypt, nothing asked for
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some])
    assert held(gallery, room, staff) == set(enrolled)
    assert asked == ["rebuild-index"]
    erase(gallery, staff, *enrolled[:2])
    assert held(gallery, room, staff) == set(enrolled[2:])
    assert asked == ["rebuild-index"]  # forgetting needs no permit


def test_a_poll_forgets_without_a_search(gallery: Gallery, elsewhere: Database) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    room = other_room(gallery, elsewhere)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    gallery.enrol(guests, new_face("ada", templates(1)[0]))
    room.follow()  # nothing is held yet
    held(gallery, room, staff)
    held(gallery, room, guests)
    erase(gallery, staff, enrolled[0])
    with gallery.permitted("erase") as permit:
        gallery.database.write(
            lambda session: erase_collection(
                session,
                gallery.vault,
                guests,
                reason="request",
                record=gallery.record,
                permit=permit,
            )
        )
    room.follow()
    assert {key: faces for key, (faces, _) in room.sizes().items()} == {staff.id: 2}
    with elsewhere.read() as session, pytest.raises(CollectionNotFound):
        room.catch_up(session, guests.id)


def test_expected_faces_are_searchable_and_not_decrypted(
    gallery: Gallery, elsewhere: Database
) -> None:
    staff, some = gallery.collection(), templates(4)
    asked: list[str] = []
    room = other_room(gallery, elsewhere, asked)
    faces = [new_face("ada", one) for one in some]
    vectors = gallery.comparison.references(some)
    with gallery.permitted("enroll") as permit:
        coming = {face.face_id: vector for face, vector in zip(faces, vectors, strict=True)}
        with room.expecting(staff.id, coming, permit=permit):
            elsewhere.write(
                lambda session: gallery.store.insert_faces(session, staff, faces, permit=permit)
            )
    assert asked == []
    assert room.sizes()[staff.id][0] == 4
    assert held(gallery, room, staff) == {face.face_id for face in faces}
    assert asked == []


def test_an_enrolment_that_fails_leaves_nothing_in_the_index(gallery: Gallery) -> None:
    staff, some = gallery.collection(), templates(1)
    vector = gallery.comparison.references(some)[0]
    face = new_face("ada", some[0])

    def fail(_session: object) -> None:
        raise RuntimeError("the ledger could not be written")

    with (
        gallery.permitted("enroll") as permit,
        pytest.raises(RuntimeError),
        gallery.room.expecting(staff.id, {face.face_id: vector}, permit=permit),
    ):
        gallery.database.write(fail)
    assert gallery.found(staff, some[0]) == []
    assert held(gallery, gallery.room, staff) == set()


def test_an_erased_face_is_not_brought_back_by_an_old_read(gallery: Gallery) -> None:
    staff, some = gallery.collection(), templates(3)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some])
    with gallery.database.read() as old:
        gallery.store.count_faces(old, staff)  # its snapshot begins here
        erase(gallery, staff, enrolled[0])
        gallery.room.forget({staff.id: [enrolled[0]]})
        index = gallery.room.catch_up(old, staff.id)
        assert enrolled[0] not in index
        assert len(index) == 2


def test_a_row_that_does_not_open_is_left_out_and_reported(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    staff, some = gallery.collection(), templates(5)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some])
    gallery.database.write(
        lambda session: session.execute(
            update(FaceRow).where(FaceRow.id == enrolled[2]).values(template=b"\x01" * 60)
        )
    )
    assert held(gallery, gallery.room, staff) == set(enrolled) - {enrolled[2]}
    assert "1 templates do not open" in caplog.text


def test_templates_of_another_length_are_left_out(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    staff = gallery.collection()
    good, bad = new_face("ada", templates(1)[0]), new_face("ada", np.ones(3, np.float32))
    gallery.enrol(staff, good, bad)
    assert held(gallery, gallery.room, staff) == {good.face_id}
    assert "left out" in caplog.text


def test_without_a_permit_to_decrypt_removals_still_count(
    gallery: Gallery, elsewhere: Database
) -> None:
    staff, some = gallery.collection(), templates(4)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some[:3]])
    allowed = [True]

    def rebuilding() -> AbstractContextManager[Permit]:
        if not allowed[0]:
            raise PermitError("The operator's licence is out of term.")
        return gallery.permitted("rebuild-index")

    room = IndexRoom(elsewhere, gallery.vault, gallery.comparison, rebuilding)
    held(gallery, room, staff)
    allowed[0] = False
    gallery.enrol(staff, new_face("ada", some[3]))
    erase(gallery, staff, enrolled[0])
    assert room.forget({staff.id: [enrolled[0]]}) == 0
    assert room.sizes()[staff.id][0] == 2
    with pytest.raises(PermitError):
        held(gallery, room, staff)
    allowed[0] = True
    assert len(held(gallery, room, staff)) == 3


def test_a_filling_that_fails_begins_anew(gallery: Gallery) -> None:
    staff = gallery.collection()
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    allowed = [False]

    def rebuilding() -> AbstractContextManager[Permit]:
        if not allowed[0]:
            raise PermitError("refused")
        return gallery.permitted("rebuild-index")

    room = IndexRoom(gallery.database, gallery.vault, gallery.comparison, rebuilding)
    with pytest.raises(PermitError):
        held(gallery, room, staff)
    allowed[0] = True
    assert held(gallery, room, staff) == set(enrolled)


def test_memory_is_bounded_by_dropping_the_least_used(gallery: Gallery) -> None:
    first, second = gallery.collection("first"), gallery.collection("second")
    some = templates(3)
    gallery.enrol(first, *[new_face("ada", one) for one in some])
    gallery.enrol(second, *[new_face("ada", one) for one in some])
    room = IndexRoom(
        gallery.database,
        gallery.vault,
        gallery.comparison,
        lambda: gallery.permitted("rebuild-index"),
        most_bytes=1,
    )
    assert len(held(gallery, room, first)) == 3
    assert len(held(gallery, room, second)) == 3
    assert list(room.sizes()) == [second.id]
    assert len(held(gallery, room, first)) == 3


def test_catching_up_with_nothing_costs_one_statement(gallery: Gallery) -> None:
    staff = gallery.collection()
    gallery.enrol(staff, *[new_face(None, one) for one in templates(200)])
    with gallery.database.read() as session:
        gallery.room.catch_up(session, staff.id)
        with statements(gallery.database) as told:
            for _ in range(3):
                gallery.room.catch_up(session, staff.id)
        if not gallery.database.is_sqlite:  # it would scan so small a table
            session.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if gallery.database.is_sqlite else "EXPLAIN"
        asked = text(f"{explain} {change_log._NEWER.text}")
        steps = str(session.execute(asked, {"at": staff.id, "seq": 0}).all())
    assert len(told) == 3
    assert "ix_gallery_log_collection_id_seq" in steps


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    told: list[str] = []

    def note(*call: Any) -> None:
        if call[2] != "BEGIN":  # SQLite's
            told.append(call[2])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


# ---------------------------------------------------------------- the log is trimmed
LATER = timedelta(days=2)


def trim(database: Database, *, after: timedelta = LATER) -> int:
    """Trim as if so much time had gone by; how many changes went."""
    at, gone = datetime.now(UTC) + after, 0
    while some := database.write(lambda session: change_log.trim(session, at=at)):
        gone += some
    return gone


def logged(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(ChangeRow)).scalar_one()


def test_a_day_of_the_log_is_kept(gallery: Gallery) -> None:
    staff = gallery.collection()
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    with gallery.database.read() as session:
        assert not change_log.overdue(session, at=datetime.now(UTC) + timedelta(hours=23))
        assert change_log.overdue(session, at=datetime.now(UTC) + timedelta(hours=25))
        assert change_log.floor(session, staff.id) == 0
        end = change_log.last(session, staff.id)
    assert trim(gallery.database, after=timedelta(hours=23)) == 0
    assert trim(gallery.database, after=timedelta(hours=25)) == 3
    with gallery.database.read() as session:
        assert change_log.floor(session, staff.id) == change_log.last(session, staff.id) == end
    gallery.enrol(staff, new_face("ada", templates(1)[0]))
    with gallery.database.read() as session:  # a number is never given twice
        assert change_log.last(session, staff.id) > end
    assert len(held(gallery, gallery.room, staff)) == len(enrolled) + 1


def test_times_of_a_wrong_clock_hold_up_nothing(gallery: Gallery) -> None:
    staff = gallery.collection()
    gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    in_a_year = datetime.now(UTC) + timedelta(days=365)
    first = select(func.min(ChangeRow.seq)).scalar_subquery()
    gallery.database.write(
        lambda session: session.execute(
            update(ChangeRow).where(ChangeRow.seq == first).values(at=in_a_year)
        )
    )
    assert trim(gallery.database) == 3


def test_the_log_goes_in_parts(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_log, "AT_ONCE", 4)
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    for one in templates(5):
        gallery.enrol(staff, new_face("ada", one))
        gallery.enrol(guests, new_face("ada", one))
    at = datetime.now(UTC) + LATER
    went = [
        gallery.database.write(lambda session: change_log.trim(session, at=at)) for _ in range(4)
    ]
    assert went == [4, 4, 2, 0]
    assert logged(gallery.database) == 0


def test_an_index_that_is_not_behind_does_nothing_for_a_trim(
    gallery: Gallery, elsewhere: Database
) -> None:
    staff, asked = gallery.collection(), list[str]()
    room = other_room(gallery, elsewhere, asked)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    held(gallery, room, staff)
    assert trim(gallery.database) == 3
    with elsewhere.read() as session, statements(elsewhere) as told:
        room.catch_up(session, staff.id)
    assert len(told) == 1
    late = other_room(gallery, gallery.database)  # filled when there is no log any more
    assert held(gallery, late, staff) == set(enrolled)
    with gallery.database.read() as session, statements(gallery.database) as told:
        late.catch_up(session, staff.id)
    assert len(told) == 1
    assert asked == ["rebuild-index"]


def test_an_index_behind_the_floor_is_held_against_the_rows(
    gallery: Gallery, elsewhere: Database
) -> None:
    """Two rooms as two processes: one sleeps while the other writes and trims."""
    staff, some, asked = gallery.collection(), templates(9), list[str]()
    room = other_room(gallery, elsewhere, asked)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some[:5]])
    gallery.enrol(gallery.collection("guests"), new_face("ada", some[0]))
    assert held(gallery, room, staff) == set(enrolled)
    with elsewhere.read() as session:
        index = room.catch_up(session, staff.id)
    erase(gallery, staff, *enrolled[:2])
    more = gallery.enrol(staff, *[new_face("eve", one) for one in some[5:]])
    assert trim(gallery.database) == 12
    asked.clear()
    assert held(gallery, room, staff) == {*enrolled[2:], *more}
    with elsewhere.read() as session:
        assert room.catch_up(session, staff.id) is index  # who searches meanwhile, searches on
    assert asked == ["rebuild-index"]
    # All that it knew is gone, and nothing is in the log.
    erase(gallery, staff, *enrolled[2:], *more)
    assert trim(gallery.database) == 7
    room.follow()
    assert room.sizes()[staff.id][0] == 0
    assert asked == ["rebuild-index"]  # forgetting needs no permit


def test_behind_the_floor_and_without_a_permit_it_forgets_all_the_same(
    gallery: Gallery, elsewhere: Database
) -> None:
    staff, some, allowed = gallery.collection(), templates(4), [True]

    def rebuilding() -> AbstractContextManager[Permit]:
        if not allowed[0]:
            raise PermitError("The operator's licence is out of term.")
        return gallery.permitted("rebuild-index")

    room = IndexRoom(elsewhere, gallery.vault, gallery.comparison, rebuilding)
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in some[:3]])
    held(gallery, room, staff)
    allowed[0] = False
    erase(gallery, staff, enrolled[0])
    gallery.enrol(staff, new_face("ada", some[3]))
    trim(gallery.database)
    room.follow()
    assert room.sizes()[staff.id][0] == 2
    with pytest.raises(PermitError):
        held(gallery, room, staff)
    allowed[0] = True
    assert len(held(gallery, room, staff)) == 3


def test_behind_the_floor_or_not_a_room_holds_what_the_rows_hold(
    gallery: Gallery, elsewhere: Database
) -> None:
    """Whatever the order of enrolments, erasures, trims and looks of either room."""
    staff, drawn, rows = gallery.collection(), random.Random(4), dict[str, None]()
    rooms = [gallery.room, other_room(gallery, elsewhere)]
    for number in range(120):
        act = drawn.choice(("enrol", "enrol", "erase", "trim", "look", "look"))
        if act == "enrol":
            rows[gallery.enrol(staff, new_face("ada", templates(1, seed=number)[0]))[0]] = None
        elif act == "erase" and rows:
            gone = drawn.choice(list(rows))
            erase(gallery, staff, gone)
            del rows[gone]
        elif act == "trim":
            trim(gallery.database, after=drawn.choice((timedelta(0), LATER)))
        elif act == "look":
            assert held(gallery, drawn.choice(rooms), staff) == set(rows)
    assert [held(gallery, room, staff) for room in rooms] == [set(rows)] * 2


@pytest.mark.parametrize("trimming", [False, True])
def test_enrolment_erasure_and_search_at_once(gallery: Gallery, trimming: bool) -> None:
    staff, some = gallery.collection(), templates(30)
    stays = gallery.enrol(staff, *[new_face("eve", one) for one in some[:5]])
    stop, problems = threading.Event(), list[BaseException]()

    def churn(seed: int) -> None:
        try:
            for template in templates(15, seed):
                face = new_face("ada", template)
                vector = gallery.comparison.references(template[None])[0]
                with (
                    gallery.permitted("enroll") as permit,
                    gallery.room.expecting(staff.id, {face.face_id: vector}, permit=permit),
                ):
                    gallery.database.write(
                        lambda session, face=face, permit=permit: (  # type: ignore[misc]
                            gallery.store.insert_faces(session, staff, [face], permit=permit)
                        )
                    )
                assert face.face_id in gallery.found(staff, template, 100)
                erase(gallery, staff, face.face_id)
                assert gallery.room.forget({staff.id: [face.face_id]}) == 0
                assert face.face_id not in gallery.found(staff, template, 100)
        except BaseException as error:  # noqa: BLE001  # told below
            problems.append(error)

    def look() -> None:
        try:
            while not stop.is_set():
                assert set(stays) <= set(gallery.found(staff, some[0], 100))
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    def cut() -> None:
        try:
            while not stop.is_set():
                trim(gallery.database)
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    churners = [threading.Thread(target=churn, args=(seed,)) for seed in (1, 2, 3)]
    others = [threading.Thread(target=each) for each in ((look, cut) if trimming else (look,))]
    for thread in [*churners, *others]:
        thread.start()
    for thread in churners:
        thread.join(120)
    stop.set()
    for thread in others:
        thread.join(30)
    assert problems == []
    assert held(gallery, gallery.room, staff) == set(stays)
