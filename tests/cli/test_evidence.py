"""`rightface evidence` as others script it; the table of its page; what a restart holds against."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from made_up_evidence import GROUPS, IMPOSTOR, document, impostors_only, of_pack
from rightface.acts import require_agreement
from rightface.api.native.shapes import Unequal
from rightface.cli.evidence import COLUMNS, _ratio, _worth, cells
from rightface.errors import LedgerError
from rightface.faces.packs import load_pack
from rightface.instance import Instance
from rightface.law.evidence import REQUIREMENTS, SMALL_GALLERY, Differential, Evidence
from rightface.law.steps.evidence import shortfalls
from rightface.law.world import Records
from rightface.ledger.log import entries, size
from rightface.registrar import Registrar
from rightface.settings import Settings
from tests.cli.test_commands import run

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


class Desk:
    """A data directory and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"

    def __call__(self, *words: str, status: int = 0) -> Any:
        return run("evidence", *words, "--data", str(self.data), "--json", status=status)

    def add(self, content: bytes, *more: str, status: int = 0) -> Any:
        path = self.folder / "assay.json"
        path.write_bytes(content)
        return self("add", str(path), *more, status=status)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    run(
        *("init", "--data", str(tmp_path / "data"), "--sector", "private-entity"),
        *("--jurisdiction", "US-OH", "--yes"),
    )
    return Desk(tmp_path)


def test_the_life_of_evidence(desk: Desk) -> None:
    [shipped, *_] = desk("list")
    assert (shipped["evidence_id"], shipped["state"]) == ("shipped", "stands")
    added = desk.add(of_pack(load_pack(), ratio=(2.0, 2.5, 3.0)))
    name = added["evidence_id"]
    shown = desk("show", name)
    assert shown == added
    assert shown["figures"]["impostor_pairs"] == IMPOSTOR
    assert shown["figures"]["differential"]["high"] == 3.0
    assert len(shown["figures"]["groups"]) == GROUPS
    assert shown["by"] == "operator"
    assert desk("end", name, "--reason", "Another camera now.")["damaged"] is False
    last = desk("list")[-1]
    assert (last["evidence_id"], last["state"]) == (name, "ended")
    with Registrar.open(desk.data) as registrar:
        instance = registrar._instance
        with instance.database.read() as session:
            leaves = [json.loads(each) for each in entries(session, 0, size(session))]
    acts = [each for each in leaves if each["operation"].startswith("evidence-")]
    assert [each["operation"] for each in acts] == [
        "evidence-record",
        "evidence-against",  # it may be more than twice
        "evidence-end",
    ]
    assert [each["records"] for each in acts] == [[name]] * 3
    assert "Another camera" not in json.dumps(leaves)
    assert "group 0" not in json.dumps(leaves)


def test_the_same_document_counts_once(desk: Desk) -> None:
    content = of_pack(load_pack(), ratio=(1.0, 1.2, 1.4))
    first = desk.add(content)["evidence_id"]
    again = desk.add(content, status=2)
    assert again["error"] == "evidence"
    assert first in again["message"]
    own = [each["evidence_id"] for each in desk("list") if not each["shipped"]]
    assert own == [first]
    desk("end", first, "--reason", "By mistake.")
    assert desk.add(content)["evidence_id"] != first


def test_what_each_record_is_good_for(desk: Desk) -> None:
    good = desk.add(of_pack(load_pack(), ratio=(1.0, 1.2, 1.4)))
    bad = desk.add(of_pack(load_pack(), ratio=(4.0, 5.0, 6.0)))
    assert {use["rule"]: use["verdict"] for use in bad["uses"]} == {
        "live": "against",
        "law-enforcement": "against",
        "not-by-consent": "against",
        "large-consented": "enough",
        "small-consented": "enough",
        "verification": "enough",
    }
    [live, *_] = bad["uses"]
    assert "at most 2 times is allowed" in live["lacks"][0]
    assert {use["verdict"] for use in good["uses"]} == {"enough"}
    assert live["most_faces"] == 100_000 < IMPOSTOR // 100, "the groups' rate is 1 in 1,000"
    calibration = {use["rule"]: use["verdict"] for use in desk("list")[0]["uses"]}
    assert calibration["large-consented"] == "in-part"
    assert calibration["small-consented"] == "enough"
    data = ("--data", str(desk.data))
    with Registrar.open(desk.data) as registrar:
        listed = _worth(registrar.evidence.find(bad["evidence_id"]))  # a table would wrap it
    assert "enough for large-consented to 100,000 faces, small-consented, verification" in listed
    assert "; against live," in listed
    shown = run("evidence", "show", bad["evidence_id"], *data)
    assert "at most 2 times is allowed here" in " ".join(shown.split())


