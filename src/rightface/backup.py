"""Backups: one sealed file, made while the server runs; and how one becomes a data directory.

    1. An act in the ledger, so that the backup itself says that it was made.
    2. A consistent copy of the database, as before a migration (migrations/backup.py).
    3. An archive: a manifest of digests first, then settings, policy, database: these files and no
       other, each held against its digest while it is written; sealed in chunks under a key derived
       from the master key; written beside, flushed, named.

One at a time, and never beside a change of the master key (leftovers.py). The master key is never
in it. What comes back is not served before replay.py has erased again what was erased since: the
mark that forbids it is the first file of the new directory. Must never know: a command line, a wire
format.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text

from rightface.db import Database, parsed
from rightface.errors import BackupError, RightfaceError
from rightface.instance import POLICY_FILE, RESTORED, Instance
from rightface.keys import MASTER_FILE, NEXT_FILE, SIGNERS, backup_key, rotating
from rightface.ledger import log
from rightface.ledger.publish import SIGNED
from rightface.leftovers import alone, made_whole
from rightface.migrations import migrate
from rightface.migrations.backup import copy_sqlite, dump_postgresql, restore_postgresql
from rightface.settings import FILE, Settings

MAGIC = b"rightface backup 1\n"
VERSION = 1
BACKUP = "backup"
_CHUNK = 1 << 20
_SALT = 32
_TAG = 16
_MANIFEST = "manifest.json"
_SQLITE, _POSTGRESQL = "rightface.db", "rightface.pgdump"
_MOST_MANIFEST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Made:
    """A backup that was made."""

    file: Path
    bytes: int
    ledger_size: int
    """How many entries of the ledger it holds: what came after is replayed at a restore."""
    with_keys: bool


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A data directory that was made of a backup; it serves only after the replay."""

    data: Path
    ledger_size: int
    made_at: str


# ---------------------------------------------------------------- making one
def make_backup(instance: Instance, target: Path, *, with_keys: bool = False) -> Made:
    """Back up an open instance while others use it.

    Args:
        instance: what is backed up.
        target: a file that does not exist yet, or a directory, where a name is made.
        with_keys: whether the signing keys (sealed under the master key) go along.

    Raises:
        BackupError: the target exists, the disk is full, pg_dump is not there, or the master key is
            being changed. No part of a backup is left.
        StorageError: another backup, or a change of the master key, is under way.
    """
    now = datetime.now(UTC)
    if target.is_dir():
        target = target / f"rightface-{now:%Y%m%dT%H%M%SZ}.backup"
    if target.exists():
        raise _there_already(target)
    settings = instance.settings
    with (
        _told("made"),
        alone(settings.data) as holder,
        holder.work_directory() as work,
        holder.unfinished(target) as partial,
    ):
        if rotating(settings.keys_directory):
            raise BackupError(
                "The master key is being changed, and that was cut off.",
                why="A backup would need both keys.",
                mend="Finish it, then back up: rightface key rotate --data DIR",
            )
        master = backup_key(settings.keys_directory)
        index = instance.database.write(lambda session: instance.record_act(session, BACKUP))
        kind = _dump(instance.database, work)
        _collect(settings, work, with_keys=with_keys)
        size = _ledger_size(work) if kind == "sqlite" else index + 1
        told = {
            "v": VERSION,
            "made_at": now.isoformat(timespec="seconds"),
            "database": kind,
            "ledger_size": size,
            "ledger_vkey": instance.ledger_vkey,
            "with_keys": with_keys,
            "files": {name: _digest(path) for name, path in _files(work)},
        }
        _write(partial, master, told, work)
        _name(partial, target)
    return Made(file=target, bytes=target.stat().st_size, ledger_size=size, with_keys=with_keys)


def _there_already(target: Path) -> BackupError:
    return BackupError(f"'{target.name}' exists.", mend="Name another file.")


def _name(partial: Path, target: Path) -> None:
    # A backup of another instance may have got the name meanwhile: a link takes no name away.
    try:
        target.hardlink_to(partial)
    except FileExistsError:
        raise _there_already(target) from None
    except OSError:  # a file system without links
        partial.replace(target)
    _flush(target.parent)


def _dump(database: Database, work: Path) -> str:
    if database.is_sqlite:
        copy_sqlite(Path(str(database.engine.url.database)), work / _SQLITE)
        return "sqlite"
    dump_postgresql(database.engine.url, work / _POSTGRESQL)
    return "postgresql"


