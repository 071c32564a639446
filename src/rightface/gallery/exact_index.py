"""The embedded index: exact inner products on the CPU.

Must never know: SQL, subjects, HTTP.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Sequence

import numpy as np

from rightface.errors import GalleryError
from rightface.gallery.index import MOST, Hit, Vectors
from rightface.permit import Permit, Touch, require


class ExactIndex:
    """An `Index` in memory. Vectors of one dimension; thread-safe."""

    def __init__(self, dimension: int) -> None:
        if dimension < 1:
            raise GalleryError("An index needs at least one dimension.")
        self._dimension = dimension
        self._lock = threading.Lock()
        self._slots: dict[str, int] = {}
        self._ids: list[str] = []
        self._vectors = np.zeros((0, dimension), np.float32)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self._dimension

    @property
    def nbytes(self) -> int:
        """Bytes held for vectors, codes and ids."""
        return self._vectors.nbytes

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, face_id: object) -> bool:
        return face_id in self._slots

    def add(self, ids: Sequence[str], vectors: Vectors, *, permit: Permit) -> None:
        """See `Index.add`."""
        require(permit, Touch.STORE)
        vectors = self._checked(vectors)
        if len(ids) != len(vectors) or len(set(ids)) != len(ids):
            raise GalleryError("Each vector needs one id of its own.")
        try:
            ids = [str(uuid.UUID(face_id)) for face_id in ids]
        except (ValueError, AttributeError, TypeError):
            raise GalleryError("Face ids are UUIDs.") from None
        with self._lock:
            self._remove(ids)
            self._slots |= {face_id: len(self._ids) + i for i, face_id in enumerate(ids)}
            self._ids += ids
            self._vectors = np.concatenate([self._vectors, vectors])

    def remove(self, ids: Iterable[str]) -> int:
        """See `Index.remove`."""
        with self._lock:
            return self._remove(ids)

    def _remove(self, ids: Iterable[str]) -> int:
        gone = {
            slot for slot in (self._slots.pop(face_id, None) for face_id in ids) if slot is not None
        }
        if gone:
            kept = [slot for slot in range(len(self._ids)) if slot not in gone]
            self._ids = [self._ids[slot] for slot in kept]
            self._vectors = self._vectors[kept]
            self._slots = {face_id: slot for slot, face_id in enumerate(self._ids)}
        return len(gone)

    def search(self, probes: Vectors, k: int, *, permit: Permit) -> list[list[Hit]]:
        """See `Index.search`."""
        require(permit, Touch.SEARCH)
        if not 1 <= k <= MOST:
            raise GalleryError(f"A search returns 1 to {MOST} faces.")
        probes = self._checked(probes)
        with self._lock:
            scores = probes @ self._vectors.T
            return [
                sorted(
                    (
                        Hit(face_id, float(score))
                        for face_id, score in zip(self._ids, row, strict=True)
                    ),
                    key=lambda hit: (-hit.score, hit.id),
                )[:k]
                for row in scores
            ]

    def clear(self) -> None:
        """Forget everything at once."""
        with self._lock:
            self._remove(list(self._ids))

    def rebuild(self, *, permit: Permit) -> None:
        """See `Index.rebuild`."""
        require(permit, Touch.STORE)

    def _checked(self, vectors: Vectors) -> Vectors:
        vectors = np.ascontiguousarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self._dimension:
            raise GalleryError(f"The index holds vectors of {self._dimension} dimensions.")
        if not np.isfinite(vectors).all():
            raise GalleryError("A vector holds NaN or infinity.")
        return vectors
