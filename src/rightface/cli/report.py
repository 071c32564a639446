"""`rightface report`: what the instance did, for the public, in numbers that anybody can check."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.ledger import source_of
from rightface.cli.output import Data, Json, emit, reporting, say
from rightface.errors import SettingsError

app = typer.Typer(
    help="Reports for the public: numbers only, checkable against the ledger.",
    no_args_is_help=True,
)


@app.command()
def accountability(
    data: Data,
    first: Annotated[str, typer.Option("--from", help="The first day, for example 2026-01-01.")],
    last: Annotated[str, typer.Option("--to", help="The last day, included.")],
    out: Annotated[Path | None, typer.Option(help="Write the page here; else only told.")] = None,
    operator: Annotated[str, typer.Option(help="The name of who runs it, to be shown.")] = "",
    as_json: Json = False,
) -> None:
    """What RCW 43.386 and BIPA's public policy ask for: HTML that prints well, or JSON."""
    from rightface.instance import Instance
    from rightface.report.accountability import accountability as made
    from rightface.report.page import html

    with reporting(as_json):
        days = _day(first), _day(last)
        with Instance.open(data) as instance:
            report = made(instance, *days, operator=operator)
        if out is not None:
            _write(out, html(report))

        def human() -> None:
            decided = report["counts"]["decisions"]
            say(f"{report['from']} to {report['to']}, both included.")
            say(f"Decisions: {decided['permitted']} permitted, {decided['refused']} refused.")
            missing = [one["duty"] for one in report["duties"] if one["state"] == "missing"]
            say(f"Duties missing: {', '.join(missing) or 'none'}.")
            say(f"Faces overdue: {report['retention']['overdue']}.")
            checkpoint = report["checkpoint"]
            say(f"Ledger: {checkpoint['size']} entries, root {checkpoint['root']}.")
            if out is None:
                say("Nothing was written: give --out FILE.html, or --json.")
            else:
                say(f"The page: {out}. It prints to PDF from any browser.")

        emit(report, as_json, human)


@app.command()
def check(
    report: Annotated[Path, typer.Argument(help="A report made with --json.")],
    source: Annotated[str, typer.Argument(help="A directory, or http(s)://HOST/ledger.")],
    vkey: Annotated[
        str | None, typer.Option(help="The ledger's key, pinned. Else the one beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count again from the ledger's public files, and compare. Exit status 4 if they differ."""
    from rightface.report.check import check_report, require_same

    with reporting(as_json):
        checked = check_report(_read(report), source_of(source, None), vkey)
        require_same(checked)

        def human() -> None:
            say(f"Every count agrees with the ledger's {checked.entries} entries.")
            if not checked.pinned:
                say("The key was not pinned: it came with the files.")

        emit(checked, as_json, human)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"'{text}' is not a day.", mend="Write it as 2026-01-31.") from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The report '{path.name}' cannot be read.", why=type(error).__name__
        ) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(
            f"The page '{path.name}' cannot be written.", why=type(error).__name__
        ) from error
