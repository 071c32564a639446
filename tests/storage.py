"""Where a test's database lies: SQLite in its own directory, or PostgreSQL on a server of ours.

Tests ask for the fixture `storage` (or `database`, `fresh`, `ledger`, which do). By default those
of `TWICE` run on both wherever a server is installed, all others on SQLite. The environment
variable `RIGHTFACE_TEST_DATABASE` set to `sqlite` or `postgresql` runs all of them there.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest

from rightface.db import Base, Database
from rightface.migrations import migrate
from tests import postgres

KINDS = ("sqlite", "postgresql")
CHOICE = "RIGHTFACE_TEST_DATABASE"
TWICE = (
    "tests/faults/",
    "tests/gallery/",
    "tests/ledger/test_log.py",
    "tests/law/test_adoptions.py",
    "tests/law/test_attestations.py",
    "tests/law/test_consents.py",
    "tests/law/test_facts.py",
    "tests/law/test_findings.py",
    "tests/law/test_licences.py",
    "tests/law/test_read_records.py",
    "tests/law/test_warrants.py",
    "tests/service/",
    "tests/test_db.py",
    "tests/test_migrations.py",
    "tests/test_old_databases.py",
    "tests/test_serving.py",
    "tests/video/test_jobs.py",
)
"""Where what is written, read and erased is what is tested."""
Filled = Literal["empty", "declared", "migrated"]


def kinds(path: str, *, sqlite_only: bool) -> tuple[str, ...]:
    """The databases that a test of this file runs on."""
    chosen = os.environ.get(CHOICE)
    if chosen is not None and chosen not in KINDS:
        raise pytest.UsageError(f"{CHOICE} is one of: {', '.join(KINDS)}")
    if sqlite_only:
        return ("sqlite",)
    if chosen is not None:
        return (chosen,)
    return KINDS if path.startswith(TWICE) and postgres.programs() else ("sqlite",)


class Storage:
    """One test's databases."""

    def __init__(self, directory: Path, server: postgres.PostgreSQL | None) -> None:
        self.directory = directory
        self.server = server
        self._stack = ExitStack()
        self._made: dict[str, str] = {}

    @property
    def is_sqlite(self) -> bool:
        return self.server is None

    def url(self, name: str = "rightface", filled: Filled = "empty") -> str:
        """The URL of the test's database of that name.

        `filled`: on PostgreSQL, made with the tables that `create_all` or `migrate` would make.
        """
        if self.server is None:
            return f"sqlite:///{self.directory / name}.db"
        if name not in self._made:
            template = {"declared": _declared, "migrated": _migrated}.get(filled)
            made = "template0" if template is None else self.server.template(filled, template)
            self._made[name] = self._stack.enter_context(self.server.database(made))
        return self.server.url(self._made[name])

    def close(self) -> None:
        self._stack.close()


def _declared(url: str) -> None:
    database = Database(url)
    Base.metadata.create_all(database.engine)
    database.close()


def _migrated(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()
