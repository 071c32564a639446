"""`rightface assay report` and `rightface assay card`: what an assay found, for people to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightface.cli.output import Json, emit, reporting, say
from rightface.errors import SettingsError

if TYPE_CHECKING:
    from rightface.assay.result import Assay

Document = Annotated[Path, typer.Argument(help="The assay.json of `assay run` or `assay scores`.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to `rightface assay`."""
    app.command()(report)
    app.command()(card)


def report(
    document: Document,
    out: Annotated[Path, typer.Option(help="Write the page here, for example report.html.")],
    before: Annotated[
        Path | None, typer.Option(help="An earlier assay.json, to be shown beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """One HTML file with all figures, in words and in pictures. It fetches nothing."""
    from rightface.assay.report.headline import headline
    from rightface.assay.report.make import html

    with reporting(as_json):
        assay = _read(document)
        page = html(assay, before=None if before is None else _read(before))
        _write(out, page)
        told = headline(assay)
        size = len(page.encode())

        def human() -> None:
            say(told.measured)
            if told.number:
                say(f"{told.number} {told.number_means}")
            for line in told.groups:
                say(line)
            say(f"The page: {out} ({size:,} bytes). It prints to PDF from any browser.")

        emit({"page": out, "bytes": size, "headline": told}, as_json, human)


def card(
    document: Document,
    out: Annotated[Path, typer.Option(help="Write the card here, for example card.md.")],
    as_html: Annotated[bool, typer.Option("--html", help="As a page instead of Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """A model card: uses, factors, figures, caveats; no number that is not in the document."""
    from rightface.assay.report.card import card as made
    from rightface.assay.report.card import markdown
    from rightface.assay.report.make import card_html

    with reporting(as_json):
        told = made(_read(document))
        text = card_html(told) if as_html else markdown(told)
        _write(out, text)
        size = len(text.encode())

        def human() -> None:
            say(f"The card: {out} ({size:,} bytes).")

        emit({"card": out, "bytes": size, "chapters": len(told.sections)}, as_json, human)


def _read(path: Path) -> Assay:
    from pydantic import ValidationError

    from rightface.assay.result import Assay

    mend = "Give the assay.json that `rightface assay run` wrote."
    try:
        return Assay.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"The document '{path.name}' cannot be read.", why=type(error).__name__, mend=mend
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(one) for one in first["loc"]) or "the whole"
        raise SettingsError(
            f"'{path.name}' is no assay that this version reads.",
            why=f"{where}: {first['msg']}",
            mend=mend,
        ) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(
            f"'{path.name}' cannot be written.",
            why=type(error).__name__,
            mend="Give a file in a folder that is there and may be written to.",
        ) from error
