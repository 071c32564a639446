"""Coarse codes: 4 bits for each principal axis of the vectors, scanned in registers.

The vectors of a face network vary along far fewer axes than they have components (77 of 128, in the
pack that ships), and around a common mean. So the axes come first (principal components of a
sample); each of the wider ones gets a 4-bit codebook of its own, the narrow ones share one by twos.
faiss' fast-scan product quantizer does the rest (André, Kermarrec, Le Scouarnec: "Cache locality
is not enough: high-performance nearest neighbor search with product quantization fast scan",
VLDB 2015). A scan gives approximate scores, all off by one constant; whoever uses them ranks again.
Knows nothing of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_SEGMENT = 1 << 18  # vectors in one faiss index: it doubles its memory to grow, this bounds that
_CODES = 96  # 4-bit codes per vector, at most
_VARIANCE = 0.9995  # share of the sample's variance that the axes must hold
TRAINED_ON = 65_536  # vectors at most


class CoarseCodes:
    """Codes by slot, 0 … n−1, under axes and codebooks learnt from a sample."""

    def __init__(self, sample: Floats) -> None:
        _one_thread()
        self._mean = sample.mean(axis=0)
        self._axes, self._subspaces = _principal_axes(sample - self._mean)
        self._book = self._empty()
        self._book.pq.cp.min_points_per_centroid = 1  # few are better than none: no warning
        self._book.train(self._projected(sample))
        self._packer = self._book.get_CodePacker()
        self._segments: list[Any] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        codes = sum(int(one.codes.round_capacity(one.codes.size())) for one in self._segments)
        book = 4 * 16 * int(self._axes.shape[1])
        return codes + book + self._axes.nbytes

    def append(self, vectors: Floats) -> None:
        """Add the codes of vectors (n, dimension) at the end."""
        _one_thread()
        vectors = self._projected(vectors)
        while len(vectors):
            if not self._segments or self._segments[-1].ntotal == _SEGMENT:
                self._segments.append(self._empty())
            last = self._segments[-1]
            some = vectors[: _SEGMENT - last.ntotal]
            last.add(some)
            self._count += len(some)
            vectors = vectors[len(some) :]

    def move_last(self, target: int) -> None:
        """Overwrite slot `target` with the last code and give the last slot up, zeroed."""
        last = self._count - 1
        block, offset = self._place(last)
        code = self._packer.unpack_1(block, offset)
        to_block, to_offset = self._place(target)
        self._packer.pack_1(code, to_offset, to_block)
        self._packer.pack_1(np.zeros_like(code), offset, block)
        segment = self._segments[-1]
        segment.ntotal -= 1
        segment.ntotal2 = -(-segment.ntotal // segment.bbs) * segment.bbs
        self._count = last
        if not segment.ntotal:
            self._segments.pop()

    def clear(self) -> None:
        """Zero and give up everything but the codebook."""
        for codes in self.buffers():
            codes[:] = 0
        self._segments.clear()
        self._count = 0

    def scan(self, probe: Floats, depth: int) -> tuple[Floats, NDArray[np.int64]]:
        """Approximate scores and slots of some `depth` best vectors, best first."""
        _one_thread()
        query = np.ascontiguousarray(probe[None, :] @ self._axes)
        found = [self._scan(number, query, depth) for number in range(len(self._segments))]
        scores = np.concatenate([scores for scores, _ in found])
        slots = np.concatenate([slots for _, slots in found])
        if len(found) > 1 and len(scores) > depth:
            best = np.argpartition(-scores, depth - 1)[:depth]
            scores, slots = scores[best], slots[best]
        return scores, slots

    def buffers(self) -> Iterator[NDArray[np.uint8]]:
        """The codes' memory, as views. Do not keep them past a change."""
        for segment in self._segments:
            yield faiss.rev_swig_ptr(segment.codes.get(), segment.codes.size())

    def _scan(self, number: int, query: Floats, depth: int) -> tuple[Floats, NDArray[np.int64]]:
        segment = self._segments[number]
        scores, slots = segment.search(query, min(depth, segment.ntotal))
        there = slots[0] >= 0
        return scores[0][there], slots[0][there] + number * _SEGMENT

    def _place(self, slot: int) -> tuple[NDArray[np.uint8], int]:
        segment = self._segments[slot // _SEGMENT]
        codes = faiss.rev_swig_ptr(segment.codes.get(), segment.codes.size())
        size, each = self._packer.block_size, self._packer.nvec
        number, offset = divmod(slot % _SEGMENT, each)
        return codes[number * size : (number + 1) * size].reshape(1, size), offset

    def _empty(self) -> Any:
        made: Any = faiss.IndexPQFastScan(
            self._axes.shape[1], self._subspaces, 4, faiss.METRIC_INNER_PRODUCT
        )
        if hasattr(self, "_book"):
            made.pq = self._book.pq
            made.is_trained = True
        return made

    def _projected(self, vectors: Floats) -> Floats:
        return np.ascontiguousarray((vectors - self._mean) @ self._axes)


def _principal_axes(centred: Floats) -> tuple[Floats, int]:
    # Columns: the axes, one per subspace, or two (an empty one beside each of the wider axes).
    # Of those that share, the widest goes with the narrowest: "Optimized product quantization"
    # (Ge, He, Ke, Sun, CVPR 2013), eigenvalue allocation.
    covariance = centred.T.astype(np.float64) @ centred / len(centred)
    spread, axes = np.linalg.eigh(covariance)
    spread, axes = np.maximum(spread[::-1], 0), axes[:, ::-1].astype(np.float32)
    held = np.cumsum(spread) < _VARIANCE * spread.sum()
    kept = min(int(np.count_nonzero(held)) + 1, 2 * _CODES, len(axes))
    if kept <= _CODES:
        return np.ascontiguousarray(axes[:, :kept]), kept
    shared = kept - _CODES
    columns = np.zeros((len(axes), 2 * _CODES), np.float32)
    columns[:, 0::2] = axes[:, :_CODES]
    columns[:, 2 * (_CODES - shared) + 1 :: 2] = axes[:, kept - 1 : _CODES - 1 : -1]
    return columns, _CODES


def _one_thread() -> None:
    # For this thread only (an OpenMP rule). Requests are what runs in parallel here; threads that
    # spin for each other make every one of them slower.
    faiss.omp_set_num_threads(1)
