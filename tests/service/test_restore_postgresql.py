"""A backup of PostgreSQL, by password, comes back; and what was erased since does not."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from sqlalchemy import make_url

from instance import temporary_instance
from rightface.backup import make_backup, unpack_backup
from rightface.errors import BackupError, StorageError
from rightface.instance import Instance
from rightface.migrations.backup import dump_postgresql, restore_postgresql
from rightface.replay import replay
from tests.service.test_restore import held, staged
from tests.storage import Storage


def test_a_backup_comes_back_and_the_erased_do_not(
    models: Path, storage: Storage, tmp_path: Path
) -> None:
    if storage.server is None:
        pytest.skip("test_restore.py has SQLite's")
    name = str(make_url(storage.url(filled="migrated")).database)
    two, public = tmp_path / "two", tmp_path / "public"
    with (
        temporary_instance(models, database=storage.server.url(name, loopback=True)) as living,
        storage.server.database() as empty,
    ):
        _, ids = staged(living)
        made = make_backup(living.instance, tmp_path / "one.backup").file
        assert storage.server.password.encode() not in made.read_bytes()
        living.registrar.withdraw_consent("bob")
        living.service.publish_ledger()
        shutil.copytree(living.instance.settings.ledger_directory, public)
        keys, url = living.instance.settings.keys_directory, living.instance.settings.database
        with pytest.raises(StorageError, match="could not be read") as told:
            unpack_backup(made, two, keys=keys, database=_nobody_there(url))
        assert storage.server.password not in str(told.value)
        assert not two.exists()
        with pytest.raises(BackupError, match="not empty"):
            unpack_backup(made, two, keys=keys, database=url)
        unpack_backup(made, two, keys=keys, database=storage.server.url(empty, loopback=True))
        replay(two, public)
        with Instance.open(two) as again:
            assert held(again) == set(ids.values()) - {ids["bob"]}
            again.publisher.publish()
            assert again.publisher.audit() == again.ledger_size()


def test_the_reason_of_pg_dump_is_told_and_no_password(storage: Storage, tmp_path: Path) -> None:
    if storage.server is None:
        pytest.skip("about pg_dump")
    right = make_url(storage.server.url(loopback=True))
    for wrong, reason in (
        (right.set(password="not-this-one"), "password authentication failed"),
        (make_url(_nobody_there(str(right))), "connection to server"),
    ):
        with pytest.raises(StorageError, match="could not be dumped") as told:
            dump_postgresql(wrong, tmp_path / "one.dump")
        assert reason in told.value.why
        assert "not-this-one" not in str(told.value)
        assert "postgresql://" not in str(told.value)
        assert not (tmp_path / "one.dump").exists()
    dump_postgresql(right, tmp_path / "one.dump")
    with pytest.raises(StorageError, match="could not be restored") as told:
        restore_postgresql(tmp_path / "one.dump", right.set(password="not-this-one"))
    assert "password authentication failed" in told.value.why


def _nobody_there(url: str) -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return make_url(url).set(port=port).render_as_string(hide_password=False)
