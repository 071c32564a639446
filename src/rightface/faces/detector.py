"""Finds faces: CenterFace (Xu et al. 2019, arXiv:1911.03599) on ONNX Runtime.

An image is scaled so that its longest side is at most `side` pixels, padded to multiples of 32, and
images of equal size go through the network together. Small images are never enlarged.
Never knows templates, law or storage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from rightface.faces.face import Box, Landmarks
from rightface.faces.graph import DETECTOR_OUTPUTS
from rightface.faces.image import Pixels
from rightface.permit import Permit, Touch, require

Numbers = NDArray[np.float32]

STRIDE = 4
"""One cell of the network's maps stands for so many pixels."""
MULTIPLE = 32
"""Height and width of the network's input are multiples of this."""
SCORE = 0.5
"""Least confidence of a face, CenterFace's own default."""
OVERLAP = 0.3
"""Intersection over union from which two boxes are one face, CenterFace's own value."""
CANDIDATES = 2000
"""Of more cells than these that see a face, the most confident are taken."""
BATCH_PIXELS = 640 * 640
"""Images go through the network together up to so many pixels; more gains nothing on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A face as the detector sees it, in pixels of the image given."""

    box: Box
    score: float
    landmarks: Landmarks


@dataclass(frozen=True)
class _Scaled:
    """An image as the network gets it."""

    pixels: Pixels
    x: float
    """Scaled pixels to a pixel of the image, across."""
    y: float
    width: int
    """Of the image given."""
    height: int


class Detector:
    """CenterFace behind one method. Thread-safe, as its session is."""

    def __init__(self, session: ort.InferenceSession, *, side: int) -> None:
        """`side`: longest side, in pixels, at which faces are looked for."""
        self._session = session
        self._side = side

    def detect(
        self, images: Sequence[Pixels], *, permit: Permit, max_faces: int = 100
    ) -> list[list[Detection]]:
        """For each image its faces, the largest first, at most `max_faces`.

        Raises:
            PermitError: `permit` does not cover DETECT.
        """
        require(permit, Touch.DETECT)
        scaled = [_scaled(image, self._side) for image in images]
        alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for position, image in enumerate(scaled):
            alike[image.pixels.shape].append(position)
        found: list[list[Detection]] = [[] for _ in images]
        for shape, positions in alike.items():
            batch = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
            for start in range(0, len(positions), batch):
                some = positions[start : start + batch]
                maps = self._infer(np.stack([scaled[position].pixels for position in some]))
                for row, position in enumerate(some):
                    own = [outputs[row] for outputs in maps]
                    found[position] = _faces(own, scaled[position], max_faces)
        return found

    def _infer(self, batch: Pixels) -> list[Numbers]:
        maps: list[Numbers] = self._session.run(list(DETECTOR_OUTPUTS), {"images": batch})
        return maps


def _scaled(image: Pixels, side: int) -> _Scaled:
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    pixels = image
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = np.asarray(small)
    rows, columns = pixels.shape[:2]
    padded = np.zeros((_multiple(rows), _multiple(columns), 3), np.uint8)
    padded[:rows, :columns] = pixels
    return _Scaled(padded, columns / width, rows / height, width, height)


def _multiple(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE


def _faces(maps: list[Numbers], image: _Scaled, max_faces: int) -> list[Detection]:
    boxes, scores, landmarks = _candidates(maps)
    kept = _suppress(boxes, scores)
    to_image = np.array([image.x, image.y], np.float32)
    limits = np.array([image.width, image.height], np.float32)
    corners = np.clip(boxes[kept].reshape(-1, 2, 2) / to_image, 0, limits)
    points = landmarks[kept] / to_image
    sizes = corners[:, 1] - corners[:, 0]
    areas = sizes.prod(axis=1)
    order = [face for face in np.argsort(-areas, kind="stable") if areas[face] > 0][:max_faces]
    return [
        Detection(
            box=Box(*(float(number) for number in (*corners[face, 0], *sizes[face]))),
            score=float(scores[kept[face]]),
            landmarks=points[face],
        )
        for face in order
    ]


def _candidates(maps: list[Numbers]) -> tuple[Numbers, Numbers, Numbers]:
    """Boxes (n, 4) as x1, y1, x2, y2, scores (n,) and landmarks (n, 5, 2), most confident first.

    The maps are those of CenterFace's `decode`: logarithms of the sizes (height, width), offsets of
    the centre (y, x), landmarks (y, x) as shares of the box from its upper left corner.
    """
    heat, scale, offset, landmark = maps
    rows, columns = np.nonzero(heat[0] > SCORE)
    scores = heat[0, rows, columns]
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    rows, columns, scores = rows[order], columns[order], scores[order]
    sizes = np.exp(np.minimum(scale[::-1, rows, columns], 8.0)).T * STRIDE
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    centres = (cells + offset[::-1, rows, columns].T + 0.5) * STRIDE
    first = centres - sizes / 2
    shares = landmark[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
    points = first[:, None, :] + shares * sizes[:, None, :]
    boxes = np.concatenate([first, first + sizes], axis=1)
    return (
        boxes.astype(np.float32, copy=False),
        scores.astype(np.float32, copy=False),
        points.astype(np.float32, copy=False),
    )


def _suppress(boxes: Numbers, scores: Numbers) -> NDArray[np.intp]:
    """Non-maximum suppression: which of the boxes, most confident first, are faces of their own."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(scores))
    kept: list[int] = []
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        first = np.maximum(boxes[best, :2], boxes[rest, :2])
        last = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.clip(last - first, 0, None).prod(axis=1)
        union = areas[best] + areas[rest] - shared
        left = rest[shared < OVERLAP * union]
    return np.array(kept, np.intp)


