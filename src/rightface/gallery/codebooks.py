"""Codebooks of 4 bits for each principal axis of some vectors.

The vectors of a face network vary along far fewer axes than they have components (77 of 128, in the
pack that ships), and around a common mean. So the axes come first (principal components of a
sample), turned at random among themselves so that all are as wide. Each gets a codebook of 16
values (Lloyd, "Least squares quantization in PCM", 1982); if there are too many axes, the least
important ones share a code by twos, with 4 values each. Knows nothing of slots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]  # shape (n, subspaces), each 0 … 15
_CODES = 96  # 4-bit codes per vector, at most
_VARIANCE = 0.9995  # share of the sample's variance that the axes must hold
_STRAYS = 1e-3  # share of the sample that counts as stray
_ROUNDS = 25  # of Lloyd's algorithm


class Codebooks:
    """Axes and codebooks learnt from a sample (n, dimension)."""

    def __init__(self, sample: Floats) -> None:
        self._mean = sample.mean(axis=0)
        self.axes, self.subspaces = _principal_axes(sample - self._mean)
        self.each = int(self.axes.shape[1]) // self.subspaces  # columns per code: 1 or 2
        projected = self.projected(sample)
        self._values = [
            _values(column, self._entries(number)) for number, column in enumerate(projected.T)
        ]
        self._borders = [(book[1:] + book[:-1]) / 2 for book in self._values]
        self._lowest = np.array([book[0] for book in self._values])
        self._highest = np.array([book[-1] for book in self._values])
        beyond = self._beyond(projected)
        self._far = max(float(np.quantile(beyond, 1 - _STRAYS)), 1e-12)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        values = sum(one.nbytes for one in self._values)
        return int(self.axes.nbytes + self._mean.nbytes + 2 * values)

    @property
    def centroids(self) -> Floats:
        """What each code stands for: (subspaces, 16, columns per code)."""
        made = np.zeros((self.subspaces, 16, self.each), np.float32)
        for subspace in range(self.subspaces):
            books = self._values[subspace * self.each : (subspace + 1) * self.each]
            grid = np.meshgrid(*books, indexing="ij")
            points = np.stack([one.ravel() for one in grid], axis=1)
            made[subspace, : len(points)] = points
        return made

    def projected(self, vectors: Floats) -> Floats:
        """Vectors (n, dimension) along the axes."""
        return np.ascontiguousarray((vectors - self._mean) @ self.axes)

    def codes(self, projected: Floats) -> Codes:
        """The codes of projected vectors."""
        columns = np.ascontiguousarray(projected.T)
        made = np.zeros((self.subspaces, len(projected)), np.uint8)
        for number, (column, borders) in enumerate(zip(columns, self._borders, strict=True)):
            code = made[number // self.each]
            code *= len(borders) + 1
            code += np.searchsorted(borders, column).astype(np.uint8)
        return np.ascontiguousarray(made.T)

    def astray(self, projected: Floats) -> NDArray[np.bool_]:
        """Which projected vectors the codes describe badly."""
        return self._beyond(projected) > self._far

    def _entries(self, column: int) -> int:
        # 16 values for a column that has a code of its own, 4 for one that shares, 1 for an empty.
        if self.each == 1:
            return 16
        beside = column ^ 1
        if not self.axes[:, column].any():
            return 1
        return 4 if self.axes[:, beside].any() else 16

    def _beyond(self, projected: Floats) -> Floats:
        # How far vectors lie outside of what the codebooks reach: the square of the distance.
        outside = projected - np.clip(projected, self._lowest, self._highest)
        return np.asarray(np.einsum("ij,ij->i", outside, outside))


def _values(column: Floats, entries: int) -> Floats:
    # Lloyd's algorithm on sorted numbers: cells are slices, means are differences of a running sum.
    ordered = np.sort(column.astype(np.float64))
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    places = (np.arange(entries) + 0.5) / entries * len(ordered)
    values = ordered[np.minimum(places.astype(np.int64), len(ordered) - 1)]
    for _ in range(_ROUNDS):
        inner = np.searchsorted(ordered, (values[1:] + values[:-1]) / 2)
        edges = np.concatenate([[0], inner, [len(ordered)]])
        sizes = np.diff(edges)
        values = np.where(sizes > 0, np.diff(total[edges]) / np.maximum(sizes, 1), values)
    return np.sort(values).astype(np.float32)


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
