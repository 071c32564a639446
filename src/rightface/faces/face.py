"""What a photograph holds: boxes, quality, faces, templates. Values only.

Never knows how they were found, law, storage or wire formats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Template = NDArray[np.float32]
"""(128,), unit length."""

Templates = NDArray[np.float32]
"""(n, 128), each of unit length."""

Landmarks = NDArray[np.float32]
"""(5, 2): x, y in pixels of the upright image. Left eye, right eye, nose, left and right corner of
the mouth, as seen in the image: the image's left comes first."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright image; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How fit a face is for comparison."""

    sharpness: float
    """0..100."""
    brightness: float
    """0..100: mean luminance of the face."""
    yaw: float
    """Degrees; positive: the nose points to the image's right."""
    pitch: float
    """Degrees; positive: the nose points up."""
    roll: float
    """Degrees; positive: the head is turned clockwise in the image."""
    eye_distance: float
    """Pixels between the eyes in the upright image, the head turned to the front."""
    reasons: tuple[str, ...]
    """Why the face is unfit, sorted; empty if it is fit. See `quality.REASONS`."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """One face in one image."""

    box: Box
    score: float
    """The detector's confidence, 0..1."""
    landmarks: Landmarks
    quality: Quality
    template: Template | None
    """None where no template was asked for."""
