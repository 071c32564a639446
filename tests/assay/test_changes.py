"""What stress does to photographs: where the drawn things lie, and that changes are repeatable."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from instance import temporary_instance
from rightface.assay.changes import KINDS, Kind, change
from rightface.errors import PermitError
from rightface.faces.face import Landmarks
from rightface.faces.image import Pixels
from rightface.permit import Permit
from tests.portraits import eileen_collins

MARKS = np.array([[80, 100], [120, 100], [100, 120], [84, 140], [116, 140]], np.float32)
"""Eyes 40 pixels apart, mouth 40 pixels below."""


@pytest.fixture(scope="module")
def permit() -> Iterator[Permit]:
    with temporary_instance() as room, room.permitted("measure-accuracy") as opened:
        yield opened


def kind(name: str) -> Kind:
    return next(each for each in KINDS if each.name == name)


def grey(value: int = 128) -> Pixels:
    return np.full((200, 200, 3), value, np.uint8)


def textured() -> Pixels:
    return np.random.default_rng(3).integers(0, 255, (200, 200, 3), dtype=np.uint8)


def hit(name: str, level: float, permit: Permit) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which pixels are other than before."""
    told: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
        change(grey(), MARKS, kind(name), level, permit=permit) != grey()
    ).any(axis=2)
    return told


def test_a_mask_covers_the_mouth_and_no_eye(permit: Permit) -> None:
    for level in kind("mask").levels:
        covered = hit("mask", level, permit)
        assert covered[140, 84]
        assert covered[140, 116]
        assert not covered[100, 80]
        assert not covered[100, 120]
    assert hit("mask", 0.6, permit)[120, 100]  # the nose too
    assert not hit("mask", 0.25, permit)[112, 100]


def test_sunglasses_cover_the_eyes_and_no_mouth(permit: Permit) -> None:
    covered = hit("sunglasses", 1.0, permit)
    assert covered[100, 80]
    assert covered[100, 120]
    assert not covered[140, 84]
    half = change(grey(), MARKS, kind("sunglasses"), 0.5, permit=permit)[100, 80]
    assert (half > 18).all()
    assert (half < 128).all()


def test_a_hat_covers_the_forehead_and_neither_eyes_nor_mouth(permit: Permit) -> None:
    for level in kind("hat").levels:
        covered = hit("hat", level, permit)
        assert covered[60, 100]
        assert not covered[100, 80]
        assert not covered[140, 100]


def test_drawn_things_turn_with_the_face(permit: Permit) -> None:
    turned: Landmarks = MARKS[:, ::-1] * np.array([-1, 1], np.float32) + np.array(
        [200, 0], np.float32
    )
    masked = change(grey(), turned, kind("mask"), 0.6, permit=permit)
    x, y = turned[3].astype(int)
    assert (masked[y, x] != 128).any()


@pytest.mark.parametrize("each", KINDS, ids=[each.name for each in KINDS])
def test_a_change_changes_the_more_the_further_it_goes(each: Kind, permit: Permit) -> None:
    pixels = textured()
    pixels.flags.writeable = False
    before = pixels.copy()
    changed = [change(pixels, MARKS, each, level, permit=permit) for level in each.levels]
    assert np.array_equal(pixels, before)
    for level, after in zip(each.levels, changed, strict=True):
        assert after.dtype == np.uint8
        assert after.ndim == 3
        again = change(pixels, MARKS, each, level, permit=permit)
        assert np.array_equal(after, again)
    if each.name != "rotation":
        away = [np.abs(after.astype(int) - pixels).mean() for after in changed]
        assert away == sorted(away)
        assert away[0] > 0
    else:
        assert all(min(after.shape[:2]) > 200 for after in changed)


def test_a_face_that_is_small_already_stays(permit: Permit) -> None:
    assert np.array_equal(change(textured(), MARKS, kind("small"), 100, permit=permit), textured())


def test_less_light_is_half_of_it_for_each_stop(permit: Permit) -> None:
    dark = change(grey(200), MARKS, kind("low-light"), 2, permit=permit)
    linear = ((dark / 255.0) ** 2.2).mean() / (200 / 255.0) ** 2.2
    assert linear == pytest.approx(0.25, rel=0.05)


def test_stress_shows_in_the_score(permit: Permit) -> None:
    """A real face, the mildest blur and the strongest: the score falls."""
    with temporary_instance() as room, room.permitted("measure-accuracy") as opened:
        pixels = np.asarray(Image.open(io.BytesIO(eileen_collins())).convert("RGB"))
        engine = room.instance.engine
        face = engine.analyze([pixels], permit=opened, max_faces=1)[0][0]
        scores = []
        for level in kind("blur").levels:
            blurred = change(pixels, face.landmarks, kind("blur"), level, permit=opened)
            found = engine.analyze([blurred], permit=opened, max_faces=1)[0][0]
            assert face.template is not None
            assert found.template is not None
            scores.append(float(face.template @ found.template))
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.95


def test_nothing_is_changed_without_a_permit() -> None:
    nothing: Permit = None  # type: ignore[assignment]
    with pytest.raises(PermitError):
        change(grey(), MARKS, KINDS[0], 0.5, permit=nothing)
