"""Public-domain portraits that come with dependencies, and what becomes of them in the field."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rightface.cli.demo.stage import degraded, eileen_collins, grace_hopper

__all__ = ["degraded", "eileen_collins", "grace_hopper", "nobody", "small", "two_people"]


def small(portrait: bytes, side: int = 200) -> bytes:
    """A smaller JPEG of a portrait, for tests that need many."""
    image = Image.open(io.BytesIO(portrait)).convert("RGB")
    image.thumbnail((side, side))
    return encoded(np.asarray(image))


def nobody() -> bytes:
    """A photograph without a face."""
    noise = np.random.default_rng(7).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    return encoded(noise)


def two_people() -> bytes:
    """Both portraits side by side, Eileen Collins the larger."""
    left = Image.open(io.BytesIO(grace_hopper())).convert("RGB").resize((300, 350))
    right = Image.open(io.BytesIO(eileen_collins())).convert("RGB").crop((100, 0, 400, 350))
    both = Image.new("RGB", (600, 350))
    both.paste(left, (0, 0))
    both.paste(right, (300, 0))
    return encoded(np.asarray(both))


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a JPEG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()
