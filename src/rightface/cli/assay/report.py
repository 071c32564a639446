"""`rightface assay report` and `rightface assay card`: what an assay found, for people to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rightface.cli.output import Json, emit, reporting, say
from rightface.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rightface.assay.equalise_table import Equalised
    from rightface.assay.report.photographs import Shown
    from rightface.assay.result import Assay

Document_ = TypeVar("Document_", bound="BaseModel")
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The instance whose gate permits to look at --failures."),
]
Document = Annotated[Path, typer.Argument(help="The assay.json of `assay run` or `assay scores`.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to `rightface assay`."""
    app.command()(report)
    app.command()(card)


def report(
    document: Document,
    out: Annotated[Path, typer.Option(help="Write the page here, for example report.html.")],
    before: Annotated[
        Path | None,
        typer.Option(help="An earlier assay.json, or equalise.json, to be shown beside it."),
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(help="A table (image_a, image_b, same) of photographs to show as failures."),
    ] = None,
    images_root: Annotated[
        Path | None, typer.Option(help="Where their paths start; the table's folder.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """One HTML file with all figures, in words and in pictures. It fetches nothing."""
    from rightface.assay.report.headline import headline
    from rightface.assay.report.make import html

    with reporting(as_json):
        assay = _read(document)
        earlier = None if before is None else _earlier(before)
        seen = () if failures is None else _seen(assay, failures, images_root, data)
        page = html(assay, before=earlier, photographs=seen)
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


def _seen(
    assay: Assay, table: Path, images_root: Path | None, data: Path | None
) -> tuple[Shown, ...]:
    """Photographs are looked at under a permit of an instance that may measure."""
    from rightface.assay.report.photographs import read_failures, shown
    from rightface.service.measuring import measuring

    if data is None:
        raise SettingsError(
            "Photographs are faces: --failures needs an instance whose gate permits to look.",
            mend="Give --data, for example the `instance` beside the assay.json.",
        )
    pairs = read_failures(table, images_root)
    with (
        measuring(data, sector="", jurisdiction="", make=False) as room,
        room.permitted() as permit,
    ):
        return shown(assay, pairs, permit=permit)


def _earlier(path: Path) -> Assay | Equalised:
    """An assay; or the table of `assay equalise`, known by its variants."""
    from rightface.assay.equalise_table import Equalised

    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        told = None  # told with its reason below
    if isinstance(told, dict) and "variants" in told:
        return _read_as(Equalised, path, "Give the equalise.json of `rightface assay equalise`.")
    return _read(path)


def _read(path: Path) -> Assay:
    from rightface.assay.result import Assay

    return _read_as(Assay, path, "Give the assay.json that `rightface assay run` wrote.")


def _read_as(kind: type[Document_], path: Path, mend: str) -> Document_:
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"The document '{path.name}' cannot be read.", why=type(error).__name__, mend=mend
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(one) for one in first["loc"]) or "the whole"
        raise SettingsError(
            f"'{path.name}' is no document that this version reads.",
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
