"""One server per instance: a lock that the kernel, or PostgreSQL, gives back when its holder dies.

    1. `serving.lock` in the data directory, held by flock(2): for one machine. `kill -9` frees it.
    2. With PostgreSQL, an advisory lock of one session as well: for other machines and other data
       directories with the same database. It ends with its connection, so `check` looks after it.

Why only one: what a client's signature was used for (replays), quotas and the indexes are kept in
the memory of one process. Other commands may run beside a server. Knows nothing of what is served.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from rightface.db import Database
from rightface.errors import StorageError

LOCK = "serving.lock"
ADVISORY = 7241932  # PostgreSQL's lock of the one server


class SoleServer:
    """The lock. Close it to let go.

    Raises:
        StorageError: another server holds it, or the directory cannot be written.
    """

    def __init__(self, data: Path) -> None:
        self._turn = threading.Lock()
        self._database: Database | None = None
        self._session: Connection | None = None
        self._file = -1
        try:
            self._file = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StorageError(
                "Another server runs on this data directory.",
                why=f"Process {holder or '?'} holds its lock.",
                mend="Stop that one first. Other commands may run beside it.",
            ) from None
        except OSError as error:
            if self._file >= 0:
                os.close(self._file)
            raise StorageError(
                f"The lock file '{LOCK}' cannot be written.",
                why=error.strerror or type(error).__name__,
                mend="Check free disk space and the permissions of the data directory.",
            ) from error

    def hold(self, database: Database) -> None:
        """Hold the database's lock too. SQLite has none: the file lock is enough.

        Raises:
            StorageError: another server uses the database, or it cannot be reached.
        """
        if database.is_sqlite:
            return
        with self._turn:
            self._database = database
            self._take()

    def check(self) -> None:
        """Take the database's lock again where its connection was lost. For a poll.

        Raises:
            StorageError: another server has it now, or the database cannot be reached.
        """
        with self._turn:
            if self._database is None:
                return
            if self._session is not None:
                try:
                    self._session.execute(text("SELECT 1"))
                    return
                except SQLAlchemyError:
                    self._drop()
            self._take()

    def _take(self) -> None:
        assert self._database is not None
        try:
            session = self._database.engine.connect()
            session = session.execution_options(isolation_level="AUTOCOMMIT")
            query = text("SELECT pg_try_advisory_lock(:number)")
            got = session.execute(query, {"number": ADVISORY}).scalar_one()
        except SQLAlchemyError as error:
            raise StorageError(
                "The database cannot be reached.",
                why=type(error).__name__,
                mend="Check that PostgreSQL runs and takes connections.",
            ) from error
        if not got:
            session.close()
            raise StorageError(
                "Another server uses this database.",
                why="It holds the database's lock: replays and quotas are known to one server.",
                mend="Stop that one first; give each instance a database of its own.",
            )
        self._session = session

    def _drop(self) -> None:
        if self._session is not None:
            with suppress(SQLAlchemyError):
                self._session.invalidate()  # never back to the pool: the lock would go with it
                self._session.close()
            self._session = None

    def close(self) -> None:
        """Let go of both locks. Idempotent."""
        with self._turn:
            self._drop()
            self._database = None
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
