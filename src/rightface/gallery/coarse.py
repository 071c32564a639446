"""Coarse codes: 4 bits for each principal axis of the vectors, scanned in registers.

The vectors of a face network vary along far fewer axes than they have components (77 of 128, in the
pack that ships), and around a common mean. So the axes come first (principal components of a
sample), turned at random among themselves so that all are as wide; each gets a 4-bit codebook of
its own, and if there are too many, the least important ones share one by twos.
faiss' fast-scan product quantizer does the rest (André, Kermarrec, Le Scouarnec: "Cache locality
is not enough: high-performance nearest neighbor search with product quantization fast scan",
VLDB 2015). A scan gives approximate scores, all off by one constant; whoever uses them ranks again.

A vector far outside of what the codebooks reach (a stray) would get a score much too low, and just
from the probes most like it. Strays are few; their slots are listed, to be compared every time.
Knows nothing of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_SEGMENT = 16 << 20  # bytes of one faiss index, which reserves powers of two: few are left unused
_CODES = 96  # 4-bit codes per vector, at most
_VARIANCE = 0.9995  # share of the sample's variance that the axes must hold
_STRAYS = 1e-3  # share of the sample that counts as stray
TRAINED_ON = 65_536  # vectors at most


class CoarseCodes:
    """Codes by slot, 0 … n−1, under axes and codebooks learnt from a sample."""

    def __init__(self, sample: Floats) -> None:
        _one_thread()
        self._mean = sample.mean(axis=0)
        self._axes, self._subspaces = _principal_axes(sample - self._mean)
        self._book = self._empty()
        self._book.pq.cp.min_points_per_centroid = 1  # few are better than none: no warning
        projected = self._projected(sample)
        self._book.train(projected)
        self._packer = self._book.get_CodePacker()
        self._lowest, self._highest = _reach(self._book, self._subspaces)
        self._far = max(float(np.quantile(self._beyond(projected), 1 - _STRAYS)), 1e-12)
        each, block = int(self._packer.nvec), int(self._packer.block_size)
        self._most = max(_SEGMENT // block, 1) * each  # vectors in one segment
        self._segments: list[Any] = []
        self._count = 0
        self._strays: set[int] = set()
        self._listed: NDArray[np.int64] | None = None  # the strays, as an array, while they last

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
        strays = np.flatnonzero(self._beyond(vectors) > self._far) + self._count
        self._strays.update(strays.tolist())
        self._listed = None
        while len(vectors):
            if not self._segments or self._segments[-1].ntotal == self._most:
                self._segments.append(self._empty())
            last = self._segments[-1]
            some = vectors[: self._most - last.ntotal]
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
        stray = last in self._strays
        self._strays -= {target, last}
        if stray and target != last:
            self._strays.add(target)
        self._listed = None
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
        self._strays.clear()
        self._listed = None
        self._count = 0

    def strays(self) -> NDArray[np.int64]:
        """The slots whose vectors a scan misjudges."""
        listed = self._listed
        if listed is None:
            listed = np.fromiter(self._strays, np.int64, len(self._strays))
            self._listed = listed
        return listed

    def scan(self, probe: Floats, depth: int) -> tuple[Floats, NDArray[np.int64]]:
        """Approximate scores and slots of some `depth` best vectors, by slot."""
        _one_thread()
        query = np.ascontiguousarray(probe[None, :] @ self._axes)
        found = [self._scan(number, query, depth) for number in range(len(self._segments))]
        scores = np.concatenate([scores for scores, _ in found])
        slots = np.concatenate([slots for _, slots in found])
        if len(found) > 1 and len(scores) > depth:
            best = np.argpartition(-scores, depth - 1)[:depth]
            scores, slots = scores[best], slots[best]
        order = np.argsort(slots)
        return scores[order], slots[order]

    def buffers(self) -> Iterator[NDArray[np.uint8]]:
        """The codes' memory, as views. Do not keep them past a change."""
        for segment in self._segments:
            yield faiss.rev_swig_ptr(segment.codes.get(), segment.codes.size())

    def _scan(self, number: int, query: Floats, depth: int) -> tuple[Floats, NDArray[np.int64]]:
        segment = self._segments[number]
        scores, slots = segment.search(query, min(depth, segment.ntotal))
        there = slots[0] >= 0
        return scores[0][there], slots[0][there] + number * self._most

    def _place(self, slot: int) -> tuple[NDArray[np.uint8], int]:
        segment = self._segments[slot // self._most]
        codes = faiss.rev_swig_ptr(segment.codes.get(), segment.codes.size())
        size, each = self._packer.block_size, self._packer.nvec
        number, offset = divmod(slot % self._most, each)
        return codes[number * size : (number + 1) * size].reshape(1, size), offset

    def _empty(self) -> Any:
        made: Any = faiss.IndexPQFastScan(
            self._axes.shape[1], self._subspaces, 4, faiss.METRIC_INNER_PRODUCT
        )
        if hasattr(self, "_book"):
            made.pq = self._book.pq
            made.is_trained = True
        return made

    def _beyond(self, projected: Floats) -> Floats:
        # How far vectors lie outside of what the codebooks reach: the square of the distance.
        outside = projected - np.clip(projected, self._lowest, self._highest)
        return np.asarray(np.einsum("ij,ij->i", outside, outside))

    def _projected(self, vectors: Floats) -> Floats:
        return np.ascontiguousarray((vectors - self._mean) @ self._axes)


def _reach(book: Any, subspaces: int) -> tuple[Floats, Floats]:
    # The least and greatest value of each component in the codebooks.
    entries = faiss.vector_to_array(book.pq.centroids).reshape(subspaces, 16, -1)
    return entries.min(axis=1).ravel(), entries.max(axis=1).ravel()


def _principal_axes(centred: Floats) -> tuple[Floats, int]:
    # Columns: the axes, one per subspace, or two (an empty one beside each that has its own).
    covariance = centred.T.astype(np.float64) @ centred / len(centred)
    spread, axes = np.linalg.eigh(covariance)
    spread, axes = np.maximum(spread[::-1], 0), axes[:, ::-1]
    held = np.cumsum(spread) < _VARIANCE * spread.sum()
    kept = min(int(np.count_nonzero(held)) + 1, 2 * _CODES, len(axes))
    own = kept if kept <= _CODES else 2 * _CODES - kept
    mixed = np.hstack([_mixed(axes[:, :own]), _mixed(axes[:, own:kept])]).astype(np.float32)
    if kept <= _CODES:
        return np.ascontiguousarray(mixed), kept
    columns = np.zeros((len(axes), 2 * _CODES), np.float32)
    columns[:, 0 : 2 * own : 2] = mixed[:, :own]
    columns[:, 2 * own :] = mixed[:, own:]
    return columns, _CODES


def _mixed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    # Turned at random among themselves: the same error in the mean, but no single axis on which a
    # vector and the probes most like it lie out of the codebook's reach together.
    count = axes.shape[1]
    drawn = np.random.default_rng(count).standard_normal((count, count))
    turn: NDArray[np.float64] = np.linalg.qr(drawn)[0]
    return np.asarray(axes @ turn)


def _one_thread() -> None:
    # For this thread only (an OpenMP rule). Requests are what runs in parallel here; threads that
    # spin for each other make every one of them slower.
    faiss.omp_set_num_threads(1)
