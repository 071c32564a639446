"""Measures how fit a face is for comparison: sharpness, brightness, pose, size, and the reasons.

Pose comes from the five landmarks alone (weak perspective), good to some ten degrees: enough to
say that a face is turned away, not where somebody looks. Never infers anything about the person.
Never knows models, law or storage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rightface.faces.face import Landmarks, Quality
from rightface.faces.image import Pixels
from rightface.permit import Permit, Touch, require


@dataclass(frozen=True)
class Reason:
    """Why a face may be unfit."""

    name: str
    description: str


REASONS = (
    Reason("extreme-pose", "The face is turned away by more than 45° or tilted by more than 30°."),
    Reason("low-confidence", "The detector is not sure that this is a face."),
    Reason("too-blurry", "The face has no fine detail."),
    Reason("too-bright", "The face is overexposed."),
    Reason("too-dark", "The face is underexposed."),
    Reason("too-small", "The eyes are too close together to compare the face."),
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a face must reach. Brightness and sharpness go from 0 to 100."""

    eye_distance: float
    """Pixels between the eyes below which a face is too small."""
    confidence: float
    """The detector's, 0..1."""
    sharpness: float
    dark: float
    bright: float
    yaw: float
    """Degrees, to either side; `pitch` likewise."""
    pitch: float

    def faults(self, quality: Quality, score: float) -> tuple[str, ...]:
        """In which ways a face falls short of the bar, sorted; names of `REASONS`."""
        verdicts = {
            "extreme-pose": abs(quality.yaw) > self.yaw or abs(quality.pitch) > self.pitch,
            "low-confidence": score < self.confidence,
            "too-blurry": quality.sharpness < self.sharpness,
            "too-bright": quality.brightness > self.bright,
            "too-dark": quality.brightness < self.dark,
            "too-small": quality.eye_distance < self.eye_distance,
        }
        return tuple(sorted(name for name, holds in verdicts.items() if holds))


LOW = Bar(
    eye_distance=10.0, confidence=0.5, sharpness=2.0, dark=6.0, bright=96.0, yaw=60.0, pitch=45.0
)
MEDIUM = Bar(
    eye_distance=16.0, confidence=0.6, sharpness=4.0, dark=12.0, bright=92.0, yaw=45.0, pitch=30.0
)
"""The usual one: `Quality.reasons` are a face's faults by it."""
HIGH = Bar(
    eye_distance=24.0, confidence=0.7, sharpness=20.0, dark=20.0, bright=85.0, yaw=30.0, pitch=20.0
)

# A face's landmarks in space, in units of half the distance between the eyes: x to the image's
# right, y down, z towards the camera. x and y are those of the mean frontal face as CenterFace
# marks it (102 neutral portraits of the Face Research Lab London Set, made symmetric); z are rough:
# nose and mouth protrude. CenterFace itself tilts what it marks by some 2°.
FACE_IN_SPACE = np.array(
    [
        [-1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [0.0, 1.135, 1.0],
        [-0.825, 2.03, 0.25],
        [0.825, 2.03, 0.25],
    ]
)
_CENTRED = FACE_IN_SPACE - FACE_IN_SPACE.mean(axis=0)
_TO_CAMERA = np.linalg.pinv(_CENTRED)

_CORE = slice(30, 120)
"""Rows and columns of the 150-pixel chip that show face in any pose."""
_LUMINANCE = np.array([299, 587, 114], np.int32)
"""ITU-R BT.601, thousandths."""
_HALF_SHARP = 60.0
"""Variance of the Laplacian that counts as sharpness 50."""


def measure(face_chip: Pixels, landmarks: Landmarks, *, score: float, permit: Permit) -> Quality:
    """The quality of one face, from its aligned chip (150, 150, 3) and its landmarks.

    Args:
        score: the detector's confidence, 0..1.

    Raises:
        PermitError: `permit` does not cover DETECT.
    """
    require(permit, Touch.DETECT)
    grey = (face_chip[_CORE, _CORE].astype(np.int32) @ _LUMINANCE) // 1000
    sharpness, brightness = _sharpness(grey), float(grey.mean()) / 2.55
    yaw, pitch, roll, eye_distance = pose(landmarks)
    measured = Quality(
        sharpness=sharpness,
        brightness=brightness,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        eye_distance=eye_distance,
        reasons=(),
    )
    return replace(measured, reasons=MEDIUM.faults(measured, score))


def _sharpness(grey: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    """0..100: v / (v + v₅₀) for v, the variance of the Laplacian (Pech-Pacheco et al. 2000)."""
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    variance = float(laplacian.var())
    return 100.0 * variance / (variance + _HALF_SHARP)


def pose(landmarks: Landmarks) -> tuple[float, float, float, float]:
    """Yaw, pitch, roll in degrees (see `Quality`), and the distance between the eyes in pixels.

    The distance is that of the face turned to the front, so a profile does not count as small.
    """
    points = landmarks.astype(np.float64)
    camera = (_TO_CAMERA @ (points - points.mean(axis=0))).T  # (2, 3): scaled rows of a rotation
    across, down = camera
    lengths = np.linalg.norm(camera, axis=1)
    if lengths.min() < 1e-9:
        return 0.0, 0.0, 0.0, 0.0
    scale = float(lengths.mean())
    across, down = across / lengths[0], down / lengths[1]
    ahead = np.cross(across, down)
    length = float(np.linalg.norm(ahead))
    if length < 1e-9:
        return 0.0, 0.0, 0.0, 0.0
    rotation = _nearest_rotation(np.stack([across, down, ahead / length]))
    # The direction of the nose in the camera's frame is the third column.
    yaw = math.degrees(math.atan2(rotation[0, 2], rotation[2, 2]))
    pitch = math.degrees(math.asin(float(np.clip(-rotation[1, 2], -1, 1))))
    roll = math.degrees(math.atan2(points[1, 1] - points[0, 1], points[1, 0] - points[0, 0]))
    return yaw, pitch, roll, 2.0 * scale


def _nearest_rotation(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    left, _, right = np.linalg.svd(rows)
    nearest: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = left @ right
    return nearest
