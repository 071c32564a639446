"""The pack on labelled photographs: what the calibration promises holds, roughly, on some pairs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from rightface.faces.engine import Engine
from rightface.faces.face import Template
from rightface.faces.image import decode
from tests.conftest import Permitted

pytestmark = pytest.mark.faces


@pytest.mark.parametrize("max_faces", [1, 100])
def test_lfw_pairs_are_told_apart(
    engine: Engine, faces_root: Path, permitted: Permitted, max_faces: int
) -> None:
    with (faces_root / "lfw" / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))[::25]

    def template(path: str) -> Template:
        """Of the face nearest the centre, the labelled one."""
        image = decode((faces_root / "lfw" / path).read_bytes())
        with permitted("measure-accuracy") as permit:
            [faces] = engine.analyze([image], permit=permit, max_faces=max_faces)
        nearest = min(faces, key=lambda face: abs(face.landmarks.mean(axis=0) - 125).sum())
        assert nearest.template is not None
        return nearest.template

    def score(pair: dict[str, str]) -> float:
        one, other = template(pair["image_a"]), template(pair["image_b"])
        with permitted("measure-accuracy") as permit:
            return engine.pack.compare(one, other, permit=permit)

    scores = np.array([score(pair) for pair in pairs])
    same = np.array([pair["same"] == "1" for pair in pairs])
    threshold = engine.pack.calibration.score_at(1e-2)
    assert (scores[same] >= threshold).mean() >= 0.95  # all 3,000 pairs: 0.99
    assert (scores[~same] >= threshold).sum() <= 3  # 60 pairs at 1 %
