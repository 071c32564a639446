"""Pose from five points, sharpness, brightness, and the reasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from rightface.errors import PermitError
from rightface.faces.align import CHIP_LANDMARKS
from rightface.faces.engine import Engine
from rightface.faces.face import Landmarks, Quality
from rightface.faces.image import Pixels
from rightface.faces.quality import FACE_IN_SPACE, REASONS, measure, pose
from tests.conftest import Permitted


def photographed(yaw: float, pitch: float, roll: float, size: float = 30.0) -> Landmarks:
    """The model of a face, turned (degrees) and seen from far away."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_vertical = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_across = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    in_plane = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turned = FACE_IN_SPACE @ (in_plane @ about_across @ about_vertical).T
    seen: Landmarks = (turned[:, :2] * size + 200).astype(np.float32)
    return seen


@given(st.floats(-60, 60), st.floats(-12, 300))
def test_yaw_is_recovered(yaw: float, size: float) -> None:
    found, pitch, roll, _ = pose(photographed(yaw, 0, 0, max(5.0, size)))
    assert found == pytest.approx(yaw, abs=0.5)
    assert pitch == pytest.approx(0, abs=0.5)
    assert roll == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("pitch", [-40.0, -10.0, 0.0, 25.0])
def test_pitch_is_recovered(pitch: float) -> None:
    assert pose(photographed(0, pitch, 0))[1] == pytest.approx(pitch, abs=0.5)


@pytest.mark.parametrize("roll", [-80.0, -8.0, 0.0, 45.0])
def test_roll_is_recovered(roll: float) -> None:
    yaw, pitch, found, eyes = pose(photographed(0, 0, roll))
    assert found == pytest.approx(roll, abs=0.1)
    assert [yaw, pitch] == pytest.approx([0, 0], abs=0.5)
    assert eyes == pytest.approx(60, rel=0.01)


def test_a_profile_is_not_small() -> None:
    assert pose(photographed(50, 0, 0))[3] == pytest.approx(60, rel=0.02)


@given(st.lists(st.floats(-1e5, 1e5, width=32), min_size=10, max_size=10))
def test_any_landmarks_give_finite_angles(numbers: list[float]) -> None:
    assert np.isfinite(pose(np.array(numbers, np.float32).reshape(5, 2))).all()


def quality(
    chip: Pixels,
    permitted: Permitted,
    landmarks: Landmarks = CHIP_LANDMARKS,
    score: float = 0.9,
) -> Quality:
    with permitted("detect") as permit:
        return measure(chip, landmarks, score=score, permit=permit)


@pytest.fixture(scope="module")
def portrait(engine: Engine, hopper: Pixels, permitted: Permitted) -> tuple[Pixels, Landmarks]:
    with permitted("detect") as permit:
        [[face]] = engine.analyze([hopper], permit=permit, templates=False)
        return engine.crop(hopper, face, permit=permit), face.landmarks


def test_a_good_portrait_has_no_reasons(
    portrait: tuple[Pixels, Landmarks], permitted: Permitted
) -> None:
    measured = quality(portrait[0], permitted, portrait[1])
    assert measured.reasons == ()
    assert abs(measured.yaw) < 20
    assert abs(measured.pitch) < 20
    assert abs(measured.roll) < 8
    assert 25 < measured.brightness < 75
    assert measured.sharpness > 20


def test_blur_lowers_sharpness_step_by_step(
    portrait: tuple[Pixels, Landmarks], permitted: Permitted
) -> None:
    image = Image.fromarray(portrait[0])
    values = [
        quality(np.asarray(image.filter(ImageFilter.GaussianBlur(radius))), permitted).sharpness
        for radius in (0, 1, 2, 4, 8)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 4 < values[0]


@pytest.mark.parametrize(
    ("factor", "reason"), [(0.05, "too-dark"), (1.0, None), (5.0, "too-bright")]
)
def test_light(
    portrait: tuple[Pixels, Landmarks], factor: float, reason: str | None, permitted: Permitted
) -> None:
    chip = np.clip(portrait[0] * factor + (factor > 1) * 200, 0, 255).astype(np.uint8)
    reasons = quality(chip, permitted).reasons
    assert {"too-dark", "too-bright"} & set(reasons) == ({reason} if reason else set())


def test_every_reason_can_be_given_and_is_described(
    portrait: tuple[Pixels, Landmarks], permitted: Permitted
) -> None:
    chip = portrait[0]
    grey = np.full_like(chip, 128)
    given_reasons = {
        *quality(grey, permitted).reasons,
        *quality(np.zeros_like(chip), permitted).reasons,
        *quality(np.full_like(chip, 255), permitted).reasons,
        *quality(chip, permitted, photographed(58, 0, 0)).reasons,
        *quality(chip, permitted, photographed(0, 0, 0, size=5)).reasons,
        *quality(chip, permitted, score=0.51).reasons,
    }
    assert given_reasons == {reason.name for reason in REASONS}
    assert all(reason.description.endswith(".") for reason in REASONS)


def test_no_permit_no_measure(portrait: tuple[Pixels, Landmarks]) -> None:
    with pytest.raises(PermitError):
        measure(portrait[0], portrait[1], score=0.9, permit=None)  # type: ignore[arg-type]
