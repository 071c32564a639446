"""The database's schema through time, forward only (Alembic). `migrate` brings one up to date.

Knows no table: each revision says all that it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from rightface.db import Database
from rightface.errors import StorageError

HEAD = "0010"


def migrate(
    database: Database,
    *,
    before: Callable[[str], object] | None = None,
    consent_mac: Callable[[Any], str] | None = None,
) -> None:
    """Bring the schema forward to `HEAD`, in one transaction. Nothing to do: nothing done.

    Args:
        database: the open database; nobody else may be migrating it.
        before: called with the database's revision, before anything changes in a database that has
            one: the place to make a backup. What it raises ends the migration.
        consent_mac: the keyed hash of a consent's row (law/consents.row_mac), for rows of releases
            that wrote none (before 0007). Without it, such rows cover nothing.

    Raises:
        StorageError: the database is of a newer rightface, or cannot be changed.
    """
    current = revision(database)
    if current == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StorageError(
            f"The database has the revision '{current}', which this rightface does not know.",
            mend="Use the rightface that made it, or a newer one.",
        )
    if current is not None and before is not None:
        before(current)
    try:
        with database.writing_engine.begin() as connection:
            database.take_turn(connection)
            config.attributes["connection"] = connection
            config.attributes["consent_mac"] = consent_mac
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise _failed(error) from error


def revision(database: Database) -> str | None:
    """The revision that the database is at; None: it is empty.

    Raises:
        StorageError: the database cannot be read.
    """
    try:
        with database.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return str(row[0]) if row else None
    except SQLAlchemyError as error:
        raise _failed(error) from error


def _failed(error: SQLAlchemyError) -> StorageError:
    said = str(getattr(error, "orig", None) or type(error).__name__).splitlines()
    return StorageError(
        "The database could not be brought up to date.",
        why=said[0] if said else "",
        mend="Nothing of it was changed. Check disk space, permissions, and that it answers.",
    )
