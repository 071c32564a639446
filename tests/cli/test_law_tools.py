"""`rightface law …` as others script it: formats, exit codes, the operator's own instruments."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from rightface.law.skeleton import make_skeleton
from tests.cli.test_commands import run
from tests.law.test_skeleton import START

SF = (
    *("--operation", "search", "--actor", "law-enforcement-local"),
    *("--jurisdiction", "US-CA-SF", "--purpose", "criminal-investigation"),
)


def questions(path: Path, *told: dict[str, Any]) -> Path:
    path.write_text(json.dumps(list(told)))
    return path


ASKED: dict[str, Any] = {
    "id": "q1",
    "actor": "law-enforcement-local",
    "jurisdiction": "US-CA-SF",
    "operation": "search",
    "purpose": "criminal-investigation",
}


def lines(*words: str, status: int = 0) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    directory = tmp_path / "extra"
    make_skeleton(
        "ours-1", kind="operator-rule", jurisdiction="*", directory=directory, start=START
    )
    return directory


# ---------------------------------------------------------------- ask
def test_decide_has_two_clocks(tmp_path: Path) -> None:
    asked = questions(tmp_path / "q.json", ASKED, {**ASKED, "id": "q2", "as_of": "2019-01-01"})
    decide = ("law", "decide", "--requests", str(asked), "--instrument", "us-ca-sf-19b", "--json")
    first, second = lines(*decide, "--as-of", "2020-06-12")
    assert (first["outcome"], second["outcome"]) == ("deny", "allow")
    unknown, _ = lines(*decide, "--as-of", "2020-06-12", "--known-at", "2019-01-01")
    assert unknown["outcome"] == "allow"


def test_decide_strictly(tmp_path: Path) -> None:
    told = {**ASKED, "operation": "acquire-possess", "incidental_feature": True}
    asked = questions(tmp_path / "q.json", told)
    decide = ("law", "decide", "--requests", str(asked), "--instrument", "us-ca-sf-19b", "--json")
    when = ("--as-of", "2019-12-01")
    assert lines(*decide, *when)[0]["outcome"] == "deny"
    reasons = lines(*decide, *when, "--strict")[0]["reasons"]
    assert any(reason["rule"].endswith("-unverified") for reason in reasons)


def test_one_bad_word_spoils_its_own_question(tmp_path: Path) -> None:
    asked = questions(tmp_path / "q.json", ASKED, {**ASKED, "id": "q2", "operation": "enchant"})
    decide = ("law", "decide", "--requests", str(asked), "--as-of", "2022-01-01", "--json")
    told, wrong = lines(*decide, status=2)
    assert told["outcome"] == "deny"
    assert (wrong["id"], wrong["outcome"], wrong["error"]) == ("q2", "error", "law")
    assert "enchant" in wrong["message"]
    assert wrong["mend"]
    told = run("law", "decide", "--requests", str(asked), "--as-of", "soon", "--json", status=2)
    assert told["error"]


def test_explain_in_each_format(tmp_path: Path) -> None:
    told = run("law", "explain", *SF, "--as-of", "2021-05-01", "--format", "json", "--timeline")
    assert told["outcome"] == "deny"
    assert told["timeline"]["segments"]
    spoken = {each["instrument"]: each for each in told["spoken"]}
    assert spoken["us-ca-sf-19b"]["says"] == "forbid"
    assert spoken["us-ca-sf-19b"]["reviewed_by"] == "none by counsel"
    text = run("law", "explain", *SF, "--as-of", "2021-05-01", "--timeline")
    assert "█" in text
    assert "\x1b" not in text
    drawn = tmp_path / "t.svg"
    run("law", "explain", *SF, "--format", "svg", "--out", str(drawn))
    assert ElementTree.parse(drawn).getroot().get("role") == "img"
    run("law", "explain", *SF, "--out", str(tmp_path / "no" / "t.txt"), status=1)


def test_explain_from_a_file(tmp_path: Path) -> None:
    asked = questions(tmp_path / "q.json", ASKED, {**ASKED, "id": "q2", "as_of": "2019-01-01"})
    explain = ("law", "explain", "--requests", str(asked), "--json")
    assert run(*explain, "--id", "q2")["as_of"].startswith("2019-01-01")
    assert "q1, q2" in run(*explain, status=2)["why"]
    assert run(*explain, "--operation", "detect", "--id", "q2", status=2)["error"] == "settings"
    assert run("law", "explain", "--id", "q2", "--json", status=2)["error"] == "settings"


def test_explain_is_quick_with_every_instrument() -> None:
    from rightface.law.decide import Desk
    from rightface.law.explain import explain
    from rightface.law.library import InstrumentLibrary
    from rightface.law.question import question

    desk, asked = Desk(InstrumentLibrary.load()), question({**ASKED, "as_of": "2026-11-22"})
    start = time.process_time()
    assert explain(desk, asked, with_timeline=True).changes
    assert time.process_time() - start < 30  # no benchmark: it must not try for ever


def test_list_by_day_place_and_kind() -> None:
    there = ("law", "list", "--json", "--jurisdiction", "US-CA-SF")
    before = {each["id"]: each for each in run(*there, "--as-of", "2019-01-01")}
    after = {each["id"]: each for each in run(*there, "--as-of", "2020-12-31")}
    assert before["us-ca-sf-19b"]["in_force"] is False
    assert before["us-ca-sf-19b"]["status"] == "not in force yet: from 2019-06-30"
    assert after["us-ca-sf-19b"]["in_force"] is True
    assert "us-il-bipa-2008" not in before
    kinds = {each["kind"] for each in run("law", "list", "--json", "--kind", "ordinance")}
    assert kinds == {"ordinance"}
    assert run("law", "list", "--json", "--kind", "rumour", status=2)["error"] == "settings"
    assert run("law", "list", "--json", "--jurisdiction", "Mars", status=2)["error"] == "law"


# ---------------------------------------------------------------- write
def test_vocabulary_diff_docs(tmp_path: Path) -> None:
    words = run("law", "vocabulary", "--json")
    assert "law-enforcement-local" in [each["word"] for each in words["actors"]]
    told = run("law", "diff", "--from", "2020-01-01", "--to", "2020-12-31", "--json")
    assert "microsoft-police-commitment-2020" in told["in_force_only_after"]
    assert run("law", "diff", "--from", "soon", "--to", "2020-12-31", "--json", status=2)["mend"]
    made = run("law", "docs", "--out", str(tmp_path / "pages"), "--json")
    assert {path.name for path in (tmp_path / "pages").iterdir()} == set(made["pages"])


def test_new_test_lint(tmp_path: Path) -> None:
    new = (
        *("law", "new", "us-tx-austin-2027", "--kind", "ordinance"),
        *("--jurisdiction", "US-TX-AUSTIN", "--from", "2027-01-01", "--dir", str(tmp_path)),
    )
    assert Path(run(*new, "--json")["folder"]).is_dir()
    assert run(*new, "--json", status=2)["message"] == "The id 'us-tx-austin-2027' is taken."
    test = ("law", "test", "us-tx-austin-2027", "--extra", str(tmp_path))
    assert run(*test, "--json")["failed"] == 0
    assert run("law", "lint", str(tmp_path), "--json")["errors"] == 0

    cases = tmp_path / "us-tx-austin-2027" / "cases.yaml"
    cases.write_text(cases.read_text().replace("expect: deny", "expect: allow"))
    told = run(*test, status=1)
    assert told.splitlines()[0] == (
        "FAILED us-tx-austin-2027-first-day (us-tx-austin-2027): expected allow, gate says deny, "
        "reference says deny."
    )
    assert len(told.splitlines()) == 2
    assert run("law", "lint", str(tmp_path), "--json", status=1)["errors"] >= 1


# ---------------------------------------------------------------- the operator's own
INIT = ("--sector", "private-entity", "--jurisdiction", "US-IL", "--yes")


def test_extra_instruments_are_listed_and_asked(extra: Path, tmp_path: Path) -> None:
    told = {"id": "q", "actor": "private-entity", "jurisdiction": "JP", "operation": "enroll",
            "as_of": "2027-06-01", "commitments": "none"}  # fmt: skip
    asked = questions(tmp_path / "q.json", told)
    decide = ("law", "decide", "--requests", str(asked), "--json")
    assert run(*decide)["outcome"] == "allow"
    assert run(*decide, "--extra", str(extra))["instruments"] == ["ours-1"]
    assert run(*decide, RIGHTFACE_INSTRUMENTS=str(extra))["outcome"] == "deny"
    assert "FILL IN" in run("law", "show", "ours-1", "--extra", str(extra))


def test_an_instance_has_its_own(extra: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = run("init", "--data", str(data), *INIT, "--instruments", str(extra), "--strict-law",
               "--json")  # fmt: skip
    assert "ours-1" in made["instruments"]
    assert f'instruments = "{extra}"' in (data / "rightface.toml").read_text()
    assert "strict_law = true" in (data / "rightface.toml").read_text()
    listed = run("law", "list", "--data", str(data), "--json")
    assert "ours-1" in [each["id"] for each in listed]
    assert run("law", "list", "--data", str(data), "--extra", str(extra), "--json", status=2)

    asked = questions(tmp_path / "q.json", {**ASKED, "jurisdiction": "US-CA-SF"})
    decide = ("law", "decide", "--requests", str(asked), "--data", str(data), "--json")
    reasons = run(*decide, "--as-of", "2019-12-01", "--instrument", "us-ca-sf-19b")["reasons"]
    assert any(reason["rule"].endswith("-unverified") for reason in reasons)
    lax = run(*decide, "--as-of", "2019-12-01", "--instrument", "us-ca-sf-19b",
              RIGHTFACE_STRICT_LAW="false")["reasons"]  # fmt: skip
    assert not any(reason["rule"].endswith("-unverified") for reason in lax)


@pytest.mark.parametrize(
    ("file", "old", "new", "said", "at"),
    [
        ("policy.cedar", "context.written_release", "context.written_relaese",
         "does not fit the schema", "@id"),
        ("policy.cedar", "};", "", "is not Cedar", "@id"),
        ("instrument.toml", '"enroll"', '"enchant"', "Unknown operation 'enchant'", "enchant"),
        ("instrument.toml", '"operator-rule"', '"baseline"', "not yours", '"baseline"'),
        ("instrument.toml", "2027-01-01", "2027-13-01", "cannot be read", "2027-13-01"),
    ],
)  # fmt: skip
def test_a_broken_one_stops_the_start(
    extra: Path, tmp_path: Path, file: str, old: str, new: str, said: str, at: str
) -> None:
    data = tmp_path / "data"
    run("init", "--data", str(data), *INIT, "--instruments", str(extra))
    path = extra / "ours-1" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = subprocess.run(
        [sys.executable, "-m", "rightface", "serve", "--data", str(data), "--port", "0"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "ready" not in done.stdout
    assert "Traceback" not in done.stderr
    lines_of = path.read_text().splitlines()
    number = next(n for n, line in enumerate(lines_of, 1) if at in line)
    assert str(path) in done.stderr
    assert f"line {number}" in done.stderr
    assert said in done.stderr
    assert "To mend it:" in done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "expected", "gate", "reference"),
    [
        ("cases.yaml", "expect: deny", "expect: allow", "allow", "deny", "deny"),
        ("policy.cedar", "unless {", "when {", "deny", "allow", "deny"),
        ("instrument.toml", "unless =", "when =", "deny", "deny", "allow"),
    ],
)
def test_one_that_fails_its_own_cases_stops_the_start(
    extra: Path, tmp_path: Path, file: str, old: str, new: str,
    expected: str, gate: str, reference: str,
) -> None:  # fmt: skip
    data = tmp_path / "data"
    run("init", "--data", str(data), *INIT, "--instruments", str(extra))
    path = extra / "ours-1" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    for asked in (
        ("law", "list", "--data", str(data)),
        ("law", "list", "--extra", str(extra)),
        ("init", "--data", str(tmp_path / "more"), *INIT, "--instruments", str(extra)),
    ):
        told = run(*asked, "--json", status=2)
        assert "ours-1/cases.yaml: the case 'ours-1-first-day' fails." in told["message"]
        assert f"expected {expected}, gate says {gate}, reference says {reference}" in told["why"]
        assert "rightface law test ours-1 --extra" in told["mend"]
    assert not (tmp_path / "more").exists()
    assert run("law", "test", "ours-1", "--extra", str(extra), "--json", status=1)["failed"] >= 1


def test_a_shipped_id_cannot_be_taken(extra: Path, tmp_path: Path) -> None:
    (extra / "ours-1").rename(extra / "us-ca-sf-19b")
    path = extra / "us-ca-sf-19b" / "instrument.toml"
    path.write_text(path.read_text().replace('id = "ours-1"', 'id = "us-ca-sf-19b"'))
    told = run("init", "--data", str(tmp_path / "data"), *INIT, "--instruments", str(extra),
               "--json", status=2)  # fmt: skip
    assert "is taken" in told["message"]
    assert not (tmp_path / "data").exists()
