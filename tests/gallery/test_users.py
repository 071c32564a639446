"""Users in the gallery: rows, groups of the index, forgetting, kept answers, the migration."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, select, text

import rightface.migrations
from rightface.db import Base, Database
from rightface.errors import PageTokenError, PermitError, TokenReused, UserExists, UserNotFound
from rightface.gallery import request_tokens, users
from rightface.gallery.erasure import erase_collection, erase_faces
from rightface.gallery.request_tokens import RequestTokens
from rightface.gallery.room import IndexRoom
from rightface.gallery.rows import FaceRow, KeptAnswerRow, UserRow
from rightface.gallery.store import Collection
from rightface.gallery.users import User, Users
from tests.gallery.conftest import Gallery, new_face, other_room, templates

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def elsewhere(gallery: Gallery) -> Iterator[Database]:
    """The same database, as another process has it open."""
    opened = Database(str(gallery.database.engine.url))
    yield opened
    opened.close()


@pytest.fixture
def known(gallery: Gallery) -> Users:
    return Users(gallery.keyring)


def made(gallery: Gallery, collection: Collection, user_id: str) -> User:
    known = Users(gallery.keyring)
    return gallery.database.write(lambda session: known.create(session, collection, user_id))


def put(gallery: Gallery, collection: Collection, user: User, *face_ids: str) -> None:
    known = Users(gallery.keyring)
    with gallery.permitted("enroll") as permit:
        gallery.database.write(
            lambda session: known.put(session, collection, user, face_ids, permit=permit)
        )


def take_out(gallery: Gallery, collection: Collection, *face_ids: str) -> None:
    known = Users(gallery.keyring)
    with gallery.permitted("manage-gallery") as permit:
        gallery.database.write(
            lambda session: known.take_out(session, collection, face_ids, permit=permit)
        )


def erase(gallery: Gallery, collection: Collection, *face_ids: str) -> None:
    with gallery.permitted("erase") as permit:
        gallery.database.write(
            lambda session: erase_faces(
                session,
                gallery.vault,
                collection,
                face_ids,
                reason="deletion",
                record=gallery.record,
                permit=permit,
            )
        )


def user_rows(database: Database) -> dict[str, str | None]:
    """Every face's user, as the rows have it."""
    with database.read() as session:
        found = session.execute(select(FaceRow.id, FaceRow.user_id))
        return {row.id: row.user_id for row in found}


# ---------------------------------------------------------------- rows
def test_created_found_listed_deleted(gallery: Gallery, known: Users) -> None:
    staff, guests = gallery.collection(), gallery.collection("guests")
    first = made(gallery, staff, "u-1")
    made(gallery, guests, "u-1")  # another collection's
    with pytest.raises(UserExists):
        made(gallery, staff, "u-1")
    for number in range(2, 6):
        made(gallery, staff, f"u-{number}")
    face_ids = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    put(gallery, staff, first, *face_ids)
    with gallery.database.read() as session:
        found = known.find(session, staff, "u-1")
        assert (found.row_id, found.user_id, found.faces) == (first.row_id, "u-1", 3)
        with pytest.raises(UserNotFound):
            known.find(session, staff, "u-9")
        told, after = [], None
        while True:
            page = known.page(session, staff, limit=2, after=after)
            told += page.items
            after = page.next
            if after is None:
                break
        assert [one.row_id for one in told] == sorted(one.row_id for one in told)
        assert {one.user_id for one in told} == {f"u-{number}" for number in range(1, 6)}
        page = known.page(session, staff, limit=2)
        with pytest.raises(PageTokenError):
            known.page(session, guests, limit=2, after=page.next)
        assert users.count_users(session, staff.id) == 5
    assert gallery.database.write(lambda session: known.delete(session, staff, found)) == 3
    assert set(user_rows(gallery.database).values()) == {None}
    with gallery.database.read() as session, pytest.raises(UserNotFound):
        known.find(session, staff, "u-1")


def test_putting_together_needs_a_permit_for_it(gallery: Gallery, known: Users) -> None:
    staff = gallery.collection()
    (face_id,) = gallery.enrol(staff, new_face("ada", templates(1)[0]))
    user = made(gallery, staff, "u-1")
    with gallery.permitted("manage-gallery") as permit, pytest.raises(PermitError):
        gallery.database.write(
            lambda session: known.put(session, staff, user, [face_id], permit=permit)
        )
    assert user_rows(gallery.database) == {face_id: None}


def at_rest(gallery: Gallery) -> bytes:
    """Every value of every row; of SQLite the files too, freed pages included."""
    content = []
    with gallery.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                content += [one if isinstance(one, bytes) else str(one).encode() for one in row]
    if gallery.database.is_sqlite:
        file = Path(str(gallery.database.engine.url.database))
        content += [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]
    return b"\n".join(content)


