"""The publisher: incremental, idempotent, rebuildable, and never against what it signed before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from rightface.db import Database
from rightface.errors import LedgerError
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.merkle import EMPTY_ROOT
from rightface.ledger.publish import ROWS, Publisher
from rightface.ledger.verify import verify
from tests.storage import Storage

from .conftest import Published
from .sample import ORIGIN, all_files, flipped, grow, grow_fast


def tamper(database: Database, *statements: str) -> None:
    """Change the table as somebody with the database's password and no scruples would."""
    with database.engine.begin() as connection:
        if database.is_sqlite:
            for name in ("no_update", "no_delete", "no_gap"):
                connection.exec_driver_sql(f"DROP TRIGGER ledger_leaves_{name}")
        else:
            connection.exec_driver_sql("ALTER TABLE ledger_leaves DISABLE TRIGGER USER")
        for statement in statements:
            told = statement if database.is_sqlite else statement.replace("x'", r"'\x")
            connection.exec_driver_sql(told)


@contextmanager
def counted_rows(database: Database) -> Iterator[list[int]]:
    """How many leaves each query asks for."""
    asked: list[int] = []

    def look(_c: object, _u: object, statement: str, parameters: Any, *_: object) -> None:
        if "body" in statement and statement.startswith("SELECT"):
            named = isinstance(parameters, dict)  # psycopg's are, sqlite3's are in order
            start, end = (parameters["start"], parameters["end"]) if named else parameters
            asked.append(end - start)

    event.listen(database.engine, "before_cursor_execute", look)
    yield asked
    event.remove(database.engine, "before_cursor_execute", look)


def test_an_empty_ledger_is_published(ledger: Published) -> None:
    assert ledger.publisher.last() is None
    checkpoint = ledger.publisher.publish()
    assert (checkpoint.size, checkpoint.root) == (0, EMPTY_ROOT)
    assert set(all_files(ledger.directory)) == {"checkpoint", "vkey"}
    assert verify(ledger.directory, ledger.vkey).ok


def test_publishing_again_changes_nothing(ledger: Published) -> None:
    grow(ledger.database, 300)
    first = ledger.publisher.publish()
    files = all_files(ledger.directory)
    stamps = {path: (ledger.directory / path).stat().st_mtime_ns for path in files}
    assert ledger.publisher.publish() == first
    assert all_files(ledger.directory) == files
    assert stamps == {path: (ledger.directory / path).stat().st_mtime_ns for path in files}


def test_behind_counts_what_is_not_published(ledger: Published) -> None:
    assert ledger.publisher.behind() == 0
    grow(ledger.database, 3)
    assert ledger.publisher.behind() == 3
    ledger.publisher.publish()
    assert ledger.publisher.behind() == 0
    grow(ledger.database, 1)
    assert ledger.publisher.behind() == 1


def test_the_ledger_verifies_at_every_size_from_0_to_600(ledger: Published) -> None:
    for size in range(601):
        checkpoint = ledger.publisher.publish()
        assert checkpoint.size == size
        if size < 5 or size % 37 == 0 or size % 256 in (0, 1, 255):
            found = verify(ledger.directory, ledger.vkey)
            assert found.ok, found.problems
            assert (found.size, found.root) == (size, checkpoint.root)
        grow(ledger.database, 1)


def test_old_partial_tiles_stay_until_the_full_one_is_there(ledger: Published) -> None:
    for _ in range(3):
        grow(ledger.database, 80)
        ledger.publisher.publish()
    kept = {path for path in all_files(ledger.directory) if ".p/" in path}
    assert kept == {
        f"tile/{level}/000.p/{width}" for level in ("0", "entries") for width in (80, 160, 240)
    }
    grow(ledger.database, 80)
    ledger.publisher.publish()
    kept = {path for path in all_files(ledger.directory) if ".p/" in path}
    assert kept == {"tile/0/001.p/64", "tile/entries/001.p/64", "tile/1/000.p/1"}


def test_however_it_grew_the_same_leaves_give_the_same_bytes(
    ledger: Published, tmp_path: Path
) -> None:
    for count in (1, 254, 1, 1, 300, 43):
        grow(ledger.database, count)
        ledger.publisher.publish()
    at_once = tmp_path / "at_once"
    Publisher(ledger.database, at_once, ledger.keyring.signer("ledger"), ORIGIN).publish()
    here = all_files(ledger.directory)
    there = all_files(at_once)
    assert there.items() <= here.items()
    assert all(".p/" in path for path in here.keys() - there.keys())


GONE = ["", "checkpoint", "vkey", "tile", "tile/0", "tile/entries", "tile/1", "tile/0/002.p"]


@pytest.mark.parametrize("gone", GONE)
def test_files_that_are_gone_are_made_again(ledger: Published, gone: str) -> None:
    grow(ledger.database, 600)
    ledger.publisher.publish()
    files = all_files(ledger.directory)
    lost = ledger.directory / gone
    if lost.is_dir():
        shutil.rmtree(lost)
    else:
        lost.unlink()
    if gone in ("tile", "tile/0", "tile/entries"):
        with pytest.raises(LedgerError, match="missing or damaged"):
            ledger.publisher.audit()
    ledger.publisher.publish()
    assert all_files(ledger.directory) == files


