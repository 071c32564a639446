"""Portraits in the public domain that arrive with ordinary dependencies, and the real engine."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image
from skimage import data

from rightface.faces.engine import Engine
from rightface.faces.image import Pixels, decode
from rightface.faces.packs import load_pack


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """Eileen Collins, NASA, public domain: 512 × 512."""
    pixels: Pixels = data.astronaut()
    return pixels


@pytest.fixture(scope="session")
def hopper_bytes() -> bytes:
    """Grace Hopper, US Navy, public domain: a JPEG of 512 × 600."""
    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    return Path(str(path)).read_bytes()


@pytest.fixture(scope="session")
def hopper(hopper_bytes: bytes) -> Pixels:
    return decode(hopper_bytes)


@pytest.fixture(scope="session")
def degraded_hopper(hopper: Pixels) -> Pixels:
    """Half size, turned 8°, JPEG quality 40."""
    image = Image.fromarray(hopper)
    small = image.resize((image.width // 2, image.height // 2)).rotate(8)
    file = BytesIO()
    small.save(file, "JPEG", quality=40)
    return decode(file.getvalue())


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def engine(cache: Path) -> Engine:
    return Engine(load_pack(), cache=cache, threads=1, detector_side=640)


@pytest.fixture(scope="session")
def blank() -> Pixels:
    return np.full((300, 400, 3), 127, np.uint8)
