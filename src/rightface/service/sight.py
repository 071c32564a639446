"""What the service tells of a face that it saw, and whether it is fit: pure functions.

Must never know: storage, law, a wire format.
"""

from __future__ import annotations

from rightface.faces.face import Face
from rightface.faces.image import Pixels
from rightface.service_types import DetectedFace

LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")

# Amazon names the filters and does not say what they do. Ours: how many faults a face may have.
_FAULTS_ALLOWED = {"NONE": 99, "LOW": 1, "AUTO": 1, "MEDIUM": 0, "HIGH": 0}
_SHARPNESS_FOR_HIGH = 20.0


def fit(face: Face, quality_filter: str) -> bool:
    """Whether a face passes Rekognition's filter NONE, AUTO, LOW, MEDIUM or HIGH."""
    if quality_filter == "HIGH" and face.quality.sharpness < _SHARPNESS_FOR_HIGH:
        return False
    return len(face.quality.reasons) <= _FAULTS_ALLOWED[quality_filter]


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