def test_damaged_files_are_made_again(ledger: Published) -> None:
    grow(ledger.database, 600)
    ledger.publisher.publish()
    files = all_files(ledger.directory)
    for path in files.keys() - {"checkpoint"}:
        (ledger.directory / path).write_bytes(b"damaged")
    with pytest.raises(LedgerError, match="differ from the database"):
        ledger.publisher.audit()
    ledger.publisher.rebuild()
    assert all_files(ledger.directory) == files
    assert ledger.publisher.audit() == 600


def test_a_full_tile_that_is_damaged_is_found_while_publishing(ledger: Published) -> None:
    grow(ledger.database, 600)
    ledger.publisher.publish()
    (ledger.directory / "tile/0/000").write_bytes(b"damaged")
    (ledger.directory / "tile/entries/001").write_bytes(b"damaged")
    grow(ledger.database, 1)
    ledger.publisher.publish()
    assert verify(ledger.directory, ledger.vkey).ok


@pytest.mark.parametrize("path", ["tile/1/000.p/2", "tile/0/002.p/88", "tile/entries/002.p/88"])
def test_a_damaged_edge_is_never_signed_over(ledger: Published, path: str) -> None:
    grow(ledger.database, 600)
    ledger.publisher.publish()
    changed = bytearray((ledger.directory / path).read_bytes())
    changed[5] ^= 1
    (ledger.directory / path).write_bytes(changed)
    grow(ledger.database, 1)
    ledger.publisher.publish()
    assert ledger.publisher.audit() == 601
    assert verify(ledger.directory, ledger.vkey).ok


def test_publishing_reads_little_more_than_the_news(ledger: Published) -> None:
    grow_fast(ledger.database, 3 * ROWS + 100)
    ledger.publisher.publish()
    grow(ledger.database, 10)
    with counted_rows(ledger.database) as asked:
        ledger.publisher.publish()
    assert sum(asked) <= ROWS + 256 + 10


# ---------------------------------------------------------------- what was signed binds
def test_a_shrunken_database_is_refused(ledger: Published, tmp_path: Path) -> None:
    grow(ledger.database, 300)
    signed = ledger.publisher.publish()
    tamper(ledger.database, "DELETE FROM ledger_leaves WHERE idx >= 290")
    for action in (ledger.publisher.publish, ledger.publisher.rebuild, ledger.publisher.audit):
        with pytest.raises(LedgerError, match="holds 290 entries, but 300 were signed; entry 290"):
            action()
    assert ledger.publisher.last() == signed
    assert verify(ledger.directory, ledger.vkey).ok


@pytest.mark.parametrize("index", [0, 3, 255, 256, 257, 299])
def test_a_changed_row_is_refused_and_named(ledger: Published, tmp_path: Path, index: int) -> None:
    grow(ledger.database, 300)
    signed = ledger.publisher.publish()
    tamper(ledger.database, f"UPDATE ledger_leaves SET body = x'7b7d' WHERE idx = {index}")
    grow(ledger.database, 20)
    for action in (ledger.publisher.publish, ledger.publisher.rebuild, ledger.publisher.audit):
        with pytest.raises(LedgerError, match=rf"Entry {index} in the database is not what was"):
            action()
    assert ledger.publisher.last() == signed
    assert verify(ledger.directory, ledger.vkey).ok


def test_a_changed_row_of_the_unfinished_tile_is_refused_at_once(
    ledger: Published, tmp_path: Path
) -> None:
    grow_fast(ledger.database, 16 * ROWS + 100)
    ledger.publisher.publish()
    index = 16 * ROWS + 50
    tamper(ledger.database, f"UPDATE ledger_leaves SET body = x'7b7d' WHERE idx = {index}")
    grow(ledger.database, 1)
    with pytest.raises(LedgerError, match=rf"Entry {index} in the database is not what was"):
        ledger.publisher.publish()


def test_a_changed_row_is_refused_when_the_tiles_are_gone_too(
    ledger: Published, tmp_path: Path
) -> None:
    grow(ledger.database, 300)
    signed = ledger.publisher.publish()
    tamper(ledger.database, "UPDATE ledger_leaves SET body = x'7b7d' WHERE idx = 3")
    shutil.rmtree(ledger.directory / "tile")
    with pytest.raises(LedgerError, match="An entry before 300 in the database"):
        ledger.publisher.publish()
    assert ledger.publisher.last() == signed


def test_a_missing_row_is_refused(ledger: Published, tmp_path: Path) -> None:
    grow(ledger.database, 300)
    ledger.publisher.publish()
    tamper(ledger.database, "DELETE FROM ledger_leaves WHERE idx = 270")
    grow(ledger.database, 1)
    with pytest.raises(LedgerError, match="Entry 270 is missing"):
        ledger.publisher.publish()


