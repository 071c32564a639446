"""The ledger's speed: durable appends, alone and with 16 writers; publishing; verifying.

Leaves are the size of a real decision. The database and the files lie in a temporary directory on
the disk that `--directory` names, because a commit costs what that disk's flush costs. Run it with
`python benchmarks/ledger.py [--leaves 100000] [--json FILE]`.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from rightface.db import WRITES, Database
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.ledger.publish import Publisher
from rightface.ledger.verify import consistency, prove, verify

WRITERS = 16


def decision(number: int) -> Leaf:
    """A decision as the service records it, about 500 bytes."""
    return Leaf(
        time=datetime.now(UTC),
        kind="decision",
        operation="identify-1toN",
        outcome="refused",
        client="acme",
        licence="lic-0001",
        purpose="access-control",
        basis="consent-warranted",
        gallery="staff",
        jurisdictions=("US", "US-IL"),
        reasons=("us-il-bipa-2008#15b",),
        policy=hashlib.sha256(b"policy").hexdigest(),
        pack=hashlib.sha256(b"pack").hexdigest(),
        subjects=(hashlib.sha256(str(number).encode()).hexdigest(),),
        request=f"request-{number}",
    )


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The public files on a plain static web server on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def flush_seconds(directory: Path) -> float:
    """What one small write and flush to the disk costs: the floor under a commit of its own."""
    with (directory / "flush").open("wb") as file:
        start = time.perf_counter()
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - start) / 50


def appends_per_second(database: Database, writers: int, seconds: float) -> float:
    """Durable appends per second by so many threads, each waiting for its own."""
    counts = [0] * writers
    end = time.perf_counter() + seconds

    def write(writer: int) -> None:
        while time.perf_counter() < end:
            database.write(functools.partial(log.append, leaf=decision(counts[writer])))
            counts[writer] += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


@contextmanager
def counted_commits(database: Database) -> Iterator[list[int]]:
    commits: list[int] = []

    def count(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            commits.append(1)

    event.listen(database.engine, "commit", count)
    yield commits
    event.remove(database.engine, "commit", count)


def fill(database: Database, leaves: int) -> None:
    def work(session: Session) -> None:
        for number in range(min(5000, leaves - log.size(session))):
            log.append(session, decision(number))

    with database.read() as session:
        have = log.size(session)
    for _ in range(-(-(leaves - have) // 5000)):
        database.write(work)


def timed(work: object) -> float:
    start = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - start


def measure(directory: Path, leaves: int, seconds: float) -> dict[str, float]:
    """Every figure, in seconds or per second as its name says."""
    database = Database(f"sqlite:///{directory / 'ledger.db'}")
    log.TABLE.create(database.engine)
    signer = KeyRing.create(directory / "keys").signer("ledger")
    public = directory / "ledger"
    publisher = Publisher(database, public, signer, "example.com/ledger")
    figures = {
        "flush_seconds": flush_seconds(directory),
        "appends_per_second_alone": appends_per_second(database, 1, seconds),
    }
    with counted_commits(database) as commits:
        before = publisher.behind()
        together = appends_per_second(database, WRITERS, seconds)
        figures["appends_per_second_16_writers"] = together
        figures["appends_per_commit_16_writers"] = (publisher.behind() - before) / len(commits)
    fill(database, leaves)
    figures["leaves"] = publisher.behind()
    figures["publish_all_seconds"] = timed(publisher.publish)
    database.write(lambda session: log.append(session, decision(0)))
    figures["publish_one_more_seconds"] = timed(publisher.publish)
    figures["behind_seconds"] = min(timed(publisher.behind) for _ in range(20))
    figures["audit_seconds"] = timed(publisher.audit)
    figures["rebuild_seconds"] = timed(publisher.rebuild)

    def verified(source: Path | str) -> None:
        found = verify(source, publisher.vkey)
        assert found.ok, found.problems

    figures["verify_seconds"] = timed(lambda: verified(public))
    with served(public) as address:
        figures["verify_http_seconds"] = timed(lambda: verified(address))
        prove_one = functools.partial(prove, address, leaves // 2, publisher.vkey)
        figures["prove_http_seconds"] = timed(prove_one)
        grown = functools.partial(consistency, address, leaves // 3, None, publisher.vkey)
        figures["consistency_http_seconds"] = timed(grown)
    files = [path for path in public.rglob("*") if path.is_file()]
    figures["public_bytes_per_leaf"] = sum(path.stat().st_size for path in files) / leaves
    figures["public_files"] = len(files)
    database.close()
    return figures


def show(figures: dict[str, float]) -> None:
    leaves = int(figures["leaves"])
    alone, together = (
        figures["appends_per_second_alone"],
        figures["appends_per_second_16_writers"],
    )
    table = Table(title="The ledger")
    for column in ("what", "figure", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    flush = figures["flush_seconds"]
    table.add_row("one flush of this disk", f"{flush * 1e3:.2f} ms", "")
    table.add_row("durable appends, one writer", f"{alone:,.0f} /s", "1.0")
    table.add_row("durable appends, 16 writers", f"{together:,.0f} /s", f"{together / alone:.1f}")
    shared = figures["appends_per_commit_16_writers"]
    table.add_row("appends that share a commit, 16 writers", f"{shared:.1f}", "")
    rows = {
        f"publish {leaves:,} leaves": "publish_all_seconds",
        "publish one leaf more": "publish_one_more_seconds",
        "ask whether there is news": "behind_seconds",
        "compare all rows with all files": "audit_seconds",
        "make all files again": "rebuild_seconds",
        f"verify {leaves + 1:,} leaves, directory": "verify_seconds",
        "the same over http": "verify_http_seconds",
        "inclusion proof over http": "prove_http_seconds",
        "consistency proof over http": "consistency_http_seconds",
    }
    whole = figures["publish_all_seconds"]
    for name, key in rows.items():
        table.add_row(name, f"{figures[key] * 1e3:,.1f} ms", f"{figures[key] / whole:.3f}")
    table.add_row("public bytes per leaf", f"{figures['public_bytes_per_leaf']:,.0f}", "")
    console = Console()
    console.print(table)
    console.print("Ratios: appends to one writer's; times to publishing everything.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate")
    parser.add_argument("--directory", type=Path, help="on which disk; default: the temporary one")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.directory) as directory:
        figures = measure(Path(directory), told.leaves, told.seconds)
    show(figures)
    if told.json:
        told.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
