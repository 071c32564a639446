"""The database's schema through time, forward only (Alembic). `migrate` brings one up to date.

Knows no table: each revision says all that it changes.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from rightface.db import Database
from rightface.errors import StorageError

HEAD = "0007"


def migrate(database: Database) -> None:
    """Bring the schema forward to `HEAD`, in one transaction. Nothing to do: nothing done.

    Raises:
        StorageError: the database is of a newer rightface, or cannot be changed.
    """
    try:
        current = _revision(database)
        if current == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        with database.engine.execution_options(rightface_writes=True).begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StorageError(
            "The database could not be brought up to date.",
            why=str(getattr(error, "orig", None) or type(error).__name__),
        ) from error
    except Exception as error:
        if type(error).__module__.startswith("alembic"):
            raise StorageError(
                f"The database has the revision '{current}', which this rightface does not know.",
                mend="Use the rightface that made it, or a newer one.",
            ) from error
        raise


def _revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return str(row[0]) if row else None
