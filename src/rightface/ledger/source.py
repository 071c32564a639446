"""Where a verifier reads a ledger's public files: a directory, or an http(s) address.

The data are public and signed, so plain http is good enough: what is changed on the way does not
verify. Reads are bounded in size and time. Must never know the database or any private key.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rightface.errors import LedgerError
from rightface.ledger.files import LedgerFiles

TIMEOUT = 20.0  # seconds without a byte
AT_ONCE = 4  # requests in flight: more than a small server queues would be slower


class Source(Protocol):
    """A ledger's public files."""

    name: str

    def read(self, path: str, limit: int) -> bytes | None:
        """The file's bytes; None if it does not exist.

        Raises:
            LedgerError: it is longer than `limit`, or cannot be read.
        """

    def read_many(self, wanted: Iterable[tuple[str, int]]) -> Iterator[bytes | LedgerError | None]:
        """Like `read`, for many files in order. What `read` would raise is yielded."""

    def paths(self) -> Iterable[str]:
        """Every file there is, where that can be listed; else none."""


class DirectorySource:
    """A directory of public files."""

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise LedgerError("There is no ledger.", why=f"'{directory}' is not a directory.")
        self.name = str(directory)
        self._files = LedgerFiles(directory)

    def read(self, path: str, limit: int) -> bytes | None:
        """See `Source.read`."""
        return self._files.read(path, limit)

    def read_many(self, wanted: Iterable[tuple[str, int]]) -> Iterator[bytes | LedgerError | None]:
        """See `Source.read_many`."""
        for path, limit in wanted:
            yield _try(self, path, limit)

    def paths(self) -> Iterable[str]:
        """See `Source.paths`."""
        return self._files.paths()


class WebSource:
    """An http or https address that serves the public files below it."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LedgerError("A ledger's address begins with http:// or https://.")
        self.name = address.rstrip("/")
        # A proxy of the environment cannot reach this machine's own loopback.
        local = parts.hostname in ("localhost", "::1") or parts.hostname.startswith("127.")
        handlers = [urllib.request.ProxyHandler({})] if local else []
        self._opener = urllib.request.build_opener(*handlers)

    def read(self, path: str, limit: int) -> bytes | None:
        """See `Source.read`."""
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked
            f"{self.name}/{path}", headers={"Accept-Encoding": "identity"}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                content = bytes(answer.read(limit + 1))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return None
            raise _unread(path, f"The server answered {error.code}.") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _unread(path, type(error).__name__) from error
        if len(content) > limit:
            raise LedgerError(f"The ledger's file '{path}' is too large.")
        return content

    def read_many(self, wanted: Iterable[tuple[str, int]]) -> Iterator[bytes | LedgerError | None]:
        """See `Source.read_many`. A few requests run at once."""
        coming = iter(wanted)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(coming, 4 * AT_ONCE)):
                yield from pool.map(lambda each: _try(self, *each), batch)

    def paths(self) -> Iterable[str]:
        """See `Source.paths`: a web server does not list them."""
        return ()


def open_source(source: Path | str | Source) -> Source:
    """The source that a path, an address or a source itself stands for.

    Raises:
        LedgerError: no such directory, or an address of another scheme.
    """
    if isinstance(source, Path):
        return DirectorySource(source)
    if isinstance(source, str):
        return WebSource(source) if "://" in source else DirectorySource(Path(source))
    return source


def _try(source: Source, path: str, limit: int) -> bytes | LedgerError | None:
    try:
        return source.read(path, limit)
    except LedgerError as error:
        return error


def _unread(path: str, why: str) -> LedgerError:
    return LedgerError(
        f"The ledger's file '{path}' could not be fetched.",
        why=why,
        mend="Check the address, and that the server is up.",
    )
