"""Backups at the same time and beside a change of the master key; what killed ones leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from instance import TemporaryInstance
from rightface import backup as backups
from rightface import leftovers
from rightface.backup import make_backup, unpack_backup
from rightface.errors import BackupError, StorageError
from rightface.instance import RESTORED, Instance
from rightface.keys import begin_rotation, rotating
from rightface.leftovers import LOCK, alone, sweep_leftovers
from rightface.replay import LEDGER_LOST, UNOPENED, replay
from rightface.rotation import rotate
from rightface.settings import Settings
from tests.service.test_restore import held, staged

pytestmark = pytest.mark.sqlite_only
_DIE = "lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"


def killed(where: str, call: str, *words: Path) -> None:
    """Run `call` in a process that dies when it comes to `where`."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "import rightface.backup as backup; from rightface.instance import Instance\n"
        f"{where} = {_DIE}\n"
        f"{call}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def killed_backup(where: str, data: Path, target: Path) -> None:
    killed(
        where,
        "backup.make_backup(Instance.open(Path(sys.argv[1])), Path(sys.argv[2]))",
        data,
        target,
    )


def hidden(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name.startswith("."))


def test_backups_at_the_same_time_are_whole_or_refused(
    fresh: TemporaryInstance, tmp_path: Path
) -> None:
    _, ids = staged(fresh)
    data, keys = fresh.instance.settings.data, fresh.instance.settings.keys_directory
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "rightface", "backup", f"{tmp_path}/{n}.backup", "--data", data],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    made = 0
    for n, process in enumerate(running):
        _, said = process.communicate(timeout=300)
        target = tmp_path / f"{n}.backup"
        assert target.exists() == (process.returncode == 0)
        if process.returncode:
            assert "is under way" in said
            continue
        made += 1
        unpack_backup(target, tmp_path / f"data-{n}", keys=keys)
        replay(tmp_path / f"data-{n}", None, accepted=[LEDGER_LOST])
        with Instance.open(tmp_path / f"data-{n}") as again:
            assert held(again) == set(ids.values())
    assert made >= 1
    assert hidden(data) == hidden(tmp_path) == []


