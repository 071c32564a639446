"""`rightface assay run`: photographs and labels in, `assay.json` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightface.cli.assay.bench import (
    FILE,
    MOST_PAD,
    Caveats,
    Comparison,
    Crosses,
    Data,
    Keep,
    Out,
    Place,
    Sector,
    Targets,
    Threads,
    bench_of,
    crosses,
    gathered,
    measuring_in,
    progress,
    targets,
    write,
)
from rightface.cli.assay.shown import show
from rightface.cli.output import Json, emit, reporting, say
from rightface.settings import Settings

if TYPE_CHECKING:
    from rightface.assay.statement import Statement


class WhichFace(StrEnum):
    """As in `dataset.toml`."""

    largest = "largest"
    central = "central"


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(run)


def run(
    manifest: Annotated[
        Path, typer.Argument(help="A table (CSV, Parquet): image, subject, any cohorts.")
    ],
    out: Out,
    pairs: Annotated[
        Path | None, typer.Option(help="A table of pairs: image_a, image_b, same; perhaps fold.")
    ] = None,
    images_root: Annotated[
        Path | None, typer.Option(help="Where the images' paths start; the manifest's folder.")
    ] = None,
    image_column: Annotated[str, typer.Option(help="The column with the images' paths.")] = "image",
    subject_column: Annotated[
        str, typer.Option(help="The column that says who it is.")
    ] = "subject",
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column to split people by; else every one of few values. Repeatable."),
    ] = None,
    cross: Crosses = None,
    bins: Annotated[
        list[str] | None, typer.Option("--bin", help="Edges of a column of numbers: age=18,30,60.")
    ] = None,
    fmr: Targets = None,
    identify: Annotated[
        bool, typer.Option("--identify", help="Searches in galleries too.")
    ] = False,
    stress: Annotated[
        bool, typer.Option("--stress", help="The photographs again, changed in many ways. Slow.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What the data set is called.")] = None,
    licence: Annotated[str | None, typer.Option(help="The data set's terms, in words.")] = None,
    may_show: Annotated[
        bool | None, typer.Option(help="Whether those terms let a report show photographs.")
    ] = None,
    caveat: Caveats = None,
    which_face: Annotated[
        WhichFace | None, typer.Option(help="Whose face counts, where there are several.")
    ] = None,
    pad: Annotated[
        int | None,
        typer.Option(
            help="Black pixels to add around each image, 0 to 1000: for tight crops.",
            min=0,
            max=MOST_PAD,
        ),
    ] = None,
    comparison: Annotated[
        Comparison | None,
        typer.Option(help="How templates are compared; else as the instance does."),
    ] = None,
    threads: Threads = 2,
    failures: Annotated[
        bool,
        typer.Option("--failures", help="Name the worst errors' photographs in OUT/failures.csv."),
    ] = False,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Measure a model on photographs whose subjects are known: everybody with everybody.

    A run that was stopped goes on where it was. Templates are sealed meanwhile, and gone when it is
    done. Every look at a face is permitted by the gate and recorded in the instance's ledger.
    """
    from rightface.assay.cells import cells_of, partitions_of
    from rightface.assay.changes import KINDS
    from rightface.assay.failures import FILE as FAILURES
    from rightface.assay.labels import parse_bins
    from rightface.assay.manifest import read_manifest
    from rightface.assay.run import Wanted, assay
    from rightface.assay.stressed import years_of

    with reporting(as_json):
        read = read_manifest(
            manifest,
            pairs=pairs,
            images_root=images_root,
            image_column=image_column,
            subject_column=subject_column,
            cohort_columns=cohort or None,
            bins=dict(map(parse_bins, bins or ())),
            name=name,
            licence=licence,
            may_show=may_show,
            pad=pad,
            which_face=None if which_face is None else which_face.value,
        )
        read = replace(read, statement=_with_caveats(read.statement, caveat or ()))
        wanted = Wanted(
            fmr=targets(fmr),
            crosses=crosses(cross),
            identify=identify,
            stress=KINDS if stress else (),
            years=years_of(manifest, read),
            failures=out / FAILURES if failures else None,
            threads=threads,
        )
        # A wrong cross and too many cells are said before anybody is seen.
        cells_of(partitions_of(read.columns, wanted.crosses), len(read))
        with (
            measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
            progress(as_json) as stage,
        ):
            bench = bench_of(room, comparison)
            with gathered(
                {None: read}, bench, out, threads=threads, keep=keep, stage=stage
            ) as only:
                (material,) = only
                told = assay(material, bench, wanted, stage=stage, directory=out)
                write(told, out / FILE)
                room.finished(
                    {
                        "images": told.data.images,
                        "faces": len(material.acquired.rows),
                        "comparisons": told.verification.genuine + told.verification.impostor,
                    }
                )
        made, seconds = material.acquired.made, material.acquired.seconds

        def human() -> None:
            show(told)
            if made and seconds:
                speed = f"{made / seconds:.1f} a second"
                say(f"{made} photographs looked at in {seconds:.0f} s: {speed}.")
            if failures:
                say(f"Written: {out / FAILURES}, which names photographs. See assay report --help.")
            say(f"Written: {out / FILE}. As a page: rightface assay report {out / FILE}")

        emit(told.model_dump(mode="json"), as_json, human)


def _with_caveats(statement: Statement, more: Sequence[str]) -> Statement:
    return statement.model_copy(update={"caveats": [*statement.caveats, *more]})
