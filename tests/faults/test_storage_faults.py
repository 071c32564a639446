"""Storage that fails: nothing acknowledged is lost, errors are clear, and it goes on by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from instance import PLACE, TemporaryInstance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.errors import KeysError, LedgerError, RightfaceError, SettingsError, StorageError
from rightface.instance import Instance
from rightface.keys import KeyRing
from rightface.ledger.verify import verify
from rightface.service_types import Caller
from rightface.settings import Settings
from tests import postgres
from tests.portraits import grace_hopper, small
from tests.storage import Storage

PHOTO = small(grace_hopper(), 200)


@contextmanager
def tmpfs(directory: Path, size: str) -> Iterator[Path]:
    """A small file system of its own; skips where mounting is not permitted."""
    directory.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "rightface", str(directory)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@contextmanager
def instance_in(data: Path, models: Path) -> Iterator[TemporaryInstance]:
    settings = Settings(data=data, sector="private-entity", jurisdiction=PLACE)
    with Instance.create(settings) as instance:
        (data / "models").symlink_to(models.absolute())
        opened = TemporaryInstance(instance)
        try:
            yield opened
        finally:
            opened.service.close()


def caller(opened: TemporaryInstance) -> Caller:
    licence = opened.licence("acme").licence
    return Caller(licence=licence, purpose=None, subject=None, request_id="a-fault")


def enrol(opened: TemporaryInstance, who: Caller, subject: str) -> str:
    opened.consent(subject)
    told = opened.service.index_faces(
        who, "staff", image=PHOTO, subject=subject, max_faces=1, quality_filter="NONE"
    )
    face_id: str = told.value.enrolled[0].record.face_id
    return face_id


def faces(opened: TemporaryInstance, who: Caller) -> set[str]:
    page = opened.service.list_faces(who, "staff", limit=1000, after=None, face_ids=None)
    return {face.face_id for face in page.value.faces}


# ---------------------------------------------------------------- disks
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path, models: Path) -> None:
    with tmpfs(tmp_path / "disk", "6m") as disk, instance_in(disk / "data", models) as opened:
        who = caller(opened)
        opened.service.create_collection(who, "staff", {})
        kept = {enrol(opened, who, "first")}
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space"), ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        with pytest.raises(RightfaceError) as caught:
            for number in range(2000):
                kept.add(enrol(opened, who, f"more-{number}"))
        assert isinstance(caught.value, StorageError)
        assert "full" in caught.value.why or "disk" in caught.value.why
        assert "free disk space" in caught.value.mend
        ballast.unlink()
        assert faces(opened, who) >= kept  # no restart
        kept.add(enrol(opened, who, "after"))
        assert faces(opened, who) >= kept
        opened.instance.publisher.publish()
        opened.instance.publisher.audit()
        assert verify(disk / "data" / "ledger").ok


def test_a_read_only_disk_is_told_and_ends(tmp_path: Path, models: Path) -> None:
    with tmpfs(tmp_path / "disk", "30m") as disk:
        data = disk / "data"
        with instance_in(data, models) as opened:
            who = caller(opened)
            opened.service.create_collection(who, "staff", {})
            kept = enrol(opened, who, "first")
            opened.instance.publisher.publish()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageError) as caught, Instance.open(data) as instance:
            instance.database.write(lambda _: None)
        assert "permissions" in caught.value.mend
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with Instance.open(data) as instance:
            again = TemporaryInstance(instance)
            assert kept in faces(again, caller(again))


# ---------------------------------------------------------------- damage
def test_a_truncated_database_is_not_served(fresh: TemporaryInstance) -> None:
    if not fresh.instance.database.is_sqlite:
        pytest.skip("PostgreSQL looks after its own files")
    data = fresh.instance.settings.data
    fresh.service.close()
    whole = (data / "rightface.db").read_bytes()
    (data / "rightface.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RightfaceError) as caught, Instance.open(data) as instance:
        TemporaryInstance(instance).registrar.audit_ledger()
    assert caught.value.what
    (data / "rightface.db").write_bytes(b"")
    with pytest.raises(RightfaceError) as caught, Instance.open(data) as instance:
        instance.publisher.publish()
    assert caught.value.mend
    (data / "rightface.db").write_bytes(whole)
    with Instance.open(data) as instance:
        assert TemporaryInstance(instance).registrar.audit_ledger() > 0


def test_a_damaged_template_is_left_out_and_the_others_are_found(fresh: TemporaryInstance) -> None:
    who = caller(fresh)
    fresh.service.create_collection(who, "staff", {})
    broken, good = enrol(fresh, who, "broken"), enrol(fresh, who, "good")
    fresh.instance.database.write(
        lambda session: session.execute(
            text("UPDATE faces SET template = image_bytes FROM (SELECT template AS image_bytes "
                 "FROM faces WHERE id = :good) AS other WHERE id = :broken"),
            {"good": good, "broken": broken},
        )
    )  # fmt: skip
    with Instance.open(fresh.instance.settings.data) as instance:
        other = TemporaryInstance(instance)
        told = other.service.search_faces_by_image(
            who, "staff", image=PHOTO, limit=10, similarity=0, quality_filter="NONE"
        )
        assert [each.record.face_id for each in told.value.candidates] == [good]


def test_a_corrupt_tile_is_named_by_the_audit_and_made_again(fresh: TemporaryInstance) -> None:
    publisher, data = fresh.instance.publisher, fresh.instance.settings.data
    publisher.publish()
    tiles = [each for each in (data / "ledger" / "tile" / "0").rglob("*") if each.is_file()]
    tile = max(tiles, key=lambda each: int(each.name))  # the widest: what the checkpoint signs
    tile.write_bytes(bytes(len(tile.read_bytes())))
    with pytest.raises(LedgerError, match="missing or damaged") as caught:
        publisher.audit()
    assert "publish" in caught.value.mend
    publisher.rebuild()
    publisher.audit()
    assert verify(data / "ledger").ok


def test_a_missing_and_a_wrong_key(fresh: TemporaryInstance, tmp_path: Path) -> None:
    data = fresh.instance.settings.data
    fresh.service.close()
    master = data / "keys" / "master.key"
    whole = master.read_bytes()
    master.unlink()
    with pytest.raises(KeysError, match=r"master\.key") as caught:
        Instance.open(data)
    assert "backup" in caught.value.mend
    KeyRing.create(tmp_path / "others")
    shutil.copy(tmp_path / "others" / "master.key", master)
    with pytest.raises(KeysError, match="does not open") as caught:
        Instance.open(data)
    assert "Restore the keys" in caught.value.mend
    master.write_bytes(whole)
    Instance.open(data).close()


def test_a_second_server_is_refused(fresh: TemporaryInstance) -> None:
    data = fresh.instance.settings.data
    fresh.service.close()
    with Instance.open(data, serving=True):
        with pytest.raises(StorageError, match="Another server runs"):
            Instance.open(data, serving=True)
        Instance.open(data).close()  # other commands may run beside it
    Instance.open(data, serving=True).close()


# ---------------------------------------------------------------- the clock
def test_a_clock_that_steps_back_undoes_nothing(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = caller(fresh)
    fresh.service.create_collection(who, "staff", {})
    enrol(fresh, who, "ada")
    fresh.registrar.withdraw_consent("ada")
    before = datetime.now(UTC) - timedelta(hours=2)

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            del tz
            return before

    for module in ("rightface.instance", "rightface.registrar", "rightface.law.gate"):
        monkeypatch.setattr(f"{module}.datetime", Earlier)
    with pytest.raises(RightfaceError):  # the licence is not in force yet; the withdrawal stands
        fresh.service.index_faces(
            who, "staff", image=PHOTO, subject="ada", max_faces=1, quality_filter="NONE"
        )
    monkeypatch.undo()
    fresh.instance.publisher.publish()
    assert fresh.registrar.audit_ledger() > 0
    assert verify(fresh.instance.settings.ledger_directory).ok


# ---------------------------------------------------------------- PostgreSQL
def test_postgresql_restarts_in_the_middle(models: Path, tmp_path: Path) -> None:
    """On a server of this test's own, with fsync: it stops at once, as after a crash."""
    with postgres.running(fsync=True) as server, server.database() as name:
        settings = Settings(
            data=tmp_path / "data",
            sector="private-entity",
            jurisdiction=PLACE,
            database=server.url(name, loopback=True),
        )
        with Instance.create(settings) as instance:
            (settings.data / "models").symlink_to(models.absolute())
            opened = TemporaryInstance(instance)
            who = caller(opened)
            opened.service.create_collection(who, "staff", {})
            opened.consent(*[f"p-{number}" for number in range(200)])
            kept: set[str] = set()
            errors: list[RightfaceError] = []
            stopping = threading.Event()

            def load() -> None:
                numbers = iter(range(200))
                while not stopping.is_set():
                    try:
                        told = opened.service.index_faces(
                            who,
                            "staff",
                            image=PHOTO,
                            subject=f"p-{next(numbers)}",
                            max_faces=1,
                            quality_filter="NONE",
                        )
                        kept.add(told.value.enrolled[0].record.face_id)
                    except StopIteration:
                        return
                    except RightfaceError as error:
                        errors.append(error)

            thread = threading.Thread(target=load)
            with running(create_app(opened.service)):
                thread.start()
                for _ in range(2):
                    stopping.wait(1)
                    server.stop("immediate")
                    stopping.wait(0.5)
                    server.start()
                stopping.wait(1)
                stopping.set()
                thread.join()
                assert errors, "the restarts came between the requests"
                for error in errors:
                    assert isinstance(error, StorageError)
                    assert server.password not in error.diagnostics()
                assert kept <= faces(opened, who)
                opened.instance.publisher.publish()
                opened.registrar.audit_ledger()
            opened.service.close()


