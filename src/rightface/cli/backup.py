"""`rightface backup`, `rightface restore`, `rightface replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, counted, emit, plain, reporting, say

Ledger = Annotated[
    str | None,
    typer.Option("--ledger", help="The newest public files: a directory or an address."),
]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", help="What cannot be replayed, confirmed by its word. Repeatable."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(backup)
    app.command()(restore)
    app.command()(replay)


def backup(
    data: Data,
    target: Annotated[Path, typer.Argument(help="A new file, or a directory.")],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="The signing keys too; the master key is never in it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Back up the instance while it serves: one sealed file. Keep the keys elsewhere."""
    from rightface.backup import make_backup
    from rightface.instance import Instance

    with reporting(as_json), Instance.open(data) as instance:
        made = make_backup(instance, target, with_keys=with_keys)

        def human() -> None:
            say(f"{made.file}: {made.bytes} bytes, {made.ledger_size} entries of the ledger.")
            if not with_keys:
                say("The keys are not in it. Without a copy of them it cannot be opened.")

        emit(made, as_json, human)


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    data: Data,
    ledger: Ledger = None,
    accept: Accept = None,
    keys: Annotated[
        Path | None, typer.Option(help="The directory with the instance's keys.")
    ] = None,
    database: Annotated[
        str, typer.Option(help="For a backup of PostgreSQL: URL of an empty database.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a data directory of a backup, and erase again what was erased since."""
    from rightface.backup import unpack_backup

    with reporting(as_json):
        unpacked = unpack_backup(file, data, keys=keys, database=database)
        if not as_json:
            say(f"Restored: a backup of {unpacked.made_at}. Now what was erased since.")
        _replay(data, ledger, accept, as_json)


def replay(data: Data, ledger: Ledger = None, accept: Accept = None, as_json: Json = False) -> None:
    """After a restore: erase again what was erased since. Nothing serves before."""
    with reporting(as_json):
        _replay(data, ledger, accept, as_json)


def _replay(data: Path, ledger: str | None, accept: list[str] | None, as_json: bool) -> None:
    from rightface.replay import replay as replayed

    done = replayed(data, ledger, accepted=accept or ())

    def human() -> None:
        say(f"{done.entries} entries of the ledger came after the backup. Done again:")
        say(
            f"  erased: {counted(done.faces, 'faces')}, {counted(done.collections, 'collections')},"
            f" {counted(done.users, 'users')}; due by now: {counted(done.due, 'faces')}"
        )
        say(
            f"  {counted(done.suppressions, 'suppressions')}, {done.consents} consents withdrawn,"
            f" {done.ended} licences and records ended"
        )
        if done.dropped:
            say(f"  dropped: {done.dropped} jobs, open reviews and kept answers")
        if done.lost:
            lost = ", ".join(f"{word} ({n})" for word, n in done.lost.items())
            say(f"Recorded after the backup, and lost: {lost}")
        say(f"It is entry {done.ledger_index} of the ledger. This data directory can serve.")

    emit(plain(done), as_json, human)
