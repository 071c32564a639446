"""The network as ONNX against dlib itself, on real chips."""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore

import dlib
import numpy as np
import pytest
from PIL import Image

from rightface.errors import PermitError
from rightface.faces.dat import read_network
from rightface.faces.embedder import BATCH, Embedder
from rightface.faces.engine import Engine
from rightface.faces.graph import face_network_graph
from rightface.faces.image import Pixels, decode
from rightface.faces.packs import DLIB_FACE_NETWORK
from rightface.faces.sessions import Model, opened
from tests.conftest import Permitted

Chips = Pixels


@pytest.fixture(scope="module")
def embedder(engine: Engine) -> Embedder:
    """As it is in use: in 8 bits."""
    return engine.embedder


@pytest.fixture(scope="module")
def floating() -> Embedder:
    """The same network before it was brought to 8 bits."""
    graph = face_network_graph(read_network(DLIB_FACE_NETWORK.read()))
    return Embedder(Model(opened(graph, threads=1), BoundedSemaphore()))


@pytest.fixture(scope="module")
def oracle() -> dlib.face_recognition_model_v1:
    return dlib.face_recognition_model_v1(str(DLIB_FACE_NETWORK.locate()))


@pytest.fixture(scope="module")
def chips(engine: Engine, astronaut: Pixels, hopper: Pixels, permitted: Permitted) -> Chips:
    """Both portraits' chips, straight, mirrored, dark and shifted."""
    with permitted("detect") as permit:
        found = engine.analyze([astronaut, hopper], permit=permit, templates=False)
        faces = [
            engine.crop(image, own[0], permit=permit)
            for image, own in zip((astronaut, hopper), found, strict=True)
        ]
    plain = np.stack(faces)
    return np.concatenate([plain, plain[:, :, ::-1], plain // 3, np.roll(plain, 9, axis=2)])


def distance(embedder: Embedder, oracle: object, chips: Chips, permitted: Permitted) -> float:
    with permitted("measure-accuracy") as permit:
        ours = embedder.describe(chips, permit=permit)
    theirs = np.array(
        [
            oracle.compute_face_descriptor(np.ascontiguousarray(chip))  # type: ignore[attr-defined]
            for chip in chips
        ]
    )
    return float(np.abs(ours - theirs).max())


def test_descriptors_are_dlib_s(
    floating: Embedder, oracle: object, chips: Chips, permitted: Permitted
) -> None:
    assert distance(floating, oracle, chips, permitted) < 1e-5


def test_descriptors_are_dlib_s_on_noise_and_flat_colour(
    floating: Embedder, oracle: object, permitted: Permitted
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2, 150, 150, 3), np.uint8)
    flat = np.stack([np.full((150, 150, 3), level, np.uint8) for level in (0, 255)])
    assert distance(floating, oracle, np.concatenate([noise, flat]), permitted) < 1e-5


@pytest.mark.faces
def test_descriptors_are_dlib_s_on_labelled_photographs(
    floating: Embedder, oracle: object, engine: Engine, faces_root: Path, permitted: Permitted
) -> None:
    paths = sorted((faces_root / "lfw" / "images").glob("*/*_0001.jpg"))[:16]
    images = [decode(path.read_bytes()) for path in paths]
    with permitted("detect") as permit:
        found = engine.analyze(images, permit=permit, templates=False)
        chips = np.stack(
            [
                engine.crop(image, face, permit=permit)
                for image, faces in zip(images, found, strict=True)
                for face in faces[:1]
            ]
        )
    assert distance(floating, oracle, chips, permitted) < 1e-5


def test_eight_bits_leave_a_template_where_it_was(
    embedder: Embedder, floating: Embedder, chips: Chips, permitted: Permitted
) -> None:
    with permitted("measure-accuracy") as permit:
        ours = embedder.templates(list(chips), permit=permit)
        exact = floating.templates(list(chips), permit=permit)
    assert (ours * exact).sum(axis=1).min() > 0.998
    assert not np.array_equal(ours, exact)


def test_templates_are_of_unit_length_whatever_the_batch(
    embedder: Embedder, chips: Chips, permitted: Permitted
) -> None:
    many = [chips[place % len(chips)] for place in range(BATCH + 3)]
    with permitted("measure-accuracy") as permit:
        together = embedder.templates(many, permit=permit)
        alone = [embedder.templates([chip], permit=permit)[0] for chip in many[: len(chips)]]
        none = embedder.templates([], permit=permit)
    assert together.shape == (BATCH + 3, 128)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert together[: len(chips)] == pytest.approx(np.array(alone), abs=1e-5)
    assert none.shape == (0, 128)


def test_a_face_and_its_mirror_image_have_one_template(
    embedder: Embedder, chips: Chips, permitted: Permitted
) -> None:
    with permitted("measure-accuracy") as permit:
        straight, mirrored = embedder.templates([chips[0], chips[0][:, ::-1]], permit=permit)
    assert straight == pytest.approx(mirrored, abs=1e-5)


def test_no_permit_no_template(embedder: Embedder, chips: Chips, permitted: Permitted) -> None:
    with pytest.raises(PermitError):
        embedder.templates([chips[0]], permit=None)  # type: ignore[arg-type]
    with permitted("detect") as permit, pytest.raises(PermitError):
        embedder.describe(chips, permit=permit)


def test_a_portrait_and_its_copy_are_nearer_than_two_people(
    embedder: Embedder, chips: Chips, permitted: Permitted
) -> None:
    copy = np.asarray(Image.fromarray(chips[0]).resize((75, 75)).resize((150, 150)))
    with permitted("measure-accuracy") as permit:
        collins, again, hopper = embedder.templates([chips[0], copy, chips[1]], permit=permit)
    assert collins @ again > 0.97
    assert collins @ hopper < 0.9
