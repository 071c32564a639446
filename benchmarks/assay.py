"""How fast an assay compares everybody with everybody, beside this machine's own products.

    python benchmarks/assay.py [--quick] [--count 100000] [--threads 2] [--json FILE]

Synthetic templates of 128 dimensions (`search.drawn`), four of each person, in eight cohorts: all
n(n − 1)/2 comparisons, counted between cohorts, every genuine one kept, and the highest two
million. The same blocks are multiplied and nothing else, before and after: what share of the
machine's own rate is left when everything is counted. Where other work shares the cores wall time
says little; processor time is printed beside it.

pyeer and scikit-learn (where installed) get the scores of all pairs of some thousand templates,
made beforehand; ours for the same pairs includes making them. The equal error rates of all must
agree.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from instance import TemporaryInstance, temporary_instance
from rightface.assay.blocks import COLUMNS, ROWS
from rightface.assay.comparisons import Comparisons, compare_all
from rightface.assay.counts import Axis
from rightface.assay.permits import Renewed
from rightface.assay.rates import eer
from rightface.assay.stripes import single_products
from search import drawn

Vectors = NDArray[np.float32]
COHORTS = 8
IMAGES_EACH = 4
NOISE = 0.03  # of each component, between pictures of one person
PRODUCT_SECONDS = 3.0
SMALL = {"scikit-learn": 4500, "pyeer": 2000}  # templates whose pairs they can hold


@dataclass(frozen=True)
class World:
    templates: Vectors
    subjects: NDArray[np.int32]
    groups: NDArray[np.int16]

    def first(self, count: int) -> World:
        return World(self.templates[:count], self.subjects[:count], self.groups[:count])


@dataclass
class Line:
    what: str
    comparisons: int
    seconds: float
    processor_seconds: float
    share_of_products: float | None = None
    equal_error_rate: float | None = None

    @property
    def per_s(self) -> float:
        return self.comparisons / self.seconds

    @property
    def processor_ns(self) -> float:
        return 1e9 * self.processor_seconds / self.comparisons


def world(count: int) -> World:
    people = (count + IMAGES_EACH - 1) // IMAGES_EACH
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(people, dtype=np.int32), IMAGES_EACH)[:count]
    templates = drawn(people, seed=4)[subjects]
    templates += NOISE * rng.standard_normal(templates.shape, np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    cohort = rng.integers(0, COHORTS, people).astype(np.int16)
    return World(templates, subjects, cohort[subjects])


def compared(data: World, instance: TemporaryInstance, threads: int, show: bool) -> Comparisons:
    with (
        Progress(transient=True, disable=not show) as bar,
        Renewed(lambda: instance.permitted("measure-accuracy")) as permits,
    ):
        task = bar.add_task("Comparing")
        return compare_all(
            data.templates,
            data.templates,
            subjects=data.subjects,
            groups=data.groups,
            group_count=COHORTS,
            axis=Axis.between(-1.0, 1.0, COHORTS),
            permit=permits,
            threads=threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def products(templates: Vectors, threads: int) -> Line:
    """The same blocks, multiplied and nothing else, for some seconds."""
    end = time.perf_counter() + PRODUCT_SECONDS

    def work(start: int) -> int:
        out = np.empty((ROWS, COLUMNS), np.float32)
        done, rows = 0, templates[start : start + ROWS]
        while time.perf_counter() < end:
            for column in range(0, len(templates) - COLUMNS + 1, COLUMNS):
                np.matmul(rows, templates[column : column + COLUMNS].T, out=out)
                done += out.size
        return done

    began, processor = time.perf_counter(), time.process_time()
    with single_products(), ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, [ROWS * number for number in range(threads)]))
    return Line(
        "products alone", done, time.perf_counter() - began, time.process_time() - processor
    )


def timed(what: str, comparisons: int, do: Callable[[], float | None]) -> Line:
    began, processor = time.perf_counter(), time.process_time()
    error = do()
    return Line(
        what,
        comparisons,
        time.perf_counter() - began,
        time.process_time() - processor,
        equal_error_rate=error,
    )


def ours(data: World, instance: TemporaryInstance, threads: int, show: bool) -> Line:
    count = len(data.templates)

    def do() -> float | None:
        found = compared(data, instance, threads, show)
        assert found.total == count * (count - 1) // 2
        return eer(found.impostors(), found.genuine).value

    return timed(f"rightface, {count:,} templates", count * (count - 1) // 2, do)


def scores_of(data: World) -> tuple[Vectors, NDArray[np.bool_]]:
    one, other = np.triu_indices(len(data.templates), 1)
    scores = (data.templates @ data.templates.T)[one, other]
    return scores, data.subjects[one] == data.subjects[other]


def of_scikit_learn(scores: Vectors, same: NDArray[np.bool_]) -> float:
    metrics: Any = importlib.import_module("sklearn.metrics")
    false, true, _ = metrics.roc_curve(same, scores)
    place = int(np.argmin(np.abs(false - (1 - true))))
    return float(false[place] + 1 - true[place]) / 2


def of_pyeer(scores: Vectors, same: NDArray[np.bool_]) -> float:
    stats: Any = importlib.import_module("pyeer.eer_stats")
    _, false, missed = stats.calculate_roc(scores[same], scores[~same])
    return float(stats.get_eer_values(false, missed)[-1])


THEIRS = {"scikit-learn": ("sklearn", of_scikit_learn), "pyeer": ("pyeer", of_pyeer)}


def beside_others(
    data: World, instance: TemporaryInstance, threads: int, quick: bool, console: Console
) -> list[Line]:
    lines = []
    for name, (module, judge) in THEIRS.items():
        if importlib.util.find_spec(module) is None:
            console.print(f"{name} is not installed: no line of it.")
            continue
        judge(np.array([0.1, 0.9], np.float32), np.array([False, True]))  # imports take seconds
        some = data.first(SMALL[name] // (2 if quick else 1))
        scores, same = scores_of(some)

        def do(
            judge: Callable[[Vectors, NDArray[np.bool_]], float] = judge,
            scores: Vectors = scores,
            same: NDArray[np.bool_] = same,
        ) -> float:
            return judge(scores, same)

        lines.append(ours(some, instance, threads, show=False))
        lines.append(timed(f"{name}, scores given", len(scores), do))
        mine, theirs = lines[-2].equal_error_rate, lines[-1].equal_error_rate
        assert mine is not None
        assert theirs is not None
        if abs(mine - theirs) > 0.02 * theirs + 1e-4:
            console.print(f"{name}'s equal error rate differs: {theirs:.5f}, ours {mine:.5f}.")
    return lines


def table(lines: list[Line]) -> Table:
    told = Table(title="Everybody with everybody")
    for heading in ("", "comparisons", "s", "million/s", "CPU ns each", "of products", "EER"):
        told.add_column(heading, justify="left" if not heading else "right")
    for line in lines:
        share, error = line.share_of_products, line.equal_error_rate
        told.add_row(
            line.what,
            f"{line.comparisons:,}",
            f"{line.seconds:.2f}",
            f"{line.per_s / 1e6:.1f}",
            f"{line.processor_ns:.2f}",
            "" if share is None else f"{share:.0%}",
            "" if error is None else f"{error:.4%}",
        )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="20,000 templates")
    parser.add_argument("--count", type=int, help="templates; 100,000 unless told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console()
    data = world(options.count or (20_000 if options.quick else 100_000))
    with temporary_instance() as instance:
        before = products(data.templates, options.threads)
        line = ours(data, instance, options.threads, console.is_terminal)
        most_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        after = products(data.templates, options.threads)
        alone = Line(
            before.what,
            before.comparisons + after.comparisons,
            before.seconds + after.seconds,
            before.processor_seconds + after.processor_seconds,
        )
        # By processor time: what else the machine does meanwhile then matters less.
        line.share_of_products = alone.processor_ns / line.processor_ns
        lines = [alone, line]
        lines += beside_others(data, instance, options.threads, options.quick, console)
    console.print(table(lines))
    flops = 2 * data.templates.shape[1] * alone.per_s / 1e9
    console.print(
        f"Products alone: {flops:.0f} GFLOP/s with {options.threads} threads. "
        f"Memory at most, all included: {most_bytes / 1e6:,.0f} MB."
    )
    if options.json:
        told = [asdict(each) | {"per_s": each.per_s} for each in lines]
        options.json.write_text(
            json.dumps({"lines": told, "most_bytes": most_bytes}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
