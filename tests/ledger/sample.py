"""Leaves, ledgers and a web server for the ledger's tests."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.ledger import log
from rightface.ledger.leaf import Leaf

ORIGIN = "example.com/ledger"
START = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)


def a_leaf(number: int = 0, **changes: Any) -> Leaf:
    """A decision; `number` makes it another one."""
    told: dict[str, Any] = {
        "time": START + timedelta(seconds=number),
        "kind": "decision",
        "operation": "identify-1toN",
        "outcome": "deny",
        "client": "acme",
        "reasons": ("us-il-bipa-2008#15b",),
        "subjects": (hashlib.sha256(str(number).encode()).hexdigest(),),
        "request": f"request-{number}",
    }
    return Leaf(**(told | changes))


def grow(database: Database, count: int) -> None:
    """Append `count` leaves in one transaction."""

    def work(session: Session) -> None:
        for _ in range(count):
            log.append(session, a_leaf(log.size(session)))

    database.write(work)


def grow_fast(database: Database, count: int) -> None:
    """Append `count` leaves in one statement, each a small one of its own."""

    def work(session: Session) -> None:
        start = log.size(session)
        template = a_leaf(subjects=()).canonical()
        rows = [
            {"idx": start + n, "body": template.replace(b"request-0", b"request-%d" % (start + n))}
            for n in range(count)
        ]
        session.execute(insert(log.TABLE), rows)

    database.write(work)


def all_files(directory: Path) -> dict[str, bytes]:
    """Every file's bytes by its path."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@contextmanager
def flipped(path: Path, offset: int, mask: int = 1) -> Iterator[None]:
    """One byte of a file changed, and mended afterwards."""
    good = path.read_bytes()
    bad = bytearray(good)
    bad[offset] ^= mask
    path.write_bytes(bad)
    try:
        yield
    finally:
        path.write_bytes(good)


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The directory on a plain static web server; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
