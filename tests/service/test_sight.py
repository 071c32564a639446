"""The quality filters: each is stricter than the one before it, in effect too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.faces.face import Box, Face, Quality
from rightface.faces.quality import MEDIUM, REASONS
from rightface.service.sight import fit, unfit

FILTERS = ("NONE", "LOW", "AUTO", "MEDIUM", "HIGH")
GOOD: dict[str, float] = {
    "sharpness": 60.0,
    "brightness": 50.0,
    "yaw": 0.0,
    "pitch": 0.0,
    "eye_distance": 60.0,
    "score": 0.95,
}


def face(**changed: float) -> Face:
    told = GOOD | changed
    score = told.pop("score")
    quality = Quality(roll=0.0, reasons=(), **told)
    points = np.zeros((5, 2), np.float32)
    return Face(box=Box(0, 0, 9, 9), score=score, landmarks=points, quality=quality, template=None)


def passes(**changed: float) -> tuple[str, ...]:
    return tuple(each for each in FILTERS if fit(face(**changed), each))


@pytest.mark.parametrize(
    ("changed", "passed"),
    [
        ({}, FILTERS),
        ({"sharpness": 19.0}, FILTERS[:4]),
        ({"sharpness": 3.0}, FILTERS[:3]),
        ({"sharpness": 3.0, "brightness": 10.0}, FILTERS[:2]),
        ({"sharpness": 1.0}, FILTERS[:1]),
        ({"yaw": -35.0}, FILTERS[:4]),
        ({"yaw": 50.0}, FILTERS[:3]),
        ({"yaw": -50.0, "pitch": 35.0}, FILTERS[:3]),  # one fault: the pose
        ({"yaw": 61.0}, FILTERS[:1]),
        ({"eye_distance": 20.0}, FILTERS[:4]),
        ({"eye_distance": 12.0}, FILTERS[:3]),
        ({"brightness": 94.0, "eye_distance": 12.0}, FILTERS[:2]),
        ({"score": 0.65}, FILTERS[:4]),
        ({"score": 0.4}, FILTERS[:1]),
    ],
)
def test_each_filter_differs_in_effect(changed: dict[str, float], passed: tuple[str, ...]) -> None:
    assert passes(**changed) == passed


measures = st.fixed_dictionaries(
    {
        "sharpness": st.floats(0, 100),
        "brightness": st.floats(0, 100),
        "yaw": st.floats(-180, 180),
        "pitch": st.floats(-90, 90),
        "eye_distance": st.floats(0, 200),
        "score": st.floats(0, 1),
    }
)


@given(measures)
def test_what_passes_a_filter_passes_every_milder_one(told: dict[str, float]) -> None:
    passed = passes(**told)
    assert passed == FILTERS[: len(passed)]
    assert passed[0] == "NONE"


@given(measures)
def test_whoever_does_not_pass_is_told_why(told: dict[str, float]) -> None:
    names = {reason.name for reason in REASONS}
    for each in FILTERS:
        why = unfit(face(**told), each)
        assert bool(why) != fit(face(**told), each)
        assert set(why) <= names


def test_mediums_faults_are_those_that_are_measured(licensed: Any) -> None:
    from rightface.faces.image import decode
    from tests.portraits import grace_hopper, small

    with licensed.permitted("detect") as permit:
        seen = licensed.instance.engine.analyze(
            [decode(small(grace_hopper(), side)) for side in (300, 60)],
            permit=permit,
            templates=False,
        )
    large, tiny = seen[0][0], seen[1][0]
    assert large.quality.reasons == MEDIUM.faults(large.quality, large.score) == ()
    assert tiny.quality.reasons == MEDIUM.faults(tiny.quality, tiny.score) != ()
