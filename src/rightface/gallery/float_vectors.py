"""Vectors as float32, for few: all of them are compared at once. Knows nothing of ids."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from rightface.gallery.cores import inner_products
from rightface.gallery.table import Table

Floats = NDArray[np.float32]
Slots = NDArray[np.int64]


class FloatVectors:
    """Vectors by slot, 0 … n−1."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._rows = Table((dimension,), np.float32)
        self._longest = 0.0  # Euclidean length, of all that were ever here
        self.tables = (self._rows,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return self._rows.nbytes

    def append(self, vectors: Floats) -> None:
        """Add vectors (n, dimension) at the end."""
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        self._longest = max(self._longest, float(lengths.max(initial=0.0)))
        self._rows.append(vectors)

    def move_last(self, target: int) -> None:
        """Overwrite slot `target` with the last vector and give the last slot up, zeroed."""
        self._rows.move_last(target)

    def clear(self) -> None:
        """Zero and give up everything."""
        self._rows.clear()
        self._longest = 0.0

    def floats(self, slots: Slots | slice) -> Floats:
        """The vectors of some slots."""
        floats: Floats = self._rows.rows[slots]
        return floats

    def bounds(self, probe: Floats, slots: Slots | None) -> tuple[Floats, Floats]:
        """Scores of some slots (None: all) in float32; how far off each can be."""
        rows = self._rows.rows[: len(self)] if slots is None else self._rows.rows[slots]
        scores = inner_products(rows, probe)
        return scores, np.full(len(scores), self._slack(probe), np.float32)

    def likely(self, probe: Floats, k: int) -> Slots:
        """The slots that may be among the `k` best: few more than `k`, unless scores crowd."""
        asked, count = k + 8, len(self)
        if asked < count:
            faiss.omp_set_num_threads(1)
            rows = self._rows.rows[:count]
            scores, slots = faiss.knn(probe[None], rows, asked, faiss.METRIC_INNER_PRODUCT)
            if scores[0, -1] < scores[0, k - 1] - 2 * self._slack(probe):
                return np.asarray(slots[0], np.int64)
        return np.arange(count)

    def scores(self, probe: Floats, slots: Slots) -> Floats:
        """Exact scores of some slots: summed in float64, in an order that no slot changes."""
        whole = self._rows.rows[slots].astype(np.float64)
        return np.asarray(np.einsum("ij,j->i", whole, probe.astype(np.float64)), np.float32)

    def _slack(self, probe: Floats) -> float:
        # float32's own error in a sum of products, by Cauchy and Schwarz.
        length = float(np.sqrt(np.square(probe, dtype=np.float64).sum()))
        return 2.0**-23 * (self._dimension + 1) * self._longest * length
