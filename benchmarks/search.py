"""How fast, how small, how exact: rightface's index beside FAISS' flat, 8-bit and HNSW ones.

    python benchmarks/search.py [--quick] [--sizes 10000,100000,1000000] [--json FILE]
                                [--templates FILE.npy]

All indexes hold the same vectors and answer the same probes in the same run, one probe at a time
(k = 10), taking turns, so that a busy machine slows all alike. FAISS' flat index is timed with one
thread and with all; ratios are to the faster. Recall is measured against the flat index's answers.
Grouped: the ten best users, each by the best face, checked against all scores. HNSW (M = 32, built
with efConstruction = 80, searched with efSearch = 128) takes minutes to build at a million; it is
built up to 100,000. Many at once: eight threads that search for some seconds.

Without `--templates` (an array (n, 128) of float32, rows in any order; some rows are held out as
probes) the templates are drawn: see `drawn`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from instance import temporary_instance
from rightface.gallery.exact_index import ExactIndex
from rightface.permit import Permit

Vectors = NDArray[np.float32]
Search = Callable[[Vectors], object]
Permitted = AbstractContextManager[Permit]
DIMENSION = 128
K = 10
PROBES = 200
THREADS = 8
SECONDS = 3.0  # that they search
GROUPS = (5, 20)  # faces per user
HNSW = 100_000  # vectors at most
THEIRS = 500_000 * 512  # bytes that InsightFace Server's published figures are of: int8
THEIR_MS = {"ungrouped": 38.0, "grouped": 660.0}
PEOPLE = 200_000  # in the crowd that templates are drawn from
PART = 25  # probes timed under one permit
BULK = 50_000  # vectors added at a time


@dataclass
class Line:
    size: int
    index: str
    p50_ms: float
    p95_ms: float
    bytes_per_face: float
    recall_at_10: float
    added_per_s: float
    deleted_per_s: float | None
    times_flat: float = 1.0  # how many times faster than the faster flat one, by p50
    fastest_ms: float = 0.0
    at_once_per_s: float | None = None  # searches per second of eight threads
    batch_per_s: float | None = None  # searches per second, all probes in one call
    components_per_s: float = 0.0  # of the vectors searched, whatever is read of them


def drawn(count: int, seed: int) -> Vectors:
    """Templates as a face network's are: not uniform, and several of each person.

    A common mean; people around it and pictures around each person, both normal, with variances
    that decay over random axes; then unit length. The constants are read off this pack's templates
    of 700 photographs of 480 people of LFW: the mean's squared length is 0.84; the rest varies
    along 77 axes; a quarter of it (0.27) lies between pictures of one person, spread more evenly.
    """
    axes_rng, rng = np.random.default_rng(7), np.random.default_rng(seed)
    axes = np.linalg.qr(axes_rng.standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
    rank = np.arange(DIMENSION)
    narrow = np.sqrt(np.clip(1 - rank / 77, 0, None))
    between, within = narrow / (1 + rank / 4), narrow / (1 + rank / 16)
    between = np.sqrt(between / between.sum() * 0.16 * 0.73).astype(np.float32)
    within = np.sqrt(within / within.sum() * 0.16 * 0.27).astype(np.float32)
    mean = np.float32(np.sqrt(0.84)) * axes[100]
    people = np.random.default_rng(11).standard_normal((PEOPLE, DIMENSION), np.float32) * between
    made = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, BULK):
        size = min(BULK, count - start)
        noise = rng.standard_normal((size, DIMENSION), np.float32) * within
        some = (people[rng.integers(0, PEOPLE, size)] + noise) @ axes + mean
        made[start : start + size] = some / np.linalg.norm(some, axis=1, keepdims=True)
    return made


def given(path: Path, count: int) -> tuple[Vectors, Vectors]:
    """Gallery and probes from a file: rows at random, none in both."""
    templates = np.load(path).astype(np.float32)
    if templates.ndim != 2 or len(templates) < count + PROBES:
        sys.exit(f"{path.name} needs {count + PROBES} templates for a gallery of {count}.")
    order = np.random.default_rng(3).permutation(len(templates))
    return templates[order[PROBES : PROBES + count]], templates[order[:PROBES]]


def built(
    make: Callable[[], Any], add: Callable[[Any, int, int], None], count: int
) -> tuple[Any, float]:
    """An index, and the seconds it took to fill."""
    start = time.perf_counter()
    index = make()
    for begin in range(0, count, BULK):
        add(index, begin, min(begin + BULK, count))
    return index, time.perf_counter() - start


def timed(searches: dict[str, Search], probes: Vectors) -> dict[str, list[float]]:
    """Milliseconds of each search for each probe; the searches take turns."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    for search in searches.values():
        search(probes[:1])
    for probe in probes:
        for name, search in searches.items():
            start = time.perf_counter()
            search(probe[None])
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def with_threads(count: int, search: Search) -> Search:
    """The search, with so many OpenMP threads."""

    def run(probe: Vectors) -> object:
        faiss.omp_set_num_threads(count)
        return search(probe)

    return run


