"""A copy of the database as it is, before its schema changes: beside it, or by `pg_dump`.

`copy_sqlite`, `dump_postgresql` and `restore_postgresql` serve backup.py too. A copy holds what the
database holds, and lasts through later erasures: docs/operate.md says what to do with it. Knows no
table.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL

from rightface.db import Database
from rightface.errors import StorageError

KEPT = 3  # copies made before migrations; older ones go
COPY_DAYS = 7  # and so do those of so many days ago, when a server runs
_ROOM = 1.1  # free space asked for, in sizes of the database
_SPARE = 4 << 20  # bytes left free beside the copy
_MOMENT = "%Y%m%dT%H%M%S%fZ"
_LONGEST = 3600  # seconds for pg_dump
_VARIABLES = {  # libpq's variables for what a URL may say
    "host": "PGHOST",
    "port": "PGPORT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "service": "PGSERVICE",
    "passfile": "PGPASSFILE",
}


def before_migration(database: Database, revision: str, directory: Path) -> Path:
    """Copy the database into `directory` (mode 0600); keep the newest `KEPT` of such copies.

    Returns:
        The copy: `before-migration-REVISION-TIME.db` or `.dump`.

    Raises:
        StorageError: there is no room, no `pg_dump`, or the copy failed. Nothing is left of it.
    """
    moment = datetime.now(UTC).strftime(_MOMENT)
    ending = "db" if database.is_sqlite else "dump"
    target = directory / f"before-migration-{revision}-{moment}.{ending}"
    if database.is_sqlite:
        copy_sqlite(Path(str(database.engine.url.database)), target)
    else:
        dump_postgresql(database.engine.url, target)
    for old in copies(directory)[:-KEPT]:
        _destroy(old)
    return target


def copies(directory: Path) -> list[Path]:
    """The copies that were made before migrations, the oldest first. They are not sealed."""
    found = directory.glob("before-migration-*")
    return sorted(found, key=lambda each: each.stem.split("-")[-1])


def drop_old(directory: Path, at: datetime) -> int:
    """Overwrite and remove the copies that are older than `COPY_DAYS` at `at`; how many.

    For a server that runs well: nobody goes back any more, and a copy holds what was erased since.

    Raises:
        StorageError: one could not be removed.
    """
    last = (at - timedelta(days=COPY_DAYS)).strftime(_MOMENT)
    old = [each for each in copies(directory) if each.stem.split("-")[-1] < last]
    try:
        for each in old:
            _destroy(each)
    except OSError as error:
        raise StorageError(
            "A copy from before a migration could not be removed.",
            why=error.strerror or type(error).__name__,
            mend="Remove `before-migration-*` in the data directory by hand.",
        ) from error
    return len(old)


def _destroy(copy: Path) -> None:
    # Zeros first. Where a file system writes elsewhere (copy on write), its blocks outlast that.
    with copy.open("r+b", buffering=0) as file:
        left = copy.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, _SPARE))) or 0
        os.fsync(file.fileno())
    copy.unlink(missing_ok=True)


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite database, in use or not; mode 0600, checked and on the disk.

    Raises:
        StorageError: there is no room, or one of them cannot be read or written.
    """
    try:
        size = sum(p.stat().st_size for p in (source, Path(f"{source}-wal")) if p.exists())
        free = shutil.disk_usage(target.parent).free
        if free < size * _ROOM + _SPARE:
            raise StorageError(
                "There is no room for a copy of the database.",
                why=f"It takes {size / 1e6:.1f} MB; {free / 1e6:.1f} MB are free.",
                mend="Make room in the data directory, then start again.",
            )
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
                old.backup(new)
                new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
                if new.execute("PRAGMA quick_check").fetchone() != ("ok",):
                    raise sqlite3.DatabaseError("the copy is damaged, and so is the database")
            _flush(target)
            _flush(target.parent)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            "The database could not be copied.",
            why=getattr(error, "strerror", None) or str(error),
            mend="Check free disk space and the permissions of the data directory.",
        ) from error


def dump_postgresql(url: URL, target: Path) -> None:
    """A dump of a PostgreSQL database by `pg_dump`, for `pg_restore`; mode 0600.

    The password goes by the environment, never by the command line.

    Raises:
        StorageError: `pg_dump` is missing or failed.
    """
    program = _program("pg_dump")
    if program is None:
        raise StorageError(
            "The database cannot be copied: pg_dump is not installed.",
            mend="Install PostgreSQL's client programs (Debian: apt-get install "
            "postgresql-client). A migration goes on without a copy of its own where "
            "migrate_without_backup = true.",
        )
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            done = subprocess.run(  # noqa: S603  # a program by its path, no shell
                [program, "--format=custom", "--no-owner", "--no-password"],
                env=os.environ | _environment(url),
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                timeout=_LONGEST,
                check=False,
            )
            file.flush()
            os.fsync(file.fileno())
    except (OSError, subprocess.TimeoutExpired) as error:
        target.unlink(missing_ok=True)
        raise StorageError(
            "The database could not be dumped.",
            why=getattr(error, "strerror", None) or type(error).__name__,
            mend="Check free disk space and the permissions of the data directory.",
        ) from error
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        lines = done.stderr.splitlines()
        raise StorageError(
            "The database could not be dumped.",
            why=lines[0] if lines else f"pg_dump ended with {done.returncode}.",
            mend="pg_dump must be as new as the server, and may read every table.",
        )
    with suppress(OSError):
        _flush(target.parent)


def restore_postgresql(dump: Path, url: URL) -> None:
    """Bring a dump back into an empty PostgreSQL database by `pg_restore`: whole, or not at all.

    Raises:
        StorageError: `pg_restore` is missing or failed.
    """
    program = _program("pg_restore")
    if program is None:
        raise StorageError(
            "The database cannot be restored: pg_restore is not installed.",
            mend="Install PostgreSQL's client programs (Debian: apt-get install "
            "postgresql-client).",
        )
    told = (f"--dbname={url.database or ''}", "--no-owner", "--no-password", "--exit-on-error")
    done = subprocess.run(  # noqa: S603  # a program by its path, no shell
        [program, *told, "--single-transaction", str(dump)],
        env=os.environ | _environment(url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        first = done.stderr.partition("\n")[0]
        told_safely = "connection to server" in first  # another sentence may quote rows
        raise StorageError(
            "The database could not be restored.",
            why=first if told_safely else f"pg_restore ended with {done.returncode}.",
            mend="pg_restore must be as new as the server; the database must be empty and its own.",
        )


def _environment(url: URL) -> dict[str, str]:
    told = {"host": url.host, "port": url.port} | {
        name: value for name, value in url.query.items() if isinstance(value, str)
    }
    named = {_VARIABLES[name]: str(told[name]) for name in _VARIABLES if told.get(name)}
    more = {"PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    return named | {name: str(value) for name, value in more.items() if value}


def _program(name: str) -> str | None:
    found = shutil.which(name)
    if found is not None:
        return found
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(debian[-1]) if debian else None


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
