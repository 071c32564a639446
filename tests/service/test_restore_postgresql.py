"""A backup of PostgreSQL, by password, comes back; and what was erased since does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import make_url

from instance import temporary_instance
from rightface.backup import make_backup, unpack_backup
from rightface.errors import BackupError
from rightface.instance import Instance
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
        with pytest.raises(BackupError, match="not empty"):
            unpack_backup(made, two, keys=keys, database=url)
        unpack_backup(made, two, keys=keys, database=storage.server.url(empty, loopback=True))
        replay(two, public)
        with Instance.open(two) as again:
            assert held(again) == set(ids.values()) - {ids["bob"]}
            again.publisher.publish()
            assert again.publisher.audit() == again.ledger_size()
