"""The database: what returned is durable, what failed left nothing, and neighbours do no harm."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest
from sqlalchemy import Integer, String, delete, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from rightface.db import BATCH, Database
from rightface.errors import StorageError
from tests.storage import Storage


class Tables(DeclarativeBase):
    """Apart from the product's tables."""


class Row(Tables):
    __tablename__ = "rows_of_a_test"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String, unique=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def database(storage: Storage) -> Iterator[Database]:
    opened = Database(storage.url("test"))
    Tables.metadata.create_all(opened.engine)
    yield opened
    opened.close()


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Row.name).order_by(Row.id)))


class Gate:
    """A work that holds the writer until it is opened, so that what comes next shares a commit."""

    def __init__(self, database: Database) -> None:
        self._inside, self._open = threading.Event(), threading.Event()
        self.future = database.submit(self._wait)
        assert self._inside.wait(10)

    def _wait(self, _: Session) -> None:
        self._inside.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()
        self.future.result(10)


@pytest.fixture
def commits(database: Database) -> list[int]:
    counted: list[int] = []
    event.listen(database.engine, "commit", lambda _: counted.append(1))
    return counted


# ---------------------------------------------------------------- group commit
def test_a_write_returns_what_the_work_returns(database: Database) -> None:
    def work(session: Session) -> int:
        row = Row(name="a")
        session.add(row)
        session.flush()
        return row.id

    assert database.write(work) == 1
    assert names(database) == ["a"]


def test_rows_that_a_write_returns_can_be_read_afterwards(database: Database) -> None:
    def work(session: Session) -> Row:
        row = Row(name="a")
        session.add(row)
        return row

    row = database.write(work)
    assert (row.id, row.name) == (1, "a")


def test_writes_that_wait_share_one_commit(database: Database, commits: list[int]) -> None:
    gate = Gate(database)
    futures = [database.submit(lambda s, n=n: s.add(Row(name=str(n)))) for n in range(BATCH)]  # type: ignore[misc]
    gate.open()
    for future in futures:
        future.result(10)
    assert len(commits) == 2  # the gate's, and theirs
    assert names(database) == [str(n) for n in range(BATCH)]


def test_a_batch_has_an_end(database: Database, commits: list[int]) -> None:
    gate = Gate(database)
    futures = [database.submit(lambda _: None) for _ in range(3 * BATCH)]
    gate.open()
    for future in futures:
        future.result(10)
    assert len(commits) == 4


def test_writers_in_many_threads_all_get_through(database: Database, commits: list[int]) -> None:
    def write(thread: int) -> None:
        for number in range(25):
            database.write(lambda s, n=number: s.add(Row(name=f"{thread}-{n}")))  # type: ignore[misc]

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(names(database))) == 400
    assert len(commits) < 400


# ---------------------------------------------------------------- neighbours
def test_a_work_that_raises_keeps_nothing_and_harms_nobody(database: Database) -> None:
    def fails(session: Session) -> None:
        session.add(Row(name="failed"))
        session.flush()
        raise LookupError("of the work itself")

    gate = Gate(database)
    before = database.submit(lambda s: s.add(Row(name="before")))
    between = database.submit(fails)
    after = database.submit(lambda s: s.add(Row(name="after")))
    gate.open()
    before.result(10)
    with pytest.raises(LookupError, match="of the work itself"):
        between.result(10)
    after.result(10)
    assert names(database) == ["before", "after"]


