"""Vectors as 22-bit fixed-point numbers: 2¾ bytes a component, exact to 2⁻²² of the largest.

x ≈ (64·high + low) · 2^(e−21), with one exponent e per vector, so that |x| < 2^e. The upper 16
bits alone bound every score from both sides; the lower 6 are read only where that does not decide.
A score of unit vectors is off by less than 1e-6 (typically 1e-7). Knows nothing of ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.gallery.cores import inner_products
from rightface.gallery.table import Table

Floats = NDArray[np.float32]
Slots = NDArray[np.int64]
_LOWEST, _HIGHEST = -120, 120  # exponents kept; beyond, float32 itself gives out
_AT_ONCE = 2048  # vectors turned into floats at a time: fits the processor's cache


@dataclass(frozen=True)
class Fixed:
    """Some vectors in this form."""

    high: NDArray[np.int16]  # shape (n, dimension)
    low: NDArray[np.uint8]  # shape (n, 3·⌈dimension/4⌉): four components in three bytes
    exponent: NDArray[np.int8]  # shape (n,)


def fixed(vectors: Floats) -> Fixed:
    """Vectors (n, dimension), finite, to fixed point."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    exponent = np.clip(np.frexp(largest)[1], _LOWEST, _HIGHEST).astype(np.int32)
    # A multiplication by a power of two rounds nothing: float32 carries 24 bits.
    scaled = np.rint(np.ldexp(vectors, 21 - exponent[:, None]))
    whole = np.clip(scaled, -(2**21), 2**21 - 1).astype(np.int32)
    low = _packed((whole & 63).astype(np.uint8))
    return Fixed((whole >> 6).astype(np.int16), low, exponent.astype(np.int8))


def _packed(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count, dimension = low.shape
    fours = np.pad(low, ((0, 0), (0, -dimension % 4))).reshape(count, -1, 4)
    one, two, three, four = (fours[:, :, i] for i in range(4))
    packed = np.stack([one | two << 6, two >> 2 | three << 4, three >> 4 | four << 2], axis=2)
    return packed.reshape(count, -1)


def _unpacked(packed: NDArray[np.uint8], dimension: int) -> NDArray[np.uint8]:
    threes = packed.reshape(len(packed), -1, 3)
    one, two, three = (threes[:, :, i] for i in range(3))
    fours = np.stack(
        [one & 63, one >> 6 | (two & 15) << 2, two >> 4 | (three & 3) << 4, three >> 2], axis=2
    )
    return fours.reshape(len(packed), -1)[:, :dimension]


class FixedVectors:
    """Fixed-point vectors by slot, 0 … n−1."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._high = Table((dimension,), np.int16)
        self._low = Table((3 * -(-dimension // 4),), np.uint8)
        self._exponent = Table((), np.int8)
        self.tables = (self._high, self._low, self._exponent)

    def __len__(self) -> int:
        return len(self._exponent)

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return sum(table.nbytes for table in self.tables)

    def append(self, vectors: Floats) -> None:
        """Add vectors (n, dimension) at the end."""
        made = fixed(vectors)
        self._high.append(made.high)
        self._low.append(made.low)
        self._exponent.append(made.exponent)

    def move_last(self, target: int) -> None:
        """Overwrite slot `target` with the last vector and give the last slot up, zeroed."""
        for table in self.tables:
            table.move_last(target)

    def clear(self) -> None:
        """Zero and give up everything."""
        for table in self.tables:
            table.clear()

    def floats(self, slots: Slots | slice) -> Floats:
        """The vectors of some slots, as float32."""
        whole = self._high.rows[slots].astype(np.float32) * np.float32(64)
        whole += _unpacked(self._low.rows[slots], self._dimension)
        exponent = self._exponent.rows[slots].astype(np.int32)
        floats: Floats = np.ldexp(whole, exponent[:, None] - 21)
        return floats

    def bounds(self, probe: Floats, slots: Slots | None) -> tuple[Floats, Floats]:
        """Scores of some slots (None: all) from the upper 16 bits; how far off each can be."""
        count = len(self) if slots is None else len(slots)
        scores = np.empty(count, np.float32)
        for start in range(0, count, _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, count))
            rows = self._high.rows[part if slots is None else slots[part]]
            scores[part] = inner_products(rows.astype(np.float32), probe)
        scores += np.float32(
            probe.sum(dtype=np.float64) / 2
        )  # the low bits are half a step, in the mean
        # Half a step for the low bits, and float32's own error in the sum above.
        weight = np.abs(probe).sum(dtype=np.float64)
        slack = np.float32(weight * (0.5 + 32768 * len(probe) * 2.0**-23))
        exponent = self._exponent.rows[:count] if slots is None else self._exponent.rows[slots]
        power = exponent.astype(np.int32) - 15
        return np.ldexp(scores, power), np.ldexp(slack, power)

    def scores(self, probe: Floats, slots: Slots) -> Floats:
        """Exact scores of some slots: summed in float64, in an order that no slot changes."""
        whole = self._high.rows[slots].astype(np.float64) * 64
        whole += _unpacked(self._low.rows[slots], self._dimension)
        sums = np.einsum("ij,j->i", whole, probe.astype(np.float64))
        exact = np.ldexp(sums, self._exponent.rows[slots].astype(np.int32) - 21)
        return np.asarray(exact, np.float32)
