"""Databases of older revisions, with data, come forward whole; a copy is made before."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Integer, MetaData, Table, insert, make_url, select

import rightface.migrations
from instance import PLACE, TemporaryInstance
from rightface.db import Database
from rightface.errors import StorageError
from rightface.instance import Instance
from rightface.law import consents
from rightface.ledger import log
from rightface.ledger.verify import verify
from rightface.migrations import HEAD, backup, migrate, revision
from rightface.service_types import Caller
from rightface.settings import Settings
from tests.portraits import grace_hopper, small
from tests.storage import Storage

OLD = ("0001", "0002", "0004")


def at(url: str, wanted: str) -> Database:
    """A database that the revisions up to `wanted` have made."""
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(Path(rightface.migrations.__file__).parent))
    with database.writing_engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)
    return database


def copy_rows(source: Database, target: Database) -> dict[str, int]:
    """What `target`'s older tables can hold of `source`'s rows."""
    old, new = MetaData(), MetaData()
    old.reflect(target.engine)
    new.reflect(source.engine)
    counts = {}
    with source.engine.connect() as reading, target.writing_engine.begin() as writing:
        for table in old.sorted_tables:
            if table.name == "alembic_version":
                continue
            columns = [new.tables[table.name].c[each.name] for each in table.columns]
            query = select(*columns)
            if table.name == "ledger_leaves":
                query = query.order_by(columns[0])
            rows = [dict(row._mapping) for row in reading.execute(query)]
            if rows:
                writing.execute(insert(table), rows)
                if not target.is_sqlite:
                    _count_on(writing, table)
            counts[table.name] = len(rows)
    return counts


def _count_on(connection: Connection, table: Table) -> None:
    # A sequence does not see rows that came with their numbers.
    for name in ("id", "seq"):
        if name in table.c and isinstance(table.c[name].type, Integer):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', '{name}'), max({name})) "
                f"FROM {table.name}"
            )


@contextmanager
def old_instance(
    models: Path, storage: Storage, tmp_path: Path, wanted: str
) -> Iterator[tuple[Path, str, dict[str, int]]]:
    """An instance whose database is of an older revision; its path, a face's id, its row counts."""
    data = tmp_path / "data"
    url = "" if storage.is_sqlite else storage.url("new", "migrated")
    settings = Settings(data=data, sector="private-entity", jurisdiction=PLACE, database=url)
    with Instance.create(settings) as instance:
        (data / "models").symlink_to(models.absolute())
        prepared = TemporaryInstance(instance)
        prepared.consent("ada")
        caller = caller_of(prepared)
        prepared.service.create_collection(caller, "staff", {})
        photo = small(grace_hopper(), 200)
        enrolled = prepared.service.index_faces(
            caller, "staff", image=photo, subject="ada", max_faces=1, quality_filter="NONE"
        )
        (face_id,) = [each.record.face_id for each in enrolled.value.enrolled]
        older = at(storage.url("old"), wanted)
        try:
            counts = copy_rows(instance.database, older)
            assert counts["faces"] == counts["subjects"] == counts["collections"] == 1
            assert counts["ledger_leaves"] > 8
        finally:
            older.close()
        settings = instance.settings
    if storage.is_sqlite:
        for each in data.glob("rightface.db*"):
            each.unlink()
        shutil.copy(storage.directory / "old.db", data / "rightface.db")
    else:
        replace(settings, database=storage.url("old")).write()
    yield data, face_id, counts


def caller_of(prepared: TemporaryInstance) -> Caller:
    licence = prepared.licence("acme").licence
    return Caller(licence=licence, purpose=None, subject=None, request_id="test")


@pytest.mark.parametrize("wanted", OLD)
def test_it_comes_forward_with_everything(
    models: Path, storage: Storage, tmp_path: Path, wanted: str
) -> None:
    with old_instance(models, storage, tmp_path, wanted) as (data, face_id, counts):
        with Instance.open(data) as instance:
            assert revision(instance.database) == HEAD
            now = MetaData()
            now.reflect(instance.database.engine)
            with instance.database.read() as session:
                for name, count in counts.items():
                    held = len(session.connection().execute(select(now.tables[name])).all())
                    assert held >= count, name
                size = log.size(session)
            assert size == counts["ledger_leaves"]
            assert instance.publisher.audit() <= size
            prepared = TemporaryInstance(instance)
            found = prepared.service.search_faces_by_image(
                caller_of(prepared),
                "staff",
                image=small(grace_hopper(), 200),
                limit=1,
                similarity=0,
                quality_filter="NONE",
            )
            assert [each.record.face_id for each in found.value.candidates] == [face_id]
            assert prepared.registrar.consents_of("ada")
            with instance.database.read() as session:  # rows of then have their keyed hash
                assert consents.damaged(session, instance.keyring) == 0
            assert instance.publisher.publish().size > size
        assert verify(data / "ledger").ok
        (copy,) = data.glob("before-migration-*")
        assert copy.name.startswith(f"before-migration-{wanted}-")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with Instance.open(data):
            pass
        assert list(data.glob("before-migration-*")) == [copy]


