"""`rightface law vocabulary|diff|lint|new|docs`: for those who write instruments and cases."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.law_options import Extra, day, library
from rightface.cli.output import Json, counted, emit, reporting, say, show_table


def mount(app: typer.Typer) -> None:
    """Add the commands of this file to `rightface law`."""
    app.command()(vocabulary)
    app.command()(diff)
    app.command()(lint)
    app.command()(new)
    app.command()(docs)


def vocabulary(as_json: Json = False) -> None:
    """Every word that a question or a case may use, with its meaning: docs/vocabulary.md."""
    from rightface.law.wordbook import vocabulary_json, vocabulary_markdown

    with reporting(as_json):
        emit(vocabulary_json(), as_json, lambda: typer.echo(vocabulary_markdown(), nl=False))


def diff(
    start: Annotated[str, typer.Option("--from", help="The earlier day, for example 2020-01-01.")],
    end: Annotated[str, typer.Option("--to", help="The later day. Its own changes count.")],
    jurisdiction: Annotated[
        str | None, typer.Option(help="Only what binds in this place or in a part of it.")
    ] = None,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """What changed in the law: what began, ended, was amended, or came to be known otherwise."""
    from rightface.law.diff import differences, standing

    with reporting(as_json):
        first, last, held = day(start, "--from"), day(end, "--to"), library(extra)
        found = differences(held, first, last, jurisdiction)
        before = set(standing(held, first, jurisdiction))
        after = set(standing(held, last, jurisdiction))
        told = {
            "from": first,
            "to": last,
            "jurisdiction": jurisdiction,
            "changes": [each.to_json() for each in found],
            "in_force_only_before": sorted(before - after),
            "in_force_only_after": sorted(after - before),
            "in_force_both": sorted(before & after),
        }

        def human() -> None:
            for each in found:
                part = "" if each.rule else " in part"
                mark = f" [unverified{part}]" if each.unverified else ""
                rule = f" {each.rule}" if each.rule else ""
                say(f"{each.on}  {each.what}  {each.instrument}{rule} ({each.jurisdiction}){mark}")
                say(f"            {each.told}")
            say(
                f"{counted(len(found), 'changes')}. In force on {first}: {len(before)}; on {last}: "
                f"{len(after)}; commitments counted as adopted."
            )

        emit(told, as_json, human)


def lint(
    directory: Annotated[
        Path | None, typer.Argument(help="A directory of instruments; those that ship.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What is wrong with instruments: facts, references, dates, rules no case reaches.

    Exit status 1 if there is an error; warnings alone leave it 0.
    """
    from rightface.law.lint import lint as linted

    with reporting(as_json):
        found = linted(directory)
        errors = sum(each.severity == "error" for each in found)

        def human() -> None:
            for each in found:
                say(each.line())
            say(f"{counted(errors, 'errors')}, {counted(len(found) - errors, 'warnings')}.")

        told: dict[str, Any] = {
            "findings": found,
            "errors": errors,
            "warnings": len(found) - errors,
        }
        emit(told, as_json, human)
        if errors:
            raise typer.Exit(1)


def new(
    instrument: Annotated[str, typer.Argument(help="Its id, for example us-tx-austin-2027.")],
    kind: Annotated[str, typer.Option(help="statute, ordinance, operator-rule, …")],
    jurisdiction: Annotated[str, typer.Option(help="Where it binds, for example US-TX-AUSTIN.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where its folder is made.")] = Path(),
    start: Annotated[
        str | None, typer.Option("--from", help="The first day on which it binds; today.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A skeleton to fill in: a folder that loads, and whose cases pass."""
    from rightface.law.skeleton import make_skeleton

    with reporting(as_json):
        folder = make_skeleton(
            instrument,
            kind=kind,
            jurisdiction=jurisdiction,
            directory=directory,
            start=day(start, "--from") if start else datetime.now(UTC).date(),
        )

        def human() -> None:
            say(f"{folder}: fill in what says FILL IN, then")
            say(f"  rightface law test {instrument} --extra {directory}")
            say(f"  rightface law lint {directory}")

        emit({"id": instrument, "folder": folder}, as_json, human)


def docs(
    out: Annotated[Path, typer.Option(help="The directory of the pages.")] = Path(
        "docs/instruments"
    ),
    as_of: Annotated[
        str | None, typer.Option(help="The index says what is in force on this day.")
    ] = None,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """Write the pages of the instruments: one each, and an index."""
    from rightface.law.pages import AS_OF, write_pages

    with reporting(as_json):
        shown: date = day(as_of, "--as-of") if as_of else AS_OF
        written = write_pages(library(extra), out, shown)
        emit(
            {"out": out, "as_of": shown, "pages": [path.name for path in written]},
            as_json,
            lambda: say(f"{counted(len(written), 'pages')} in {out}."),
        )


def listed(rows: list[dict[str, Any]]) -> None:
    """The table of `rightface law list`."""
    show_table(
        ("instrument", "kind", "where", "binds", "status", "citation", "known"),
        [
            (
                each["id"],
                each["kind"],
                each["jurisdiction"],
                each["binds"],
                each["status"],
                each["citation"],
                "unverified in part" if each["unverified"] else each["confidence"],
            )
            for each in rows
        ],
    )