def measured(
    count: int, gallery: Vectors, probes: Vectors, permitted: Callable[[], Permitted]
) -> Iterator[Line]:
    """One line per index. Permits are short-lived: each stage asks for its own."""
    names = np.array([str(uuid.UUID(bytes=os.urandom(16), version=4)) for _ in range(count)])
    threads = len(os.sched_getaffinity(0))

    def add_ours(index: ExactIndex, begin: int, end: int) -> None:
        with permitted() as permit:
            index.add(list(names[begin:end]), gallery[begin:end], permit=permit)

    def add_theirs(index: Any, begin: int, end: int) -> None:
        if not index.is_trained:
            index.train(gallery[: 1 << 16])
        index.add(gallery[begin:end])

    made = {
        "rightface": built(lambda: ExactIndex(DIMENSION), add_ours, count),
        "faiss flat": built(lambda: faiss.IndexFlatIP(DIMENSION), add_theirs, count),
        "faiss 8-bit": built(eight_bit, add_theirs, count),
    }
    ours, flat, eight = (made[name][0] for name in made)
    ungrouped_bytes = ours.nbytes
    hnsw = None
    if count <= HNSW:
        faiss.omp_set_num_threads(threads)
        made["faiss HNSW"] = built(small_world, add_theirs, count)
        hnsw = made["faiss HNSW"][0]
    open_permit: list[Permit] = []
    searches: dict[str, Search] = {
        "rightface": lambda probe: ours.search(probe, K, permit=open_permit[0]),
        "faiss flat": with_threads(1, lambda probe: flat.search(probe, K)),
        f"faiss flat, {threads} threads": with_threads(
            threads, lambda probe: flat.search(probe, K)
        ),
        "faiss 8-bit": with_threads(1, lambda probe: eight.search(probe, K)),
    }
    if hnsw is not None:
        searches["faiss HNSW"] = with_threads(1, lambda probe: hnsw.search(probe, K))
    times: dict[str, list[float]] = {name: [] for name in searches}
    for start in range(0, len(probes), PART):
        with permitted() as permit:
            open_permit[:] = [permit]
            for name, taken in timed(searches, probes[start : start + PART]).items():
                times[name] += taken
    truth = flat.search(probes, K)[1]
    with permitted() as permit:
        answers = ours.search(probes, K, permit=permit)
    found = {
        "rightface": [[hit.id for hit in hits] for hits in answers],
        "faiss 8-bit": [list(names[row]) for row in eight.search(probes, K)[1]],
    }
    if hnsw is not None:
        found["faiss HNSW"] = [list(names[row]) for row in hnsw.search(probes, K)[1]]
    at_once = {
        name: searches_per_second(search, probes, permitted, open_permit)
        for name, search in searches.items()
        if name != f"faiss flat, {threads} threads"
    }
    began = time.perf_counter()
    with permitted() as permit:
        ours.search(probes, K, permit=permit)
    batch_per_s = len(probes) / (time.perf_counter() - began)
    fastest_flat = min(
        statistics.median(taken) for name, taken in times.items() if name.startswith("faiss flat")
    )
    held = {
        "rightface": ungrouped_bytes,
        "faiss flat": flat.code_size * count,
        "faiss 8-bit": eight.code_size * count,
        "faiss HNSW": (4 * DIMENSION + 2 * 4 * 32) * count,  # vectors and the lowest layer's links
    }
    groups = [grouped(ours, names, gallery, probes, each, permitted) for each in GROUPS]
    deleted = deletions_per_second(ours, list(names[: min(10_000, count // 10)]))
    for name, taken in times.items():
        base = name.split(",")[0]
        _, seconds = made[base]
        yield Line(
            size=count,
            index=name,
            p50_ms=statistics.median(taken),
            p95_ms=float(np.percentile(taken, 95)),
            bytes_per_face=held[base] / count,
            recall_at_10=recall(found.get(base), names[truth]),
            added_per_s=count / seconds,
            deleted_per_s=deleted if base == "rightface" else None,
            times_flat=fastest_flat / statistics.median(taken),
            fastest_ms=min(taken),
            at_once_per_s=at_once.get(name),
            batch_per_s=batch_per_s if name == "rightface" else None,
            components_per_s=1e3 * count * DIMENSION / statistics.median(taken),
        )
    for line in groups:
        line.times_flat = fastest_flat / line.p50_ms
        yield line


def small_world() -> Any:
    index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 80, 128
    return index


def grouped(
    index: ExactIndex,
    names: NDArray[Any],
    gallery: Vectors,
    probes: Vectors,
    each: int,
    permitted: Callable[[], Permitted],
) -> Line:
    """The line of searches for users of `each` faces, beside ungrouped ones in the same turns."""
    count = len(names)
    users = max(count // each, 1)
    of = np.random.default_rng(each).permutation(np.arange(count) % users)
    known = np.array([str(uuid.UUID(bytes=os.urandom(16), version=4)) for _ in range(users)])
    start = time.perf_counter()
    for begin in range(0, count, BULK):
        part = slice(begin, begin + BULK)
        index.assign(dict(zip(names[part].tolist(), known[of[part]].tolist(), strict=True)))
    seconds = time.perf_counter() - start
    times: dict[str, list[float]] = {"grouped": [], "ungrouped": []}
    answers: list[list[str]] = []
    for begin in range(0, len(probes), PART):
        some = probes[begin : begin + PART]
        with permitted() as permit:
            searches: dict[str, Search] = {
                "grouped": lambda probe: index.search_grouped(probe, K, permit=permit),
                "ungrouped": lambda probe: index.search(probe, K, permit=permit),
            }
            for name, taken in timed(searches, some).items():
                times[name] += taken
            hits = index.search_grouped(some, K, permit=permit)
            answers += [[hit.group for hit in row] for row in hits]
    right = 0
    checked = range(0, len(probes), 4)
    for number in checked:
        best = np.full(users, -np.inf, np.float32)
        np.maximum.at(best, of, gallery @ probes[number])
        right += len(set(known[np.argsort(-best)[:K]]) & set(answers[number]))
    p50 = statistics.median(times["grouped"])
    ratio = p50 / statistics.median(times["ungrouped"])
    return Line(
        size=count,
        index=f"rightface, {each} a user (×{ratio:.2f})",
        p50_ms=p50,
        p95_ms=float(np.percentile(times["grouped"], 95)),
        bytes_per_face=index.nbytes / count,
        recall_at_10=right / (K * len(checked)),
        added_per_s=count / seconds,
        deleted_per_s=None,
        fastest_ms=min(times["grouped"]),
        components_per_s=1e3 * count * DIMENSION / p50,
    )


def searches_per_second(
    search: Search,
    probes: Vectors,
    permitted: Callable[[], Permitted],
    open_permit: list[Permit],
) -> float:
    """Eight threads, one probe at a time, for some seconds."""
    done = [0] * THREADS
    with permitted() as permit:
        open_permit[:] = [permit]
        end = time.perf_counter() + SECONDS

        def work(number: int) -> None:
            place = number
            while time.perf_counter() < end:
                search(probes[place % len(probes)][None])
                place += THREADS
                done[number] += 1

        start = time.perf_counter()
        workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(done) / (time.perf_counter() - start)


def eight_bit() -> Any:
    return faiss.IndexScalarQuantizer(
        DIMENSION, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )


def recall(found: list[list[str]] | None, truth: NDArray[Any]) -> float:
    """Share of the flat index's answers that were found; the flat index itself: 1."""
    if found is None:
        return 1.0
    hits = sum(len(set(some) & set(row)) for some, row in zip(found, truth, strict=True))
    return hits / truth.size


def deletions_per_second(index: ExactIndex, names: list[str]) -> float:
    """One call per face, as erasures come."""
    start = time.perf_counter()
    for name in names:
        index.remove([name])
    return len(names) / (time.perf_counter() - start)


def told(lines: list[Line]) -> str:
    """The table."""
    rows = [
        f"{'faces':>9}  {'index':<31} {'p50 ms':>8} {'p95 ms':>8} {'best ms':>8} {'× flat':>7}"
        f" {'recall@10':>9} {'bytes/face':>10} {'added/s':>9} {'deleted/s':>9} {'8 thr./s':>9}"
        f" {'batch/s':>8} {'Gcomp/s':>8}"
    ]
    for line in lines:
        rows.append(
            f"{line.size:9,}  {line.index:<31} {line.p50_ms:8.2f} {line.p95_ms:8.2f}"
            f" {line.fastest_ms:8.2f} {line.times_flat:7.1f} {line.recall_at_10:9.4f}"
            f" {line.bytes_per_face:10.0f} {line.added_per_s:9,.0f} {number(line.deleted_per_s)}"
            f" {number(line.at_once_per_s)} {number(line.batch_per_s, 8)}"
            f" {line.components_per_s / 1e9:8.1f}"
        )
    rows.append("")
    rows.append("added/s of a grouped line: faces put into users; (×…): p50 by that of ungrouped.")
    for kind, milliseconds in THEIR_MS.items():
        rate = THEIRS / milliseconds / 1e6
        rows.append(
            f"InsightFace Server, published, 500,000 × 512 int8, {kind}: {milliseconds:.0f} ms,"
            f" {rate:.1f} Gcomp/s (a byte each)"
        )
    return "\n".join(rows)


def number(value: float | None, width: int = 9) -> str:
    return " " * width if value is None else f"{value:{width},.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="10,000 and 100,000 faces only")
    parser.add_argument("--sizes", help="10000,100000,1000000 unless told")
    parser.add_argument("--templates", type=Path, help="an array (n, 128), .npy")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sizes = options.sizes or ("10000,100000" if options.quick else "10000,100000,1000000")
    lines: list[Line] = []
    with temporary_instance() as instance:
        for size in (int(text) for text in sizes.split(",")):
            if options.templates:
                gallery, probes = given(options.templates, size)
            else:
                gallery, probes = drawn(size, seed=1), drawn(PROBES, seed=2)
            permitted = partial(instance.permitted, "measure-accuracy")
            lines += measured(size, gallery, probes, permitted)
    print(told(lines))
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=2) + "\n")


if __name__ == "__main__":
    main()
