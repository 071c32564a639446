"""`rightface assay report` and `rightface assay card`, as they are called."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rightface.service.measuring import measuring
from tests.assay.test_report import Page, sample_


def run(*words: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", "assay", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("assay") / "assay.json"
    path.write_text(sample_().model_dump_json(), "utf-8")
    return path


def test_the_report(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    told = run("report", str(document), "--out", str(out), "--before", str(document))
    assert "comparisons of two different people pass" in " ".join(told.split())
    page = Page(out.read_text("utf-8"))
    assert page.data("assay") == json.loads(document.read_text("utf-8"))
    assert "No earlier measurement was given." not in page.text
    answer: dict[str, Any] = json.loads(run("report", str(document), "--out", str(out), "--json"))
    assert answer["bytes"] == out.stat().st_size
    assert answer["headline"]["number"]
    assert "No earlier measurement was given." in Page(out.read_text("utf-8")).text


def test_the_card(document: Path, tmp_path: Path) -> None:
    run("card", str(document), "--out", str(tmp_path / "card.md"))
    assert (tmp_path / "card.md").read_text("utf-8").startswith("# Model card: ")
    answer = json.loads(
        run("card", str(document), "--html", "--out", str(tmp_path / "card.html"), "--json")
    )
    assert answer["chapters"] == 9
    assert Page((tmp_path / "card.html").read_text("utf-8")).all("main")


def test_bad_input(document: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> dict[str, str]:
        answer: dict[str, str] = json.loads(run(*words, "--json", status=2))
        return answer

    out = str(tmp_path / "out.html")
    assert "cannot be read" in refused("report", str(tmp_path / "no.json"), "--out", out)["message"]
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[1, 2", "utf-8")
    assert "is no document" in refused("report", str(wrong), "--out", out)["message"]
    told = json.loads(document.read_text("utf-8"))
    told["verification"]["genuine"] = "Jane Doe"
    wrong.write_text(json.dumps(told), "utf-8")
    answer = refused("card", str(wrong), "--out", out)
    assert answer["why"].startswith("verification.genuine: ")
    assert "Jane" not in answer["why"]
    told = json.loads(document.read_text("utf-8"))
    told["format"] = 2
    wrong.write_text(json.dumps(told), "utf-8")
    assert refused("report", str(wrong), "--out", out)["why"].startswith("format: ")
    assert not Path(out).exists()
    nowhere = str(tmp_path / "nowhere" / "page.html")
    assert "cannot be written" in refused("report", str(document), "--out", nowhere)["message"]
    run("report", str(document), status=2)


def test_photographs_need_an_instance_that_permits(document: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "navy").save(tmp_path / "a.png")
    (tmp_path / "failures.csv").write_text("image_a,image_b,same\na.png,a.png,1\n")
    told = json.loads(document.read_text("utf-8"))
    told["data"]["may_show"] = True
    shown = tmp_path / "assay.json"
    shown.write_text(json.dumps(told), "utf-8")
    out = tmp_path / "out.html"
    asked = ("report", str(shown), "--out", str(out), "--failures", str(tmp_path / "failures.csv"))
    answer = json.loads(run(*asked, "--json", status=2))
    assert "--data" in answer["mend"]
    with measuring(tmp_path / "dir", sector="private-entity", jurisdiction="US", make=True):
        pass
    run(*asked, "--data", str(tmp_path / "dir"))
    assert len(Page(out.read_text("utf-8")).all("img")) == 2


def test_the_commands_of_the_page_run(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "assay-report.md").read_text("utf-8")
    lines = re.findall(r"^rightface assay (.*)$", text, re.MULTILINE)
    assert len(lines) == 4
    monkeypatch.chdir(tmp_path)
    told = json.loads(document.read_text("utf-8"))
    told["data"]["may_show"] = True
    for name in ("assay.json", "before.json"):
        Path(name).write_text(json.dumps(told), "utf-8")
    Image.new("RGB", (40, 40), "navy").save("a.png")
    Path("failures.csv").write_text("image_a,image_b,same\na.png,a.png,1\n", "utf-8")
    with measuring(Path("instance"), sector="private-entity", jurisdiction="US", make=True):
        pass
    for line in lines:
        run(*shlex.split(line))
    assert Path("report.html").exists()
    assert Path("card.md").exists()
