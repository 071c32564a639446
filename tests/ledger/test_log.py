"""The log: gapless, append-only, part of the transaction of what it records."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import LedgerError, StorageError
from rightface.ledger import log
from tests.storage import Storage

from .sample import a_leaf, grow


def size(database: Database) -> int:
    with database.read() as session:
        return log.size(session)


def test_indices_count_from_zero(database: Database) -> None:
    assert size(database) == 0
    indices = [
        database.write(lambda session, n=n: log.append(session, a_leaf(n)))  # type: ignore[misc]
        for n in range(5)
    ]
    assert indices == [0, 1, 2, 3, 4]
    assert size(database) == 5
    with database.read() as session:
        assert log.entries(session, 1, 4) == [a_leaf(n).canonical() for n in (1, 2, 3)]
        assert log.leaf_at(session, 4) == a_leaf(4)


def test_what_fails_leaves_no_gap(database: Database) -> None:
    def fails(session: Session) -> None:
        assert log.append(session, a_leaf(1)) == 1
        raise RuntimeError("the work failed")

    grow(database, 1)
    with pytest.raises(RuntimeError, match="the work failed"):
        database.write(fails)
    assert database.write(lambda session: log.append(session, a_leaf(2))) == 1


def test_only_a_write_appends(database: Database) -> None:
    with database.read() as session, pytest.raises(LedgerError, match=r"Database\.write"):
        log.append(session, a_leaf())
    assert size(database) == 0


def test_an_outcome_belongs_to_an_earlier_decision(database: Database) -> None:
    def outcome(of: int) -> int:
        leaf = a_leaf(kind="outcome", of=of)
        return database.write(lambda session: log.append(session, leaf))

    grow(database, 1)
    assert outcome(0) == 1
    with pytest.raises(LedgerError, match="not in the ledger"):
        outcome(2)
    assert size(database) == 2


def test_what_is_not_there_is_said(database: Database) -> None:
    grow(database, 3)
    with database.read() as session:
        with pytest.raises(LedgerError, match="Entry 3 is missing"):
            log.entries(session, 1, 5)
        with pytest.raises(LedgerError, match="Entry 9 is missing"):
            log.leaf_at(session, 9)


CHANGES = {
    "update": "UPDATE ledger_leaves SET body = x'00' WHERE idx = 1",
    "update_of_the_index": "UPDATE ledger_leaves SET idx = 9 WHERE idx = 2",
    "delete": "DELETE FROM ledger_leaves WHERE idx = 2",
    "delete_all": "DELETE FROM ledger_leaves",
    "replace": "REPLACE INTO ledger_leaves (idx, body) VALUES (1, x'00')",
    "upsert": "INSERT INTO ledger_leaves VALUES (1, x'00') "
    "ON CONFLICT (idx) DO UPDATE SET body = x'00'",
    "a_gap": "INSERT INTO ledger_leaves (idx, body) VALUES (7, x'00')",
    "a_negative_index": "INSERT INTO ledger_leaves (idx, body) VALUES (-1, x'00')",
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_database_itself_refuses_changes(
    database: Database, storage: Storage, name: str
) -> None:
    grow(database, 3)
    statement = CHANGES[name]
    if not storage.is_sqlite:
        if name == "replace":
            statement = "TRUNCATE ledger_leaves"
        statement = statement.replace("x'00'", r"'\x00'")
    with pytest.raises(StorageError, match="ledger"):
        database.write(lambda session: session.connection().exec_driver_sql(statement))
    if storage.server is not None:
        with database.engine.connect() as other, pytest.raises(SQLAlchemyError, match="ledger"):
            other.exec_driver_sql(statement)
    else:
        direct = sqlite3.connect(storage.directory / "rightface.db")  # not through rightface
        with pytest.raises(sqlite3.IntegrityError, match="ledger"):
            direct.execute(statement)
        direct.close()
    with database.read() as session:
        assert log.entries(session, 0, 3) == [a_leaf(n).canonical() for n in range(3)]


def test_the_orm_cannot_change_a_leaf_either(database: Database) -> None:
    def change(session: Session) -> None:
        row = session.get(log.LedgerLeaf, 0)
        assert row is not None
        row.body = b"changed"

    grow(database, 1)
    with pytest.raises(StorageError, match="append-only") as caught:
        database.write(change)
    assert isinstance(caught.value.__cause__, IntegrityError | SQLAlchemyError)


def test_a_migration_can_put_the_triggers_on(storage: Storage) -> None:
    opened = Database(storage.url("migrated"))
    blob = "BLOB" if storage.is_sqlite else "BYTEA"
    with opened.engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE ledger_leaves (idx INTEGER PRIMARY KEY, body {blob} NOT NULL)"
        )
        log.protect(connection)
    grow(opened, 3)
    with pytest.raises(StorageError, match="append-only"):
        opened.write(lambda session: session.connection().exec_driver_sql(CHANGES["delete"]))
    opened.close()
