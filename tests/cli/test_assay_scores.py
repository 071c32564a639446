"""What `assay scores` and `calibrate --scores` say, and what a name cannot make them say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rightface.cli import output
from rightface.cli.assay.shown import score_shown
from rightface.cli.main import complete
from rightface.faces.calibration import Calibration

TURNED = "f\u202emelam"


def run(*words: str) -> Result:
    return CliRunner().invoke(complete(), ["assay", *words])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = [
        f"{score!r},{same},{(TURNED, 'm')[place % 2]}"
        for same, middle, count in ((0, 0.0, 6_000), (1, 5.0, 500))
        for place, score in enumerate(generator.normal(middle, 1, count).tolist())
    ]
    path = tmp_path / "scores.csv"
    rows += ["abc,1,m", ",0,m", "0.5,perhaps,m"]
    path.write_text("\n".join(["score,same,who", *rows, ""]), "utf-8")
    return path


def test_rows_are_comparisons_and_what_is_left_out_has_its_reason(
    table: Path, tmp_path: Path
) -> None:
    said = run(
        "scores", str(table), "--out", str(tmp_path), "--name", "a\x1b[31m\u202evendor"
    ).output
    assert "a\\u001b[31m\\u202evendor: 6,500 of 6,503 rows are comparisons that count" in said
    assert "left out: 2 (rows 6501, 6502): The score is missing, or is no number." in said
    assert "left out: 1 (row 6503): `same` cannot be read." in said
    assert "f\\u202emelam" in said
    assert "Not looked at: photographs under a wrong person's name." in said
    assert not {"\u202e", "\x1b"} & set(said)
    assert "photographs used" not in said
    assert "images" not in said


def test_json_says_the_same_without_what_acts_on_a_terminal(table: Path, tmp_path: Path) -> None:
    told = run("scores", str(table), "--out", str(tmp_path), "--json").stdout
    assert "\u202e" not in told
    assert TURNED in json.loads(told)["data"]["columns"]["who"]
    assert json.loads(told)["data"]["rows_are"] == "comparisons"


def test_scores_are_calibrated_into_a_file(table: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    told = run(
        "calibrate", "--scores", str(table), "--out", str(tmp_path / "out"), "--write", str(kept),
        "--date", "2026-01-02", "--caveat", "Small.", "--show",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "no instance takes it" in told.output
    assert "* extrapolated" in told.output
    assert kept.read_text() == (tmp_path / "out" / "calibration.json").read_text()
    made = Calibration.from_json(json.loads(kept.read_text()))
    assert made.provenance.caveats[-1] == "Small."
    assert made.score_at(1e-2) == pytest.approx(2.33, abs=0.15)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["manifest.csv"], "a table of photographs is"),
        (["--judge"], "--judge is"),
        (["--apart", "a,b"], "--apart is"),
    ],
)
def test_scores_and_photographs_are_not_both_named(
    table: Path, tmp_path: Path, more: list[str], says: str
) -> None:
    told = run("calibrate", "--scores", str(table), "--out", str(tmp_path), *more)
    assert (told.exit_code, says in told.output) == (2, True), told.output


def test_nothing_named_is_said(tmp_path: Path) -> None:
    told = run("calibrate", "--out", str(tmp_path))
    assert (told.exit_code, "Nothing is named" in told.output) == (2, True)


def test_what_is_seen_stays_and_what_is_not_is_written_out() -> None:
    assert output.visible("Zoë · 東京 می‌خواهم 👩‍👧") == "Zoë · 東京 می‌خواهم 👩‍👧"
    assert output.visible("a\nb\x07\x85\u2066") == "a\\u000ab\\u0007\\u0085\\u2066"


@pytest.mark.parametrize(
    ("score", "shown"),
    [(0.4443, "0.4443"), (-1.5, "-1.5000"), (1e308, "1e+308"), (2e-9, "2e-09"), (0.0, "0")],
)
def test_scores_of_any_scale_are_shown_in_few_digits(score: float, shown: str) -> None:
    assert score_shown(score) == shown
