"""Another system's scores: their table is that of the distribution they were drawn from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from rightface.assay.calibrate import CalibrationError
from rightface.assay.calibrating import Calibrated
from rightface.assay.calibrating_scores import CAVEATS, calibrate_scores
from rightface.assay.score_file import read_scores
from rightface.errors import WeightsError
from rightface.faces.calibration import Calibration
from rightface.faces.packs import load_pack

DAY = date(2026, 1, 2)


def made(folder: Path, *more: str, scale: float = 1.0, impostors: int = 60_000) -> Calibrated:
    generator = np.random.default_rng(3)
    path = folder / "scores.csv"
    rows = [f"{score * scale!r},0,{'ab'[place % 2]}" for place, score in enumerate(
        generator.normal(0, 1, impostors).tolist())]  # fmt: skip
    rows += [f"{score * scale!r},1,a" for score in generator.normal(5, 1, 2_000).tolist()]
    path.write_text("\n".join(["score,same,group", *rows, *more, ""]), "utf-8")
    with read_scores(path) as file:
        return calibrate_scores(file, name="a vendor's", on=DAY, caveats=("Small.",))


def test_rates_are_those_of_the_distribution(tmp_path: Path) -> None:
    found = made(tmp_path).calibration
    for rate in (1e-1, 1e-2, 1e-3):
        assert found.score_at(rate) == pytest.approx(NormalDist().inv_cdf(1 - rate), abs=0.05)
        score = NormalDist().inv_cdf(1 - rate)
        band = found.band(score)
        assert band is not None
        assert band[0] < rate < band[1]
        assert not found.rate(score).extrapolated
    beyond = found.rate(4.75)
    assert beyond.extrapolated
    assert 1e-7 < beyond.fmr < 1e-4  # 1e-6, and never less safe by more than a decade
    assert {each.name for each in found.cohorts} == {"a (group)", "b (group)"}


def test_the_scale_does_not_matter_and_an_outlier_moves_no_measured_rate(tmp_path: Path) -> None:
    plain = made(tmp_path).document
    for scale in (1e-9, 1e9):
        told = made(tmp_path, scale=scale).document
        assert [row[1] for row in told["table"]] == [row[1] for row in plain["table"]]
        assert [row[0] / scale for row in told["table"]] == pytest.approx(
            [row[0] for row in plain["table"]]
        )
        assert told["tail"]["scale"] / scale == pytest.approx(plain["tail"]["scale"])
    outlier = made(tmp_path, "9999,1,a").calibration
    assert outlier.score_at(1e-3) == pytest.approx(made(tmp_path).calibration.score_at(1e-3))


def test_it_belongs_to_no_pack_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = made(tmp_path).document
    assert told["caveats"] == [*CAVEATS, "Small."]
    assert told["pack_digest"] == ""
    monkeypatch.setattr(Calibration, "shipped", lambda file: Calibration.from_json(told))
    with pytest.raises(WeightsError, match="another model pack"):
        load_pack("raw")


def test_too_few_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="too few"):
        made(tmp_path, impostors=1_000)
    with pytest.raises(CalibrationError, match="too large"):
        made(tmp_path, "1e300,0,a")
