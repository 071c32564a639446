"""The score normalisation: one inner product, the same from both sides, sound on any input."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import date
from typing import Any

import numpy as np
import pytest

from rightface.errors import WeightsError
from rightface.faces.calibration import Calibration
from rightface.faces.face import Templates
from rightface.faces.normalisation import EXTRA, Fitted, Normalisation
from rightface.faces.packs import shipped_pack
from tests.conftest import Permitted

DIMENSION, COSINES = 128, 16


@pytest.fixture(scope="module")
def made() -> Normalisation:
    drawn = np.random.default_rng(5)
    mean = drawn.standard_normal(DIMENSION)
    return Normalisation(
        name="a-test",
        mean=0.9 * mean / np.linalg.norm(mean),
        directions=drawn.integers(-127, 128, (DIMENSION, COSINES)).astype(np.int8),
        width=1.5,
        phases=drawn.uniform(0, 6, COSINES),
        weights=np.vstack([0.02 * drawn.standard_normal((COSINES + DIMENSION, 2)), [0.88, -4.0]]),
        lowest=np.array([0.8, -4.5]),
        highest=np.array([0.95, -3.5]),
        scale=0.1,
        fitted=Fitted(
            data_sets=("nobody: 0 photographs",),
            fitted_on=date(2026, 1, 2),
            method="drawn",
            figures=("none",),
            caveats=("It is drawn.",),
        ),
    )


@pytest.fixture(scope="module")
def templates(made: Normalisation) -> Templates:
    drawn = np.random.default_rng(6).standard_normal((40, DIMENSION)) * 0.03 + made.mean
    unit: Templates = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_one_inner_product_is_the_score_as_the_text_has_it(
    made: Normalisation, templates: Templates
) -> None:
    mean, deviation = made.crowd(templates)
    raw = templates.astype(np.float64) @ templates.T.astype(np.float64)
    wanted = (
        made.scale * (raw - (mean[:, None] + mean) / 2) / np.sqrt(deviation[:, None] * deviation)
    )
    found = made.probe_vectors(templates) @ made.reference_vectors(templates).T
    assert found.shape == (40, 40)
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_nobody_scores_differently_as_probe_and_as_reference(
    made: Normalisation, templates: Templates
) -> None:
    found = made.probe_vectors(templates) @ made.reference_vectors(templates).T
    np.testing.assert_allclose(found, found.T, atol=1e-6)


def test_a_crowded_place_costs_score(made: Normalisation, templates: Templates) -> None:
    mean, _ = made.crowd(templates)
    crowded = dataclasses.replace(made, lowest=made.highest, highest=made.highest)
    lonely = dataclasses.replace(made, highest=made.lowest)
    lonely = dataclasses.replace(
        lonely, lowest=np.array([0.8, -3.5]), highest=np.array([0.8, -3.5])
    )
    high, low = (
        each.probe_vectors(templates[:1]) @ each.reference_vectors(templates[1:]).T
        for each in (lonely, crowded)
    )
    assert (high > low).all()
    assert len(np.unique(mean)) > 1


def test_a_vector_does_not_depend_on_who_is_beside_it(
    made: Normalisation, templates: Templates
) -> None:
    together = made.reference_vectors(templates)
    alone = np.vstack([made.reference_vectors(templates[at : at + 1]) for at in range(40)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-7)


def test_whatever_is_no_face_stays_within_what_was_fitted(made: Normalisation) -> None:
    strange = np.vstack([np.zeros(DIMENSION), np.ones(DIMENSION), -50 * made.mean])
    mean, deviation = made.crowd(strange.astype(np.float32))
    assert ((mean >= 0.8) & (mean <= 0.95)).all()
    assert ((np.log(deviation) >= -4.5 - 1e-9) & (np.log(deviation) <= -3.5 + 1e-9)).all()


def test_the_file_is_what_was_fitted(made: Normalisation, templates: Templates) -> None:
    again = Normalisation.from_json(json.loads(json.dumps(made.to_json())))
    assert again.digest == made.digest
    assert again.fitted == made.fitted
    assert np.array_equal(again.probe_vectors(templates), made.probe_vectors(templates))


def test_the_digest_is_of_every_number_and_of_no_words(made: Normalisation) -> None:
    changed = [
        dataclasses.replace(made, mean=made.mean + 1e-6),
        dataclasses.replace(made, directions=-made.directions),
        dataclasses.replace(made, width=1.6),
        dataclasses.replace(made, phases=made.phases + 1e-6),
        dataclasses.replace(made, weights=made.weights + 1e-9),
        dataclasses.replace(made, lowest=made.lowest - 1e-6),
        dataclasses.replace(made, highest=made.highest + 1e-6),
        dataclasses.replace(made, scale=0.2),
    ]
    assert len({made.digest, *(each.digest for each in changed)}) == 1 + len(changed)
    assert dataclasses.replace(made, name="another").digest == made.digest


@pytest.mark.parametrize(
    "spoilt",
    [
        {"mean": [float("nan")] * DIMENSION},
        {"mean": [0.1] * 5},
        {"directions": "AAAA"},
        {"weights": [[1.0, 2.0]]},
        {"lowest": [0.99, -3.0]},
        {"scale": 0.0},
        {"width": float("inf")},
        {"phases": None},
    ],
)
def test_a_spoilt_file_is_refused(made: Normalisation, spoilt: dict[str, Any]) -> None:
    told = made.to_json()
    with pytest.raises(WeightsError, match="damaged"):
        Normalisation.from_json(told | {"numbers": told["numbers"] | spoilt})


def test_a_pack_with_it_compares_by_it(
    made: Normalisation, templates: Templates, permitted: Permitted
) -> None:
    raw = shipped_pack(Calibration.shipped(), "raw")
    pack = dataclasses.replace(raw, normalisation=made)
    assert (raw.comparison, raw.comparison_digest) == ("raw", "")
    assert (pack.comparison, pack.comparison_digest) == ("a-test", made.digest)
    assert pack.digest == raw.digest  # stored templates stay what they are
    assert pack.vector_dimension == pack.dimension + EXTRA
    with permitted("measure-accuracy") as permit:
        scores = pack.compare_all(templates[:3], templates, permit=permit)
        one = pack.compare(templates[0], templates[7], permit=permit)
    wanted = made.probe_vectors(templates[:3]) @ made.reference_vectors(templates).T
    np.testing.assert_allclose(scores, wanted, atol=1e-6)
    assert one == pytest.approx(float(wanted[0, 7]), abs=1e-6)


def test_there_is_no_third_comparison() -> None:
    with pytest.raises(WeightsError, match="no comparison 'fair'"):
        shipped_pack(Calibration.shipped(), "fair")


def test_the_shipped_one_says_what_it_was_fitted_on_and_holds_no_template() -> None:
    shipped = Normalisation.shipped()
    assert shipped.name == "equalised-1"
    assert shipped.dimension == DIMENSION
    assert any("utkface" in each for each in shipped.fitted.data_sets)
    assert len(shipped.fitted.figures) == 8
    assert any("non-commercial" in each for each in shipped.fitted.caveats)
    # One template's worth of numbers is the mean of all of them, which is no unit vector.
    assert 0.5 < float(np.linalg.norm(shipped.mean)) < 0.98


def test_a_vector_takes_less_than_a_tenth_of_a_millisecond(templates: Templates) -> None:
    shipped = Normalisation.shipped()
    taken = []
    for _ in range(200):
        began = time.process_time()
        shipped.probe_vectors(templates)
        taken.append((time.process_time() - began) / len(templates))
    assert min(taken) < 1e-4
