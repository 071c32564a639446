"""`rightface init`: a new instance in an empty directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, emit, reporting, say
from rightface.errors import SettingsError
from rightface.instance import Instance
from rightface.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(init)


def init(
    data: Data,
    sector: Annotated[str, typer.Option(help="What the operator is: an actor of the vocabulary.")],
    jurisdiction: Annotated[str, typer.Option(help="Where the instance is, for example US-IL.")],
    origin: Annotated[
        str | None, typer.Option(help="The ledger's name, for example ledger.example.org.")
    ] = None,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL; SQLite in DIR.")] = "",
    keep_crops: Annotated[
        bool, typer.Option(help="Keep an encrypted crop of each enrolled face.")
    ] = False,
    instruments: Annotated[
        Path | None, typer.Option(help="A directory of your own instruments, beside those shipped.")
    ] = None,
    strict_law: Annotated[
        bool, typer.Option(help="Refuse where a rule was not read at its source.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make keys, database and ledger, and publish the retention policy."""
    with reporting(as_json):
        if not yes:
            if not sys.stdin.isatty():
                raise SettingsError(
                    "init asks before it makes an instance.", mend="Say --yes where nobody answers."
                )
            typer.confirm(f"Make a rightface instance in {data}?", abort=True)
        settings = Settings(
            data=data,
            sector=sector,
            jurisdiction=jurisdiction,
            database=database,
            keep_crops=keep_crops,
            instruments=str(instruments.absolute()) if instruments else "",
            strict_law=strict_law,
            origin=origin or Settings.origin,
        )
        with Instance.create(settings) as instance:
            told = {
                "data": str(data),
                "origin": instance.settings.origin,
                "ledger_vkey": instance.ledger_vkey,
                "ledger_size": instance.ledger_size(),
                "instruments": sorted(instance.library.instruments),
            }

        def human() -> None:
            say(f"An instance in {data}: keys, database, ledger ({told['ledger_size']} records).")
            say(f"Pin the ledger's key where others can read it: {told['ledger_vkey']}")
            say("It is not legal advice. No instrument has been reviewed by counsel so far.")

        emit(told, as_json, human)