@pytest.mark.sqlite_only
def test_the_copy_is_the_database_as_it_was(models: Path, storage: Storage, tmp_path: Path) -> None:
    with old_instance(models, storage, tmp_path, "0002") as (data, _, counts):
        Instance.open(data).close()
        (copy,) = data.glob("before-migration-0002-*")
        with closing(sqlite3.connect(copy)) as held:
            assert held.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
            assert held.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for name, count in counts.items():
                assert held.execute(f"SELECT count(*) FROM {name}").fetchone() == (count,)


@pytest.mark.sqlite_only
def test_without_room_nothing_is_migrated(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(storage.url(), "0001").close()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with closing(Database(storage.url())) as database:
        with pytest.raises(StorageError, match="no room") as caught:
            migrate(
                database, before=lambda known: backup.before_migration(database, known, tmp_path)
            )
        assert "0.0 MB are free" in caught.value.why
        assert revision(database) == "0001"
    assert not list(tmp_path.glob("before-migration-*"))


@pytest.mark.sqlite_only
def test_three_copies_are_kept(storage: Storage, tmp_path: Path) -> None:
    with closing(at(storage.url(), "0001")) as database:
        made = [backup.before_migration(database, f"000{n}", tmp_path) for n in (7, 1, 2, 9)]
    assert sorted(tmp_path.glob("before-migration-*")) == sorted(made[1:])


def test_without_pg_dump_it_refuses_unless_told(
    models: Path, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if storage.is_sqlite:
        pytest.skip("SQLite needs no program")
    with old_instance(models, storage, tmp_path, "0002") as (data, _, _counts):
        monkeypatch.setattr(backup, "_program", lambda _name: None)
        with pytest.raises(StorageError, match="no backup was made") as caught:
            Instance.open(data)
        assert "pg_dump is not installed" in caught.value.why
        assert "migrate_without_backup" in caught.value.mend
        monkeypatch.setenv("RIGHTFACE_MIGRATE_WITHOUT_BACKUP", "true")
        with Instance.open(data) as instance:
            assert revision(instance.database) == HEAD


def test_a_dump_restores(storage: Storage, tmp_path: Path) -> None:
    if storage.server is None:
        pytest.skip("about pg_dump")
    with closing(at(storage.url("old"), "0002")) as old:
        name = str(make_url(storage.url("old")).database)
        assert storage.server is not None
        by_password = make_url(storage.server.url(name, loopback=True))
        dump = tmp_path / "copy.dump"
        backup.dump_postgresql(by_password, dump)
        assert revision(old) == "0002"
    with storage.server.database() as fresh:
        environment = os.environ | {"PGPASSWORD": storage.server.password}
        words = ["pg_restore", "-h", "127.0.0.1", "-p", str(storage.server.port), "-U", "rightface"]
        storage.server.client_program([*words, "-d", fresh, str(dump)], environment)
        with closing(Database(storage.server.url(fresh))) as restored:
            assert revision(restored) == "0002"
            migrate(restored)
            assert revision(restored) == HEAD


@pytest.mark.sqlite_only
def test_a_copy_goes_after_seven_days_and_until_then_no_receipt_says_overwritten(
    fresh: TemporaryInstance,
) -> None:
    data, database = fresh.instance.settings.data, fresh.instance.database
    assert fresh.registrar.subjects.erase("nobody").overwritten
    copy = backup.before_migration(database, "0002", data)
    assert not fresh.registrar.subjects.erase("nobody").overwritten
    now = datetime.now(UTC)
    assert backup.drop_old(data, now + timedelta(days=6)) == 0
    other = copy.with_name("another-name")
    other.hardlink_to(copy)  # the bytes, when the name is gone
    assert backup.drop_old(data, now + timedelta(days=8)) == 1
    assert not copy.exists()
    assert set(other.read_bytes()) == {0}
    assert fresh.registrar.subjects.erase("nobody").overwritten
