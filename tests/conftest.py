"""Fixtures for all rooms. Permits come from the real gate; there is no other way to get one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import rightface.credentials
import rightface.gallery.jobs
import rightface.gallery.review_rows
import rightface.gallery.rows
import rightface.law.tables
import rightface.ledger.log  # noqa: F401  # the tables register themselves
from instance import TemporaryInstance, temporary_instance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.db import Base, Database
from rightface.keys import KeyRing
from rightface.permit import Permit
from tests import postgres
from tests.storage import Storage, kinds

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

Permitted = Callable[[str], AbstractContextManager[Permit]]
FACES = Path(__file__).resolve().parents[2] / "shared" / "faces"


@pytest.fixture(scope="session")
def faces_root() -> Path:
    """The labelled photographs for measuring; a user's clone does not have them."""
    if not FACES.is_dir():
        pytest.skip("the labelled photographs (../shared/faces) are not here")
    return FACES


@pytest.fixture
def keyring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What needs a database runs on those that tests/storage.py says."""
    if "storage" in metafunc.fixturenames:
        path = metafunc.definition.nodeid.partition("::")[0]
        only = metafunc.definition.get_closest_marker("sqlite_only") is not None
        metafunc.parametrize("storage", kinds(path, sqlite_only=only), indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.PostgreSQL]:
    """A PostgreSQL server for the tests of this run. They share it, not its databases."""
    with postgres.running() as server:
        yield server


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Where this test's databases lie."""
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    opened = Storage(tmp_path, server)
    yield opened
    opened.close()


@pytest.fixture
def database(storage: Storage) -> Iterator[Database]:
    opened = Database(storage.url(filled="declared"))
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where converted models stay for all tests of one run."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def licensed(models: Path) -> Iterator[TemporaryInstance]:
    """An instance with licensed clients, for what needs permits and nothing of its own."""
    with temporary_instance(models) as opened:
        yield opened


@pytest.fixture(scope="session")
def permitted(licensed: TemporaryInstance) -> Permitted:
    """Open permits, from the real gate."""
    return licensed.permitted


@pytest.fixture
def fresh(models: Path, storage: Storage) -> Iterator[TemporaryInstance]:
    """An instance of this test's own."""
    database = "" if storage.is_sqlite else storage.url(filled="migrated")
    with temporary_instance(models, database=database) as opened:
        yield opened


@dataclass(frozen=True)
class Server:
    """A running server, and one client's key."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    instance: TemporaryInstance

    def client(self, **more: Any) -> Any:
        """An unmodified boto3 client."""
        import boto3

        named = {
            "endpoint_url": self.endpoint_url,
            "region_name": "us-east-1",
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
        }
        return boto3.client("rekognition", **(named | more))


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Server]:
    """A real server over a real instance, on loopback."""
    with temporary_instance(models) as opened:
        issued = opened.licence("wire-tests")
        opened.service.prepare()
        with running(create_app(opened.service)) as url:
            yield Server(url, issued.licence.access_key_id, issued.secret_access_key, opened)
