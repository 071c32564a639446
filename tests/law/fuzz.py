"""`make law-fuzz`: the gate against the reference on as many drawn worlds as you like.

Draws come in chunks; each has its own seed, made of `--seed` and its number, its own drawn
instruments and its own libraries. A disagreement names the chunk and the draw, and
`--chunk N` runs that chunk alone. Exit status 1 if one is found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from rich.progress import Progress

from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.reference import verdict
from rightface.law.ruling import Ruling
from rightface.law.world import World
from tests.law.synthetic import libraries
from tests.law.worlds import LIBRARY, gate_world, moment, one_in, question_world, subset

CHUNK = 2_500
LIBRARIES = 24


@dataclass(frozen=True)
class Chunk:
    """What came of one chunk."""

    number: int
    outcomes: Counter[str]
    disagreement: str


def compare(world: World) -> tuple[str, str]:
    """The gate's outcome, and what gate and reference say differently; empty: nothing."""
    ruling = judge(world)
    told = verdict(
        world.operation,
        world.as_of,
        world.library.instruments.values(),
        world.adopted,
        world.records,
        live=world.live,
        strict=world.strict,
    )
    pairs = {
        "outcome": (ruling.outcome, told.outcome),
        "missing": (sorted(ruling.missing), sorted(told.missing)),
        "instruments": (sorted(ruling.instruments), sorted(told.instruments)),
        "reviewers": (_reviewers(ruling), told.reviewers if told.outcome == "allow" else 0),
    }
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return ruling.outcome, "; ".join(f"{n}: gate {a}, reference {b}" for n, (a, b) in wrong.items())


def _reviewers(ruling: Ruling) -> float:
    return max((one.value for one in ruling.obligations if one.kind == "human-review"), default=0)


def drawn_world(rng: Random, pool: list[InstrumentLibrary]) -> World:
    """A whole world: instruments, dates on both clocks, chain, licence, consents and the rest."""
    world = gate_world(rng) if rng.randrange(2) else question_world(rng)
    library = pool[0] if rng.randrange(3) == 0 else rng.choice(pool)
    operation = world.operation
    if one_in(rng, 12 if world.live else 3):
        operation = replace(operation, known_at=moment(rng))
    adopted = frozenset(subset(rng, sorted(library.commitments)))
    return replace(
        world, library=library, operation=operation, adopted=adopted, strict=one_in(rng, 6)
    )


def run_chunk(seed: int, number: int, draws: int = CHUNK) -> Chunk:
    """Draw and compare one chunk."""
    rng = Random(f"{seed}/{number}")
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        pool = libraries(rng, Path(folder), number=LIBRARIES, shipped=LIBRARY)
        for draw in range(draws):
            world = drawn_world(rng, pool)
            outcome, wrong = compare(world)
            if wrong:
                return Chunk(number, outcomes, f"chunk {number}, draw {draw}: {wrong}\n{world!r}")
            outcomes[outcome] += 1
    return Chunk(number, outcomes, "")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="The gate against the reference.")
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--chunk", type=int, help="run this chunk alone")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    asked = parser.parse_args()
    numbers = [asked.chunk] if asked.chunk is not None else range(-(-asked.draws // CHUNK))
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    with ProcessPoolExecutor(asked.jobs) as workers, Progress() as progress:
        bar = progress.add_task("worlds", total=len(numbers) * CHUNK)
        for chunk in workers.map(run_chunk, [asked.seed] * len(numbers), numbers):
            outcomes += chunk.outcomes
            if chunk.disagreement:
                progress.stop()
                print(f"They disagree (seed {asked.seed}). {chunk.disagreement}")
                workers.shutdown(cancel_futures=True)
                return 1
            progress.update(bar, advance=CHUNK)
            if not progress.console.is_terminal:
                print(f"{outcomes.total():,} worlds agree", file=sys.stderr, flush=True)
    told = {
        "seed": asked.seed,
        "draws": outcomes.total(),
        "outcomes": dict(outcomes),
        "instruments": len(LIBRARY.instruments),
        "seconds": round(time.monotonic() - started, 1),
        "python": platform.python_version(),
    }
    print(f"{outcomes.total():,} worlds, seed {asked.seed}: gate and reference agree on all.")
    print(", ".join(f"{name} {count:,}" for name, count in sorted(outcomes.items())))
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
