"""`rightface assay calibrate` on real photographs, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rightface.cli.main import complete
from rightface.faces.calibration import Calibration


def run(*words: str) -> Result:
    return CliRunner().invoke(complete(), ["assay", "calibrate", *words])


@pytest.mark.faces
def test_from_photographs_to_a_calibration(faces_root: Path, tmp_path: Path, models: Path) -> None:
    out = tmp_path / "out"
    manifest = str(faces_root / "london" / "manifest.csv")
    shipped = tmp_path / "pack.json"
    told = run(
        manifest, "--out", str(out), "--cohort", "gender", "--show", "--json",
        "--write", str(shipped), "--date", "2026-11-22", "--caveat", "Small.",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["measured_on"] == "2026-11-22"
    assert document["caveats"][-1] == "Small."
    assert document["impostor_pairs"] == 20_604
    assert document["genuine_pairs"] == 102
    assert [cost["faces"] for cost in document["costs"]] == [10**n for n in range(3, 8)]
    assert shipped.read_text() == (out / "calibration.json").read_text()
    made = Calibration.from_json(json.loads(shipped.read_text()))
    assert {each.name for each in made.cohorts} == {"female (london)", "male (london)"}
    assert made.provenance.smallest_fmr == pytest.approx(30 / 20_604, rel=0.2)
    assert not (out / "templates").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--fpir", "2"), 2),
        (("--pad", "faces"), 2),
        (("--pad", "faces=many"), 2),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"no photograph")
    (folder / "manifest.csv").write_text("image,subject\none.jpg,a\n")
    out = tmp_path / "out"
    told = run(str(folder / "manifest.csv"), "--out", str(out), *words)
    assert told.exit_code == status, told.output
    assert not out.exists()


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    told = run(str(tmp_path / "none.csv"), "--out", str(tmp_path / "out"), "--json")
    assert told.exit_code == 2
    assert json.loads(told.stdout)["error"] == "assay-table"


@pytest.mark.parametrize("name", ["../../precious", "/precious", ".", "instance"])
def test_a_data_sets_name_is_no_path(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "one.jpg").write_bytes(b"a photograph")
    name = str(precious) if name == "/precious" else name
    folder, out = tmp_path / "faces", tmp_path / "out"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"no photograph")
    (folder / "manifest.csv").write_text("image,subject\none.jpg,a\n")
    (folder / "dataset.toml").write_text(f"name = {json.dumps(name)}")
    told = run(str(folder / "manifest.csv"), "--out", str(out), "--json")
    assert "Fewer than two images gave a face" in json.loads(told.stdout)["message"]
    assert (precious / "one.jpg").read_bytes() == b"a photograph"
    assert [each.name for each in precious.iterdir()] == ["one.jpg"]
    (kept,) = (out / "templates").iterdir()
    assert set(kept.name) <= set("0123456789abcdef")


def test_two_data_sets_of_one_name_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    for place in "ab":
        folder = tmp_path / place / "faces"
        folder.mkdir(parents=True)
        (folder / "one.jpg").write_bytes(b"no photograph")
        (folder / "manifest.csv").write_text("image,subject\none.jpg,a\n")
    tables = [str(tmp_path / place / "faces" / "manifest.csv") for place in "ab"]
    out = tmp_path / "out"
    told = run(*tables, "--out", str(out), "--json")
    assert told.exit_code == 2
    assert json.loads(told.stdout)["message"] == "Two data sets are called 'faces'."
    assert not out.exists()
