"""What stress does to a photograph: the registry of changes.

Drawn things (mask, sunglasses, hat) lie on the five landmarks of the face found in the unchanged
photograph, in a frame of its own: (0, 0) midway between the eyes, (±1, 0) the eyes, (0, 1) midway
between the corners of the mouth. They are plain polygons of one colour, not photographs of things:
they show what hiding a part of the face does, not what a certain mask does.

A new kind is a function and an entry in `KINDS`. Presentation attacks (printed or worn faces)
will be kinds too: they need photographs of such attacks, which no drawing replaces. None is here.
Never knows templates, labels, rates or where photographs lie.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from rightface.faces.face import Landmarks
from rightface.faces.image import Pixels
from rightface.faces.quality import pose
from rightface.permit import Permit, Touch, require

Apply: TypeAlias = Callable[[Pixels, Landmarks, float], Pixels]
Points: TypeAlias = Sequence[tuple[float, float]]
"""In the face's frame."""

CLOTH = (104, 130, 160)
DARK = (18, 18, 20)
FELT = (70, 60, 52)
PHOTONS = 2_000
"""Photons that a white pixel of a small sensor holds: what noise low light has."""
GAMMA = 2.2


@dataclass(frozen=True)
class Kind:
    """One way to change a photograph."""

    name: str
    unit: str
    """What a level means."""
    levels: tuple[float, ...]
    """The mildest first."""
    apply: Apply


def _on_face(
    pixels: Pixels, marks: Landmarks, shape: Points, colour: tuple[int, int, int]
) -> Image.Image:
    """The photograph with a filled polygon on the face."""
    left, right, _, *lips = marks.astype(np.float64)
    eyes, mouth = (left + right) / 2, (lips[0] + lips[1]) / 2
    across, down = (right - left) / 2, mouth - eyes
    corners = [tuple(eyes + u * across + v * down) for u, v in shape]
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in corners], fill=colour)
    return image


def _mask(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Everything from the chin up to `level` of the way from mouth to eyes."""
    top = 1.0 - level
    shape = (
        *((-2.1, top + 0.1), (0.0, top - 0.1), (2.1, top + 0.1), (1.9, 1.2)),
        *((1.0, 1.9), (0.0, 2.05), (-1.0, 1.9), (-1.9, 1.2)),
    )
    return np.asarray(_on_face(pixels, marks, shape, CLOTH))


def _sunglasses(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Two lenses and a bridge; `level`: how much of what is behind them they take away."""
    shape = (
        *((-1.8, -0.3), (1.8, -0.3), (1.75, 0.1), (1.4, 0.4), (0.6, 0.4), (0.25, 0.0)),
        *((-0.25, 0.0), (-0.6, 0.4), (-1.4, 0.4), (-1.75, 0.1)),
    )
    drawn = _on_face(pixels, marks, shape, DARK)
    return np.asarray(Image.blend(Image.fromarray(pixels), drawn, level))


def _hat(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """A brim and what is above; `level`: how far the brim has come from the hair to the eyes."""
    brim = -1.0 + 0.8 * level
    shape = (
        (-2.6, brim),
        (2.6, brim),
        (2.0, brim - 0.35),
        (1.8, -2.2),
        (-1.8, -2.2),
        (-2.0, brim - 0.35),
    )
    return np.asarray(_on_face(pixels, marks, shape, FELT))


def _blur(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Gaussian; `level`: its standard deviation in hundredths of the distance between the eyes."""
    radius = level / 100 * _eye_distance(marks)
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def _noise(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Gaussian, of each channel by itself; the same each time for the same photograph."""
    drawn = _chance(pixels, level).normal(0.0, level, pixels.shape)
    return _eight_bits(pixels + drawn)


def _low_light(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Less light by so many stops (halvings), with the noise of the photons that are left."""
    light = (pixels / 255.0) ** GAMMA * 2.0**-level
    counted = _chance(pixels, level).poisson(light * PHOTONS) / PHOTONS
    return _eight_bits(255.0 * np.minimum(counted, 1.0) ** (1 / GAMMA))


def _jpeg(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Saved once more as JPEG of quality `level`."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=round(level))
    return np.asarray(Image.open(out).convert("RGB"))


def _small(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Taken from so far that the eyes are `level` pixels apart, then enlarged again.

    A face that is that small already stays as it is.
    """
    share = level / _eye_distance(marks)
    if share >= 1:
        return pixels
    image = Image.fromarray(pixels)
    far = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    near = image.resize(far, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
    return np.asarray(near)


def _rotation(pixels: Pixels, marks: Landmarks, level: float) -> Pixels:
    """Turned by `level` degrees, counterclockwise; nothing is cut off, corners are black."""
    turned = Image.fromarray(pixels).rotate(level, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(turned)


KINDS: tuple[Kind, ...] = (
    Kind("mask", "of the way from mouth to eyes covered", (0.25, 0.6), _mask),
    Kind("sunglasses", "of the light taken away", (0.6, 1.0), _sunglasses),
    Kind("hat", "of the way from hair to eyes covered", (0.5, 1.0), _hat),
    Kind("blur", "% of the distance between the eyes (standard deviation)", (3, 6, 12), _blur),
    Kind("noise", "grey levels (standard deviation)", (10, 25, 50), _noise),
    Kind("low-light", "stops less light", (2, 4, 6), _low_light),
    Kind("jpeg", "JPEG quality", (30, 10, 5), _jpeg),
    Kind("small", "pixels between the eyes", (24, 16, 10), _small),
    Kind("rotation", "degrees", (15, 30, 45), _rotation),
)
"""What `--stress` does, in this order."""


def change(
    pixels: Pixels, landmarks: Landmarks, kind: Kind, level: float, *, permit: Permit
) -> Pixels:
    """The photograph changed.

    Args:
        pixels: (height, width, 3).
        landmarks: (5, 2), of the labelled face in it.
        kind: one of `KINDS`.
        level: one of the kind's levels, or another number that makes sense for it.

    Raises:
        PermitError: `permit` does not cover DETECT.
    """
    require(permit, Touch.DETECT)
    return kind.apply(pixels, landmarks, level)


def _eye_distance(marks: Landmarks) -> float:
    return max(1.0, pose(marks)[3])


def _chance(pixels: Pixels, level: float) -> np.random.Generator:
    told = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()
    return np.random.default_rng([int.from_bytes(told[:8]), round(level * 1000)])


def _eight_bits(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
