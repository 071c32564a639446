"""A database with the ledger's table only, and published ledgers, for the ledger's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rightface.db import Database
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.publish import Publisher
from tests.storage import Storage

from .sample import ORIGIN, grow, grow_fast


@dataclass
class Published:
    """A database, its publisher, and where the public files are."""

    database: Database
    publisher: Publisher
    directory: Path
    keyring: KeyRing

    @property
    def vkey(self) -> str:
        return self.publisher.vkey


def open_ledger(directory: Path, url: str | None = None) -> Published:
    keyring = KeyRing.create(directory / "keys")
    opened = Database(url or f"sqlite:///{directory / 'rightface.db'}")
    log.TABLE.create(opened.engine)
    public = directory / "ledger"
    publisher = Publisher(opened, public, keyring.signer("ledger"), ORIGIN)
    return Published(opened, publisher, public, keyring)


@pytest.fixture
def ledger(tmp_path: Path, storage: Storage) -> Iterator[Published]:
    """An empty ledger."""
    opened = open_ledger(tmp_path, storage.url())
    yield opened
    opened.database.close()


@pytest.fixture
def database(ledger: Published) -> Database:
    return ledger.database


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """70,000 leaves: the sizes of tlog-tiles' own example. Tests must leave it as it was."""
    opened = open_ledger(tmp_path_factory.mktemp("large"))
    grow_fast(opened.database, 66_000)
    opened.publisher.publish()
    grow_fast(opened.database, 4_000)
    opened.publisher.publish()
    yield opened
    opened.database.close()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """600 leaves, published at 500, 590 and 600. Tests must leave it as it was."""
    opened = open_ledger(tmp_path_factory.mktemp("small"))
    for count in (500, 90, 10):
        grow(opened.database, count)
        opened.publisher.publish()
    yield opened
    opened.database.close()
