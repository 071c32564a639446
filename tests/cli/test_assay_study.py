"""`rightface assay study` as others run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightface.assay.studies.facts import IDS
from rightface.instance import Instance
from rightface.ledger import log
from tests.cli.test_commands import run
from tests.portraits import eileen_collins, grace_hopper, nobody, small


def test_studies_are_listed() -> None:
    listed = run("assay", "study", "--json")
    assert {one["name"]: one["id"] for one in listed} == dict(IDS)
    assert [one["name"] for one in listed if one["unverified"]] == ["klare"]
    assert "gender-shades" in run("assay", "study")


@pytest.mark.parametrize("name", list(IDS))
def test_each_by_both_names(name: str) -> None:
    by_id = run("assay", "study", IDS[name], "--json")
    assert by_id["name"] == name
    assert len(by_id["cells"]) >= by_id["reproduced"]
    assert by_id["sources"]
    assert by_id["title"] in run("assay", "study", name)


def test_each_cell_has_both_numbers_a_verdict_and_a_mark() -> None:
    told = run("assay", "study", "gender-shades", "--json")
    worst = next(
        cell
        for cell in told["cells"]
        if (cell["row"], cell["column"], cell["published"]) == ("IBM", "DF", 34.7)
    )
    assert worst["computed"] == pytest.approx(34.686, abs=0.001)
    assert (worst["verdict"], worst["confidence"], worst["tolerance"]) == (
        "reproduced",
        "seen",
        0.15,
    )
    text = run("assay", "study", "gender-shades")
    assert "9.8 % (as implied)" in text
    assert "differs" in text


def test_predictions_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    rows = ["truth,told,skin"]
    rows += [f"f,{'m' if number < 10 else 'f'},d" for number in range(40)]
    rows += [f"m,m,{skin}" for skin in "dl" for _ in range(40)]
    path.write_text("\n".join([*rows, ""]), "utf-8")
    words = ("assay", "study", "gender-shades", "--predictions", str(path))
    columns = ("--label", "truth", "--predicted", "told")
    told = run(*words, *columns, "--json")
    assert told["everybody"]["error"]["errors"] == 10
    assert told["splits"][0]["groups"][0]["error"]["rate"] == 0.25
    text = run(*words, *columns)
    assert "f · d less m · d: 25.0 points" in text
    assert "infers nothing" in text
    refused = run(*words, "--json", status=2)
    assert refused["error"] == "assay-table"
    assert run("assay", "study", "gender-shades", "--predictions", "none.csv", status=2) is None


def test_a_claim_is_no_metric_until_all_is_stated() -> None:
    words = ("assay", "study", "clearview", "--claim", "0.986")
    refused = run(*words, "--json", status=2)
    assert refused["error"] == "claim"
    assert "gallery's size" in refused["why"]
    whole = ("--of", "fnir", "--threshold", "FMR 1e-9", "--gallery-size", "1000")
    told = run(*words, *whole, "--mated-share", "0.5", "--json")
    assert (told["of"], told["value"]) == ("FNIR", 0.986)


def test_what_is_no_assay_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")
    for name in ("nist", "klare"):
        assert (
            "no assay"
            in run("assay", "study", name, "--assay", str(path), "--json", status=2)["message"]
        )
    refused = run("assay", "study", "nist", "--assay", str(tmp_path / "no"), "--json", status=2)
    assert "cannot be read" in refused["message"]


@pytest.fixture
def photographs(tmp_path: Path) -> tuple[Path, Path]:
    """Manifests: one person to search for in three photographs, and another in two."""
    for name, portrait, count in (("p", eileen_collins(), 3), ("g", grace_hopper(), 2)):
        rows = ["image,subject,mission"]
        for number in range(count):
            (tmp_path / f"{name}{number}.jpg").write_bytes(small(portrait, 170 + 10 * number))
            rows.append(f"{name}{number}.jpg,{name},{'ab'[number % 2]}")
        if name == "p":
            (tmp_path / "nobody.jpg").write_bytes(nobody())
            rows += ["nobody.jpg,x,a", "g0.jpg,y,b"]  # the last is in the gallery too
        (tmp_path / f"{name}.csv").write_text("\n".join([*rows, ""]), "utf-8")
    return tmp_path / "p.csv", tmp_path / "g.csv"


def test_the_aclus_test_on_ones_own(photographs: tuple[Path, Path], tmp_path: Path) -> None:
    probes, gallery = map(str, photographs)
    out = tmp_path / "out"
    words = ("assay", "study", "aclu", "--probes", probes, "--gallery", gallery)
    told: Any = run(*words, "--out", str(out), "--fpir", "0.5", "--fmr", "0.999", "--json")
    assert told == json.loads((out / "aclu.json").read_text("utf-8"))
    assert told["same_photographs"] == 1
    assert told["probe_failures"]["errors"] == 1
    assert (told["test"]["searches"], told["test"]["gallery_size"]) == (3, 2)
    default, lax, *_ = told["test"]["at"]
    assert default["setting"]["name"] == "similarity 80"
    with Instance.open(out / "instance") as opened:
        calibration = opened.pack.calibration
    assert default["setting"]["score"] == pytest.approx(calibration.score_at(0.2**4))
    assert default["setting"]["extrapolated"] is False
    assert default["fpir"]["errors"] == 0
    assert lax["fpir"]["errors"] == 3  # nearly everybody matches at an FMR of 0.999
    assert [(one["group"], one["fpir"]["trials"]) for one in lax["groups"]] == [("a", 2), ("b", 1)]
    assert sorted(path.name for path in out.iterdir()) == ["aclu.json", "instance"]
    with Instance.open(out / "instance") as opened, opened.database.read() as session:
        leaves = [log.leaf_at(session, index) for index in range(log.size(session))]
    last = leaves[-1]
    assert (last.operation, last.outcome) == ("measure-accuracy", "assayed")
    assert dict(last.counts) == {"searches": 3, "gallery": 2}
    text = run(*words, "--out", str(out))
    assert "3 searches in a gallery of 2" in text
    assert "the same photograph in both: 1" in text


def test_half_a_test_of_ones_own_is_refused(photographs: tuple[Path, Path], tmp_path: Path) -> None:
    probes, gallery = map(str, photographs)
    words = ("assay", "study", "aclu", "--json", "--probes", probes)
    assert "--gallery" in run(*words, status=2)["message"]
    whole = (*words, "--gallery", gallery, "--out", str(tmp_path / "out"))
    assert "between 0 and 1" in run(*whole, "--fpir", "0", status=2)["message"]
    assert "between 0 and 1" in run(*whole, "--fmr", "2", status=2)["message"]
    assert not (tmp_path / "out").exists()  # said before anything is made
    same = (*words, "--gallery", probes, "--out", str(tmp_path / "out"))
    assert "in the gallery too" in run(*same, status=1)["message"]


def test_photographs_that_lie_in_the_directory_stay(
    photographs: tuple[Path, Path], tmp_path: Path
) -> None:
    probes, gallery = map(str, photographs)
    for name in ("probes", "gallery"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.jpg").write_bytes(b"a photograph")
    words = ("assay", "study", "aclu", "--probes", probes, "--gallery", gallery)
    run(*words, "--out", str(tmp_path), "--fpir", "0.5", "--json")
    for name in ("probes", "gallery"):
        assert (tmp_path / name / "one.jpg").read_bytes() == b"a photograph"
    assert not (tmp_path / "templates").exists()