def _collect(settings: Settings, work: Path, *, with_keys: bool) -> None:
    names = [FILE, POLICY_FILE, SIGNED]
    if with_keys:
        keys = settings.keys_directory
        names += [f"{keys.name}/{path.name}" for path in keys.glob("*.key")]
    own = settings.instruments_directory
    if own is not None and own.is_relative_to(settings.data) and own.is_dir():
        shutil.copytree(own, work / own.relative_to(settings.data))
    for name in names:
        source = settings.data / name
        if source.is_file() and source.name != MASTER_FILE:
            (work / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, work / name)


def _ledger_size(work: Path) -> int:
    with closing(sqlite3.connect(work / _SQLITE)) as connection:
        (size,) = connection.execute("SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_leaves")
    return int(size[0])


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(partial: Path, master: bytes, manifest: dict[str, Any], work: Path) -> None:
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        sealed = _Sealing(file, master)
        with tarfile.open(fileobj=sealed, mode="w|", bufsize=_CHUNK) as archive:
            content = json.dumps(manifest, sort_keys=True).encode()
            first = tarfile.TarInfo(_MANIFEST)
            first.size = len(content)
            archive.addfile(first, io.BytesIO(content))
            for name, digest in manifest["files"].items():
                _add(archive, name, work / name, digest)
        sealed.finish()
        file.flush()
        os.fsync(file.fileno())


def _add(archive: tarfile.TarFile, name: str, path: Path, digest: str) -> None:
    with path.open("rb") as file:
        member = archive.gettarinfo(arcname=name, fileobj=file)
        read = _Hashing(file)
        archive.addfile(member, read)
    if read.digest.hexdigest() != digest:
        raise BackupError(
            f"'{name}' changed while it was archived; no backup was made.",
            mend="Back up again.",
        )


class _Hashing(io.RawIOBase):
    """Digests what is read through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content


class _Sealing(io.RawIOBase):
    """Seals what is written, chunk by chunk: AES-256-GCM with the chunk's number as the nonce.

    The nonce's last byte tells the last chunk (STREAM, Hoang et al. 2015), so that neither a chunk
    that is missing nor one that is moved goes unseen.
    """

    def __init__(self, file: BinaryIO, master: bytes) -> None:
        self._file = file
        salt = os.urandom(_SALT)
        self._cipher = AESGCM(_file_key(master, salt))
        self._number = 0
        self._waiting = bytearray()
        file.write(MAGIC + salt)

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._waiting += content
        while len(self._waiting) > _CHUNK:  # one chunk at least is left for the end
            self._seal(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(content)

    def finish(self) -> None:
        """Write the last chunk."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), chunk, MAGIC))
        self._number += 1


def _file_key(master: bytes, salt: bytes) -> bytes:
    return hashlib.sha256(b"rightface/backup-file\n" + master + salt).digest()


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class _Opening(io.RawIOBase):
    """Opens what `_Sealing` wrote. Nothing is given out that was not authenticated."""

    def __init__(self, file: BinaryIO, master: bytes) -> None:
        self._file = file
        if file.read(len(MAGIC)) != MAGIC:
            raise BackupError("The file is no backup of rightface.")
        self._cipher = AESGCM(_file_key(master, file.read(_SALT)))
        self._number = 0
        self._open = bytearray()
        self._next = file.read(_CHUNK + _TAG)
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._open) < size):
            self._one()
        wanted = len(self._open) if size < 0 else size
        told = bytes(self._open[:wanted])
        del self._open[:wanted]
        return told

    def _one(self) -> None:
        sealed, self._next = self._next, self._file.read(_CHUNK + _TAG)
        last = not self._next
        try:
            self._open += self._cipher.decrypt(_nonce(self._number, last), sealed, MAGIC)
        except (InvalidTag, ValueError) as error:
            raise BackupError(
                "The backup cannot be opened.",
                why="It is cut off or changed, or the master key is another one.",
                mend="Use another copy, and the master key of the day on which it was made.",
            ) from error
        self._number += 1
        self._ended = last


# ---------------------------------------------------------------- bringing one back
def unpack_backup(
    file: Path, data: Path, *, keys: Path | None = None, database: str = ""
) -> Restored:
    """Make a data directory of a backup: whole and verified, or not at all.

    It is marked as restored; only `replay` takes the mark away, and nothing serves before.

    Args:
        file: the backup.
        data: where; it must be empty or absent.
        keys: the directory with `master.key` (unless the environment has it), and with the signing
            keys unless the backup has them.
        database: for a backup of PostgreSQL: the URL of an empty database.

    Raises:
        BackupError: the target is not empty, or the backup is damaged or another instance's.
        KeysError: a key is missing.
        StorageError: the database cannot be reached, or not be filled.
    """
    data = data.absolute()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(f"'{data}' is not empty.", mend="Name an empty directory.")
    with _told("restored"):
        data.parent.mkdir(parents=True, exist_ok=True)
        with made_whole(data) as partial:
            mark(partial, {"cut-off": True})  # before anything that could be served
            manifest = _extract(file, partial, backup_key(keys) if keys else backup_key(partial))
            _bring_keys(partial, keys)
            size = _bring_database(partial, manifest, database)
            mark(partial, {"from": size})
            for _, path in _files(partial):
                _flush(path)
    return Restored(data=data, ledger_size=size, made_at=manifest["made_at"])


