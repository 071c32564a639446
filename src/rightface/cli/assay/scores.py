"""`rightface assay scores`: somebody else's scores in, `assay.json` out. No face is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.assay.bench import FILE, Crosses, Out, Targets, crosses, made, targets, write
from rightface.cli.assay.shown import show
from rightface.cli.output import Json, emit, reporting, say


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(scores)


def scores(
    file: Annotated[Path, typer.Argument(help="A table (CSV, Parquet): score, same, any cohorts.")],
    out: Out,
    score: Annotated[str, typer.Option(help="The column of scores.")] = "score",
    same: Annotated[str, typer.Option(help="Whether both are one person: 1 or 0.")] = "same",
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column of groups (or two: NAME_a, NAME_b). Repeatable."),
    ] = None,
    cross: Crosses = None,
    fmr: Targets = None,
    distance: Annotated[
        bool, typer.Option("--distance", help="The lower, the more alike.")
    ] = False,
    as_stated: Annotated[
        bool, typer.Option("--as-stated", help="Take scores even if they look upside down.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What was measured, in words.")] = None,
    as_json: Json = False,
) -> None:
    """Measure from scores alone: another vendor's, or those of an earlier evaluation."""
    from rightface.assay.from_scores import assay_of_file
    from rightface.assay.score_file import read_scores

    with reporting(as_json):
        made(out)
        if not as_json:
            say(f"Reads {file}. The next line comes when all is counted.")
        with read_scores(
            file,
            score=score,
            same=same,
            cohort_columns=cohort or None,
            distances=distance,
            as_stated=as_stated,
        ) as read:
            told = assay_of_file(
                read, name=name or file.stem, fmr=targets(fmr), crosses=crosses(cross)
            )
        write(told, out / FILE)

        def human() -> None:
            show(told)
            say(f"Written: {out / FILE}. As a page: rightface assay report {out / FILE}")

        emit(told.model_dump(mode="json"), as_json, human)
