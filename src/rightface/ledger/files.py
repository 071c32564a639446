"""The ledger's directory: atomic, durable writes, and one writer at a time.

Files are replaced whole (write beside, fsync, rename, fsync the directory), so a reader, or a
crash, sees the old file or the new one. Must never know what the files say.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rightface.errors import LedgerError

BATCH = 128  # files written before they are flushed, so that the disk can work on many at once
FLUSHES = 8  # at once: a journalling file system commits them together


class LedgerFiles:
    """The files below one directory, named by their paths relative to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the directory's lock: other threads and processes that want it wait.

        Raises:
            LedgerError: the directory cannot be made or opened.
        """
        with _as_ledger_error("written"):
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)  # gives the lock back

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of a file of at most `limit` bytes; None if there is no such file.

        Raises:
            LedgerError: it is larger, or cannot be read.
        """
        with _as_ledger_error("read"):
            try:
                with (self.directory / path).open("rb") as file:
                    content = file.read(limit + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None
        if len(content) > limit:
            raise LedgerError(f"The ledger's file '{path}' is too large.")
        return content

    def write(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write files so that they outlast a crash. Each appears whole, all before this returns.

        Raises:
            LedgerError: one could not be written (disk full, no permission).
        """
        parents: set[Path] = set()
        coming = iter(files)
        with _as_ledger_error("written"), ThreadPoolExecutor(FLUSHES) as pool:
            while batch := list(islice(coming, BATCH)):
                for path, _ in batch:
                    parents.update(self._make_parent(self.directory / path))
                for path, content in batch:
                    _beside(self.directory / path).write_bytes(content)
                finals = [self.directory / path for path, _ in batch]
                list(pool.map(_flush, map(_beside, finals)))
                for final in finals:
                    _beside(final).replace(final)
            list(pool.map(_flush, parents))

    def remove_tree(self, path: str) -> None:
        """Remove a directory with what is in it, if it is there."""
        with _as_ledger_error("removed"):
            shutil.rmtree(self.directory / path, ignore_errors=True)

    def paths(self) -> Iterator[str]:
        """Every file below the directory, in order; hidden ones (unfinished writes) left out."""
        for path in sorted(self.directory.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.directory).as_posix()

    def _make_parent(self, file: Path) -> Iterator[Path]:
        # Yields every directory, up to ours, that gets a new name in it.
        yield file.parent
        new = [parent for parent in file.parents if not parent.exists()]
        file.parent.mkdir(parents=True, exist_ok=True)
        yield from (parent.parent for parent in new)


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.new")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _as_ledger_error(done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"The ledger's files could not be {done}.",
            why=error.strerror or type(error).__name__,
            mend="Check free disk space and the permissions of the ledger's directory.",
        ) from error
