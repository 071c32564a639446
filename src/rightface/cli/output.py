"""How commands speak: human lines by default, one JSON document with `--json`, clear exit codes.

Exit codes: 0 done · 1 an error · 2 a wrong command line, setting or instrument · 3 refused by the
gate · 4 the ledger does not verify.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rightface.errors import Refused, RightfaceError

Data = Annotated[
    Path,
    typer.Option("--data", envvar="RIGHTFACE_DATA", help="The instance's data directory."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls of terminals and of the direction of writing (Unicode TR 36, section 2): a name that
holds them could make a line say what it does not."""


def visible(text: str) -> str:
    """One line with what acts on a terminal, but is not seen, written out: `\\u202e`."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def say(line: str = "") -> None:
    """Text for a person. Never interpreted as markup, nor by the terminal."""
    console = Console(soft_wrap=True, highlight=False, emoji=False)
    console.print(_visible_lines(line), markup=False)


def show_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table for a person."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(visible(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    wide = Console(highlight=False, emoji=False)
    if not wide.is_terminal:
        wide.width = 200  # a pipe has no edge to fold at
    wide.print(table)


def counted(number: int, things: str) -> str:
    """`1 face`, `2 faces`."""
    return f"{number} {things.removesuffix('s') if number == 1 else things}"


def emit(value: Any, as_json: bool, human: Callable[[], None]) -> None:
    """Print `value` as JSON, or let `human` print it."""
    if as_json:
        typer.echo(_json(plain(value)))
    else:
        human()


def _json(told: Any) -> str:
    """What JSON leaves as it is, but a terminal does not, is in texts alone: written out there."""
    return _visible_lines(json.dumps(told, indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Any value of ours as JSON's own kinds: dates in ISO 8601, sets sorted."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset | list | tuple):
        told = [plain(each) for each in value]
        return sorted(told) if isinstance(value, set | frozenset) else told
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def error_json(error: RightfaceError) -> dict[str, Any]:
    """An error as plain values."""
    told = {"error": error.code, "message": error.what, "why": error.why}
    return {**told, "mend": error.mend}


@contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Turn rightface's errors into words (stderr; with `--json` also an object) and exit codes."""
    try:
        yield
    except RightfaceError as error:
        if as_json:
            told = error_json(error)
            if isinstance(error, Refused):
                told["refusal"] = plain(getattr(error.refusal, "ruling", None))
            typer.echo(_json(told))
        else:
            Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(
                _visible_lines(error.diagnostics()), markup=False
            )
        raise typer.Exit(error.exit_status) from error
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(1) from None
