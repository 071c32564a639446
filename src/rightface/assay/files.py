"""Files of a measurement: written whole and to stay, and a directory for one run at a time.

    1. A file is written beside its place, flushed to the disk, then renamed; so is the directory's
       entry. Whenever the machine stops, the old file is there, or the new one.
    2. A directory is held by flock(2) on its `assay.lock`, which goes at the end; `kill -9` frees
       it.

Never knows what is in the files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rightface.errors import StorageError

LOCK = "assay.lock"
PUBLIC = 0o666
"""As the process's umask has it."""
PRIVATE = 0o600


@contextmanager
def written_whole(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """A file to fill, which takes its place when the block ends; on an error the old one stays.

    Args:
        path: its place.
        mode: who may read it: `PUBLIC`, `PRIVATE`.

    Raises:
        OSError: it cannot be written.
    """
    beside = new_name(path)
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _flush(path.parent)


def new_name(path: Path) -> Path:
    """Where a file is written at first; a kill may leave it there."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a directory for one run while the block lasts.

    Raises:
        StorageError: another run holds it, or the lock cannot be written.
    """
    path = directory / LOCK
    try:
        handle = _locked(path)
    except BlockingIOError:
        raise StorageError(
            f"Another assay writes to '{directory}'.",
            why=f"Process {_holder(path)} holds its lock.",
            mend="Wait for its end, or name another --out.",
        ) from None
    except OSError as error:
        raise StorageError(
            f"The lock '{LOCK}' in '{directory}' cannot be written.",
            why=error.strerror or type(error).__name__,
            mend="Check free disk space, or name another --out.",
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _locked(path: Path) -> int:
    """The lock's file, held. One that its last holder took away meanwhile holds off nobody."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        return path.read_text("ascii").strip() or "?"
    except (OSError, ValueError):
        return "?"


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
