"""`rightface health`: asks a running server whether every part of it works."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from rightface.cli.output import Json, emit, reporting, say
from rightface.errors import SettingsError, StorageError

_SECONDS = 10.0


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(health)


def health(
    url: Annotated[str, typer.Option(help="The server.")] = "http://127.0.0.1:8017",
    as_json: Json = False,
) -> None:
    """Ask a running server whether every part works. Exit status 1 if not."""
    with reporting(as_json):
        told = _ask(url)

        def human() -> None:
            for name, state in told["parts"].items():
                say(f"{name:<16} {state}")

        emit(told, as_json, human)
        if told["status"] != "ok":
            raise typer.Exit(1)


def _ask(url: str) -> Any:
    if not url.startswith(("http://", "https://")):
        raise SettingsError("The server's address starts with http:// or https://.")
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=_SECONDS) as page:  # noqa: S310
            return json.load(page)
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return json.load(error)
        raise StorageError(
            "The server does not tell its health.", why=f"HTTP {error.code}."
        ) from error
    except (OSError, ValueError) as error:
        raise StorageError("No server answers there.", mend="rightface serve --data DIR") from error