def test_a_work_that_the_database_refuses_harms_nobody(database: Database) -> None:
    gate = Gate(database)
    futures = [database.submit(lambda s, n=n: s.add(Row(name=n))) for n in ("a", "a", "b")]  # type: ignore[misc]
    gate.open()
    futures[0].result(10)
    with pytest.raises(StorageError, match="refused a write") as caught:
        futures[1].result(10)
    futures[2].result(10)
    assert "unique" in str(caught.value).lower()
    assert names(database) == ["a", "b"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_not_even_an_exit_stops_the_writer(database: Database, error: type[BaseException]) -> None:
    def leaves(_: Session) -> None:
        raise error

    with pytest.raises(error):
        database.submit(leaves).result(10)
    database.submit(lambda s: s.add(Row(name="after"))).result(10)
    assert names(database) == ["after"]


def test_neighbours_share_no_objects(database: Database) -> None:
    database.write(lambda s: s.add(Row(name="shared")))
    found: list[Row] = []

    def look(session: Session) -> None:
        row = session.get(Row, 1)
        assert row is not None
        found.append(row)

    def change_and_fail(session: Session) -> None:
        look(session)
        found[-1].name = "changed"
        session.flush()
        raise RuntimeError

    gate = Gate(database)
    futures = [database.submit(work) for work in (look, change_and_fail, look)]
    gate.open()
    futures[0].result(10)
    with pytest.raises(RuntimeError):
        futures[1].result(10)
    futures[2].result(10)
    assert len({id(row) for row in found}) == 3
    assert (found[0].name, found[2].name) == ("shared", "shared")


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_work_cannot_end_its_neighbours_transaction(
    database: Database, commits: list[int], end: str
) -> None:
    def ends(session: Session) -> None:
        session.add(Row(name="ended"))
        session.flush()
        getattr(session, end)()

    gate = Gate(database)
    futures: list[Future[None]] = [
        database.submit(lambda s: s.add(Row(name="before"))),
        database.submit(ends),
        database.submit(lambda s: s.add(Row(name="after"))),
    ]
    gate.open()
    for future in futures:
        future.result(10)
    assert len(commits) == 2
    assert names(database) == (
        ["before", "ended", "after"] if end == "commit" else ["before", "after"]
    )


def test_a_transaction_lost_in_the_middle_is_acknowledged_to_nobody(database: Database) -> None:
    # What SQLite does by itself on some failures (a full disk): it rolls the whole back. To go on
    # would acknowledge "before", which is gone, and write "after" outside of any transaction.
    gate = Gate(database)
    before = database.submit(lambda s: s.add(Row(name="before")))
    lost = database.submit(lambda s: s.connection().exec_driver_sql("ROLLBACK"))
    after = database.submit(lambda s: s.add(Row(name="after")))
    gate.open()
    for future in (before, lost, after):
        with pytest.raises(StorageError):
            future.result(10)
    assert names(database) == []
    database.write(lambda s: s.add(Row(name="later")))
    assert names(database) == ["later"]


def test_a_cancelled_write_is_left_out(database: Database) -> None:
    gate = Gate(database)
    cancelled = database.submit(lambda s: s.add(Row(name="cancelled")))
    kept = database.submit(lambda s: s.add(Row(name="kept")))
    assert cancelled.cancel()
    gate.open()
    kept.result(10)
    with pytest.raises(CancelledError):
        cancelled.result(10)
    assert names(database) == ["kept"]


# ---------------------------------------------------------------- failing commits
def limit_pages(database: Database, more: int) -> None:
    """Let the database file grow by so many pages only: SQLite then reports a full disk."""
    database.engine.dispose()

    def limit(connection: sqlite3.Connection, _: object) -> None:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={count + more}")

    event.listen(database.engine, "connect", limit)


@pytest.mark.sqlite_only
def test_a_full_disk_keeps_nothing_and_says_so(database: Database) -> None:
    database.write(lambda s: s.add(Row(name="old")))
    limit_pages(database, 3)
    gate = Gate(database)
    small = database.submit(lambda s: s.add(Row(name="small")))
    large = database.submit(lambda s: s.add(Row(name="x" * 1_000_000)))
    gate.open()
    with pytest.raises(StorageError, match="full") as caught:
        large.result(10)
    assert "x" * 100 not in str(caught.value)
    acknowledged = ["old"]
    try:
        small.result(10)
    except StorageError:
        pass
    else:
        acknowledged.append("small")
    assert names(database) == acknowledged
    database.write(lambda s: s.add(Row(name="fits")))
    assert names(database) == [*acknowledged, "fits"]


FULL_AT_COMMIT = """
import resource, sys
from pathlib import Path
from rightface.db import Database
from rightface.errors import StorageError
from tests.storage import Storage
from tests.test_db import Row, names

database = Database(f"sqlite:///{sys.argv[1]}")
database.write(lambda s: s.add(Row(name="old")))
wal = Path(sys.argv[1] + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (wal, resource.RLIM_INFINITY))
futures = [database.submit(lambda s, n=n: s.add(Row(name=f"lost-{n}"))) for n in range(5)]
for future in futures:
    try:
        future.result(20)
    except StorageError as error:
        assert "commit failed" in str(error), error
    else:
        raise SystemExit("acknowledged what cannot be on the disk")
assert names(database) == ["old"]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.write(lambda s: s.add(Row(name="new")))
assert names(database) == ["old", "new"]
database.close()
print("good")
"""


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


@pytest.mark.sqlite_only
def test_a_commit_that_fails_is_acknowledged_to_nobody(database: Database, path: Path) -> None:
    # The operating system refuses to let the log file grow: the failure comes at COMMIT.
    out, err = run(FULL_AT_COMMIT, path).communicate(timeout=60)
    assert out == "good\n", err
    assert names(database) == ["old", "new"]


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    nowhere = Database(f"sqlite:///{tmp_path / 'no' / 'such.db'}")
    with pytest.raises(StorageError, match="unable to open"):
        nowhere.write(lambda s: s.add(Row(name="a")))
    with pytest.raises(StorageError, match="could not be read"), nowhere.read() as session:
        session.execute(select(Row))
    nowhere.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 100)
    broken = Database(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(StorageError, match="not a database"):
        broken.write(lambda s: s.add(Row(name="a")))
    broken.close()


def test_errors_tell_no_content(database: Database) -> None:
    database.write(lambda s: s.add(Row(name="alice")))
    with pytest.raises(StorageError) as caught:
        database.write(lambda s: s.add(Row(name="alice")))
    assert "alice" not in caught.value.diagnostics()
    assert "alice" not in str(caught.value.__cause__)


# ---------------------------------------------------------------- hooks, closing, misuse
def test_hooks_run_after_each_durable_commit(database: Database) -> None:
    seen: list[list[str]] = []
    database.on_commit(lambda: seen.append(names(database)))
    database.write(lambda s: s.add(Row(name="a")))
    database.write(lambda s: s.add(Row(name="b")))
    database.close()
    assert seen == [["a"], ["a", "b"]]


def test_a_hook_that_raises_stops_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def hook() -> None:
        raise RuntimeError

    database.on_commit(hook)
    database.write(lambda s: s.add(Row(name="a")))
    database.write(lambda s: s.add(Row(name="b")))
    database.close()
    assert "a hook after the commit failed" in caplog.text
    assert names(database) == ["a", "b"]


def test_a_failed_commit_calls_no_hook(path: Path) -> None:
    broken = Database(f"sqlite:///{path / 'no' / 'such.db'}")
    called: list[int] = []
    broken.on_commit(lambda: called.append(1))
    with pytest.raises(StorageError):
        broken.write(lambda _: None)
    broken.close()
    assert not called


def test_closing_finishes_what_waits(database: Database) -> None:
    gate = Gate(database)
    futures = [database.submit(lambda s, n=n: s.add(Row(name=str(n)))) for n in range(5)]  # type: ignore[misc]
    closing = threading.Thread(target=database.close)
    closing.start()
    gate.open()
    closing.join(10)
    assert all(future.done() for future in futures)
    assert names(database) == ["0", "1", "2", "3", "4"]
    database.close()
    with pytest.raises(StorageError, match="closed"):
        database.write(lambda _: None)


def test_a_write_inside_a_write_is_refused_instead_of_hanging(database: Database) -> None:
    with pytest.raises(StorageError, match="wait for itself"):
        database.submit(lambda _: database.write(lambda _: None)).result(10)
    database.write(lambda s: s.add(Row(name="after")))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_is_told(database: Database) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # no pytest here: say one word and leave
        try:
            database.submit(lambda _: None)
            os.write(writing, b"accepted")
        except StorageError as error:
            os.write(writing, error.what.encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        assert told.read() == "The database was opened in another process."


def test_reading_keeps_nothing(database: Database) -> None:
    with database.read() as session:
        session.add(Row(name="a"))
        session.flush()
    assert names(database) == []


# ---------------------------------------------------------------- forgetting
@pytest.mark.sqlite_only
def test_deleted_content_is_overwritten_in_every_file(database: Database, path: Path) -> None:
    secret = "a-name-that-must-go" * 5
    database.write(lambda s: s.add(Row(name=secret)))
    assert any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
    database.write(lambda s: s.execute(delete(Row)))
    assert database.forget_deleted()
    assert not any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.sqlite_only
def test_a_reader_in_the_way_of_forgetting_is_reported(database: Database, path: Path) -> None:
    event.listen(database.engine, "connect", lambda c, _: c.execute("PRAGMA busy_timeout=50"))
    database.engine.dispose()
    database.write(lambda s: s.add(Row(name="secret")))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM rows_of_a_test").fetchall()
    database.write(lambda s: s.execute(delete(Row)))
    assert not database.forget_deleted()
    reader.close()
    assert database.forget_deleted()
    assert not any(b"secret" in file.read_bytes() for file in path.parent.iterdir())


# ---------------------------------------------------------------- several processes
WRITER = """
import sys
from rightface.db import Database
from tests.test_db import Row

database = Database(sys.argv[1])
for number in range(int(sys.argv[3])):
    database.write(lambda s: s.add(Row(name=f"{sys.argv[2]}-{number}")))
    print(number, flush=True)
database.close()
"""


def test_several_processes_write_at_once(database: Database, storage: Storage) -> None:
    writers = [run(WRITER, storage.url("test"), name, 40) for name in "abc"]
    for number in range(40):
        database.write(lambda s, n=number: s.add(Row(name=f"here-{n}")))  # type: ignore[misc]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
    assert len(names(database)) == 160


def test_killed_while_writing_nothing_acknowledged_is_lost(
    database: Database, storage: Storage, path: Path
) -> None:
    for attempt in range(6):
        writer = run(WRITER, storage.url("test"), attempt, 100_000)
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(0.02 * attempt)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
        writer.communicate()
        acknowledged = [int(line) for line in told if line.endswith("\n")]
        held = {name for name in names(database) if name.startswith(f"{attempt}-")}
        assert {f"{attempt}-{number}" for number in acknowledged} <= held
        assert held == {f"{attempt}-{number}" for number in range(len(held))}
        if storage.is_sqlite:
            with sqlite3.connect(path) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()
