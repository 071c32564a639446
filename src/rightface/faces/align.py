"""Brings a face into the position that the network was trained on: a 150 × 150 chip.

The similarity transform (turn, scale, shift: Umeyama 1991, doi:10.1109/34.88573, without
reflection) that takes five landmarks closest to five fixed points; pixels by Pillow.
Never knows models, law or storage.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from rightface.faces.face import Landmarks
from rightface.faces.image import Pixels
from rightface.permit import Permit, Touch, require

CHIP_SIDE = 150
"""Pixels; what dlib's network takes."""

CHIP_LANDMARKS: Landmarks = np.array(
    [[46, 46], [104, 46], [75, 80], [50.5, 105], [99.5, 105]], np.float32
)
"""Where the landmarks go in the chip: where they lie in dlib's own chips (padding 0.25)."""


def chip(image: Pixels, landmarks: Landmarks, *, permit: Permit) -> Pixels:
    """The aligned face, (150, 150, 3) RGB; black where it reaches beyond the image.

    Raises:
        PermitError: `permit` does not cover DETECT.
    """
    require(permit, Touch.DETECT)
    return warp(image, *_to_image(landmarks), CHIP_SIDE, permit=permit)


def warp(image: Pixels, turn: complex, shift: complex, side: int, *, permit: Permit) -> Pixels:
    """The square of `side` pixels whose point z = x + iy shows the image's point turn·z + shift.

    Bilinear; where the square shrinks the image by two or more, pixels are averaged first, or
    detail would alias.

    Raises:
        PermitError: `permit` does not cover DETECT.
    """
    require(permit, Touch.DETECT)
    patch, left, top = _patch(image, turn, shift, side)
    if patch.size == 0:
        return np.zeros((side, side, 3), np.uint8)
    shrink = max(1, int(abs(turn) + 1e-6))
    source = Image.fromarray(patch)
    if shrink > 1:
        source = source.reduce(shrink)
    turn, shift = turn / shrink, (shift - complex(left, top)) / shrink
    coefficients = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    warped = source.transform(
        (side, side), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(warped)


def _to_image(landmarks: Landmarks) -> tuple[complex, complex]:
    """Turn-and-scale and shift that take a point of the chip, x + iy, into the image.

    Points as complex numbers make the least squares of a similarity transform one division.
    Landmarks that fall together give a transform of no extent, never a division by zero.
    """
    wanted = CHIP_LANDMARKS[:, 0] + 1j * CHIP_LANDMARKS[:, 1]
    found = landmarks[:, 0].astype(np.float64) + 1j * landmarks[:, 1]
    middle, centre = wanted.mean(), found.mean()
    away, off = wanted - middle, found - centre
    forward = np.vdot(off, away)  # image → chip, times the spread of the landmarks found
    spread = np.vdot(off, off).real
    if abs(forward) < 1e-9 or spread < 1e-9:
        return 1e-9 + 0j, complex(centre)
    turn = complex(spread / forward)
    return turn, complex(centre - turn * middle)


def _patch(image: Pixels, turn: complex, shift: complex, side: int) -> tuple[Pixels, int, int]:
    """The part of the image that the square shows, and its upper left corner."""
    height, width = image.shape[:2]
    corners = np.array([0, side, side * 1j, side + side * 1j]) * turn + shift
    margin = 2 + 2 * abs(turn)
    left = int(np.clip(np.floor(corners.real.min() - margin), 0, width))
    right = int(np.clip(np.ceil(corners.real.max() + margin), 0, width))
    top = int(np.clip(np.floor(corners.imag.min() - margin), 0, height))
    bottom = int(np.clip(np.ceil(corners.imag.max() + margin), 0, height))
    return image[top:bottom, left:right], left, top
