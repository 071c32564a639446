"""The similarity transform and the pixels it brings along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rightface.errors import PermitError
from rightface.faces.align import CHIP_LANDMARKS, CHIP_SIDE, _to_image, chip, warp
from rightface.faces.face import Landmarks
from rightface.faces.image import Pixels
from tests.conftest import Permitted

coordinates = st.floats(-2000, 2000, width=32)


def umeyama(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Umeyama 1991, equations 40–43, as published: (2, 3) taking source to target."""
    centre, goal = source.mean(axis=0), target.mean(axis=0)
    off, away = source - centre, target - goal
    u, d, vt = np.linalg.svd(away.T @ off / len(source))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / off.var(axis=0).sum()
    return np.column_stack([scale * rotation, goal - scale * rotation @ centre])


@given(st.lists(st.tuples(coordinates, coordinates), min_size=5, max_size=5))
def test_the_transform_is_umeyama_s(points: list[tuple[float, float]]) -> None:
    found = np.array(points, np.float32)
    turn, shift = _to_image(found)
    assert np.isfinite([turn.real, turn.imag, shift.real, shift.imag]).all()
    forward = (
        umeyama(found.astype(np.float64), CHIP_LANDMARKS.astype(np.float64))
        if (np.ptp(found, axis=0).max() > 1)
        else None
    )
    if forward is None or np.linalg.norm(forward[:, :2]) < 1e-3:
        return
    probe = np.array([10.0, 140.0])
    back = np.linalg.solve(forward[:, :2], probe - forward[:, 2])
    here = turn * complex(*probe) + shift
    assert [here.real, here.imag] == pytest.approx(back.tolist(), rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("angle", [-170.0, -30.0, 0.0, 8.0, 90.0])
@pytest.mark.parametrize("size", [0.3, 1.0, 2.5, 9.0])
def test_a_turned_and_scaled_picture_gives_the_same_chip(
    angle: float, size: float, permitted: Permitted
) -> None:
    side = 1800
    across, down = np.meshgrid(np.linspace(-6, 6, side), np.linspace(-6, 6, side))
    picture = np.stack([np.sin(across) * 90 + 120, np.cos(down) * 90 + 120, across + down], axis=2)
    image = picture.astype(np.uint8)
    turned = np.exp(1j * np.radians(angle)) * size
    wanted = (CHIP_LANDMARKS[:, 0] + 1j * CHIP_LANDMARKS[:, 1] - (75 + 75j)) * turned
    points = wanted + complex(side / 2, side / 2)
    landmarks = np.stack([points.real, points.imag], axis=1).astype(np.float32)
    with permitted("detect") as permit:
        made = chip(image, landmarks, permit=permit).astype(float)
    grid = np.arange(CHIP_SIDE) + 0.5 - 75
    where = (grid[None, :] + 1j * grid[:, None]) * turned + complex(side / 2, side / 2)
    rows = np.clip(where.imag.astype(int), 0, side - 1)
    columns = np.clip(where.real.astype(int), 0, side - 1)
    assert np.abs(made - image[rows, columns])[..., :2].mean() < 2.0


def test_shrinking_averages_instead_of_skipping(permitted: Permitted) -> None:
    stripes = np.zeros((1500, 1500, 3), np.uint8)
    stripes[:, ::2] = 255  # detail finer than the chip can show must become grey
    with permitted("detect") as permit:
        made = warp(stripes, 10 + 0j, 0j, CHIP_SIDE, permit=permit)
    assert made.std() < 3
    assert made.mean() == pytest.approx(127.5, abs=2)


def test_beyond_the_image_is_black(permitted: Permitted) -> None:
    white = np.full((200, 200, 3), 255, np.uint8)
    with permitted("detect") as permit:
        half = chip(white, CHIP_LANDMARKS - np.array([75, 0], np.float32), permit=permit)
        nothing = chip(white, CHIP_LANDMARKS + np.array(5000, np.float32), permit=permit)
    assert (half[:, :70] == 0).all()
    assert (half[:, 80:] == 255).all()
    assert (nothing == 0).all()


@pytest.mark.parametrize(
    "landmarks",
    [
        np.zeros((5, 2), np.float32),
        np.full((5, 2), 1e6, np.float32),
        np.array([[i, 0] for i in range(5)], np.float32),
        CHIP_LANDMARKS * np.array(1e4, np.float32),
    ],
    ids=["one point", "far away", "on a line", "huge"],
)
def test_senseless_landmarks_give_a_chip(landmarks: Landmarks, permitted: Permitted) -> None:
    with permitted("detect") as permit:
        made = chip(np.full((60, 60, 3), 9, np.uint8), landmarks, permit=permit)
    assert made.shape == (150, 150, 3)
    assert made.dtype == np.uint8


def test_identity_is_exact(astronaut: Pixels, permitted: Permitted) -> None:
    with permitted("detect") as permit:
        made = chip(astronaut, CHIP_LANDMARKS, permit=permit)
    assert np.abs(made.astype(int) - astronaut[:150, :150]).max() <= 1
    assert Image.fromarray(made).size == (150, 150)


def test_no_permit_no_chip(astronaut: Pixels) -> None:
    with pytest.raises(PermitError):
        chip(astronaut, CHIP_LANDMARKS, permit=None)  # type: ignore[arg-type]
