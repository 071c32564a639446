"""The SQL database: one engine, one writer, group commit.

All rooms declare their tables on `Base`. Reads use short sessions. Every write goes through
`Database.write(work)`: whoever's turn it is gathers the waiting works, runs each in a savepoint of
one `BEGIN IMMEDIATE` transaction, commits once, and only then lets the callers go on. So concurrent
requests share a commit, what returns is durable, and several processes can share one database.
A write that meets no other commits in its own thread: no handing over, which on busy cores costs
more than the commit. Each work has a session of its own: neighbours share the commit and nothing
else.
Knows nothing of the rooms above it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session

from rightface.errors import RightfaceError, StorageError

_log = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[Session], T]
PATIENCE = 20_000  # milliseconds for which a writer waits for another process
BATCH = 64  # works that may share one commit
WRITES = "rightface_writes"  # the execution option that marks the writer's connection


class Base(DeclarativeBase):
    """The declarative base of every table."""


class Database:
    """An open database. Close it to stop its writer."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._writing = self.engine.execution_options(**{WRITES: True})
        self._waiting: deque[tuple[Work[Any], Future[Any]]] = deque()
        self._turn = threading.Condition()  # told when a commit is over
        self._leader = 0  # the thread that commits just now, for everybody who waits; 0: none
        self._called = threading.Semaphore(0)  # wakes the writer's thread, for `submit`
        self.forgetting = False  # deleted content may still stand in the write-ahead log
        self._hooks: list[Callable[[], None]] = []
        self._open = True
        self._process = os.getpid()
        self._gate = threading.Lock()
        self._writer = threading.Thread(target=self._run, name="rightface-writer", daemon=True)
        self._writer.start()

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading: what was last committed. Nothing written in it is kept.

        Raises:
            StorageError: the database cannot be read.
        """
        try:
            with Session(self.engine, autoflush=False) as session:
                yield session
        except SQLAlchemyError as error:
            raise _storage_error("The database could not be read.", error) from error

    def write(self, work: Work[T]) -> T:
        """Run `work(session)` in the next group commit; return its result once it is durable.

        What `work` raises is raised here, and nothing of it is kept; its neighbours are unharmed.
        `work` neither commits nor rolls back: that would end only its own savepoint.

        Raises:
            StorageError: the commit failed; nothing was kept.
        """
        if threading.get_ident() == self._leader:
            raise StorageError("A write inside a write, or in a hook, would wait for itself.")
        future = self._enqueue(work)
        while not future.done():
            self._lead(future)
        return future.result()

    def submit(self, work: Work[T]) -> Future[T]:
        """Like `write`, without waiting. The future is done when the commit is durable."""
        future = self._enqueue(work)
        self._called.release()
        return future

    def _enqueue(self, work: Work[T]) -> Future[T]:
        if os.getpid() != self._process:
            raise StorageError(
                "The database was opened in another process.",
                mend="Open it after the fork, in the process that uses it.",
            )
        future: Future[T] = Future()
        with self._gate:
            if not self._open:
                raise StorageError("The database is closed.")
            self._waiting.append((work, future))
        return future

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook()` in the committing thread after each durable commit. It must not raise."""
        self._hooks.append(hook)

    def forget_deleted(self) -> bool:
        """Overwrite what was deleted: empty SQLite's write-ahead log into the main file.

        Deleted content is zeroed there (`secure_delete`). With other engines nothing is done here.

        Returns:
            Whether it was done; False while somebody still reads what was there before. Then
            `forgetting` says so, and it is to be tried again.
        """
        if not self.is_sqlite:
            return True
        with self.engine.connect() as connection:
            # Without patience: it would hold up every writer while a reader goes on.
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            try:
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE}")
        self.forgetting = row[0] != 0  # the first column: busy
        return not self.forgetting

    def close(self) -> None:
        """Finish what waits, then stop. Idempotent."""
        with self._gate:
            if not self._open:
                return
            self._open = False
            self._called.release()
        if threading.current_thread() is not self._writer and os.getpid() == self._process:
            self._writer.join()
        if threading.get_ident() == self._leader:
            self.engine.dispose()
            return
        with self._turn:  # somebody may still be committing in a thread of their own
            self._turn.wait_for(lambda: not self._leader)
            self.engine.dispose()

    # ------------------------------------------------------------ committing
    def _run(self) -> None:
        # The writer's thread: leads for those who do not wait.
        while self._open or self._waiting:
            self._called.acquire()
            while self._waiting:
                self._lead()

    def _lead(self, mine: Future[Any] | None = None) -> None:
        # Those whose work is done leave at once and may come back while the next one commits: a
        # plain lock would queue them up behind each other, and commits would hardly be shared.
        with self._turn:
            self._turn.wait_for(lambda: not self._leader or (mine is not None and mine.done()))
            if mine is not None and mine.done():
                return  # an earlier leader has committed it
            self._leader = threading.get_ident()
        try:
            self._commit(self._take_batch())
        finally:
            with self._turn:
                self._leader = 0
                self._turn.notify_all()

    def _take_batch(self) -> list[tuple[Work[Any], Future[Any]]]:
        batch: list[tuple[Work[Any], Future[Any]]] = []
        while self._waiting and len(batch) < BATCH:
            work, future = self._waiting.popleft()
            # A caller may have cancelled its future while it waited; from here on nobody can.
            if future.set_running_or_notify_cancel():
                batch.append((work, future))
        return batch

    def _commit(self, batch: list[tuple[Work[Any], Future[Any]]]) -> None:
        if not batch:
            return
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._writing.connect() as connection, connection.begin():
                self._wait_for_processes(connection)
                for work, future in batch:
                    try:
                        done.append((future, _run_alone(work, connection)))
                    except BaseException as error:  # noqa: BLE001  # handed back to its caller
                        future.set_exception(_told(error))
                    _require_transaction(connection)
        except BaseException as error:  # noqa: BLE001  # nobody may wait for ever
            problem = _storage_error("The commit failed; nothing was kept.", error)
            problem.__cause__ = error
            for _, future in batch:
                if not future.done():
                    future.set_exception(problem)
            return
        for future, result in done:
            future.set_result(result)
        for hook in self._hooks:
            try:
                hook()
            except Exception:  # noqa: BLE001  # a projection must not stop the truth
                _log.exception("a hook after the commit failed")

    def _wait_for_processes(self, connection: Connection) -> None:
        # One writing transaction at a time, over all processes: the ledger's order depends on it.
        # SQLite's BEGIN IMMEDIATE does that by itself.
        if self.engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7241931)"))


