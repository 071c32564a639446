"""Thresholds for galleries of any size, and what they cost."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightface.assay.thresholds import Genuine, costs, fmr_needed, require_target
from rightface.errors import SettingsError
from rightface.faces.calibration import Calibration, Cohort, Provenance
from rightface.faces.rate_table import RateTable, Tail

TOLD = Provenance(
    pack_digest="00",
    data_sets=(),
    impostor_pairs=1,
    genuine_pairs=1,
    measured_on=date(2026, 11, 22),
    smallest_fmr=1e-4,
    caveats=(),
)


def table(shift: float, reach: int = 4) -> RateTable:
    """A decade for each tenth of score, from `shift` on."""
    decades = range(reach + 1)
    return RateTable(
        [(shift + each / 10, 10.0**-each) for each in decades],
        Tail(0.0, 0.1 / math.log(10)),
    )


def calibration() -> Calibration:
    cohorts = (
        Cohort(name="seldom mistaken", images=9, impostor_pairs=9, table=table(-0.1)),
        Cohort(name="often mistaken", images=9, impostor_pairs=9, table=table(0.15, reach=2)),
    )
    return Calibration(table(0.0), TOLD, cohorts=cohorts)


@pytest.mark.parametrize(
    ("fpir", "faces", "fmr"),
    [(1e-3, 1, 1e-3), (0.5, 2, 1 - 0.5**0.5), (1e-3, 10**7, 1.0005003e-10), (0.1, 0, 1.0)],
)
def test_the_rate_that_a_gallery_needs(fpir: float, faces: int, fmr: float) -> None:
    assert fmr_needed(fpir, faces) == pytest.approx(fmr, rel=1e-6)


@given(st.floats(1e-9, 0.999), st.integers(1, 10**10))
def test_searches_are_then_wrong_as_often_as_stated(fpir: float, faces: int) -> None:
    fmr = fmr_needed(fpir, faces)
    assert 0 < fmr <= 1
    assert -math.expm1(faces * math.log1p(-fmr)) == pytest.approx(fpir, rel=1e-6)
    assert fmr_needed(fpir, faces + 1) <= fmr


@pytest.mark.parametrize("fpir", [0.0, 1.0, -1.0, math.nan, math.inf])
def test_a_target_is_a_share(fpir: float) -> None:
    with pytest.raises(SettingsError):
        require_target(fpir)
    with pytest.raises(SettingsError):
        costs(calibration(), (), fpir)


def test_the_worst_measured_cohort_sets_the_threshold() -> None:
    made = calibration()
    within = made.worst_threshold(1e-2)
    assert within.score == pytest.approx(0.35)
    assert (within.cohort, within.extrapolated) == ("often mistaken", False)
    beyond = made.worst_threshold(1e-3)
    assert beyond.score == pytest.approx(0.45)
    assert beyond.extrapolated  # its table ends at 1e-2; everybody's does not
    assert made.worst_rate(0.35).fmr == pytest.approx(1e-2)
    assert made.rate(0.35).fmr == pytest.approx(10**-3.5)


@given(st.floats(1e-12, 0.9))
def test_at_its_threshold_no_cohort_has_more(fmr: float) -> None:
    made = calibration()
    score = made.worst_threshold(fmr).score
    assert made.worst_rate(score).fmr == pytest.approx(fmr, rel=1e-6)
    for cohort in made.cohorts:
        assert 10 ** cohort.table.log_rate(score) <= fmr * (1 + 1e-6)


def test_without_cohorts_everybody_sets_it() -> None:
    made = Calibration(table(0.0), TOLD)
    assert made.worst_threshold(1e-3).cohort == ""
    assert made.worst_threshold(1e-3).score == made.score_at(1e-3)


def test_costs_tell_both_thresholds_and_who_is_missed() -> None:
    scores = np.linspace(0, 1, 1000, dtype=np.float32)
    genuine = [Genuine("a", scores), Genuine("too small", scores[:29])]
    (small, large) = costs(calibration(), genuine, 1e-2, sizes=(1, 100))
    assert small.for_everybody.score == pytest.approx(0.2)
    assert small.for_the_worst.score == pytest.approx(0.35)
    assert small.worst_rate == pytest.approx(10**-0.5)
    (told,) = small.misses
    assert (told.group, told.trials) == ("a", 1000)
    assert told.for_everybody == pytest.approx(0.2, abs=2e-3)
    assert told.for_the_worst == pytest.approx(0.35, abs=2e-3)
    assert large.for_the_worst.score > small.for_the_worst.score
    assert large.misses[0].for_the_worst > told.for_the_worst