def test_no_password_is_ever_shown(storage: Storage, tmp_path: Path) -> None:
    if storage.server is None:
        pytest.skip("SQLite has none")
    wrong = storage.server.url(loopback=True).replace(storage.server.password, "a-wrong-secret")
    settings = Settings(
        data=tmp_path / "data", sector="private-entity", jurisdiction=PLACE, database=wrong
    )
    with pytest.raises(RightfaceError) as caught:
        Instance.create(settings)
    shown = caught.value.diagnostics() + str(caught.value.__cause__)
    assert "a-wrong-secret" not in shown
    assert "authentication failed" in shown
    with pytest.raises(SettingsError) as refused:
        Instance.create(
            Settings(data=tmp_path / "d", database="mysql://u:hidden@h/d", jurisdiction=PLACE)
        )
    assert "hidden" not in refused.value.diagnostics()


def test_the_settings_file_is_private(fresh: TemporaryInstance) -> None:
    mode = (fresh.instance.settings.data / "rightface.toml").stat().st_mode
    assert mode & 0o077 == 0


def test_without_the_driver_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from rightface.db import Database\n"
        "from rightface.errors import SettingsError\n"
        "try: Database('postgresql://u:secret@h/d')\n"
        "except SettingsError as error: print(error.diagnostics())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rightface[postgresql]'" in done.stdout
    assert "secret" not in done.stdout


def test_a_database_of_another_instance_is_refused(
    fresh: TemporaryInstance, tmp_path: Path
) -> None:
    url = fresh.instance.settings.database_url
    with pytest.raises(SettingsError, match="another instance"):
        Instance.create(
            Settings(
                data=tmp_path / "second",
                sector="private-entity",
                jurisdiction=PLACE,
                database=url,
            )
        )
    assert not (tmp_path / "second").exists()
