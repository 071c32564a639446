"""One server per instance: the second refuses, and `kill -9` frees the lock."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rightface.db import Database
from rightface.errors import StorageError
from rightface.serving import LOCK, SoleServer
from tests.storage import Storage

HOLD = """
import sys, time
from pathlib import Path
from rightface.serving import SoleServer

held = SoleServer(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def holding(data: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_refuses_and_names_the_first(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        with pytest.raises(StorageError, match="Another server runs") as caught:
            SoleServer(tmp_path)
        assert str(process.pid) in caught.value.why
        process.send_signal(signal.SIGKILL)
        process.wait()
        SoleServer(tmp_path).close()
    assert (tmp_path / LOCK).exists()


def test_one_server_per_database_and_the_lock_comes_back(storage: Storage, tmp_path: Path) -> None:
    if storage.is_sqlite:
        pytest.skip("the data directory's lock is the database's")
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with (
        closing(Database(storage.url())) as database,
        closing(Database(storage.url())) as other,
        SoleServer(here) as first,
        SoleServer(there) as second,
    ):
        first.hold(database)
        first.check()
        with pytest.raises(StorageError, match="Another server uses this database"):
            second.hold(other)
        # The connection is lost, as when PostgreSQL is started again: it is taken again.
        assert storage.server is not None
        storage.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND database = "
            f"(SELECT oid FROM pg_database WHERE datname = '{database.engine.url.database}')"
        )
        first.check()
        with pytest.raises(StorageError, match="Another server uses this database"):
            second.hold(other)
        first.close()
        second.hold(other)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        SoleServer(tmp_path / "nowhere")
