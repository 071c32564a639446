"""Works through the stripes of a comparison in threads, and keeps what is done for after a kill.

    1. Stripes are given out in order; what comes back is added up in order.
    2. Now and then, and where the gate says no, the sum is written to a new file, which takes the
       checkpoint's place at once.
    3. A later run of the same data (by digest) goes on after the last stripe of that sum.
    4. At the end the checkpoint goes.

Each stripe begins under a permit that is open. Never knows what a score means.
"""

from __future__ import annotations

import hashlib
import importlib
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay import blocks
from rightface.assay.blocks import Counted, Counter, Sorted
from rightface.assay.counts import Axis
from rightface.assay.errors import AssayError
from rightface.assay.files import PRIVATE, new_name, written_whole
from rightface.assay.leads import Highest, Rows, Scores
from rightface.assay.permits import Standing, require_step, step_beside
from rightface.errors import Refused
from rightface.permit import Touch

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many comparisons are done, of how many."""
FORMAT = 1
HEADER = f"rightface assay comparisons {FORMAT}"
"""What a checkpoint begins with: by this it is known as one, whatever its name."""
_HEADER = "header.npy"
SECONDS = 10.0
"""Between checkpoints."""


class CheckpointError(AssayError):
    """What an earlier run left cannot be gone on from; or nothing can be left for a later one."""

    code = "assay-checkpoint"
    exit_status = 2


@dataclass(eq=False)
class Tally:
    """What has been counted so far."""

    axis: Axis
    impostor: NDArray[np.int64]
    """(G + 1, G + 1, bins), at [lower, higher]."""
    genuine_trials: NDArray[np.int64]
    """(G + 1, G + 1), likewise."""
    leads: Highest
    genuine: list[tuple[Scores, Rows, Rows]] = field(default_factory=list)
    stripes: int = 0

    @classmethod
    def empty(cls, axis: Axis, group_count: int, leads: int, above: float) -> Tally:
        """Nothing yet; no lead will be below `above`."""
        size = group_count + 1
        # Pages of zeros that nobody writes to take no memory: those at [higher, lower] never do.
        impostor = np.zeros((size, size, axis.bins), np.int64)
        return cls(axis, impostor, np.zeros((size, size), np.int64), Highest(leads, above))

    @property
    def genuine_count(self) -> int:
        """Genuine comparisons so far."""
        return sum(len(part[0]) for part in self.genuine)

    def genuine_joined(self) -> tuple[Scores, Rows, Rows]:
        """All genuine comparisons so far."""
        if not self.genuine:
            return np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32)
        scores, a, b = (np.concatenate(each) for each in zip(*self.genuine, strict=True))
        return scores, a, b

    def add(self, counted: Counted) -> None:
        """One more stripe."""
        group = counted.stripe.group
        self.impostor[group, group:] += counted.impostor[group:]
        self.genuine_trials[group] += counted.genuine_trials
        self.genuine.append(counted.genuine)
        self.leads.join(counted.leads)
        self.stripes += 1


def run(
    rows: Sorted,
    empty: Tally,
    *,
    permit: Standing,
    threads: int,
    progress: Progress | None,
    checkpoint: Path | None,
) -> Tally:
    """All stripes of those rows, added to `empty` or to what the checkpoint holds.

    Raises:
        PermitError, Refused: `permit` does not cover COMPARE, or not to the end.
        CheckpointError: the checkpoint is of other data, or damaged; or it cannot be written.
    """
    stripes = rows.stripes()
    tally = empty
    digest = _digest(rows, empty) if checkpoint else ""
    if checkpoint and checkpoint.exists():
        tally = _opened(checkpoint, digest, empty)
    counter = Counter(rows, tally.axis, tally.leads.limit)
    sizes = [stripe.comparisons(len(rows)) for stripe in stripes]
    done, total = sum(sizes[: tally.stripes]), sum(sizes)
    written = time.monotonic()
    with single_products(), ThreadPoolExecutor(threads) as pool:
        waiting = stripes[tally.stripes :]
        running: deque[Future[Counted]] = deque()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * threads and _begins(running, threads, permit):
                    running.append(pool.submit(counter.count, waiting.pop(0), tally.leads.above))
                if not running[0].done():
                    wait(_busy(running), return_when=FIRST_COMPLETED)
                while running and running[0].done():
                    tally.add(running.popleft().result())
                    done += sizes[tally.stripes - 1]
                    if progress:
                        progress(done, total)
                    if checkpoint and time.monotonic() - written >= SECONDS:
                        _write(checkpoint, digest, tally)
                        written = time.monotonic()
        except Refused:
            if checkpoint:
                _write(checkpoint, digest, tally)
            raise
        finally:
            for each in running:
                each.cancel()
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
        new_name(checkpoint).unlink(missing_ok=True)
    return tally


def _busy(running: Iterable[Future[Counted]]) -> list[Future[Counted]]:
    return [each for each in running if not each.done()]


def _begins(running: Iterable[Future[Counted]], threads: int, permit: Standing) -> bool:
    """Whether another stripe may begin, at once: none waits for a thread while its permit ages."""
    busy = _busy(running)
    if busy:
        return len(busy) < threads and step_beside(permit, Touch.COMPARE)
    require_step(permit, Touch.COMPARE)
    return True


def single_products() -> AbstractContextManager[Any]:
    """One thread for each product: the stripes already take all cores.

    The library's own threads would wait for each other at every block, and where cores are shared
    that costs most of the time. Without threadpoolctl this is the environment's to set
    (OPENBLAS_NUM_THREADS=1).
    """
    try:
        limits = importlib.import_module("threadpoolctl").threadpool_limits
    except ImportError:
        return nullcontext()
    told: AbstractContextManager[Any] = limits(1, user_api="blas")
    return told


def _digest(rows: Sorted, empty: Tally) -> str:
    """Over all that decides what is counted, and in which order."""
    axis = empty.axis
    told = hashlib.sha256(
        f"{FORMAT} {axis.lowest!r} {axis.highest!r} {axis.bins} {empty.leads.limit} "
        f"{blocks.ROWS} {blocks.COLUMNS} {rows.probes.shape}".encode()
    )
    for array in (rows.order, rows.subjects, rows.ends, rows.probes, rows.references):
        told.update(array.data)
    return told.hexdigest()


def _write(path: Path, digest: str, tally: Tally) -> None:
    leads = tally.leads.result()
    scores, a, b = tally.genuine_joined()
    upper = np.triu_indices(len(tally.impostor))
    try:
        with written_whole(path, mode=PRIVATE) as file:
            np.savez(
                file,
                header=np.array(HEADER),
                digest=np.array(digest),
                stripes=np.array(tally.stripes),
                impostor=tally.impostor[upper],
                genuine_trials=tally.genuine_trials,
                genuine_scores=scores,
                genuine_a=a,
                genuine_b=b,
                lead_scores=leads.scores,
                lead_a=leads.a,
                lead_b=leads.b,
                above=np.array(leads.above),
            )
    except OSError as error:
        raise CheckpointError(
            "The checkpoint cannot be written.",
            why=str(error.strerror),
            mend="Make room where it lies and run this again; the last one that was written holds.",
        ) from error


def is_checkpoint(path: Path) -> bool:
    """Whether that file is a checkpoint, of whatever data."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as told, told.open(_HEADER) as header:
            return str(np.lib.format.read_array(header, allow_pickle=False)) == HEADER
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def _opened(path: Path, digest: str, empty: Tally) -> Tally:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as told:
            held = {name: told[name] for name in told.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            "The checkpoint cannot be read.", mend="Delete it; the comparison begins again."
        ) from error
    if str(held.get("digest")) != digest:
        raise CheckpointError(
            "The checkpoint is of other data.",
            why="Its templates, subjects, groups, bins or leads are not those of this run.",
            mend="Give another file, or delete it to begin again.",
        )
    leads = Highest(empty.leads.limit, float(held["above"]))
    leads.add(held["lead_scores"], held["lead_a"], held["lead_b"])
    empty.impostor[np.triu_indices(len(empty.impostor))] = held["impostor"]
    return Tally(
        axis=empty.axis,
        impostor=empty.impostor,
        genuine_trials=held["genuine_trials"],
        leads=leads,
        genuine=[(held["genuine_scores"], held["genuine_a"], held["genuine_b"])],
        stripes=int(held["stripes"]),
    )