def test_what_changes_while_it_is_archived_is_not_archived(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = backups._write

    def after(change: Callable[[Path], object]) -> None:
        def later(partial: Path, master: bytes, told: dict[str, Any], work: Path) -> None:
            change(work / "rightface.db")
            real(partial, master, told, work)

        monkeypatch.setattr(backups, "_write", later)

    def one_byte(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x01")

    after(one_byte)
    with pytest.raises(BackupError, match=r"'rightface.db' changed"):
        make_backup(fresh.instance, tmp_path / "one.backup")
    after(Path.unlink)
    with pytest.raises(BackupError, match="could not be made"):
        make_backup(fresh.instance, tmp_path / "one.backup")
    assert list(tmp_path.glob("*backup*")) == [] == hidden(tmp_path)


def test_no_backup_takes_the_name_of_another(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, target = backups._write, tmp_path / "one.backup"

    def later(*given: Any) -> None:
        real(*given)
        target.write_bytes(b"another instance's")

    monkeypatch.setattr(backups, "_write", later)
    with pytest.raises(BackupError, match="exists"):
        make_backup(fresh.instance, target)
    assert target.read_bytes() == b"another instance's"
    assert hidden(tmp_path) == []


def test_neither_begins_within_the_other(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_PATIENCE", 0.1)
    instance = fresh.instance
    with alone(instance.settings.data):
        with pytest.raises(StorageError, match="is under way") as told:
            make_backup(instance, tmp_path / "one.backup")
        assert str(os.getpid()) in told.value.why
        with pytest.raises(StorageError, match="is under way"):
            rotate(instance)
    assert not rotating(instance.settings.keys_directory)
    begin_rotation(instance.settings.keys_directory)  # and then it was cut off
    with pytest.raises(BackupError, match="cut off") as told:
        make_backup(instance, tmp_path / "one.backup")
    assert "rightface key rotate" in told.value.mend
    assert list(tmp_path.glob("*backup*")) == []
    rotate(instance)
    make_backup(instance, tmp_path / "one.backup")


def test_a_key_that_does_not_open_erases_nobody(fresh: TemporaryInstance, tmp_path: Path) -> None:
    caller, ids = staged(fresh)
    keys = fresh.instance.settings.keys_directory
    old = tmp_path / "old-keys"
    # As a backup of before: rows partly under a key that the restore does not have.
    shutil.copytree(keys, old)
    begin_rotation(keys)
    fresh.instance.keyring.refresh()
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    with fresh.instance.database.read() as session:
        assert fresh.instance.vault.commitment(session, "ada")
    made = _backup_amid(fresh.instance, tmp_path / "one.backup")
    fresh.service.delete_faces(caller, "guests", [ids["cy"]])
    fresh.service.publish_ledger()
    ledger = fresh.instance.settings.ledger_directory
    two = tmp_path / "two"
    unpack_backup(made, two, keys=old)
    with pytest.raises(BackupError, match="keys of 3 people do not open") as told:
        replay(two, ledger)
    assert f"--accept {UNOPENED}" in told.value.mend
    assert (two / RESTORED).exists()
    # With the keys of that day everybody is there.
    three = tmp_path / "three"
    unpack_backup(made, three, keys=keys)
    replay(three, ledger)
    with Instance.open(three) as again:
        assert held(again) == {ids[one] for one in ("ada1", "ada2", "dot", "eve")}
    # Only by the operator's word do they go.
    replay(two, ledger, accepted=[UNOPENED])
    with Instance.open(two) as again:
        assert held(again) == {ids["dot"]}


def _backup_amid(instance: Instance, target: Path) -> Path:
    """A backup as earlier releases made it: amid a rotation that has wrapped some rows."""
    from rightface.gallery.rows import SubjectRow
    from rightface.gallery.vault import key_place
    from rightface.keys import seal

    def work(session: Session) -> None:
        rows = session.query(SubjectRow).order_by(SubjectRow.created_at).all()
        for row in (rows[0], rows[1], rows[3]):  # ada, cy, eve: bob is gone
            place = key_place(row.id)
            plain = instance.keyring.unseal("vault", row.wrapped_key, place)
            row.wrapped_key = seal(instance.keyring.subkey("vault"), plain, place)

    instance.database.write(work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backups, "rotating", lambda _: False)
        return make_backup(instance, target).file


@pytest.mark.parametrize("where", ["backup._write", "backup._Sealing.finish", "backup._collect"])
def test_what_a_killed_backup_leaves_goes(
    fresh: TemporaryInstance, tmp_path: Path, where: str
) -> None:
    staged(fresh)
    data, target = fresh.instance.settings.data, tmp_path / "away" / "one.backup"
    target.parent.mkdir()
    killed_backup(where, data, target)
    (work,) = data.glob(".backup-*")
    assert (work / "rightface.db").exists()
    assert bool(hidden(target.parent)) == (where == "backup._Sealing.finish")
    assert fresh.registrar.subjects.erase("ada").overwritten
    assert hidden(data) == hidden(target.parent) == []


def test_a_receipt_knows_of_the_copy_of_a_running_backup(fresh: TemporaryInstance) -> None:
    staged(fresh)
    with alone(fresh.instance.settings.data) as holder, holder.work_directory() as work:
        (work / "rightface.db").write_bytes(b"a copy")
        assert not fresh.registrar.subjects.erase("ada").overwritten
        assert (work / "rightface.db").read_bytes() == b"a copy"  # its owner is alive
    assert fresh.registrar.subjects.erase("bob").overwritten


def test_opening_and_the_next_backup_sweep_too(fresh: TemporaryInstance, tmp_path: Path) -> None:
    data = fresh.instance.settings.data
    killed_backup("backup._write", data, tmp_path / "one.backup")
    with Instance.open(data):
        assert hidden(data) == []
    killed_backup("backup._Sealing.finish", data, tmp_path / "two.backup")
    assert hidden(tmp_path)
    make_backup(fresh.instance, tmp_path / "three.backup")
    assert hidden(data) == hidden(tmp_path) == []


def test_what_is_swept_is_overwritten(tmp_path: Path) -> None:
    one = tmp_path / "work"
    one.mkdir()
    (one / "rightface.db").write_bytes(b"faces" * 1000)
    kept = tmp_path / "link"
    kept.hardlink_to(one / "rightface.db")  # to see what the blocks hold afterwards
    leftovers.destroy(one)
    assert not one.exists()
    assert kept.read_bytes() == bytes(5000)


def test_a_damaged_lock_file_names_nothing_to_remove(
    fresh: TemporaryInstance, tmp_path: Path
) -> None:
    data = fresh.instance.settings.data
    (tmp_path / "precious").write_text("x")
    for content in (b"{", b"[1]", f'{{"parts": ["{tmp_path}/precious", 7]}}'.encode()):
        (data / LOCK).write_bytes(content)
        assert sweep_leftovers(fresh.instance.settings)
        with alone(data):
            pass
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    "where", ["backup._bring_keys", "backup._bring_database", "backup._flush", "backup.migrate"]
)
def test_what_a_killed_restore_leaves_serves_nobody_and_goes(
    fresh: TemporaryInstance, tmp_path: Path, where: str
) -> None:
    staged(fresh)
    keys = fresh.instance.settings.keys_directory
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    place = tmp_path / "new" / "two"
    call = "backup.unpack_backup(Path(sys.argv[1]), Path(sys.argv[2]), keys=Path(sys.argv[3]))"
    killed(where, call, made, place, keys)
    assert not place.exists()
    (left,) = place.parent.iterdir()
    if where != "backup._flush":  # the mark itself was being written
        assert (left / RESTORED).exists()
        with pytest.raises(BackupError, match="restored from a backup"):
            Instance.open(left)
        with pytest.raises(BackupError, match="cut off"):
            replay(left, None, accepted=[LEDGER_LOST])
    else:
        assert not (left / "rightface.db").exists()
    unpack_backup(made, place, keys=keys)
    assert list(place.parent.iterdir()) == [place]
    replay(place, None, accepted=[LEDGER_LOST])
    with Instance.open(place) as again:
        assert held(again) == held(fresh.instance)


def test_a_restore_leaves_another_ones_directory_alone(
    fresh: TemporaryInstance, tmp_path: Path
) -> None:
    staged(fresh)
    keys, place = fresh.instance.settings.keys_directory, tmp_path / "two"
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    with pytest.raises(OSError), leftovers.made_whole(place) as other:
        (other / "x").write_text("x")
        unpack_backup(made, place, keys=keys)
        assert (other / "x").exists()
    assert (place / RESTORED).exists()
    assert hidden(tmp_path) == []


def test_a_new_instance_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with Instance.create(Settings(data=data, sector="private-entity")) as made:
            open_to_others = [
                each.name
                for each in (data / "rightface.db", *data.glob("rightface.db-*"))
                if each.stat().st_mode & 0o077
            ]
            assert made.ledger_size()
    finally:
        os.umask(before)
    assert open_to_others == []
    assert data.stat().st_mode & 0o777 == 0o700
