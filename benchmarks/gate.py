"""The gate's speed with every instrument loaded: cold and warm, one and eight threads.

    python benchmarks/gate.py [--decisions 4000] [--json FILE]

`question`: steps 0 to 6 for a question that names no client, so that instruments decide. `client`:
the same for a client of a real instance, its licence, consents and the rest read from the database.
`permit`: Gate.decide, with its durable record in the ledger. A question is cold when its date and
places were never asked about before, so that the rules in force are found and compiled anew.
Places, operations and actors are drawn from those that instruments speak of.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from instance import PLACE, temporary_instance
from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation, Party
from rightface.law.world import World

LOAD = """
import time
started = time.perf_counter()
from rightface.law.library import InstrumentLibrary
imported = time.perf_counter()
InstrumentLibrary.load()
print(imported - started, time.perf_counter() - imported)
"""
ACTIONS = ("identify-1toN", "verify-1to1", "enroll", "identify-live", "retain", "acquire-possess")
ACTORS = ("law-enforcement-local", "private-entity", "government-agency", "school", "vendor")


def start_up(times: int = 5) -> dict[str, float]:
    """Median seconds of a fresh process to import the law and to load every instrument."""
    runs = []
    for _ in range(times):
        told = subprocess.run(
            [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
        )
        runs.append([float(part) for part in told.stdout.split()])
    return {
        "import_s": statistics.median(run[0] for run in runs),
        "load_s": statistics.median(run[1] for run in runs),
    }


def questions(library: InstrumentLibrary, number: int, *, cold: bool) -> list[World]:
    """Worlds without records. Cold: no two share a date and place; warm: a few hundred keys."""
    rng = Random(20261122)
    places = sorted({one.jurisdiction for one in library.instruments.values()} - {"*"})
    made = []
    for each in range(number):
        if cold:
            place, days = places[each % len(places)], each // len(places)
        else:
            place, days = rng.choice(places), rng.randrange(8) * 400
        as_of = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(days=days)
        made.append(_world(library, rng, place, as_of))
    return made


def _world(library: InstrumentLibrary, rng: Random, place: str, as_of: datetime) -> World:
    behind = (Party("End user", rng.choice(ACTORS)),) if rng.randrange(4) == 0 else ()
    operation = Operation(
        action=rng.choice(ACTIONS),
        client=None,
        actor=rng.choice(ACTORS),
        client_jurisdiction=place,
        place_jurisdiction=place,
        gallery_jurisdiction=place,
        parties=behind,
        purpose=rng.choice(["access-control", "criminal-investigation", "missing-child"]),
        as_of=as_of,
    )
    return World(
        operation=operation,
        as_of=as_of,
        live=False,
        library=library,
        records=None,
        adopted=library.commitments,
    )


def measure(work: Callable[[Any], object], items: Sequence[Any], threads: int) -> dict[str, float]:
    """Decisions per second and their latencies, `items` shared by `threads`."""
    seconds: list[float] = []

    def run(part: Sequence[Any]) -> list[float]:
        taken = []
        for item in part:
            started = time.perf_counter()
            work(item)
            taken.append(time.perf_counter() - started)
        return taken

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for taken in pool.map(run, [items[n::threads] for n in range(threads)]):
            seconds += taken
    wall = time.perf_counter() - started
    cuts = statistics.quantiles(seconds, n=100)
    return {
        "per_second": len(items) / wall,
        "p50_ms": cuts[49] * 1e3,
        "p99_ms": cuts[98] * 1e3,
    }


def judged(world: World) -> None:
    """One decision on a world that nobody has looked at: what it remembers is thrown away."""
    for remembered in ("rules", "chain", "jurisdictions", "day", "known_day", "basis", "licence"):
        vars(world).pop(remembered, None)
    judge(world)


def of_a_client(decisions: int, threads: Sequence[int]) -> list[dict[str, Any]]:
    """The gate of a real instance, with and without its record in the ledger."""
    rows = []
    with temporary_instance() as prepared:
        gate = prepared.instance.gate
        issued = prepared.licence("bench").licence
        asked = [
            Operation(
                action="identify-1toN",
                client=issued.client,
                actor=issued.sector,
                client_jurisdiction=PLACE,
                place_jurisdiction=PLACE,
                gallery_jurisdiction=PLACE,
                licence_id=issued.licence_id,
                purpose="access-control",
                gallery="staff",
                request_id=f"request-{number}",
            )
            for number in range(decisions)
        ]
        kinds: list[tuple[str, Callable[[Operation], object]]] = [
            ("client", gate.consider),
            ("permit", gate.decide),
        ]
        for kind, work in kinds:
            measure(work, asked[:200], 1)
            rows += [{"what": kind, "threads": n, **measure(work, asked, n)} for n in threads]
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    started = start_up()
    rows: list[dict[str, Any]] = []
    for threads in (1, 8):
        library = InstrumentLibrary.load()
        rows.append(
            {
                "what": "question, cold",
                "threads": threads,
                **measure(judged, questions(library, asked.decisions, cold=True), threads),
            }
        )
        warm = questions(library, asked.decisions, cold=False)
        measure(judged, warm, 1)
        rows.append(
            {"what": "question, warm", "threads": threads, **measure(judged, warm, threads)}
        )
    rows += of_a_client(asked.decisions // 2, (1, 8))
    loaded = len(InstrumentLibrary.load().instruments)
    title = (
        f"{loaded} instruments; import {started['import_s']:.2f} s, load {started['load_s']:.2f} s"
    )
    table = Table("what", "threads", "decisions/s", "p50 ms", "p99 ms", title=title)
    for row in rows:
        table.add_row(
            row["what"],
            str(row["threads"]),
            f"{row['per_second']:,.0f}",
            f"{row['p50_ms']:.3f}",
            f"{row['p99_ms']:.3f}",
        )
    Console().print(table)
    if asked.json:
        told = {"instruments": loaded, **started, "rows": rows}
        asked.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
