"""`rightface assay equalise` on real photographs, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rightface.assay import equalise, equalise_table
from rightface.assay.equalise_table import Equalised
from rightface.assay.equalise_variants import SHIPPED, VARIANTS
from rightface.assay.evidence import figures_of, read_document
from rightface.cli.main import complete
from rightface.faces.normalisation import Normalisation

SOME = tuple(each for each in VARIANTS if each.name in ("raw", SHIPPED))


def run(*words: str) -> Result:
    return CliRunner().invoke(complete(), ["assay", "equalise", *words])


@pytest.mark.faces
def test_from_photographs_to_a_normalisation_its_table_and_evidence(
    faces_root: Path, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equalise, "FEWEST", 50)  # what is written, not how well it is fitted
    monkeypatch.setattr(equalise_table, "VARIANTS", SOME)
    out = tmp_path / "out"
    told = run(
        str(faces_root / "london" / "manifest.csv"), "--fit", "london", "--cohort", "gender",
        "--compare", "--out", str(out), "--date", "2026-11-22", "--json", "--caveat", "Small.",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    made = Normalisation.from_json(json.loads((out / "normalisation.json").read_text()))
    assert document["digest"] == made.digest
    assert made.fitted.data_sets == ("london: 204 photographs",)
    assert made.fitted.caveats[-1] == "Small."
    assert len(made.fitted.figures) == 2
    table = Equalised.model_validate_json((out / "equalise.json").read_text())
    assert [each.name for each in table.variants] == [each.name for each in SOME]
    raw = table.variants[0].at[0]
    assert [group.images for group in raw.groups] == [98, 106]
    assert raw.true_match is not None
    assert (raw.true_match.value or 0) > 0.95
    content = (out / "evidence.json").read_bytes()
    figures = figures_of(
        content, pack_digest=table.pack_digest, comparison_digest=made.digest, fmr_target=1e-2
    )
    assert (figures.images, figures.impostor_pairs) == (204, 204 * 203 // 2 - 102)
    caveats = read_document(content).data.caveats
    assert any("was fitted on these people" in each for each in caveats)
    assert caveats[-1] == "Small."
    assert not (out / "templates").exists()


@pytest.mark.faces
def test_too_few_photographs_are_refused_with_the_reason(
    faces_root: Path, tmp_path: Path, models: Path
) -> None:
    told = run(
        str(faces_root / "london" / "manifest.csv"), "--fit", "london", "--cohort", "gender",
        "--out", str(tmp_path / "out"), "--json",
    )  # fmt: skip
    assert told.exit_code == 1
    error = json.loads(told.stdout)
    assert error["message"].startswith("204 photographs with a face have a group: too few")
    assert "miss more people than raw" in error["why"]
    assert not (tmp_path / "out" / "normalisation.json").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--fit", "nobody"), "no data set 'nobody'"),
        (("--fit", "faces", "--cohort", "race"), "no such groups"),
        (("--fit", "faces", "--pad", "faces"), "no padding"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"no photograph")
    (folder / "manifest.csv").write_text("image,subject,gender\none.jpg,a,female\n")
    out = tmp_path / "out"
    told = run(str(folder / "manifest.csv"), "--out", str(out), *words)
    assert told.exit_code == 2, told.output
    assert why in " ".join(told.output.split())
    assert not out.exists()


@pytest.mark.parametrize("name", ["../../precious", "/precious", ".", "instance"])
def test_a_data_sets_name_is_no_path(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "one.jpg").write_bytes(b"a photograph")
    name = str(precious) if name == "/precious" else name
    folder, out = tmp_path / "faces", tmp_path / "out"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"no photograph")
    (folder / "two.jpg").write_bytes(b"none either")
    (folder / "manifest.csv").write_text("image,subject,gender\none.jpg,a,female\ntwo.jpg,b,male\n")
    (folder / "dataset.toml").write_text(f"name = {json.dumps(name)}")
    told = run(
        str(folder / "manifest.csv"), "--out", str(out), "--fit", name, "--cohort", "gender",
        "--json",
    )  # fmt: skip
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
        (folder / "manifest.csv").write_text("image,subject,gender\none.jpg,a,female\n")
    tables = [str(tmp_path / place / "faces" / "manifest.csv") for place in "ab"]
    out = tmp_path / "out"
    told = run(*tables, "--out", str(out), "--fit", "faces", "--cohort", "gender", "--json")
    assert told.exit_code == 2
    assert json.loads(told.stdout)["message"] == "Two data sets are called 'faces'."
    assert not out.exists()
