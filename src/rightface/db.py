"""The SQL database: one engine, one writer, group commit.

All rooms declare their tables on `Base`. Reads use short sessions. Every write goes through
`Database.write(work)`: whoever's turn it is gathers the waiting works, runs each in a savepoint of
one `BEGIN IMMEDIATE` transaction, commits once, and only then lets the callers go on. So concurrent
requests share a commit, what returns is durable, and several processes can share one database.
A write that meets no other commits in its own thread: no handing over, which on busy cores costs
more than the commit. Each work has a session of its own: neighbours share the commit and nothing
else.

SQLite and PostgreSQL. There, a transaction-level advisory lock does what `BEGIN IMMEDIATE` does
here; reads see one snapshot (REPEATABLE READ), as SQLite's do; and of a commit whose answer got
lost with the connection the server is asked afterwards, by the transaction's id.
Knows nothing of the rooms above it.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session

from rightface.errors import RightfaceError, SettingsError, StorageError

_log = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[Session], T]
PATIENCE = 20_000  # milliseconds for which a writer waits for another process
BATCH = 64  # works that may share one commit
WRITES = "rightface_writes"  # the execution option that marks the writer's connection
TURN = 7241931  # PostgreSQL's advisory lock: one writing transaction at a time
VACUUM_SECONDS = 10.0  # between two sweeps of PostgreSQL's dead rows
_CONNECT_SECONDS = 5
_MOMENT = 0.2  # seconds between two questions for a commit whose answer got lost


class Base(DeclarativeBase):
    """The declarative base of every table."""


class Database:
    """An open database. Close it to stop its writer.

    Args:
        url: a SQLAlchemy URL of SQLite or PostgreSQL (`postgresql://USER@HOST/NAME`).

    Raises:
        SettingsError: the URL is malformed or of another database, or psycopg is missing.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.writing_engine = _for_writing(self.engine)
        self._vacuumed = float("-inf")
        self._waiting: deque[tuple[Work[Any], Future[Any]]] = deque()
        self._turn = threading.Condition()  # told when a commit is over
        self._leader = 0  # the thread that commits just now, for everybody who waits; 0: none
        self._called = threading.Semaphore(0)  # wakes the writer's thread, for `submit`
        self.forgetting = False  # deleted content may still stand in the write-ahead log
        self._hooks: list[Callable[[], None]] = []
        self._copies: list[Callable[[], bool]] = []  # remove copies of the database
        self.copied_to: Path | None = None  # where copies lie that were made before migrations
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
            # Another thread may run it: it sees who acts, as the caller did.
            context = contextvars.copy_context()
            self._waiting.append((lambda session: context.run(work, session), future))
        return future

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook()` in the committing thread after each durable commit. It must not raise."""
        self._hooks.append(hook)

    def on_forget(self, sweep: Callable[[], bool]) -> None:
        """Call `sweep()` whenever deleted content is overwritten; it removes unsealed copies.

        It returns whether none is left, and must not raise.
        """
        self._copies.append(sweep)

    def forget_deleted(self) -> bool:
        """Overwrite what was deleted: empty SQLite's write-ahead log into the main file.

        Deleted content is zeroed there (`secure_delete`). PostgreSQL cannot promise it: dead rows
        and its write-ahead log keep bytes for a while (docs/operate.md). `tidy` sweeps there. What
        killed processes left as copies of it goes too (`on_forget`).

        Returns:
            Whether it was done; False while somebody still reads what was there before or copies
            it, and always with PostgreSQL. Then `forgetting` says so, and `tidy` is to be called.

        Raises:
            StorageError: it cannot be done, for example on a full disk.
        """
        swept = all(sweep() for sweep in self._copies)
        if not self.is_sqlite:
            self.forgetting = True
            return False
        with self.engine.connect() as connection:
            # Without patience: it would hold up every writer while a reader goes on.
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            try:
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            except DBAPIError as error:
                raise _told(error) from error
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE}")
        self.forgetting = row[0] != 0 or not swept  # the first column: busy
        return not self.forgetting

    def tidy(self) -> None:
        """Go on with what `forget_deleted` left. For a poll; without anything left, nothing.

        PostgreSQL: VACUUM of the declared tables, at most every `VACUUM_SECONDS`. It blocks
        neither reads nor writes.

        Raises:
            StorageError: the database cannot be reached.
        """
        if not self.forgetting:
            return
        if self.is_sqlite:
            self.forget_deleted()
        elif time.monotonic() - self._vacuumed >= VACUUM_SECONDS:
            self._vacuumed = time.monotonic()
            self.forgetting = False  # what is deleted from here on asks again
            try:
                self._vacuum()
            except SQLAlchemyError as error:
                self.forgetting = True
                raise _storage_error("Deleted rows were not swept.", error) from error

    def _vacuum(self) -> None:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            held = set(inspect(connection).get_table_names())
            quote = self.engine.dialect.identifier_preparer.quote
            for name in Base.metadata.tables:
                if name in held:
                    connection.exec_driver_sql(f"VACUUM {quote(name)}")

    def close(self) -> None:
        """Finish what waits, then stop. Idempotent."""
        with self._gate:
            if not self._open:
                self.engine.dispose()  # who read since opened a connection anew
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
        committing: str | None = None  # the transaction's id, once only the commit is left
        try:
            with self.writing_engine.connect() as connection, connection.begin() as transaction:
                number = self.take_turn(connection)
                run = _run_alone if len(batch) > 1 else _run_only
                for work, future in batch:
                    try:
                        done.append((future, run(work, connection)))
                    except BaseException as error:  # noqa: BLE001  # handed back to its caller
                        future.set_exception(_told(error))
                        if run is _run_only:
                            transaction.rollback()
                            return
                    _require_transaction(connection)
                committing = number
        except BaseException as error:  # noqa: BLE001  # nobody may wait for ever
            kept = None if committing is None else self._was_kept(committing)
            if not kept:
                problem = _storage_error("The commit failed; nothing was kept.", error)
                if committing is not None and kept is None:
                    problem = _unknown(error)
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

    def take_turn(self, connection: Connection) -> str | None:
        """Wait until no other process writes; for a transaction of `writing_engine`.

        The ledger's order depends on it. SQLite's BEGIN IMMEDIATE does that by itself.

        Returns:
            PostgreSQL's id of the transaction; None with SQLite.
        """
        if self.is_sqlite:
            return None
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")
        return str(connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one())

    def _was_kept(self, number: str) -> bool | None:
        # The connection broke while it committed: ask the server, which may be starting again.
        until = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                with self.engine.connect() as connection:
                    query = text("SELECT pg_xact_status(CAST(:number AS xid8))")
                    state = connection.execute(query, {"number": number}).scalar_one()
                if state in {"committed", "aborted"}:
                    return bool(state == "committed")
            except SQLAlchemyError as error:
                _log.warning("PostgreSQL does not answer (%s)", type(error).__name__)
            if time.monotonic() >= until:
                return None
            time.sleep(_MOMENT)


def _run_alone(work: Work[T], connection: Connection) -> T:
    # A session per work: its own savepoint, its own objects. What it returns stays readable.
    with Session(
        bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False
    ) as session:
        result = work(session)
        session.commit()  # releases the savepoint; without it, leaving rolls back to it
        return result


def _run_only(work: Work[T], connection: Connection) -> T:
    # Without neighbours the transaction is the work's own: no savepoint, which is a third of what
    # a small work costs. What the work itself would commit or roll back ends the transaction.
    with Session(
        bind=connection, join_transaction_mode="rollback_only", expire_on_commit=False
    ) as session:
        result = work(session)
        session.commit()  # writes what the session still holds; the transaction goes on
        return result


def _require_transaction(connection: Connection) -> None:
    # Some failures (a full disk, a lost connection) end the whole transaction beneath us. To go on
    # would acknowledge works that were rolled back, and run the next ones outside a transaction.
    driver: Any = connection.connection.dbapi_connection
    alive = connection.in_transaction() and getattr(driver, "in_transaction", True)
    if alive and connection.dialect.name == "postgresql":
        alive = driver.info.transaction_status.name == "INTRANS"
    if not alive:
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
    if isinstance(first, RightfaceError):
        cause = first.what
    else:
        cause = _sentence(getattr(first, "orig", None)) or type(first).__name__
    server = isinstance(first, DBAPIError) and hasattr(first.orig, "sqlstate")
    return StorageError(
        what,
        why=cause,
        mend="Check that PostgreSQL runs, takes connections and has free disk space."
        if server
        else "Check free disk space and the permissions of the data directory.",
    )


def _sentence(error: BaseException | None) -> str:
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("22"):  # "data exception": PostgreSQL's sentence would quote the value
        return type(error).__name__
    lines = str(error or "").splitlines()
    return lines[0] if lines else ""


def _unknown(error: BaseException) -> RightfaceError:
    problem = _storage_error("It is not known whether the last write was kept.", error)
    problem.mend = "When PostgreSQL answers again, look before doing it once more."
    return problem


def _engine(text: str) -> Engine:
    url = parsed(text)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            isolation_level="REPEATABLE READ",  # one snapshot for all of a read, as in SQLite
            pool_pre_ping=True,  # a server that was restarted is found again
            pool_size=10,
            max_overflow=30,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "rightface"},
        )
    except ImportError as error:
        raise SettingsError(
            "The driver for PostgreSQL is missing.",
            why="The setting 'database' names a PostgreSQL database; psycopg is not installed.",
            mend="pip install 'rightface[postgresql]'",
        ) from error

    @event.listens_for(engine, "handle_error")
    def _say_less(context: ExceptionContext) -> None:
        # PostgreSQL's own text quotes values ("DETAIL: Key (name)=(…)"), in every traceback.
        driver, ours = context.original_exception, context.sqlalchemy_exception
        said = _sentence(driver)
        driver.args = (said,)
        if ours is not None:
            ours.args = (f"({type(driver).__name__}) {said}",)

    return engine


def parsed(text: str) -> URL:
    """The URL of a database that rightface can use; its text is never shown: it has a password.

    Raises:
        SettingsError: it is malformed, or names another database than SQLite and PostgreSQL.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise SettingsError(
            "The setting 'database' is not a database URL.",
            mend="For example: postgresql://USER:PASSWORD@HOST:5432/NAME",
        ) from error
    if url.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        return url
    raise SettingsError(
        "The setting 'database' names a database that rightface does not use.",
        why="It uses SQLite and PostgreSQL (through psycopg).",
        mend="For example: postgresql://USER:PASSWORD@HOST:5432/NAME",
    )


def _for_writing(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{WRITES: True})
    # READ COMMITTED: what is read after the turn has come is what is there then. A snapshot for
    # the whole transaction would be taken before the wait.
    return engine.execution_options(**{WRITES: True, "isolation_level": "READ COMMITTED"})


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True)

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
