"""What works on a whole instance works alone, and what it leaves when it is killed goes.

    1. `backup.lock` in the data directory, held by flock(2): one backup or one change of the master
       key at a time, on one machine. `kill -9` frees it.
    2. A backup's work directory (`.backup-…`: the database, unsealed) belongs to the holder. So do
       the unfinished files that it notes in the lock file.
    3. `sweep_leftovers` removes what no living holder owns. What was unsealed is overwritten first.
    4. A data directory that is being made of a backup (`.NAME.restore-…` beside its place) is held
       by flock(2) too; the next restore to that place removes those that nobody holds.

Knows nothing of what a backup is.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rightface.errors import StorageError
from rightface.settings import Settings

LOCK = "backup.lock"
WORK = ".backup-"
_PATIENCE = 2.0  # seconds: a sweep may hold the lock for a moment
_MOMENT = 0.05
_MOST = 1 << 16  # bytes of the lock file that are read
_CHUNK = 1 << 20


class Alone:
    """The lock, held. Get it from `alone`."""

    def __init__(self, data: Path, handle: int) -> None:
        self._data = data
        self._handle = handle
        self._parts = [str(each) for each in _sweep(data, handle)]
        self._tell()

    @contextmanager
    def work_directory(self) -> Iterator[Path]:
        """A directory (mode 0700) for unsealed copies; overwritten and removed after the block."""
        made = Path(tempfile.mkdtemp(prefix=WORK, dir=self._data))
        try:
            yield made
        finally:
            destroy(made)

    @contextmanager
    def unfinished(self, target: Path) -> Iterator[Path]:
        """A name beside `target` for what is not finished; removed after the block if it is there.

        It is noted before the block begins: should we be killed, the next sweep removes it.
        """
        part = target.absolute().with_name(f".{target.name}.{os.urandom(4).hex()}.part")
        self._parts.append(str(part))
        self._tell()
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
            self._parts.remove(str(part))
            self._tell()

    def _tell(self) -> None:
        _write(self._handle, {"process": os.getpid(), "parts": self._parts})


@contextmanager
def alone(data: Path) -> Iterator[Alone]:
    """Hold the lock for the block. What others left is removed first.

    Raises:
        StorageError: somebody else holds it, or the directory cannot be written.
    """
    until = time.monotonic() + _PATIENCE
    try:
        while (handle := _taken(data)) is None:
            if time.monotonic() >= until:
                raise StorageError(
                    "A backup or a change of the master key is under way.",
                    why=f"Process {_holder(data)} holds its lock.",
                    mend="Wait for its end. One at a time.",
                )
            time.sleep(_MOMENT)
    except OSError as error:
        raise StorageError(
            f"The lock file '{LOCK}' cannot be written.",
            why=error.strerror or type(error).__name__,
            mend="Check free disk space and the permissions of the data directory.",
        ) from error
    try:
        yield Alone(data, handle)
    finally:
        os.close(handle)  # gives the lock back


def sweep_leftovers(settings: Settings) -> bool:
    """Remove what killed backups left of this instance: work directories, unfinished files.

    What a running one owns stays. Without any of it this costs a look at the directory.

    Returns:
        Whether no unsealed copy is there now. False: a backup is under way, or one could not be
        removed.
    """
    data = settings.data
    with suppress(OSError):
        if not _works(data) and not _noted(data):
            return True
        handle = _taken(data)
        if handle is None:
            return not _works(data)
        try:
            left = _sweep(data, handle)
            _write(handle, {"parts": [str(each) for each in left]})
        finally:
            os.close(handle)
    return not _works(data)


@contextmanager
def made_whole(place: Path) -> Iterator[Path]:
    """A directory (mode 0700) to be filled, which gets the name `place` at the block's end.

    Where the block raises it is destroyed. What killed ones left beside `place` is destroyed first.

    Raises:
        OSError: it cannot be made, or the name is taken.
    """
    prefix = f".{place.name}.restore-"
    for old in place.parent.iterdir():
        if old.name.startswith(prefix) and old.is_dir() and not old.is_symlink():
            with suppress(OSError), _held(old):
                destroy(old)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
    with _held(made):
        try:
            yield made
            made.rename(place)
            _flush(place.parent)
        except BaseException:
            destroy(made)
            raise


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody is at it
        yield
    finally:
        os.close(handle)


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def destroy(path: Path) -> None:
    """Overwrite a file, or every file of a directory, with zeros, and remove it.

    Where a file system writes elsewhere (copy on write), its blocks outlast that.
    """
    whole = path.is_dir() and not path.is_symlink()
    for each in path.rglob("*") if whole else (path,):
        if each.is_file() and not each.is_symlink():
            with suppress(OSError):
                _overwrite(each)
    if whole:
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _overwrite(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, _CHUNK))) or 0
        os.fsync(file.fileno())


def _works(data: Path) -> list[Path]:
    return list(data.glob(f"{WORK}*"))


def _taken(data: Path) -> int | None:
    handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _sweep(data: Path, handle: int) -> list[Path]:
    # Under the lock. What stays: unfinished files whose directory is not there now.
    for each in _works(data):
        destroy(each)
    left = []
    for part in _parts(_read(handle)):
        if part.parent.is_dir():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        else:
            left.append(part)
    return left


def _noted(data: Path) -> list[Path]:
    try:
        handle = os.open(data / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return []
    try:
        return _parts(_read(handle))
    finally:
        os.close(handle)


def _parts(told: dict[str, Any]) -> list[Path]:
    found = told.get("parts")
    named = [Path(each) for each in found if isinstance(each, str)] if found else []
    return [each for each in named if each.name.startswith(".") and each.suffix == ".part"]


def _holder(data: Path) -> str:
    handle = os.open(data / LOCK, os.O_RDONLY)
    try:
        return str(_read(handle).get("process", "?"))
    finally:
        os.close(handle)


def _read(handle: int) -> dict[str, Any]:
    try:
        told = json.loads(os.pread(handle, _MOST, 0) or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _write(handle: int, told: dict[str, Any]) -> None:
    content = json.dumps(told).encode()
    os.pwrite(handle, content.ljust(os.fstat(handle).st_size), 0)  # no moment without content
    os.ftruncate(handle, len(content))
    os.fsync(handle)