def test_what_says_nothing_of_groups_is_said_at_adding(desk: Desk) -> None:
    path = desk.folder / "assay.json"
    pack = load_pack()
    path.write_bytes(impostors_only(pack.digest, comparison_digest=pack.comparison_digest))
    told = run("evidence", "add", str(path), "--data", str(desk.data))
    assert "How often people are recognised (the true match rate) is not measured" in told
    nobody_split = json.loads(of_pack(pack, partitions=()))
    nobody_split["data"]["columns"] = {}
    path.write_text(json.dumps(nobody_split))
    told = run("evidence", "add", str(path), "--data", str(desk.data))
    assert "worst/best not measured" in told
    assert "No group was measured" in told


@pytest.mark.parametrize(
    ("high", "said"), [(9.0, "(2 to 9; 8 groups)"), (None, "(2 to no upper end; 8 groups)")]
)
def test_a_ratio_in_words(high: float | None, said: str) -> None:
    told = Differential(value=3, low=2, high=high, fmr_target=1e-3, groups=8)
    one = Evidence(
        pack_digest="",
        measured_on=date(2026, 1, 1),
        impostor_pairs=1,
        genuine_pairs=1,
        people=2,
        differential=told,
    )
    assert _ratio(one) == f"3 {said}"
    assert Unequal.of(told).high == high


def test_a_licence_with_a_limit_of_its_own(desk: Desk) -> None:
    issue = (
        *("licence", "issue", "--data", str(desk.data), "--client", "acme", "--json"),
        *("--sector", "private-entity", "--jurisdiction", "US-OH", "--operation", "verify-1to1"),
        *("--purpose", "access-control", "--until", "2030-01-01", "--differential-limit"),
    )
    assert run(*issue, "2.5")["licence"]["differential_limit"] == 2.5
    run(*issue, "0.5", status=2)


def test_what_is_no_evidence(desk: Desk) -> None:
    assert desk.add(b"{}", status=2)["error"] == "evidence"
    assert "another model pack" in desk.add(document("00" * 32), status=2)["message"]
    told = desk.add(of_pack(load_pack()), "--fmr", "1e-6", status=2)
    assert "no figures" in told["message"]
    assert desk("add", str(desk.folder / "gone.json"), status=2)["error"] == "settings"
    assert desk("end", "evd-" + "0" * 24, "--reason", "x", status=2)["error"] == "not-on-record"


@pytest.mark.parametrize(
    ("change", "said"),
    [("DELETE FROM", "the record is gone"), ("end", "it was undone")],
)
def test_a_restart_holds_the_ledger_against_the_records(
    tmp_path: Path, change: str, said: str
) -> None:
    settings = Settings(data=tmp_path / "data", sector="private-entity", jurisdiction="US-OH")
    with Instance.create(settings) as instance:
        desk = Registrar(instance).evidence
        found = desk.add(of_pack(instance.pack))
        with instance.database.engine.connect() as connection:
            [row] = connection.execute(text("SELECT * FROM evidence_on_record")).mappings()
        if change == "end":
            desk.end(found.evidence_id, why="It was wrong.")
        require_agreement(instance)
        with instance.database.writing_engine.begin() as connection:
            connection.execute(text("DELETE FROM evidence_on_record"))
            if change == "end":  # the earlier signed row put back
                names = ", ".join(map(str, row))
                holes = ", ".join(f":{name}" for name in row)
                statement = f"INSERT INTO evidence_on_record ({names}) VALUES ({holes})"
                connection.execute(text(statement), dict(row))
        with pytest.raises(LedgerError) as error:
            require_agreement(instance)
        assert said in error.value.why


def test_the_page_has_the_table() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    told = [tuple(re.sub(r"`", "", cell).strip() for cell in row.split("|")[1:-1]) for row in rows]
    first = told.index(COLUMNS)
    assert told[first + 2 : first + 2 + len(REQUIREMENTS)] == [cells(row) for row in REQUIREMENTS]
    page = " ".join(PAGE.read_text("utf-8").split())
    for row in REQUIREMENTS:
        assert row.why in page, row.name


def test_the_page_says_what_the_shipped_pack_meets(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", sector="private-entity", jurisdiction="US-OH")
    with Instance.create(settings) as instance:
        shipped = instance.shipped_evidence()
    for row in REQUIREMENTS:
        faces = SMALL_GALLERY + 1 if row.name == "large-consented" else SMALL_GALLERY
        records = Records(licence=None, evidence=shipped, faces=faces)
        lacking = list(shortfalls(row, records, max(one.measured_on for one in shipped)))
        assert f"| `{row.name}` | {'refused' if lacking else 'runs'} |" in PAGE.read_text("utf-8")


def test_the_rules_are_printed() -> None:
    assert [row["name"] for row in run("evidence", "rules", "--json")] == [
        row.name for row in REQUIREMENTS
    ]
