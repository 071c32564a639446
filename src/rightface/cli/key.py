"""`rightface key`: the master key changed while a server runs."""

from __future__ import annotations

import typer
from rich.console import Console

from rightface.cli.output import Data, Json, emit, reporting, say

app = typer.Typer(help="Keys: the master key, changed while a server runs.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command()
def rotate(data: Data, as_json: Json = False) -> None:
    """Make a new master key and wrap everything by it. If it is cut off, run it again."""
    from rightface.instance import Instance
    from rightface.rotation import rotate as rotated

    with reporting(as_json), Instance.open(data) as instance:
        told = Console(stderr=True)

        def progress(done: int, everything: int) -> None:
            if told.is_terminal:
                told.print(f"{done} of {everything}", end="\r")

        done = rotated(instance, progress=progress)

        def human() -> None:
            say(f"A new master key; {done.rows} sealed keys were wrapped by it.")
            if done.unreadable:
                say(f"{done.unreadable} rows open under neither key; they were damaged before.")
            say("Copy keys/ to where your copy is kept. Backups from before need the old key.")

        emit(done, as_json, human)