def _run_alone(work: Work[T], connection: Connection) -> T:
    # A session per work: its own savepoint, its own objects. What it returns stays readable.
    with Session(
        bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False
    ) as session:
        result = work(session)
        session.commit()  # releases the savepoint; without it, leaving rolls back to it
        return result


def _require_transaction(connection: Connection) -> None:
    # Some failures (a full disk, a lost connection) end the whole transaction beneath us. To go on
    # would acknowledge works that were rolled back, and run the next ones outside a transaction.
    driver = connection.connection.dbapi_connection
    if not connection.in_transaction() or not getattr(driver, "in_transaction", True):
        raise StorageError("The database ended the transaction.")


def _told(error: BaseException) -> BaseException:
    if not isinstance(error, SQLAlchemyError):
        return error
    problem = _storage_error("The database refused a write.", error)
    problem.__cause__ = error
    return problem


def _storage_error(what: str, error: BaseException) -> RightfaceError:
    # The first line of the driver's own sentence: never the statement, its parameters or a
    # "DETAIL" line (they may be personal data).
    first = error
    while (earlier := error.__context__) is not None:  # "no such savepoint" hides the real failure
        error = earlier
        first = error if isinstance(error, SQLAlchemyError) else first
    cause = first.what if isinstance(first, RightfaceError) else str(getattr(first, "orig", ""))
    return StorageError(
        what,
        why=cause.splitlines()[0] if cause else type(first).__name__,
        mend="Check free disk space and the permissions of the data directory.",
    )


def _engine(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"busy_timeout={PATIENCE}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
