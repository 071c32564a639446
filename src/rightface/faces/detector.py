"""Finds faces: CenterFace (Xu et al. 2019, arXiv:1911.03599) on ONNX Runtime.

An image is scaled so that its longest side is at most `side` pixels, padded to multiples of 32, and
images of equal size go through the network together. Small images are never enlarged. A second look
at each face, at one size, places its landmarks.
Never knows templates, law or storage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rightface.faces import align
from rightface.faces.face import Box, Landmarks
from rightface.faces.image import Pixels
from rightface.faces.sessions import Model
from rightface.permit import Permit, Touch, require

Numbers = NDArray[np.float32]

MAPS = ("heatmap", "scale", "offset", "landmarks")
"""CenterFace's outputs, each of a quarter of the image's height and width."""
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
LOOKS = (8, 4, 2, 1)
"""Where the largest face alone is asked for: the fractions of full size to look at, in turn."""
COARSE = 4
"""Where all faces are asked for: the fraction of full size at which the largest are looked for."""
COARSE_SIDE = 60
"""Longest side, in pixels, below which a coarse look is not worth its time."""
LARGE = 20.0
"""Pixels (root of the box's area) from which a face seen in a coarse look ends the search."""
MIRRORED = [1, 0, 2, 4, 3]
"""Which landmark of a face is which of its mirror image."""
PATCH_SIDE, FACE_SIDE = 96, 64
"""The second look: a square patch around each face, and the face's size in it, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A face as the detector sees it, in pixels of the image given."""

    box: Box
    score: float
    """Confidence, 0..1."""
    landmarks: Landmarks
    confirmed: bool = False
    """The second look saw it too."""


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
    """CenterFace behind one method. Thread-safe, as its model is."""

    def __init__(self, model: Model, *, side: int) -> None:
        """`side`: longest side, in pixels, at which faces are looked for."""
        self._model = model
        self._side = side

    def detect(
        self, images: Sequence[Pixels], *, permit: Permit, max_faces: int = 100
    ) -> list[list[Detection]]:
        """For each image its faces, the largest first, at most `max_faces`.

        Raises:
            PermitError: `permit` does not cover DETECT.
        """
        require(permit, Touch.DETECT)
        if max_faces == 1:
            return self._largest(images, permit)
        scaled = [_scaled(image, self._side) for image in images]
        found = self._look(scaled, max_faces)
        missed = self._only_seen_coarsely(scaled, found, max_faces)
        seen = self._look_again(images, found, permit)
        large = self._look_again(images, missed, permit)
        return [
            _largest_first([*faces, *(face for face in more if face.confirmed)])[:max_faces]
            for faces, more in zip(seen, large, strict=True)
        ]

    def _largest(self, images: Sequence[Pixels], permit: Permit) -> list[list[Detection]]:
        """The largest face of each image: what a coarse look sees large, a finer one need not.

        Whatever a coarse look misses is smaller than what it finds; so one that finds a face of
        LARGE pixels, which the second look confirms, ends the search. Where none did, the finest
        look decides.
        """
        found: dict[int, list[Detection]] = {}
        scaled = [_scaled(image, self._side) for image in images]
        for coarse in LOOKS:
            left = [place for place in range(len(images)) if place not in found]
            worth = [place for place in left if _worth(scaled[place], coarse)]
            some = [_shrunk(scaled[place], coarse) for place in worth]
            seen = self._look(some, 1)
            if coarse > 1:
                seen = [
                    faces if _large(image, faces) else []
                    for image, faces in zip(some, seen, strict=True)
                ]
            again = self._look_again([images[place] for place in worth], seen, permit)
            for place, faces in zip(worth, again, strict=True):
                if coarse == 1 or (faces and faces[0].confirmed):
                    found[place] = faces
        return [found[place] for place in range(len(images))]

    def _only_seen_coarsely(
        self, scaled: Sequence[_Scaled], found: Sequence[list[Detection]], max_faces: int
    ) -> list[list[Detection]]:
        """What fills so much of the image that a coarse look alone sees it."""
        worth = [place for place, image in enumerate(scaled) if _worth(image, COARSE)]
        seen = self._look([_shrunk(scaled[place], COARSE) for place in worth], max_faces)
        missed: list[list[Detection]] = [[] for _ in scaled]
        for place, faces in zip(worth, seen, strict=True):
            known = found[place]
            missed[place] = [
                face for face in faces if all(_apart(face.box, one.box) for one in known)
            ]
        return missed

    def _look(self, scaled: Sequence[_Scaled], max_faces: int) -> list[list[Detection]]:
        """All faces of each image, those of equal size together."""
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for position, image in enumerate(scaled):
            alike[_padded_shape(image.pixels)].append(position)
        found: list[list[Detection]] = [[] for _ in scaled]
        for shape, positions in alike.items():
            for some in _batches(positions, math.prod(shape)):
                batch = np.zeros((len(some), *shape, 3), np.uint8)
                for row, position in enumerate(some):
                    pixels = scaled[position].pixels
                    batch[row, : pixels.shape[0], : pixels.shape[1]] = pixels
                maps = self._infer(batch)
                for row, position in enumerate(some):
                    own = [outputs[row] for outputs in maps]
                    found[position] = _faces(own, scaled[position], max_faces)
        return found

    def _look_again(
        self, images: Sequence[Pixels], found: list[list[Detection]], permit: Permit
    ) -> list[list[Detection]]:
        """The same faces, boxes and landmarks found anew at one size whatever the image's.

        Templates no longer depend on how large a face happens to be, and a coarse look suffices:
        TAR at FMR 1e-3 over all pairs of 3,811 LFW photographs is 0.941 after a full look and
        0.938 after a coarse one, against 0.935 for a full look alone (measured in floating point,
        without mirror images). Landmarks are the mean of those of the patch and of its mirror
        image. Some 1.5 ms a face.
        """
        patches, windows = [], []
        for image, faces in zip(images, found, strict=True):
            for face in faces:
                window = _window(face.box)
                windows.append(window)
                patches.append(align.warp(image, *window, PATCH_SIDE, permit=permit))
        seen: list[Detection | None] = []
        for some in _batches(patches, 2 * PATCH_SIDE * PATCH_SIDE):
            both = np.stack(some)
            maps = self._infer(np.concatenate([both, both[:, :, ::-1]]))
            found_here = [
                _central([outputs[row] for outputs in maps]) for row in range(2 * len(some))
            ]
            seen += map(_agreed, found_here[: len(some)], found_here[len(some) :])
        better = iter(zip(seen, windows, strict=True))
        again = [
            [_confirmed(face, *next(better), limits=image.shape[1::-1]) for face in faces]
            for image, faces in zip(images, found, strict=True)
        ]
        return [_largest_first(faces) for faces in again]

    def _infer(self, batch: Pixels) -> list[Numbers]:
        return self._model.run(MAPS, {"images": batch})


Item = TypeVar("Item")


def _batches(items: list[Item], pixels: int) -> Iterator[list[Item]]:
    """The items in groups that stay within BATCH_PIXELS; each item has `pixels` pixels."""
    size = max(1, BATCH_PIXELS // pixels)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _window(box: Box) -> tuple[complex, complex]:
    """Turn and shift (see `align.warp`) of the square around a face, its box FACE_SIDE wide."""
    step = math.sqrt(max(box.area, 1.0)) / FACE_SIDE
    centre = complex(box.x + box.width / 2, box.y + box.height / 2)
    return complex(step), centre - step * complex(PATCH_SIDE, PATCH_SIDE) / 2


def _central(maps: list[Numbers]) -> Detection | None:
    """The face nearest the middle of a patch, in the patch's pixels; None if there is none near."""
    boxes, scores, landmarks = _candidates(maps)
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - PATCH_SIDE / 2, axis=1)
    # Of cells that see the same face the most confident comes first; another face is further off.
    near = np.flatnonzero(away < FACE_SIDE / 3)
    if not near.size:
        return None
    best = near[0]
    x1, y1, x2, y2 = (float(number) for number in boxes[best])
    return Detection(
        box=Box(x1, y1, x2 - x1, y2 - y1), score=float(scores[best]), landmarks=landmarks[best]
    )


def _agreed(seen: Detection | None, mirrored: Detection | None) -> Detection | None:
    """What a patch shows, its landmarks the mean of it and of its mirror image."""
    if seen is None or mirrored is None:
        return seen
    turned = mirrored.landmarks[MIRRORED] * [-1, 1] + [PATCH_SIDE, 0]
    return replace(seen, landmarks=((seen.landmarks + turned) / 2).astype(np.float32))


def _confirmed(
    face: Detection,
    seen: Detection | None,
    window: tuple[complex, complex],
    *,
    limits: tuple[int, ...],
) -> Detection:
    """`face` where the second look saw it, in the image's pixels; as it was if it did not."""
    if seen is None:
        return face
    step, shift = window[0].real, np.array([window[1].real, window[1].imag])
    x, y = seen.box.x, seen.box.y
    corners = np.array([[x, y], [x + seen.box.width, y + seen.box.height]])
    first, last = np.clip(corners * step + shift, 0, limits)
    if not (last > first).all():
        return face
    return Detection(
        box=Box(*(float(number) for number in (*first, *(last - first)))),
        score=max(face.score, seen.score),
        landmarks=(seen.landmarks * step + shift).astype(np.float32),
        confirmed=True,
    )


def _scaled(image: Pixels, side: int) -> _Scaled:
    """The image with its longest side at most `side`. Small images are not enlarged.

    Enlarging adds false faces and none that could be compared: LFW portraits reduced to 64 pixels
    (faces of 26) are found in 99.5 % with and without, with three times as many false faces; those
    reduced to 32 (faces of 13) only with, but their eyes are six pixels apart.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return _Scaled(image, 1.0, 1.0, width, height)
    source = Image.fromarray(image)
    # Whole pixels are averaged first: twice as fast as one resize of a large photograph.
    factor = min(int(1 / scale), width, height)
    used = (width // factor * factor, height // factor * factor)
    if factor > 1:
        source = source.reduce(factor, box=(0, 0, *used))
    size = (max(1, round(used[0] * scale)), max(1, round(used[1] * scale)))
    small = np.asarray(source.resize(size, Image.Resampling.BILINEAR))
    return _Scaled(small, size[0] / used[0], size[1] / used[1], width, height)


def _shrunk(image: _Scaled, factor: int) -> _Scaled:
    if factor == 1:
        return image
    pixels = np.asarray(Image.fromarray(image.pixels).reduce(factor))
    return _Scaled(pixels, image.x / factor, image.y / factor, image.width, image.height)


def _worth(image: _Scaled, coarse: int) -> bool:
    return coarse == 1 or max(image.pixels.shape[:2]) >= coarse * COARSE_SIDE


def _large(image: _Scaled, faces: list[Detection]) -> bool:
    """The largest face takes LARGE pixels of the image as the network got it."""
    return bool(faces) and math.sqrt(faces[0].box.area * image.x * image.y) >= LARGE


def _largest_first(faces: list[Detection]) -> list[Detection]:
    return sorted(faces, key=lambda face: -face.box.area)


def _apart(one: Box, other: Box) -> bool:
    """They are two faces: intersection over union is below OVERLAP."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared < OVERLAP * (one.area + other.area - shared)


def _padded_shape(pixels: Pixels) -> tuple[int, int]:
    rows, columns = pixels.shape[:2]
    return -(-rows // MULTIPLE) * MULTIPLE, -(-columns // MULTIPLE) * MULTIPLE


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
