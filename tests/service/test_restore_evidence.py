"""After a restore: evidence that ended stays ended; what told against the model stays known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from instance import TemporaryInstance
from made_up_evidence import of_pack
from rightface.acts import require_agreement
from rightface.backup import make_backup, unpack_backup
from rightface.instance import Instance
from rightface.registrar import Registrar
from rightface.replay import replay
from tests.service.test_shipped_evidence import ship

pytestmark = pytest.mark.sqlite_only


def test_what_shipped_and_was_ended_stays_ended(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = fresh.instance
    shipped = ship(monkeypatch, tmp_path / "release", of_pack(instance.pack))
    made = make_backup(instance, tmp_path / "one.backup").file
    Registrar(instance).evidence.end(shipped, why="It is not about our cameras.")
    instance.database.write(lambda _: None)
    fresh.service.publish_ledger()
    shutil.copytree(instance.settings.ledger_directory, tmp_path / "public")

    unpack_backup(made, tmp_path / "two", keys=instance.settings.keys_directory)
    replay(tmp_path / "two", tmp_path / "public")
    with Instance.open(tmp_path / "two") as again:
        require_agreement(again)
        told = Registrar(again).evidence.find(shipped)
        assert (told.state, told.shipped) == ("ended", True)


def test_what_a_restore_does_about_evidence(fresh: TemporaryInstance, tmp_path: Path) -> None:
    instance = fresh.instance
    desk = Registrar(instance).evidence
    ended = desk.add(of_pack(instance.pack)).evidence_id
    made = make_backup(instance, tmp_path / "one.backup").file
    desk.end(ended, why="The cameras were replaced.")
    good = desk.add(of_pack(instance.pack, ratio=(1.0, 1.2, 1.4))).evidence_id
    bad = desk.add(of_pack(instance.pack, ratio=(150.0, 182.0, 200.0))).evidence_id
    gone = desk.add(of_pack(instance.pack, ratio=(15.0, 18.0, 20.0))).evidence_id
    desk.end(gone, why="It measured another camera.")
    instance.database.write(lambda _: None)
    fresh.service.publish_ledger()
    shutil.copytree(instance.settings.ledger_directory, tmp_path / "public")

    unpack_backup(made, tmp_path / "two", keys=instance.settings.keys_directory)
    told = replay(tmp_path / "two", tmp_path / "public")
    assert told.lost["evidence-record"] == 3
    with Instance.open(tmp_path / "two") as again:
        require_agreement(again)
        rows = {
            row.evidence_id: row for row in Registrar(again).evidence.listed() if not row.shipped
        }
        assert set(rows) == {ended, bad, gone}, f"{good} is lost: less is allowed without it"
        assert rows[ended].state == rows[gone].state == "ended"
        assert rows[bad].state == "damaged", "it refuses until it is ended"
        Registrar(again).evidence.end(bad, why="It is measured anew.")
        require_agreement(again)
