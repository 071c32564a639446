"""A real PostgreSQL server for tests: Debian's, in a private directory, on loopback and a socket.

It is started by the first test that asks, and stopped with the last. `initdb` refuses root: then it
runs as the user `postgres` or `nobody`. Nothing outside its directory is touched.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import OperationalError

USER = "rightface"
_ZEROBLOB = """
    CREATE FUNCTION zeroblob(integer) RETURNS bytea LANGUAGE sql
    AS $$ SELECT decode(repeat('00', $1), 'hex') $$
"""
"""SQLite's, for tests that spoil a row on either."""


def programs() -> Path | None:
    """Where PostgreSQL's programs are; None: it is not installed."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found is not None:
        return Path(found).resolve().parent
    return debian[-1].parent if debian else None


class PostgreSQL:
    """A running server. Databases are made from templates, and dropped, by name."""

    def __init__(self, directory: Path, binaries: Path, *, fsync: bool) -> None:
        self._directory = directory
        self._binaries = binaries
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self._fsync = fsync
        self._templates: dict[str, str] = {}
        self.password = secrets.token_hex(12)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    # ------------------------------------------------------------ the server
    def initialise(self) -> None:
        secret = self._directory / "password"
        secret.write_text(self.password)
        if "user" in self._account:
            for each in (self._directory, secret):
                os.chown(each, self._account["user"], self._account["group"])
        told = ("-D", "data", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")
        access = ("-A", "scram-sha-256", "--auth-local=trust", f"--pwfile={secret}")
        self._run("initdb", *told, *access)

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._directory),
            "port": str(self.port),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            "autovacuum": "off",
            "log_min_messages": "fatal",
        }
        told = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(self._binaries / "postgres"), "-D", "data", *told],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._account,
        )
        until = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return
            except OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, how: str = "fast") -> None:
        """`fast`: connections are ended, all is written. `immediate`: as after a crash."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", "data", "-m", how, "-w")
            self._process.wait(60)
            self._process = None

    # ------------------------------------------------------------ databases
    def url(self, name: str = "postgres", *, loopback: bool = False) -> str:
        """The URL of a database: by the socket (no password), or by loopback with the password."""
        if loopback:
            made = URL.create("postgresql", USER, self.password, "127.0.0.1", self.port, name)
        else:
            query = {"host": str(self._directory), "port": str(self.port)}
            made = URL.create("postgresql", USER, database=name, query=query)
        return made.render_as_string(hide_password=False)

    def execute(self, statement: str, database: str = "postgres") -> Sequence[Any]:
        url = make_url(self.url(database)).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        try:
            with engine.connect() as connection:
                result = connection.exec_driver_sql(statement)
                return result.all() if result.returns_rows else ()
        finally:
            engine.dispose()

    def template(self, name: str, furnish: Callable[[str], None]) -> str:
        """A template database of that name; `furnish(url)` fills it, once."""
        if name not in self._templates:
            self.execute(f"CREATE DATABASE template_{name}")
            furnish(self.url(f"template_{name}"))
            self.execute(_ZEROBLOB, f"template_{name}")
            self._templates[name] = f"template_{name}"
        return self._templates[name]

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A database of its own for as long as the block lasts; gives its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def client_program(self, words: Sequence[str], environment: dict[str, str]) -> None:
        """Run one of PostgreSQL's client programs, as whoever we are."""
        program = str(self._binaries / words[0])
        subprocess.run([program, *words[1:]], env=environment, check=True, timeout=120)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *words],
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **self._account,
        )
        assert done.returncode == 0, done.stderr


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextmanager
def running(*, fsync: bool = False) -> Iterator[PostgreSQL]:
    """A server for as long as the block lasts. `fsync`: where durability is the point.

    Skips the test where PostgreSQL or its driver is not installed.
    """
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="pip install 'rightface[postgresql]'")
    with tempfile.TemporaryDirectory(prefix="rightface-pg-", ignore_cleanup_errors=True) as made:
        server = PostgreSQL(Path(made), binaries, fsync=fsync)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
