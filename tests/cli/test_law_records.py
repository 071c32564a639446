"""Commitments, duties, facts and attestations from the command line, as an operator would."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rightface.cli.main import complete
from rightface.law.checklists import checklist
from rightface.settings import Settings

PLEDGE = "microsoft-police-commitment-2020"
FACT = "us-face-law-grounded-in-human-rights"
LIST = "grounded-in-human-rights"
OFFICE = "Commission on Civil Rights"


def run(*words: str, status: int = 0) -> Any:
    """A command, in this process; its JSON answer, or its text."""
    done = CliRunner().invoke(complete(), words)
    assert done.exit_code == status, done.output
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("records") / "data"
    run(
        *("init", "--data", str(made), "--sector", "vendor"),
        *("--jurisdiction", "US-WA", "--yes"),
    )
    return made


def law(data: Path, *words: str, status: int = 0) -> Any:
    return run("law", *words, "--data", str(data), "--json", status=status)


def filled(tmp_path: Path, **changed: object) -> Path:
    """A file of answers to every item, all met, of a law of 2021."""
    met = {"met": True, "reason": "It says so.", "reference": "section 1"}
    answers: dict[str, object] = {item.item_id: dict(met) for item in checklist(LIST).items}
    for item, answer in changed.items():
        answers[item] = answer
    told = {
        "law": {
            "name": "An Act (made up)",
            "citation": "Public Law 999-1",
            "jurisdiction": "US",
            "in_force_from": "2021-01-01",
        },
        "attester": {"name": OFFICE, "office": "Chair"},
        "date": "2021-02-01",
        "answers": answers,
    }
    path = tmp_path / "answers.yaml"
    path.write_text(yaml.safe_dump(told), "utf-8")
    return path


def test_a_commitment_is_adopted_and_withdrawn(data: Path) -> None:
    adopted = law(data, "adopt", PLEDGE)
    assert (adopted["instrument"], adopted["withdrawn_at"]) == (PLEDGE, None)
    told = law(data, "withdraw", PLEDGE, "--reason", "The contract ended.")
    assert told["reason"] == "The contract ended."
    assert told["withdrawn_at"] > told["adopted_at"]
    assert law(data, "withdraw", PLEDGE, "--reason", "Again.", status=2)["error"] == "law"
    told = law(data, "withdraw", "us-il-bipa-2008", "--reason", "Too strict.", status=2)
    assert "no commitment" in told["message"]


def test_a_duty_is_recorded_listed_and_ended(data: Path, tmp_path: Path) -> None:
    sign = tmp_path / "sign.txt"
    sign.write_text("Faces are compared here.")
    options = ("--document", str(sign), "--from", "2026-01-01")
    recorded = law(data, "duties", "record", "posted-sign", *options)
    assert recorded["document_digest"] == hashlib.sha256(sign.read_bytes()).hexdigest()
    assert recorded["met_from"].startswith("2026-01-01")
    listed = {each["duty"]: each for each in law(data, "duties", "list")}
    assert listed["posted-sign"]["signed"] and listed["public-retention-policy"]["signed"]
    [ended] = law(data, "duties", "end", "posted-sign")
    assert ended["ended_at"] is not None
    assert law(data, "duties", "end", "posted-sign", status=2)["error"] == "law"
    unknown = law(data, "duties", "record", "posted-sign", *options, "--client", "x", status=2)
    assert "licence" in unknown["message"]
    scoped = law(data, "duties", "record", "posted-sign", *options, "--gallery", "staff*")
    assert (scoped["client"], scoped["gallery"]) == (None, "staff*")
    review = law(data, "duties", "record", "two-person-review", *options, status=2)
    assert "cannot be put on record" in review["message"]
    law(data, "duties", "end", "posted-sign")
    missing = ("--document", str(tmp_path / "missing"))
    assert law(data, "duties", "record", "posted-sign", *missing, status=2)["error"] == "settings"


def test_a_standing_condition_is_recorded_listed_and_ended(data: Path, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("The camera measures depth.")
    common = ("--attester", "Works council", "--document", str(note), "--from", "2026-01-01")
    told = law(data, "facts", "record", "capture", "--value", "live-3d-scan", *common)
    assert (told["name"], told["value"], told["gallery"]) == ("capture", "live-3d-scan", None)
    [listed] = [f for f in law(data, "facts", "list") if f["fact_id"] == told["fact_id"]]
    assert listed["state"] == "holds"
    assert law(data, "facts", "end", told["fact_id"])["ended_at"] is not None
    refused = law(data, "facts", "record", "consent", "--value", "true", *common, status=2)
    assert "cannot stand" in refused["message"]
    case = law(data, "facts", "record", "offence", "--value", "homicide", *common, status=2)
    assert "of one case" in case["message"] and "90 days" in case["why"]
    unknown = law(
        data, "facts", "record", "notice", "--value", "true", "--client", "nobody", *common,
        status=2,
    )  # fmt: skip
    assert "licence" in unknown["message"]


def test_a_damaged_record_is_ended_by_its_id(data: Path, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("It is there.")
    told = law(
        data, "facts", "record", "notice", "--value", "true", "--attester", "A",
        "--document", str(note), "--from", "2026-01-01",
    )  # fmt: skip
    file = Settings(data=data, sector="vendor", jurisdiction="US-WA").sqlite_file
    with sqlite3.connect(file) as connection:
        broken = "UPDATE facts_on_record SET signature = zeroblob(64), name = 'x' WHERE fact_id = ?"
        connection.execute(broken, (told["fact_id"],))
    connection.close()
    states = {f["fact_id"]: f["state"] for f in law(data, "facts", "list")}
    assert states[told["fact_id"]] == "damaged"
    assert law(data, "facts", "end", told["fact_id"])["ended_at"] is not None
    states = {f["fact_id"]: f["state"] for f in law(data, "facts", "list")}
    assert states[told["fact_id"]] == "ended"


def test_the_whole_way_of_an_attestation(data: Path, tmp_path: Path) -> None:
    key, out = tmp_path / "key", tmp_path / "attestation.json"
    made = run("law", "attester-key", "--out", str(key), "--json")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = Path(made["public_key"])
    assert run("law", "attester-key", "--out", str(key), "--json", status=2)["error"] == "settings"

    def attest(answers: Path, status: int = 0) -> Any:
        return run(
            *("law", "attest", "--checklist", LIST, "--answers", str(answers)),
            *("--key", str(key), "--out", str(out), "--json"),
            status=status,
        )

    law_text = tmp_path / "act.txt"
    law_text.write_text("Section 1.")

    def record(start: str, status: int = 0) -> Any:
        return law(
            *(data, "facts", "record", FACT, "--from", start, "--attester", OFFICE),
            *("--document", str(law_text), "--attestation", str(out)),
            status=status,
        )

    assert attest(filled(tmp_path))["unmet"] == []
    assert "does not trust" in record("2021-03-01", status=2)["message"]
    added = law(data, "attester", "add", OFFICE, "--public-key", str(public))
    assert added["name"] == OFFICE
    assert "in force from 2021-01-01" in record("2020-12-31", status=2)["message"]
    fact = record("2021-03-01")
    assert (fact["name"], fact["value"], fact["attester"]) == (FACT, True, OFFICE)
    states = {f["fact_id"]: f["state"] for f in law(data, "facts", "list")}
    assert states[fact["fact_id"]] == "holds"
    law(data, "attester", "end", OFFICE)
    states = {f["fact_id"]: f["state"] for f in law(data, "facts", "list")}
    assert states[fact["fact_id"]] == "not-attested"
    [listed] = law(data, "attester", "list")
    assert listed["ended_at"] is not None

    no = {"met": False, "reason": "No court is asked.", "reference": "nowhere"}
    law(data, "attester", "add", OFFICE, "--public-key", str(public))
    assert attest(filled(tmp_path, **{"judicial-authorisation": no}))["unmet"] == [
        "judicial-authorisation"
    ]
    assert "judicial-authorisation" in record("2021-03-01", status=2)["message"]


def test_answers_with_a_key_twice_are_not_signed(tmp_path: Path) -> None:
    run("law", "attester-key", "--out", str(tmp_path / "key"), "--json")
    answers = filled(tmp_path)
    twice = answers.read_text("utf-8").replace("    met: true\n", "    met: true\n    met: false\n")
    answers.write_text(twice, "utf-8")
    told = run(
        *("law", "attest", "--checklist", LIST, "--answers", str(answers), "--key"),
        *(str(tmp_path / "key"), "--out", str(tmp_path / "out.json"), "--json"),
        status=2,
    )
    assert "twice" in told["why"]
    assert not (tmp_path / "out.json").exists()


def test_the_checklist_shows_its_digest() -> None:
    told = run("law", "checklist", LIST, "--json")
    content = (files("rightface.law") / "checklists" / f"{LIST}.toml").read_bytes()
    assert told["digest"] == hashlib.sha256(content).hexdigest()
    shown = run("law", "checklist", LIST)
    assert told["digest"] in shown and "(unverified)" in shown
    assert run("law", "checklist", "no-such", "--json", status=2)["error"] == "law"