def test_no_user_id_is_in_the_clear_at_rest(gallery: Gallery) -> None:
    staff = gallery.collection()
    user = made(gallery, staff, "ada-lovelace-of-london")
    (face_id,) = gallery.enrol(staff, new_face("ada", templates(1)[0]))
    put(gallery, staff, user, face_id)
    made(gallery, staff, "u")
    assert user.row_id.encode() in at_rest(gallery)
    assert b"lovelace" not in at_rest(gallery)
    assert "lovelace" not in repr(user)
    with gallery.database.read() as session:
        lengths = session.execute(select(func.length(UserRow.sealed_id))).scalars().all()
    assert len(set(lengths)) == 1, "the length tells nothing"


# ---------------------------------------------------------------- the index
def grouped(
    gallery: Gallery, room: IndexRoom, database: Database, collection: Collection, seed: int, k: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(user's row, face) of the best users: by the grouped search, and by a plain one reduced."""
    probe = gallery.comparison.probes(templates(1, seed=seed))
    owner = user_rows(database)
    with gallery.permitted("identify-1toN") as permit, database.read() as session:
        (hits,) = room.search_users(session, collection.id, probe, k, permit=permit)
        (plain,) = room.search(session, collection.id, probe, 4096, permit=permit)
    best: dict[str, str] = {}
    for hit in plain:  # best first
        user = owner[hit.id]
        if user is not None:
            best.setdefault(user, hit.id)
    return [(hit.group, hit.id) for hit in hits], list(best.items())[:k]


@pytest.mark.parametrize("seed", range(6))
def test_grouped_search_is_the_plain_one_reduced_whatever_happened(
    gallery: Gallery, elsewhere: Database, known: Users, seed: int
) -> None:
    draw = random.Random(seed)
    staff = gallery.collection()
    second = other_room(gallery, elsewhere)
    rooms = ((gallery.room, gallery.database), (second, elsewhere))
    drawn = iter(templates(400, seed=1000 + seed))
    faces: list[str] = []
    there: list[User] = []
    told = 0
    for step in range(60):
        act = draw.choice(
            ["enrol", "user", "put", "enrol", "put", "put", "take", "erase", "delete"]
        )
        some = draw.sample(faces, min(len(faces), draw.randint(1, 4)))
        if act == "enrol":
            coming = [new_face("ada", next(drawn)) for _ in range(draw.randint(1, 6))]
            faces += gallery.enrol(staff, *coming)
        elif act == "user":
            there.append(made(gallery, staff, f"u-{step}"))
        elif act == "put" and there:
            put(gallery, staff, draw.choice(there), *some)
        elif act == "take":
            take_out(gallery, staff, *some)
        elif act == "erase":
            erase(gallery, staff, *some)
            faces = [one for one in faces if one not in some]
            with gallery.database.read() as session:
                left = known.named(session, [one.row_id for one in there])
            there = [one for one in there if one.row_id in left]
        elif act == "delete" and there:
            gone = there.pop(draw.randrange(len(there)))
            gallery.database.write(lambda s, gone=gone: known.delete(s, staff, gone))  # type: ignore[misc]
        if draw.random() < 0.5 or step == 59:
            for room, database in rooms:
                k = draw.choice([1, 3, 50])
                found, expected = grouped(gallery, room, database, staff, step, k)
                assert found == expected, (step, act)
                told += len(found)
    assert told > 10


def test_absent_faces_do_not_count(gallery: Gallery) -> None:
    staff, some = gallery.collection(), templates(4)
    face_ids = gallery.enrol(staff, *[new_face("ada", one) for one in some])
    user = made(gallery, staff, "u-1")
    put(gallery, staff, user, *face_ids[:2])
    probe = gallery.comparison.probes(some[:1])
    with gallery.permitted("identify-1toN") as permit, gallery.database.read() as session:

        def found(*without: str) -> list[tuple[str, str]]:
            (hits,) = gallery.room.search_users(
                session, staff.id, probe, 9, without=without, permit=permit
            )
            return [(hit.group, hit.id) for hit in hits]

        assert found() == [(user.row_id, face_ids[0])]
        assert found(face_ids[0]) == [(user.row_id, face_ids[1])]
        assert found(*face_ids[:2]) == []


def test_a_face_enrolled_here_keeps_its_user(gallery: Gallery) -> None:
    # Its vector comes along with the row; the user comes by the log, after it.
    staff, some = gallery.collection(), templates(1)
    face = new_face("ada", some[0])
    coming = {face.face_id: gallery.comparison.references(some)[0]}
    user = made(gallery, staff, "u-1")
    with (
        gallery.permitted("enroll") as permit,
        gallery.room.expecting(staff.id, coming, permit=permit),
    ):
        gallery.enrol(staff, face)
        put(gallery, staff, user, face.face_id)
    found, expected = grouped(gallery, gallery.room, gallery.database, staff, 1, 5)
    assert found == expected == [(user.row_id, face.face_id)]


# ---------------------------------------------------------------- forgetting
def test_an_erased_face_leaves_its_user_and_an_emptied_user_goes(
    gallery: Gallery, known: Users
) -> None:
    staff = gallery.collection()
    face_ids = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    held, emptied = made(gallery, staff, "held"), made(gallery, staff, "emptied")
    never = made(gallery, staff, "never-had-one")
    put(gallery, staff, held, *face_ids[:2])
    put(gallery, staff, emptied, face_ids[2])
    erase(gallery, staff, face_ids[0], face_ids[2])
    with gallery.database.read() as session:
        left = known.named(session, [held.row_id, emptied.row_id, never.row_id])
    assert {one.user_id: one.faces for one in left.values()} == {"held": 1, "never-had-one": 0}
    assert user_rows(gallery.database) == {face_ids[1]: held.row_id}


def test_the_verification_query_sees_what_is_left(gallery: Gallery) -> None:
    staff = gallery.collection()
    face_ids = gallery.enrol(staff, *[new_face("ada", one) for one in templates(2)])
    put(gallery, staff, made(gallery, staff, "u-1"), face_ids[0])
    with gallery.database.read() as session:
        assert users.left(session, face_ids) == 1
    assert gallery.database.write(lambda session: users.forget(session, face_ids)) == 1
    with gallery.database.read() as session:
        assert users.left(session, face_ids) == 0
        assert users.count_users(session, staff.id) == 0


def test_a_collections_users_go_with_it(gallery: Gallery) -> None:
    staff, guests = gallery.collection(), gallery.collection("guests")
    (face_id,) = gallery.enrol(staff, new_face("ada", templates(1)[0]))
    put(gallery, staff, made(gallery, staff, "u-1"), face_id)
    made(gallery, staff, "empty")
    made(gallery, guests, "u-1")
    with gallery.permitted("erase") as permit:
        gallery.database.write(
            lambda session: erase_collection(
                session,
                gallery.vault,
                staff,
                reason="deletion",
                record=gallery.record,
                permit=permit,
            )
        )
    with gallery.database.read() as session:
        assert users.count_users(session, staff.id) == 0
        assert users.count_users(session, guests.id) == 1


# ---------------------------------------------------------------- request tokens
def test_an_answer_is_kept_for_a_day_and_names_nobody(gallery: Gallery) -> None:
    kept = RequestTokens(gallery.keyring)
    asked = kept.asked("acme", "create-user", "token-1", {"user": "ada-lovelace"})
    other = kept.asked("acme", "create-user", "token-1", {"user": "somebody-else"})
    database = gallery.database
    database.write(lambda session: kept.keep(session, asked, {"moved": [0]}, at=NOW))
    with database.read() as session:
        later = NOW + timedelta(days=1) - timedelta(seconds=1)
        assert kept.answered(session, asked, at=later) == {"moved": [0]}
        with pytest.raises(TokenReused):
            kept.answered(session, other, at=later)
        for stranger in (
            kept.asked("other", "create-user", "token-1", {"user": "ada-lovelace"}),
            kept.asked("acme", "delete-user", "token-1", {"user": "ada-lovelace"}),
            kept.asked("acme", "create-user", "token-2", {"user": "ada-lovelace"}),
        ):
            assert kept.answered(session, stranger, at=later) is None
        assert kept.answered(session, other, at=NOW + timedelta(days=1)) is None
        assert not request_tokens.overdue(session, at=later)
        assert request_tokens.overdue(session, at=NOW + timedelta(days=1))
    content = at_rest(gallery)
    assert asked.token.encode() in content
    for told in (b"lovelace", b"token-1", b"moved"):
        assert told not in content


def test_old_answers_are_swept(gallery: Gallery) -> None:
    kept, database = RequestTokens(gallery.keyring), gallery.database
    for hours in (0, 20, 30):
        asked = kept.asked("acme", "create-user", f"token-{hours}", {})
        at = NOW + timedelta(hours=hours)
        database.write(lambda s, asked=asked, at=at: kept.keep(s, asked, {}, at=at))  # type: ignore[misc]
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(KeptAnswerRow)).scalar_one() == 2
    sweep_at = NOW + timedelta(hours=45)
    assert database.write(lambda session: request_tokens.sweep(session, at=sweep_at)) == 1


# ---------------------------------------------------------------- the migration
def test_the_migration_keeps_the_log_and_its_numbers(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    folder = Path(rightface.migrations.__file__).parent
    config.set_main_option("script_location", str(folder))
    change = (
        "INSERT INTO gallery_log (collection_id, face_id, change, at)"
        " VALUES ('c', :face, :change, '2026-01-01 00:00:00.000000')"
    )

    def migrated(revision: str) -> None:
        with database.engine.execution_options(rightface_writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    try:
        migrated("0002")
        with database.engine.begin() as connection:
            for face in ("one", "two", "three"):
                connection.execute(text(change), {"face": face, "change": "add"})
            connection.execute(text("DELETE FROM gallery_log WHERE face_id = 'three'"))
        migrated("0003")
        with database.engine.begin() as connection:
            connection.execute(text(change), {"face": "one", "change": "user"})
            rows = connection.execute(text("SELECT seq, face_id, change FROM gallery_log")).all()
        assert [tuple(row) for row in rows] == [
            (1, "one", "add"),
            (2, "two", "add"),
            (4, "one", "user"),
        ]
        with database.engine.begin() as connection, pytest.raises(Exception, match="CHECK"):
            connection.execute(text(change), {"face": "one", "change": "other"})
    finally:
        database.close()
