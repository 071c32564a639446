"""What the service tells of a face that it saw, and whether it is fit: pure functions.

Must never know: storage, law, a wire format.
"""

from __future__ import annotations

from rightface.faces.face import Face
from rightface.faces.image import Pixels
from rightface.faces.quality import HIGH, LOW, MEDIUM
from rightface.service_types import DetectedFace

LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")

# Amazon names the filters and does not say what they do. Each of ours is stricter than the one
# before: NONE, LOW, AUTO, MEDIUM, HIGH.
_BARS = {"LOW": LOW, "MEDIUM": MEDIUM, "HIGH": HIGH}


def fit(face: Face, quality_filter: str) -> bool:
    """Whether a face passes Rekognition's filter NONE, LOW, AUTO, MEDIUM or HIGH."""
    return not unfit(face, quality_filter)


def unfit(face: Face, quality_filter: str) -> tuple[str, ...]:
    """Why a face does not pass the filter (names of `quality.REASONS`); empty: it passes.

    AUTO asks for LOW's bar in everything, and forgives one fault by MEDIUM's.
    """
    if quality_filter == "NONE":
        return ()
    if quality_filter == "AUTO":
        faults = MEDIUM.faults(face.quality, face.score)
        passes = len(faults) <= 1 and not LOW.faults(face.quality, face.score)
        return () if passes else faults
    return _BARS[quality_filter].faults(face.quality, face.score)


def seen(face: Face, pixels: Pixels) -> DetectedFace:
    """The face in ratios of the image's sides, which is how everybody is told of it."""
    height, width = pixels.shape[:2]
    quality = face.quality
    return DetectedFace(
        left=face.box.x / width,
        top=face.box.y / height,
        width=face.box.width / width,
        height=face.box.height / height,
        confidence=100.0 * face.score,
        landmarks={
            name: (float(x) / width, float(y) / height)
            for name, (x, y) in zip(LANDMARKS, face.landmarks, strict=True)
        },
        yaw=quality.yaw,
        pitch=quality.pitch,
        roll=quality.roll,
        sharpness=quality.sharpness,
        brightness=quality.brightness,
        reasons=quality.reasons,
    )