def _extract(file: Path, partial: Path, master: bytes) -> dict[str, Any]:
    with (
        file.open("rb") as sealed,
        tarfile.open(fileobj=_Opening(sealed, master), mode="r|", bufsize=_CHUNK) as archive,
    ):
        manifest: dict[str, Any] = {}
        for member in archive:
            content = archive.extractfile(member)
            if content is None:
                raise _damaged(member.name)
            if not manifest:
                if member.name != _MANIFEST or member.size > _MOST_MANIFEST:
                    raise _damaged(member.name)
                manifest = json.loads(content.read())
                if manifest.get("v") != VERSION:
                    raise BackupError("The backup is of another version of rightface.")
                continue
            if member.name not in manifest["files"]:
                raise _damaged(member.name)
            target = partial / member.name
            if not target.resolve().is_relative_to(partial.resolve()):
                raise _damaged(member.name)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out:
                shutil.copyfileobj(content, out, _CHUNK)
    for name, digest in manifest["files"].items():
        if not (partial / name).is_file() or _digest(partial / name) != digest:
            raise _damaged(name)
    return manifest


def _bring_keys(partial: Path, keys: Path | None) -> None:
    target = partial / "keys"
    target.mkdir(mode=0o700, exist_ok=True)
    if keys is None:
        return
    for source in [*sorted(keys.glob("*.key")), *keys.glob(NEXT_FILE)]:  # amid a change, both keys
        if not (target / source.name).exists():
            shutil.copyfile(source, target / source.name)
            (target / source.name).chmod(0o600)
    missing = [use for use in SIGNERS if not (target / f"{use}.key").exists()]
    if missing:
        raise BackupError(
            f"The key '{missing[0]}.key' is missing.",
            why="The backup has no keys, and the directory of keys has not all of them.",
            mend="Give --keys DIR with a copy of the instance's keys.",
        )


def _bring_database(partial: Path, manifest: dict[str, Any], url: str) -> int:
    settings = Settings.load(partial)
    if manifest["database"] == "postgresql":
        if not url:
            raise BackupError(
                "The backup is of PostgreSQL.", mend="Give --database URL of an empty database."
            )
        _require_empty(url)
        dump = partial / _POSTGRESQL
        restore_postgresql(dump, parsed(url))
        dump.unlink()
    elif url:
        raise BackupError("The backup is of SQLite; it takes no --database.")
    replace(settings, database=url).write()
    database = Database(url or f"sqlite:///{partial / _SQLITE}")
    try:
        if database.is_sqlite:
            with database.read() as session:
                sound = session.execute(text("PRAGMA integrity_check")).scalar_one()
            if sound != "ok":
                raise _damaged(_SQLITE)
        migrate(database)
        with database.read() as session:
            size = log.size(session)
        database.forget_deleted()
    finally:
        database.close()
    if size < manifest["ledger_size"]:
        raise _damaged("the ledger in the database")
    return size


def _require_empty(url: str) -> None:
    database = Database(url)
    try:
        with database.read() as session:
            found = session.execute(
                text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
            ).scalar_one()
    finally:
        database.close()
    if found:
        raise BackupError("The database is not empty.", mend="Give the URL of an empty one.")


def mark(data: Path, state: dict[str, Any]) -> None:
    """Mark a directory as restored and not yet replayed, and how far the replay is."""
    beside = data / f".{RESTORED}.new"
    beside.write_text(json.dumps(state), "utf-8")
    _flush(beside)
    beside.replace(data / RESTORED)
    _flush(data)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _damaged(name: str) -> BackupError:
    return BackupError(f"The backup is damaged at '{name}'.", mend="Use another copy.")


@contextmanager
def _told(done: str) -> Iterator[None]:
    try:
        yield
    except RightfaceError:
        raise
    except (OSError, sqlite3.Error, tarfile.TarError, ValueError, KeyError) as error:
        reason = getattr(error, "strerror", None) or (
            str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
        )
        raise BackupError(
            f"The backup could not be {done}; nothing of it is left.",
            why=reason,
            mend="Check free disk space and permissions, here and in the data directory.",
        ) from error
