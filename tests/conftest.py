"""Fixtures for all rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rightface.db import Base, Database
from rightface.keys import KeyRing
from rightface.permit import Permit

Permitted = Callable[[str], AbstractContextManager[Permit]]
FACES = Path(__file__).resolve().parents[2] / "shared" / "faces"


@pytest.fixture
def faces_root() -> Path:
    """The labelled photographs for measuring; a user's clone does not have them."""
    if not FACES.is_dir():
        pytest.skip("the labelled photographs (../shared/faces) are not here")
    return FACES


@pytest.fixture
def keyring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    import rightface.gallery.rows
    import rightface.law.tables
    import rightface.ledger.log  # noqa: F401  # the tables register themselves

    opened = Database(f"sqlite:///{tmp_path / 'rightface.db'}")
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def permitted() -> Permitted:
    """Open permits, from the real gate. (Wired at integration.)"""
    import sys

    sys.path.insert(0, "/tmp/rf")
    from interim_permit import permitted as interim  # type: ignore[import-not-found]

    return interim
