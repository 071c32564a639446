"""`rightface warrant` and `rightface finding` as others script them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rightface.ledger.log import entries, size
from rightface.registrar import Registrar
from tests.cli.test_commands import run

RULES = Path(__file__).parents[1] / "instruments"
ISSUER, NUMBER = "District Court of Nowhere", "2026-CR-0017"


class Desk:
    """A data directory and the commands on it."""

    def __init__(self, data: Path, document: Path) -> None:
        self.data, self.document = data, document

    def __call__(self, *words: str, status: int = 0) -> Any:
        return run(*words, "--data", str(self.data), "--json", status=status)

    def warrant(self, *more: str, kind: str = "warrant", status: int = 0) -> Any:
        until = () if kind == "exigent" else ("--until", "2030-01-01")
        return self(
            *("warrant", "record", "--client", "sheriff", "--kind", kind, "--issuer", ISSUER),
            *("--number", NUMBER, "--operation", "search", "--purpose", "criminal-investigation"),
            *("--document", str(self.document), *until, *more),
            status=status,
        )

    def finding(self, kind: str, *parents: str, status: int = 0) -> Any:
        above = [word for each in parents for word in ("--parent", each)]
        return self(
            *("finding", "record", "--client", "sheriff", "--kind", kind),
            *("--document", str(self.document), *above),
            status=status,
        )

    def leaves(self) -> str:
        with Registrar.open(self.data) as registrar:
            database = registrar._instance.database
            with database.read() as session:
                told = entries(session, 0, size(session))
        return "\n".join(each.decode() for each in told)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    data, document = tmp_path / "data", tmp_path / "document.pdf"
    document.write_bytes(b"By order of the court.")
    run(
        *("init", "--data", str(data), "--sector", "government-agency"),
        *("--jurisdiction", "US-TX", "--yes"),
    )
    settings = data / "rightface.toml"
    settings.write_text(settings.read_text() + f'\ninstruments = "{RULES}"\n')
    return Desk(data, document)


def test_a_warrants_life(desk: Desk) -> None:
    made = desk.warrant("--condition", "offence=homicide", "--condition", "imminent_threat=true")
    name = made["warrant_id"]
    assert made["state"] == "holds"
    assert made["operations"] == ["identify-1toN"]
    assert made["jurisdictions"] == ["US-TX"]
    assert made["conditions"] == {"offence": "homicide", "imminent_threat": True}
    assert desk("warrant", "show", name) == made
    assert desk("warrant", "list") == [made]
    assert desk("warrant", "list", "--client", "other") == []
    assert desk("warrant", "request", name, status=2)["error"] == "law"
    assert desk("warrant", "report", name, status=2)["error"] == "law"
    ended = desk("warrant", "end", name, "--refused")
    assert (ended["state"], ended["ended_as"]) == ("refused", "refused")
    assert desk("warrant", "end", name)["state"] == "refused"


def test_an_emergency_is_reported_before_the_next(desk: Desk) -> None:
    begun = (datetime.now(UTC) - timedelta(hours=50)).isoformat()
    first = desk.warrant("--from", begun, kind="exigent")
    assert (first["state"], first["limit_hours"]) == ("overdue", 48)
    refused = desk.warrant(kind="exigent", status=2)
    assert first["warrant_id"] in refused["message"]
    assert "warrant report" in refused["mend"]
    at = (datetime.now(UTC) - timedelta(hours=10)).isoformat()
    assert desk("warrant", "report", first["warrant_id"], "--at", at)["reported_at"]
    assert desk.warrant("--limit-hours", "24", kind="exigent")["limit_hours"] == 24


def test_bad_warrants(desk: Desk) -> None:
    for more in (
        ("--limit-hours", "24"),
        ("--condition", "consent=true"),
        ("--condition", "offence"),
        ("--jurisdiction", "Texas"),
        ("--document", str(desk.data / "nothing")),
        ("--until", "tomorrow"),
    ):
        told = desk.warrant(*more, status=2)
        assert told["message"]
        assert NUMBER not in json.dumps(told)
    assert desk.warrant(kind="none", status=2)["error"] == "law"
    assert desk("warrant", "show", "wrt-none", status=2)["mend"] == "rightface warrant list"
    assert desk("warrant", "list") == []


def test_a_sealed_one_is_told_nowhere(desk: Desk) -> None:
    told = [desk.warrant("--sealed")]
    name = told[0]["warrant_id"]
    assert set(told[0]) == {"warrant_id", "kind", "client", "sealed", "state"}
    told += [desk("warrant", command, name) for command in ("show", "end")]
    told += [desk("warrant", "list"), run("warrant", "list", "--data", str(desk.data))]
    told += [run("warrant", "show", name, "--data", str(desk.data)), desk.leaves()]
    for text in map(str, told):
        assert name in text
        assert ISSUER not in text
        assert NUMBER not in text
    open_ = desk.warrant()
    assert ISSUER in run("warrant", "show", open_["warrant_id"], "--data", str(desk.data))


def test_a_damaged_one_is_reported(desk: Desk) -> None:
    import sqlite3

    name = desk.warrant()["warrant_id"]
    with sqlite3.connect(desk.data / "rightface.db") as database:
        database.execute("UPDATE warrants SET ended_at = NULL, requested_at = recorded_at")
    damaged = {"warrant_id": name, "client": "sheriff", "state": "damaged"}
    assert desk("warrant", "list") == [damaged]
    assert desk("warrant", "show", name, status=1) == damaged
    assert "signature" in desk("warrant", "end", name, status=2)["message"]


def test_findings_and_an_arrest(desk: Desk) -> None:
    issued = desk(
        *("licence", "issue", "--client", "sheriff", "--sector", "law-enforcement-local"),
        *("--jurisdiction", "US-TX", "--purpose", "criminal-investigation"),
        *("--operation", "arrest-on-match", "--until", "2030-01-01", "--basis", "public-task"),
    )
    line_up, witness = desk.finding("line-up"), desk.finding("witness")
    derived = desk.finding("confession", line_up["finding_id"])
    assert derived["parents"] == [line_up["finding_id"]]
    assert {each["origin"] for each in (line_up, witness, derived)} == {"independent"}
    assert desk("finding", "show", derived["finding_id"]) == derived
    assert len(desk("finding", "list", "--client", "sheriff")) == 3
    assert desk.finding("hunch", status=2)["error"] == "law"
    assert "search:0" in desk.finding("line-up", "search:0", status=2)["message"]

    def act(*cited: str, status: int = 0, operation: str = "arrest-on-match") -> Any:
        return desk(
            *("finding", "act", "--client", "sheriff", "--licence", issued["licence_id"]),
            *("--operation", operation, "--findings", ",".join(cited)),
            status=status,
        )

    allowed = act(witness["finding_id"], derived["finding_id"])
    assert (allowed["outcome"], allowed["reasons"]) == ("allow", [])
    assert len(allowed["permit"]) == 32
    refused = act(status=3)
    assert refused["reasons"] == [
        "baseline-human-rights#lead",
        "test-search-needs-a-warrant#arrest",
    ]
    assert refused["ledger_index"] > allowed["ledger_index"]
    assert refused["permit"] is None
    unknown = act("fnd-" + "0" * 24, status=3)
    assert "evidence#unknown-finding" in unknown["reasons"]
    assert act(operation="enroll", status=2)["error"] == "law"
    leaves = [json.loads(each) for each in desk.leaves().splitlines()]
    assert leaves[allowed["ledger_index"]]["records"] == [
        witness["finding_id"],
        derived["finding_id"],
    ]
    assert leaves[refused["ledger_index"]]["outcome"] == "refused"


def test_questions_with_records(desk: Desk, tmp_path: Path) -> None:
    desk(
        *("licence", "issue", "--client", "sheriff", "--sector", "law-enforcement-local"),
        *("--jurisdiction", "US-TX", "--purpose", "criminal-investigation"),
        *("--operation", "arrest-on-match", "--until", "2030-01-01", "--basis", "public-task"),
    )
    witness = desk.finding("witness")["finding_id"]
    warrant = desk.warrant("--operation", "arrest-on-match")["warrant_id"]
    asked = {
        "client": "sheriff",
        "operation": "arrest-on-match",
        "purpose": "criminal-investigation",
    }
    requests = tmp_path / "requests.json"
    requests.write_text(
        json.dumps(
            [
                {"id": "found", "findings": [witness], "warrant_id": warrant, **asked},
                {"id": "none", **asked},
                {"id": "unknown", "warrant_id": "wrt-" + "0" * 24, **asked},
            ]
        )
    )
    told = run(
        "law", "decide", "--requests", str(requests), "--data", str(desk.data), "--json"
    ).splitlines()
    outcomes = {each["id"]: each["outcome"] for each in map(json.loads, told)}
    assert outcomes == {"found": "allow", "none": "deny", "unknown": "deny"}
