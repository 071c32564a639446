"""Coarse codes by slot, scanned in registers: approximate scores of very many vectors at once.

The codes are codebooks.py's. faiss' fast-scan product quantizer scans them (André, Kermarrec, Le
Scouarnec: "Cache locality is not enough: high-performance nearest neighbor search with product
quantization fast scan", VLDB 2015). Encoding and laying out is done here, several times as fast as
faiss does it; that the layout is faiss' is checked whenever codes are learnt. A scan gives
approximate scores, all off by one constant; whoever uses them ranks again.

A vector far outside of what the codebooks reach (a stray) would get a score much too low, and just
from the probes most like it. Strays are few; their slots are listed, to be compared every time.
Knows nothing of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rightface.errors import GalleryError
from rightface.gallery.codebooks import Codebooks, Codes
from rightface.gallery.cores import inner_products, shared

Floats = NDArray[np.float32]
Slots = NDArray[np.int64]
_SEGMENT = 8 << 20  # bytes of one faiss index, which reserves powers of two: few are left unused
_BLOCK = 32  # vectors laid out together
# Byte j of a code's 16 holds the vectors _ORDER[j] (lower half) and _ORDER[j] + 16 (upper half).
_ORDER = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
_BYTE = np.argsort(_ORDER)
_PARTS = 65_536  # vectors from which on a scan is shared among idle cores
TRAINED_ON = 16_384  # vectors at most


class CoarseCodes:
    """Codes by slot, 0 … n−1, under axes and codebooks learnt from a sample."""

    def __init__(self, sample: Floats) -> None:
        self.books = Codebooks(sample)
        self._axes = np.ascontiguousarray(self.books.axes.T)
        self._pairs = -(-self.books.subspaces // 2)
        self._block_bytes = 2 * 16 * self._pairs
        self._most = max(_SEGMENT // self._block_bytes, 1) * _BLOCK  # vectors in one segment
        self._centroids = self.books.centroids.ravel()
        self._segments: list[Any] = []
        self._blocks: list[NDArray[np.uint8]] = []  # each segment's memory: (blocks, codes, 16)
        self._count = 0
        self._strays: set[int] = set()
        self._listed: Slots | None = None  # the strays, as an array, while they last
        _check_layout(self.books.subspaces)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        codes = sum(int(one.codes.round_capacity(one.codes.size())) for one in self._segments)
        return codes + self.books.nbytes + self._axes.nbytes + self._centroids.nbytes

    def append(self, vectors: Floats) -> None:
        """Add the codes of vectors (n, dimension) at the end."""
        projected = self.books.projected(vectors)
        strays = np.flatnonzero(self.books.astray(projected)) + self._count
        self._strays.update(strays.tolist())
        self._listed = None
        codes = self.books.codes(projected)
        while len(codes):
            if not self._segments or self._segments[-1].ntotal == self._most:
                self._segments.append(self._empty())
                self._blocks.append(np.zeros((0, 2 * self._pairs, 16), np.uint8))
            space = self._most - self._segments[-1].ntotal
            self._lay_out(codes[:space])
            codes = codes[space:]

    def move_last(self, target: int) -> None:
        """Overwrite slot `target` with the last code and give the last slot up, zeroed."""
        last = self._count - 1
        here, shift = self._place(last)
        code = here >> shift & 15
        here &= 240 >> shift
        if target != last:
            there, shift = self._place(target)
            there &= 240 >> shift
            there |= code << shift
        stray = last in self._strays
        if stray or target in self._strays:
            self._strays -= {target, last}
            self._listed = None
            if stray and target != last:
                self._strays.add(target)
        segment = self._segments[-1]
        _hold(segment, segment.ntotal - 1)
        self._count = last
        if not segment.ntotal:
            self._segments.pop()
            self._blocks.pop()

    def clear(self) -> None:
        """Zero and give up everything but the codebook."""
        for codes in self.buffers():
            codes[:] = 0
        self._blocks.clear()
        self._segments.clear()
        self._strays.clear()
        self._listed = None
        self._count = 0

    def strays(self) -> Slots:
        """The slots whose vectors a scan misjudges."""
        listed = self._listed
        if listed is None:
            listed = np.fromiter(self._strays, np.int64, len(self._strays))
            self._listed = listed
        return listed

    def scan(self, probe: Floats, depth: int) -> tuple[Floats, Slots, float]:
        """Approximate scores and slots of some `depth` best vectors, by slot.

        Each segment gives its part of them. Last: no vector passed over has a better one.
        """
        query = inner_products(self._axes, probe)[None, :]
        parts = [
            partial(self._scan, number, query, -(-depth * segment.ntotal // self._count))
            for number, segment in enumerate(self._segments)
        ]
        found = shared(parts) if self._count >= _PARTS else [part() for part in parts]
        passed = max(
            (
                float(guesses.min(initial=np.inf))
                for (guesses, slots), segment in zip(found, self._segments, strict=True)
                if len(slots) < segment.ntotal
            ),
            default=-np.inf,
        )
        guesses = np.concatenate([guesses for guesses, _ in found])
        slots = np.concatenate([slots for _, slots in found])
        order = np.argsort(slots)
        return guesses[order], slots[order], passed

    def buffers(self) -> Iterator[NDArray[np.uint8]]:
        """The codes' memory, as views. Do not keep them past a change."""
        for blocks in self._blocks:
            yield blocks.reshape(-1)

    def code(self, slot: int) -> NDArray[np.uint8]:
        """The codes of one slot."""
        here, shift = self._place(slot)
        return np.asarray((here >> shift & 15)[: self.books.subspaces])

    def _scan(self, number: int, query: Floats, depth: int) -> tuple[Floats, Slots]:
        _one_thread()
        segment = self._segments[number]
        guesses, slots = segment.search(query, max(min(depth, segment.ntotal), 1))
        there = slots[0] >= 0
        return guesses[0][there], slots[0][there] + number * self._most

    def _place(self, slot: int) -> tuple[NDArray[np.uint8], int]:
        # The bytes that hold a slot's codes, and by how many bits to shift them.
        number, within = divmod(slot, self._most)
        block, offset = divmod(within, _BLOCK)
        return self._blocks[number][block, :, _BYTE[offset % 16]], offset // 16 * 4

    def _lay_out(self, codes: Codes) -> None:
        # At the end of the last segment, where all bits are zero.
        segment = self._segments[-1]
        first = segment.ntotal
        last = first + len(codes)
        laid = _laid_out(codes, first % _BLOCK)
        self._reserve(-(-last // _BLOCK))
        start = first // _BLOCK
        self._blocks[-1][start : start + len(laid)] |= laid
        _hold(segment, last)
        self._count += len(codes)

    def _reserve(self, blocks: int) -> None:
        # Room for so many blocks in the last segment; what the memory moves from is wiped.
        if blocks <= len(self._blocks[-1]):
            return
        codes, old = self._segments[-1].codes, self._blocks[-1]
        needed, held = blocks * self._block_bytes, len(old)
        saved = None
        if codes.round_capacity(needed) != codes.round_capacity(old.size):
            saved = old.copy()
            old[...] = 0
        codes.resize(needed)
        room = faiss.rev_swig_ptr(codes.get(), codes.size()).reshape(-1, 2 * self._pairs, 16)
        room[held:] = 0
        if saved is not None:
            room[:held] = saved
            saved[...] = 0
        self._blocks[-1] = room

    def _empty(self) -> Any:
        made: Any = faiss.IndexPQFastScan(
            self._axes.shape[0], self.books.subspaces, 4, faiss.METRIC_INNER_PRODUCT, _BLOCK
        )
        faiss.copy_array_to_vector(self._centroids, made.pq.centroids)
        made.is_trained = True
        return made


def _laid_out(codes: Codes, before: int) -> NDArray[np.uint8]:
    """Codes (n, subspaces) as faiss' blocks (blocks, even number of codes, 16).

    `before`: vectors that the first block holds already; their bits are zero in what is returned.
    """
    count, subspaces = codes.shape
    filled = np.zeros((-(-(before + count) // _BLOCK), _BLOCK, subspaces + subspaces % 2), np.uint8)
    filled.reshape(-1, filled.shape[2])[before : before + count, :subspaces] = codes
    both = filled[:, _ORDER] | filled[:, _ORDER + 16] << 4
    return np.asarray(both.transpose(0, 2, 1), np.uint8)


@cache
def _check_layout(subspaces: int) -> None:
    # Vectors that are centroids themselves: does faiss lay their codes out as we do?
    _one_thread()
    drawn = np.random.default_rng(0).integers(0, 16, (_BLOCK + 3, subspaces))
    theirs: Any = faiss.IndexPQFastScan(subspaces, subspaces, 4, faiss.METRIC_INNER_PRODUCT, _BLOCK)
    values = np.tile(np.arange(16, dtype=np.float32), subspaces)
    faiss.copy_array_to_vector(values, theirs.pq.centroids)
    theirs.is_trained = True
    theirs.add(drawn.astype(np.float32))
    ours = _laid_out(drawn.astype(np.uint8), 0).reshape(-1)
    if not np.array_equal(ours, faiss.vector_to_array(theirs.codes)[: len(ours)]):
        raise GalleryError("This faiss lays codes out otherwise than the index does.")


def _hold(segment: Any, count: int) -> None:
    segment.ntotal = count
    segment.ntotal2 = -(-count // _BLOCK) * _BLOCK


def _one_thread() -> None:
    # For this thread only (an OpenMP rule). Requests are what runs in parallel here; threads that
    # spin for each other make every one of them slower.
    faiss.omp_set_num_threads(1)
