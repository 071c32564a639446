"""`rightface ledger`: verify from outside, prove an entry, prove that nothing was rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from rightface.cli.output import Data, Json, emit, reporting, say
from rightface.errors import LedgerError, SettingsError
from rightface.registrar import Registrar

app = typer.Typer(
    help="The ledger, from its public files alone: a directory or an address.",
    no_args_is_help=True,
)
SourceOrNone = Annotated[
    str | None,
    typer.Argument(help="A directory, or http(s)://HOST/ledger; else that of --data."),
]
MaybeData = Annotated[
    Path | None, typer.Option("--data", envvar="RIGHTFACE_DATA", help="An instance's directory.")
]
Vkey = Annotated[
    str | None, typer.Option(help="The ledger's key, pinned. Else the one published beside it.")
]
_UNPINNED = "The key was not pinned: it came with the files. Give --vkey to know whose they are."


def source_of(text: str | None, data: Path | None) -> str | Path:
    """Where the public files are. An instance's directory or server stands for its ledger.

    Raises:
        SettingsError: neither a source nor a data directory is given.
    """
    if text is None and data is None:
        raise SettingsError("Which ledger?", mend="Name a directory or an address, or give --data.")
    if text is not None and text.startswith(("http://", "https://")):
        return text if urlsplit(text).path.strip("/") else f"{text.rstrip('/')}/ledger"
    directory = data if text is None else Path(text)
    assert directory is not None
    within = directory / "ledger"
    return within if within.is_dir() and not (directory / "checkpoint").exists() else directory


@app.command()
def verify(
    source: SourceOrNone = None,
    data: MaybeData = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> None:
    """Check signature, entries, tiles and root. Says where it breaks; then exit status 4."""
    from rightface.ledger import verify as outside

    with reporting(as_json):
        found = outside.verify(source_of(source, data), vkey)
        told = {
            "ok": found.ok,
            "origin": found.origin,
            "size": found.size,
            "root": found.root,
            "vkey": found.vkey,
            "pinned": found.pinned,
            "problems": list(found.problems),
        }

        def human() -> None:
            verdict = "verifies" if found.ok else "DOES NOT VERIFY"
            say(f"The ledger {verdict}: {found.size} entries, root {found.root.hex()}.")
            for problem in found.problems:
                say(f"  {problem}")
            if not found.pinned:
                say(_UNPINNED)

        emit(told, as_json, human)
        if not found.ok:
            raise typer.Exit(LedgerError.exit_status)


@app.command()
def prove(
    index: Annotated[int, typer.Argument(min=0)],
    source: SourceOrNone = None,
    data: MaybeData = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> None:
    """An inclusion proof for one entry, checked against the signed root."""
    from rightface.ledger import verify as outside

    with reporting(as_json):
        proof = outside.prove(source_of(source, data), index, vkey)
        entry = json.loads(proof.entry)
        told = {
            "index": proof.index,
            "size": proof.size,
            "root": proof.checkpoint.root,
            "entry": entry,
            "hashes": list(proof.path),
            "pinned": proof.pinned,
            "proof": proof.text(),
        }

        def human() -> None:
            say(f"Entry {index} is in the ledger of {proof.size} entries:")
            say(json.dumps(entry, indent=2))
            say(proof.text())
            if not proof.pinned:
                say(_UNPINNED)

        emit(told, as_json, human)


@app.command()
def consistency(
    old: Annotated[int, typer.Argument(min=0)],
    new: Annotated[int, typer.Argument(min=0)],
    source: SourceOrNone = None,
    data: MaybeData = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> None:
    """A proof that the ledger of NEW entries only appends to that of OLD entries."""
    from rightface.ledger import verify as outside

    with reporting(as_json):
        proof = outside.consistency(source_of(source, data), old, new, vkey)
        told = {
            "old": proof.old,
            "old_root": proof.old_root,
            "new": proof.new,
            "new_root": proof.new_root,
            "hashes": list(proof.path),
            "pinned": proof.pinned,
        }

        def human() -> None:
            say(f"The ledger of {new} entries only appends to that of {old}.")
            say(f"  root of {old}: {proof.old_root.hex()}")
            say(f"  root of {new}: {proof.new_root.hex()}")
            if not proof.pinned:
                say(_UNPINNED)

        emit(told, as_json, human)


@app.command()
def audit(data: Data, as_json: Json = False) -> None:
    """Compare the database with the public files, entry by entry. Needs the instance."""
    with reporting(as_json), Registrar.open(data) as registrar:
        size = registrar.audit_ledger()
        emit({"ok": True, "size": size}, as_json, lambda: say(f"All {size} entries agree."))


@app.command()
def rebuild(data: Data, as_json: Json = False) -> None:
    """Make the public files again from the database. Needs the instance."""
    with reporting(as_json), Registrar.open(data) as registrar:
        size = registrar.rebuild_ledger()
        emit({"size": size}, as_json, lambda: say(f"{size} entries are published anew."))
