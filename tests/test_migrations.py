"""The migrations make the very schema that the code declares."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import rightface.credentials
import rightface.gallery.jobs
import rightface.gallery.review_rows
import rightface.gallery.rows
import rightface.law.tables
import rightface.ledger.log  # noqa: F401  # the tables register themselves
from rightface.db import Base, Database
from rightface.errors import StorageError
from rightface.migrations import HEAD, migrate
from tests.storage import Storage


def _triggers(database: Database) -> dict[str, str]:
    with database.engine.connect() as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type='trigger'"
        if not database.is_sqlite:
            query = (
                "SELECT tgname, pg_get_triggerdef(pg_trigger.oid) || prosrc FROM pg_trigger "
                "JOIN pg_proc ON tgfoid = pg_proc.oid WHERE NOT tgisinternal"
            )
        rows = connection.execute(text(query))
        return {name: " ".join(sql.split()) for name, sql in rows}


def test_the_schema_is_the_declared_one(storage: Storage) -> None:
    migrated = Database(storage.url("migrated"))
    declared = Database(storage.url("declared"))
    try:
        migrate(migrated)
        Base.metadata.create_all(declared.engine)
        with migrated.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        assert _triggers(migrated) == _triggers(declared)
        assert len(_triggers(migrated)) == (3 if storage.is_sqlite else 2)
    finally:
        migrated.close()
        declared.close()


def test_migrating_twice_changes_nothing(storage: Storage) -> None:
    database = Database(storage.url("twice"))
    try:
        migrate(database)
        migrate(database)
        with database.engine.connect() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).all()
        assert [tuple(row) for row in found] == [(HEAD,)]
    finally:
        database.close()


def test_a_database_of_the_future_is_refused(storage: Storage) -> None:
    database = Database(storage.url("future"))
    try:
        migrate(database)
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StorageError, match="9999"):
            migrate(database)
    finally:
        database.close()
