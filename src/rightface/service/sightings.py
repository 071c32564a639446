"""Faces of a video as a compact table: what a job seals, and opens a page of.

Must never know: storage, law, a wire format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightface.service.sight import LANDMARKS
from rightface.service_types import DetectedFace

_NUMBERS = (
    *("left", "top", "width", "height", "confidence"),
    *("yaw", "pitch", "roll", "sharpness", "brightness"),
)
_ROW = np.dtype([("at", "<i8"), ("numbers", "<f4", (len(_NUMBERS) + 2 * len(LANDMARKS),))])
Table = NDArray[np.void]
"""(n,): milliseconds, and a face's numbers, 88 bytes a row."""


def row(at_ms: int, face: DetectedFace) -> tuple[int, list[float]]:
    """One face of one frame."""
    points = [number for name in LANDMARKS for number in face.landmarks[name]]
    return at_ms, [*(getattr(face, name) for name in _NUMBERS), *points]


def packed(rows: Sequence[tuple[int, list[float]]]) -> bytes:
    """Rows as bytes."""
    return np.array(rows, _ROW).tobytes()


def unpacked(content: bytes) -> Table:
    """The inverse of `packed`."""
    table: Table = np.frombuffer(content, _ROW)
    return table


def face_of(entry: Any) -> DetectedFace:
    """The face of one row of a table."""
    numbers = [float(number) for number in entry["numbers"]]
    points = numbers[len(_NUMBERS) :]
    told: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=False))
    return DetectedFace(
        **told,
        landmarks={
            name: (points[2 * place], points[2 * place + 1]) for place, name in enumerate(LANDMARKS)
        },
    )