def test_every_old_row_is_looked_at_in_turn(ledger: Published, tmp_path: Path) -> None:
    grow_fast(ledger.database, 4 * ROWS)
    ledger.publisher.publish()
    tamper(ledger.database, "UPDATE ledger_leaves SET body = x'7b7d' WHERE idx = 100")
    with pytest.raises(LedgerError, match="Entry 100 "):
        for _ in range(7):  # five slices, and one more where their number changes
            grow(ledger.database, 1)
            ledger.publisher.publish()


def test_a_damaged_checkpoint_is_not_papered_over(ledger: Published) -> None:
    grow(ledger.database, 10)
    ledger.publisher.publish()
    with flipped(ledger.directory / "checkpoint", 20):
        for action in (ledger.publisher.publish, ledger.publisher.rebuild, ledger.publisher.behind):
            with pytest.raises(LedgerError, match="cannot be trusted"):
                action()
    assert ledger.publisher.publish().size == 10


def test_another_key_does_not_sign_on(ledger: Published, tmp_path: Path) -> None:
    grow(ledger.database, 10)
    ledger.publisher.publish()
    stranger = KeyRing.create(tmp_path / "other").signer("ledger")
    with pytest.raises(LedgerError, match="cannot be trusted"):
        Publisher(ledger.database, ledger.directory, stranger, ORIGIN).publish()


def test_another_name_does_not_sign_on(ledger: Published) -> None:
    ledger.publisher.publish()
    signer = ledger.keyring.signer("ledger")
    with pytest.raises(LedgerError, match="cannot be trusted"):
        Publisher(ledger.database, ledger.directory, signer, "example.com/other").publish()


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "line\nbreak"])
def test_names_that_cannot_be_signed(ledger: Published, origin: str) -> None:
    signer = ledger.keyring.signer("ledger")
    with pytest.raises(LedgerError, match="name"):
        Publisher(ledger.database, ledger.directory, signer, origin)


# ---------------------------------------------------------------- trouble with files
def test_a_directory_that_cannot_be_made(ledger: Published, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    signer = ledger.keyring.signer("ledger")
    publisher = Publisher(ledger.database, tmp_path / "file" / "ledger", signer, ORIGIN)
    with pytest.raises(LedgerError, match="could not be written"):
        publisher.publish()


def test_a_file_in_the_way_of_a_directory(ledger: Published) -> None:
    ledger.directory.mkdir()
    (ledger.directory / "tile").write_text("in the way")
    grow(ledger.database, 3)
    with pytest.raises(LedgerError, match="could not be written"):
        ledger.publisher.publish()
    assert ledger.publisher.last() is None


def test_publishers_in_threads_wait_for_each_other(ledger: Published) -> None:
    problems: list[BaseException] = []

    def publish() -> None:
        signer = ledger.keyring.signer("ledger")
        publisher = Publisher(ledger.database, ledger.directory, signer, ORIGIN)
        try:
            for _ in range(10):
                grow(ledger.database, 7)
                publisher.publish()
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert ledger.publisher.publish().size == 280
    assert ledger.publisher.audit() == 280
    assert verify(ledger.directory, ledger.vkey).ok


WRITER = """
import sys
from pathlib import Path
from rightface.db import Database
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.publish import Publisher
from tests.ledger.sample import ORIGIN, a_leaf

home = Path(sys.argv[1])
database = Database(sys.argv[3])
signer = KeyRing.open(home / "keys").signer("ledger")
publisher = Publisher(database, home / "ledger", signer, ORIGIN)
for number in range(int(sys.argv[2])):
    index = database.write(lambda session: log.append(session, a_leaf(number)))
    print(index, flush=True)
    publisher.publish()
database.close()
"""


def start_writer(home: Path, count: int, url: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), str(count), url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def test_processes_append_and_publish_side_by_side(
    ledger: Published, storage: Storage, tmp_path: Path
) -> None:
    writers = [start_writer(tmp_path, 60, storage.url()) for _ in range(3)]
    told = [writer.communicate(timeout=120)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sorted(int(index) for lines in told for index in lines) == list(range(180))
    assert ledger.publisher.last() is not None
    assert ledger.publisher.publish().size == 180
    assert ledger.publisher.audit() == 180
    assert verify(ledger.directory, ledger.vkey).ok


def test_killed_at_any_moment_the_ledger_verifies_and_goes_on(
    ledger: Published, storage: Storage, tmp_path: Path
) -> None:
    acknowledged = -1
    for attempt in range(8):
        writer = start_writer(tmp_path, 10_000, storage.url())
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(0.03 * attempt)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        whole = [int(line) for line in told if line.endswith("\n")]
        assert whole == list(range(whole[0], whole[0] + len(whole)))
        assert whole[0] > acknowledged
        acknowledged = whole[-1]
        if (ledger.directory / "checkpoint").exists():
            found = verify(ledger.directory, ledger.vkey)
            assert found.ok, found.problems
        with ledger.database.read() as session:
            held = log.size(session)
            log.entries(session, 0, held)
        assert held > acknowledged
    assert ledger.publisher.publish().size == held
    assert ledger.publisher.audit() == held
    assert verify(ledger.directory, ledger.vkey).ok
