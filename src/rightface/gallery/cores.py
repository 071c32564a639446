"""The processor's cores, shared by searches: a lone search uses those that no other search needs.

Knows nothing of what is computed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Floats = NDArray[np.float32]
CORES = len(os.sched_getaffinity(0))
_pool = ThreadPoolExecutor(max(CORES - 1, 1), thread_name_prefix="search")


@contextmanager
def working() -> Iterator[None]:
    """Inside, this thread counts as busy."""
    _busy.add(1)
    try:
        yield
    finally:
        _busy.add(-1)


def shared(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """What each task returns, in order; idle cores help. Call it from inside `working`."""
    helpers = _busy.take_idle(len(tasks) - 1)
    if not helpers:
        return [task() for task in tasks]
    done: list[T | None] = [None] * len(tasks)
    waiting = iter(enumerate(tasks))  # a list's iterator gives each item once, to any thread
    turn = threading.Lock()

    def work() -> None:
        while True:
            with turn:
                number, task = next(waiting, (-1, None))
            if task is None:
                return
            done[number] = task()

    helping = [_pool.submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        # Whoever has not begun is not needed any more; nobody may go on after the return.
        wait([one for one in helping if not one.cancel()])
        _busy.add(-helpers)
    for one in helping:
        if not one.cancelled():
            one.result()  # raises what the helper raised
    return done  # type: ignore[return-value]


def inner_products(rows: Floats, vector: Floats) -> Floats:
    """`rows @ vector` on this thread alone: a threaded BLAS gets in other searches' way."""
    made = np.empty(len(rows), np.float32)
    if len(rows):
        faiss.fvec_inner_products_ny(  # type: ignore[attr-defined]  # not in faiss' stubs
            faiss.swig_ptr(made),
            faiss.swig_ptr(vector),
            faiss.swig_ptr(rows),
            rows.shape[1],
            len(rows),
        )
    return made


class _Busy:
    """How many threads are at work in here."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count

    def take_idle(self, wanted: int) -> int:
        """Take up to `wanted` idle cores; `add` gives them back."""
        with self._lock:
            helpers = max(min(wanted, CORES - self._count), 0)
            self._count += helpers
        return helpers


_busy = _Busy()
